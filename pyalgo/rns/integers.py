"""Integers as users hand them over, of any size and in any form, as little-endian limbs of 64 bits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo.arrow import is_arrow, read_array

__all__ = ["Integers", "read_integers", "to_python"]


@dataclass(frozen=True)
class Integers:
    """Row i of `limbs` is integer i, in two's complement where `is_signed`; in C order of `shape`."""

    limbs: NDArray[np.uint64]
    is_signed: bool
    shape: tuple[int, ...]

    def __getitem__(self, row: int) -> int:
        return int.from_bytes(self.limbs[row].astype("<u8").tobytes(), "little", signed=self.is_signed)

    def place(self, row: int) -> str:
        """Where integer `row` stood, for a message."""
        index = np.unravel_index(row, self.shape) if self.shape else ()
        return f"x[{', '.join(str(int(i)) for i in index)}]" if self.shape else "x"


def read_integers(x: Any, *, signed: bool) -> Integers:
    """Read an int, an array of integers, nested lists of ints, bytes, or limbs.

    A uint64 array of two dimensions or more holds limbs along its last axis, in two's complement if `signed`. Lists are
    always values.

    Raises
    ------
    TypeError
        For what are no integers: floats and booleans, whatever their value.
    """
    if isinstance(x, bytes | bytearray | memoryview):
        return _from_bytes([bytes(x)], signed, ())
    if isinstance(x, int | np.integer | list | tuple | range):
        return _from_objects(x, signed)
    array = _as_array(x)
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and array.ndim >= 2:
        limbs = np.ascontiguousarray(array, dtype=np.uint64).reshape(-1, array.shape[-1])
        if limbs.shape[1] == 0:
            raise ValueError("limbs have the last axis of length 0: an integer takes at least one")
        return Integers(limbs, signed, array.shape[:-1])
    return _from_array(array, signed)


def _as_array(x: Any) -> NDArray[Any]:
    if isinstance(x, np.ndarray):
        return x
    if is_arrow(x):
        column = read_array(x)
        if column.nulls is not None and column.nulls.any():
            raise ValueError(f"x is null at {int(np.flatnonzero(column.nulls)[0])}: every place needs an integer")
        return np.asarray(column.values)
    if hasattr(x, "__array__"):
        return np.asarray(x)
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    raise TypeError(f"x must be integers: an int, an array, a list of ints or bytes; got {type(x).__name__}")


def _from_array(array: NDArray[Any], signed: bool) -> Integers:
    if array.dtype.kind == "O":
        return _from_objects(array, signed)
    if array.dtype.kind not in "iu":
        cure = "round them and give integers" if array.dtype.kind == "f" else "give integers"
        raise TypeError(f"x has dtype {array.dtype}, and residues are of integers: {cure}")
    words = np.ascontiguousarray(array, dtype=np.int64 if array.dtype.kind == "i" else np.uint64)
    return Integers(words.view(np.uint64).reshape(-1, 1), array.dtype.kind == "i", array.shape)


def _from_objects(x: Any, signed: bool) -> Integers:
    objects = np.array(x, dtype=object)
    flat = objects.ravel()
    kinds = set(map(type, flat))
    if kinds and kinds <= {bytes, bytearray}:
        return _from_bytes(flat, signed, objects.shape)
    if not kinds <= {int}:
        for i, value in enumerate(flat):
            if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
                raise TypeError(f"x holds {value!r} at {i}, and residues are of integers")
        flat = np.array([int(value) for value in flat], dtype=object)
    if not len(flat):
        return Integers(np.empty((0, 1), np.uint64), True, objects.shape)
    least, most = min(flat), max(flat)
    if least >= -(2**63) and most < 2**63:
        return Integers(flat.astype(np.int64).view(np.uint64).reshape(-1, 1), True, objects.shape)
    is_signed = signed or least < 0
    bits = max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + is_signed
    size = 8 * -(-bits // 64)
    return _from_bytes((value.to_bytes(size, "little", signed=is_signed) for value in flat), is_signed, objects.shape)


def _from_bytes(rows: Iterable[bytes], is_signed: bool, shape: tuple[int, ...]) -> Integers:
    """Little-endian integers; shorter ones are filled up by their sign."""
    rows = list(rows)
    size = max(8, 8 * -(-max(map(len, rows)) // 8))
    if any(len(row) < size for row in rows):
        rows = [row + (b"\xff" if is_signed and row and row[-1] > 127 else b"\0") * (size - len(row)) for row in rows]
    limbs = np.frombuffer(b"".join(rows), dtype="<u8").astype(np.uint64).reshape(-1, size // 8)
    return Integers(limbs, is_signed, shape)


def to_python(limbs: NDArray[np.uint64], signed: bool) -> NDArray[np.object_]:
    """Rows of limbs as Python integers."""
    rows, width = limbs.shape
    data, size = memoryview(limbs.astype("<u8").tobytes()), 8 * width
    out = np.empty(rows, dtype=object)
    out[:] = [int.from_bytes(data[at : at + size], "little", signed=signed) for at in range(0, rows * size, size)]
    return out
