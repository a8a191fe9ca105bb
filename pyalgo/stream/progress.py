"""What a person sees of a run, on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from pyalgo.stream.runner import Status

__all__ = ["Progress", "size"]


class Progress:
    """Two lines that are redrawn in place on standard error: how far the run is, and the last answer, in full at the end.

    With rich installed; without it the first line alone.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._first_rows: int | None = None
        self._last: Status | None = None
        self._live: Any = None
        try:
            from rich.console import Console
            from rich.live import Live
        except ImportError:
            return
        self._live = Live(console=Console(stderr=True), refresh_per_second=10, transient=False)

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is not None:
            self._draw(self._last, whole=True)
        if self._live is not None:
            self._live.stop()
        elif self._last is not None:
            print(file=sys.stderr)

    def watch(self, status: Status) -> None:
        """Show `status`, at most ten times a second."""
        self._last = status
        if self._first_rows is None:
            self._first_rows = status.rows
        if time.monotonic() - self._drawn >= 0.1:
            self._draw(status)

    def _draw(self, status: Status, *, whole: bool = False) -> None:
        self._drawn = time.monotonic()
        seconds = max(self._drawn - self._begun, 1e-9)
        parts = [f"{status.rows:,} rows", f"{(status.rows - (self._first_rows or 0)) / seconds:,.0f} rows/s"]
        if status.share is not None:
            parts.append(f"{status.share:.0%}")
        if status.state_bytes:
            parts.append(f"state {size(status.state_bytes)}")
        if status.rejected:
            parts.append(f"{status.rejected:,} left out")
        line = "   ".join(parts)
        if self._live is None:
            print(f"\r{line:<70.70}", end="", file=sys.stderr, flush=True)
            return
        from rich.console import Group
        from rich.text import Text

        answer = "" if status.result is None else shown(status.result)
        self._live.update(Group(Text(line, style="bold"), Text(answer, no_wrap=not whole, overflow="ellipsis")))


def shown(result: Any, width: int = 400) -> str:
    """An answer in one line."""
    text = " ".join(str(result).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def size(n: int) -> str:
    """Bytes as a person reads them."""
    amount = float(n)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
