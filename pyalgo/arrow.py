"""Read Arrow data through its C data interface (PyCapsules), without importing pyarrow.

The producer's buffers are borrowed: whatever is returned keeps the capsule, and through it the buffers, alive.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrowColumn", "is_arrow", "read_array", "read_record_batch"]


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]

_NUMERIC = {
    b"c": "int8", b"C": "uint8", b"s": "int16", b"S": "uint16", b"i": "int32", b"I": "uint32",
    b"l": "int64", b"L": "uint64", b"e": "float16", b"f": "float32", b"g": "float64",
}  # fmt: skip


@dataclass(frozen=True)
class ArrowColumn:
    """One column: `values` row by row, or, where `offsets` is given, the elements of all rows end to end."""

    values: NDArray[Any] | list[str] | ArrowColumn
    nulls: NDArray[np.bool_] | None
    offsets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        if self.offsets is not None:
            return len(self.offsets) - 1
        return len(self.values)


def is_arrow(value: Any) -> bool:
    """Whether `value` exports an Arrow array or record batch."""
    return hasattr(value, "__arrow_c_array__")


def read_array(exporter: Any) -> ArrowColumn:
    """The column that `exporter` exports as an Arrow array."""
    schema, array, owner = _pointers(exporter)
    return _Reader(owner).column(schema, array, 0, array.length)


def read_record_batch(exporter: Any) -> dict[str, ArrowColumn]:
    """The columns of a record batch (an Arrow struct array without nulls), by name."""
    schema, array, owner = _pointers(exporter)
    if schema.format != b"+s":
        raise TypeError(f"expected an Arrow record batch, got an array of Arrow type {schema.format.decode()!r}")
    reader = _Reader(owner)
    if reader.nulls(array, 0, array.length) is not None:
        raise ValueError("an Arrow record batch cannot have null rows")
    columns = {}
    for i in range(schema.n_children):
        child = schema.children[i].contents
        name = (child.name or b"").decode()
        if name in columns:
            raise ValueError(f"the Arrow record batch has two columns {name!r}")
        columns[name] = reader.column(child, array.children[i].contents, array.offset, array.length)
    return columns


def _pointers(exporter: Any) -> tuple[Any, Any, Any]:
    schema_capsule, array_capsule = exporter.__arrow_c_array__()
    schema = _Schema.from_address(_get_pointer(schema_capsule, b"arrow_schema"))
    array = _Array.from_address(_get_pointer(array_capsule, b"arrow_array"))
    return schema, array, (schema_capsule, array_capsule)


class _Reader:
    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def buffer(self, array: Any, index: int, dtype: str, start: int, count: int) -> NDArray[Any]:
        """`count` values of buffer `index` from `start` on."""
        kind = np.dtype(dtype)
        address = array.buffers[index]
        if count == 0 or not address:
            return np.empty(0, dtype=kind)
        memory = (ctypes.c_char * (count * kind.itemsize)).from_address(address + start * kind.itemsize)
        memory._owner = self._owner  # type: ignore[attr-defined]  # the array refers to it, and it to the capsules
        values: NDArray[Any] = np.frombuffer(memoryview(memory), dtype=kind)
        return values

    def bits(self, array: Any, index: int, start: int, count: int) -> NDArray[np.bool_]:
        packed = self.buffer(array, index, "uint8", 0, (start + count + 7) // 8)
        return np.unpackbits(packed, bitorder="little")[start : start + count].astype(np.bool_)

    def nulls(self, array: Any, start: int, count: int) -> NDArray[np.bool_] | None:
        if array.null_count == 0 or array.n_buffers == 0 or not array.buffers[0] or count == 0:
            return None
        nulls = ~self.bits(array, 0, array.offset + start, count)
        return nulls if nulls.any() else None

    def column(self, schema: Any, array: Any, start: int, count: int) -> ArrowColumn:
        """Rows `start` to `start + count` of `array`, on top of the array's own offset."""
        form = schema.format
        nulls = self.nulls(array, start, count)
        at = array.offset + start
        if schema.dictionary:
            return self.dictionary(schema, array, at, count, nulls)
        if form in _NUMERIC:
            return ArrowColumn(self.buffer(array, 1, _NUMERIC[form], at, count), nulls)
        if form == b"b":
            return ArrowColumn(self.bits(array, 1, at, count), nulls)
        if form in (b"u", b"U"):
            return ArrowColumn(self.strings(array, "int32" if form == b"u" else "int64", at, count), nulls)
        if form == b"n":
            return ArrowColumn(np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.bool_))
        if form in (b"+l", b"+L"):
            offsets = self.offsets(array, "int32" if form == b"+l" else "int64", at, count)
            child = self.column(
                schema.children[0].contents, array.children[0].contents, int(offsets[0]), int(offsets[-1] - offsets[0])
            )
            return ArrowColumn(child, nulls, offsets - offsets[0])
        if form.startswith(b"+w:"):
            width = int(form[3:])
            child = self.column(schema.children[0].contents, array.children[0].contents, at * width, count * width)
            return ArrowColumn(child, nulls, np.arange(count + 1, dtype=np.int64) * width)
        raise TypeError(
            f"column of Arrow type {form.decode()!r} is not supported: cast it to numbers, utf8 or a list of those"
        )

    def offsets(self, array: Any, dtype: str, at: int, count: int) -> NDArray[np.int64]:
        if count == 0:
            return np.zeros(1, dtype=np.int64)
        return self.buffer(array, 1, dtype, at, count + 1).astype(np.int64)

    def strings(self, array: Any, dtype: str, at: int, count: int) -> list[str]:
        offsets = self.offsets(array, dtype, at, count)
        first, last = int(offsets[0]), int(offsets[-1])
        data = self.buffer(array, 2, "uint8", first, last - first).tobytes()
        bounds = (offsets - first).tolist()
        text = data.decode()
        if len(text) == len(data):  # ASCII: one character a byte
            return [text[a:b] for a, b in pairwise(bounds)]
        return [data[a:b].decode() for a, b in pairwise(bounds)]

    def dictionary(self, schema: Any, array: Any, at: int, count: int, nulls: NDArray[np.bool_] | None) -> ArrowColumn:
        meanings = array.dictionary.contents
        known = self.column(schema.dictionary.contents, meanings, 0, meanings.length)
        if known.offsets is not None or known.nulls is not None:
            raise TypeError(
                "a dictionary-encoded column must stand for numbers or strings that are not null: decode it first"
            )
        codes = self.buffer(array, 1, _NUMERIC[schema.format], at, count).astype(np.int64)
        if nulls is not None:
            codes = np.where(nulls, 0, codes)
        if isinstance(known.values, list):
            names = known.values or [""]
            return ArrowColumn([names[code] for code in codes.tolist()], nulls)
        values = np.asarray(known.values)
        return ArrowColumn(values[codes] if len(values) else np.zeros(count, values.dtype), nulls)
