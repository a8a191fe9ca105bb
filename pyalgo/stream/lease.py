"""Who writes to a state: one run at a time."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from pathlib import Path

__all__ = ["SCHEMA", "beat", "holder", "let_go", "take"]

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS lease "
    "(one INTEGER PRIMARY KEY CHECK (one = 1), pid INTEGER, host TEXT, started TEXT, beat REAL)"
)
STALE_SECONDS = 60.0  # without a sign of life, a holder on another host counts as dead
_HELD: set[str] = set()  # the states that this process holds


def holder(db: sqlite3.Connection, path: str) -> str:
    """The process that holds the state at `path`, or "" if none does, or none that still lives."""
    row = db.execute("SELECT pid, host, started, beat FROM lease").fetchone()
    if row is None or not (os.path.realpath(path) in _HELD or _alive(*row)):
        return ""
    return f"process {row[0]} on {row[1]}"


def take(db: sqlite3.Connection, path: str) -> None:
    """Make this process the holder; it must have been found that there is none, in the same transaction."""
    row = (os.getpid(), socket.gethostname(), _started(os.getpid()), time.time())
    db.execute("INSERT OR REPLACE INTO lease VALUES (1, ?, ?, ?, ?)", row)
    _HELD.add(os.path.realpath(path))


def beat(db: sqlite3.Connection) -> None:
    """Give a sign of life."""
    db.execute("UPDATE lease SET beat = ?", (time.time(),))


def let_go(db: sqlite3.Connection, path: str) -> None:
    _HELD.discard(os.path.realpath(path))
    db.execute("DELETE FROM lease")


def _alive(pid: int, host: str, started: str, beat: float) -> bool:
    """Whether a holder that is not in this process is there; on another host, whether it was lately."""
    if host != socket.gethostname():
        return time.time() - beat < STALE_SECONDS
    if pid == os.getpid() or _started(pid) != started:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str:
    """When the process was started, where the system tells: numbers of processes are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
