"""Random choices by whole numbers: exact thresholds, and draws from a sequence of 32-bit words.

A draw is a function ``draw(words, at, ...) -> (value, next at)``, and the next place is `SHORT` when the words ran out. It
uses integers below 2^62 alone, so that the same source text runs on a device, over an endless sequence of secret words, and
compiled over an array of them (`kernels`): equal words give equal reports.

No probability is compared in floating point: 1 with probability p means that a 64-bit uniform number is below a threshold
T, and T is p 2^64 rounded to the side where no ratio of two probabilities of an output is above e^eps.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import NamedTuple

__all__ = ["SHORT", "SecretWords", "Threshold", "below", "biased_word", "exp", "flip", "threshold", "threshold_of"]

SHORT = -1
_DIGITS = 60  # 2^-64 has 20, and e^eps up to 20 before the point


class Threshold(NamedTuple):
    """T of a probability T / 2^64: its upper and lower half, and how many of its 64 bits there are up to the last one set."""

    high: int
    low: int
    depth: int

    @property
    def probability(self) -> float:
        """T / 2^64, rounded once."""
        return ((self.high << 32) + self.low) / 2**64


def exp(x: float) -> Decimal:
    """e^x to 60 digits, of the float as it stands."""
    with localcontext() as context:
        context.prec = _DIGITS
        return Decimal(x).exp()


def threshold(numerator: Decimal | int, denominator: Decimal | int, *, up: bool) -> Threshold:
    """The threshold of ``numerator / denominator``, rounded up or down to a multiple of 2^-64."""
    with localcontext() as context:
        context.prec = _DIGITS
        exact = Decimal(numerator) / Decimal(denominator) * 2**64
        t = int(exact.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))
    return threshold_of(min(max(t, 0), 2**64))


def threshold_of(t: int) -> Threshold:
    """The threshold T = t."""
    return Threshold(t >> 32, t & 0xFFFFFFFF, 64 - ((t & -t).bit_length() - 1) if 0 < t < 2**64 else 0)


class SecretWords(Sequence[int]):
    """An endless sequence of 32-bit words from the operating system, drawn as they are read."""

    def __init__(self) -> None:
        self._drawn: list[int] = []

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, at: int) -> int:  # type: ignore[override]
        while at >= len(self._drawn):
            fresh = secrets.token_bytes(256)
            self._drawn += [int.from_bytes(fresh[i : i + 4], "little") for i in range(0, 256, 4)]
        return self._drawn[at]


def flip(words: Sequence[int], at: int, high: int, low: int) -> tuple[int, int]:
    """1 with probability (high 2^32 + low) / 2^64, else 0. The second half is drawn only where the first one ties."""
    if at >= len(words):
        return 0, SHORT
    if words[at] != high:
        return (1 if words[at] < high else 0), at + 1
    if at + 1 >= len(words):
        return 0, SHORT
    return (1 if words[at + 1] < low else 0), at + 2


def below(words: Sequence[int], at: int, n: int, bits: int) -> tuple[int, int]:
    """A uniform integer below n, by rejection from `bits` = (n - 1).bit_length() bits, at most 32."""
    while at < len(words):
        value = words[at] >> (32 - bits)
        at += 1
        if value < n:
            return value, at
    return 0, SHORT


def biased_word(words: Sequence[int], at: int, high: int, low: int, depth: int) -> tuple[int, int]:
    """32 independent bits, each 1 with probability T / 2^64.

    Compares 32 uniform numbers with T side by side, from their highest bits on: a number is decided at the first bit in
    which it differs, and those that equal T in its first `depth` bits are not below it. Takes about 7 words.
    """
    undecided = 0xFFFFFFFF
    ones = 0
    for i in range(depth):
        if at >= len(words):
            return 0, SHORT
        word = words[at]
        at += 1
        if ((high >> (31 - i)) if i < 32 else (low >> (63 - i))) & 1:
            ones |= undecided & ~word
            undecided &= word
        else:
            undecided &= ~word
        if undecided == 0:
            break
    return ones, at
