"""What all frequency oracles have in common; standard library only, so that it runs on a device."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pyalgo_privacy.errors import InvalidReport
from pyalgo_privacy.fields import Field
from pyalgo_privacy.words import SecretWords

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo.arrays import Column
    from pyalgo_privacy.aggregator import Aggregator
    from pyalgo_privacy.reports import BitReader, BitWriter, Reports
    from pyalgo_privacy.source import WordSource

    Columns = Mapping[str, NDArray[Any]]  # of many reports, in the compact form of `Reports`

__all__ = ["Coded", "FrequencyOracle", "Message", "Pure", "PureOracle", "integer"]


@dataclass(frozen=True)
class Message:
    """One report of one user.

    Attributes
    ----------
    columns : dict
        What it says, as a row for `Aggregator.update`: one entry a column of the oracle.
    digest : str
        Of the parameters it was made with; a row may carry it in a column of this name.
    payload : int
    bits : int
        What is sent: `payload`, in exactly `bits` bits.
    """

    columns: dict[str, int | list[int]]
    digest: str
    payload: int
    bits: int

    def to_bytes(self) -> bytes:
        """The payload in whole bytes, little-endian."""
        return self.payload.to_bytes((self.bits + 7) // 8, "little")


class Coded:
    """What has reports that consist of fields, each of which is sent as its bits."""

    fields: tuple[Field, ...]  # one a column

    def encode(self, columns: Mapping[str, Any]) -> tuple[int, int]:
        """(payload, bits) of a report: its fields, the first one in the lowest bits."""
        payload = bits = 0
        for field in self.fields:
            payload |= field.encode(columns[field.name]) << bits
            bits += field.bits
        return payload, bits

    def decode(self, message: bytes) -> dict[str, int | list[int]]:
        """The columns of the report that was sent as `message`; `InvalidReport` if it is none."""
        payload, columns = int.from_bytes(message, "little"), {}
        bits = sum(field.bits for field in self.fields)
        if len(message) != (bits + 7) // 8 or payload >> bits:
            raise InvalidReport(
                f"a report is {bits} bits in {(bits + 7) // 8} bytes, got {len(message)}: {message[:16]!r}"
            )
        for field in self.fields:
            columns[field.name] = field.decode(payload & ((1 << field.bits) - 1))
            payload >>= field.bits
        return columns


class FrequencyOracle(Coded, ABC):
    """A randomizer for one value of [k], and what the server must know of it.

    Parameters
    ----------
    k : int
        Size of the domain, at least 2; values are 0 to k - 1.
    eps : float
        Privacy budget: no output is more than e^eps times as likely under one value as under another.
    seed : int, optional
        For tests and simulations alone: noise that can be repeated protects nobody. It makes the oracle `insecure`, and
        its reports are refused by aggregators that do not expect such ones.

    Raises
    ------
    ValueError
        For parameters out of range.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, tuple[str, str]]]  # of its reports, as `pyalgo.Algorithm.columns`

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        self.k = integer("k", k, 2, 2**31 - 1)
        if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps <= 40:
            raise ValueError(f"eps must be a number above 0 and at most 40, got {eps!r}")
        self.eps = float(eps)
        self.insecure = seed is not None
        self._seed = seed
        self._source: WordSource | None = None

    @property
    def params(self) -> dict[str, Any]:
        """What an equal oracle is made from, but for the seed; JSON values."""
        return {"k": self.k, "eps": self.eps}

    @property
    def _protocol(self) -> dict[str, Any]:
        """The parameters that clients and server must agree in."""
        return self.params

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for the protocol, its parameters and whether its noise is secret."""
        identity = {"oracle": self.name, "insecure": self.insecure, **self._protocol}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{type(self).__name__}({shown}{', insecure' if self.insecure else ''})"

    def client(self, x: int, words: Sequence[int] | None = None) -> Message:
        """The report of a user whose value is `x`; from secret words of the operating system where none are given."""
        x = integer("x", x, 0, self.k - 1)
        if words is None:
            if self.insecure:
                raise ValueError("a seeded oracle has no secret words: give words=, or make one without seed=")
            words = SecretWords()
        columns = self.sample(words, x)
        payload, bits = self.encode(columns)
        return Message(columns, self.digest, payload, bits)

    def randomize(self, x: Any) -> Reports:
        """The reports of many users, `x` an int64[n] of their values; each call of a seeded oracle goes on in its stream."""
        from pyalgo.arrays import read_batch
        from pyalgo_privacy.reports import Reports
        from pyalgo_privacy.source import WordSource

        read: Mapping[str, Any] = read_batch({"x": ("int64", "")}, {"x": x}, {})
        values = read["x"]
        wrong = ((values < 0) | (values >= self.k)).nonzero()[0]
        if len(wrong):
            raise ValueError(f"x must be from 0 to {self.k - 1}, got {values[wrong[0]]} at {wrong[0]}")
        if self._source is None:
            self._source = WordSource(self._seed)
        return Reports(self, self._draw(values, self._source))

    def aggregator(self) -> Aggregator:
        """An empty aggregator for reports of this oracle."""
        from pyalgo_privacy.aggregator import aggregator_of

        return aggregator_of(self)

    @abstractmethod
    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        """The columns of a report for `x`, drawn from `words`."""

    def message_bits(self) -> float:
        """Bits of a report; the expectation where they vary."""
        return float(sum(field.bits for field in self.fields))

    @abstractmethod
    def variance(self, f: Any = 0.0, n: int = 1) -> Any:
        """Variance of the estimate of a value with frequency `f` (number or array) from `n` reports."""

    @abstractmethod
    def attack_success(self, attack: str = "bayes") -> float:
        """The chance that who sees one report guesses a value drawn uniformly; of the best attacker (``"bayes"``)."""

    @abstractmethod
    def channel(self) -> NDArray[Any]:
        """f64[k, outputs]: the probabilities of all outputs as sampled, by their thresholds. For small domains."""

    # The server's side. Compact columns are those of `Reports`.

    _blocks = 1  # groups of reports that are counted apart

    @property
    def _counters(self) -> int:
        """How many counts an aggregator keeps."""
        return self.k

    @abstractmethod
    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        """Reports of many users."""

    def _compact(self, read: Mapping[str, Column]) -> Columns:
        """Compact columns of a checked batch."""
        return {field.name: field.compact(read[field.name]) for field in self.fields}

    def _expand(self, columns: Columns) -> dict[str, Any]:
        """The opposite of `_compact`."""
        return {field.name: field.expand(columns[field.name]) for field in self.fields}

    def _check(self, columns: Columns) -> None:
        """`InvalidReport` unless all reports could have been sent."""
        for field in self.fields:
            field.check(columns[field.name])

    def _write(self, columns: Columns, writer: BitWriter) -> None:
        """All reports, field by field."""
        for field in self.fields:
            field.write(columns[field.name], writer)

    def _read(self, reader: BitReader, n: int) -> Columns:
        """The opposite of `_write`, unchecked."""
        return {field.name: field.read(reader, n) for field in self.fields}

    @abstractmethod
    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        """Add checked reports to the counts, and their number, by block, to `n`."""

    @abstractmethod
    def _estimate(self, counts: NDArray[Any], n: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], int, float]:
        """(frequencies, standard errors, iterations, residual) from the counts."""

    def _bayes_step(self, freq: NDArray[Any], counts: NDArray[Any], n: int) -> NDArray[Any]:
        """One step of expectation maximisation, for oracles whose counts are those of all possible reports."""
        raise ValueError(
            f"postprocess='ibu' needs the count of every possible report, and {self.name} has too many of them: "
            "use 'norm-sub'"
        )


class Pure:
    """What has a report that supports some values: the true one with probability `p`, any other with `q`.

    The share of reports that support v is g = q + f (p - q) on average, so (share - q) / (p - q) estimates f without bias,
    with variance g (1 - g) / (n (p - q)^2). Wang, Blocki, Li, Jha: "Locally Differentially Private Protocols for Frequency
    Estimation", USENIX Security 2017.
    """

    p: float
    q: float

    def variance(self, f: Any = 0.0, n: Any = 1) -> Any:
        g = self.q + f * (self.p - self.q)
        return g * (1 - g) / (n * (self.p - self.q) ** 2)

    def _supports(self, counts: NDArray[Any]) -> NDArray[Any]:
        """How many reports support each value."""
        return counts

    def _estimate(self, counts: NDArray[Any], n: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], int, float]:
        total = int(n.sum())
        freq = (self._supports(counts) / total - self.q) / (self.p - self.q)
        return freq, self.variance(freq.clip(0, 1), total) ** 0.5, 0, 0.0


class PureOracle(Pure, FrequencyOracle):
    """A frequency oracle whose reports support values."""


def integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int, if it is one from `low` to `high`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"{name} must be an integer from {low} to {high}, got {value!r}")
    value = value.__index__()
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    return int(value)


def bayes_success(channel: NDArray[Any]) -> float:
    """The best guess from one output of `channel`, values being uniform: the mean over rows of the largest of a column."""
    return math.fsum(channel.max(axis=0)) / len(channel)
