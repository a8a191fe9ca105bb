"""Generalised randomised response: the value itself, or one of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.fields import IntegerField
from pyalgo_privacy.oracle import PureOracle
from pyalgo_privacy.words import SHORT, below, exp, flip, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.source import WordSource

__all__ = ["GRR"]


def sample_grr(words: Sequence[int], at: int, x: int, k: int, high: int, low: int, bits: int) -> tuple[int, int]:
    """`x` with probability T / 2^64, else a uniform other value of [k]; bits = (k - 2).bit_length()."""
    same, at = flip(words, at, high, low)
    if at == SHORT or same:
        return x, at
    other, at = below(words, at, k - 1, bits)
    return (other + 1 if other >= x else other), at


class GRR(PureOracle):
    """Generalised randomised response: reports the value with probability e^eps / (e^eps + k - 1), else a uniform other.

    Best for small domains: below about 3 e^eps + 2 values no other oracle here has less variance. n times the variance at
    f = 0 is (k - 2 + e^eps) / (e^eps - 1)^2. Parameters and errors as of `FrequencyOracle`.

    Kairouz, Bonawitz, Ramage: "Discrete Distribution Estimation under Local Privacy", ICML 2016.

    Examples
    --------
    >>> from pyalgo_privacy import GRR
    >>> devices = GRR(k=4, eps=2.0, seed=1)  # a seed for the example: leave it out where people are protected
    >>> server = devices.aggregator()
    >>> server.update(devices.randomize([0] * 6000 + [2] * 4000))
    >>> estimate = server.query()
    >>> estimate.freq.round(2).tolist(), float(estimate.stderr.max().round(3))
    ([0.6, -0.0, 0.41, -0.0], 0.008)
    """

    name = "grr"
    columns = {"value": ("int64", "the reported value")}  # noqa: RUF012

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        self.fields = (IntegerField("value", self.k),)
        e = exp(self.eps)
        self.truth = threshold(e, e + (self.k - 1), up=False)
        self.p = self.truth.probability
        self.q = (1 - self.p) / (self.k - 1)

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        return {"value": sample_grr(words, 0, x, self.k, self.truth.high, self.truth.low, (self.k - 2).bit_length())[0]}

    def attack_success(self, attack: str = "bayes") -> float:
        return self.p

    def channel(self) -> NDArray[Any]:
        import numpy as np

        return np.full((self.k, self.k), self.q) + np.eye(self.k) * (self.p - self.q)

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.kernels import grr_users
        from pyalgo_privacy.source import for_users

        out = np.empty_like(x)
        rest = (self.k, self.truth.high, self.truth.low, (self.k - 2).bit_length(), out)
        for_users(lambda words, begin: grr_users(words, begin, x, *rest), len(x), 3, source)
        return {"value": out}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        import numpy as np

        counts += np.bincount(columns["value"], minlength=self.k)
        n += len(columns["value"])

    def _bayes_step(self, freq: NDArray[Any], counts: NDArray[Any], n: int) -> NDArray[Any]:
        return bayes_step(self.p, self.q, freq, counts, n)


def bayes_step(p: float, q: float, freq: NDArray[Any], counts: NDArray[Any], n: int) -> NDArray[Any]:
    """A step of expectation maximisation, from the counts of `n` reports that are the value with `p`, any other with `q`."""
    ratio = counts / (q + (p - q) * freq)  # P(y | v) is q, and p - q more where y = v
    return freq * (q * ratio.sum() + (p - q) * ratio) / n
