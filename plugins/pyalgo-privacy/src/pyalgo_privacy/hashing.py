"""Optimal local hashing: the value is hashed to few buckets, and the bucket randomised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.fields import IntegerField
from pyalgo_privacy.grr import sample_grr
from pyalgo_privacy.oracle import PureOracle
from pyalgo_privacy.words import SHORT, below, exp, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.source import WordSource

__all__ = ["OLH", "LinearHash"]


class LinearHash:
    """v -> ((a v + b) mod prime) mod g with a, b uniform: pairwise independent on [k], as prime >= k.

    Attributes
    ----------
    prime : int
        The smallest prime of at least k and 8 g. The hashes of two values are those of two independent uniform numbers below it.
    collision : float
        The exact probability that two values have the same hash: a little above 1 / g, as prime is no multiple of g.
    """

    def __init__(self, k: int, g: int) -> None:
        self.g, self.prime = g, smallest_prime(max(k, 8 * g))
        small, more = divmod(self.prime, g)
        self.collision = (more * (small + 1) ** 2 + (g - more) * small**2) / self.prime**2
        self.bits = (self.prime - 1).bit_length()


def sample_hashed(
    words: Sequence[int], at: int, x: int, prime: int, prime_bits: int, g: int, high: int, low: int
) -> tuple[int, int, int, int]:
    """(a, b, value, next place): a random hash, and the hash of `x` after randomised response."""
    a, at = below(words, at, prime, prime_bits)
    if at == SHORT:
        return 0, 0, 0, SHORT
    b, at = below(words, at, prime, prime_bits)
    if at == SHORT:
        return 0, 0, 0, SHORT
    bits = 0
    while (1 << bits) < g - 1:
        bits += 1
    value, at = sample_grr(words, at, (a * x + b) % prime % g, g, high, low, bits)
    return a, b, value, at


class OLH(PureOracle):
    """Optimal local hashing: a hash function and the randomised hash of the value, into round(e^eps) + 1 buckets.

    The variance is `OUE`'s at 2 log2 k bits or so, whatever eps. The usual implementations hash with a general-purpose
    function, take its collisions to be 1 / g, and try all k values for every report. Here the family is linear, which is
    pairwise independent with an exactly known collision probability, so estimates are exactly unbiased; and the values in
    a bucket are found by inverting the hash, in about prime / g steps instead of k. Parameters and errors as of
    `FrequencyOracle`; eps is at most 15.

    Wang, Blocki, Li, Jha: "Locally Differentially Private Protocols for Frequency Estimation", USENIX Security 2017.

    Examples
    --------
    >>> from pyalgo_privacy import OLH
    >>> oracle = OLH(k=1000, eps=1.0)
    >>> oracle.message_bits(), round(oracle.variance(), 2)
    (22.0, 3.69)
    """

    name = "olh"
    columns = {  # noqa: RUF012
        "a": ("int64", "slope of the hash function"),
        "b": ("int64", "offset of the hash function"),
        "value": ("int64", "the reported bucket"),
    }

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        if self.eps > 15:
            raise ValueError(f"eps must be at most 15 for local hashing, got {self.eps}: GRR or SS do better there")
        self.g = round(math.exp(self.eps)) + 1
        self.hash = LinearHash(self.k, self.g)
        self.fields = (
            IntegerField("a", self.hash.prime),
            IntegerField("b", self.hash.prime),
            IntegerField("value", self.g),
        )
        e = exp(self.eps)
        self.truth = threshold(e, e + (self.g - 1), up=False)
        self.p = self.truth.probability
        same = self.hash.collision
        self.q = same * self.p + (1 - same) * (1 - self.p) / (self.g - 1)

    def _rest(self) -> tuple[int, int, int, int, int]:
        return self.hash.prime, self.hash.bits, self.g, self.truth.high, self.truth.low

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        a, b, value, _ = sample_hashed(words, 0, x, *self._rest())
        return {"a": a, "b": b, "value": value}

    def attack_success(self, attack: str = "bayes") -> float:
        """Guesses any value in the bucket. Enumerated for small domains; else as if no bucket were ever empty, which is a
        bound from above, and tight where there are many more values than buckets.
        """
        if self.hash.prime**2 * self.k > 2e7:
            return self.p * self.g / self.k
        import numpy as np

        v, b = np.arange(self.k), np.arange(self.hash.prime)[:, None]
        reached = 0
        for a in range(self.hash.prime):
            hashes = np.sort((a * v + b) % self.hash.prime % self.g, axis=1)
            reached += len(b) + int(np.count_nonzero(np.diff(hashes, axis=1)))
        mean = reached / self.hash.prime**2
        return (mean * self.p + (self.g - mean) * (1 - self.p) / (self.g - 1)) / self.k

    def channel(self) -> NDArray[Any]:
        import numpy as np

        a, b = np.divmod(np.arange(self.hash.prime**2), self.hash.prime)
        v = np.arange(self.k)[:, None]
        hashes = (a * v + b) % self.hash.prime % self.g
        same = hashes[:, :, None] == np.arange(self.g)
        return np.where(same, self.p, (1 - self.p) / (self.g - 1)).reshape(self.k, -1) / self.hash.prime**2

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.kernels import hashed_users
        from pyalgo_privacy.source import for_users

        a, b, value = (np.empty_like(x) for _ in range(3))
        rest = (*self._rest(), a, b, value)
        for_users(lambda words, begin: hashed_users(words, begin, x, *rest), len(x), 6, source)
        return {"a": a, "b": b, "value": value}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_hashed

        count_hashed(columns["a"], columns["b"], columns["value"], self.hash.prime, self.g, counts)
        n += len(columns["a"])


def smallest_prime(least: int) -> int:
    """The smallest prime that is at least `least`, below 2^32: by division, in the order of 2^16 steps a candidate."""
    candidate = max(least, 2)
    while any(candidate % d == 0 for d in range(2, math.isqrt(candidate) + 1)):
        candidate += 1
    return candidate
