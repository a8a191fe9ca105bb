"""Matrices of similarities and features, dense or sparse, as payload; and similarities from features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core

__all__ = ["METRICS", "add_elements", "as_matrix", "is_sparse", "neighbour_graph", "similarity_rows", "sparse_rows"]

METRICS = ("rbf", "cosine", "euclidean")
_TILE = 1 << 22  # numbers that are copied at a time, so that a large matrix is never there twice


def is_sparse(matrix: Any) -> bool:
    """Whether it is a SciPy matrix or something like it (CSR, CSC, ...)."""
    return hasattr(matrix, "tocsr") and hasattr(matrix, "tocsc")


def as_matrix(name: str, matrix: ArrayLike, meaning: str) -> NDArray[np.floating[Any]]:
    """A dense matrix of numbers as an array, without a copy where it is one."""
    array = np.asarray(matrix)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{name} has shape {array.shape}: give a matrix of {meaning}")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    return array


def add_elements(core: _core.Objective, rows: NDArray[Any]) -> None:
    """Add an element for every row of dense numbers, tile by tile."""
    step = max(1, _TILE // rows.shape[1])
    for begin in range(0, len(rows), step):
        tile = np.ascontiguousarray(rows[begin : begin + step], dtype=np.float64)
        offsets = np.arange(len(tile) + 1, dtype=np.int64) * tile.shape[1]
        try:
            core.add_known((None, (offsets, tile.reshape(-1))))
        except ValueError as error:
            row = getattr(error, "row", 0)
            raise ValueError(f"element {begin + row}: {str(error).removeprefix(f'row {row}: ')}") from None


def sparse_rows(matrix: Any, *, by_column: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Offsets, indices and numbers of a sparse matrix' rows, or columns, without duplicates."""
    compressed = matrix.tocsc() if by_column else matrix.tocsr()
    if not compressed.has_canonical_format:
        compressed = compressed.copy()
        compressed.sum_duplicates()
    offsets, indices = compressed.indptr.astype(np.int64), compressed.indices.astype(np.int64)
    return offsets, indices, compressed.data.astype(np.float64)


def similarity_rows(X: NDArray[Any], metric: str, bandwidth: float) -> Iterator[NDArray[np.float64]]:  # noqa: N803
    """The symmetric matrix of similarities of all rows of `X` to all, a tile of rows at a time."""
    features = _prepared(X, metric)
    norms = np.einsum("ij,ij->i", features, features)
    step = max(1, _TILE // len(features))
    for begin in range(0, len(features), step):
        both = norms[begin : begin + step, None] + norms
        squared = both - 2 * (features[begin : begin + step] @ features.T)
        squared[np.arange(len(squared)), np.arange(begin, begin + len(squared))] = 0
        yield _similarity(np.maximum(squared, 0), both, metric, bandwidth)


def neighbour_graph(
    X: NDArray[Any],  # noqa: N803
    metric: str,
    bandwidth: float,
    n_neighbors: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For every row of `X` its nearest rows, itself among them, and how similar they are; both of shape (rows, nearest)."""
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        raise ImportError("n_neighbors needs scikit-learn: pip install scikit-learn") from None
    features = _prepared(X, metric)
    distances, nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(features).kneighbors(features)
    norms = np.einsum("ij,ij->i", features, features)
    similarities = _similarity(distances**2, norms[:, None] + norms[nearest], metric, bandwidth)
    return np.arange(len(nearest), dtype=np.int64), nearest.astype(np.int64), similarities


def _prepared(X: NDArray[Any], metric: str) -> NDArray[np.float64]:  # noqa: N803
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    features = np.asarray(X, dtype=np.float64)
    if not np.isfinite(features).all():
        row, column = np.argwhere(~np.isfinite(features))[0]
        raise ValueError(f"X[{row}, {column}] must be finite, got {features[row, column]}")
    if metric == "cosine":
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return features / np.where(lengths > 0, lengths, 1)
    return features


def _similarity(
    squared: NDArray[np.float64], both: NDArray[np.float64], metric: str, bandwidth: float
) -> NDArray[np.float64]:
    """Of pairs, from their squared distances and the sums of their squared lengths."""
    if metric == "cosine":  # of vectors of length 1, or 0
        return _significant((both - squared) / 2)
    if metric == "rbf":
        return _significant(np.exp(-squared / (2 * bandwidth**2)))
    return _significant(1 / (1 + np.sqrt(squared)))


def _significant(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative ones, and those too small to be a magnitude, count as none."""
    return np.where(similarity >= 1e-100, similarity, 0.0)
