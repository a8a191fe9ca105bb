"""Subset selection: omega of the values, with the true one among them more often than any other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from pyalgo_privacy.combinadic import rank, subset_bits, unrank
from pyalgo_privacy.fields import Field, refused
from pyalgo_privacy.oracle import PureOracle
from pyalgo_privacy.words import SHORT, Threshold, exp, flip, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.reports import BitReader, BitWriter
    from pyalgo_privacy.source import WordSource

__all__ = ["SS", "SubsetDesign", "SubsetField", "null_variance", "subset_design", "subset_size"]


def count_ones(out: Any, width: int) -> int:
    """Bits set in the first `width` words of `out`."""
    total = 0
    for i in range(width):
        word = out[i] & 0xFFFFFFFF
        word = word - ((word >> 1) & 0x55555555)
        word = (word & 0x33333333) + ((word >> 2) & 0x33333333)
        word = (word + (word >> 4)) & 0x0F0F0F0F
        total += ((word * 0x01010101) & 0xFFFFFFFF) >> 24
    return total


def sample_subset(
    words: Sequence[int],
    at: int,
    x: int,
    m: int,
    omega: int,
    high: int,
    low: int,
    digits: int,
    depth: int,
    bits: int,
    out: Any,
) -> int:
    """An omega-subset of [m], as bits, that has `x` with probability T / 2^64 and is uniform apart from that.

    All bits begin independent, 1 with probability digits / 2^depth near omega / m: "and" with a random word halves a
    probability, "or" halves its distance to 1. Then uniform values other than x are added or taken away until the number is
    right. Which of two subsets of equal size comes out is a matter of names, so that each is equally likely: exactly, and
    without omega draws. bits = (m - 1).bit_length().
    """
    member, at = flip(words, at, high, low)
    width = (m + 31) >> 5
    if at == SHORT or at + depth * width > len(words):
        return SHORT
    for j in range(width):
        out[j] = 0
    for i in range(depth):
        if (digits >> i) & 1:
            for j in range(width):
                out[j] = out[j] | words[at + j]
        else:
            for j in range(width):
                out[j] = out[j] & words[at + j]
        at += width
    if m & 31:
        out[width - 1] = out[width - 1] & ((1 << (m & 31)) - 1)
    out[x >> 5] = (out[x >> 5] & ~(1 << (x & 31))) | (member << (x & 31))
    left = omega - count_ones(out, width)
    surplus = 1 if left < 0 else 0
    left = left * (1 - 2 * surplus)
    while left > 0:
        if at >= len(words):
            return SHORT
        draws = words[at]
        at += 1
        for i in range(32 // bits):
            value = (draws >> (i * bits)) & ((1 << bits) - 1)
            if value < m and value != x and left > 0:
                word = out[value >> 5] & 0xFFFFFFFF
                change = 1 ^ surplus ^ ((word >> (value & 31)) & 1)
                out[value >> 5] = word ^ (change << (value & 31))
                left -= change
    return at


class SubsetDesign(NamedTuple):
    """Subset selection on m values: its constants, digits / 2^depth that the sampler begins with, and about how many words it
    takes."""

    m: int
    omega: int
    truth: Threshold
    p: float
    q: float
    digits: int
    depth: int
    words: int

    @property
    def constants(self) -> tuple[int, ...]:
        """Arguments of `sample_subset` from `m` to `bits`."""
        return (self.m, self.omega, *self.truth[:2], self.digits, self.depth, (self.m - 1).bit_length())

    @property
    def pairs(self) -> float:
        """t1: the chance of another value together with the true one."""
        return self.p * (self.omega - 1) / (self.m - 1)

    @property
    def other_pairs(self) -> float:
        """t2: the chance of two given other values together."""
        if self.m == 2:
            return 0.0
        omega, m = self.omega, self.m
        return (self.p * (omega - 2) + (1 - self.p) * omega) * (omega - 1) / ((m - 1) * (m - 2))

    @property
    def bits(self) -> int:
        """Of a subset, as its rank."""
        return subset_bits(self.m, self.omega)

    @property
    def spread(self) -> float:
        """h (1 - h), h = omega / m: of one bit, in the mean over values. Whatever the frequencies are, omega bits are set."""
        return self.omega * (self.m - self.omega) / self.m**2

    @property
    def information(self) -> float:
        """(p - q)^2 / (h (1 - h)): one over the variance of one report's histogram, in the mean over values."""
        return (self.p - self.q) ** 2 / self.spread


def subset_design(m: int, eps: float, omega: str = "least") -> SubsetDesign:
    """Subset selection on [m] with the exact thresholds of `eps`."""
    size, e = subset_size(m, eps, omega), exp(eps)
    # P(Z | x in Z) / P(Z | x not in Z) = p (m - omega) / ((1 - p) omega): at most e^eps if p is rounded down.
    truth = threshold(Decimal(size) * e, Decimal(size) * e + (m - size), up=False)
    p = truth.probability
    q = (p * (size - 1) + (1 - p) * size) / (m - 1)
    return SubsetDesign(m, size, truth, p, q, *_cheapest_start(m, size))


def null_variance(m: int, omega: int, eps: float) -> float:
    """n times the variance of the estimate of a value that nobody has: q (1 - q) / (p - q)^2."""
    p, q = probabilities(m, omega, eps)
    return q * (1 - q) / (p - q) ** 2


def mean_variance(m: int, omega: int, eps: float) -> float:
    """n times the variance in the mean over values, where none is common: h (1 - h) / (p - q)^2, h = omega / m.

    That is a little more than `null_variance`, as there are no values that nobody has unless others have more.
    """
    p, q = probabilities(m, omega, eps)
    return omega * (m - omega) / (m * (p - q)) ** 2


def probabilities(m: int, omega: int, eps: float) -> tuple[float, float]:
    """(p, q) in floating point."""
    weight = omega * math.exp(eps)
    p = weight / (weight + m - omega)
    return p, (p * (omega - 1) + (1 - p) * omega) / (m - 1)


def subset_size(m: int, eps: float, omega: str = "least") -> int:
    """The integer next to m / (e^eps + 1), below or above, of the least variance at frequency 0; or the nearest one."""
    real = m / (math.exp(eps) + 1)
    if omega == "round":
        return max(1, round(real))
    if omega != "least":
        raise ValueError(f"omega must be 'least' (variance) or 'round', got {omega!r}")
    floor = max(1, math.floor(real))
    return min(floor, min(floor + 1, m - 1), key=lambda size: null_variance(m, size, eps))


def _cheapest_start(m: int, omega: int) -> tuple[int, int, int]:
    """(digits, depth, words): the digits / 2^depth whose subsets take the fewest words to make, and how many those are about.

    That is depth words for 32 bits, and then the corrections, several to a word. 0 is among them, where omega values are drawn
    one by one; that is best while omega is small.
    """
    bits = (m - 1).bit_length()
    draws = 32 // bits * m / 2**bits  # of values below m, from one word

    def words(digits: int, depth: int) -> float:
        share = digits / 2**depth
        mean, deviation = m * share - omega, math.sqrt(m * share * (1 - share))
        surplus = max(mean, 0.0)
        if deviation:
            z = mean / deviation
            surplus = deviation * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) + mean * 0.5 * math.erfc(
                -z / math.sqrt(2)
            )
        lacking = surplus - mean
        return depth * ((m + 31) // 32) + (surplus * m / omega + lacking * m / (m - omega)) / draws

    starts = [(0, 0), *((odd, depth) for depth in range(1, 9) for odd in range(1, 2 ** (depth - 1) + 1, 2))]
    digits, depth = min(starts, key=lambda start: words(*start))
    return digits, depth, 3 + math.ceil(words(digits, depth))


class SubsetField(Field):
    """A subset of `omega` out of `m` values: a sorted list in a row, m bits in compact form, its rank as payload."""

    def __init__(self, name: str, m: int, omega: int) -> None:
        self.name, self.m, self.omega = name, m, omega
        self.bits = subset_bits(m, omega)

    def encode(self, value: list[int]) -> int:
        return rank(value)

    def decode(self, payload: int) -> list[int]:
        return unrank(payload, self.m, self.omega)

    def compact(self, column: Any) -> NDArray[Any]:
        import numpy as np

        from pyalgo_privacy.subset_kernels import set_bits

        stops = np.full(len(column.offsets) - 1, self.m, np.int64)
        return bits_of_lists(self.name, column, stops, set_bits, (self.m + 31) // 32)

    def expand(self, compact: NDArray[Any]) -> Any:
        return lists_of_bits(compact)

    def check(self, compact: NDArray[Any]) -> None:
        check_subsets(self.name, compact, self.m, self.omega)

    def write(self, compact: NDArray[Any], writer: BitWriter) -> None:
        from pyalgo_privacy.subset_kernels import ranks

        writer.put(ranks(compact, self.m, self.omega), self.bits)

    def read(self, reader: BitReader, n: int) -> NDArray[Any]:
        from pyalgo_privacy.subset_kernels import subsets

        return subsets(reader.get(n, self.bits), self.m, self.omega)


def bits_of_lists(name: str, column: Any, stops: NDArray[Any], set_bits: Any, width: int) -> NDArray[Any]:
    """Rows of bits from a list column; `InvalidReport` where a list does not rise strictly from 0 to below its stop."""
    import numpy as np

    rows = np.zeros((len(stops), width), np.uint32)
    wrong = set_bits(column.offsets, column.values, stops, rows)
    if wrong >= 0:
        shown = column.values[column.offsets[wrong] : column.offsets[wrong + 1]][:20].tolist()
        raise refused(wrong, f"{name} must be sorted, without repetition, from 0 to {stops[wrong] - 1}, got {shown}")
    return rows


def lists_of_bits(rows: NDArray[Any]) -> list[NDArray[Any]]:
    """The opposite of `bits_of_lists`."""
    import numpy as np

    bits = np.unpackbits(rows.astype("<u4", copy=False).view("u1"), axis=1, bitorder="little")
    return [np.flatnonzero(row) for row in bits]


def check_subsets(name: str, rows: NDArray[Any], m: int, omega: int, places: NDArray[Any] | None = None) -> None:
    """`InvalidReport` unless each row has omega bits set, all among the first m; row i is report ``places[i]``."""
    from pyalgo_privacy.subset_kernels import first_wrong

    wrong = int(first_wrong(rows, m, omega))
    if wrong >= 0:
        place = wrong if places is None else int(places[wrong])
        raise refused(
            place, f"{name} must have {omega} of {m} values, got {lists_of_bits(rows[wrong : wrong + 1])[0].tolist()}"
        )


class SS(PureOracle):
    """Subset selection: reports omega of the k values, with the true one among them with probability p.

    No oracle here has less variance, but a report is long: ceil(log2 C(k, omega)) bits, 855 at k = 1024 and eps = 1. `MSS` halves
    it. n times the variance at f = 0 is about 4 e^eps / (e^eps - 1)^2.

    Parameters
    ----------
    k, eps, seed
        As of `FrequencyOracle`.
    omega : str
        The size of the subset: ``"least"``, the one next to k / (e^eps + 1) with the least variance, or ``"round"``, the
        nearest, as it is often printed.

    Notes
    -----
    A report takes a few dozen words of randomness instead of omega draws, see `sample_subset`. Ye, Barg: "Optimal Schemes for
    Discrete Distribution Estimation under Locally Differential Privacy", IEEE Trans. Inf. Theory 64, 2018. Wang et al.:
    "Mutual Information Optimally Local Private Discrete Distribution Estimation", 2016.

    Examples
    --------
    >>> from pyalgo_privacy import SS
    >>> devices = SS(k=20, eps=1.0)
    >>> message = devices.client(7)
    >>> len(message.columns["subset"]), message.bits
    (5, 14)
    >>> round(SS(k=1024, eps=1.0).variance(), 3), SS(k=1024, eps=1.0).message_bits()
    (3.674, 855.0)
    """

    name = "ss"
    columns = {"subset": ("list[int64]", "the reported values, sorted")}  # noqa: RUF012

    def __init__(self, k: int, eps: float, *, omega: str = "least", seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        self.omega = omega
        self.design = subset_design(self.k, self.eps, omega)
        self.p, self.q = self.design.p, self.design.q
        self.fields = (SubsetField("subset", self.k, self.design.omega),)

    @property
    def params(self) -> dict[str, Any]:
        return {**super().params, "omega": self.omega}

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        out = [0] * ((self.k + 31) // 32)
        sample_subset(words, 0, x, *self.design.constants, out)
        return {"subset": elements(out)}

    def attack_success(self, attack: str = "bayes") -> float:
        """Guesses a random one of the omega values, which is the best there is: p / omega."""
        return self.p / self.design.omega

    def channel(self) -> NDArray[Any]:
        return subset_channel(self.design)

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.source import for_users
        from pyalgo_privacy.subset_kernels import subset_users

        rows = np.zeros((len(x), (self.k + 31) // 32), np.uint32)
        rest = (*self.design.constants, rows)
        for_users(lambda words, begin: subset_users(words, begin, x, *rest), len(x), self.design.words, source)
        return {"subset": rows}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_bits

        count_bits(columns["subset"], counts)
        n += len(columns["subset"])


def elements(words: Sequence[int]) -> list[int]:
    """The bits that are set, as sorted numbers."""
    return [32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1]


def subset_channel(design: SubsetDesign) -> NDArray[Any]:
    """f64[m, C(m, omega)]: the probability of every subset, in the order of `itertools.combinations`."""
    from itertools import combinations

    import numpy as np

    m, omega = design.m, design.omega
    inside, outside = design.p / math.comb(m - 1, omega - 1), (1 - design.p) / math.comb(m - 1, omega)
    return np.array([[inside if x in z else outside for z in combinations(range(m), omega)] for x in range(m)])
