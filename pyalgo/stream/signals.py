"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Stop", "stop_signals"]


class Stop:
    """Whether a signal has come, and which. They wait for a batch to be taken in, but not for one to arrive."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._at_once = False

    def handle(self, signum: int, frame: Any) -> None:
        self.signum = signum
        if self._at_once:
            raise KeyboardInterrupt

    @contextmanager
    def now(self) -> Iterator[None]:
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGINT and SIGTERM are heeded inside; elsewhere than in the main thread, or on Windows, they do what they always do."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
