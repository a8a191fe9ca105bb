"""LOLOHA: a hash of the value, chosen once and for ever, behind two rounds of randomized response; standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.chains import Budget, Chain, GrrChain, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HashChain"]

_PRIME = 2**61 - 1


class HashChain(Chain):
    """Generalised randomised response, twice, over the g values of a hash function that each device draws for itself.

    A report supports the values whose hash it is: the true one as `GrrChain` over g values does, any other with 1/g. As
    there are but g things to remember, a device never spends more than g eps_perm, however many values it comes to have.
    The hash is floor(g (a v + b mod 2^61 - 1) / 2^61), so that two values are hashed independently.

    Parameters
    ----------
    g : int, optional
        By default the one of least variance: e^eps_first + 1, rounded, with exact calibration.

    References
    ----------
    Arcolezi, Pinzon, Palamidessi, Gambs: "Frequency Estimation of Evolving Data Under Local Differential Privacy", EDBT 2023.
    """

    has_identity = True

    def __init__(self, k: int, budget: Budget, calibration: str, *, g: int | None = None) -> None:
        self.k = k
        self.g = self.inputs = _best(budget, calibration) if g is None else g
        self._grr = GrrChain(self.g, budget, calibration)
        self.probabilities = self._grr.probabilities
        self.p, self.q = self._grr.p, 1 / self.g

    def identity(self, words: Sequence[int]) -> int:
        """a + 2^61 b, both uniform below 2^61 - 1."""
        drawn: list[int] = []
        at = 0
        while len(drawn) < 2:
            value = (words[at] << 29) | (words[at + 1] >> 3)
            at += 2
            if value < _PRIME:
                drawn.append(value)
        return drawn[0] + (drawn[1] << 61)

    def memoized(self, identity: Output | None, x: int) -> int:
        assert isinstance(identity, int)
        a, b = identity & _PRIME, identity >> 61
        return ((a * x + b) % _PRIME) * self.g >> 61

    def permanent(self, words: Sequence[int], identity: Output | None, value: int) -> int:
        return self._grr.permanent(words, None, value)

    def instant(self, words: Sequence[int], memo: Output) -> int:
        return self._grr.instant(words, memo)

    def supported(self, identity: Output | None, payload: Output) -> list[int]:
        return [value for value in range(self.k) if self.memoized(identity, value) == payload]

    def privacy_after(self, t: int) -> float:
        return self._grr.privacy_after(t)

    def channel(self) -> NDArray[Any]:
        """Over all g^k functions, each as likely as any other; the family in use agrees with them on all pairs of values."""
        import numpy as np

        of_hash = self._grr.channel()
        functions = list(product(range(self.g), repeat=self.k))
        rows = [[of_hash[function[x]] / len(functions) for function in functions] for x in range(self.k)]
        return np.array(rows).reshape(self.k, -1)

    def message_bits(self) -> int:
        return self._grr.message_bits()


def _best(budget: Budget, calibration: str) -> int:
    """The g of least variance at f = 0, which falls and then rises in g; at most e^eps_first + 2."""

    def variance(g: int) -> float:
        chain = GrrChain(g, budget, calibration)
        return (g - 1) / (chain.p * g - 1) ** 2  # q (1 - q) / (p - q)^2 with q = 1/g

    low, high = 2, math.ceil(budget.first) + 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if variance(middle) <= variance(middle + 1) else (middle + 1, high)
    return low
