"""What others would use for submodular maximisation, each at its best on one thread.

A static peer is a function ``peer(data, k) -> run``: whatever can be compiled, converted or allocated ahead happens in the
outer call, ``run()`` is what is timed and returns the chosen ids in order. A dynamic one takes elements in and out and counts
its oracle queries.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import apricot
import numba
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Run = Callable[[], NDArray[np.int64]]

# --- Lazy greedy by hand: a binary heap of (bound, -id) as two arrays


@numba.njit(nogil=True)
def _sift_down(bounds, ids, at, size):
    bound, ident = bounds[at], ids[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            bounds[right] > bounds[child] or (bounds[right] == bounds[child] and ids[right] < ids[child])
        ):
            child = right
        if bounds[child] < bound or (bounds[child] == bound and ids[child] > ident):
            break
        bounds[at], ids[at] = bounds[child], ids[child]
        at = child
    bounds[at], ids[at] = bound, ident


@numba.njit(nogil=True)
def _lazy_coverage(indptr, items, k, covered, bounds, ids, chosen):
    """Every item weighs 1, so that f of an element alone is its length."""
    n = indptr.size - 1
    covered[:] = 0
    for i in range(n):
        bounds[i] = indptr[i + 1] - indptr[i]
        ids[i] = i
    for at in range(n // 2 - 1, -1, -1):
        _sift_down(bounds, ids, at, n)
    size, count = n, 0
    while count < k and size > 0 and bounds[0] > 0:
        top = ids[0]
        gain = 0
        for at in range(indptr[top], indptr[top + 1]):
            gain += 1 - covered[items[at]]
        if gain == bounds[0]:
            for at in range(indptr[top], indptr[top + 1]):
                covered[items[at]] = 1
            chosen[count] = top
            count += 1
            size -= 1
            bounds[0], ids[0] = bounds[size], ids[size]
        else:
            bounds[0] = gain
        _sift_down(bounds, ids, 0, size)
    return count


def numba_coverage(indptr: NDArray[np.int64], items: NDArray[np.int64], k: int) -> Run:
    """Lazy greedy on unweighted coverage: CSR, a byte an item, a heap of 32-bit numbers. Rows without repetition."""
    n = len(indptr) - 1
    narrow = items.astype(np.uint32)
    covered = np.empty(int(items.max()) + 1, np.uint8)
    bounds, ids, chosen = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(k, np.int64)

    def run() -> NDArray[np.int64]:
        return chosen[: _lazy_coverage(indptr, narrow, k, covered, bounds, ids, chosen)]

    run()
    return run


@numba.njit(nogil=True, fastmath=True)
def _fl_gain(served, best):
    total = 0.0
    for i in range(served.size):
        total += max(0.0, served[i] - best[i])
    return total


@numba.njit(nogil=True)
def _lazy_facility_location(rows, singles, k, best, bounds, ids, chosen):
    n = rows.shape[0]
    best[:] = 0
    bounds[:] = singles
    for i in range(n):
        ids[i] = i
    for at in range(n // 2 - 1, -1, -1):
        _sift_down(bounds, ids, at, n)
    size, count, fresh = n, 0, True
    while count < k and size > 0:
        top = ids[0]
        gain = bounds[0] if fresh else _fl_gain(rows[top], best)
        ahead = True
        for child in range(1, min(3, size)):
            if bounds[child] > gain or (bounds[child] == gain and ids[child] < top):
                ahead = False
        if ahead:
            if gain <= 0:
                break
            for i in range(best.size):
                best[i] = max(best[i], rows[top, i])
            chosen[count] = top
            count += 1
            size -= 1
            bounds[0], ids[0] = bounds[size], ids[size]
            fresh = False
        else:
            bounds[0] = gain
        _sift_down(bounds, ids, 0, size)
    return count


def numba_facility_location(similarity: NDArray[np.float64], k: int) -> Run:
    """Lazy greedy on a dense matrix of customers x elements, f of each element alone known ahead."""
    rows = np.ascontiguousarray(similarity.T)
    n, customers = rows.shape
    singles, best, bounds = rows.sum(axis=1), np.empty(customers), np.empty(n)
    ids, chosen = np.empty(n, np.int32), np.empty(k, np.int64)

    def run() -> NDArray[np.int64]:
        return chosen[: _lazy_facility_location(rows, singles, k, best, bounds, ids, chosen)]

    run()
    return run


# --- The libraries


def apricot_coverage(indptr: NDArray[np.int64], items: NDArray[np.int64], k: int) -> Run:
    """Lazy greedy of apricot on a sparse 0/1 matrix of elements x items."""
    n, universe = len(indptr) - 1, int(items.max()) + 1
    covers = scipy.sparse.csr_matrix((np.ones(len(items)), items, indptr), shape=(n, universe))
    return lambda: apricot.MaxCoverageSelection(k, optimizer="lazy").fit(covers).ranking


def apricot_feature_based(features: NDArray[np.float64], k: int) -> Run:
    """Lazy greedy of apricot with the square root."""
    return lambda: apricot.FeatureBasedSelection(k, "sqrt", optimizer="lazy").fit(features).ranking


def apricot_facility_location(similarity: NDArray[np.float64], k: int) -> Run:
    """Lazy greedy of apricot on a symmetric matrix."""
    return lambda: apricot.FacilityLocationSelection(k, "precomputed", optimizer="lazy").fit(similarity).ranking


def submodlib_facility_location(similarity: NDArray[np.float64], k: int) -> Run:
    """Lazy greedy of submodlib on a symmetric matrix; the object is built ahead, and a run starts it anew.

    Not with ``stopIfZeroGain``, which takes a gain below 1 for 0 in submodlib-py 0.0.3.
    """
    import submodlib  # in no extra: it has wheels for few platforms

    f = submodlib.FacilityLocationFunction(n=len(similarity), mode="dense", sijs=similarity, separate_rep=False)

    def run() -> NDArray[np.int64]:
        chosen = f.maximize(k, optimizer="LazyGreedy", show_progress=False)
        return np.array([i for i, _ in chosen])

    return run


# --- Dynamic algorithms on unweighted coverage
#
# One structure a guess of OPT, for a grid of guesses. A marginal is one oracle call; f of an element alone is asked once an
# insertion for all guesses, and neither covering again what was chosen before nor adding what was just evaluated counts: all
# of this is in the peers' favour.


@numba.njit(nogil=True)
def _gain(indptr, items, mark, stamp, e):
    gain = 0
    for at in range(indptr[e], indptr[e + 1]):
        gain += mark[items[at]] != stamp
    return gain


@numba.njit(nogil=True)
def _cover(indptr, items, mark, stamp, e):
    for at in range(indptr[e], indptr[e + 1]):
        mark[items[at]] = stamp


@numba.njit(nogil=True)
def _value(indptr, items, mark, stamp, chosen, count):
    value = 0
    for i in range(count):
        value += _gain(indptr, items, mark, stamp, chosen[i])
        _cover(indptr, items, mark, stamp, chosen[i])
    return value


@numba.njit(nogil=True)
def _keep(indptr, items, mark, stamp, tau, some, size):
    """Those of at least tau to the front, in order."""
    kept = 0
    for i in range(size):
        e = some[i]
        if _gain(indptr, items, mark, stamp, e) >= tau:
            some[i], some[kept] = some[kept], e
            kept += 1
    return kept


@numba.njit(nogil=True)
def _link(head, after, before, deepest, e, level):
    deepest[e] = level
    if level >= 0:
        before[e], after[e] = -1, head[level]
        if head[level] >= 0:
            before[head[level]] = e
        head[level] = e


@numba.njit(nogil=True)
def _unlink(head, after, before, deepest, e):
    if before[e] >= 0:
        after[before[e]] = after[e]
    else:
        head[deepest[e]] = after[e]
    if after[e] >= 0:
        before[after[e]] = before[e]
    deepest[e] = -1


@numba.njit(nogil=True)
def _construct(indptr, items, mark, stamp, k, tau, begin, lists, waiting, chosen, level_of, count, some):
    """LevelConstruct; returns the new number of chosen elements and the oracle calls."""
    head, after, before, deepest, waits_above = lists
    top = head.size - 1
    kept, size = 0, 0
    for i in range(count):
        if level_of[i] < begin:
            chosen[kept], level_of[kept] = chosen[i], level_of[i]
            _cover(indptr, items, mark, stamp, chosen[kept])
            kept += 1
    for level in range(begin, top + 1):
        e = head[level]
        while e >= 0:
            some[size] = e
            size += 1
            e = after[e]
        head[level], waiting[level] = -1, 0
    np.random.shuffle(some[:size])
    for i in range(size):
        deepest[some[i]] = begin - 1
        waits_above[some[i]] = min(waits_above[some[i]], begin)
    total, calls, count = size, size, kept
    size = _keep(indptr, items, mark, stamp, tau, some, size)
    for level in range(begin, top + 1):
        if count == k or size == 0:
            break
        for i in range(size):
            deepest[some[i]] = level
        while size > 0 and size >= 1 << (top - level):
            _cover(indptr, items, mark, stamp, some[0])  # a random one: they were shuffled
            chosen[count], level_of[count] = some[0], level
            count += 1
            if count == k:
                break
            calls += size
            size = _keep(indptr, items, mark, stamp, tau, some, size)
    for i in range(total):
        _link(head, after, before, deepest, some[i], deepest[some[i]])
    return count, calls


@numba.njit(nogil=True)
def _levels(indptr, items, k, eps, guesses, ids, ops, every, seed):
    np.random.seed(seed)
    n = indptr.size - 1
    top = max(1, int(np.ceil(np.log2(n))))
    g = guesses.size
    head = np.full((g, top + 1), -1, np.int32)
    after, before, deepest = np.empty((g, n), np.int32), np.empty((g, n), np.int32), np.full((g, n), -1, np.int32)
    waits_above = np.zeros((g, n), np.int32)  # element e is in B_l for l below this, in A_l from here to deepest[e]
    waiting = np.zeros((g, top + 1), np.int64)  # |B_l|
    chosen, level_of = np.empty((g, k), np.int64), np.empty((g, k), np.int64)
    count, lowest = np.zeros(g, np.int64), np.full(g, top + 1, np.int64)
    mark, some = np.zeros(items.max() + 1, np.int64), np.empty(n, np.int64)
    stamp, calls = 0, 0
    values = np.zeros(ids.size // every)
    for step in range(ids.size):
        e = ids[step]
        calls += ops[step] > 0
        for j in range(g):
            tau = guesses[j] / (2 * k)
            lists = (head[j], after[j], before[j], deepest[j], waits_above[j])
            begin = -1
            if ops[step] > 0:
                if indptr[e + 1] - indptr[e] < tau:
                    continue
                waiting[j] += 1
                waits_above[j, e] = top + 1
                _link(head[j], after[j], before[j], deepest[j], e, top)
                if count[j] < k:
                    for level in range(top, -1, -1):
                        if waiting[j, level] >= 1 << (top - level):
                            begin = level
            elif deepest[j, e] >= 0:
                waiting[j, : waits_above[j, e]] -= 1
                _unlink(head[j], after[j], before[j], deepest[j], e)
                for i in range(count[j]):
                    if chosen[j, i] == e:
                        lowest[j] = min(lowest[j], level_of[j, i])
                        chosen[j, i : count[j] - 1] = chosen[j, i + 1 : count[j]]
                        level_of[j, i : count[j] - 1] = level_of[j, i + 1 : count[j]]
                        count[j] -= 1
                        stamp += 1
                        calls += 1
                        if _value(indptr, items, mark, stamp, chosen[j], count[j]) < (1 - eps) * guesses[j] / 2:
                            begin, lowest[j] = lowest[j], top + 1
                        break
            if begin >= 0:
                stamp += 1
                count[j], spent = _construct(
                    indptr, items, mark, stamp, k, tau, begin, lists, waiting[j], chosen[j], level_of[j], count[j], some
                )
                calls += spent
        if (step + 1) % every == 0:
            for j in range(g):
                stamp += 1
                value = _value(indptr, items, mark, stamp, chosen[j], count[j])
                values[step // every] = max(values[step // every], value)
    return values, calls


@numba.njit(nogil=True)
def _sieve(indptr, items, k, guesses, ids, ops, every):
    n, g = indptr.size - 1, guesses.size
    arrivals, live, arrived = np.empty(ids.size, np.int64), np.full(n, -1, np.int64), 0
    mark = np.zeros((g, items.max() + 1), np.int64)
    stamps, chosen, count = np.ones(g, np.int64), np.empty((g, k), np.int64), np.zeros(g, np.int64)
    calls, first = 0, 0
    values = np.zeros(ids.size // every)
    for step in range(ids.size):
        e = ids[step]
        if ops[step] > 0:
            arrivals[arrived], live[e] = e, arrived
            arrived += 1
        else:
            live[e] = -1
            while first < arrived and live[arrivals[first]] != first:
                first += 1
        for j in range(g):
            begin = arrived - 1
            if ops[step] < 0:
                begin = arrived
                for i in range(count[j]):
                    if chosen[j, i] == e:
                        stamps[j] += 1
                        count[j], begin = 0, first
            for at in range(begin, arrived):
                if count[j] == k:
                    break
                if live[arrivals[at]] != at:
                    continue
                calls += 1
                if _gain(indptr, items, mark[j], stamps[j], arrivals[at]) >= guesses[j] / (2 * k):
                    _cover(indptr, items, mark[j], stamps[j], arrivals[at])
                    chosen[j, count[j]] = arrivals[at]
                    count[j] += 1
        if (step + 1) % every == 0:
            for j in range(g):
                value = (mark[j] == stamps[j]).sum()
                values[step // every] = max(values[step // every], value)
    return values, calls


def guesses_of(indptr: NDArray[np.int64], k: int, grid: float) -> NDArray[np.float64]:
    """Powers of `grid` from the least to k times the largest f of one element, all of which the peers know ahead."""
    lengths = np.diff(indptr)
    least, most = lengths[lengths > 0].min(), k * lengths.max()
    return least * grid ** np.arange(math.ceil(math.log(most / least, grid)) + 1)


def levels_2020(indptr, items, k, ids, ops, *, eps=0.2, grid=1.3, every=1, seed=0):
    """The levels of NeurIPS 2020, as in its experiments; returns f of the answer after every so many updates, and all calls.

    Lattanzi, Mitrovic, Norouzi-Fard, Tarnawski, Zadimoghaddam: "Fully Dynamic Algorithm for Constrained Submodular
    Optimization", the algorithm of Section 3: for each guess gamma and tau = gamma/2k, levels l = 0..T = log2(n) with A_l, a
    random S_l of it, and a buffer B_l of fewer than 2^(T-l) arrivals, whose overflow builds from level l on; a deletion
    builds anew from the lowest level that lost a chosen element once f(S) < (1 - eps) gamma/2. Written from the paper and
    from the behaviour of the authors' program (google-research/fully_dynamic_submodular_maximization).
    """
    return _levels(indptr, items, k, eps, guesses_of(indptr, k, grid), ids, ops, every, seed)


def sieve_rerun(indptr, items, k, ids, ops, *, grid=1.3, every=1):
    """Sieve-Streaming, where the set of a guess that loses an element is built anew from all live elements."""
    return _sieve(indptr, items, k, guesses_of(indptr, k, grid), ids, ops, every)
