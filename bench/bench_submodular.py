"""Cost of an update as the data set grows (spec: powerlaw_cover, window n/2, k = 50, eps = 0.2, one thread)."""

from __future__ import annotations

import numpy as np
import pytest
from gate import cpu_seconds, slope

from pyalgo.submodular import DynamicSubmodularMaximizer

SIZES = (20_000, 40_000, 80_000, 160_000, 320_000)


def powerlaw_cover(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Element i covers ``targets[offsets[i]:offsets[i + 1]]``: out-degrees with a heavy tail, popular targets."""
    rng = np.random.default_rng(seed)
    degrees = np.minimum(np.floor(3 * (1 - rng.random(n)) ** (-1 / 1.5)), 2000).astype(np.int64)
    targets = np.floor(n * rng.random(int(degrees.sum())) ** 1.7).astype(np.int64)
    return np.concatenate([[0], np.cumsum(degrees)]), targets


def window_batches(n: int, seed: int, rows: int = 4096):
    """Insert 0..n-1 in order; from n/2 on each insertion is followed by the deletion of the oldest."""
    offsets, targets = powerlaw_cover(n, seed)
    ids, ops = [], []
    for i in range(n):
        ids.append(i)
        ops.append(1)
        if i >= n // 2:
            ids.append(i - n // 2)
            ops.append(-1)
    for at in range(0, len(ids), rows):
        some, op = np.array(ids[at : at + rows]), np.array(ops[at : at + rows], dtype=np.int8)
        items = [targets[offsets[i] : offsets[i + 1]] if o > 0 else targets[:0] for i, o in zip(some, op, strict=True)]
        yield {"id": some, "op": op, "items": items}


@pytest.mark.claim("submodular.5")
def test_cost_of_an_update_is_flat_in_n(figure):
    queries, micros = [], []
    for n in SIZES:
        batches = list(window_batches(n, seed=1))
        updates = sum(len(batch["id"]) for batch in batches)
        f = DynamicSubmodularMaximizer({"name": "coverage"}, 50, eps=0.2, seed=1)
        half = len(batches) // 2  # the window is full in the second half of the updates
        for batch in batches[:half]:
            f.update(batch)
        calls, rows = f.stats()["oracle_calls"], f.n_seen
        seconds = cpu_seconds(lambda f=f, some=batches[half:]: [f.update(batch) for batch in some])
        queries.append((f.stats()["oracle_calls"] - calls) / (updates - rows))
        micros.append(1e6 * seconds / (updates - rows))
        print(f"n {n:>7}: {queries[-1]:6.1f} queries, {micros[-1]:6.2f} us an update, {f.stats()}")
    flat_queries, flat_micros = slope(SIZES, queries), slope(SIZES, micros)
    figure(
        "submodular.5",
        f"slope of queries {flat_queries:.3f}, of CPU time {flat_micros:.3f}; {micros[0]:.1f} us an update at n = 20,000",
        met=flat_queries <= 0.1 and flat_micros <= 0.25,
    )
    assert flat_queries <= 0.1
    assert flat_micros <= 0.4  # the target is 0.25: caches and a noisy machine need the room


@pytest.mark.claim("submodular.5")
def test_method_param_grows_slowly_with_k(figure):
    """Expected O(k log(k)^2 / eps) queries an update, whatever n, over all guesses of the optimum as the analysis has it."""
    ks, queries = (20, 40, 80, 160), []
    batches = list(window_batches(2_000, seed=1, rows=250))
    for k in ks:
        f = DynamicSubmodularMaximizer({"name": "coverage"}, k, eps=0.2, method="param", seed=1, guess_grid="all")
        for batch in batches[: len(batches) // 2]:
            f.update(batch)
        calls, rows = f.stats()["oracle_calls"], f.n_seen
        for batch in batches[len(batches) // 2 :]:
            f.update(batch)
        queries.append((f.stats()["oracle_calls"] - calls) / (f.n_seen - rows))
        print(f"k {k:>4}: {queries[-1]:8.1f} queries an update, {f.stats()}")
    growth = slope(ks, queries)
    figure("submodular.5", f"slope of the queries of method param in k {growth:.2f}", met=growth <= 1.3)
    assert growth <= 1.3
