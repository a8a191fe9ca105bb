"""Snapshots of released formats stay readable, and equal seeds give equal bits on every platform.

``python tests/unit/test_golden.py`` writes what is missing; files of released formats are never rewritten.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import pyalgo
from pyalgo.bandits import SuccessiveEliminationWTB, TallyingFleet
from pyalgo.completion import MatrixCompletion
from pyalgo.rns import RnsAccumulator
from pyalgo.submodular import DynamicSubmodularMaximizer

GOLDEN = Path(__file__).parents[1] / "golden"
OBJECTIVES = ("coverage", "facility_location", "feature_based")
SUBMODULAR = 2  # the files of this version


def build(kind: str, steps: int = 400) -> DynamicSubmodularMaximizer:
    """A stream from integer arithmetic alone, so that it is the same everywhere: a window of 60 elements."""
    f = DynamicSubmodularMaximizer({"name": kind}, 7, eps=0.2, seed=2023)
    state = 1
    for i in range(steps):
        numbers = []
        for _ in range(6):
            state = state * 6364136223846793005 % 2**64 + 1442695040888963407
            numbers.append(state >> 33)
        payload = {
            "coverage": {"items": [[f"item {x % 97}" for x in numbers]]},
            "facility_location": {
                "neighbours": [sorted({x % 50 for x in numbers})],
                "similarities": [[x % 1000 / 1024 for x in numbers[: len({x % 50 for x in numbers})]]],
            },
            "feature_based": {"features": [[x % 1000 / 1024 for x in numbers]]},
        }[kind]
        f.insert([f"e{i}"], **payload)
        if i >= 60:
            f.delete([f"e{i - 60}"])
    return f


def answers(f: DynamicSubmodularMaximizer) -> dict:
    result = f.query(certificate=True)
    return {
        "ids": result.ids.tolist(),
        "value": result.value.hex(),
        "upper_bound": result.upper_bound.hex(),
        "oracle_calls": result.oracle_calls,
        "n_seen": f.n_seen,
    }


# Parameters of the streams on file; the pattern is symbols 100 to 123 of the text, as bytes, code points or numbers.
HAMMING = {
    "bytes": {},
    "str": {"k": 9, "wildcard": "\N{WATER WAVE}"},
    "int64": {"latency": 50, "keep_head": True},
}
SYMBOLS = {"bytes": b"ACGT", "str": "\xe9\N{BUG}\u4e2d\N{WATER WAVE}", "int64": [-(2**63), -1, 2**33, 2**63 - 1]}


def hamming_text(kind: str) -> bytes | str | np.ndarray:
    """600 symbols by integer arithmetic alone; some stretches repeat the pattern but for a few symbols."""
    state, indices = 1, []
    for i in range(600):
        state = state * 6364136223846793005 % 2**64 + 1442695040888963407
        repeats = i % 250 >= 200 and state >> 61
        indices.append(indices[100 + i % 24] if repeats else (state >> 33) % 4)
    alphabet = SYMBOLS[kind]
    if kind == "int64":
        return np.array([alphabet[i] for i in indices], np.int64)
    return alphabet[:0].join(alphabet[i : i + 1] for i in indices)


def hamming_stream(kind: str) -> pyalgo.Algorithm:
    """A stream that has seen 417 symbols in chunks of all sizes."""
    text = hamming_text(kind)
    stream = pyalgo.create("hamming", pattern=text[100:124], **HAMMING[kind])
    at = 0
    for size in (1, 0, 23, 150, 3, 240):
        stream.update(text[at : at + size])
        at += size
    return stream


def hamming_answers(stream: pyalgo.Algorithm) -> dict:
    """What it knows now; used on a snapshot on file and on a stream that is fed anew."""
    stats = stream.query()
    names = ("n_seen", "n_emitted", "best_distance", "best_position", "n_within_k")
    return {name: getattr(stats, name) for name in names}


def hamming_future(stream: pyalgo.Algorithm, kind: str) -> list:
    """What it emits from the rest of the text: [position, distance] each, where there is a k only those within it."""
    rows = []
    for chunk in (stream.update(hamming_text(kind)[417:500]), stream.update(hamming_text(kind)[500:]), stream.flush()):
        positions = range(chunk.start, chunk.start + len(chunk.distances)) if stream.k is None else chunk.positions
        rows += [[int(p), int(d)] for p, d in zip(positions, chunk.distances, strict=True)]
    return rows


@pytest.mark.claim("hamming.4")
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("hamming-*.snapshot")), ids=lambda path: path.stem)
def test_released_hamming_streams_are_read_and_go_on(path):
    stream, expected = pyalgo.load(path), json.loads(path.with_suffix(".json").read_text())
    assert hamming_answers(stream) == expected["answers"]
    assert hamming_future(stream, path.stem.split("-")[1]) == expected["future"]


@pytest.mark.claim("hamming.3", "hamming.4")
@pytest.mark.parametrize("kind", HAMMING)
def test_hamming_streams_end_in_the_state_on_file(kind):
    expected = json.loads((GOLDEN / f"hamming-{kind}-1.json").read_text())
    stream = hamming_stream(kind)
    assert hamming_answers(stream) == expected["answers"]
    assert hashlib.sha256(stream.to_bytes()).hexdigest() == expected["sha256"]
    assert hamming_future(stream, kind) == expected["future"]


# Parameters of the completions on file.
COMPLETION = {
    "als": {"validation": 0.2, "sweep_at": 0.5},
    "single": {"dtype": "float32", "solver": "cg", "shape": (30, 20), "bias": False},
    "altmin": {"method": "altmin", "init": "random", "local_rounds": 2},
}


def completion(kind: str) -> MatrixCompletion:
    """A stream of 400 cells of a 30 x 20 matrix by integer arithmetic alone; every fifth row of it takes a cell back."""
    model = MatrixCompletion(3, seed=7, reg=1.0, **COMPLETION[kind])
    state, present = 1, []
    for i in range(400):
        state = state * 6364136223846793005 % 2**64 + 1442695040888963407
        row, col = (state >> 33) % 30, (state >> 40) % 20
        if i % 5 == 4:
            row, col = present.pop(0)
            model.update(op=[-1], row=[row], col=[col])
        else:
            present = [cell for cell in present if cell != (row, col)] + [(row, col)]
            weight = None if kind != "als" else [1 + (state >> 50) % 4 / 4]
            model.insert([row], [col], [(row % 5 - 2) * (col % 3 - 1) + (state >> 45) % 64 / 256], weights=weight)
    return model


def completion_answers(model: MatrixCompletion) -> dict:
    """Floating point, so only near the same on every platform."""
    state = model.query()
    numbers = ("n_obs", "n_validation", "sweeps", "staleness", "train_rmse", "ahead_rmse", "mean")
    predictions = model.predict(np.repeat(np.arange(30), 20), np.tile(np.arange(20), 30))
    found = {name: getattr(state, name) for name in numbers}
    return {**found, "shape": list(state.shape), "n_seen": model.n_seen, "predictions": predictions.tolist()}


@pytest.mark.claim("completion.10")
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("completion-*.snapshot")), ids=lambda path: path.stem)
def test_released_completions_are_read_and_go_on(path):
    model, expected = pyalgo.load(path), json.loads(path.with_suffix(".json").read_text())
    tolerance = 1e-4 if model.dtype == "float32" else 1e-9
    found = completion_answers(model)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)
    assert pyalgo.load(model.to_bytes()).to_bytes() == model.to_bytes()
    model.insert([1], [1], [0.5])
    model.refresh(sweeps=2)
    assert np.isfinite(model.query().train_rmse)


@pytest.mark.parametrize("kind", COMPLETION)
def test_completions_end_near_the_state_on_file(kind):
    expected = json.loads((GOLDEN / f"completion-{kind}-1.json").read_text())
    found, tolerance = completion_answers(completion(kind)), 1e-3 if kind == "single" else 1e-7
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


# One basis a word: residues of 16, 32 and 64 bits.
RNS = {"uint16": [251, 253, 255, 256], "uint32": [2**31 - 1, 2**31, 65521], "uint64": [2**61 - 1, 2**50 - 27, 3]}


def rns_sums(kind: str) -> RnsAccumulator:
    """300 additions and subtractions to six sums, by integer arithmetic alone."""
    sums, state = RnsAccumulator(RNS[kind], shape=(2, 3)), 1
    for i in range(30):
        op, slot, value = [], [], []
        for _ in range(10):
            state = state * 6364136223846793005 % 2**64 + 1442695040888963407
            op.append(1 if state >> 63 & 1 else -1)
            slot.append((state >> 33) % 6)
            value.append((state % 2**64 >> i) - (2**63 >> i))
        sums.update(op=op, slot=slot, value=value)
    return sums


def rns_answers(sums: pyalgo.Algorithm) -> dict:
    total = sums.query()
    bytes_ = hashlib.sha256(sums.to_bytes()).hexdigest()
    return {
        "values": total.values.tolist(),
        "exact": total.exact,
        "bound": total.bound,
        "n": total.n_seen,
        "sha256": bytes_,
    }


@pytest.mark.claim("rns.9")
@pytest.mark.parametrize("kind", RNS)
def test_rns_sums_are_read_go_on_and_are_those_on_file(kind):
    path = GOLDEN / f"rns-{kind}-1.snapshot"
    released, expected = pyalgo.load(path), json.loads(path.with_suffix(".json").read_text())
    assert rns_answers(released) == expected == rns_answers(rns_sums(kind))
    released.merge(rns_sums(kind))
    assert released.n_seen == 600


def bandit(kind: str) -> pyalgo.Algorithm:
    """Some hundred losses by integer arithmetic alone, a few of them late; of the fleets with ids that come and go."""
    state, losses = 1, []
    for _ in range(900):
        state = state * 6364136223846793005 % 2**64 + 1442695040888963407
        losses.append((state >> 33) % 65 / 64)
    if kind in ("known", "doubling"):
        settings = {"horizon": 700} if kind == "known" else {"radius": "bernstein", "max_missing": 0.1, "n0": 8}
        policy = SuccessiveEliminationWTB(4, 3, delta=0.2, **settings)
        for t, loss in enumerate(losses[:600]):
            arm, token = policy.select()
            if t % 50 != 7:
                policy.update(token=token, loss=loss * (4 - arm) / 4)
            if t % 50 == 20 and kind == "known":
                policy.update(token=t - 13, loss=0.25)
        return policy
    settings = {"id_map": "hash", "dtype": "f32", "strict": False} if kind == "hashed" else {}
    fleet = TallyingFleet(5, 3, 2, 400, delta=0.2, n0=4, **settings)
    if kind == "hashed":
        fleet.add_bandits([-(2**40), 77])
        fleet.remove_bandits([2])
    ids = fleet.ids.tolist()
    for t, loss in enumerate(losses):
        id_ = ids[(t * t + t // 7) % len(ids)]
        fleet.step([id_], [loss * (1 + 2 * fleet.select([id_])[0]) / 5])
    return fleet


def bandit_answers(algorithm: pyalgo.Algorithm) -> dict:
    found = {"n_seen": algorithm.n_seen, "sha256": hashlib.sha256(algorithm.to_bytes()).hexdigest()}
    if isinstance(algorithm, TallyingFleet):
        state = algorithm.state(algorithm.ids)
        return {**found, **{name: state[name].tolist() for name in ("arm", "epoch", "n_active", "token")}}
    state = algorithm.query()
    found |= {
        "active": state.active.tolist(),
        "counts": state.counts.tolist(),
        "epoch": state.epoch,
        "open": state.n_open,
    }
    return {**found, "next": [algorithm.clone().select().arm]}


BANDITS = ("known", "doubling", "dense", "hashed")


@pytest.mark.claim("bandits.9")
@pytest.mark.parametrize("kind", BANDITS)
def test_bandits_are_read_go_on_and_are_those_on_file(kind):
    path = GOLDEN / f"bandits-{kind}-1.snapshot"
    released, expected = pyalgo.load(path), json.loads(path.with_suffix(".json").read_text())
    assert bandit_answers(released) == expected
    assert bandit_answers(bandit(kind)) == expected
    for _ in range(50):
        if isinstance(released, TallyingFleet):
            released.step(released.ids, np.full(len(released), 0.5))
        else:
            released.update(token=released.select().token, loss=0.5)


@pytest.mark.claim("submodular.10", "submodular.11")
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("submodular-*.snapshot")), ids=lambda path: path.stem)
def test_released_snapshots_are_read_and_go_on(path):
    f, expected = pyalgo.load(path), json.loads(path.with_suffix(".json").read_text())
    found = answers(f)
    if path.stem.endswith(f"-{SUBMODULAR}"):
        assert found == expected
    else:  # written by an older version: what is made of the same elements is as good or better
        assert found["n_seen"] == expected["n_seen"]
        assert float.fromhex(found["value"]) >= float.fromhex(expected["value"])
    f._check()
    f.delete(f.query().ids[:2])
    f._check()


@pytest.mark.claim("submodular.11")
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_equal_seeds_give_the_answers_on_file(kind):
    assert answers(build(kind)) == json.loads((GOLDEN / f"submodular-{kind}-{SUBMODULAR}.json").read_text())


if __name__ == "__main__":
    for kind in OBJECTIVES:
        target = GOLDEN / f"submodular-{kind}-{SUBMODULAR}.snapshot"
        if not target.exists():
            f = build(kind)
            target.write_bytes(f.to_bytes())
            target.with_suffix(".json").write_text(json.dumps(answers(f), indent=1) + "\n")
    for kind in HAMMING:
        target = GOLDEN / f"hamming-{kind}-1.snapshot"
        if not target.exists():
            stream = hamming_stream(kind)
            target.write_bytes(stream.to_bytes())
            found = {"answers": hamming_answers(stream), "sha256": hashlib.sha256(stream.to_bytes()).hexdigest()}
            found["future"] = hamming_future(stream, kind)
            target.with_suffix(".json").write_text(json.dumps(found) + "\n")
    for kind in COMPLETION:
        target = GOLDEN / f"completion-{kind}-1.snapshot"
        if not target.exists():
            model = completion(kind)
            target.write_bytes(model.to_bytes())
            target.with_suffix(".json").write_text(json.dumps(completion_answers(model)) + "\n")

    for kind in RNS:
        target = GOLDEN / f"rns-{kind}-1.snapshot"
        if not target.exists():
            target.write_bytes(rns_sums(kind).to_bytes())
            target.with_suffix(".json").write_text(json.dumps(rns_answers(rns_sums(kind))) + "\n")

    for kind in BANDITS:
        target = GOLDEN / f"bandits-{kind}-1.snapshot"
        if not target.exists():
            target.write_bytes(bandit(kind).to_bytes())
            target.with_suffix(".json").write_text(json.dumps(bandit_answers(bandit(kind))) + "\n")
