"""dBitFlipPM: some bits of a histogram bucket, flipped once and for ever; standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import localcontext
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.chains import Budget, Chain, Output, W, drawn, refuse_large, whole
from pyalgo_privacy.fields import BitsField, refused
from pyalgo_privacy.oracle import integer
from pyalgo_privacy.words import below, flip, threshold, threshold_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns

__all__ = ["FlippedBits"]


class FlippedBits(Chain):
    """Values fall into buckets, of which a device draws `bits` once and for ever; it tells of each whether it is in it.

    What it tells is flipped once a bucket and remembered: there is no second round, so all reports of a value are one, and
    that a value has changed its bucket shows at once. Two values differ in two bits, of which either may be flipped with
    e^(-eps/2) to 1. A device that tells a single bit has only that one, and ``"exact"`` gives it the whole budget.

    Ding, Kulkarni, Yekhanin: "Collecting Telemetry Data Privately", NeurIPS 2017.
    """

    has_identity = True
    unary = True

    def __init__(
        self, k: int, budget: Budget, calibration: str, *, buckets: int | None = None, bits: int | None = None
    ) -> None:
        self.k = k
        self.inputs = self.buckets = k if buckets is None else integer("buckets", buckets, 2, k)
        self.bits = self.buckets if bits is None else integer("bits", bits, 1, self.buckets)
        self.fields = (BitsField("bits", self.bits), BitsField("chosen", self.buckets))
        with localcontext() as context:
            context.prec = 60
            odds = budget.perm if self.bits == 1 and calibration == "exact" else budget.perm.sqrt()
            others = whole(threshold(1, odds + 1, up=True))
        self.first = threshold_of(W - others), threshold_of(others)
        self._eps = math.log((W - others) / others) * min(self.bits, 2)
        self.p, self.q = (W - others) / W, others / W
        self.probabilities = self.p, self.q, 1.0, 0.0
        self.share = self.bits / self.buckets

    @property
    def values(self) -> int:
        return self.buckets

    def identity(self, words: Sequence[int]) -> bytes:
        """A uniform set of `bits` buckets, by Floyd's algorithm, as a bit a bucket."""
        chosen, at = 0, 0
        for last in range(self.buckets - self.bits, self.buckets):
            if last:
                place, at = below(words, at, last + 1, last.bit_length())
                drawn(place, at)
            else:
                place = 0
            chosen |= 1 << (last if chosen >> place & 1 else place)
        return chosen.to_bytes((self.buckets + 7) // 8, "little")

    def chosen(self, identity: Output | None) -> list[int]:
        """The buckets that a device tells of, in rising order."""
        assert isinstance(identity, bytes)
        number = int.from_bytes(identity, "little")
        return [i for i in range(number.bit_length()) if number >> i & 1]

    def memoized(self, identity: Output | None, x: int) -> int:
        return x * self.buckets // self.k

    def permanent(self, words: Sequence[int], identity: Output | None, value: int) -> bytes:
        truth, others = self.first
        told, at = 0, 0
        for i, bucket in enumerate(self.chosen(identity)):
            chance = truth if bucket == value else others
            bit, at = flip(words, at, chance.high, chance.low)
            told |= drawn(bit, at) << i
        return told.to_bytes((self.bits + 7) // 8, "little")

    def instant(self, words: Sequence[int], memo: Output) -> Output:
        return memo

    def privacy_after(self, t: int) -> float:
        return self._eps

    def channel(self) -> NDArray[Any]:
        from itertools import combinations, product

        import numpy as np

        refuse_large(
            math.comb(self.buckets, self.bits) << self.bits, f"{self.bits} bits of all sets of {self.bits} buckets"
        )
        sets = list(combinations(range(self.buckets), self.bits))
        rows = []
        for x in range(self.k):
            chances = [[self.p if bucket == self.memoized(None, x) else self.q for bucket in chosen] for chosen in sets]
            rows.append(
                [
                    math.prod(c if bit else 1 - c for c, bit in zip(chance, told, strict=True)) / len(sets)
                    for chance in chances
                    for told in product((0, 1), repeat=self.bits)
                ]
            )
        return np.array(rows)

    def message_bits(self) -> int:
        return self.bits

    @property
    def counters(self) -> int:
        return 2 * self.buckets  # how often each bucket was told to be the one, and how often it was told of

    def check(self, columns: Columns) -> None:
        from pyalgo_privacy.kernels import ones_of

        super().check(columns)
        chosen = ones_of(columns["chosen"])
        for row in (chosen != self.bits).nonzero()[0][:1]:
            raise refused(row, f"chosen must have {self.bits} bits set, got {chosen[row]}")

    def count(self, columns: Columns, counts: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_bits, count_chosen

        count_chosen(columns["bits"], columns["chosen"], counts[: self.buckets])
        count_bits(columns["chosen"], counts[self.buckets :])

    def told(self, counts: NDArray[Any], n: int) -> tuple[NDArray[Any], Any]:
        return counts[: self.buckets], counts[self.buckets :]
