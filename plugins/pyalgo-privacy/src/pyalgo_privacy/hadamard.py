"""Hadamard response: one index of a Hadamard matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.fields import IntegerField
from pyalgo_privacy.oracle import PureOracle
from pyalgo_privacy.words import SHORT, exp, flip, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.source import WordSource

__all__ = ["HR"]


def sample_hadamard(words: Sequence[int], at: int, x: int, bits: int, high: int, low: int) -> tuple[int, int]:
    """A uniform index j of 2^bits among those with H[j, x + 1] = +1, with probability T / 2^64, or else -1.

    H[j, v] is the parity of j & v. A uniform j of the wrong parity becomes one of the right parity when a bit of v is flipped.
    """
    plus, at = flip(words, at, high, low)
    if at == SHORT or at >= len(words):
        return 0, SHORT
    j = words[at] >> (32 - bits)
    parity = j & (x + 1)
    for shift in (16, 8, 4, 2, 1):
        parity ^= parity >> shift
    if (parity & 1) == plus:
        j ^= (x + 1) & -(x + 1)
    return j, at + 1


class HR(PureOracle):
    """Hadamard response: an index of ceil(log2(k + 1)) bits that agrees with the value more often than not.

    The shortest report of all for small eps. n times the variance at f = 0 is ((e^eps + 1) / (e^eps - 1))^2, near the best
    for eps up to 1; it never falls below 1, where `SS` and `MSS` go on falling. Parameters and errors as of
    `FrequencyOracle`.

    Acharya, Sun, Zhang: "Hadamard Response: Estimating Distributions Privately, Efficiently, and with Little
    Communication", AISTATS 2019; the variant with one matrix row a value.

    Examples
    --------
    >>> from pyalgo_privacy import HR
    >>> oracle = HR(k=1000, eps=1.0)
    >>> oracle.message_bits(), round(oracle.variance(), 2)
    (10.0, 4.68)
    """

    name = "hr"
    columns = {"index": ("int64", "the reported row of the matrix")}  # noqa: RUF012

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        self.bits = self.k.bit_length()
        self.fields = (IntegerField("index", 1 << self.bits),)
        e = exp(self.eps)
        self.truth = threshold(e, e + 1, up=False)
        self.p, self.q = self.truth.probability, 0.5

    @property
    def _counters(self) -> int:
        return 1 << self.bits

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        return {"index": sample_hadamard(words, 0, x, self.bits, self.truth.high, self.truth.low)[0]}

    def attack_success(self, attack: str = "bayes") -> float:
        """Guesses any value that the index agrees with, where there is one."""
        import numpy as np

        users = np.zeros(self._counters)
        users[1 : self.k + 1] = 1
        matched = float(np.mean(walsh_hadamard(users) > -self.k))
        return 2 * (matched * self.p + (1 - matched) * (1 - self.p)) / self.k

    def channel(self) -> NDArray[Any]:
        import numpy as np

        signs = walsh_hadamard(np.eye(self._counters))[1 : self.k + 1]
        return np.where(signs > 0, self.p, 1 - self.p) * 2 / self._counters

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.kernels import hadamard_users
        from pyalgo_privacy.source import for_users

        out = np.empty_like(x)
        rest = (self.bits, self.truth.high, self.truth.low, out)
        for_users(lambda words, begin: hadamard_users(words, begin, x, *rest), len(x), 2, source)
        return {"index": out}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        import numpy as np

        counts += np.bincount(columns["index"], minlength=self._counters)
        n += len(columns["index"])

    def _supports(self, counts: NDArray[Any]) -> NDArray[Any]:
        return (counts.sum() + walsh_hadamard(counts)[1 : self.k + 1]) / 2

    def _bayes_step(self, freq: NDArray[Any], counts: NDArray[Any], n: int) -> NDArray[Any]:
        import numpy as np

        gain = 2 * self.p - 1  # P(j | v) is (1 + gain H[j, v]) / 2^bits
        spread = np.zeros(self._counters)
        spread[1 : self.k + 1] = freq
        ratio = counts / (freq.sum() + gain * walsh_hadamard(spread))
        return freq * (ratio.sum() + gain * walsh_hadamard(ratio)[1 : self.k + 1]) / n


def walsh_hadamard(values: NDArray[Any]) -> NDArray[Any]:
    """H times `values` along the last axis, by the fast transform in O(K log K)."""
    import numpy as np

    size, half = values.shape[-1], 1
    while half < size:
        pairs = values.reshape(*values.shape[:-1], -1, 2, half)
        upper, lower = pairs[..., 0, :], pairs[..., 1, :]
        values = np.stack([upper + lower, upper - lower], axis=-2).reshape(values.shape)
        half *= 2
    return values
