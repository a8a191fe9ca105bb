"""What a report consists of: fields, each known as a column, as an array, and as bits on the wire.

A field has three forms. In a *row*, as JSON lines and batches hold it, it is an integer or a list of integers. In *compact*
form, for many reports, it is an array: integers, or rows of 32-bit words, lowest bit first. As a *payload* it is an integer
of exactly its bits. Standard library only, but for the methods on arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.errors import InvalidReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.reports import BitReader, BitWriter

__all__ = ["DIGEST", "BitsField", "Field", "IntegerField", "bits_of"]

#: The column of a batch that says whose reports they are.
DIGEST = {"digest": ("str?", "of the parameters that the report was made with: foreign ones are refused")}


def bits_of(n: int) -> int:
    """Bits that tell n things apart: ceil(log2 n)."""
    return (n - 1).bit_length()


class Field(ABC):
    """One entry of a report, called `name`, of `bits` bits."""

    name: str
    bits: int

    @abstractmethod
    def encode(self, value: Any) -> int:
        """The payload of a row's entry."""

    @abstractmethod
    def decode(self, payload: int) -> Any:
        """The row's entry that `payload`, a number of `bits` bits, stands for; `InvalidReport` if for none."""

    @abstractmethod
    def compact(self, column: Any) -> NDArray[Any]:
        """A checked batch's column in compact form; `InvalidReport` where it cannot have one."""

    @abstractmethod
    def expand(self, compact: NDArray[Any]) -> Any:
        """The opposite of `compact`."""

    @abstractmethod
    def check(self, compact: NDArray[Any]) -> None:
        """`InvalidReport` unless a client could have sent each entry."""

    @abstractmethod
    def write(self, compact: NDArray[Any], writer: BitWriter) -> None:
        """All entries as bits."""

    @abstractmethod
    def read(self, reader: BitReader, n: int) -> NDArray[Any]:
        """The opposite of `write`, unchecked."""


class IntegerField(Field):
    """An integer from 0 to stop - 1."""

    def __init__(self, name: str, stop: int) -> None:
        self.name, self.stop, self.bits = name, stop, bits_of(stop)

    def encode(self, value: int) -> int:
        return value

    def decode(self, payload: int) -> int:
        if payload >= self.stop:
            raise InvalidReport(f"{self.name} must be from 0 to {self.stop - 1}, got {payload}")
        return payload

    def compact(self, column: Any) -> NDArray[Any]:
        return column

    def expand(self, compact: NDArray[Any]) -> Any:
        return compact

    def check(self, compact: NDArray[Any]) -> None:
        for row in ((compact < 0) | (compact >= self.stop)).nonzero()[0][:1]:
            raise refused(row, f"{self.name} must be from 0 to {self.stop - 1}, got {compact[row]}")

    def write(self, compact: NDArray[Any], writer: BitWriter) -> None:
        writer.put(compact, self.bits)

    def read(self, reader: BitReader, n: int) -> NDArray[Any]:
        return reader.integers(n, self.bits)


class BitsField(Field):
    """`bits` bits; a list of bytes in a row, eight bits a byte, lowest first."""

    def __init__(self, name: str, bits: int) -> None:
        self.name, self.bits = name, bits
        self.bytes = (bits + 7) // 8

    def encode(self, value: list[int]) -> int:
        return int.from_bytes(bytes(value), "little")

    def decode(self, payload: int) -> list[int]:
        return list(payload.to_bytes(self.bytes, "little"))

    def compact(self, column: Any) -> NDArray[Any]:
        import numpy as np

        lengths = np.diff(column.offsets)
        for row in (lengths != self.bytes).nonzero()[0][:1]:
            raise refused(row, f"{self.name} must be {self.bytes} bytes, got {lengths[row]}")
        padded = np.zeros((len(lengths), 4 * ((self.bits + 31) // 32)), np.uint8)
        padded[:, : self.bytes] = np.asarray(column.values).reshape(-1, self.bytes)
        return padded.view("<u4").astype(np.uint32, copy=False)

    def expand(self, compact: NDArray[Any]) -> Any:
        return compact.astype("<u4", copy=False).view("u1")[:, : self.bytes]

    def check(self, compact: NDArray[Any]) -> None:
        for row in (compact[:, -1] >> (self.bits - 1) % 32 >> 1).nonzero()[0][:1]:
            raise refused(row, f"{self.name} has one set beyond the first {self.bits}")

    def write(self, compact: NDArray[Any], writer: BitWriter) -> None:
        writer.put(compact, self.bits)

    def read(self, reader: BitReader, n: int) -> NDArray[Any]:
        return reader.get(n, self.bits)


def refused(row: int, what: str) -> InvalidReport:
    """The error for report `row`; a runner turns its attribute `row` into a line of the input."""
    error = InvalidReport(f"row {row}: {what}")
    error.row = int(row)  # type: ignore[attr-defined]
    return error
