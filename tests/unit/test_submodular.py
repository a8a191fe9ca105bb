"""The dynamic maximiser against brute force, its own invariants, and the contract."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyalgo
from pyalgo.submodular import DynamicSubmodularMaximizer, FacilityLocation, FeatureBased, WeightedCoverage
from pyalgo.testing import check_algorithm

OBJECTIVES = ("coverage", "facility_location", "feature_based")
CONCAVE = {"sqrt": np.sqrt, "log1p": np.log1p, "inverse": lambda x: x / (1 + x), "min": lambda x: np.minimum(x, 1.0)}


class Toy:
    """A small random instance, with f of every subset by its definition."""

    def __init__(self, kind: str, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.kind, self.n, self.params = kind, n, {"name": kind}
        masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1  # (2^n, n)
        if kind == "coverage":
            member = rng.random((n, 15)) < rng.uniform(0.1, 0.5)
            weights = np.round(rng.exponential(size=15), 3) * rng.choice([0.01, 1, 100]) + 0.001
            self.payload = [{"items": np.flatnonzero(row).tolist(), "weights": weights[row].tolist()} for row in member]
            self.f = (masks @ member > 0) @ weights
        elif kind == "facility_location":
            similarity = rng.random((n, 8)) ** 3 * (rng.random((n, 8)) < 0.7)
            self.payload = [
                {"neighbours": [f"c{j}" for j in np.flatnonzero(row)], "similarities": row[row > 0].tolist()}
                for row in similarity
            ]
            self.f = np.max(masks[:, :, None] * similarity, axis=1).sum(axis=1)
        else:
            concave = list(CONCAVE)[seed % 4]
            features = rng.exponential(size=(n, 5)) * (rng.random((n, 5)) < 0.6) * 10.0 ** rng.integers(-2, 3)
            self.params["concave"] = concave
            self.payload = [{"features": row.tolist()} for row in features]
            self.f = CONCAVE[concave](masks @ features).sum(axis=1)
        self.sizes = masks.sum(axis=1)

    def value(self, ids) -> float:
        return float(self.f[sum(1 << int(i) for i in ids)])

    def optimum(self, live, k: int) -> float:
        mask = sum(1 << i for i in live)
        subsets = np.arange(2**self.n)
        return float(self.f[((subsets & ~mask) == 0) & (self.sizes <= k)].max())

    def columns(self, ops) -> dict[str, list]:
        names = list(self.payload[0])
        columns = {"op": [op for op, _ in ops], "id": [i for _, i in ops]}
        for name in names:
            columns[name] = [self.payload[i][name] if op > 0 else [] for op, i in ops]
        return columns


def random_ops(n: int, length: int, rng, p_insert: float = 0.55):
    """A valid stream of (op, id) over the ids 0..n-1."""
    live: set[int] = set()
    ops = []
    while len(ops) < length:
        insert = rng.random() < p_insert
        choices = sorted(set(range(n)) - live) if insert else sorted(live)
        if not choices:
            continue
        i = int(rng.choice(choices))
        live.symmetric_difference_update({i})
        ops.append((1 if insert else -1, i))
    return ops


@pytest.mark.claim("submodular.1")
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("method", ["levels", "param"])
@pytest.mark.parametrize("guess_grid", ["window", "all"])
@pytest.mark.parametrize("eps", [0.1, 0.2, 0.5])
def test_bound_holds_at_every_step(kind, method, guess_grid, eps):
    share = (1 - eps if method == "levels" else 1) / (2 * (1 + eps))
    for trial in range(17):  # 3 objectives x 2 methods x 2 grids x 3 eps x 17 = 612 streams of 60 updates
        rng = np.random.default_rng([trial, int(10 * eps)])
        toy = Toy(kind, n=int(rng.integers(6, 13)), seed=trial)
        k = int(rng.integers(1, 5))
        algorithm = DynamicSubmodularMaximizer(toy.params, k, eps=eps, method=method, seed=trial, guess_grid=guess_grid)
        live: set[int] = set()
        for op, i in random_ops(toy.n, 60, rng):
            algorithm.update(toy.columns([(op, i)]))
            live.symmetric_difference_update({i})
            optimum = toy.optimum(live, k)
            plain, refined = algorithm.query(refine=False), algorithm.query(certificate=True)
            for result in (plain, refined):
                ids = result.ids.tolist()
                assert len(set(ids)) == len(ids) <= k
                assert set(ids) <= live
                assert result.value == pytest.approx(toy.value(ids), rel=1e-9, abs=1e-300)
                assert result.value >= share * optimum * (1 - 1e-9)
                assert result.value <= optimum * (1 + 1e-9)
                assert result.upper_bound >= optimum * (1 - 1e-9)
                assert result.gains.sum() == pytest.approx(result.value, rel=1e-9, abs=1e-300)
                assert result.ratio_lower_bound >= share * (1 - 1e-9)
            assert refined.value >= plain.value


@pytest.mark.claim("submodular.2")
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("guess_grid", ["window", "all"])
def test_invariants_after_each_of_many_updates(kind, guess_grid):
    rng = np.random.default_rng(7)
    payload = [Toy(kind, n=8, seed=4 * s).payload for s in range(5)]
    payload = [row for rows in payload for row in rows]
    params = {"name": kind}
    if kind == "coverage":  # weights differ between the toys
        payload = [{"items": row["items"]} for row in payload]
    algorithm = DynamicSubmodularMaximizer(params, 6, eps=0.2, seed=3, guess_grid=guess_grid)
    for op, i in random_ops(len(payload), 10_000, rng):
        algorithm.update({"op": [op], "id": [i], **{name: [value] for name, value in payload[i].items()}})
        algorithm._check()


@pytest.mark.claim("submodular.10")
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("guess_grid", ["window", "all"])
def test_contract(kind, guess_grid):
    toy, ops = Toy(kind, n=10, seed=1), random_ops(10, 40, np.random.default_rng(6))
    check_algorithm(
        lambda: DynamicSubmodularMaximizer(toy.params, 3, eps=0.3, seed=9, guess_grid=guess_grid),
        [toy.columns(ops[at : at + 8]) for at in range(0, 40, 8)],
    )


@pytest.mark.claim("submodular.10")
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_restored_state_has_the_same_future(kind):
    rng = np.random.default_rng(11)
    toy = Toy(kind, n=12, seed=2)
    ops = random_ops(12, 400, rng)
    whole = DynamicSubmodularMaximizer(toy.params, 4, seed=1)
    restored = whole.clone()
    for at in range(0, 400, 7):
        batch = toy.columns(ops[at : at + 7])
        whole.update(batch)
        restored = DynamicSubmodularMaximizer.from_bytes(restored.to_bytes())
        restored.update(batch)
        assert restored.to_bytes() == whole.to_bytes()
        assert restored.query().ids.tolist() == whole.query().ids.tolist()
        restored._check()


@pytest.mark.claim("submodular.11")
def test_same_seed_gives_the_same_ids_in_other_processes(tmp_path):
    script = """
import json, sys
import numpy as np
from pyalgo.submodular import DynamicSubmodularMaximizer
rng = np.random.default_rng(0)
f = DynamicSubmodularMaximizer({"name": "coverage"}, 10, seed=5)
answers = []
for i in range(600):
    f.insert([f"e{i}"], items=[[f"u{j}" for j in (200 * rng.random(6) ** 2).astype(int)]])
    if i >= 200:
        f.delete([f"e{i - 200}"])
    if i % 100 == 99:
        answers.append(f.query().ids.tolist())
json.dump([answers, f.query().oracle_calls], sys.stdout)
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "42")
    }
    assert len(outputs) == 1
    answers, _ = json.loads(outputs.pop())
    assert len(answers) == 6
    assert all(len(ids) == 10 for ids in answers)


@pytest.mark.claim("submodular.10")
def test_a_bad_row_leaves_the_state_as_it_was():
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 2)
    f.update(id=["a", "b"], items=[["x", "y"], ["z"]])
    before = f.to_bytes()
    bad = [
        (dict(op=[-1, -1], id=["a", "c"]), pyalgo.UnknownElementError, 1),
        (dict(op=[-1, 1, 1], id=["a", "a", "a"], items=[[], ["x"], ["x"]]), pyalgo.DuplicateElementError, 2),
        (dict(id=["c", "b"], items=[["x"], ["x"]]), pyalgo.DuplicateElementError, 1),
        (dict(id=["c"]), pyalgo.UnknownElementError, 0),
        (dict(id=["c", "d"], items=[["x"], ["x", "w"]], weights=[[1.0], [1.0]]), ValueError, 1),
        (dict(id=["c", "d"], items=[["w"], ["w"]], weights=[[1.0], [2.0]]), ValueError, 1),
        (dict(id=["c", "d"], items=[["w"], ["v"]], weights=[[1.0], [-2.0]]), ValueError, 1),
        (dict(id=["c", "d"], items=[["w"], ["v"]], weights=[[1.0], [np.nan]]), ValueError, 1),
        (dict(id=["c"], items=[[7]]), TypeError, 0),
        (dict(id=[3], items=[["x"]]), TypeError, None),
        (dict(id=["c"], features=[[1.0]]), ValueError, None),
    ]
    for columns, error, row in bad:
        with pytest.raises(error) as caught:
            f.update(columns)
        if row is not None:
            assert caught.value.row == row
        assert f.to_bytes() == before, columns
    f._check()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 6), max_size=4)), max_size=60), st.integers(1, 3))
def test_payload_may_change_between_lives_of_an_id(steps, k):
    """An id that comes back with other items is another element; items come and go with their holders."""
    f = DynamicSubmodularMaximizer({"name": "coverage"}, k, eps=0.5)
    live: dict[int, list[int]] = {}
    for i, items in steps:
        if i in live:
            f.delete([i])
            del live[i]
        else:
            f.insert([i], items=[items])
            live[i] = items
        f._check()
        best = max(
            (len(set().union(*chosen)) for chosen in itertools.combinations(live.values(), min(k, len(live)))),
            default=0,
        )
        result = f.query()
        assert result.value == len(set().union(*(live[j] for j in result.ids.tolist())))
        assert best / 6 <= result.value <= best <= result.upper_bound * (1 + 1e-12)


def test_objects_are_shared_and_snapshots_carry_them():
    f = WeightedCoverage.from_csr([0, 2, 3, 5], [0, 1, 1, 2, 3], weights=[1.0, 2.0, 3.0, 4.0])
    summary = DynamicSubmodularMaximizer(f, 2, seed=4)
    summary.insert(np.arange(3))
    assert summary.query().value == 10.0
    more = f.add_items(items=[[0, 1, 2, 3]])
    summary.insert(more)
    assert summary.query().value == 10.0
    copy = summary.clone()
    copy.delete([0, 1, 2, 3])
    copy.insert([2])
    assert copy.query().ids.tolist() == [2]
    assert summary.query(certificate=True).upper_bound >= 10.0
    empty = DynamicSubmodularMaximizer(**summary.params)
    assert empty.n_seen == 0
    empty.insert([0])
    assert empty.query().value == 3.0


def test_static_constructors_agree_with_their_definitions():
    rng = np.random.default_rng(0)
    similarity, features = rng.random((6, 4)), rng.random((4, 3))
    assert FacilityLocation.from_similarity(similarity).value([1, 3]) == pytest.approx(
        similarity[:, [1, 3]].max(axis=1).sum()
    )
    assert FeatureBased.from_features(features).value([0, 2]) == pytest.approx(np.sqrt(features[0] + features[2]).sum())
    assert WeightedCoverage.from_sets([["a", "b"], ["b"]]).value([0, 1]) == 2.0
    capped = FeatureBased(concave="min", cap=0.25, weights=[1.0, 2.0, 3.0])
    capped.add_items(features=features)
    assert capped.value([0, 1]) == pytest.approx((np.minimum(features[0] + features[1], 0.25) * [1, 2, 3]).sum())


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"k": 0}, ValueError, "k must be from 1 to 65534, got 0"),
        ({"k": 2.5}, TypeError, "k must be an integer"),
        ({"eps": 0.6}, ValueError, "eps must be from 0.0001 to 0.5, got 0.6"),
        ({"eps": float("nan")}, ValueError, "eps must be"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"method": "best"}, ValueError, "method must be one of levels, param, got 'best'"),
        ({"guess_grid": "most"}, ValueError, "guess_grid must be one of window, all"),
        ({"objective": {"name": "cover"}}, ValueError, "one of coverage, facility_location, feature_based"),
        ({"objective": {"name": "coverage", "weigths": {}}}, ValueError, "has no setting 'weigths'; it has weights"),
        ({"objective": {"name": "coverage", "weights": {"x": -1.0}}}, ValueError, "weights\\['x'\\]"),
        ({"objective": "coverage"}, TypeError, "objective must be"),
    ],
)
def test_parameters_out_of_range(change, error, text):
    with pytest.raises(error, match=text):
        pyalgo.create("submodular", **{"objective": {"name": "coverage"}, "k": 2, **change})


def test_corners():
    f = pyalgo.create("submodular", objective={"name": "coverage"}, k=20, eps=0.1, seed=0)
    empty = f.query(certificate=True)
    assert (empty.ids.tolist(), empty.value, empty.upper_bound, empty.ratio_lower_bound) == ([], 0.0, 0.0, 1.0)
    f.update(id=[2**63 - 1, -(2**63)], items=[[], []])  # worth nothing
    assert f.query().value == 0.0
    f.update(id=[5], items=[[1, 1, 1]])  # items are a set
    result = f.query()
    assert (result.ids.tolist(), result.value) == ([5], 1.0)
    f.update(op=[-1, -1, -1], id=[2**63 - 1, -(2**63), 5])
    assert f.query().value == 0.0
    assert f.stats()["live"] == f.stats()["guesses"] == 0
    f._check()


def test_range_of_magnitudes():
    """Elements that differ by 1e200 in worth live side by side."""
    f = DynamicSubmodularMaximizer({"name": "feature_based", "concave": "min", "cap": 1e100}, 2, eps=0.1)
    f.insert([1, 2, 3], features=[[1e-100, 0], [1e100, 0], [0, 1.0]])
    assert f.query().value >= 1e100
    f._check()
    f.delete([2])
    assert f.query().value == pytest.approx(1.0)
    f._check()
    f.delete([3])
    assert f.query().value == 1e-100
    f._check()
