"""Counts of the sums of two sets: the lemma that the paper's algorithm stands on."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core
from pyalgo.hamming.plan import read_count
from pyalgo.hamming.symbols import read_symbols

__all__ = ["SumsetInfo", "sumset_counts"]


class SumsetInfo(NamedTuple):
    """How the counts were found: primes drawn, rounds in which some sum had overflowed p0, and the primes."""

    rounds: int
    overflow_rounds: int
    primes: list[int]


_Counts = tuple[NDArray[np.int64], NDArray[np.int64]]


@overload
def sumset_counts(
    x: Any,
    y: Any,
    *,
    universe: int | None = ...,
    seed: int = ...,
    p0: int | None = ...,
    return_info: Literal[False] = ...,
) -> _Counts: ...
@overload
def sumset_counts(
    x: Any, y: Any, *, universe: int | None = ..., seed: int = ..., p0: int | None = ..., return_info: Literal[True]
) -> tuple[NDArray[np.int64], NDArray[np.int64], SumsetInfo]: ...
def sumset_counts(
    x: Any, y: Any, *, universe: int | None = None, seed: int = 0, p0: int | None = None, return_info: bool = False
) -> _Counts | tuple[NDArray[np.int64], NDArray[np.int64], SumsetInfo]:
    """Every value of x + y with x, y from two sets, and in how many ways it comes about. Exact; only the time is random.

    Parameters
    ----------
    x, y : arrays of integers from 0 to universe - 1
        Sets: no number may occur twice.
    universe : int, optional
        By default just above the largest number.
    seed : int
        Of the primes that are drawn.
    p0 : int, optional
        All counts are first taken modulo p0; a small one makes more of them overflow, which costs more rounds.
    return_info : bool
        Return a `SumsetInfo` as well.

    Returns
    -------
    values, counts : int64 arrays
        The values in rising order.

    Notes
    -----
    Counts modulo p0 leave sum(counts) / p0 overflows at most. Random primes, each in a universe about as large as their number,
    tell where they are (Chan, Jin, Vassilevska Williams, Xu, FOCS 2023). O(range of the numbers times log) a round.

    Examples
    --------
    >>> values, counts = sumset_counts([0, 1, 5], [0, 4])
    >>> values.tolist(), counts.tolist()
    ([0, 1, 4, 5, 9], [1, 1, 1, 2, 1])
    """
    first, second = _numbers("x", x), _numbers("y", y)
    if universe is None:
        universe = max((int(numbers.max()) + 1 for numbers in (first, second) if len(numbers)), default=1)
    if read_count("universe", universe) == 0:
        raise ValueError("universe must be 1 or more, got 0")
    if p0 is not None and not 2 <= (read_count("p0", p0) or 0) < 2**31:
        raise ValueError(f"p0 must be from 2 to {2**31 - 1}, got {p0!r}")
    values, counts, rounds, overflow_rounds, primes = _core.sumset_counts(
        first, second, universe, read_count("seed", seed) or 0, p0 or 0
    )
    return (values, counts, SumsetInfo(rounds, overflow_rounds, primes)) if return_info else (values, counts)


def _numbers(name: str, given: Any) -> NDArray[np.int64]:
    numbers = read_symbols(name, given)
    if isinstance(numbers, str):
        raise TypeError(f"{name} must hold integers, got a str")
    if len(numbers) and (numbers.min() < 0 or numbers.max() > np.iinfo(np.int64).max):
        raise ValueError(f"{name} must hold integers from 0 on, got {numbers.min()} to {numbers.max()}")
    return numbers.astype(np.int64)
