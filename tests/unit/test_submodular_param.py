"""Method "param": every level's element is uniform on its candidates, whatever came and went."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from pyalgo.submodular import DynamicSubmodularMaximizer
from pyalgo.testing import check_algorithm

from .test_submodular import OBJECTIVES, Toy, random_ops


def chi_square_tail(x: float, degrees: int) -> float:
    """P(chi-square with so many degrees of freedom > x): the regularised upper incomplete gamma function."""
    a, z = degrees / 2, x / 2
    if x <= 0:
        return 1.0
    term = total = math.exp(a * math.log(z) - z - math.lgamma(a + 1))
    for n in itertools.count(1):
        term *= z / (a + n)
        total += term
        if term < 1e-17 * total:
            return max(0.0, 1 - total)


def uniformity(counts: dict[int, int]) -> float:
    """The p-value of so many draws of each being uniform."""
    expected = sum(counts.values()) / len(counts)
    return chi_square_tail(sum((c - expected) ** 2 for c in counts.values()) / expected, len(counts) - 1)


# Element 7 comes last and 3 comes back; 5 and 1 go, 1 having had the time to become a level's element.
ITEMS = {
    0: [0, 1, 2, 3],
    1: [2, 3, 4, 5],
    2: [4, 5, 6, 7],
    3: [6, 7, 8, 9],
    4: [8, 9, 0, 1],
    5: [10, 11, 0, 2],
    6: [12, 13, 4, 6],
    7: [10, 12, 8, 3],
}
STREAM = [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (-1, 3), (1, 6), (-1, 5), (1, 3), (-1, 1), (1, 7)]


@pytest.mark.claim("submodular.3")
def test_every_level_is_uniform_on_its_candidates(figure):
    """False alarm at most 1e-6 over the choice of seeds, which is fixed."""
    k, seeds = 3, 20_000
    live = sorted({i for _, i in STREAM} - {1, 5})
    op, ids = [op for op, _ in STREAM], [i for _, i in STREAM]
    batch = {"op": op, "id": ids, "items": [ITEMS[i] if o > 0 else [] for o, i in STREAM]}
    first: dict[int, Counter[int]] = defaultdict(Counter)  # by guess
    second: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)  # by guess and e_1
    tau = {}
    for seed in range(seeds):
        f = DynamicSubmodularMaximizer({"name": "coverage"}, k, eps=0.5, method="param", seed=seed, guess_grid="all")
        f.update(batch)
        for index, samples in f._samples():
            ((e1,), *rest) = samples
            tau[index] = 1.5**index / (2 * k)
            first[index][e1] += 1
            if rest:
                second[index, e1][rest[0][0]] += 1
    worst = 1.0
    tests = 0
    for counts in first.values():
        assert set(counts) == set(live)
        worst, tests = min(worst, uniformity(counts)), tests + 1
    for (index, e1), counts in second.items():
        candidates = [e for e in live if e != e1 and len(set(ITEMS[e]) - set(ITEMS[e1])) >= tau[index]]
        assert set(counts) == set(candidates)
        assert sum(counts.values()) == first[index][e1]
        if len(candidates) > 1:
            worst, tests = min(worst, uniformity(counts)), tests + 1
    assert tests >= 12
    figure("submodular.3", f"smallest p-value of {tests} chi-square tests {worst:.3g}", met=worst > 1e-6 / tests)
    assert worst > 1e-6 / tests  # all tests together: false alarm at most 1e-6


@pytest.mark.claim("submodular.2")
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("guess_grid", ["window", "all"])
def test_invariants_after_each_of_many_updates(kind, guess_grid):
    rng = np.random.default_rng(8)
    payload = [row for s in range(4) for row in Toy(kind, n=7, seed=4 * s).payload]
    if kind == "coverage":  # weights differ between the toys
        payload = [{"items": row["items"]} for row in payload]
    f = DynamicSubmodularMaximizer({"name": kind}, 5, eps=0.3, method="param", seed=3, guess_grid=guess_grid)
    updates = 10_000 if guess_grid == "window" else 2_000
    for op, i in random_ops(len(payload), updates, rng):
        f.update({"op": [op], "id": [i], **{name: [value] for name, value in payload[i].items()}})
        f._check()


@pytest.mark.claim("submodular.10")
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_contract(kind):
    toy, ops = Toy(kind, n=10, seed=1), random_ops(10, 40, np.random.default_rng(6))
    check_algorithm(
        lambda: DynamicSubmodularMaximizer(toy.params, 3, eps=0.3, method="param", seed=9),
        [toy.columns(ops[at : at + 8]) for at in range(0, 40, 8)],
    )


@pytest.mark.claim("submodular.10")
@pytest.mark.parametrize("guess_grid", ["window", "all"])
def test_restored_state_has_the_same_future(guess_grid):
    toy, ops = Toy("coverage", n=12, seed=2), random_ops(12, 400, np.random.default_rng(11))
    whole = DynamicSubmodularMaximizer(toy.params, 4, method="param", seed=1, guess_grid=guess_grid)
    restored = whole.clone()
    for at in range(0, 400, 7):
        batch = toy.columns(ops[at : at + 7])
        whole.update(batch)
        restored = DynamicSubmodularMaximizer.from_bytes(restored.to_bytes())
        restored.update(batch)
        assert restored.to_bytes() == whole.to_bytes()
        assert restored._samples() == whole._samples()
        restored._check()


def test_a_snapshot_says_its_method():
    f = DynamicSubmodularMaximizer({"name": "coverage"}, 2, method="param")
    f.insert([1, 2], items=[[1, 2], [2, 3]])
    assert f.clone().method == "param"
    assert "param" in repr(f)
