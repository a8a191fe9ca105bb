"""Symbols as users hand them over: text, bytes and integers of any width, read without a copy where they lie well."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyalgo.arrow import is_arrow, read_array

__all__ = ["Symbols", "read_pattern", "read_symbols", "read_wildcard"]

Symbols: TypeAlias = "str | NDArray[Any]"


def read_symbols(name: str, given: Any) -> Symbols:
    """A str as it is; everything else as a contiguous one-dimensional array of integers.

    Raises
    ------
    TypeError
        For what is neither text nor bytes nor integers; it says how to make it so.
    ValueError
        For more than one dimension, and for nulls.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, bytes | bytearray):
        return np.frombuffer(given, dtype=np.uint8)
    array = _as_array(name, given)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}: give one row, or .ravel() it")
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    if array.dtype.kind not in "iu":
        if array.dtype.kind == "f":
            cure = f"to compare their bits, give {name}.view(int64) (or the integer type of the same width)"
        elif array.dtype.kind in "USO" and array.size:
            cure = "join one-character strings into one str; number other objects first"
        else:
            cure = "give integers, bytes or a str"
        raise TypeError(f"{name} has dtype {array.dtype}, and symbols are integers: {cure}")
    if array.dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {array.dtype}, wider than 64 bits")
    if array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array.astype(array.dtype.newbyteorder("="), copy=False), requirements=["C", "A"])


def _as_array(name: str, given: Any) -> NDArray[Any]:
    if isinstance(given, np.ndarray):
        return given
    if is_arrow(given):
        column = read_array(given)
        if column.nulls is not None and column.nulls.any():
            raise ValueError(f"{name} is null at {int(np.flatnonzero(column.nulls)[0])}: every place needs a symbol")
        return np.asarray(column.values)
    if hasattr(given, "__array__") or isinstance(given, memoryview):
        return np.asarray(given)
    if hasattr(given, "__dlpack__"):
        return np.from_dlpack(given)
    if isinstance(given, list | tuple | range):
        array = np.asarray(given)
        return array if array.size else array.astype(np.int64)
    raise TypeError(f"{name} must be a str, bytes or an array of integers, got {type(given).__name__}")


def read_pattern(
    pattern: Any, wildcard: Any, text: Symbols | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, bool]:
    """The pattern's symbols as an array, a mask of those that count (None: all), and whether it is a str.

    With `text`, the two must be of a kind that can be equal.
    """
    read = read_symbols("pattern", pattern)
    if text is not None:
        check_kinds(text, read)
    if len(read) == 0:
        raise ValueError("pattern is empty: it needs at least one symbol")
    is_str = isinstance(read, str)
    array = code_points(read) if isinstance(read, str) else read
    value = read_wildcard("wildcard", wildcard, is_str=is_str)
    mask = None if value is None else np.not_equal(array, value)
    return array, mask, is_str


def check_kinds(text: Symbols, pattern: Symbols) -> None:
    """Refuse what can never be equal, or only by a wrap of its bits."""
    if isinstance(text, str) != isinstance(pattern, str):
        kinds = ["a str" if isinstance(x, str) else f"of dtype {x.dtype}" for x in (text, pattern)]
        raise TypeError(f"text is {kinds[0]} and pattern {kinds[1]}: give both as str, or .encode() the str")
    if isinstance(text, str) or isinstance(pattern, str) or {text.dtype.kind, pattern.dtype.kind} != {"i", "u"}:
        return
    # 64-bit values of different signs share their bits: -1 and 2**64 - 1.
    wide, signed = (text, pattern) if text.dtype.kind == "u" else (pattern, text)
    if wide.dtype.itemsize == 8 and (
        (wide is text and (signed < 0).any()) or (wide is pattern and (wide > np.iinfo(np.int64).max).any())
    ):
        raise TypeError(
            f"text of dtype {text.dtype} can hold no such symbols as the pattern of dtype {pattern.dtype} has: use one dtype"
        )


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of a str."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)


def read_wildcard(name: str, given: Any, *, is_str: bool) -> int | None:
    """The value of a wildcard: a single symbol of the kind that the text has, as a str, bytes or an integer."""
    if given is None:
        return None
    if isinstance(given, str | bytes | bytearray):
        if len(given) != 1:
            raise ValueError(f"{name} must be a single symbol, got {given!r}")
        if isinstance(given, str) != is_str:
            raise TypeError(f"{name} is {given!r}, but the pattern is {'a str' if is_str else 'not a str'}")
        return ord(given)
    if is_str or isinstance(given, bool) or not isinstance(given, int | np.integer):
        wanted = "a str of length 1" if is_str else "a single symbol: an integer or one byte"
        raise (ValueError if np.ndim(given) else TypeError)(f"{name} must be {wanted}, got {given!r}")
    if not -(2**63) <= given < 2**64:
        raise ValueError(f"{name} must fit in 64 bits, got {given!r}")
    return int(given)
