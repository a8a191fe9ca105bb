"""Where answers go: one line of JSON a query point."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from pyalgo.stream.job import JobError, StateError, UsageError

__all__ = ["Sink", "open_sink", "to_json"]


class Sink(Protocol):
    """A sequence of lines that can be cut back to any position it once gave.

    Output and state are made one by the order of things: lines are written and synced first, then their position is
    committed with the state; whatever stands behind a committed position after a crash is cut off and written again.
    """

    def open(self, position: int) -> None:
        """Cut everything behind `position` off and go on there; 0 starts anew. Called before the first line."""

    def write(self, line: str) -> None: ...

    def sync(self) -> int:
        """Make what was written durable and return the position behind it."""

    def close(self) -> None: ...


def open_sink(url: str) -> Sink:
    """The sink that `url` names: a .jsonl file, or ``-`` for standard output."""
    if url == "-":
        return StdoutSink(sys.stdout)
    if url.endswith((".jsonl", ".ndjson")):
        return JsonlSink(url)
    raise UsageError(f"sink {url!r} is of no known kind: give a .jsonl file, or - for standard output")


class JsonlSink:
    """A file of JSON lines; the position is its size in bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: Any = None
        folder = Path(path).parent
        if Path(path).is_dir():
            raise JobError(f"sink {path} is a directory, not a file")
        if not folder.is_dir():
            raise JobError(f"sink {path}: there is no directory {folder}")
        if not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise JobError(f"sink {path} cannot be written: permission denied")

    def open(self, position: int) -> None:
        size = os.path.getsize(self._path) if os.path.exists(self._path) else 0
        if size < position:
            raise StateError(
                f"sink {self._path} has {size} bytes, but the state has written {position}: put the file back, or start "
                "over with --fresh"
            )
        self._file = open(self._path, "r+b" if os.path.exists(self._path) else "xb")  # noqa: SIM115 (closed by close)
        self._file.truncate(position)
        self._file.seek(position)

    def write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def sync(self) -> int:
        os.fsync(self._file.fileno())
        return int(self._file.tell())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class StdoutSink:
    """Standard output: what is written cannot be taken back, so lines behind the last checkpoint may come twice."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def open(self, position: int) -> None: ...

    def write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def sync(self) -> int:
        return 0

    def close(self) -> None: ...


def to_json(value: Any) -> Any:
    """`value` as JSON has it: dataclasses as objects, arrays as lists; what is not finite is null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a result holds {value!r}, which has no JSON form")


def line(**entry: Any) -> str:
    """One line of the sink."""
    return json.dumps({key: to_json(value) for key, value in entry.items()}, separators=(",", ":"), ensure_ascii=False)
