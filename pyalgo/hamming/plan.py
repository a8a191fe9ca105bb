"""Patterns prepared for any number of texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pyalgo import _core
from pyalgo.hamming.symbols import Symbols, check_kinds, read_pattern, read_symbols, read_wildcard

__all__ = ["METHODS", "Explanation", "HammingPlan", "KMismatches", "Prediction"]

METHODS = ("auto", "compare", "bitslice", "ntt", "fft", "split", "periodic", "sumset")
_DTYPES = {np.dtype(dtype): int(np.iinfo(dtype).max) for dtype in (np.int32, np.uint16, np.int64)}


class KMismatches(NamedTuple):
    """Alignments with at most k mismatches, in rising order (of `best_match`: the best first)."""

    positions: NDArray[np.int64]
    distances: NDArray[np.int32]


class Prediction(NamedTuple):
    """What a method is predicted to cost: ns a text position, on one core."""

    method: str
    ns: float


class Explanation(tuple[Prediction, ...]):
    """Every method with its predicted cost, the cheapest (which ``method="auto"`` takes) first."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(f"{entry.method:<9} {entry.ns:>12.3f} ns a position" for entry in self)


class HammingPlan:
    """Several patterns, held against any number of texts: what can be computed once is.

    The patterns' transforms are kept, and those of a text are shared by all patterns, so that a further pattern costs a
    fraction of the first. All distances are exact. One plan may be used from any number of threads.

    Parameters
    ----------
    patterns : list of str, bytes or integer arrays
        Of any lengths from 1 on; all of one kind.
    k : int, optional
        `distances` then gives whatever exceeds k as k + 1, and `find` needs no k of its own.
    wildcard : symbol, optional
        A symbol of the patterns that matches everything; such places do not count.
    text_wildcard : symbol, optional
        The same in the texts.
    method : str
        ``"auto"`` chooses by predicted cost (see `explain`); the others are for the curious: ``"compare"``, ``"bitslice"``,
        ``"ntt"``, ``"fft"``, ``"split"``, ``"periodic"``, ``"sumset"``. All give the same numbers.

    Examples
    --------
    >>> plan = HammingPlan(["ACG", "TT"])
    >>> [d.tolist() for d in plan.distances("ACGTT")]
    [[0, 3, 3], [2, 2, 1, 0]]
    """

    def __init__(
        self,
        patterns: Iterable[Any],
        *,
        k: int | None = None,
        wildcard: Any = None,
        text_wildcard: Any = None,
        method: str = "auto",
    ) -> None:
        if isinstance(patterns, str | bytes | bytearray | np.ndarray):
            raise TypeError("patterns must be a list of patterns; give one pattern as [pattern]")
        self._patterns = [read_symbols("pattern", pattern) for pattern in patterns]
        if not self._patterns:
            raise ValueError("patterns is empty: give at least one pattern")
        self.k = read_k(k)
        self.wildcard = wildcard
        self.text_wildcard = text_wildcard
        self.method = read_method(method)
        read = [read_pattern(pattern, wildcard) for pattern in self._patterns]
        kinds = {is_str for _, _, is_str in read}
        if len(kinds) > 1:
            raise TypeError("patterns are partly str and partly not: give all as str, or all as bytes or integers")
        value = read_wildcard("text_wildcard", text_wildcard, is_str=kinds.pop())
        self._core = _core.HammingPlan(
            patterns=[(array, mask) for array, mask, _ in read],
            text_wildcard=None if value is None else value % 2**64,
            method=self.method,
        )

    @property
    def patterns(self) -> list[Symbols]:
        """The patterns, as they were read."""
        return list(self._patterns)

    def __len__(self) -> int:
        return len(self._patterns)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {name: getattr(self, name) for name in ("k", "wildcard", "text_wildcard", "method")}
        return _rebuild, (self._patterns, options)

    def distances(
        self, text: Any, *, out: list[NDArray[Any]] | None = None, dtype: DTypeLike | None = None, threads: int = 1
    ) -> list[NDArray[Any]]:
        """D[i], the number of mismatches at every alignment i from 0 to n - m, of every pattern.

        Parameters
        ----------
        text : str, bytes or array of integers
            n symbols.
        out : list of arrays, optional
            One a pattern, C-contiguous, of shape (n - m + 1,), which are filled and returned.
        dtype : int32, uint16 or int64
            Of the results; by default that of `out`, or int32.
        threads : int
            The text is cut into as many stretches; the result is the same.
        """
        symbols = self._read_text(text)
        shapes = [(max(len(symbols) - len(pattern) + 1, 0),) for pattern in self._patterns]
        wanted = None if dtype is None else read_dtype(dtype)
        if out is None:
            out = [np.empty(shape, dtype=wanted or np.int32) for shape in shapes]
        if len(out) != len(shapes):
            raise ValueError(f"out must hold an array for each of the {len(shapes)} patterns, got {len(out)}")
        for array, shape, pattern in zip(out, shapes, self._patterns, strict=True):
            check_out(array, shape, wanted)
            check_fits(array.dtype, len(pattern), self.k)
        self._core.distances(symbols, out, self.k, read_threads(threads))
        return out

    def find(
        self, text: Any, k: int | None = None, *, max_results: int | None = None, threads: int = 1
    ) -> list[KMismatches]:
        """The alignments with at most k mismatches, of every pattern, in rising order; at most `max_results` of each."""
        bound = self.k if k is None else read_k(k)
        if bound is None:
            raise TypeError("find needs k: the number of mismatches to allow, here or in the plan")
        symbols = self._read_text(text)
        limit = read_count("max_results", max_results)
        workers = read_threads(threads)
        return [KMismatches(*self._core.find(p, symbols, bound, limit, workers)) for p in range(len(self))]

    def best(self, text: Any, top: int = 1) -> list[KMismatches]:
        """The `top` alignments of least distance, of every pattern: the best first, the earlier first among equals."""
        symbols = self._read_text(text)
        limit = read_count("top", top) or 0
        return [KMismatches(*self._core.best(p, symbols, limit)) for p in range(len(self))]

    def explain(self, n: int, *, sample: Any = None) -> Explanation:
        """What every method is predicted to cost on `n` symbols of text that look like `sample` (or like the first pattern)."""
        symbols = self._patterns[0] if sample is None else self._read_text(sample)
        ranking = self._core.explain(symbols, read_count("n", n) or 0)
        return Explanation(Prediction(method, ns) for method, ns in ranking)

    def _read_text(self, text: Any) -> Symbols:
        symbols = read_symbols("text", text)
        for pattern in self._patterns:
            check_kinds(symbols, pattern)
        return symbols


def _rebuild(patterns: list[Symbols], options: dict[str, Any]) -> HammingPlan:
    return HammingPlan(patterns, **options)


def read_method(method: Any) -> str:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    return str(method)


def read_k(k: Any) -> int | None:
    return None if k is None else read_count("k", k)


def read_count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not 0 <= value < 2**63:
        raise ValueError(f"{name} must be 0 or more, got {value!r}")
    return int(value)


def read_threads(threads: Any) -> int:
    count = read_count("threads", threads)
    if count is None or not 1 <= count <= 1024:
        raise ValueError(f"threads must be from 1 to 1024, got {threads!r}")
    return count


def read_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    read = np.dtype(dtype)
    if read not in _DTYPES:
        raise ValueError(f"dtype must be int32, uint16 or int64, got {read}")
    return read


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any] | None) -> None:
    if not isinstance(out, np.ndarray):
        raise ValueError(f"out must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if dtype is not None and out.dtype != dtype:
        raise ValueError(f"out has dtype {out.dtype}, not {dtype}: leave out dtype, or give another array")
    if out.dtype not in _DTYPES:
        raise ValueError(f"out must have dtype int32, uint16 or int64 in native byte order, got {out.dtype}")
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError("out must be C-contiguous, aligned and writeable")


def check_fits(dtype: np.dtype[Any], length: int, k: int | None) -> None:
    largest = length if k is None else min(length, k + 1)
    if largest > _DTYPES[dtype]:
        raise OverflowError(f"distances up to {largest} do not fit in {dtype}: give a wider dtype, or a smaller k")
