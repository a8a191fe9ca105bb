"""Algorithms of the tests, which `conftest.toys` registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pyalgo import Algorithm, snapshot


class Chunk(NamedTuple):
    start: int
    positions: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Seen:
    n_seen: int
    total: int


class Matches(Algorithm):
    """Where the pattern comes with at most k mismatches, by the definition; refuses the symbol !."""

    name = "toy.matches"
    columns = {"symbol": ("int64", "a byte")}  # noqa: RUF012

    def __init__(self, pattern: str, k: int) -> None:
        self.pattern, self.k = pattern, k
        self.n_seen = self.total = 0
        self._last = b""

    def update(self, batch: Any = None, /, **columns: Any) -> Chunk:
        symbols = np.asarray((batch or columns)["symbol"])
        if len(wrong := np.flatnonzero(symbols == ord("!"))):
            raise ValueError(f"symbol must be none of !, got {chr(symbols[wrong[0]])}")
        text = self._last + symbols.astype(np.uint8).tobytes()
        m = len(self.pattern)
        start = self.n_seen - len(self._last)
        windows = [text[i : i + m].decode("latin-1") for i in range(max(0, len(text) - m + 1))]
        counts = [sum(a != b for a, b in zip(window, self.pattern, strict=True)) for window in windows]
        near = [i for i, count in enumerate(counts) if count <= self.k]
        self.n_seen += len(symbols)
        self.total += sum(counts)
        self._last = text[max(0, len(text) - m + 1) :]
        return Chunk(start, np.array([start + i for i in near], dtype=np.int64), np.array([counts[i] for i in near]))

    def query(self) -> Seen:
        return Seen(self.n_seen, self.total)

    def to_bytes(self) -> bytes:
        numbers = np.array([self.n_seen, self.total], dtype="<i8")
        return snapshot.pack(self, numbers.tobytes() + self._last)

    @classmethod
    def from_bytes(cls, data: bytes) -> Matches:
        params, payload = snapshot.unpack(cls, data)
        made = cls(**params)
        made.n_seen, made.total = np.frombuffer(payload[:16], dtype="<i8").tolist()
        made._last = payload[16:]
        return made


class Holding(Matches):
    """The same; it hands out nothing but at the end."""

    name = "toy.holding"

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        super().update(batch, **columns)

    def flush(self) -> dict[str, int]:
        return {"held": self.n_seen}
