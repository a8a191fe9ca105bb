"""What others would use for submodular maximisation, each at its best on one thread.

A static peer is a function ``peer(data, k) -> run``: whatever can be compiled, converted or allocated ahead happens in the
outer call, ``run()`` is what is timed and returns the chosen ids in order. A dynamic one takes elements in and out and counts
its oracle queries.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
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
