"""The durable state of a job: one SQLite file, one transaction a checkpoint."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyalgo import __version__
from pyalgo.stream import lease
from pyalgo.stream.job import Job, StateError

__all__ = ["Checkpoint", "HistoryRow", "Log", "SavedRun", "Store", "is_state", "read_state"]

_FORMAT = 1
_SCHEMA = f"""
PRAGMA user_version = {_FORMAT};
CREATE TABLE IF NOT EXISTS job (
    one INTEGER PRIMARY KEY CHECK (one = 1), digest TEXT, identity TEXT, tables TEXT, versions TEXT);
CREATE TABLE IF NOT EXISTS checkpoint (number INTEGER PRIMARY KEY, entry TEXT);
CREATE TABLE IF NOT EXISTS snapshot (number INTEGER, piece INTEGER, data BLOB, PRIMARY KEY (number, piece));
CREATE TABLE IF NOT EXISTS history (number INTEGER PRIMARY KEY, rows INTEGER, seconds REAL, state_bytes INTEGER, stall REAL);
CREATE TABLE IF NOT EXISTS log (position INTEGER PRIMARY KEY, behind INTEGER, data BLOB);
{lease.SCHEMA};
"""
_MAGIC = b"SQLite format 3\0"
_PIECE = 4 * 2**20  # of a snapshot: SQLite copies what it is given, and holds up the interpreter meanwhile
_HISTORY = 4096  # rows, at most
_BEAT_SECONDS = lease.STALE_SECONDS / 6


@dataclass
class Checkpoint:
    """Everything that a run goes on from, besides its algorithm, as of one instant.

    `seq` and `sink` are the number of the last answer and the position behind it; `last_line_rows` is the row it stands at.
    `rejected` and `rejects` are the number of rows left out and the position in the file of those; `seconds` is the running
    time since the job's beginning, `stall` how long the loop waited for this checkpoint.
    """

    offset: Any
    fingerprint: str
    rows: int
    seq: int
    last_line_rows: int
    sink: Any
    rejected: int
    rejects: int
    finished: bool
    seconds: float
    stall: float

    @classmethod
    def beginning(cls, offset: Any, fingerprint: str) -> Checkpoint:
        """Before the first row."""
        return cls(offset, fingerprint, 0, 0, 0, None, 0, 0, False, 0.0, 0.0)


@dataclass(frozen=True)
class HistoryRow:
    """What a checkpoint tells about the course of a run."""

    rows: int
    seconds: float
    state_bytes: int
    stall_seconds: float


@dataclass(frozen=True)
class SavedRun:
    """A state file, read without taking hold of it."""

    path: str
    job: dict[str, Any]  # tables, as in a job file
    checkpoint: Checkpoint
    snapshot: bytes
    history: list[HistoryRow]
    versions: dict[str, str]  # of pyalgo, python and numpy, at the last run
    received: int  # lines (rows, of Arrow) of standard input that are safe; 0 for other sources
    holder: str  # the process that holds it, "" if none does


class Store:
    """One writer's hold on a state file.

    A checkpoint replaces the one before the last in a single transaction (WAL, ``synchronous=FULL``): whatever happens, the
    file holds a whole one. It is written by a thread of its own. The lease refuses a second writer as long as its holder
    lives; a holder on another host counts as alive as long as it gives signs of life.

    Raises
    ------
    StateError
        If the file is no state, is damaged, is held by another run, has vanished, or cannot be written.
    """

    def __init__(self, path: str, job: Job, *, fresh: bool = False) -> None:
        self._path = path
        self._job = job
        self._digest = job.digest()
        self._forget = fresh  # what is there, once there is something to put in its place
        self._existed = os.path.exists(path) and os.path.getsize(path) > 0
        self.snapshot_bytes = 0  # of the last checkpoint written
        self._lock = threading.RLock()
        self._beaten = time.monotonic()
        self._writer: threading.Thread | None = None
        self._failure: BaseException | None = None
        if Path(path).is_dir():
            raise StateError(f"state {path} is a directory, not a file")
        if not Path(path).parent.is_dir():
            raise StateError(f"state {path}: there is no directory {Path(path).parent}")
        try:
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _failed(path, "be opened", error) from None
        try:
            _check_schema(path, self._db)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._inode = os.stat(path).st_ino
            self._take_lease()
        except (sqlite3.Error, StateError) as error:
            self._db.close()
            raise error if isinstance(error, StateError) else _failed(path, "be opened", error) from None

    def _take_lease(self) -> None:
        with self._transaction("be opened"):
            holder = lease.holder(self._db, self._path)
            if holder:
                raise StateError(f"state {self._path} is in use by {holder}: wait for it, or choose another state path")
            lease.take(self._db, self._path)

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise _failed(self._path, what, error) from None
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def resume(self) -> tuple[Checkpoint, bytes] | None:
        """The last checkpoint of this job and its snapshot; None for a new or fresh state. Refuses the state of another job."""
        if self._forget:
            return None
        try:
            stored = self._db.execute("SELECT digest, identity FROM job").fetchone()
            if stored is None:
                return None
            if stored[0] != self._digest:
                differing = "; ".join(_differences(json.loads(stored[1]), self._job.identity()))
                raise StateError(
                    f"state {self._path} is of another job ({differing}): use another path, or --fresh to start over"
                )
            return _last_checkpoint(self._db)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise _failed(self._path, "be read", error) from None

    def received(self) -> int:
        """How many lines of text or rows of Arrow batches came through standard input and are safe."""
        if self._forget:
            return 0
        received: int | None = self._db.execute("SELECT max(behind) FROM log").fetchone()[0]
        return received or 0

    def forget_received(self) -> None:
        """Drop what came through standard input, none of which could be taken in: it would stop the corrected job too."""
        with self._transaction("be written"):
            self._db.execute("DELETE FROM log")

    def log(self) -> Log:
        """Where rows that cannot be read again are kept until a checkpoint has them."""
        return Log(self)

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written. Raises what went wrong with the last one."""
        if self._writer is not None and self._writer.is_alive():
            return True
        self.wait()
        return False

    def wait(self) -> None:
        """Until the checkpoint being written is durable. Raises what went wrong with it."""
        if self._writer is not None:
            self._writer.join()
            self._writer = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def begin(self, checkpoint: Checkpoint, frozen: Callable[[], bytes], before: Callable[[], None]) -> None:
        """Call `before` and then make `checkpoint` with its snapshot the state, on another thread."""
        self.wait()

        def write() -> None:
            try:
                before()
                self._commit(checkpoint, frozen())
            except BaseException as error:  # the loop raises it
                self._failure = error

        self._writer = threading.Thread(target=write, name="pyalgo checkpoint")
        self._writer.start()

    def _commit(self, checkpoint: Checkpoint, snapshot: bytes) -> None:
        with self._transaction("be written"):
            if self._forget:
                for table in ("checkpoint", "snapshot", "history", "log"):
                    self._db.execute(f"DELETE FROM {table}")
            self._write_job()
            entry = json.dumps(asdict(checkpoint))
            number = self._db.execute("INSERT INTO checkpoint (entry) VALUES (?)", (entry,)).lastrowid
            assert number is not None
            data = memoryview(snapshot)
            for piece in range(0, len(data), _PIECE):
                self._db.execute("INSERT INTO snapshot VALUES (?, ?, ?)", (number, piece, data[piece : piece + _PIECE]))
            for table in ("checkpoint", "snapshot"):  # the one before is kept, older ones go
                self._db.execute(f"DELETE FROM {table} WHERE number < ?", (number - 1,))
            self._db.execute(
                "INSERT INTO history VALUES (?, ?, ?, ?, ?)",
                (number, checkpoint.rows, checkpoint.seconds, len(data), checkpoint.stall),
            )
            if number % 64 == 0 and self._db.execute("SELECT count(*) FROM history").fetchone()[0] > _HISTORY:
                self._db.execute(
                    "DELETE FROM history WHERE number IN (SELECT number FROM "
                    "(SELECT number, row_number() OVER (ORDER BY number) AS rank FROM history) WHERE rank % 2 = 0)"
                )
            if checkpoint.offset is not None:
                self._db.execute(
                    "DELETE FROM log WHERE position < (SELECT max(position) FROM log WHERE position <= ?)",
                    (Log.position(checkpoint.offset),),
                )
            lease.beat(self._db)
        self._forget = False
        self.snapshot_bytes = len(snapshot)
        self._check_presence()

    def _write_job(self) -> None:
        versions = {"pyalgo": __version__, "python": platform.python_version(), "numpy": np.__version__}
        job = self._job
        row = (self._digest, json.dumps(job.identity(), sort_keys=True), json.dumps(job.tables()), json.dumps(versions))
        self._db.execute("INSERT OR REPLACE INTO job VALUES (1, ?, ?, ?, ?)", row)

    def _check_presence(self) -> None:
        # SQLite writes on into a file that was unlinked, and nobody would ever see it again.
        if not os.path.exists(self._path) or os.stat(self._path).st_ino != self._inode:
            raise StateError(f"state {self._path} was removed or replaced while the run was on: start over")

    def beat(self) -> None:
        """Give a sign of life, now and then."""
        if time.monotonic() - self._beaten > _BEAT_SECONDS and not self.busy:
            self._beaten = time.monotonic()
            with self._transaction("be written"):
                lease.beat(self._db)

    def close(self) -> None:
        """Let go of the state. A file that was made for this run and holds nothing to go on from is removed."""
        if self._writer is not None:
            self._writer.join()
        try:
            lease.let_go(self._db, self._path)
            kept = self._db.execute("SELECT (SELECT count(*) FROM checkpoint) + (SELECT count(*) FROM log)").fetchone()
            empty = kept[0] == 0
        except sqlite3.Error:  # the disk may have gone; the lease then dies with this process
            empty = False
        self._db.close()
        if empty and not self._existed:
            for suffix in ("", "-wal", "-shm"):
                Path(self._path + suffix).unlink(missing_ok=True)


class Log:
    """What came from a source that cannot be read again, kept until a checkpoint has it.

    A position is what the offset counts: bytes of text, or rows of Arrow batches.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def position(offset: Any) -> int:
        """The position that an offset of standard input stands for; for other sources it means nothing."""
        return int(offset.get("row", offset.get("byte", 0))) if isinstance(offset, Mapping) else 0

    def append(self, position: int, behind: int, data: bytes) -> None:
        """Keep `data`, which begins at `position` and ends behind so many lines or rows; durable when it returns."""
        store = self._store
        with store._transaction("be written"):
            if store._forget:
                for table in ("checkpoint", "snapshot", "history", "log"):
                    store._db.execute(f"DELETE FROM {table}")
            store._write_job()
            store._db.execute("INSERT OR REPLACE INTO log VALUES (?, ?, ?)", (position, behind, data))
        store._forget = False

    def entries(self, offset: Any) -> list[tuple[int, bytes]]:
        """What is kept and reaches behind `offset`."""
        if self._store._forget:
            return []
        found: list[tuple[int, bytes]] = self._store._db.execute(
            "SELECT position, data FROM log WHERE position >= "
            "(SELECT coalesce(max(position), 0) FROM log WHERE position <= ?) ORDER BY position",
            (self.position(offset),),
        ).fetchall()
        return found


def is_state(path: str) -> bool:
    """Whether the file is an SQLite database, as states are."""
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_state(path: str) -> SavedRun:
    """The last checkpoint of a state, its job and its history; takes no hold of it and changes nothing.

    Raises
    ------
    StateError
        If the file is missing, no state, or damaged, or holds no checkpoint yet.
    """
    if not os.path.isfile(path):
        raise StateError(f"state {path}: there is no such file")
    try:
        # Without a log beside it nobody is writing, and SQLite need not make one to read.
        mode = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
        db = sqlite3.connect(f"{Path(path).absolute().as_uri()}?{mode}", uri=True, timeout=5)
        try:
            _check_schema(path, db)
            stored = db.execute("SELECT tables, versions FROM job").fetchone()
            last = _last_checkpoint(db)
            if stored is None or last is None:
                raise StateError(f"state {path} holds no checkpoint yet")
            history = db.execute("SELECT rows, seconds, state_bytes, stall FROM history ORDER BY number").fetchall()
            received = db.execute("SELECT max(behind) FROM log").fetchone()[0] or 0
            holder = lease.holder(db, path)
        finally:
            db.close()
        return SavedRun(
            path,
            json.loads(stored[0]),
            *last,
            [HistoryRow(*row) for row in history],
            json.loads(stored[1]),
            received,
            holder,
        )
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise _failed(path, "be read", error) from None


def _last_checkpoint(db: sqlite3.Connection) -> tuple[Checkpoint, bytes] | None:
    row = db.execute("SELECT number, entry FROM checkpoint ORDER BY number DESC LIMIT 1").fetchone()
    if row is None:
        return None
    pieces = db.execute("SELECT data FROM snapshot WHERE number = ? ORDER BY piece", (row[0],))
    checkpoint = Checkpoint(**json.loads(row[1]))
    for name in ("rows", "seq", "last_line_rows", "rejected", "rejects", "sink"):
        value = getattr(checkpoint, name)
        if not (isinstance(value, int) and value >= 0) and not (name == "sink" and value is None):
            raise ValueError(f"{name} is {value!r}")
    return checkpoint, b"".join(data for (data,) in pieces)


def _check_schema(path: str, db: sqlite3.Connection) -> None:
    """Refuse what is no state, before it is used: data of others, and views or triggers that never end."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _FORMAT:
        raise StateError(
            f"state {path} has format {version}, this pyalgo reads up to {_FORMAT}: upgrade pyalgo to read it"
        )
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        expected, found = (set(each.execute("SELECT sql FROM sqlite_master WHERE sql > ''")) for each in (model, db))
    if not found <= expected:
        raise StateError(f"state {path} is a database of something else, not a pyalgo state")


def _failed(path: str, what: str, error: Exception) -> StateError:
    if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
        return StateError(f"state {path} cannot {what}: {error}")
    return StateError(f"state {path} cannot {what}: it is not a pyalgo state or is damaged ({error})")


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            text
            for key in sorted({*old, *new})
            for text in _differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else key)
        ]
    return [] if old == new else [f"{prefix} was {json.dumps(old)}, is {json.dumps(new)}"]
