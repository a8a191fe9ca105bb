"""Counting distinct keys with the k minimum values of a hash."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyalgo import Algorithm, SnapshotError, snapshot
from pyalgo.arrays import read_batch


@dataclass(frozen=True)
class Distinct:
    """How many different keys there were, and how far off that may be (one standard error; 0 when it is exact)."""

    count: float
    standard_error: float
    exact: bool


class DistinctCount(Algorithm):
    """The number of distinct keys of a stream, in O(k) memory.

    Of 64-bit hashes of the keys the k smallest are kept. Fewer than k: the count is exact. Else it is
    (k - 1) / (k-th smallest, as a share of the range), unbiased, with relative standard error about 1 / sqrt(k - 2).
    Bar-Yossef, Jayram, Kumar, Sivakumar, Trevisan: "Counting Distinct Elements in a Data Stream", RANDOM 2002.

    Parameters
    ----------
    k : int
        Hashes to keep, at least 3.
    """

    name = "template.distinct"
    columns = {"key": ("int64|str", "what is counted once")}  # noqa: RUF012

    def __init__(self, *, k: int = 1024) -> None:
        if k < 3:
            raise ValueError(f"k must be at least 3, got {k}")
        self.k = k
        self.n_seen = 0
        self._least: set[int] = set()

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        keys: Any = read_batch(self.columns, batch, columns)["key"]  # an int64 array, or a list of str
        hashes = {_hash(key) for key in (keys.tolist() if isinstance(keys, np.ndarray) else keys)}
        self._least = set(sorted(self._least | hashes)[: self.k])
        self.n_seen += len(keys)

    def query(self) -> Distinct:
        if len(self._least) < self.k:
            return Distinct(float(len(self._least)), 0.0, exact=True)
        count = (self.k - 1) * 2.0**64 / max(self._least)
        return Distinct(count, count / math.sqrt(self.k - 2), exact=False)

    def merge(self, other: DistinctCount) -> None:
        if other.k != self.k:
            raise ValueError(f"cannot merge k = {other.k} into k = {self.k}: they must be equal")
        self._least = set(sorted(self._least | other._least)[: self.k])
        self.n_seen += other.n_seen

    def to_bytes(self) -> bytes:
        return snapshot.pack(self, np.array([self.n_seen, *sorted(self._least)], dtype="<u8").tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> DistinctCount:
        params, payload = snapshot.unpack(cls, data)
        if len(payload) % 8 or len(payload) < 8:
            raise SnapshotError(f"payload of {len(payload)} bytes is not a row of 64-bit numbers")
        loaded = cls(**params)
        loaded.n_seen, *least = np.frombuffer(payload, dtype="<u8").tolist()
        loaded._least = set(least)
        return loaded


def _hash(key: int | str) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little")
