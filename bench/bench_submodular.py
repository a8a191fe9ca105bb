"""Cost, memory and quality of the dynamic maximiser: k = 50, eps = 0.2, default settings, a window of n/2, one thread.

The opponent is our own lazy greedy (within 1.5x of numba code written by hand, see bench_submodular_static.py), run again on
the live elements after an update; it knows f of every element already. Both read the same payload. What an update costs at
best: an insertion is one pass over the element's payload for each guess that may hold it, and it is bound by the latency of
the memory that the pass reads: about ten cache lines for coverage, the row and the level's table for dense rows.
"""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from gate import cpu_seconds, slope
from submodular_peers import apricot_feature_based, submodlib_facility_location
from submodular_streams import half_normal, powerlaw_cover, rbf_similarity, sliding, window_batches

from pyalgo.submodular import (
    DynamicSubmodularMaximizer,
    FacilityLocation,
    FeatureBased,
    Objective,
    WeightedCoverage,
    greedy,
)

SIZES = (20_000, 40_000, 80_000, 160_000, 320_000)
K = 50

pytestmark = pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")  # apricot's imports


def coverage(n: int) -> WeightedCoverage:
    return WeightedCoverage.from_csr(*powerlaw_cover(n, seed=1))


def full_window(f: Objective, n: int, **settings) -> DynamicSubmodularMaximizer:
    maximiser = DynamicSubmodularMaximizer(f, K, eps=0.2, seed=1, **settings)
    maximiser.insert(np.arange(n // 2))
    return maximiser


@pytest.mark.claim("submodular.5")
def test_cost_of_an_update_is_flat_in_n(figure):
    queries, micros = [], []
    for n in SIZES:
        batches = list(window_batches(n, seed=1))
        updates = sum(len(batch["id"]) for batch in batches)
        f = DynamicSubmodularMaximizer({"name": "coverage"}, K, eps=0.2, seed=1)
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
        f"slope of queries {flat_queries:.3f}, of CPU time {flat_micros:.3f}; {micros[0]:.1f} us an update with its payload"
        " at n = 20,000",
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
    figure("submodular.5", f"queries of method param in k {growth:.2f}", met=growth <= 1.3)
    assert growth <= 1.3


def neighbours(n: int, count: int = 30) -> FacilityLocation:
    """The graph of nearest neighbours of normal points in 8 dimensions."""
    points = np.random.default_rng(1).normal(size=(n, 8))
    return FacilityLocation.from_features(points, n_neighbors=count)


# Objective, n, and how many times cheaper than greedy an update must be: in the window, and with all guesses (half of it).
CASES = {
    "coverage, n=20,000": (coverage, 20_000, 15),
    "coverage, n=320,000": (coverage, 320_000, 200),
    "feature-based, n=10,000": (lambda n: FeatureBased.from_features(half_normal(n, 1)), 10_000, 50),
    "feature-based, n=40,000": (lambda n: FeatureBased.from_features(half_normal(n, 1)), 40_000, 300),
    "dense facility location, n=1000": (lambda n: FacilityLocation.from_similarity(rbf_similarity(n, 1)), 1000, 5),
    "dense facility location, n=4000": (lambda n: FacilityLocation.from_similarity(rbf_similarity(n, 1)), 4000, 8),
    "dense facility location, n=10,000": (lambda n: FacilityLocation.from_similarity(rbf_similarity(n, 1)), 10_000, 50),
    "facility location of 30 neighbours, n=100,000": (neighbours, 100_000, 100),
}


@pytest.mark.claim("submodular.6")
@pytest.mark.parametrize("case", CASES)
def test_an_update_against_greedy_again(figure, case):
    make, n, target = CASES[case]
    f, ratios = make(n), {}
    ids, ops = sliding(n, n // 2)
    turns = 6
    some = min(len(ids) // turns, 20_000) // 2 * 2  # updates a turn
    for grid, least in (("window", target), ("all", target / 2)):
        maximiser, shares = full_window(f, n, guess_grid=grid), []
        for turn in range(turns if grid == "window" else 2):
            part = slice(turn * some, (turn + 1) * some)
            ours = cpu_seconds(lambda part=part, m=maximiser: m.update(id=ids[part], op=ops[part])) / some
            live = maximiser.live_ids()
            shares.append(cpu_seconds(lambda live=live: greedy(f, live, K)) / ours)
        ratios[grid] = statistics.median(shares[1:])
        print(f"{case}, {grid}: {ratios[grid]:.0f}x, {1e6 * ours:.1f} us an update, {maximiser.stats()}")
        assert ratios[grid] >= least / 2  # a noisy machine gets half of the target
    figure(
        "submodular.6",
        f"{case}: {ratios['window']:.0f}x (all guesses {ratios['all']:.0f}x)",
        met=ratios["window"] >= target and ratios["all"] >= target / 2,
    )


@pytest.mark.claim("submodular.6")
def test_an_update_against_apricot(figure):
    n = 10_000
    features = half_normal(n, 1)
    f = full_window(FeatureBased.from_features(features), n)
    ids, ops = sliding(n, n // 2)
    f.update(id=ids[:5000], op=ops[:5000])
    ours = cpu_seconds(lambda: f.update(id=ids[5000:], op=ops[5000:])) / len(ids[5000:])
    again = apricot_feature_based(features[n // 2 :], K)
    again()
    ratio = cpu_seconds(again) / ours
    figure("submodular.6", f"apricot again, feature-based, n=10,000: {ratio:,.0f}x", met=ratio >= 20_000)
    assert ratio >= 10_000


@pytest.mark.claim("submodular.6")
def test_an_update_against_submodlib(figure):
    pytest.importorskip("submodlib")
    n = 1000
    similarity = rbf_similarity(n, 1)
    again = submodlib_facility_location(similarity[n // 2 :, n // 2 :], K)  # it serves and chooses from the window only
    again()
    f = full_window(FacilityLocation.from_similarity(similarity), n)
    ids, ops = sliding(n, n // 2)
    ours = cpu_seconds(lambda: f.update(id=ids, op=ops)) / len(ids)
    ratio = cpu_seconds(again) / ours
    figure("submodular.6", f"submodlib again, facility location, n=1000: {ratio:,.0f}x", met=ratio >= 100)
    assert ratio >= 50


@pytest.mark.claim("submodular.6")
def test_no_update_takes_long(figure):
    n = 80_000
    f = full_window(coverage(n), n)
    ids, ops = sliding(n, n // 2)
    seconds = [cpu_seconds(lambda i=i: f.update(id=ids[i : i + 1], op=ops[i : i + 1])) for i in range(20_000)]
    slow = 1e3 * float(np.quantile(seconds, 0.999))
    figure("submodular.6", f"99.9 % of single updates at n=80,000 within {slow:.2f} ms", met=slow <= 30)
    assert slow <= 30


@pytest.mark.claim("submodular.6")
def test_updates_while_the_optimum_oscillates(figure):
    """Heavy elements come and go in waves, so that the optimum doubles and halves; the bound is checked all along."""
    n, wave, heavy = 20_000, 1000, 60
    f = WeightedCoverage.from_csr(*powerlaw_cover(n, seed=1))
    rng = np.random.default_rng(2)
    light = greedy(f, None, K).value
    # Of three items like most others, but of items that weigh so much that k of them are worth as much as all else.
    private = [[n + 3 * i + j for j in range(3)] for i in range(heavy)]
    bonus = f.add_items(items=private, weights=[[light / K / 3 * 2] * 3] * heavy)
    ids, ops = sliding(n, n // 2)
    steady = full_window(f, n)
    stationary = cpu_seconds(lambda: steady.update(id=ids, op=ops))
    waving, seconds, worst = full_window(f, n), 0.0, 1.0
    for i, at in enumerate(range(0, len(ids), wave)):
        op = np.full(heavy, 1 if i % 2 == 0 else -1, dtype=np.int8)
        order = rng.permutation(heavy)
        batch = np.concatenate([bonus[order], ids[at : at + wave]]), np.concatenate([op, ops[at : at + wave]])
        seconds += cpu_seconds(lambda batch=batch: waving.update(id=batch[0], op=batch[1]))
        worst = min(worst, waving.query(refine=False).ratio_lower_bound)
    updates = waving.n_seen - n // 2
    ratio = (seconds / updates) / (stationary / len(ids))
    print(f"oscillating: {1e6 * seconds / updates:.2f} us an update, {waving.stats()}")
    figure(
        "submodular.6",
        f"oscillating optimum: {ratio:.1f} times the cost of the stationary stream, proven ratio at least {worst:.2f}",
        met=ratio <= 5 and worst >= 0.8 / 2.4,
    )
    assert worst >= 0.8 / 2.4
    assert ratio <= 10


@pytest.mark.claim("submodular.7")
def test_memory_of_an_element(figure):
    n, found = 80_000, {}
    for grid in ("window", "all"):
        f = full_window(coverage(n), n, guess_grid=grid)
        ids, ops = sliding(n, n // 2)
        f.update(id=ids, op=ops)
        stats = f.stats()
        found[grid] = (stats["nbytes"] - stats["payload_bytes"]) / stats["live"]
    figure(
        "submodular.7",
        f"{found['window']:.0f} bytes in the window, {found['all']:.0f} with all guesses",
        met=found["window"] <= 48 and found["all"] <= 200,
    )
    assert found["window"] <= 64
    assert found["all"] <= 600


QUALITY = {
    "coverage": (coverage, 80_000, 0.92, 0.99, 0.99),
    "feature-based": (lambda n: FeatureBased.from_features(half_normal(n, 1)), 10_000, 0.0, 0.95, 0.97),
    "facility location": (lambda n: FacilityLocation.from_similarity(rbf_similarity(n, 1)), 1000, 0.0, 0.97, 0.98),
}


@pytest.mark.claim("submodular.8")
@pytest.mark.parametrize("case", QUALITY)
def test_answers_are_near_greedy(figure, case):
    make, n, least_plain, least_refined, least_drawn = QUALITY[case]
    f = make(n)
    ids, ops = sliding(n, n // 2)
    maximiser = full_window(f, n)
    drawing = full_window(f, n, refine_budget=4 * 3 * K)  # a pool is about three elements a pick
    values: dict[str, list[float]] = {"unrefined": [], "refined": [], "with random candidates": []}
    for part in np.array_split(np.arange(len(ids) // 2), 20):
        rows = slice(2 * part[0], 2 * part[-1] + 2)
        best = greedy(f, np.arange(part[-1] + 1, part[-1] + 1 + n // 2), K).value
        for it in (maximiser, drawing):
            it.update(id=ids[rows], op=ops[rows])
        values["unrefined"].append(maximiser.query(refine=False).value / best)
        values["refined"].append(maximiser.query().value / best)
        values["with random candidates"].append(drawing.query().value / best)
    means = {name: float(np.mean(some)) for name, some in values.items()}
    text = ", ".join(f"{name} {means[name]:.3f} ({min(some):.3f})" for name, some in values.items())
    figure(
        "submodular.8",
        f"{case}: mean (least) of greedy, {text}",
        met=means["unrefined"] >= least_plain
        and means["refined"] >= least_refined
        and means["with random candidates"] >= least_drawn,
    )
    assert means["unrefined"] >= least_plain
    assert means["refined"] >= least_refined
    assert means["with random candidates"] >= least_drawn
    assert min(min(some) for some in values.values()) >= 0.3


@pytest.mark.claim("submodular.8")
def test_answers_while_the_largest_leave_first(figure):
    n = 20_000
    f = coverage(n)
    maximiser = DynamicSubmodularMaximizer(f, K, eps=0.2, seed=1)
    maximiser.insert(np.arange(n))
    by_size = np.argsort(-f.gains(np.arange(n)), kind="stable")
    refined = []
    for at in range(0, n - 1000, 1000):
        maximiser.delete(by_size[at : at + 1000])
        best = greedy(f, np.sort(by_size[at + 1000 :]), K).value
        refined.append(maximiser.query().value / best)
    figure("submodular.8", f"largest deleted first: refined at least {min(refined):.3f}", met=min(refined) >= 0.9)
    assert min(refined) >= 0.9
