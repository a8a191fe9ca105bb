"""Erasure for good, merging, the feed of changes, and what is left when a callable fails."""

from __future__ import annotations

import numpy as np
import pytest

import pyalgo
from pyalgo.submodular import (
    CallableObjective,
    DynamicSubmodularMaximizer,
    FacilityLocation,
    FeatureBased,
    Mixture,
    WeightedCoverage,
    greedy,
)


def secret_items(i: int) -> list[str]:
    return [f"secret {i:04d} {j}" for j in range(2)]


@pytest.mark.claim("submodular.9")
@pytest.mark.parametrize("guess_grid", ["window", "all"])
def test_what_was_erased_is_in_no_snapshot(guess_grid):
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 5, eps=0.3, seed=2, guess_grid=guess_grid)
    rng = np.random.default_rng(3)
    items = [[*secret_items(i), *(f"common {j}" for j in rng.integers(0, 30, 4))] for i in range(200)]
    f.insert([f"id {i:04d}" for i in range(200)], items=items)
    f.delete([f"id {i:04d}" for i in range(150, 200)])  # these may linger in the samples
    erased = [f.query().ids[0], f.query().ids[-1], "id 0007", "id 0160", "never seen"]
    assert b"secret 0007" in f.to_bytes()
    assert b"id 0007" in f.to_bytes()
    f.solution_delta()
    f.erase_forever(erased)
    data = f.to_bytes()
    for key in erased:
        assert key.encode() not in data
        assert b"secret" + key[2:].encode() not in data
        assert key not in f.query().ids
        assert key not in f.query(refine=False).ids
        with pytest.raises(pyalgo.UnknownElementError, match=f"row 1: id '{key}' was erased for good") as caught:
            f.insert(["new", key], items=[["x"], ["y"]])
        assert caught.value.row == 1
        assert f.to_bytes() == data
    assert b"secret 0150" not in data  # nor anything of those that were deleted before
    f._check()
    restored = DynamicSubmodularMaximizer.from_bytes(data)
    with pytest.raises(pyalgo.UnknownElementError, match="erased for good"):
        restored.insert(["id 0007"], items=[["x"]])
    assert restored.to_bytes() == data


@pytest.mark.claim("submodular.9")
def test_erasure_forgets_items_that_came_with_weights():
    f = DynamicSubmodularMaximizer({"name": "coverage", "weights": {"given": 3.0}}, 2)
    f.insert(["a", "b"], items=[["private", "shared"], ["shared"]], weights=[[2.0, 5.0], [5.0]])
    f.erase_forever(["a"])
    assert b"private" not in f.to_bytes()
    f._check()
    f.insert(["c", "d"], items=[["private"], ["given"]])
    assert f.query().value == 5.0 + 3.0
    with pytest.raises(ValueError, match="already weighs 5"):
        f.insert(["e"], items=[["shared"]], weights=[[1.0]])
    assert pyalgo.load(f.to_bytes()).to_bytes() == f.to_bytes()


@pytest.mark.claim("submodular.9")
@pytest.mark.parametrize("seed", range(20))
def test_erasure_is_as_good_as_never_having_seen(seed):
    rng = np.random.default_rng(seed)
    features = rng.exponential(size=(60, 4))
    f = DynamicSubmodularMaximizer({"name": "feature_based"}, 4, eps=0.2, seed=seed)
    f.insert(np.arange(60), features=features)
    gone = rng.choice(60, 25, replace=False)
    f.erase_forever(gone)
    f._check()
    left = np.setdiff1d(np.arange(60), gone)
    assert f.live_ids().tolist() == left.tolist()
    never = greedy(FeatureBased.from_features(features), left, 4)  # at most OPT, at least (1 - 1/e) OPT
    for result in (f.query(), f.query(refine=False)):
        assert result.value >= 0.8 / (2 * 1.2) * never.value
        assert result.upper_bound >= never.value * (1 - 1e-9)
        assert not set(result.ids.tolist()) & set(gone.tolist())


@pytest.mark.claim("submodular.9")
@pytest.mark.parametrize("make", ["coverage", "mixture"])
def test_erasure_of_elements_that_the_objective_knew_ahead(make):
    def coverage():
        return WeightedCoverage.from_sets([["plain a", "shared"], ["hidden b", "shared"], ["plain c"]])

    objective = coverage() if make == "coverage" else Mixture([coverage(), coverage()])
    f = DynamicSubmodularMaximizer(objective, 2)
    f.insert([0, 1])
    f.erase_forever([1, 2])
    data = f.to_bytes()
    assert b"hidden b" not in data
    assert b"plain c" not in data
    assert b"plain a" in data
    assert f.query().ids.tolist() == [0]
    again = pyalgo.load(data)
    for it in (f, again):
        with pytest.raises(pyalgo.UnknownElementError):
            it.insert([2])
    assert again.to_bytes() == data
    if make == "coverage":
        other = DynamicSubmodularMaximizer(objective, 2)
        with pytest.raises(pyalgo.UnknownElementError, match="id 1 has no payload"):
            other.insert([1])


def test_erasure_is_refused_for_ids_of_the_wrong_kind():
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 2)
    f.insert(["a"], items=[["x"]])
    before = f.to_bytes()
    with pytest.raises(TypeError):
        f.erase_forever([1])
    assert f.to_bytes() == before


@pytest.mark.parametrize("shared", [True, False])
def test_merge_is_the_union(shared):
    rng = np.random.default_rng(0)
    similarity = rng.random((20, 30))
    objective = FacilityLocation.from_similarity(similarity)
    left = DynamicSubmodularMaximizer(objective, 3, seed=1)
    right = DynamicSubmodularMaximizer(objective, 3, seed=1)
    left.insert(np.arange(0, 15))
    right.insert(np.arange(15, 30))
    right.delete([20])
    if not shared:
        right = right.clone()
    before = right.to_bytes()
    left.merge(right)
    assert right.to_bytes() == before
    assert left.live_ids().tolist() == [i for i in range(30) if i != 20]
    assert left.n_seen == 29
    left._check()
    best = greedy(objective, left.live_ids(), 3)
    assert left.query().value >= 0.98 * best.value
    with pytest.raises(pyalgo.DuplicateElementError):
        left.merge(right)


@pytest.mark.parametrize("name", ["coverage", "facility_location", "feature_based", "log_det", "mixture"])
def test_merge_takes_the_payload_along(name):
    payload = {
        "coverage": {"items": [["x", "y"]], "weights": [[2.0, 1.0]]},
        "facility_location": {"neighbours": [["x", "y"]], "similarities": [[2.0, 1.0]]},
        "feature_based": {"features": [[2.0, 1.0]]},
        "log_det": {"features": [[2.0, 1.0]]},
        "mixture": {"items": [["x", "y"]], "features": [[2.0, 1.0]]},
    }[name]
    params = {"name": name}
    if name == "mixture":
        params["objectives"] = [{"name": "coverage"}, {"name": "feature_based"}]
    left, right, both = (DynamicSubmodularMaximizer(params, 2) for _ in range(3))
    left.insert(["a"], **payload)
    right.insert(["b"], **payload)
    both.insert(["a"], **payload)
    both.insert(["b"], **payload)
    left.merge(right)
    assert left.to_bytes() == both.to_bytes()


def test_merge_refuses_what_does_not_fit():
    a = DynamicSubmodularMaximizer({"name": "coverage"}, 2)
    a.insert(["x"], items=[["i"]])
    with pytest.raises(ValueError, match="k is 2 here and 3 there"):
        a.merge(DynamicSubmodularMaximizer({"name": "coverage"}, 3))
    with pytest.raises(TypeError, match="only another"):
        a.merge("x")
    b = DynamicSubmodularMaximizer({"name": "coverage"}, 2)
    b.insert(["y", "z"], items=[["j"], ["k"]])
    a.erase_forever(["z"])
    before = a.to_bytes()
    with pytest.raises(pyalgo.UnknownElementError, match="'z' was erased"):
        a.merge(b)
    b.delete(["z"])
    b.erase_forever(["x"])
    with pytest.raises(pyalgo.UnknownElementError, match="'x' was erased"):
        a.merge(b)
    assert a.to_bytes() == before
    heavy = DynamicSubmodularMaximizer({"name": "coverage"}, 2)
    heavy.insert(["h"], items=[["i"]], weights=[[5.0]])
    with pytest.raises(ValueError, match="already weighs 1"):
        a.merge(heavy)  # item i weighs 1 in a
    with pytest.raises(pyalgo.DuplicateElementError):
        a.merge(a)
    assert a.to_bytes() == before


def test_solution_delta_follows_the_answer():
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 2, eps=0.1)
    assert [d.tolist() for d in f.solution_delta()] == [[], []]
    f.insert(["a", "b"], items=[["x", "y"], ["z"]])
    assert f.solution_delta().added.tolist() == ["a", "b"]
    assert [d.tolist() for d in f.solution_delta()] == [[], []]
    f.insert(["c"], items=[["u", "v", "w"]])
    copy = f.clone()
    delta = f.solution_delta()
    assert (delta.added.tolist(), delta.removed.tolist()) == (["c"], ["b"])
    assert [d.tolist() for d in copy.solution_delta()] == [["c"], ["b"]]  # what was told is part of the state
    shown = {"a", "c"}
    rng = np.random.default_rng(1)
    for i in range(60):
        f.insert([f"n{i}"], items=[[str(x) for x in rng.integers(0, 60, 4)]])
        delta = f.solution_delta()
        shown = (shown - set(delta.removed.tolist())) | set(delta.added.tolist())
        assert shown == set(f.query().ids.tolist())


@pytest.mark.claim("submodular.13")
@pytest.mark.parametrize("mixed", [False, True])
def test_a_callable_that_fails_leaves_the_state_as_it_was(mixed):
    """At every one of its calls in turn, within one batch of insertions and deletions."""
    covers = np.random.default_rng(0).random((40, 12)) < 0.3
    calls, fatal = 0, -1

    class RefusedError(RuntimeError):
        pass

    def f(ids):
        nonlocal calls
        calls += 1
        if calls == fatal:
            raise RefusedError
        return float(covers[ids.astype(int)].any(axis=0).sum())

    def objective():
        return Mixture([CallableObjective(f), {"name": "coverage"}]) if mixed else CallableObjective(f)

    def payload(n):
        return {"items": [[f"u{i % 5}"] for i in range(n)]} if mixed else {}

    it = DynamicSubmodularMaximizer(objective(), 3, eps=0.3)
    it.insert(np.arange(20), **payload(20))
    before = it.to_bytes()
    answer = it.query(refine=False).ids.tolist()
    batch = {"id": [*range(20, 26), 3, 7, *answer[:2]], "op": [1] * 6 + [-1] * 4}
    if len(set(batch["id"])) < 10:
        batch = {"id": [*range(20, 26), *answer[:2]], "op": [1] * 6 + [-1] * 2}
    batch |= payload(len(batch["id"]))
    calls = 0
    it.clone().update(batch)
    calls, whole = 0, it.clone()
    calls = 0
    whole.update(batch)
    needed = calls
    assert needed > 10
    for at in range(1, needed + 1):
        it.query(refine=False)
        calls, fatal = 0, at
        with pytest.raises(RefusedError):
            it.update(batch)
        fatal = -1
        assert it.to_bytes() == before
        assert it.query(refine=False).ids.tolist() == answer
    it._check()
    it.update(batch)
    assert it.to_bytes() == whole.to_bytes()


def test_a_snapshot_of_a_callable_needs_it_again():
    objective = CallableObjective(lambda ids: float(len(ids)))
    f = DynamicSubmodularMaximizer(objective, 2)
    f.insert([1, 2, 3])
    data = f.to_bytes()
    with pytest.raises(pyalgo.SnapshotError, match="is code, which cannot be described: give objective="):
        DynamicSubmodularMaximizer.from_bytes(data)
    with pytest.raises(pyalgo.SnapshotError, match="the snapshot is of objective"):
        DynamicSubmodularMaximizer.from_bytes(data, objective=WeightedCoverage())
    again = DynamicSubmodularMaximizer.from_bytes(data, objective=objective)
    assert again.to_bytes() == data
    assert again.query().value == 2.0
