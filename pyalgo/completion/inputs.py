"""Cells as users hand them over: sparse matrices, arrays with gaps, or triples, read into one form."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyalgo.arrays import read_batch
from pyalgo.arrow import is_arrow
from pyalgo.completion.settings import LARGEST_SIDE
from pyalgo.errors import UnknownIndexError, at_row

__all__ = ["Cells", "extent", "read_cells", "read_places", "read_triple", "too_large"]

Indices = NDArray[np.int64]
Values = NDArray[np.float64]

_SCHEMA = {
    "rows": ("int64", "rows of the cells, from 0"),
    "cols": ("int64", "their columns, from 0"),
    "values": ("float64", "what they hold"),
    "weights": ("float64?", "how much each counts"),
}


class Cells(NamedTuple):
    """Observed cells, in the order given; `shape` is that of the matrix, None for a triple."""

    rows: Indices
    cols: Indices
    values: Values
    weights: Values | None
    shape: tuple[int, int] | None


def read_cells(name: str, given: Any, weights: Any = None) -> Cells:
    """The observed cells of `given`, which is called `name` in errors.

    Parameters
    ----------
    given : sparse matrix, array, or tuple (rows, cols, values)
        Of a SciPy sparse matrix every stored entry is a cell, explicit zeros and duplicates too. Of an array or masked
        array the cells that are NaN or masked are unobserved.
    weights : array, optional
        For an array one of its shape, for a sparse matrix in the order of its `data`, for a triple one each.
    """
    if isinstance(given, tuple):
        if len(given) != 3:
            raise TypeError(f"{name} as a tuple must be (rows, cols, values), got {len(given)} entries")
        return _checked(name, read_triple(*given, weights), lambda row: (f"row {row}: ", row))
    if _is_sparse(given):
        return _read_sparse(name, given, weights)
    return _read_dense(name, given, weights)


def read_triple(rows: Any, cols: Any, values: Any, weights: Any = None) -> Cells:
    """Cells as columns; the values are not looked at."""
    if (
        weights is None
        and _plain(rows, np.int64)
        and _plain(cols, np.int64)
        and _plain(values, np.float64)
        and len(rows) == len(cols) == len(values)
    ):
        return Cells(rows, cols, values, None, None)  # what this saves counts where cells come one by one
    columns = {"rows": rows, "cols": cols, "values": values}
    if weights is not None:
        columns["weights"] = weights
    read = _read_columns(columns)
    return Cells(read["rows"], read["cols"], read["values"], read.get("weights"), None)


def _plain(given: Any, dtype: type[np.generic]) -> bool:
    return type(given) is np.ndarray and given.dtype == dtype and given.ndim == 1 and given.flags.c_contiguous


def read_places(rows: Any, cols: Any) -> tuple[Indices, Indices]:
    """Rows and columns of cells, equally many."""
    read = _read_columns({"rows": rows, "cols": cols})
    return read["rows"], read["cols"]


def extent(cells: Cells) -> tuple[int, int]:
    """The shape that the cells need at least; a matrix says more than its cells do."""
    if cells.shape is not None:
        return cells.shape
    shape = (int(cells.rows.max(initial=-1)) + 1, int(cells.cols.max(initial=-1)) + 1)
    if max(shape) > LARGEST_SIDE:
        raise OverflowError(
            f"an index of {max(shape) - 1} is too large: there are at most {LARGEST_SIDE} rows and columns"
        )
    return shape


def too_large(rows: Indices, cols: Indices) -> UnknownIndexError:
    """The error for cells of which one lies beyond any matrix."""
    largest = np.maximum(rows, cols)
    row = int(np.argmax(largest >= LARGEST_SIDE))
    message = f"row {row}: index {largest[row]} is too large: there are at most {LARGEST_SIDE} rows and columns"
    return at_row(UnknownIndexError(message), row)


def _read_columns(given: dict[str, Any]) -> dict[str, Any]:
    for name in ("rows", "cols"):
        _refuse_floats(name, given[name])
    return read_batch({name: _SCHEMA[name] for name in given}, None, given)


def _refuse_floats(name: str, given: Any) -> None:
    """An index that was a float once is a mistake, or has lost digits, even where it is whole."""
    if is_arrow(given) or not (hasattr(given, "__len__") or hasattr(given, "__array__")):
        return
    array = given if hasattr(given, "dtype") else np.asarray(given)
    if getattr(array.dtype, "kind", "") == "f" and len(array):
        raise TypeError(f"{name} must be integers, got {array[0]!r} of dtype {array.dtype}: cast them to int64")


def _is_sparse(given: Any) -> bool:
    sparse = sys.modules.get("scipy.sparse")  # not imported: then nothing can be one of its matrices
    return sparse is not None and bool(sparse.issparse(given))


def _read_sparse(name: str, given: Any, weights: Any) -> Cells:
    if given.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, got shape {given.shape}")
    if given.format == "dia":
        raise TypeError(f"{name} is a DIA matrix, which does not tell explicit zeros from padding: give {name}.tocoo()")
    entries = given.tocoo()  # in the order of `data`, nothing summed and no zero dropped
    values = _floats(name, entries.data)
    return _of_matrix(name, entries.row, entries.col, values, given.shape, weights, values.shape)


def _read_dense(name: str, given: Any, weights: Any) -> Cells:
    masked = np.ma.getmaskarray(given) if isinstance(given, np.ma.MaskedArray) else None
    array = np.asarray(given)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must be a matrix (sparse, or an array with NaN in its gaps) or a tuple (rows, cols, values), "
            f"got an array of shape {array.shape}"
        )
    array = _floats(name, array)
    observed = ~np.isnan(array)
    if masked is not None:
        observed &= ~masked
    rows, cols = np.nonzero(observed)
    return _of_matrix(name, rows, cols, array[observed], array.shape, weights, array.shape, observed)


def _of_matrix(
    name: str,
    rows: NDArray[Any],
    cols: NDArray[Any],
    values: Values,
    shape: tuple[int, ...],
    weights: Any,
    weights_shape: tuple[int, ...],
    observed: NDArray[np.bool_] | None = None,
) -> Cells:
    read = None
    if weights is not None:
        read = _floats("weights", np.asarray(weights))
        if read.shape != weights_shape:
            raise ValueError(f"weights must have shape {weights_shape}, as {name} asks for, got {read.shape}")
        read = np.ascontiguousarray(read if observed is None else read[observed])
    rows, cols = (np.ascontiguousarray(side, dtype=np.int64) for side in (rows, cols))

    def place(row: int) -> tuple[str, int | None]:
        return f"{name}[{rows[row]}, {cols[row]}]: ", None

    return _checked(name, Cells(rows, cols, np.ascontiguousarray(values), read, (int(shape[0]), int(shape[1]))), place)


def _floats(name: str, array: NDArray[Any]) -> Values:
    """The entries as float64, which must hold them exactly."""
    if array.dtype.kind not in "iuf":
        hint = ": numbers in an object array need .astype(float)" if array.dtype.kind == "O" else ""
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}{hint}")
    with np.errstate(over="ignore"):
        floats = array.astype(np.float64, copy=False)
        if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and (np.abs(floats) > 2.0**53).any():
            raise ValueError(f"{name} holds integers beyond 2**53, which float64 cannot hold: scale them down")
    return floats


def _checked(name: str, cells: Cells, place: Callable[[int], tuple[str, int | None]]) -> Cells:
    """Refuse values that are not finite, and weights that are no weights."""

    def refuse(wrong: NDArray[np.bool_], column: str, values: Values, wanted: str) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            text, blamed = place(row)
            error = ValueError(f"{text}{column} must be {wanted}, got {values[row]}")
            raise error if blamed is None else at_row(error, blamed)

    hint = "" if cells.shape is None else " (NaN stands for an unobserved cell)"
    refuse(~np.isfinite(cells.values), "value", cells.values, f"finite{hint}")
    if cells.weights is not None:
        refuse(~((cells.weights >= 0) & np.isfinite(cells.weights)), "weight", cells.weights, "0 or more, and finite")
    return cells
