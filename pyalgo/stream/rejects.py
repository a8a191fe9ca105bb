"""The side file of rows that were left out."""

from __future__ import annotations

import os

from pyalgo.stream.sink import JsonlSink

__all__ = ["Rejects"]


class Rejects:
    """One line a rejected row: its place, the reason, and the row as it came. There is no file where there is none.

    It is cut back to a checkpoint as the sink is, so every rejected row is there once.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self._sink: JsonlSink | None = None

    def open(self, position: int) -> None:
        """Cut off what stands behind `position`; 0 forgets an earlier run's file."""
        if position:
            self._sink = JsonlSink(self.path)
            self._sink.open(position)
        elif os.path.isfile(self.path):
            os.remove(self.path)

    def add(self, place: str, reason: str, row: str) -> None:
        if self._sink is None:
            self._sink = JsonlSink(self.path)
            self._sink.open(0)
        self._sink.write({"place": place, "reason": reason, "row": row.strip()})
        self.count += 1

    @property
    def position(self) -> int:
        return self._sink.flush() if self._sink is not None else 0

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()

    def sync(self) -> None:
        if self._sink is not None:
            self._sink.sync()
