"""LOLOHA: a hash of the value, chosen once and for ever, behind two rounds of randomized response; standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.chains import Budget, Chain, GrrChain, Output, drawn, refuse_large
from pyalgo_privacy.fields import IntegerField
from pyalgo_privacy.hashing import LinearHash
from pyalgo_privacy.words import SHORT, below

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns

__all__ = ["HashChain"]


class HashChain(Chain):
    """Generalised randomised response, twice, over the g values of a hash function that each device draws for itself.

    A report supports the values whose hash it is: the true one as `GrrChain` over g values does, any other with about 1/g. As
    there are but g things to remember, a device never spends more than g eps_perm, however many values it comes to have.

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
        if budget.eps_first > 15:
            raise ValueError(
                f"eps_first must be at most 15 for local hashing, got {budget.eps_first}: take L-GRR or L-OSUE"
            )
        self.g = self.inputs = _best(budget, calibration) if g is None else g
        self._grr, self._hash = GrrChain(self.g, budget, calibration), LinearHash(k, self.g)
        self.fields = (IntegerField("value", self.g), IntegerField("hash", self._hash.prime**2))
        self.probabilities = self._grr.probabilities
        self.p = self._grr.p
        self.q = self._hash.collision * self._grr.p + (1 - self._hash.collision) * self._grr.q

    def identity(self, words: Sequence[int]) -> int:
        """a + prime b of the hash function v -> (a v + b mod prime) mod g."""
        prime, bits = self._hash.prime, self._hash.bits
        a, at = below(words, 0, prime, bits)
        b, at = below(words, at, prime, bits) if at != SHORT else (0, at)
        return drawn(a + prime * b, at)

    def memoized(self, identity: Output | None, x: int) -> int:
        assert isinstance(identity, int)
        b, a = divmod(identity, self._hash.prime)
        return (a * x + b) % self._hash.prime % self.g

    def permanent(self, words: Sequence[int], identity: Output | None, value: int) -> int:
        return self._grr.permanent(words, None, value)

    def instant(self, words: Sequence[int], memo: Output) -> int:
        return self._grr.instant(words, memo)

    def privacy_after(self, t: int) -> float:
        return self._grr.privacy_after(t)

    def channel(self) -> NDArray[Any]:
        """Over all g^k functions, each as likely as any other; the family in use is as good as those on pairs of values."""
        import numpy as np

        refuse_large(self.g**self.k, f"all functions of {self.k} values to {self.g}")
        of_hash = self._grr.channel()
        functions = list(product(range(self.g), repeat=self.k))
        rows = [[of_hash[function[x]] / len(functions) for function in functions] for x in range(self.k)]
        return np.array(rows).reshape(self.k, -1)

    def message_bits(self) -> int:
        return self._grr.message_bits()

    def count(self, columns: Columns, counts: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_hashed

        prime = self._hash.prime
        count_hashed(columns["hash"] % prime, columns["hash"] // prime, columns["value"], prime, self.g, counts)


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
