"""Fleets: the same decisions as single policies bit for bit, on any number of threads; states, bad input."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyalgo
from pyalgo.bandits import FeedbackError, HorizonWarning, SuccessiveEliminationWTB, TallyingFleet
from pyalgo.errors import DuplicateElementError, SnapshotError, UnknownElementError
from pyalgo.testing import check_algorithm


def fleet_of(n=20, arms=3, memory=2, horizon=300, **settings) -> TallyingFleet:
    return TallyingFleet(n, arms, memory, horizon, **settings)


def fed(fleet: TallyingFleet, rows: int, seed: int = 0, batch: int = 100) -> TallyingFleet:
    """Rows of random ids; of a loss of 1 the bandit's own probability, by arm."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).random((int(fleet.ids.max()) + 1, fleet.n_arms))
    for begin in range(0, rows, batch):
        ids = rng.choice(fleet.ids, min(batch, rows - begin), replace=False)
        arms = fleet.select(ids)
        fleet.update(ids, arms, (rng.random(len(ids)) < means[ids, arms]).astype(float))
    return fleet


@pytest.mark.claim("bandits.6")
@pytest.mark.parametrize("loss_range", [(0.0, 1.0), (-1.0, 2.0)])
def test_a_fleet_is_so_many_single_policies(loss_range):
    """Every decision of 50 bandits, with duplicates in a batch, against policies fed one by one."""
    rng = np.random.default_rng(0)
    fleet = fleet_of(50, 4, 3, 2000, loss_range=loss_range, delta=0.2, n0=3)
    singles = [SuccessiveEliminationWTB(4, 3, 2000, loss_range=loss_range, delta=0.2, n0=3) for _ in range(50)]
    for _ in range(700):
        ids = rng.integers(50, size=int(rng.integers(1, 80)))
        expected, values = [], []
        for id_ in ids.tolist():
            arm = singles[id_].next_arm
            values.append(loss_range[0] + (loss_range[1] - loss_range[0]) * rng.random() ** (1 + arm))
            singles[id_].update(arm=arm, loss=values[-1])
            expected.append(singles[id_].next_arm)
        assert fleet.step(ids, values).tolist() == expected
    state = fleet.state(np.arange(50))
    for id_, single in enumerate(singles):
        found = single.query()
        assert state["epoch"][id_] == found.epoch
        assert state["n_active"][id_] == found.active.sum()
        assert state["token"][id_] == found.n_plays
        assert state["counts"][id_][found.active].tolist() == found.counts[found.active].tolist()
        if loss_range == (0.0, 1.0):
            np.testing.assert_array_equal(state["means"][id_], found.means)
    assert (state["epoch"] > 0).all()
    assert (state["n_active"] < 4).any()


@pytest.mark.claim("bandits.6")
def test_bandits_at_full_size_do_not_depend_on_batches_or_threads():
    """2,000 losses each (2e7 in all), whole batches on one thread against random pieces on four; and 40 against singles."""
    bandits, rounds = 10_000, 2_000
    means = np.random.default_rng(1).random((bandits, 4))
    one, four = (TallyingFleet(bandits, 4, 3, 3000, threads=threads) for threads in (1, 4))
    singles = {id_: SuccessiveEliminationWTB(4, 3, 3000) for id_ in range(0, bandits, 250)}
    rng = np.random.default_rng(2)
    ids = np.concatenate([rng.permutation(bandits) for _ in range(10)])
    for _ in range(rounds // 10):
        # Ten rows an id, whose losses are those of the arm if the id plays on, so what a bandit's rows are is known beforehand.
        values = means[ids, rng.integers(4, size=len(ids))]
        whole = one.step(ids, values)
        cuts = [0, *np.sort(rng.integers(len(ids), size=3)).tolist(), len(ids)]
        pieces = [four.step(ids[a:b], values[a:b]) for a, b in pairwise(cuts)]
        assert np.array_equal(whole, np.concatenate(pieces))
        for id_, single in singles.items():
            for row in np.flatnonzero(ids == id_):
                single.update(arm=single.next_arm, loss=float(values[row]))
                assert single.next_arm == whole[row]
        ids = ids[rng.permutation(len(ids))]
    assert {k: v for k, v in one.params.items() if k != "threads"} == {
        k: v for k, v in four.params.items() if k != "threads"
    }
    assert one._core.save() == four._core.save()
    assert one.n_seen == bandits * rounds


def test_single_precision_decides_alike_and_takes_less():
    double, single = fleet_of(200, 5, 2, 5000), fleet_of(200, 5, 2, 5000, dtype="f32")
    for fleet in (double, single):
        fed(fleet, 200 * 800, batch=200)
    a, b = double.state(double.ids), single.state(single.ids)
    assert (a["n_active"] == b["n_active"]).mean() > 0.99
    np.testing.assert_allclose(a["means"], b["means"], atol=1e-5)
    assert single.nbytes < double.nbytes


@pytest.mark.claim("bandits.9")
@pytest.mark.parametrize(("dtype", "each"), [("f64", 9), ("f32", 5)])
@pytest.mark.parametrize("arms", [1, 2, 4, 5, 8, 13, 100])
def test_memory_of_a_bandit(dtype, each, arms):
    size = 100_000
    fleet = TallyingFleet(size, arms, 2, 10_000, dtype=dtype)
    assert fleet.nbytes <= size * (each * arms + 20) + 4096
    assert fleet.nbytes >= size * (each - 1) * arms  # the sums are counted
    if arms == 4 and dtype == "f64":
        assert fleet.nbytes * 100 <= 640e6  # ten million fit into 640 MB
    assert len(fleet.to_bytes()) <= 1.0 * fleet.nbytes


def test_compensation_outlasts_single_precision_at_full_size():
    """2^24 ones and more: a sum of floats stops growing there."""
    fleet = TallyingFleet(1, 2, 0, 2**26, n0=2**25, dtype="f32")
    rows = np.zeros(2**21, np.int64)
    for _ in range(9):
        fleet.step(rows, np.ones(len(rows)))
    assert fleet.state([0])["sums"][0, 0] == 9 * 2**21


@pytest.mark.claim("bandits.9")
def test_snapshots_come_back_and_altered_ones_are_refused():
    fleet = fed(fleet_of(200), 4000)
    data = fleet.to_bytes()
    twin = TallyingFleet.from_bytes(data)
    assert twin.to_bytes() == data
    assert fed(twin, 2000, seed=1).to_bytes() == fed(fleet, 2000, seed=1).to_bytes()
    for at in range(0, len(data), 97):
        with pytest.raises(SnapshotError):
            TallyingFleet.from_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])


def test_records_that_cannot_be_are_refused_even_with_a_right_checksum():
    """Every byte of the payload, changed and sealed again: refused, or a state that can be."""
    fleet = fed(fleet_of(3, 3, 1, 50, n0=2), 60, batch=3)
    payload = fleet._core.save()
    refused = 0
    for at in range(len(payload)):
        for bit in (1, 128):
            changed = payload[:at] + bytes([payload[at] ^ bit]) + payload[at + 1 :]
            try:
                twin = TallyingFleet.from_bytes(pyalgo.snapshot.pack(fleet, changed))
            except SnapshotError:
                refused += 1
                continue
            for _ in range(30):
                twin.step([0, 1, 2], [0.5, 1.0, 0.0])
            twin.query()
    assert refused > len(payload) / 2


@pytest.mark.claim("bandits.6", "bandits.10")
@pytest.mark.parametrize("settings", [{}, {"dtype": "f32", "strict": False}, {"id_map": "hash"}, {"threads": 3}])
def test_the_contract(settings):
    def factory():
        return fleet_of(5, 3, 1, 60, n0=2, **settings)

    rng, fleet, batches = np.random.default_rng(0), factory(), []
    for size in (1, 8, 0, 40):
        rows = {"id": [], "arm": [], "loss": []}
        for id_ in rng.integers(5, size=size).tolist():
            arm = int(fleet.select([id_])[0])
            rows["id"].append(id_)
            rows["arm"].append(arm)
            rows["loss"].append(float(rng.integers(0, 2)))
            fleet.step([id_], rows["loss"][-1:])
        batches.append(
            {name: np.array(column, np.float64 if name == "loss" else np.int64) for name, column in rows.items()}
        )
    check_algorithm(factory, batches)


def test_emissions_of_pieces_are_those_of_the_whole():
    whole, pieces = fleet_of(), fleet_of()
    ids = np.random.default_rng(0).integers(20, size=600)
    values = np.random.default_rng(1).integers(0, 3, 600) / 2
    found = whole.update(id=ids, loss=values)
    parts = [pieces.update(id=ids[a : a + 70], loss=values[a : a + 70]) for a in range(0, 600, 70)]
    for name in ("id", "arm", "token"):
        np.testing.assert_array_equal(getattr(found, name), np.concatenate([getattr(part, name) for part in parts]))


@pytest.mark.claim("bandits.9")
@pytest.mark.parametrize("settings", [{}, {"id_map": "hash", "dtype": "f32"}, {"threads": 3}])
def test_changes_take_a_fleet_from_state_to_state(settings):
    fleet = fleet_of(12000, **settings)
    twin, state = TallyingFleet.from_bytes(fleet.to_bytes()), fleet.n_changes
    rng = np.random.default_rng(0)
    for step in range(8):
        few = rng.integers(500, size=9000 if step == 3 else 5)
        fleet.step(fleet.ids[few], rng.integers(0, 3, len(few)) / 2)
        if step % 3 == 1:
            fleet.add_bandits(300 if fleet.id_map == "dense" else [10**9 + 1000 * step + i for i in range(300)])
            fleet.remove_bandits(fleet.ids[[3, 900]])
        if step == 5:
            fleet.reset(fleet.ids[[7]])
        changes = fleet.changes_since(state)
        if step in (0, 2):
            assert len(changes) < 0.5 * len(fleet.to_bytes())
        with pytest.raises(SnapshotError):  # they are no fleet
            TallyingFleet.from_bytes(changes)
        for at in range(0, len(changes), len(changes) // 20):
            with pytest.raises(SnapshotError):
                twin.apply_changes(changes[:at] + bytes([changes[at] ^ 2]) + changes[at + 1 :])
        twin.apply_changes(changes)
        assert twin.to_bytes() == fleet.to_bytes()
        state = fleet.n_changes
    with pytest.raises(ValueError, match="apply them in their order"):
        twin.apply_changes(changes)
    with pytest.raises(ValueError, match="memory_bound=2, not 1"):
        fleet_of(12000, memory=1, **settings).apply_changes(changes)
    with pytest.raises(ValueError, match="earlier must be from 0"):
        fleet.changes_since(state + 1)
    assert twin.to_bytes() == fleet.to_bytes()


# --- Ids


def test_ids_of_any_kind_come_and_go():
    fleet = fleet_of(0, id_map="hash")
    assert fleet.add_bandits([10**15, -7, 3]).tolist() == [10**15, -7, 3]
    assert (len(fleet), sorted(fleet.ids.tolist())) == (3, [-7, 3, 10**15])
    fleet.step([-7, 10**15, -7], [0.5, 1.0, 0.5])
    assert fleet.state([-7, 3])["token"].tolist() == [2, 0]
    fleet.remove_bandits([-7])
    with pytest.raises(UnknownElementError, match="row 1: id -7 is no bandit"):
        fleet.select([3, -7])
    fleet.add_bandits([-7])
    assert fleet.state([-7])["token"].tolist() == [0]
    twin = TallyingFleet.from_bytes(fleet.to_bytes())
    assert twin.state([10**15])["token"].tolist() == [1]
    fleet.reset([10**15])
    assert fleet.state([10**15])["token"].tolist() == [0]
    with pytest.raises(DuplicateElementError, match="row 1: id 3 is in the fleet"):
        fleet.add_bandits([8, 3])
    with pytest.raises(DuplicateElementError, match="row 1: id 8 is in the fleet"):
        fleet.add_bandits([8, 8])
    assert len(fleet) == 3


def test_dense_ids_follow_one_another():
    fleet = fleet_of(2)
    assert fleet.add_bandits(3).tolist() == [2, 3, 4]
    fleet.remove_bandits([1])
    assert fleet.ids.tolist() == [0, 2, 3, 4]
    with pytest.raises(UnknownElementError, match="id 1"):
        fleet.step([1], [0.5])
    with pytest.raises(TypeError, match="id_map"):
        fleet.add_bandits([7])
    twin = TallyingFleet.from_bytes(fleet.to_bytes())
    assert twin.ids.tolist() == fleet.ids.tolist()
    assert twin.query().n_bandits == 4


def test_hashed_and_dense_fleets_decide_alike():
    dense, hashed = fed(fleet_of(50), 5000, batch=50), fed(fleet_of(50, id_map="hash"), 5000, batch=50)
    for name, values in dense.state(np.arange(50)).items():
        np.testing.assert_array_equal(values, hashed.state(np.arange(50))[name])


def test_fleets_of_different_ids_are_merged():
    left, right = fleet_of(0, id_map="hash"), fleet_of(0, id_map="hash")
    left.add_bandits([1, 2])
    right.add_bandits([5, 9])
    left.step([1, 2, 2], [0.0, 0.5, 1.0])
    right.step([9], [0.25])
    left.merge(right)
    assert left.state([1, 2, 5, 9])["token"].tolist() == [1, 2, 0, 1]
    assert (left.n_seen, len(left), len(right)) == (4, 4, 2)
    for other, error, message in [
        (right, DuplicateElementError, "id 5 is in both"),
        (fleet_of(0, id_map="hash", memory=1), ValueError, "memory_bound=1, not 2"),
        (3, TypeError, "must be a TallyingFleet"),
        (left, DuplicateElementError, "in both"),
    ]:
        before = left.to_bytes()
        with pytest.raises(error, match=message):
            left.merge(other)
        assert left.to_bytes() == before
    halves = fleet_of(10), fleet_of(10)
    halves[0].remove_bandits(np.arange(5, 10))
    halves[1].remove_bandits(np.arange(5))
    halves[1].step([7], [0.5])
    halves[0].merge(halves[1])
    assert halves[0].state(np.arange(10))["token"].tolist() == [0] * 7 + [1, 0, 0]


# --- Feedback


def test_tokens_keep_losses_that_come_twice_away():
    fleet = fleet_of()
    decisions = fleet.update(id=[3, 3, 4], token=[0, 1, 0], loss=[0.5, 0.5, 0.5])
    assert decisions.token.tolist() == [1, 2, 1]
    before = fleet.to_bytes()
    for token, message in [
        (1, "token 1 of id 3 had its loss before: its next token is 2"),
        (5, "never given out"),
        (-1, "never"),
    ]:
        with pytest.raises(FeedbackError, match=message):
            fleet.update(id=[4, 3], token=[1, token], loss=[0.0, 0.0])
        assert fleet.to_bytes() == before


def test_late_losses_and_the_users_own_plays_cost_burn_in():
    fleet = fleet_of(1, 2, 3, 500, n0=4, strict=False)
    fleet.update(id=[0] * 7, arm=[0] * 7, loss=[1.0] * 7)
    assert fleet.select([0])[0] == 1
    # Losses of arm 0 were under way: plays of their own. Then arm 1 has its burn-in from where it was played.
    fleet.update(id=[0] * 3, arm=[0, 0, 0], loss=[1.0] * 3)
    assert fleet.state([0])["counts"].tolist() == [[4, 0]]
    fleet.update(id=[0] * 5, arm=[1] * 5, loss=[0.0] * 5)
    assert fleet.state([0])["counts"].tolist() == [[4, 2]]
    fleet.update(id=[0], arm=[0], loss=[0.0])
    fleet.update(id=[0] * 4, arm=[1] * 4, loss=[0.0] * 4)
    assert fleet.state([0])["counts"].tolist() == [[4, 3]]
    state = fleet.query()
    assert (state.n_plays, state.n_foreign) == (20, 4)
    assert state.regret_bound >= 4


@pytest.mark.claim("bandits.10")
def test_bad_rows_are_named_and_change_nothing():
    fleet = fed(fleet_of(20, n0=2), 500, batch=20)
    right = {"id": np.arange(20), "arm": fleet.select(np.arange(20)).astype(int), "loss": np.full(20, 0.5)}
    before = fleet.to_bytes()

    def bad(**changes):
        rows = {name: column.copy() for name, column in right.items()}
        for name, (at, value) in changes.items():
            rows[name][at] = value
        return rows

    for rows, error, message in [
        (bad(id=(7, 20)), UnknownElementError, "row 7: id 20 is no bandit"),
        (bad(id=(7, -1)), UnknownElementError, "row 7: id -1"),
        (bad(loss=(19, 1.25)), ValueError, "row 19: loss must be from 0.* got 1.25"),
        (bad(loss=(0, math.nan)), ValueError, "row 0: .*nan"),
        (bad(arm=(4, 3)), ValueError, "row 4: arm must be from 0 to 2, got 3"),
        (bad(arm=(4, (right["arm"][4] + 1) % 3)), FeedbackError, "row 4: arm . is not the one selected for id 4"),
        ({"id": [0], "arm": [0]}, ValueError, "column 'loss' is missing"),
        ({"id": [0, 1], "loss": [0.5]}, ValueError, "equally long"),
        ({"id": [0.5], "loss": [0.5]}, (TypeError, ValueError), "id"),
    ]:
        with pytest.raises(error, match=message):
            fleet.update(rows)
        assert fleet.to_bytes() == before
    for act in (fleet.select, fleet.state, fleet.reset, fleet.remove_bandits):
        with pytest.raises(UnknownElementError, match="row 1: id 99"):
            act([3, 99])
        with pytest.raises(TypeError, match="ids must be a sequence of integers"):
            act([0.5])
        assert fleet.to_bytes() == before
    with pytest.raises(TypeError, match="got 2 arguments"):
        fleet.update([0], [0])


@pytest.mark.claim("bandits.10")
def test_parameters_out_of_range_are_refused_by_name():
    for given_settings, message in [
        ({"n": -1}, "n_bandits must be from 0"),
        ({"arms": 0}, "n_arms must be from 1"),
        ({"arms": 251}, "n_arms must be from 1 to 250"),
        ({"memory": -1}, "memory_bound"),
        ({"horizon": 8}, r"n_arms \* \(memory_bound \+ 1\) = 9, got 8"),
        ({"horizon": 2**33}, "horizon must be from 1"),
        ({"dtype": "f16"}, "dtype must be one of"),
        ({"id_map": "tree"}, "id_map must be one of"),
        ({"threads": 0}, "threads must be from 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            fleet_of(**given_settings)
    with pytest.warns(HorizonWarning):
        assert fleet_of(horizon=8, strict=False).memory_bound == 2


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 10**6), threads=st.integers(1, 3), single=st.booleans())
def test_a_row_refused_late_takes_everything_back(seed, at, threads, single):
    """Batches in which bandits come several times, so that what is refused is seen only once other rows are in."""
    rng = np.random.default_rng(seed)
    for size, bandits in ((50, 6), (5000, 6), (5000, 6000)):  # the last is looked through for ids that come twice
        fleet = fleet_of(bandits, 3, 1, 200, n0=2, threads=threads, dtype="f32" if single else "f64")
        ids, arms, losses = rng.integers(bandits, size=size), [], rng.integers(0, 5, size) / 4
        if bandits == 6000:
            fleet.step(np.arange(6000), np.ones(6000))
            ids = rng.permutation(bandits)[:size]
        twin = fleet.clone()
        for id_, loss in zip(ids.tolist(), losses.tolist(), strict=True):
            arms.append(int(twin.select([id_])[0]))
            twin.step([id_], [loss])
        spoilt = np.array(arms)
        row = at % size
        spoilt[row] = (spoilt[row] + 1) % 3
        before = fleet.to_bytes()
        with pytest.raises(FeedbackError, match=f"row {row}: "):
            fleet.update(id=ids, arm=spoilt, loss=losses)
        assert fleet.to_bytes() == before
        fleet.update(id=ids, arm=np.array(arms), loss=losses)
        assert fleet.to_bytes() == twin.to_bytes()


# --- The certificate


@pytest.mark.claim("bandits.4")
def test_what_a_fleet_says_of_itself_holds():
    """5,000 users of the same arms with a weak favourite: wrong commitments and regret against their bounds."""
    users, horizon, memory = 5000, 1500, 2
    full = np.array([0.15, 0.6, 0.7])
    fleet, rng = TallyingFleet(users, 3, memory, horizon, delta=0.1), np.random.default_rng(4)
    ids, last, run = np.arange(users), np.full(users, -1), np.zeros(users, int)
    regret = np.zeros(users)
    for _ in range(horizon):
        arms = fleet.select(ids).astype(int)
        run = np.where(arms == last, run + 1, 1)
        last = arms
        means = np.where(run > memory, full[arms], 0.9)
        regret += means - full.min()
        fleet.update(ids, arms, (rng.random(users) < means).astype(float))
    state = fleet.query()
    committed = fleet.state(ids)["committed"]
    assert state.n_committed == (committed >= 0).sum() > 0.9 * users
    assert state.committed_to.tolist() == [(committed == arm).sum() for arm in range(3)]
    assert (committed > 0).sum() <= state.wrong_bound == pytest.approx(0.1 * users)
    assert state.confidence == pytest.approx(0.9)
    assert regret.sum() <= state.expected_regret_bound
    assert state.regret_bound <= state.expected_regret_bound <= state.n_plays
    assert fleet.committed_fraction() == state.n_committed / users
