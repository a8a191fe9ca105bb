"""Two rounds of randomized response, one behind the other; standard library only, so that it runs on a device.

The first round is drawn once for a value and remembered, the second one anew for every report. Thresholds of both are whole
numbers out of W = 2^64, and every condition on them is decided in integers: the first round's are rounded to the side where
no ratio is above e^eps_perm, and given those as they were rounded, the second round's threshold is the last one, by
bisection, with which no ratio of the two rounds together is above e^eps_first.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.errors import InfeasibleBudget
from pyalgo_privacy.fields import BitsField, Field, IntegerField
from pyalgo_privacy.grr import sample_grr
from pyalgo_privacy.unary import sample_unary
from pyalgo_privacy.words import SHORT, Threshold, biased_word, exp, threshold, threshold_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns

__all__ = ["Budget", "Chain", "GrrChain", "Output", "UnaryChain", "flipped", "halved"]

W = 2**64
Output = int | bytes  # of a round: a value, or bits packed eight a byte, lowest first


class Budget:
    """eps_perm for all reports of a value together, eps_first for the first one alone."""

    def __init__(self, eps_perm: float, eps_first: float) -> None:
        self.eps_perm, self.eps_first = eps_perm, eps_first
        self.perm, self.first = exp(eps_perm), exp(eps_first)
        with localcontext() as context:
            context.prec = len(self.first.as_tuple().digits)
            self._over, self._under = self.first.next_minus().as_integer_ratio()  # a lower bound of e^eps_first

    def allows(self, more: int, less: int) -> bool:
        """Whether ``more / less <= e^eps_first``."""
        return more * self._under <= less * self._over


class Chain(ABC):
    """Two rounds over a domain of k values.

    Attributes
    ----------
    p, q : float
        The chance that a report supports the true value, or any other one.
    probabilities : (p1, q1, p2, q2)
        The same for either round alone, over what it is given.
    inputs : int
        How many different things the first round can be given, each with a memo of its own.
    share : float
        The part of the users that has anything to say of a given value.
    has_identity, unary : bool
        Whether users draw something beside their memos; whether reports are bits.
    fields : tuple of Field
        What a report consists of, with what its device has drawn once and for ever.
    """

    k: int
    p: float
    q: float
    probabilities: tuple[float, float, float, float]
    inputs: int
    fields: tuple[Field, ...]
    share = 1.0
    has_identity = False
    unary = False

    def identity(self, words: Sequence[int]) -> Output:
        """What a user draws once and for ever, whatever the values will be."""
        raise NotImplementedError(f"{type(self).__name__} has no identity")

    def memoized(self, identity: Output | None, x: int) -> int:
        """What of the value `x` the first round is given, and thus what it is remembered by."""
        return x

    @property
    def values(self) -> int:
        """How many values have an estimate."""
        return self.k

    @abstractmethod
    def permanent(self, words: Sequence[int], identity: Output | None, value: int) -> Output:
        """The first round."""

    @abstractmethod
    def instant(self, words: Sequence[int], memo: Output) -> Output:
        """The second round."""

    @abstractmethod
    def privacy_after(self, t: int) -> float:
        """The budget that t >= 1 reports of one value take."""

    @abstractmethod
    def channel(self) -> NDArray[Any]:
        """f64[k, outputs]: the probabilities of all first reports; outputs of all identities, each with its chance."""

    @abstractmethod
    def message_bits(self) -> int:
        """Bits of a report, without what is said once."""

    # The server's side. Columns are compact, as those of `Reports`.

    @property
    def counters(self) -> int:
        """How many counts a server keeps."""
        return self.values

    def check(self, columns: Columns) -> None:
        """`InvalidReport` unless devices could have sent all reports."""
        for field in self.fields:
            field.check(columns[field.name])

    @abstractmethod
    def count(self, columns: Columns, counts: NDArray[Any]) -> None:
        """Add checked reports to the counts."""

    def told(self, counts: NDArray[Any], n: int) -> tuple[NDArray[Any], Any]:
        """(how many of `n` reports support each value, how many of them tell anything of it)."""
        return counts, n


def last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest integer in [low, high) that holds, where none does behind one that does not; `low` must."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def whole(t: Threshold) -> int:
    return (t.high << 32) + t.low


def evidence_after(t: int, log_up: float, log_down: float, p: float, q: float) -> float:
    """ln of how much more likely one side of a memo is than the other after t reports that all speak for it, less the same
    for t reports that all speak against it; `p` and `q` are the chances of that side under either value."""

    def ratio(evidence: float) -> float:
        if evidence > 0:  # scaled by the larger term, so that nothing overflows
            rest = math.exp(-evidence)
            return math.log((p + (1 - p) * rest) / (q + (1 - q) * rest))
        return math.log((p * math.exp(evidence) + 1 - p) / (q * math.exp(evidence) + 1 - q))

    return ratio(t * log_up) - ratio(-t * log_down)


class GrrChain(Chain):
    """Generalised randomised response behind generalised randomised response, which together are one again.

    With A and B the ratios p1/q1 and p2/q2 of the rounds that of both is (A B + k - 1) / (A + B + k - 2). ``"exact"``
    makes it e^eps_first. ``"paper"`` solves (p1 p2 + q1 q2) / (p1 q2 + q1 p2) = e^eps_first as published, which leaves
    out the k - 2 ways through a third value and so adds noise that nobody asked for; for k = 2 there are none.
    """

    def __init__(self, k: int, budget: Budget, calibration: str) -> None:
        self.k = self.inputs = k
        self.fields = (IntegerField("value", k),)
        with localcontext() as context:
            context.prec = 60
            self.first = threshold(budget.perm, budget.perm + (k - 1), up=False)
        t1, others = whole(self.first), k - 1
        r1 = W - t1

        def exact(t2: int) -> bool:
            truth = others * t1 * t2 + r1 * (W - t2)  # of (k - 1) W^2
            return budget.allows(truth * others, others * W * W - truth)

        def paper(t2: int) -> bool:
            r2 = W - t2
            return budget.allows(others**2 * t1 * t2 + r1 * r2, others * (t1 * r2 + r1 * t2))

        t2 = last({"exact": exact, "paper": paper}[calibration], W // k, W)
        self.second = threshold_of(t2)
        self._bits = (k - 2).bit_length()
        p1, p2 = t1 / W, t2 / W
        q1, q2 = r1 / W / others, (W - t2) / W / others
        self.probabilities = p1, q1, p2, q2
        self.p = p1 * p2 + others * q1 * q2
        self.q = q1 * p2 + p1 * q2 + (k - 2) * q1 * q2
        refuse_blind(min(t1 * k - W, t2 * k - W), budget)

    def permanent(self, words: Sequence[int], identity: Output | None, value: int) -> int:
        return drawn(*sample_grr(words, 0, value, self.k, self.first.high, self.first.low, self._bits))

    def instant(self, words: Sequence[int], memo: Output) -> int:
        assert isinstance(memo, int)
        return drawn(*sample_grr(words, 0, memo, self.k, self.second.high, self.second.low, self._bits))

    def privacy_after(self, t: int) -> float:
        """ln((A B^t + k - 1) / (B^t + A + k - 2)), the paper's Eq. 16 put right."""
        p1, q1, p2, q2 = self.probabilities
        a, rest = p1 / q1, (q2 / p2) ** t  # B^-t, so that nothing overflows
        return math.log((a + (self.k - 1) * rest) / (1 + (a + self.k - 2) * rest))

    def channel(self) -> NDArray[Any]:
        import numpy as np

        return np.full((self.k, self.k), self.q) + np.eye(self.k) * (self.p - self.q)

    def message_bits(self) -> int:
        return (self.k - 1).bit_length()

    def count(self, columns: Columns, counts: NDArray[Any]) -> None:
        import numpy as np

        counts += np.bincount(columns["value"], minlength=self.k)


def drawn(value: int, at: int) -> int:
    """`value`, if the words were enough for it: half a draw has other probabilities."""
    if at == SHORT:
        raise ValueError(
            "the words ran out before the report was drawn: give an endless sequence, such as SecretWords()"
        )
    return value


def refuse_large(outputs: int, what: str) -> None:
    """Refuse to list the probabilities of more outputs than one can look at."""
    if outputs > 2**20:
        raise ValueError(f"channel() lists {what}, which are too many: ask for a smaller domain")


def refuse_blind(difference: int, budget: Budget) -> None:
    """Refuse budgets so small that the values are told apart by no more than 2^-40 (`difference`, of W)."""
    if difference < 2**24:
        raise InfeasibleBudget(
            f"eps_first={budget.eps_first} with eps_perm={budget.eps_perm} leaves nothing to be seen: give larger ones"
        )


class UnaryChain(Chain):
    """k bits, one a value, each flipped in a first round and again in a second one.

    Of either round the one bit that is set is set again with p, every other one with q. A symmetric round has p = 1 - q, an
    optimised one p = 1/2. With ps and qs the chances of both together, ps (1 - qs) / ((1 - ps) qs) is e^eps_first.
    """

    unary = True

    def __init__(self, k: int, budget: Budget, *, optimised: tuple[bool, bool]) -> None:
        self.k = self.inputs = k
        self.fields = (BitsField("bits", k),)
        first = _optimised_first(budget) if optimised[0] else _symmetric_first(budget)
        second = _optimised_second(first, budget) if optimised[1] else _symmetric_second(first, budget)
        self.first = threshold_of(first[0]), threshold_of(first[1])
        self.second = threshold_of(second[0]), threshold_of(second[1])
        self._again = halved if optimised[1] else flipped
        refuse_blind(min(first[0] - first[1], second[0] - second[1]), budget)
        p1, q1, p2, q2 = (t / W for t in first + second)
        self.probabilities = p1, q1, p2, q2
        self.p, self.q = p1 * p2 + (1 - p1) * q2, q1 * p2 + (1 - q1) * q2

    def permanent(self, words: Sequence[int], identity: Output | None, value: int) -> bytes:
        truth, others = self.first
        out = [0] * ((self.k + 31) // 32)
        drawn(0, sample_unary(words, 0, value, self.k, truth.high, truth.low, *others, out))
        return self._packed(out)

    def instant(self, words: Sequence[int], memo: Output) -> bytes:
        assert isinstance(memo, bytes)
        out, at = [], 0
        for i in range(0, len(memo), 4):
            word, at = self._again(words, at, int.from_bytes(memo[i : i + 4], "little"), *self.second[1])
            out.append(drawn(word, at))
        out[-1] &= 0xFFFFFFFF >> (-self.k & 31)  # no bits beyond the first k
        return self._packed(out)

    def _packed(self, words: list[int]) -> bytes:
        return b"".join(word.to_bytes(4, "little") for word in words)[: (self.k + 7) // 8]

    def privacy_after(self, t: int) -> float:
        """L(t) - L(0), with L(a) the log likelihood ratio of a bit that shows a ones in t: two values differ in two bits."""
        p1, q1, p2, q2 = self.probabilities
        return evidence_after(t, math.log(p2 / q2), math.log((1 - q2) / (1 - p2)), p1, q1)

    def channel(self) -> NDArray[Any]:
        import numpy as np

        refuse_large(1 << self.k, f"the 2^{self.k} rows of {self.k} bits")
        ones = (np.arange(1 << self.k)[:, None] >> np.arange(self.k)) & 1 == 1
        rows = []
        for x in range(self.k):
            chance = np.where(np.arange(self.k) == x, self.p, self.q)
            rows.append(np.where(ones, chance, 1 - chance).prod(axis=1))
        return np.array(rows)

    def message_bits(self) -> int:
        return self.k

    def count(self, columns: Columns, counts: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_bits

        count_bits(columns["bits"], counts)


def _symmetric_first(budget: Budget) -> tuple[int, int]:
    """p / q = e^(eps_perm / 2) with p = 1 - q; the ratio that matters is its square."""
    with localcontext() as context:
        context.prec = 60
        q = whole(threshold(1, budget.perm.sqrt() + 1, up=True))
    return W - q, q


def _optimised_first(budget: Budget) -> tuple[int, int]:
    with localcontext() as context:
        context.prec = 60
        return W // 2, whole(threshold(1, budget.perm + 1, up=True))


def _allowed(first: tuple[int, int], p2: int, q2: int, budget: Budget) -> bool:
    """Whether two values are told apart by no more than e^eps_first: they differ in two bits."""
    ps, qs = (t * p2 + (W - t) * q2 for t in first)  # of W^2
    return budget.allows(ps * (W * W - qs), (W * W - ps) * qs)


def _symmetric_second(first: tuple[int, int], budget: Budget) -> tuple[int, int]:
    # The ratio grows with p2: ps moves away from 1/2 on its side, or stays there, and qs on the other one.
    p2 = last(lambda t: _allowed(first, t, W - t, budget), W // 2, W)
    return p2, W - p2


def _optimised_second(first: tuple[int, int], budget: Budget) -> tuple[int, int]:
    # The ratio falls as q2 grows, for qs < ps <= 1/2 makes logit(qs) the steeper one and its slope in q2 is larger as well.
    if not _allowed(first, W // 2, 1, budget):
        return W // 2, W - last(lambda t: _allowed(first, W // 2, W - t, budget), W // 2, W)
    p1, q1 = (Decimal(t) / W for t in first)
    limit = float((p1 * (2 - q1) / (q1 * (2 - p1))).ln())
    raise InfeasibleBudget(
        f"eps_first={budget.eps_first} cannot be reached with eps_perm={budget.eps_perm} where the second round sets a set bit "
        f"with probability 1/2: give an eps_first below {limit:.6g}, or take L-OSUE, which reaches all below eps_perm"
    )


def flipped(words: Sequence[int], at: int, memo: int, high: int, low: int, depth: int) -> tuple[int, int]:
    """A symmetric second round of 32 bits: each is flipped with the threshold's probability."""
    flips, at = biased_word(words, at, high, low, depth)
    return memo ^ flips, at


def halved(words: Sequence[int], at: int, memo: int, high: int, low: int, depth: int) -> tuple[int, int]:
    """An optimised second round of 32 bits: a one becomes a fair coin, a zero one with the threshold's probability."""
    if at >= len(words):
        return 0, SHORT
    coins = words[at]
    fresh, at = biased_word(words, at + 1, high, low, depth)
    return fresh ^ (memo & (fresh ^ coins)), at
