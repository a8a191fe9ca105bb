"""Reports of many users as arrays, and as bytes of exactly the bits that were promised."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo_privacy.errors import InvalidReport, ProtocolMismatch
from pyalgo_privacy.kernels import get_bits, put_bits
from pyalgo_privacy.oracle import FrequencyOracle

__all__ = ["BitReader", "BitWriter", "Reports", "decode_reports", "encode_reports"]

_HEADER = struct.Struct("<4sB8sQQI")  # magic, version, digest, reports, bits, CRC-32 of what follows
_MAGIC = b"\x89pfr"


@dataclass(frozen=True)
class Reports:
    """Reports of one oracle, in compact form.

    Attributes
    ----------
    oracle : FrequencyOracle
        Whose reports they are; aggregators of other parameters refuse them.
    columns : dict of array
        One entry a report. Bits are rows of 32-bit words, lowest bit first.
    """

    oracle: FrequencyOracle
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def digest(self) -> str:
        """Of the parameters they were made with."""
        return self.oracle.digest

    @property
    def insecure(self) -> bool:
        """Whether their noise can be repeated."""
        return self.oracle.insecure

    def batch(self) -> dict[str, Any]:
        """The same reports as a batch of the aggregator's columns, as JSON lines and tables hold them, with the digest."""
        return {**self.oracle._expand(self.columns), "digest": [self.digest] * len(self)}


def encode_reports(reports: Reports) -> bytes:
    """A header of 33 bytes, and of each report exactly the bits of its message."""
    writer = BitWriter()
    reports.oracle._write(reports.columns, writer)
    body = writer.words.tobytes()[: (writer.bits + 7) // 8]
    head = _HEADER.pack(_MAGIC, 1, bytes.fromhex(reports.digest), len(reports), writer.bits, zlib.crc32(body))
    return head + body


def decode_reports(data: bytes, oracle: FrequencyOracle) -> Reports:
    """The reports that `encode_reports` made `data` of.

    Raises
    ------
    InvalidReport
        If the bytes are not whole, or hold what no client sends.
    ProtocolMismatch
        If they were made with other parameters than those of `oracle`.
    """
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise InvalidReport(f"no reports: they begin with {_MAGIC!r} and a header of {_HEADER.size} bytes")
    _, version, digest, n, bits, crc = _HEADER.unpack_from(data)
    if version != 1:
        raise InvalidReport(f"reports have format version {version}, this pyalgo-privacy reads version 1: upgrade it")
    if digest.hex() != oracle.digest:
        raise ProtocolMismatch(f"reports have digest {digest.hex()}, those of {oracle!r} have {oracle.digest}")
    body = data[_HEADER.size :]
    if len(body) != (bits + 7) // 8 or n > bits:
        raise InvalidReport(f"{n} reports of {bits} bits in all, but {len(body)} bytes follow the header")
    if zlib.crc32(body) != crc:
        raise InvalidReport("reports were altered: their checksum does not match")
    reader = BitReader(body, bits)
    columns = oracle._read(reader, n)
    if reader.at != bits:
        raise InvalidReport(f"{n} reports take {reader.at} bits, not {bits}")
    oracle._check(columns)
    return Reports(oracle, columns)


class BitWriter:
    """Fields of any number of bits, one after the other."""

    def __init__(self) -> None:
        self.words = np.zeros(0, "<u4")
        self.bits = 0

    def put(self, rows: NDArray[Any], widths: int | NDArray[np.int64]) -> None:
        """The first `widths` bits of each row: integers, or rows of 32-bit words."""
        if rows.ndim == 1:
            rows = rows.astype("<u8").view("<u4").reshape(-1, 2)
        each = np.broadcast_to(np.asarray(widths, np.int64), len(rows))
        total = self.bits + int(each.sum())
        words = np.zeros((total + 31) // 32, "<u4")
        words[: len(self.words)] = self.words
        put_bits(rows, each, self.bits, words)
        self.words, self.bits = words, total


class BitReader:
    """Reads what a `BitWriter` wrote; never beyond the end."""

    def __init__(self, data: bytes, bits: int) -> None:
        self._words = np.frombuffer(data + bytes(-len(data) % 4), "<u4")
        self._bits = bits
        self.at = 0

    def get(self, n: int, widths: int | NDArray[np.int64]) -> NDArray[np.uint32]:
        """The next `n` fields as rows of 32-bit words."""
        each = np.broadcast_to(np.asarray(widths, np.int64), n)
        total = widths * n if isinstance(widths, int) else int(each.sum())
        if total > self._bits - self.at:
            raise InvalidReport(f"{n} reports want {total} bits where {self._bits - self.at} are left")
        widest = (widths if isinstance(widths, int) else int(each.max(initial=0))) + 31
        rows = np.zeros((n, max(widest // 32, 1)), np.uint32)
        self.at = get_bits(self._words, self.at, each, rows)
        return rows

    def integers(self, n: int, width: int) -> NDArray[np.int64]:
        """The next `n` fields as integers of `width` bits, at most 62."""
        rows = self.get(n, width).astype(np.int64)
        return rows[:, 0] if width <= 32 else rows[:, 0] | (rows[:, 1] << 32)
