"""Distances of one pattern to one text, in one call."""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike, NDArray

from pyalgo.hamming.plan import Explanation, HammingPlan, KMismatches
from pyalgo.hamming.symbols import read_symbols

__all__ = ["best_match", "explain", "find_k_mismatch", "hamming_distances"]


def hamming_distances(
    text: Any,
    pattern: Any,
    *,
    k: int | None = None,
    wildcard: Any = None,
    text_wildcard: Any = None,
    method: str = "auto",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    threads: int = 1,
) -> NDArray[Any]:
    """D[i] = the number of places j with text[i + j] != pattern[j], exactly, for every alignment i from 0 to n - m.

    Parameters
    ----------
    text, pattern : str, bytes or one-dimensional array of integers
        n and m symbols. A str is read by code points; bytes, bytearray, memoryview, arrays of any integer type (and bool) and
        Arrow or DLPack arrays are read without a copy where they are contiguous.
    k : int, optional
        Distances above k are given as k + 1, which is a good deal faster for small k.
    wildcard, text_wildcard : symbol, optional
        A symbol of the pattern, or of the text, that matches everything. Pairs with a wildcard on either side do not count.
    method : str
        See `HammingPlan`; ``"auto"`` takes what `explain` predicts to be fastest. The result does not depend on it.
    out : array of shape (n - m + 1,), optional
        Filled and returned.
    dtype : int32, uint16 or int64
        Of the result; by default that of `out`, or int32.
    threads : int
        The text is cut into as many stretches; the result is the same.

    Returns
    -------
    array of shape (n - m + 1,)
        Empty if the pattern is longer than the text.

    Raises
    ------
    ValueError
        For an empty pattern, and options out of range.
    TypeError
        For symbols that are not integers, and a str against something else.
    OverflowError
        If the distances do not fit in `dtype`.

    Notes
    -----
    O(n sqrt(m)) for any alphabet, O(n log m) for small ones, and in practice 0.3 to 20 ns a position from m = 16 to 65536.
    Memory besides the result is at most 64 MiB a thread. T. M. Chan, C. Jin, V. Vassilevska Williams, Y. Xu: "Faster
    Algorithms for Text-to-Pattern Hamming Distances", FOCS 2023.

    Examples
    --------
    >>> hamming_distances("GATTACA", "TAC").tolist()
    [2, 3, 2, 0, 3]
    >>> hamming_distances(b"GATTACA", b"T.C", wildcard=b".").tolist()
    [2, 2, 1, 0, 2]
    """
    plan = HammingPlan([pattern], k=k, wildcard=wildcard, text_wildcard=text_wildcard, method=method)
    return plan.distances(text, out=None if out is None else [out], dtype=dtype, threads=threads)[0]


def find_k_mismatch(
    text: Any,
    pattern: Any,
    k: int,
    *,
    wildcard: Any = None,
    text_wildcard: Any = None,
    max_results: int | None = None,
    threads: int = 1,
) -> KMismatches:
    """Every alignment with at most k mismatches, and its distance, in rising order of position.

    Parameters
    ----------
    text, pattern, wildcard, text_wildcard, threads
        As for `hamming_distances`.
    k : int
        Mismatches to allow.
    max_results : int, optional
        Only so many, the first ones.

    Examples
    --------
    >>> found = find_k_mismatch("GATTACAGATCACA", "GATTACA", k=1)
    >>> found.positions.tolist(), found.distances.tolist()
    ([0, 7], [0, 1])
    """
    plan = HammingPlan([pattern], k=k, wildcard=wildcard, text_wildcard=text_wildcard)
    return plan.find(text, max_results=max_results, threads=threads)[0]


def best_match(
    text: Any, pattern: Any, top: int = 1, *, wildcard: Any = None, text_wildcard: Any = None
) -> KMismatches:
    """The `top` alignments of least distance: the best first, and the earlier first among equals.

    Examples
    --------
    >>> best = best_match("GATTACAGATCACA", "CATCA")
    >>> best.positions.tolist(), best.distances.tolist()
    ([7], [1])
    """
    return HammingPlan([pattern], wildcard=wildcard, text_wildcard=text_wildcard).best(text, top)[0]


def explain(
    text: Any, pattern: Any, *, wildcard: Any = None, text_wildcard: Any = None, n: int | None = None
) -> Explanation:
    """What every method is predicted to cost, in ns a text position on one core, the cheapest first.

    `text` may be a sample, of a text of `n` symbols.

    Examples
    --------
    >>> explain(bytes(100_000), b"ab" * 8)[0].method in ("compare", "bitslice", "periodic")
    True
    """
    symbols = read_symbols("text", text)
    plan = HammingPlan([pattern], wildcard=wildcard, text_wildcard=text_wildcard)
    return plan.explain(len(symbols) if n is None else n, sample=symbols)
