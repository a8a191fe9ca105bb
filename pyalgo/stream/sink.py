"""Where answers go: one entry a query point, and one an update that settled something where that is wanted."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from pyalgo.stream.job import Job, JobError, StateError, UsageError

__all__ = ["JsonlSink", "Sink", "open_sink", "read_answers", "to_json"]

Entry = Mapping[str, Any]  # seq, rows, offset, and result (an answer) or emission (what an update settled): JSON values


class Sink(Protocol):
    """A sequence of entries that can be cut back to any position it once gave.

    Output and state are made one by the order of things: entries are flushed and synced first, then their position is
    committed with the state; whatever stands behind a committed position after a crash is cut off and written again.
    Raises JobError when writing fails.
    """

    def open(self, position: Any) -> None:
        """Cut everything behind `position` off and go on there; None starts anew. Called before the first entry."""

    def write(self, entry: Entry) -> None: ...

    def flush(self) -> Any:
        """Hand everything to the system and return the position behind it, a JSON value."""

    def sync(self) -> None:
        """Make what was flushed durable; on another thread, while entries are written behind it."""

    def close(self) -> None: ...


def open_sink(job: Job) -> Sink:
    """The sink that the job's URL names; nothing is written yet."""
    url = job.sink
    if url == "-":
        return StdoutSink(sys.stdout)
    if url.endswith((".jsonl", ".ndjson")):
        return JsonlSink(url)
    if url.endswith(".parquet"):
        from pyalgo.stream.sink_tables import ParquetSink

        return ParquetSink(url)
    if url.startswith("sqlite:"):
        from pyalgo.stream.sink_tables import SqliteSink

        return SqliteSink(url, job.digest())
    raise UsageError(
        f"sink {url!r} is of no known kind: give a .jsonl file, a .parquet folder, sqlite:PATH#table, or - for standard output"
    )


def read_answers(job: Job) -> Iterator[dict[str, Any]]:
    """The entries that a job has written to its sink, answers and emissions.

    Raises
    ------
    JobError
        If the sink is gone, or was standard output.
    """
    url = job.sink
    try:
        if url.startswith("sqlite:") or url.endswith(".parquet"):
            from pyalgo.stream import sink_tables

            read = sink_tables.read_sqlite if url.startswith("sqlite:") else sink_tables.read_parquet
            yield from read(url, job.digest())
        elif url == "-":
            raise JobError("the answers went to standard output")
        else:
            with open(url, encoding="utf-8") as file:
                for text in file:
                    if text.endswith("\n"):  # else it is cut off by the next run
                        yield json.loads(text)
    except (OSError, ValueError) as error:
        raise JobError(f"sink {url} cannot be read: {error}") from None


@contextmanager
def writing(url: str) -> Iterator[None]:
    """What the system refuses, as the failure of a job."""
    try:
        yield
    except BrokenPipeError:  # nothing has failed: whoever read the answers has seen enough
        raise
    except OSError as error:
        raise JobError(f"sink {url} cannot be written: {error.strerror or error}") from None


def check_place(url: str, path: str) -> None:
    """Refuse a file that could not be written, before anything is read."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise JobError(f"sink {url}: there is no directory {folder}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise JobError(f"sink {url} cannot be written: permission denied")


class JsonlSink:
    """A file of JSON lines; the position is its size in bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: Any = None
        if Path(path).is_dir():
            raise JobError(f"sink {path} is a directory, not a file")
        check_place(path, path)

    def open(self, position: Any) -> None:
        size = os.path.getsize(self._path) if os.path.exists(self._path) else 0
        position = position or 0
        if size < position:
            raise StateError(
                f"sink {self._path} has {size} bytes, but the state has written {position}: put the file back, or start "
                "over with --fresh"
            )
        with writing(self._path):
            self._file = open(self._path, "r+b" if os.path.exists(self._path) else "xb")  # noqa: SIM115 (see close)
            self._file.truncate(position)
            self._file.seek(position)

    def write(self, entry: Entry) -> None:
        with writing(self._path):
            self._file.write(line(entry).encode() + b"\n")
            self._file.flush()

    def flush(self) -> int:
        return int(self._file.tell())

    def sync(self) -> None:
        with writing(self._path):
            os.fsync(self._file.fileno())
            if not os.path.exists(self._path) or not os.path.samestat(
                os.stat(self._path), os.fstat(self._file.fileno())
            ):
                raise StateError(
                    f"sink {self._path} was removed or replaced while the run was on: start over with --fresh"
                )

    def close(self) -> None:
        if self._file is not None:
            with writing(self._path):
                self._file.close()


class StdoutSink:
    """Standard output: what is written cannot be taken back, so entries behind the last checkpoint may come twice."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def open(self, position: Any) -> None: ...

    def write(self, entry: Entry) -> None:
        with writing("-"):
            print(line(entry), file=self._stream, flush=True)

    def flush(self) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


def to_json(value: Any) -> Any:
    """`value` as JSON has it: dataclasses and named tuples as objects, arrays as lists; what is not finite is null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray) and (
        value.dtype.kind in "biu" or (value.dtype.kind == "f" and np.isfinite(value).all())
    ):
        return value.tolist()  # needs no look at every entry
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: to_json(entry) for name, entry in zip(value._fields, value, strict=True)}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a result holds {value!r}, which has no JSON form")


def is_empty(emission: Any) -> bool:
    """Whether an emission (as JSON) has lists, and nothing in any of them."""
    lists = [value for value in emission.values() if isinstance(value, list)] if isinstance(emission, dict) else []
    return bool(lists) and not any(lists)


def line(entry: Any) -> str:
    """A JSON value in one line."""
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
