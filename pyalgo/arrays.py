"""Batches as columns: what users hand over, checked and brought into the one form that algorithms read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, compress
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyalgo.arrow import ArrowColumn, is_arrow, read_array, read_record_batch
from pyalgo.errors import at_row

__all__ = ["Column", "Ragged", "read_batch"]


class Ragged(NamedTuple):
    """A list column: row i is ``values[offsets[i]:offsets[i + 1]]``."""

    offsets: NDArray[np.int64]
    values: NDArray[Any] | list[str]


Column: TypeAlias = "NDArray[Any] | list[str] | Ragged"

_NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64", "bool")
_SCALARS = (*_NUMBERS, "str", "int64|str")
_EXACT = {name: np.dtype(name) for name in _NUMBERS}


def read_batch(schema: Mapping[str, tuple[str, str]], batch: Any, columns: Mapping[str, Any]) -> dict[str, Column]:
    """Check a batch against `schema` and return its columns in their declared types.

    Parameters
    ----------
    schema : mapping of column to (dtype, meaning)
        As `pyalgo.Algorithm.columns`.
    batch : mapping, Arrow record batch, or None
        The columns; each may be a list, a NumPy array of any strides, anything with the buffer protocol, DLPack or
        ``__array__``, or an Arrow array. List columns are lists of lists, 2-D arrays or Arrow lists.
    columns : mapping
        Further columns, as given by keyword.

    Returns
    -------
    dict
        Numbers as contiguous arrays of the declared dtype, ``str`` as a list, ``int64|str`` as an int64 array or a list of
        str, lists as `Ragged`. `op` is there whenever the schema has it; other columns that may be absent are not.
        On rows with op = -1 the columns that may be absent may be null or empty.

    Raises
    ------
    ValueError, TypeError
        For missing or unknown columns, unequal lengths, nulls, other types, and values that a cast would change. The
        exception's attribute `row` names the row where one is to blame.
    """
    given = _gather(batch, columns)
    _check_names(schema, given)
    lengths = {name: _length(name, column) for name, column in given.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"columns must be equally long, but {shown}")
    rows = next(iter(lengths.values()), 0)
    read: dict[str, Column] = {}
    deleted = None
    if "op" in schema:
        op = _read_op(given.get("op"), rows)
        deleted = op < 0
        read["op"] = op
    for name, column in given.items():
        if name == "op":
            continue
        dtype = schema[name][0]
        blank = deleted if dtype.endswith("?") else None
        dtype = dtype.removesuffix("?")
        if dtype.startswith("list["):
            read[name] = _read_lists(name, column, dtype[5:-1], blank)
        else:
            read[name] = _read_scalars(name, column, dtype, blank)
    return read


def _gather(batch: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
    if batch is None:
        given: dict[str, Any] = {}
    elif isinstance(batch, Mapping):
        given = dict(batch)
    elif is_arrow(batch):
        given = dict(read_record_batch(batch))
    else:
        raise TypeError(
            f"a batch is a mapping of columns or an Arrow record batch, got {type(batch).__name__}"
            + (": give its record batches one by one" if hasattr(batch, "__arrow_c_stream__") else "")
        )
    for name in columns:
        if name in given:
            raise ValueError(f"column {name!r} is given twice, in the batch and by keyword")
    given.update(columns)
    return {name: read_array(column) if is_arrow(column) else column for name, column in given.items()}


def _check_names(schema: Mapping[str, tuple[str, str]], given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in schema:
            raise ValueError(f"unknown column {name!r}: the columns are {', '.join(schema)}")
    missing = [
        name for name, (dtype, _) in schema.items() if not dtype.endswith("?") and name not in given and name != "op"
    ]
    if missing:
        raise ValueError(f"column {missing[0]!r} is missing: given were {', '.join(given) or 'none'}")


def _length(name: str, column: Any) -> int:
    if isinstance(column, str | bytes) or not hasattr(column, "__len__"):
        if hasattr(column, "__array__") or hasattr(column, "__dlpack__"):
            raise TypeError(f"column {name!r} must have one dimension or more")
        raise TypeError(f"column {name!r} must be a sequence with one entry a row, got {type(column).__name__}")
    return len(column)


def _read_op(column: Any, rows: int) -> NDArray[np.int8]:
    if column is None:
        return np.ones(rows, dtype=np.int8)
    op = _read_scalars("op", column, "int8", None)
    assert isinstance(op, np.ndarray)
    wrong = np.flatnonzero((op != 1) & (op != -1))
    if len(wrong):
        row = int(wrong[0])
        raise at_row(ValueError(f"row {row}: op must be +1 (insert) or -1 (delete), got {op[row]}"), row)
    return op


def _read_scalars(name: str, column: Any, dtype: str, blank: NDArray[np.bool_] | None) -> NDArray[Any] | list[str]:
    if type(column) is np.ndarray and column.ndim == 1 and dtype in _EXACT and column.dtype == _EXACT[dtype]:
        return np.ascontiguousarray(column)  # nothing to look at, which counts where batches are of one row
    return _cast(name, *_flat(name, column), dtype, blank, None)


def _read_lists(name: str, column: Any, dtype: str, blank: NDArray[np.bool_] | None) -> Ragged:
    if isinstance(column, ArrowColumn):
        if column.offsets is None:
            raise TypeError(f"column {name!r} must hold lists, one a row")
        _refuse_nulls(name, column.nulls, blank, None)
        assert isinstance(column.values, ArrowColumn)
        return _cast_lists(name, column.offsets, *_flat(name, column.values), dtype, blank)
    array = _as_array(column)
    if array is not None and array.ndim == 2:
        offsets = np.arange(array.shape[0] + 1, dtype=np.int64) * array.shape[1]
        return _cast_lists(name, offsets, np.ascontiguousarray(array).reshape(-1), None, dtype, blank)
    if array is not None and array.dtype != object:
        raise TypeError(f"column {name!r} must hold lists, one a row; got numbers of dtype {array.dtype}")
    rows = list(column)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    for i, row in enumerate(rows):
        if blank is not None and blank[i]:
            rows[i] = ()
        elif row is None:
            raise at_row(ValueError(f"row {i}: {name} is null, expected a list (an empty one is fine)"), i)
        elif isinstance(row, str | bytes | Mapping) or not hasattr(row, "__len__"):
            raise at_row(TypeError(f"row {i}: {name} must be a list, got {row!r}"), i)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    if rows and all(isinstance(row, np.ndarray) for row in rows):
        return Ragged(offsets, _cast(name, *_flat(name, np.concatenate(rows)), dtype, None, offsets))
    return Ragged(offsets, _cast(name, list(chain.from_iterable(rows)), None, dtype, None, offsets))


def _cast_lists(
    name: str,
    offsets: NDArray[np.int64],
    values: NDArray[Any] | list[Any],
    nulls: NDArray[np.bool_] | None,
    dtype: str,
    blank: NDArray[np.bool_] | None,
) -> Ragged:
    """Lists in the declared dtype; those of blank rows are emptied unread."""
    lengths = np.diff(offsets)
    if blank is not None and np.any(lengths[blank]):
        kept = np.repeat(~blank, lengths)
        values = values[kept] if isinstance(values, np.ndarray) else list(compress(values, kept.tolist()))
        nulls = None if nulls is None else nulls[kept]
        offsets = np.concatenate([[0], np.cumsum(np.where(blank, 0, lengths))])
    return Ragged(offsets, _cast(name, values, nulls, dtype, None, offsets))


def _as_array(column: Any) -> NDArray[Any] | None:
    """`column` as an array where it is one already in some form, without a copy; None for lists and the like."""
    if isinstance(column, np.ndarray):
        return column
    if isinstance(column, list | tuple):
        return None
    if hasattr(column, "__array__"):
        return np.asarray(column)
    if hasattr(column, "__dlpack__"):
        return np.from_dlpack(column)
    try:
        return np.asarray(memoryview(column))
    except TypeError:
        return None


def _flat(name: str, column: Any) -> tuple[NDArray[Any] | list[Any], NDArray[np.bool_] | None]:
    """The entries of a column that has one a row, and which of them are null."""
    if isinstance(column, ArrowColumn):
        if column.offsets is not None:
            raise TypeError(f"column {name!r} must hold single values, not lists")
        assert not isinstance(column.values, ArrowColumn)
        return column.values, column.nulls
    array = _as_array(column)
    if array is None:
        return list(column), None
    if array.ndim != 1:
        raise TypeError(f"column {name!r} must hold single values, one a row; got an array of shape {array.shape}")
    if isinstance(array, np.ma.MaskedArray):
        return array.data, np.ma.getmaskarray(array)
    return (array.tolist(), None) if array.dtype == object else (array, None)


def _row_of(position: int, offsets: NDArray[np.int64] | None) -> int:
    return position if offsets is None else int(np.searchsorted(offsets, position, side="right")) - 1


def _refuse(
    error: type[Exception], name: str, position: int, offsets: NDArray[np.int64] | None, what: str
) -> Exception:
    row = _row_of(position, offsets)
    place = "" if offsets is None else f" at position {position - int(offsets[row])}"
    return at_row(error(f"row {row}: {name}{place} {what}"), row)


def _refuse_nulls(
    name: str, nulls: NDArray[np.bool_] | None, blank: NDArray[np.bool_] | None, offsets: NDArray[np.int64] | None
) -> None:
    if nulls is None:
        return
    wrong = np.flatnonzero(nulls if blank is None else nulls & ~blank)
    if len(wrong):
        raise _refuse(ValueError, name, int(wrong[0]), offsets, "is null")


def _cast(
    name: str,
    values: NDArray[Any] | list[Any],
    nulls: NDArray[np.bool_] | None,
    dtype: str,
    blank: NDArray[np.bool_] | None,
    offsets: NDArray[np.int64] | None,
) -> NDArray[Any] | list[str]:
    """`values` in the declared dtype, or the error that says which of them does not fit."""
    if dtype not in _SCALARS:
        raise TypeError(
            f"column {name!r} is declared with the unknown dtype {dtype!r}: known are {', '.join(_SCALARS)}"
        )
    if isinstance(values, list) and type(None) in set(map(type, values)):
        nulls = np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))
    _refuse_nulls(name, nulls, blank, offsets)
    if nulls is not None:
        kinds = {type(value) for value in values if value is not None} if isinstance(values, list) else set()
        fill: Any = "" if dtype == "str" or str in kinds else 0
        if isinstance(values, list):
            values = [fill if null else value for value, null in zip(values, nulls.tolist(), strict=True)]
        else:
            values = np.where(nulls, values.dtype.type(fill), values)
    if dtype == "str" or (dtype == "int64|str" and _is_text(values)):
        return _texts(name, values, offsets)
    if dtype == "int64|str":
        return _numbers(name, values, "int64", "an integer like the others, or all strings", offsets)
    return _numbers(name, values, dtype, _described(dtype), offsets)


def _is_text(values: NDArray[Any] | list[Any]) -> bool:
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "UT"
    return len(values) > 0 and isinstance(values[0], str)


def _texts(name: str, values: NDArray[Any] | list[Any], offsets: NDArray[np.int64] | None) -> list[str]:
    texts: list[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    if set(map(type, texts)) <= {str}:
        return texts
    position, value = next((i, v) for i, v in enumerate(texts) if type(v) is not str)
    if isinstance(value, str):
        return [str(v) if isinstance(v, str) else v for v in texts]
    hint = ": decode it first" if isinstance(value, bytes) else ""
    raise _refuse(TypeError, name, position, offsets, f"must be a string like the others, got {value!r}{hint}")


def _numbers(
    name: str, values: NDArray[Any] | list[Any], dtype: str, wanted: str, offsets: NDArray[np.int64] | None
) -> NDArray[Any]:
    expected = f"must be {wanted}"
    if isinstance(values, list):
        values = _array_of(name, values, expected, offsets)
    if values.dtype.kind not in ("b" if dtype == "bool" else "iuf"):
        if len(values) == 0:
            return np.empty(0, dtype=dtype)
        raise _refuse(TypeError, name, 0, offsets, f"{expected}, got {values[0].item()!r} of dtype {values.dtype}")
    if values.dtype == dtype:
        return np.ascontiguousarray(values)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(dtype)
        lossless = (cast == values) & (cast.astype(values.dtype) == values)
    if np.dtype(dtype).kind in "iu" and values.dtype.kind in "iuf":
        info = np.iinfo(dtype)  # a wrapped or rounded value can compare equal
        lossless &= (values >= info.min) & (values <= info.max)
        if values.dtype.kind == "f":
            lossless &= values < float(info.max) + 1
    elif values.dtype.kind == "f":
        lossless |= np.isnan(values)
    wrong = np.flatnonzero(~lossless)
    if len(wrong):
        raise _refuse(ValueError, name, int(wrong[0]), offsets, f"{expected}, got {values[wrong[0]].item()!r}")
    return cast


def _described(dtype: str) -> str:
    if dtype == "bool":
        return "true or false"
    if np.dtype(dtype).kind == "f":
        return "a number" if dtype == "float64" else f"a number that {dtype} holds exactly"
    info = np.iinfo(dtype)
    return f"an integer from {info.min} to {info.max}"


def _array_of(name: str, values: list[Any], expected: str, offsets: NDArray[np.int64] | None) -> NDArray[Any]:
    """A list of numbers as an array; True is no number here, and a string never becomes one."""
    types = set(map(type, values))
    if types <= {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            position = next(i for i, v in enumerate(values) if not -(2**63) <= v < 2**63)
            raise _refuse(ValueError, name, position, offsets, f"{expected}, got {values[position]}") from None
    if types <= {float}:
        return np.array(values, dtype=np.float64)
    if types == {bool}:
        return np.array(values, dtype=np.bool_)
    for position, value in enumerate(values):
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
            raise _refuse(TypeError, name, position, offsets, f"{expected}, got {value!r}")
    return _mixed_numbers(values)


def _mixed_numbers(values: Iterable[Any]) -> NDArray[Any]:
    listed = list(values)
    if all(float(v).is_integer() and -(2**63) <= int(v) < 2**63 for v in listed if np.isfinite(v)) and all(
        np.isfinite(v) for v in listed
    ):
        return np.array([int(v) for v in listed], dtype=np.int64)
    return np.array(listed, dtype=np.float64)
