"""The durable state of a job: one SQLite file, one transaction a checkpoint."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyalgo.stream.job import Job, StateError

__all__ = ["Checkpoint", "Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER, digest TEXT, identity TEXT, job TEXT);
CREATE TABLE IF NOT EXISTS checkpoint (
    number INTEGER PRIMARY KEY, source_offset TEXT, rows INTEGER, seq INTEGER, last_line_rows INTEGER, sink INTEGER,
    finished INTEGER, snapshot BLOB);
CREATE TABLE IF NOT EXISTS lease (one INTEGER PRIMARY KEY CHECK (one = 1), pid INTEGER, host TEXT, started TEXT);
"""
_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run goes on from, as of one instant.

    `seq` and `sink` are the number of the last line and the position behind it; `last_line_rows` is the row it stands at.
    """

    source_offset: Any
    rows: int
    seq: int
    last_line_rows: int
    sink: int
    finished: bool
    snapshot: bytes


class Store:
    """One writer's hold on a state file.

    A checkpoint replaces the one before the last in a single transaction (WAL, ``synchronous=FULL``): whatever happens, the
    file holds a whole one. The lease refuses a second writer as long as its holder lives.

    Raises
    ------
    StateError
        If the file is no state, is damaged, is held by another run, or cannot be written.
    """

    def __init__(self, path: str, *, fresh: bool = False) -> None:
        self._path = path
        self._forget = fresh  # what is there, once there is something to put in its place
        self._existed = os.path.exists(path) and os.path.getsize(path) > 0
        if Path(path).is_dir():
            raise StateError(f"state {path} is a directory, not a file")
        if not Path(path).parent.is_dir():
            raise StateError(f"state {path}: there is no directory {Path(path).parent}")
        try:
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._take_lease()
        except sqlite3.Error as error:
            raise self._failed("be opened", error) from None

    def _take_lease(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            holder = self._db.execute("SELECT pid, host FROM lease").fetchone()
            if holder is not None and _alive(*holder):
                raise StateError(
                    f"state {self._path} is in use by process {holder[0]} on {holder[1]}: wait for it, or choose another "
                    "state path"
                )
            self._db.execute(
                "INSERT OR REPLACE INTO lease VALUES (1, ?, ?, datetime('now'))", (os.getpid(), socket.gethostname())
            )
        finally:
            self._db.execute("COMMIT")

    def resume(self, job: Job) -> Checkpoint | None:
        """The last checkpoint of this job; None for a new or fresh state. Refuses the state of another job."""
        if self._forget:
            return None
        try:
            stored = self._db.execute("SELECT format, digest, identity FROM job").fetchone()
            row = self._db.execute(
                "SELECT source_offset, rows, seq, last_line_rows, sink, finished, snapshot FROM checkpoint "
                "ORDER BY number DESC LIMIT 1"
            ).fetchone()
        except sqlite3.Error as error:
            raise self._failed("be read", error) from None
        if stored is None or row is None:
            return None
        if stored[0] != _FORMAT:
            raise StateError(f"state {self._path} has format {stored[0]}, this pyalgo reads {_FORMAT}")
        if stored[1] != job.digest():
            differing = "; ".join(_differences(json.loads(stored[2]), job.identity()))
            raise StateError(
                f"state {self._path} is of another job ({differing}): use another path, or --fresh to start over"
            )
        offset, rows, seq, last_line_rows, sink, finished, snapshot = row
        return Checkpoint(json.loads(offset), rows, seq, last_line_rows, sink, bool(finished), snapshot)

    def commit(self, job: Job, checkpoint: Checkpoint) -> None:
        """Make `checkpoint` the state; the one before it is kept, older ones go."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._forget:
                self._db.execute("DELETE FROM checkpoint")
            self._db.execute(
                "INSERT OR REPLACE INTO job VALUES (1, ?, ?, ?, ?)",
                (_FORMAT, job.digest(), json.dumps(job.identity(), sort_keys=True), job.to_json()),
            )
            self._db.execute(
                "INSERT INTO checkpoint (source_offset, rows, seq, last_line_rows, sink, finished, snapshot) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    json.dumps(checkpoint.source_offset),
                    checkpoint.rows,
                    checkpoint.seq,
                    checkpoint.last_line_rows,
                    checkpoint.sink,
                    checkpoint.finished,
                    checkpoint.snapshot,
                ),
            )
            self._db.execute("DELETE FROM checkpoint WHERE number <= (SELECT max(number) FROM checkpoint) - 2")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed("be written", error) from None
        self._forget = False

    def close(self) -> None:
        """Let go of the state; a file that was made for this run and holds no checkpoint is removed."""
        try:
            self._db.execute("DELETE FROM lease")
            empty = self._db.execute("SELECT count(*) FROM checkpoint").fetchone()[0] == 0
        except sqlite3.Error:  # the disk may have gone; the lease then dies with this process
            empty = False
        self._db.close()
        if empty and not self._existed:
            for suffix in ("", "-wal", "-shm"):
                Path(self._path + suffix).unlink(missing_ok=True)

    def _failed(self, what: str, error: sqlite3.Error) -> StateError:
        if isinstance(error, sqlite3.OperationalError):
            return StateError(f"state {self._path} cannot {what}: {error}")
        return StateError(f"state {self._path} cannot {what}: it is not a pyalgo state or is damaged ({error})")


def _alive(pid: int, host: str) -> bool:
    """Whether the process is there; one on another host may be, so it counts."""
    if host != socket.gethostname():
        return True
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            text
            for key in sorted({*old, *new})
            for text in _differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else key)
        ]
    return [] if old == new else [f"{prefix} was {json.dumps(old)}, is {json.dumps(new)}"]
