"""Matroid constraints: independence always, the ratio against brute force, and the errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pyalgo
from pyalgo.submodular import (
    CallableMatroid,
    DynamicSubmodularMaximizer,
    LaminarMatroid,
    PartitionMatroid,
    UniformMatroid,
)
from pyalgo.testing import check_algorithm

from .test_submodular import OBJECTIVES, Toy, random_ops


class Graphic:
    """Forests of a random graph: element i is an edge."""

    def __init__(self, n: int, rng) -> None:
        vertices = max(3, n // 2)
        self.edges = [tuple(rng.choice(vertices, size=2, replace=False).tolist()) for _ in range(n)]

    def __call__(self, ids) -> bool:
        root = list(range(len(self.edges)))

        def find(v):
            while root[v] != v:
                v = root[v]
            return v

        for i in ids:
            a, b = map(find, self.edges[int(i)])
            if a == b:
                return False
            root[a] = b
        return True


def random_constraint(kind: str, n: int, rng):
    """A constraint over the ids 0..n-1, whether a set of them is independent, by definition, and the column `part`."""
    if kind == "graphic":
        forests = Graphic(n, rng)
        return forests, forests, None
    if kind == "uniform":
        rank = int(rng.integers(1, 4))
        return UniformMatroid(rank), lambda ids: len(ids) <= rank, None
    groups = ["a", "b", "c", "d"][: int(rng.integers(1, 5))]
    part = [str(rng.choice(groups)) for _ in range(n)]
    capacities = {g: int(rng.integers(1, 3)) for g in groups}
    parents: dict[str, str] = {}
    if kind == "laminar":
        for at, g in enumerate(groups[1:], start=1):
            if rng.random() < 0.6:
                parents[g] = str(rng.choice(groups[:at]))
    inside = {g: {g} for g in groups}
    for g in reversed(groups):
        if g in parents:
            inside[parents[g]] |= inside[g]

    def independent(ids) -> bool:
        return all(sum(part[i] in inside[g] for i in ids) <= capacities[g] for g in groups)

    column = None if rng.random() < 0.5 else part
    part_of = None if column else dict(enumerate(part))
    if kind == "partition":
        return PartitionMatroid(part_of, capacities), independent, column
    shuffled = {g: capacities[g] for g in rng.permutation(groups).tolist()}
    return LaminarMatroid(part_of, shuffled, parents), independent, column


def with_part(columns, ops, part):
    return columns if part is None else {**columns, "part": [part[i] if op > 0 else None for op, i in ops]}


@pytest.mark.claim("submodular.12")
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("constraint", ["partition", "laminar", "graphic", "uniform"])
@pytest.mark.parametrize("guess_grid", ["window", "all"])
def test_ratio_and_independence_at_every_step(kind, constraint, guess_grid):
    for trial in range(8):
        rng = np.random.default_rng([trial, len(constraint)])
        toy = Toy(kind, n=int(rng.integers(6, 12)), seed=trial)
        eps, k = float(rng.choice([0.1, 0.2, 0.5])), int(rng.integers(1, 6))
        given, independent, part = random_constraint(constraint, toy.n, rng)
        allowed = [
            set(some)
            for size in range(k + 1)
            for some in itertools.combinations(range(toy.n), size)
            if independent(some)
        ]
        f = DynamicSubmodularMaximizer(toy.params, k, eps=eps, constraint=given, seed=trial, guess_grid=guess_grid)
        values = [(toy.value(some), some) for some in allowed]
        live: set[int] = set()
        for op in random_ops(toy.n, 60, rng):
            f.update(with_part(toy.columns([op]), [op], part))
            live.symmetric_difference_update({op[1]})
            f._check()
            optimum = max(value for value, some in values if some <= live)
            plain, refined = f.query(refine=False), f.query(certificate=True)
            for result in (plain, refined):
                ids = result.ids.tolist()
                assert set(ids) in allowed
                assert len(set(ids)) == len(ids)
                assert set(ids) <= live
                assert result.value == pytest.approx(toy.value(ids), rel=1e-9, abs=1e-300)
                assert result.value >= optimum / (4 + eps) * (1 - 1e-9)
                assert optimum * (1 - 1e-9) <= result.upper_bound
            assert plain.ratio_lower_bound >= 1 / (4 + eps) * (1 - 1e-9)
            assert refined.value >= plain.value


@pytest.mark.claim("submodular.12")
def test_the_lightest_makes_room():
    """One element of each part: a heavy one takes the place of a light one, and gives it back when it goes."""
    for seed in range(20):
        f = DynamicSubmodularMaximizer(
            {"name": "coverage"}, 2, constraint=PartitionMatroid(None, {"x": 1, "y": 1}), seed=seed, refine=False
        )
        f.insert(["small", "big", "other"], items=[[1], [1, 2, 3, 4, 5], [6, 7]], part=["x", "x", "y"])
        assert sorted(f.query().ids) == ["big", "other"]
        f.delete(["big"])
        assert sorted(f.query().ids) == ["other", "small"]
        assert f.query(certificate=True).upper_bound == 3.0


@pytest.mark.claim("submodular.2")
@pytest.mark.parametrize("constraint", ["partition", "laminar", "graphic"])
def test_invariants_after_each_of_many_updates(constraint):
    rng = np.random.default_rng(9)
    payload = [{"items": row["items"]} for s in range(3) for row in Toy("coverage", n=8, seed=4 * s).payload]
    given, independent, part = random_constraint(constraint, len(payload), rng)
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 5, eps=0.3, constraint=given, seed=3)
    for op, i in random_ops(len(payload), 2_000, rng):
        f.update(with_part({"op": [op], "id": [i], "items": [payload[i]["items"]]}, [(op, i)], part))
        f._check()
        assert independent(f.query(refine=False).ids.tolist())


@pytest.mark.claim("submodular.10", "submodular.12")
@pytest.mark.parametrize("constraint", ["partition", "laminar", "uniform"])
def test_contract(constraint):
    toy, ops = Toy("coverage", n=10, seed=1), random_ops(10, 40, np.random.default_rng(6))
    given, _, part = random_constraint(constraint, 10, np.random.default_rng(4))
    batches = [toy.columns(ops[at : at + 8]) for at in range(0, 40, 8)]
    for at, batch in enumerate(batches):
        if part is not None:
            batch["part"] = [part[i] if op > 0 else "" for op, i in ops[8 * at : 8 * at + 8]]
    check_algorithm(lambda: DynamicSubmodularMaximizer(toy.params, 3, eps=0.3, constraint=given, seed=9), batches)


@pytest.mark.claim("submodular.10", "submodular.12")
def test_parts_survive_snapshots_with_integer_names():
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 3, constraint=LaminarMatroid(None, {7: 2, 8: 1}, {8: 7}))
    f.insert([1, 2, 3], items=[[1, 2], [3], [4]], part=[8, 8, 7])
    g = DynamicSubmodularMaximizer.from_bytes(f.to_bytes())
    assert g.to_bytes() == f.to_bytes()
    assert repr(g.constraint) == repr(f.constraint)
    g.insert([4], items=[[5, 6, 7]], part=[8])
    g._check()
    assert sorted(g.query().ids.tolist()) == [3, 4]


@pytest.mark.claim("submodular.10", "submodular.12")
def test_a_function_comes_back_from_a_snapshot_by_hand():
    forests = Graphic(8, np.random.default_rng(0))
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 3, constraint=forests)
    f.insert(np.arange(8), items=[[i, i + 1] for i in range(8)])
    with pytest.raises(pyalgo.SnapshotError, match="give it again, from_bytes\\(data, constraint=f\\)"):
        DynamicSubmodularMaximizer.from_bytes(f.to_bytes())
    g = DynamicSubmodularMaximizer.from_bytes(f.to_bytes(), constraint=forests)
    assert g.query().ids.tolist() == f.query().ids.tolist() == f.clone().query().ids.tolist()
    with pytest.raises(ValueError, match="leave it out"):
        DynamicSubmodularMaximizer.from_bytes(
            DynamicSubmodularMaximizer({"name": "coverage"}, 3).to_bytes(), constraint=forests
        )


@pytest.mark.claim("submodular.12")
def test_a_function_that_raises_changes_nothing():
    calls = 0

    def independent(ids):
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise RuntimeError("no answer")
        return len({int(i) % 3 for i in ids}) == len(ids)

    fail_at = -1
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 3, constraint=independent, seed=2)
    f.insert([1, 2, 3, 4], items=[[1], [2, 3], [4], [5, 6, 7]])
    before, twin = f.to_bytes(), f.clone()
    calls = 0
    batch = {"op": [1, -1, 1], "id": [5, 4, 6], "items": [[8, 9, 10], [], [11, 12]]}
    twin.update(batch)
    for fail_at in range(1, calls + 1):
        calls = 0
        with pytest.raises(RuntimeError, match="no answer"):
            f.update(batch)
        fail_at = -1
        assert f.to_bytes() == before
        f._check()
    fail_at = -1
    f.update(batch)
    assert {int(i) % 3 for i in f.query().ids} == {0, 1, 2}


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: PartitionMatroid(None, {"a": 0}),
            ValueError,
            "capacities\\['a'\\] must be from 1 to 4294967295, got 0",
        ),
        (lambda: PartitionMatroid(None, {"a": -2}), ValueError, "got -2: leave elements out"),
        (lambda: PartitionMatroid(None, {"a": 1.5}), TypeError, "must be an integer, got 1.5"),
        (lambda: PartitionMatroid(None, {}), ValueError, "at least one group"),
        (lambda: PartitionMatroid(None, {(1, 2): 1}), TypeError, "strings or integers, got \\(1, 2\\)"),
        (
            lambda: PartitionMatroid({"e": "b"}, {"a": 1}),
            ValueError,
            "part_of\\['e'\\]: part 'b' has no capacity: the groups",
        ),
        (lambda: LaminarMatroid(None, {"a": 1}, {"a": "b"}), ValueError, "group 'b' has no capacity"),
        (lambda: LaminarMatroid(None, {"a": 1, "b": 1}, {"a": "b", "b": "a"}), ValueError, "back to itself"),
        (lambda: UniformMatroid(0), ValueError, "rank must be from 1"),
        (lambda: CallableMatroid(3), TypeError, "independent must be a function"),
    ],
)
def test_constraints_out_of_range(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"method": "levels"}, ValueError, "method must be 'param' with a constraint, got 'levels': leave it out"),
        ({"constraint": 5}, TypeError, "constraint must be a Constraint"),
        ({"constraint": {"name": "knapsack"}}, ValueError, "one of uniform, laminar, partition, got 'knapsack'"),
    ],
)
def test_parameters_out_of_range(change, error, text):
    with pytest.raises(error, match=text):
        DynamicSubmodularMaximizer({"name": "coverage"}, 2, **{"constraint": UniformMatroid(1), **change})


def test_parts_out_of_range():
    by_column = DynamicSubmodularMaximizer({"name": "coverage"}, 2, constraint=PartitionMatroid(None, {"a": 1, "b": 1}))
    by_map = DynamicSubmodularMaximizer(
        {"name": "coverage"}, 2, constraint=PartitionMatroid({1: "a"}, {"a": 1, "b": 1})
    )
    by_function = DynamicSubmodularMaximizer({"name": "coverage"}, 2, constraint=lambda ids: 7 not in ids)
    free = DynamicSubmodularMaximizer({"name": "coverage"}, 2)
    for f, columns, text in [
        (
            by_column,
            {"id": [1], "items": [[1]]},
            "column 'part' is missing: the constraint needs the part of every element",
        ),
        (by_column, {"id": [1, 2], "items": [[1], [2]], "part": ["a", "c"]}, "row 1: part 'c' has no capacity"),
        (by_map, {"id": [1, 2], "items": [[1], [2]]}, "row 1: id 2 has no part: name one"),
        (by_map, {"id": [1], "items": [[1]], "part": ["a"]}, "unknown column 'part': the columns are op, id, items"),
        (by_function, {"id": [1, 7], "items": [[1], [2]]}, "row 1: id 7 is dependent alone"),
        (free, {"id": [1], "items": [[1]], "part": ["a"]}, "unknown column 'part'"),
    ]:
        before = f.to_bytes()
        with pytest.raises(ValueError, match=text):
            f.update(columns)
        assert f.to_bytes() == before
    by_column.insert([1], items=[[1]], part=["a"])
    by_column.delete([1])  # without the column
    assert by_column.query().value == 0
    with pytest.raises(TypeError, match="independent must return True or False, got 3"):
        DynamicSubmodularMaximizer({"name": "coverage"}, 2, constraint=lambda ids: 3).insert([1], items=[[1]])
