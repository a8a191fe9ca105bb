"""Modular subset selection: subset selection of one residue of the value, under one of several coprime moduli."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.errors import IdentifiabilityError, InvalidReport
from pyalgo_privacy.fields import IntegerField
from pyalgo_privacy.oracle import FrequencyOracle, integer
from pyalgo_privacy.subset import (
    SubsetDesign,
    SubsetField,
    bits_of_lists,
    check_subsets,
    elements,
    lists_of_bits,
    sample_subset,
    subset_channel,
    subset_design,
)
from pyalgo_privacy.words import SHORT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.reports import BitReader, BitWriter
    from pyalgo_privacy.source import WordSource

__all__ = ["MSS"]


def sample_mss(words: Sequence[int], at: int, x: int, blocks: Any, out: Any) -> tuple[int, int]:
    """(block, next at), and a subset of the residues of `x` in that block as bits into `out`.

    A row of `blocks` is the end of the block's share of [2^32), and the constants of its `sample_subset`.
    """
    if at >= len(words):
        return 0, SHORT
    block = 0
    while words[at] >= blocks[block][0]:
        block += 1
    at = sample_subset(
        words,
        at + 1,
        x % blocks[block][1],
        blocks[block][1],
        blocks[block][2],
        blocks[block][3],
        blocks[block][4],
        blocks[block][5],
        blocks[block][6],
        blocks[block][7],
        out,
    )
    return block, at


class MSS(FrequencyOracle):
    """Modular subset selection: a user picks a block at random, and reports a subset of the residues modulo the block's modulus.

    About as accurate as subset selection, with about half of its bits or less, and with a cheap server: frequencies are the
    weighted least squares fit to the residue histograms, without ever making a matrix. The block does not depend on the value, so
    a report is eps-private as a whole. Estimates are unbiased (unless `ridge` is above 0).

    Frequencies can be told from residues exactly if sum(m_j - 1) + 1 >= k; that prod(m_j) >= k is not enough.

    Parameters
    ----------
    k, eps, seed
        As of `FrequencyOracle`.
    moduli : sequence of int, or "auto"
        Pairwise coprime, from 2 up. ``"auto"`` takes the pick of `choose_moduli`, which needs numpy and some seconds where the
        choice is not cached: a device is given the moduli that its server has.
    l : int, optional
        How many moduli ``"auto"`` is to choose.
    target_ratio : float
        For ``"auto"``: the mean squared error is to be at most so many times that of `SS`.
    block_weights : sequence of float, optional
        Chances of the blocks up to a factor, kept to 2^-32; equal if left out. Weights that favour large moduli can lower
        the error by 7 to 17 %, and lengthen reports by 10 to 24 %: about what larger moduli do.
    ridge : float
        Server's side: lambda of ``|| W^(1/2) (A f - s) ||^2 + lambda ||f||^2``, with W in reports. Above 0 estimates are biased
        towards 0; of use for badly conditioned moduli alone. It does not lift the condition above.
    omega : str
        As of `SS`, for every block.

    Attributes
    ----------
    moduli : tuple of int
    shares : tuple of float
        The chance of each block.
    designs : tuple of SubsetDesign
        Subset selection in each block.

    Raises
    ------
    IdentifiabilityError
        If the moduli are too few or too small to tell k frequencies. From `variance` and queries also where they just do,
        in exact arithmetic alone.
    ValueError
        For moduli below 2 or with a common factor, naming them, and other parameters out of range.

    Notes
    -----
    Arcolezi: "Private Frequency Estimation via Residue Number Systems", AAAI 2026. The attack figure printed there is beaten by
    an attacker who never guesses outside [k]: see `attack_success`.

    Examples
    --------
    >>> from pyalgo_privacy import MSS
    >>> devices = MSS(k=100, eps=2.0, moduli=[41, 47, 53], seed=1)  # a seed for the example alone
    >>> server = devices.aggregator()
    >>> server.update(devices.randomize([3] * 7000 + [60] * 3000))
    >>> estimate = server.query()
    >>> estimate.freq[[3, 60]].round(1).tolist(), bool(abs(estimate.freq[3] - 0.7) < 4 * estimate.stderr[3])
    ([0.7, 0.3], True)
    """

    name = "mss"
    columns = {  # noqa: RUF012
        "block": ("int64", "which modulus"),
        "subset": ("list[int64]", "the reported residues, sorted"),
    }

    def __init__(
        self,
        k: int,
        eps: float,
        moduli: Sequence[int] | str = "auto",
        *,
        l: int | None = None,  # noqa: E741 - the letter of the paper
        target_ratio: float = 1.3,
        block_weights: Sequence[float] | None = None,
        ridge: float = 0.0,
        omega: str = "least",
        seed: int | None = None,
    ) -> None:
        super().__init__(k, eps, seed=seed)
        if isinstance(moduli, str):
            if moduli != "auto":
                raise ValueError(f"moduli must be integers or 'auto', got {moduli!r}")
            from pyalgo_privacy.moduli import choose_moduli, pick

            moduli = pick(choose_moduli(self.k, self.eps, l=l, target_ratio=target_ratio), self.k).moduli
        elif l is not None:
            raise ValueError(f"l is for moduli='auto': {len(moduli)} moduli are given")
        self.moduli = read_moduli(moduli, self.k)
        if not isinstance(ridge, int | float) or not 0 <= ridge < math.inf:
            raise ValueError(f"ridge must be a number from 0, got {ridge!r}")
        self.ridge, self.omega = float(ridge), omega
        self._ends = share_ends(block_weights, len(self.moduli))
        self.block_weights = None if block_weights is None else [float(weight) for weight in block_weights]
        self.shares = tuple((end - begin) / 2**32 for begin, end in zip([0, *self._ends], self._ends, strict=False))
        self.designs: tuple[SubsetDesign, ...] = tuple(subset_design(m, self.eps, omega) for m in self.moduli)
        self._block = IntegerField("block", len(self.moduli))
        self._subsets = [SubsetField("subset", design.m, design.omega) for design in self.designs]
        self._table = [[end, *design.constants] for end, design in zip(self._ends, self.designs, strict=True)]
        self._blocks = len(self.moduli)
        self._width = (max(self.moduli) + 31) // 32

    @property
    def params(self) -> dict[str, Any]:
        return {**self._protocol, "ridge": self.ridge}

    @property
    def _protocol(self) -> dict[str, Any]:
        """What clients and server must agree in, which the server's `ridge` is no part of."""
        return {
            **super().params,
            "moduli": list(self.moduli),
            "block_weights": self.block_weights,
            "omega": self.omega,
        }

    # A report

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        out = [0] * self._width
        block, _ = sample_mss(words, 0, x, self._table, out)
        return {"block": block, "subset": elements(out)}

    def encode(self, columns: Mapping[str, Any]) -> tuple[int, int]:
        block = columns["block"]
        field = self._subsets[block]
        return block | field.encode(columns["subset"]) << self._block.bits, self._block.bits + field.bits

    def decode(self, message: bytes) -> dict[str, int | list[int]]:
        payload = int.from_bytes(message, "little")
        block = self._block.decode(payload & ((1 << self._block.bits) - 1))
        field = self._subsets[block]
        bits = self._block.bits + field.bits
        if len(message) != (bits + 7) // 8 or payload >> bits:
            raise InvalidReport(
                f"a report of block {block} is {bits} bits in {(bits + 7) // 8} bytes, got {len(message)}: {message[:16]!r}"
            )
        return {"block": block, "subset": field.decode(payload >> self._block.bits)}

    def message_bits(self, *, per_block: bool = False) -> Any:
        """Bits of a report: the expectation over blocks, or with ``per_block=True`` the int64[l] of their lengths.

        ceil(log2 l) + ceil(log2 C(m_j, omega_j)): what is sent, to the bit. That ceil(log2 m_j) bits are enough, as the paper's
        abstract has it, holds for omega_j = 1 alone.
        """
        lengths = [self._block.bits + field.bits for field in self._subsets]
        if per_block:
            import numpy as np

            return np.array(lengths, np.int64)
        return math.fsum(share * length for share, length in zip(self.shares, lengths, strict=True))

    # How good it is

    def attack_success(self, attack: str = "bayes") -> float:
        """The chance that who sees one report guesses a uniformly drawn value.

        ``"bayes"``, the best attacker: guesses any value of [k] with a residue in the subset. With h_j(r) values of residue r in
        block j, and Z drawn, all of the sum of h_j over Z are equally likely. For h_j all equal, and for m_j well below k nearly
        so, this is the mean over blocks of p_j m_j / (omega_j k).

        ``"paper"``: guesses among ceil(k / m_j) values of every residue, some of which do not exist, and so succeeds less often:
        the mean of p_j / (omega_j ceil(k / m_j)). It says nothing about what an attacker can do.
        """
        if attack not in ("bayes", "paper"):
            raise ValueError(f"attack must be 'bayes' or 'paper', got {attack!r}")
        if attack == "paper":
            each = [d.p / (d.omega * -(-self.k // d.m)) for d in self.designs]
        else:
            each = [_best_guess(d, self.k) for d in self.designs]
        return math.fsum(share * success for share, success in zip(self.shares, each, strict=True))

    def variance(self, f: Any = 0.0, n: int = 1) -> Any:
        """Variance of estimates from `n` reports that fall into blocks by their shares.

        For a number, of a value with that frequency, the others being spread evenly, in the mean over values. For an array
        f64[k], of each value where those are the frequencies of all. As of `covariance.item_variances`.
        """
        import numpy as np

        from pyalgo_privacy.covariance import item_variances, mean_variance

        reports = n * np.array(self.shares)
        if np.ndim(f) == 0:
            return mean_variance(self, reports, float(f))
        return item_variances(self, reports, np.asarray(f, float))

    def channel(self) -> NDArray[Any]:
        import numpy as np

        rows = np.arange(self.k)
        parts = [
            share * subset_channel(design)[rows % design.m]
            for share, design in zip(self.shares, self.designs, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    # The server's side

    @property
    def _counters(self) -> int:
        return sum(self.moduli)

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.source import for_users
        from pyalgo_privacy.subset_kernels import mss_users

        blocks, rows = np.empty(len(x), np.int64), np.zeros((len(x), self._width), np.uint32)
        table = np.array(self._table, np.int64)
        each = 1 + round(sum(share * d.words for share, d in zip(self.shares, self.designs, strict=True)))
        for_users(lambda words, begin: mss_users(words, begin, x, table, blocks, rows), len(x), each, source)
        return {"block": blocks, "subset": rows}

    def _compact(self, read: Mapping[str, Any]) -> Columns:
        import numpy as np

        from pyalgo_privacy.subset_kernels import set_bits

        block = read["block"]
        self._block.check(block)
        stops = np.array(self.moduli, np.int64)[block]
        return {"block": block, "subset": bits_of_lists("subset", read["subset"], stops, set_bits, self._width)}

    def _expand(self, columns: Columns) -> dict[str, Any]:
        return {"block": columns["block"], "subset": lists_of_bits(columns["subset"])}

    def _check(self, columns: Columns) -> None:
        self._block.check(columns["block"])
        for block, rows, places in self._by_block(columns):
            check_subsets("subset", rows, self.designs[block].m, self.designs[block].omega, places)

    def _by_block(self, columns: Columns) -> Any:
        """(block, its subsets, their places) for every block that has reports."""
        import numpy as np

        order = np.argsort(columns["block"], kind="stable")
        ends = np.cumsum(np.bincount(columns["block"], minlength=len(self.moduli)))
        for block, end in enumerate(ends):
            places = order[ends[block - 1] if block else 0 : end]
            if len(places):
                yield block, columns["subset"][places], places

    def _write(self, columns: Columns, writer: BitWriter) -> None:
        import numpy as np

        from pyalgo_privacy.subset_kernels import ranks

        self._block.write(columns["block"], writer)
        lengths = np.array([field.bits for field in self._subsets], np.int64)
        numbers = np.zeros((len(columns["block"]), max(1, (int(lengths.max()) + 31) // 32)), np.uint32)
        for block, rows, places in self._by_block(columns):
            of_block = ranks(rows, self.designs[block].m, self.designs[block].omega)
            numbers[places, : of_block.shape[1]] = of_block
        writer.put(numbers, lengths[columns["block"]])

    def _read(self, reader: BitReader, n: int) -> Columns:
        import numpy as np

        from pyalgo_privacy.subset_kernels import subsets

        block = self._block.read(reader, n)
        self._block.check(block)
        lengths = np.array([field.bits for field in self._subsets], np.int64)
        numbers = reader.get(n, lengths[block])
        rows = np.zeros((n, self._width), np.uint32)
        for j, of_block, places in self._by_block({"block": block, "subset": numbers}):
            design = self.designs[j]
            chosen = subsets(of_block[:, : max(1, (int(lengths[j]) + 31) // 32)], design.m, design.omega)
            rows[places, : chosen.shape[1]] = chosen
        return {"block": block, "subset": rows}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        from pyalgo_privacy.kernels import count_bits

        begins = [0, *accumulate(self.moduli)]
        for block, rows, _ in self._by_block(columns):
            count_bits(rows, counts[begins[block] : begins[block + 1]])
            n[block] += len(rows)

    def _estimate(self, counts: NDArray[Any], n: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], int, float]:
        """Weights and variances are those of the reports that came, n_j of block j, not of those expected, n times its share."""
        from pyalgo_privacy.covariance import estimate

        return estimate(self, counts, n)


def read_moduli(moduli: Sequence[int], k: int) -> tuple[int, ...]:
    """`moduli` as a tuple, if they are pairwise coprime and tell k frequencies."""
    numbers = tuple(integer(f"moduli[{i}]", m, 2, 2**31 - 1) for i, m in enumerate(moduli))
    if not 1 <= len(numbers) <= 1024:
        raise ValueError(f"moduli must be 1 to 1024 integers, got {len(numbers)}")
    for i, m in enumerate(numbers):
        for j in range(i):
            if math.gcd(m, numbers[j]) > 1:
                raise ValueError(
                    f"moduli must be pairwise coprime: moduli[{j}] = {numbers[j]} and moduli[{i}] = {m} have the common "
                    f"factor {math.gcd(m, numbers[j])}"
                )
    require_rank(numbers, k)
    return numbers


def require_rank(moduli: Sequence[int], k: int) -> None:
    """`IdentifiabilityError` unless residue histograms modulo `moduli` determine k frequencies (see `residues.rank`)."""
    rank = 1 + sum(m - 1 for m in moduli)
    if rank < k:
        raise IdentifiabilityError(
            f"moduli {[*moduli]} tell {rank} frequencies, not k = {k}: sum(m - 1) + 1 must be at least k "
            "(that their product is, is not enough)"
        )


def share_ends(weights: Sequence[float] | None, l: int) -> tuple[int, ...]:  # noqa: E741
    """Where each block's share of [2^32) ends."""
    given = [1.0] * l if weights is None else [*weights]
    if len(given) != l:
        raise ValueError(f"block_weights must be as many as the moduli, {l}, got {len(given)}")
    for i, weight in enumerate(given):
        if not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise ValueError(f"block_weights[{i}] must be a number above 0, got {weight!r}")
    total = math.fsum(given)
    ends = [round(math.fsum(given[: i + 1]) / total * 2**32) for i in range(l)]
    for i, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if begin == end:
            raise ValueError(f"block_weights[{i}] must be at least 2^-32 of their sum, got {given[i]!r}")
    return tuple(ends)


def _best_guess(design: SubsetDesign, k: int) -> float:
    """The best attacker's chance against one block: the value is x in Z mod m with weight p / C(m - 1, omega - 1), so each
    Z adds (1/k) P(Z | a value with a residue in Z), and that does not depend on which: C(m, omega) p / (k C(m - 1, omega - 1)),
    less what is lost to Z without any value of [k]."""
    m, omega, p = design.m, design.omega, design.p
    if m <= k:
        return p * m / (omega * k)
    # Residues k ... m - 1 have no value. A subset of them alone leaves (1 - p) / C(m - 1, omega) for any guess.
    empty = math.exp(log_binomial(m - k, omega) - log_binomial(m, omega)) if m - k >= omega else 0.0
    inside, outside = p * m / omega, (1 - p) * m / (m - omega)
    return (inside * (1 - empty) + outside * empty) / k


def log_binomial(n: int, i: int) -> float:
    """log C(n, i)."""
    return math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
