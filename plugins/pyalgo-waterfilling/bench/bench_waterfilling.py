"""Water-filling against everything else that fills water, one thread, float64, CPU time, in turn in one process.

What a row costs at best: a scan that also checks the noise, a pass that sums what is below the level, and the pass that writes
the powers, each about a vector of four carriers a cycle or two in cache; at 64 carriers the sums across a vector and the
divisions between the passes cost as much again. Rates belong to one machine and are told; ratios are gated.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
from gate import Verdict, compare, cpu_seconds, slope
from numba import njit
from pyalgo_waterfilling import newton
from pyalgo_waterfilling.game import InterferenceGame
from pyalgo_waterfilling.operator import waterfill
from waterfilling_peers import (
    POWER,
    by_brentq,
    by_hand,
    by_numpy,
    by_pyphysim,
    by_std_sort,
    by_textbook,
    cvxpy_problem,
    needs,
    noise,
)

SIZES = [64, 1024, 100_000]
CPU = Path("/proc/cpuinfo")
avx2 = pytest.mark.skipif(not CPU.exists() or "avx2" not in CPU.read_text(), reason="the loop by hand is for AVX2")


def batch(n: int) -> np.ndarray:
    return noise(n, max(2, 32_768 // n))


def times(work, n: int) -> object:
    """Several calls, so that a timing is of some milliseconds."""
    repeat = max(1, 400_000 // max(32_768, 2 * n))
    return lambda: [work() for _ in range(repeat)]


@pytest.mark.claim("waterfilling.4")
@pytest.mark.parametrize("n", SIZES)
def test_cold(figure, n):
    a, counts = batch(n), np.arange(1.0, n + 1)
    out, other, levels = np.empty_like(a), np.empty_like(a), np.zeros(len(a))

    def ours():
        waterfill(a, POWER, out=out)

    def sort():
        by_std_sort(a, other, levels)

    ours()
    np.testing.assert_allclose(out, by_numpy(a, counts), atol=1e-12)
    np.testing.assert_allclose(out, by_textbook(a, counts), atol=1e-12)
    sort()
    np.testing.assert_allclose(out, other, atol=1e-12)
    verdict = Verdict(f"cold, N={n}")
    verdict.at_least("numpy at its best", compare(times(ours, n), times(lambda: by_numpy(a, counts), n)).median, 7)
    verdict.at_least(
        "numpy as written down", compare(times(ours, n), times(lambda: by_textbook(a, counts), n)).median, 7
    )
    verdict.at_least("C++ std::sort", compare(times(ours, n), times(sort, n)).median, 5)
    seconds = statistics.median(cpu_seconds(times(ours, n)) for _ in range(9))
    print(f"  {a.size * len(times(ours, n)()) / seconds / 1e6:.0f} M carriers/s")
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.4")
@pytest.mark.parametrize("n", SIZES)
def test_warm(figure, n):
    """Every gain has changed by about 2 %."""
    a, counts = batch(n), np.arange(1.0, n + 1)
    changed = a * (1 + 0.02 * np.random.default_rng(1).normal(size=a.shape))
    start, out = waterfill(a, POWER).level, np.empty_like(a)

    def ours():
        waterfill(changed, POWER, level0=start, out=out)

    ours()
    np.testing.assert_allclose(out, by_numpy(changed, counts), atol=1e-12)
    verdict = Verdict(f"warm, N={n}")
    best = compare(times(ours, n), times(lambda: by_numpy(changed, counts), n)).median
    plain = compare(times(ours, n), times(lambda: by_textbook(changed, counts), n)).median
    verdict.at_least("numpy at its best", best, 12, gate=4)
    verdict.at_least("numpy as written down", plain, 12, gate=4)
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.4")
@avx2
@pytest.mark.parametrize("n", SIZES)
def test_against_a_loop_by_hand(figure, n):
    """The kernels alone, as the loop has no checks and no Python; it starts at the upper bound and scans for that."""
    a = batch(n)
    out, other, levels = np.empty_like(a), np.empty_like(a), np.zeros(len(a))
    power, cold = np.full(len(a), POWER), np.zeros(len(a))
    level, n_active, rounds = np.empty(len(a)), np.empty(len(a), np.int64), np.empty(len(a), np.int64)
    changed = a * (1 + 0.02 * np.random.default_rng(1).normal(size=a.shape))
    start = waterfill(a, POWER).level

    def ours():
        newton.solve_rows(a, power, cold, out, level, n_active, rounds)

    def hand():
        by_hand(a, other, levels)

    def ours_warm():
        newton.solve_rows(changed, power, start, out, level, n_active, rounds)

    def hand_warm():
        levels[:] = start
        by_hand(changed, other, levels, warm=True)

    ours()
    hand()
    np.testing.assert_allclose(out, other, atol=1e-12)
    verdict = Verdict(f"N={n}, times the AVX2 loop's speed")
    verdict.at_least("cold", compare(times(ours, n), times(hand, n)).median, 1 / 1.3, gate=0.4)
    verdict.at_least("warm", compare(times(ours_warm, n), times(hand_warm, n)).median, 1 / 1.3, gate=0.4)
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.4")
@needs("scipy")
def test_against_root_finding(figure):
    a, out = batch(64), np.empty_like(batch(64))
    few = a[: len(a) // 64].copy()
    np.testing.assert_allclose(by_brentq(few), waterfill(few, POWER).power, atol=1e-9)
    ratio = (
        64 * compare(times(lambda: waterfill(a, POWER, out=out), 64), times(lambda: by_brentq(few), 64), pairs=5).median
    )
    verdict = Verdict("a problem of 64 carriers")
    verdict.at_least("a loop of brentq", ratio, 300)
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.4")
@needs("pyphysim")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n", "target"), [(64, 1000), (1024, 10_000)])
def test_against_pyphysim(figure, n, target):
    a, out = batch(n), np.empty_like(batch(n))
    gains = 1 / a[0]
    np.testing.assert_allclose(by_pyphysim(gains), waterfill(a[0], POWER).power, atol=1e-9)
    repeat = 200 if n == 64 else 2

    def peer():
        for _ in range(repeat):
            by_pyphysim(gains)

    ratio = compare(times(lambda: waterfill(a, POWER, out=out), n), peer, pairs=5).median
    calls = max(1, 400_000 // max(32_768, 2 * n)) * len(a)
    verdict = Verdict(f"a problem of {n} carriers")
    verdict.at_least("pyphysim", ratio * calls / repeat, target)
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.4")
@needs("cvxpy")
@pytest.mark.filterwarnings("ignore")
def test_against_cvxpy(figure):
    a, out = batch(64), np.empty_like(batch(64))
    problem, p = cvxpy_problem(a[0])
    problem.solve("CLARABEL")
    np.testing.assert_allclose(p.value, waterfill(a[0], POWER).power, atol=1e-3)
    ratio = compare(times(lambda: waterfill(a, POWER, out=out), 64), lambda: problem.solve("CLARABEL"), pairs=5).median
    verdict = Verdict("a problem of 64 carriers")
    verdict.at_least("cvxpy, compiled once", ratio * len(a) * (400_000 // 32_768), 5000)
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.4")
def test_one_small_call(figure):
    a = noise(64, 1)[0]
    waterfill(a, POWER)
    seconds = min(cpu_seconds(lambda: [waterfill(a, POWER) for _ in range(2000)]) for _ in range(90))
    verdict = Verdict("one vector of 64 through Python")
    verdict.at_most("takes", seconds / 2000 * 1e6, 3, gate=9, unit=" us")
    verdict.close(figure, "waterfilling.4")


@pytest.mark.claim("waterfilling.5")
def test_time_is_linear(figure):
    sizes = [1000, 10_000, 100_000, 1_000_000]
    costs = []
    for n in sizes:
        a = noise(n, max(1, 100_000 // n))
        waterfill(a, POWER)
        costs.append(min(cpu_seconds(lambda a=a: waterfill(a, POWER)) for _ in range(9)) / len(a))
    verdict = Verdict("1e3 to 1e6 carriers")
    verdict.at_most("time a carrier grows", costs[-1] / 1e6 / (costs[0] / 1e3), 3)
    print(f"  slope {slope(sizes, costs):.3f}")
    verdict.close(figure, "waterfilling.5")


@njit(fastmath={"contract"})
def triad(a, b, c):
    for k in range(a.size):
        a[k] = b[k] + 3.0 * c[k]


def game_of(q: int, n: int, dtype: type, share: float = 1.0) -> InterferenceGame:
    """All links as an array, or a random share of them as links."""
    rng = np.random.default_rng(0)
    gains = 0.01 * rng.exponential(size=(q, q, n)).astype(dtype)
    gains[np.arange(q), np.arange(q)] += dtype(0.5)
    i, j = np.nonzero(np.eye(q, dtype=bool) | (rng.random((q, q)) < share))
    links = gains if share == 1 else (i, j, gains[i, j])
    return InterferenceGame(links, rng.uniform(0.1, 1, (q, n)), np.full(q, POWER))


def sweep(game: InterferenceGame):
    """One simultaneous step: interference and water-filling of everyone."""
    q = game.n_users
    p = np.full((q, game.n_carriers), POWER / game.n_carriers)
    out, level, change, users = p.copy(), np.zeros(q), np.empty(q), np.arange(q)
    return lambda: game._respond(users, p, out, level, change)


@pytest.mark.claim("waterfilling.6")
def test_a_step_of_a_game(figure):
    q, n = 64, 1024
    double, single = game_of(q, n, np.float64), game_of(q, n, np.float32)
    dense = np.zeros((q, q, n))
    for i in range(q):
        begin, end = double.links.begin[i : i + 2]
        dense[i, double.links.source[begin:end]] = double.links.gain[begin:end]
    dense_single = dense.astype(np.float32)
    p = np.full((q, n), POWER / n)
    np.testing.assert_allclose(double.interference(p), np.einsum("ijk,jk->ik", dense, p), rtol=1e-12)
    a, b, c = (np.ones(8_000_000) for _ in range(3))
    triad(a, b, c)
    ours, ours_single = sweep(double), sweep(single)
    einsum = compare(ours, lambda: np.einsum("ijk,jk->ik", dense, p), pairs=15).median
    half = compare(ours_single, lambda: np.einsum("ijk,jk->ik", dense, p), pairs=15).median
    same = compare(ours_single, lambda: np.einsum("ijk,jk->ik", dense_single, p.astype(np.float32)), pairs=15).median
    share = compare(ours, lambda: triad(a, b, c), pairs=15).median * double.links.gain.nbytes / (3 * a.nbytes)
    verdict = Verdict("interference and water-filling of 64 users on 1024 carriers")
    verdict.at_least("of the triad's bandwidth, gains only", share, 0.8, unit="")
    verdict.at_least("einsum of the interference alone", einsum, 1.1, gate=0.7)
    verdict.at_least("in float32, einsum in float64", half, 2.2)
    print(f"  in float32 against einsum in float32 {same:.2f}x")
    verdict.close(figure, "waterfilling.6")


@pytest.mark.claim("waterfilling.6")
def test_sparse_links_cost_what_they_are(figure):
    """Against the cost of the water-filling alone, which does not go with the links."""
    whole, part, none = (sweep(game_of(64, 1024, np.float64, share)) for share in (1.0, 0.05, 0.0))
    seconds = [
        min(cpu_seconds(lambda w=work: [w() for _ in range(5)]) for _ in range(9)) for work in (whole, part, none)
    ]
    links = [len(game_of(64, 1024, np.float64, share).links.source) for share in (1.0, 0.05)]
    per_link = [(t - seconds[2]) / count for t, count in zip(seconds, links, strict=False)]
    verdict = Verdict("5 % of the links")
    verdict.at_most("time a link over that of all links", per_link[1] / per_link[0], 1.2, gate=2)
    verdict.close(figure, "waterfilling.6")
