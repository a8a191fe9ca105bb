"""The game that changes, against one played anew; the contract; snapshots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyalgo_waterfilling.game import InterferenceGame
from pyalgo_waterfilling.streaming import StreamingWaterfilling

import pyalgo
from pyalgo.testing import check_algorithm

GOLDEN = Path(__file__).with_name("golden") / "waterfilling-1.snapshot"


def channels(rng: np.random.Generator, q: int, n: int, strength: float) -> np.ndarray:
    """Users on a ring, each heard by three neighbours on either side: Rayleigh fading around a pathloss."""
    apart = np.abs(np.arange(q)[:, np.newaxis] - np.arange(q))
    distance = np.minimum(apart, q - apart)
    near = np.where(distance <= 3, strength / np.maximum(distance, 1) ** 4.0, 0.0)
    gains = near[:, :, np.newaxis] * rng.exponential(size=(q, q, n))
    gains[np.arange(q), np.arange(q)] = rng.uniform(0.7, 1.5, (q, n))
    return gains


def rows(gains: np.ndarray, receivers, senders, names=None) -> dict[str, list]:
    """Rows that set the gains from `senders` to `receivers` on every carrier, own ones first."""
    n = gains.shape[2]
    pairs = sorted(((i, j) for i in receivers for j in senders), key=lambda pair: pair[0] != pair[1])
    names = list(range(len(gains))) if names is None else names
    return {
        "user": [names[i] for i, _ in pairs for _ in range(n)],
        "transmitter": [names[j] for _, j in pairs for _ in range(n)],
        "carrier": [k for _ in pairs for k in range(n)],
        "gain": [float(gains[i, j, k]) for i, j in pairs for k in range(n)],
    }


def batches() -> list[dict[str, list]]:
    return [
        {
            "user": ["a", "b", "a"],
            "carrier": [0, 1, 1],
            "gain": [1.0, 2.0, 0.5],
            "noise": [0.1, 0.2, 0.3],
            "budget": [1.0] * 3,
        },
        {"user": ["a", "b", "b"], "transmitter": ["b", "a", "b"], "carrier": [1, 1, 0], "gain": [0.2, 0.1, 1.0]},
        {"user": ["c", "a"], "budget": [2.0, 0.5]},
        {"op": [1, -1, 1], "user": ["c", "b", "b"], "carrier": [0, 0, 1], "gain": [1.5, 0.0, 0.7]},
        {"user": ["b", "a", "c"], "carrier": [1, 0, 1], "noise": [0.4, 0.05, 0.2]},
    ]


def test_contract():
    check_algorithm(lambda: StreamingWaterfilling(carriers=2, settle_every=3), batches())
    check_algorithm(lambda: StreamingWaterfilling(carriers=2, gap=2.0, tol=1e-6), batches())


def test_through_the_registry():
    assert pyalgo.create("waterfilling.waterfilling", carriers=4).carriers == 4
    assert not hasattr(StreamingWaterfilling, "merge")  # of two channels for one link neither is the sum


@pytest.mark.claim("waterfilling.11")
def test_snapshots_come_back_bit_by_bit_and_this_one_for_good():
    stream = StreamingWaterfilling(carriers=2, settle_every=2)
    for batch in batches():
        stream.update(batch)
    data = stream.to_bytes()
    loaded = pyalgo.load(data)
    assert loaded.to_bytes() == data
    assert np.array_equal(loaded.query().power, stream.query().power)
    golden = pyalgo.load(GOLDEN.read_bytes())
    assert golden.to_bytes() == GOLDEN.read_bytes()
    assert golden.n_seen == stream.n_seen
    np.testing.assert_allclose(golden.query().power, stream.query().power, rtol=0, atol=1e-8)


@pytest.mark.claim("waterfilling.10")
def test_a_thousand_steps_equal_a_game_played_anew():
    """One user of 64 has new channels on 256 carriers in each step: own, to all others and from them."""
    rng = np.random.default_rng(0)
    q, n, steps, strength = 64, 256, 1000, 0.03
    gains = channels(rng, q, n, strength)
    noise, budgets = rng.uniform(0.05, 0.5, (q, n)), np.full(q, 10.0)
    per_step = 13 * n  # its own channel, and those from and to six neighbours
    stream = StreamingWaterfilling(carriers=n, settle_every=per_step, tol=1e-9)
    first = rows(gains, range(q), range(q))
    first["noise"] = [float(noise[i, k]) for i, k in zip(first["user"], first["carrier"], strict=True)]
    first["budget"] = [10.0] * len(first["user"])
    stream.update(first)
    fill = -stream.n_seen % per_step  # so that each step ends with a settling
    stream.update(user=[0] * fill, budget=[10.0] * fill)
    seen, cold, played, drift = stream.query().updates, 0, 0, 0.0
    for step in range(steps):
        i = int(rng.integers(q))
        near = [(i + d) % q for d in (-3, -2, -1, 1, 2, 3)]
        gains[i, i] = rng.uniform(0.7, 1.5, n)
        for d, j in zip((3, 2, 1, 1, 2, 3), near, strict=True):
            gains[i, j], gains[j, i] = strength / d**4.0 * rng.exponential(size=(2, n))
        receivers = np.repeat([i] * 7 + near, n)
        senders = np.repeat([i, *near] + [i] * 6, n)
        carrier = np.tile(np.arange(n), 13)
        stream.update(user=receivers, transmitter=senders, carrier=carrier, gain=gains[receivers, senders, carrier])
        if step % 50 == 0:
            result = stream.query()
            assert result.status == "certified"
            anew = InterferenceGame(gains, noise, budgets).solve("sequential", tol=1e-9)
            assert np.abs(result.power - anew.power).max() <= 1e-8
            assert (np.linalg.norm(result.power - anew.power, axis=1) <= result.error_bound + anew.error_bound).all()
            cold, played = cold + anew.iterations * q, played + 1
            direct = np.einsum("ijk,jk->ik", gains * (1 - np.eye(q))[:, :, np.newaxis], stream._state.power)
            drift = max(drift, float((np.abs(stream._state.heard - direct) / direct.mean()).max()))
    warm = (stream.query().updates - seen) / steps
    print(f"{warm:.1f} updates a step against {cold / played:.0f} anew; drift {drift:.1e}")
    assert cold / played >= 5 * warm
    assert drift <= 1e-10


def test_removing_a_user_is_never_having_had_it():
    rng = np.random.default_rng(1)
    gains = channels(rng, 4, 8, 0.05)
    four, three = (StreamingWaterfilling(carriers=8) for _ in range(2))
    four.update(rows(gains, range(4), range(4), "abcd"))
    four.query()
    four.remove_user("b")
    left = [0, 2, 3]
    three.update(rows(gains, left, left, "abcd"))
    assert four.query().users == three.query().users == ("a", "c", "d")
    np.testing.assert_allclose(four.query().power, three.query().power, atol=1e-8)
    game = four.game()
    assert game.n_users == 3
    np.testing.assert_allclose(game.solve().power, four.query().power, atol=1e-8)


def test_carriers_without_a_gain_are_not_used():
    stream = StreamingWaterfilling(carriers=3, budget=2.0)
    stream.add_user("a", [1.0, 0.0, 2.0], 1.0, 4.0)
    stream.update(user=["b"], budget=[1.0])
    result = stream.query()
    assert result.power[0, 1] == 0
    assert result.power[0].sum() == pytest.approx(4.0)
    assert (result.power[1] == 0).all()
    assert result.level[1] == np.inf
    assert result.rates[1] == 0
    stream.update(user=["a"], carrier=[2], gain=[0.0])
    assert stream.query().power[0].tolist() == [4.0, 0.0, 0.0]
    nobody = StreamingWaterfilling(carriers=2).query()
    assert nobody.users == ()
    assert nobody.power.shape == (0, 2)


@pytest.mark.claim("waterfilling.11")
@pytest.mark.parametrize(
    ("batch", "error", "match"),
    [
        ({"user": ["a"], "carrier": [0]}, ValueError, "need a column gain, noise or budget"),
        ({"user": ["a"], "gain": [1.0]}, ValueError, "need the column carrier"),
        ({"user": ["a"], "carrier": [2], "gain": [1.0]}, ValueError, "row 0: carrier must be from 0 to 1, got 2"),
        ({"user": ["a", "a"], "carrier": [0, 1], "gain": [1.0, -1.0]}, ValueError, "row 1: gain must be at least 0"),
        (
            {"user": ["a"], "carrier": [0], "gain": [np.nan]},
            ValueError,
            "row 0: gain must be at least 0 and finite, got nan",
        ),
        ({"user": ["a"], "carrier": [0], "noise": [0.0]}, ValueError, "row 0: noise must be positive"),
        ({"user": ["a"], "budget": [-1.0]}, ValueError, "row 0: budget must be 0, or at least"),
        ({"op": [-1], "user": ["z"]}, KeyError, "row 0: there is no user 'z' to remove"),
        (
            {"user": ["a"], "transmitter": ["z"], "carrier": [0], "gain": [1.0]},
            KeyError,
            "row 0: transmitter 'z' is no user yet",
        ),
        ({"user": ["a"], "transmitter": ["a"], "budget": [1.0]}, ValueError, "transmitter needs the column gain"),
    ],
)
def test_a_bad_row_changes_nothing(batch, error, match):
    stream = StreamingWaterfilling(carriers=2)
    stream.update(batches()[0])
    before = stream.to_bytes()
    with pytest.raises(error, match=match):
        stream.update(batch)
    assert stream.to_bytes() == before


@pytest.mark.claim("waterfilling.11")
@pytest.mark.parametrize(
    "options", [{"carriers": 0}, {"gap": 0.5}, {"noise": 0.0}, {"budget": -1.0}, {"tol": 0.0}, {"settle_every": 0}]
)
def test_parameters_out_of_range(options):
    with pytest.raises(ValueError, match="must be"):
        StreamingWaterfilling(**{"carriers": 2, **options})
