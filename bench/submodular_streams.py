"""The streams and objectives on which the dynamic maximiser is measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def powerlaw_cover(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Element i covers ``targets[offsets[i]:offsets[i + 1]]``: out-degrees with a heavy tail, popular targets."""
    rng = np.random.default_rng(seed)
    degrees = np.minimum(np.floor(3 * (1 - rng.random(n)) ** (-1 / 1.5)), 2000).astype(np.int64)
    targets = np.floor(n * rng.random(int(degrees.sum())) ** 1.7).astype(np.int64)
    return np.concatenate([[0], np.cumsum(degrees)]), targets


def distinct_cover(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`powerlaw_cover` without the repetitions, which some peers would count."""
    offsets, targets = powerlaw_cover(n, seed)
    rows = [np.unique(targets[offsets[i] : offsets[i + 1]]) for i in range(n)]
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]), np.concatenate(rows)


def half_normal(n: int, seed: int, dimensions: int = 64) -> NDArray[np.float64]:
    """Features |N(0, 1)|: nearly all elements look alike, the hard case of lazy greedy and of the levels."""
    return np.abs(np.random.default_rng(seed).normal(size=(n, dimensions)))


def rbf_similarity(n: int, seed: int, dimensions: int = 16) -> NDArray[np.float64]:
    """exp(-d^2 / (2 dimensions)) of normal points: again nearly all look alike."""
    points = np.random.default_rng(seed).normal(size=(n, dimensions))
    squares = (points**2).sum(axis=1)
    similarity = squares[:, None] + squares
    similarity -= 2 * points @ points.T
    np.maximum(similarity, 0, out=similarity)
    similarity /= -2 * dimensions
    np.exp(similarity, out=similarity)
    return (similarity + similarity.T) / 2


def sliding(n: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Ids and ops of a full window of `width` that slides on to the end of 0..n-1: insert the next, delete the oldest."""
    ids = np.column_stack([np.arange(width, n), np.arange(n - width)]).ravel()
    return ids, np.tile(np.array([1, -1], dtype=np.int8), n - width)


def window_batches(n: int, seed: int, rows: int = 4096) -> Iterator[dict]:
    """`powerlaw_cover` as it streams in with its payload: 0..n-1 in order, from n/2 on each followed by the oldest's deletion."""
    offsets, targets = powerlaw_cover(n, seed)
    slid, slid_ops = sliding(n, n // 2)
    ids = np.concatenate([np.arange(n // 2), slid])
    ops = np.concatenate([np.ones(n // 2, dtype=np.int8), slid_ops])
    for at in range(0, len(ids), rows):
        some, op = ids[at : at + rows], ops[at : at + rows]
        items = [targets[offsets[i] : offsets[i + 1]] if o > 0 else targets[:0] for i, o in zip(some, op, strict=True)]
        yield {"id": some, "op": op, "items": items}
