"""Answers as tables: a folder of Parquet files, or a table of an SQLite database."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pyalgo.stream.job import JobError, StateError, UsageError
from pyalgo.stream.sink import Entry, check_place, line, writing

__all__ = ["ParquetSink", "SqliteSink", "read_parquet", "read_sqlite"]

_PART = re.compile(r"part-(\d{6})\.parquet")


class ParquetSink:
    """A folder of numbered Parquet files, one a checkpoint with answers; the position is the number of files.

    Columns: seq, rows, offset, result and emission (all three JSON; of the last two one is null), and each number of the
    result as a float64 column of its own, as the first answer in the folder's first file has them.
    """

    def __init__(self, path: str) -> None:
        try:
            import pyarrow.parquet
        except ImportError:
            raise JobError('writing Parquet needs pyarrow: pip install "pyalgo[cli]"') from None
        self._pa: Any = pyarrow
        self._path = path
        self._parts = 0
        self._waiting: list[Entry] = []
        self._unsynced: list[str] = []
        self._numbers: list[str] | None = None
        if os.path.exists(path) and not os.path.isdir(path):
            raise JobError(f"sink {path} is a file: a Parquet sink is a folder of files")
        check_place(path, path)

    def open(self, position: Any) -> None:
        self._parts = position or 0
        with writing(self._path):
            os.makedirs(self._path, exist_ok=True)
            parts = _parts(self._path)
            if len(parts) < self._parts:
                raise StateError(
                    f"sink {self._path} has {len(parts)} parts, but the state has written {self._parts}: put them back, or "
                    "start over with --fresh"
                )
            for name in parts[self._parts :]:
                os.remove(os.path.join(self._path, name))
        if self._parts:
            schema = self._pa.parquet.read_schema(os.path.join(self._path, parts[0]))
            self._numbers = schema.names[5:]

    def write(self, entry: Entry) -> None:
        self._waiting.append(entry)

    def flush(self) -> int:
        if self._waiting:
            if self._numbers is None:
                self._numbers = _numbers(next((entry["result"] for entry in self._waiting if "result" in entry), None))
            part = os.path.join(self._path, f"part-{self._parts + 1:06}.parquet")
            with writing(self._path):
                self._pa.parquet.write_table(self._table(), part)
            self._unsynced.append(part)
            self._waiting = []
            self._parts += 1
        return self._parts

    def _table(self) -> Any:
        pa = self._pa
        results = [entry.get("result") for entry in self._waiting]
        columns = {
            "seq": pa.array([entry["seq"] for entry in self._waiting], pa.int64()),
            "rows": pa.array([entry["rows"] for entry in self._waiting], pa.int64()),
            "offset": pa.array([line(entry["offset"]) for entry in self._waiting], pa.string()),
            "result": pa.array([_text(entry, "result") for entry in self._waiting], pa.string()),
            "emission": pa.array([_text(entry, "emission") for entry in self._waiting], pa.string()),
        }
        for name in self._numbers or ():
            values = [result.get(name) if isinstance(result, dict) else None for result in results]
            floats = [float(value) if isinstance(value, int | float) else None for value in values]
            columns[name] = pa.array(floats, pa.float64())
        return pa.table(columns)

    def sync(self) -> None:
        unsynced, self._unsynced = self._unsynced, []
        with writing(self._path):
            for path in (*unsynced, self._path):
                if not os.path.exists(path):
                    raise StateError(f"{path} was removed while the run was on: start over with --fresh")
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def close(self) -> None: ...


def _numbers(result: Any) -> list[str]:
    """The fields of a result that become columns: numbers, and what may be one later."""
    if not isinstance(result, dict):
        return []
    names = [name for name, value in result.items() if value is None or isinstance(value, int | float)]
    return [name for name in names if name not in ("seq", "rows", "offset", "result", "emission")]


def _parts(path: str) -> list[str]:
    return sorted(name for name in os.listdir(path) if _PART.fullmatch(name))


def read_parquet(path: str, job: str) -> Iterator[dict[str, Any]]:
    """The answers in a folder of parts."""
    import pyarrow.parquet

    for name in _parts(path):
        for row in pyarrow.parquet.read_table(os.path.join(path, name)).to_pylist():
            yield _entry(row["seq"], row["rows"], row["offset"], row["result"], row["emission"])


class SqliteSink:
    """``sqlite:PATH#table``: rows of job, seq, rows, and (as JSON) offset and result or emission, keyed by the first two.

    Several jobs may share the table: `job` is the digest of what a job is. The position is seq.
    """

    def __init__(self, url: str, job: str) -> None:
        self._url = url
        self._path, self._table = _split(url)
        self._job = job
        self._seq = 0
        self._waiting: list[tuple[Any, ...]] = []
        self._db: sqlite3.Connection | None = None
        check_place(url, self._path)

    def open(self, position: Any) -> None:
        self._seq = position or 0
        try:
            self._db = sqlite3.connect(self._path, timeout=30)
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} "
                "(job TEXT, seq INTEGER, rows INTEGER, offset TEXT, result TEXT, emission TEXT, PRIMARY KEY (job, seq))"
            )
            self._db.execute(f"DELETE FROM {self._table} WHERE job = ? AND seq > ?", (self._job, self._seq))
            here = self._db.execute(f"SELECT count(*) FROM {self._table} WHERE job = ?", (self._job,)).fetchone()[0]
            self._db.commit()
        except sqlite3.Error as error:
            raise self._failed(error) from None
        if here < self._seq:
            raise StateError(
                f"sink {self._url} has {here} answers of this job, but the state has written {self._seq}: put them back, or "
                "start over with --fresh"
            )

    def write(self, entry: Entry) -> None:
        self._seq = entry["seq"]
        content = _text(entry, "result"), _text(entry, "emission")
        self._waiting.append((self._job, self._seq, entry["rows"], line(entry["offset"]), *content))

    def flush(self) -> int:
        assert self._db is not None
        try:
            self._db.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?, ?, ?, ?)", self._waiting)
            self._db.commit()
        except sqlite3.Error as error:
            raise self._failed(error) from None
        self._waiting = []
        return self._seq

    def sync(self) -> None:  # a commit is durable
        if not os.path.exists(self._path):
            raise StateError(f"sink {self._url} was removed while the run was on: start over with --fresh")

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _failed(self, error: sqlite3.Error) -> JobError:
        return JobError(f"sink {self._url} cannot be written: {error}")


def _split(url: str) -> tuple[str, str]:
    path, _, table = url.removeprefix("sqlite:").partition("#")
    if not path or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", table):
        raise UsageError(f"sink {url!r} must read sqlite:PATH#table, the table's name of letters, digits and _")
    return path, f'"{table}"'


def read_sqlite(url: str, job: str) -> Iterator[dict[str, Any]]:
    """The answers of a job in a table."""
    path, table = _split(url)
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as db:
            chosen = f"SELECT seq, rows, offset, result, emission FROM {table} WHERE job = ? ORDER BY seq"
            for row in db.execute(chosen, (job,)):
                yield _entry(*row)
    except sqlite3.Error as error:
        raise JobError(f"sink {url} cannot be read: {error}") from None


def _text(entry: Entry, kind: str) -> str | None:
    return line(entry[kind]) if kind in entry else None


def _entry(seq: int, rows: int, offset: str, result: str | None, emission: str | None) -> dict[str, Any]:
    kind, text = ("emission", emission) if result is None else ("result", result)
    return {"seq": seq, "rows": rows, "offset": json.loads(offset), kind: json.loads(text or "null")}
