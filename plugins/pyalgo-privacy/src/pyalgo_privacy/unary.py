"""Unary encoding: one bit a value of the domain, each flipped on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.fields import BitsField
from pyalgo_privacy.oracle import PureOracle
from pyalgo_privacy.words import SHORT, Threshold, biased_word, exp, flip, threshold, threshold_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.source import WordSource

__all__ = ["OUE", "SUE"]


def sample_unary(
    words: Sequence[int],
    at: int,
    x: int,
    k: int,
    true_high: int,
    true_low: int,
    high: int,
    low: int,
    depth: int,
    out: Any,
) -> int:
    """k independent bits into the 32-bit words of `out`: bit x with the true threshold, all others with the other one."""
    for i in range((k + 31) // 32):
        word, at = biased_word(words, at, high, low, depth)
        if at == SHORT:
            return SHORT
        out[i] = word
    bit, at = flip(words, at, true_high, true_low)
    if at == SHORT:
        return SHORT
    out[x >> 5] = (out[x >> 5] & ~(1 << (x & 31))) | (bit << (x & 31))
    if k & 31:
        out[k >> 5] = out[k >> 5] & ((1 << (k & 31)) - 1)
    return at


class UnaryOracle(PureOracle):
    """Of k bits the one of the value is set with the threshold `truth`, the others with `others`, independently."""

    columns = {"bits": ("list[uint8]", "the k bits, eight a byte, lowest first")}  # noqa: RUF012
    truth: Threshold
    others: Threshold

    def _set(self, truth: Threshold, others: Threshold) -> None:
        self.fields = (BitsField("bits", self.k),)
        self.truth, self.others = truth, others
        self.p, self.q = truth.probability, others.probability

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        out = [0] * ((self.k + 31) // 32)
        sample_unary(words, 0, x, self.k, self.truth.high, self.truth.low, *self.others, out)
        packed = b"".join(word.to_bytes(4, "little") for word in out)
        return {"bits": list(packed[: (self.k + 7) // 8])}

    def attack_success(self, attack: str = "bayes") -> float:
        """Guesses a random one among the set bits, or any value where none is set, which is the best there is.

        With the true bit set and a others: 1 / (1 + a), a ~ Binomial(k - 1, q), whose mean is (1 - (1 - q)^k) / (k q).
        """
        none = (1 - self.q) ** self.k
        return self.p * (1 - none) / (self.k * self.q) + (1 - self.p) * (1 - self.q) ** (self.k - 1) / self.k

    def channel(self) -> NDArray[Any]:
        import numpy as np

        ones = (np.arange(1 << self.k)[:, None] >> np.arange(self.k)) & 1 == 1
        base = np.where(ones, self.q, 1 - self.q)
        rows = []
        for x in range(self.k):
            bits = base.copy()
            bits[:, x] = np.where(ones[:, x], self.p, 1 - self.p)
            rows.append(bits.prod(axis=1))
        return np.array(rows)

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.kernels import unary_users
        from pyalgo_privacy.source import for_users

        rows = np.empty((len(x), (self.k + 31) // 32), np.uint32)
        rest = (self.k, self.truth.high, self.truth.low, *self.others, rows)
        for_users(lambda words, begin: unary_users(words, begin, x, *rest), len(x), 8 * rows.shape[1] + 2, source)
        return {"bits": rows}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_bits

        count_bits(columns["bits"], counts)
        n += len(columns["bits"])


class SUE(UnaryOracle):
    """Symmetric unary encoding, which is basic RAPPOR without memory: every bit is flipped with probability
    1 / (e^(eps/2) + 1).

    n times the variance at f = 0 is e^(eps/2) / (e^(eps/2) - 1)^2; `OUE` has less, at the same length. Parameters and
    errors as of `FrequencyOracle`. Erlingsson, Pihur, Korolova: "RAPPOR", CCS 2014.

    Examples
    --------
    >>> from pyalgo_privacy import OUE, SUE
    >>> round(SUE(k=100, eps=1.0).variance(), 3), round(OUE(k=100, eps=1.0).variance(), 3)
    (3.918, 3.683)
    """

    name = "sue"

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        half = exp(self.eps / 2)
        others = threshold(1, half + 1, up=True)
        self._set(threshold_of(2**64 - ((others.high << 32) + others.low)), others)


class OUE(UnaryOracle):
    """Optimal unary encoding: the bit of the value is a fair coin, the others are set with probability 1 / (e^eps + 1).

    n times the variance at f = 0 is 4 e^eps / (e^eps - 1)^2, the least of all unary encodings. A report is k bits: see
    `SS` and `MSS` for shorter ones with no more variance. Parameters and errors as of `FrequencyOracle`.

    Wang, Blocki, Li, Jha: "Locally Differentially Private Protocols for Frequency Estimation", USENIX Security 2017.

    Examples
    --------
    >>> from pyalgo_privacy import OUE
    >>> oracle = OUE(k=12, eps=1.0)
    >>> message = oracle.client(7)
    >>> message.bits, len(message.columns["bits"])
    (12, 2)
    """

    name = "oue"

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        self._set(threshold(1, 2, up=False), threshold(1, exp(self.eps) + 1, up=True))
