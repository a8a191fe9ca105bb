"""Python iterables."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pyalgo.arrow import is_arrow
from pyalgo.stream.job import DataError, JobError, UsageError
from pyalgo.stream.source import Batch

__all__ = ["PythonSource"]

Schema = Mapping[str, tuple[str, str]]


class PythonSource:
    """What ``python:module:callable`` yields: rows (mappings of single values) or batches (mappings of columns).

    The working directory can be imported from. To resume, the callable is called again and the rows read before are passed
    over, so it must yield the same ones.
    """

    def __init__(self, url: str, schema: Schema, columns: dict[str, str] | None) -> None:
        self._url = url
        self._schema = schema
        self._columns = columns
        module, _, attribute = url.removeprefix("python:").partition(":")
        if not module or not attribute:
            raise UsageError(f"source {url!r} must read python:module:callable")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            self._make = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise JobError(f"source {url} cannot be imported: {type(error).__name__}: {error}") from error
        self._error: DataError | None = None
        self._start()

    def _start(self) -> None:
        self.offset: Any = 0
        self._pieces = self._yielded()
        self._pending: tuple[Any, int] | None = None

    def _yielded(self) -> Iterator[tuple[Any, int]]:
        """Pieces of the stream with their numbers of rows; single rows as batches of one."""
        try:
            for given in self._make():
                if is_arrow(given):
                    yield given, given.num_rows
                elif not isinstance(given, Mapping):
                    raise TypeError(f"expected a mapping, got {given!r}")
                else:
                    mapping: Mapping[str, Any] = given
                    if self._columns:
                        mapping = {name: given[field] for name, field in self._columns.items() if field in given}
                    if self._is_batch(mapping):
                        yield mapping, max(map(len, mapping.values()), default=0)
                    else:
                        yield {name: [value] for name, value in mapping.items() if value is not None}, 1
        except Exception as error:  # whatever the user's code raises, with the place it happened at
            raise DataError(f"{self._url}, behind row {self.offset}: {type(error).__name__}: {error}") from error

    def _is_batch(self, given: Mapping[str, Any]) -> bool:
        """A batch holds sequences where the algorithm wants single values, and sequences of lists where it wants lists."""
        for name, value in given.items():
            listed = isinstance(value, list | tuple | np.ndarray) or hasattr(value, "__arrow_c_array__")
            if not self._schema.get(name, ("", ""))[0].startswith("list["):
                return listed
        return any(len(value) > 0 and isinstance(value[0], list | tuple | np.ndarray) for value in given.values())

    def fingerprint(self) -> str:
        return ""  # what it yields cannot be held against what it yielded before, but by number

    def seek(self, offset: Any, fingerprint: str) -> None:
        self._start()
        while self.offset < offset:
            if self.read(offset - self.offset) is None:
                raise DataError(
                    f"{self._url} has {self.offset} rows, fewer than the {offset} read before: it was replaced"
                )

    def read(self, rows: int) -> Batch | None:
        if self._error is not None:
            raise self._error
        taken: list[Any] = []
        count = 0
        try:
            while count < rows:
                piece = self._pending or next(self._pieces, None)
                self._pending = None
                if piece is None:
                    break
                columns, size = piece
                if taken and (size != 1 or is_arrow(columns)):  # only single rows are put together
                    self._pending = piece
                    break
                if size > rows - count:
                    head, tail = Batch(columns, size).cut(rows - count)
                    self._pending = (tail.columns, tail.rows)
                    columns, size = head.columns, head.rows
                taken.append((columns, size))
                count += size
                if size != 1 or is_arrow(columns):
                    break
        except DataError as error:
            if not taken:
                raise
            self._error = error
        if not taken:
            return None
        self._first = self.offset
        self.offset += count
        return Batch(taken[0][0] if len(taken) == 1 else _joined(taken), count)

    def locate(self, row: int) -> str:
        return f"{self._url}, row {self._first + row + 1}"

    def progress(self) -> float | None:
        return None

    def close(self) -> None: ...


def _joined(rows: list[tuple[dict[str, list[Any]], int]]) -> dict[str, list[Any]]:
    """Single rows as one batch; what a row does not have is null."""
    names = dict.fromkeys(name for columns, _ in rows for name in columns)
    return {name: [columns[name][0] if name in columns else None for columns, _ in rows] for name in names}
