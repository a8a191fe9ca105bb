"""Sources that are files, and Python iterables."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pyalgo.arrow import is_arrow
from pyalgo.stream.job import DataError, JobError, UsageError
from pyalgo.stream.source import Batch

__all__ = ["CsvSource", "JsonlSource", "ParquetSource", "PythonSource"]

Schema = Mapping[str, tuple[str, str]]

#: A line longer than this is refused instead of filling the memory.
MAX_LINE = 64 * 2**20

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


class _TextSource:
    """Lines of a UTF-8 file, read one by one; the offset is the byte and the line behind the rows read so far."""

    def __init__(self, url: str, schema: Schema, columns: dict[str, str] | None) -> None:
        self.replayable = url != "-"
        self._url = url if self.replayable else "standard input"
        self._schema = schema
        self._columns = columns
        self._file = _open(url) if self.replayable else sys.stdin.buffer
        self._size = os.path.getsize(url) if self.replayable else 0
        self._byte = 0
        self._line = 0
        self._lines_of_batch: list[int] = []
        self._error: DataError | None = None
        self.offset: Any = {"byte": 0, "line": 0}

    def seek(self, offset: Any) -> None:
        self._byte, self._line = offset["byte"], offset["line"]
        if self._byte > self._size:
            raise DataError(
                f"{self._url} has {self._size} bytes, fewer than the {self._byte} read before: it was replaced"
            )
        self._file.seek(self._byte)
        self.offset = offset

    def lines(self) -> Iterator[str]:
        while True:
            data = self._file.readline(MAX_LINE + 1)
            if not data:
                return
            self._byte += len(data)
            self._line += 1
            if len(data) > MAX_LINE:
                raise DataError(f"{self._here()}: the line is longer than {MAX_LINE >> 20} MiB")
            try:
                yield data.decode("utf-8-sig" if self._line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                bad = data[error.start : error.start + 1]
                raise DataError(f"{self._here()}: byte {bad!r} at column {error.start + 1} is not UTF-8") from None

    def records(self) -> Iterator[dict[str, Any]]:
        """The next rows as mappings of field to value."""
        raise NotImplementedError

    def read(self, rows: int) -> Batch | None:
        if self._error is not None:
            raise self._error
        taken: list[dict[str, Any]] = []
        self._lines_of_batch = []
        try:
            for row in self.records():
                taken.append(row)
                self._lines_of_batch.append(self._line)
                self.offset = {"byte": self._byte, "line": self._line}
                if len(taken) == rows:
                    break
        except DataError as error:
            if not taken:
                raise
            self._error = error
        if not taken:
            return None
        fields = self._columns or {name: name for row in taken for name in row}
        columns = {name: [row.get(field) for row in taken] for name, field in fields.items()}
        for name in list(columns):
            if self._may_be_absent(name) and all(value is None for value in columns[name]):
                del columns[name]
        return Batch(columns, len(taken))

    def _may_be_absent(self, name: str) -> bool:
        return name == "op" or self._schema.get(name, ("",))[0].endswith("?")

    def locate(self, row: int) -> str:
        return f"{self._url}, line {self._lines_of_batch[row]}"

    def progress(self) -> float | None:
        return self._byte / self._size if self._size else None

    def close(self) -> None:
        self._file.close()

    def _here(self) -> str:
        return f"{self._url}, line {self._line}"


class JsonlSource(_TextSource):
    """JSON lines of a file, or of standard input: one object a line. A missing field is null; blank lines do not count."""

    def records(self) -> Iterator[dict[str, Any]]:
        for line in self.lines():
            if line.isspace():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{self._here()}: not valid JSON ({error}): {_short(line)}") from None
            if not isinstance(row, dict):
                raise DataError(f"{self._here()}: expected a JSON object, got {_short(line)}")
            yield row


class CsvSource(_TextSource):
    """CSV with a header line. Fields are read as their column's dtype.

    An empty field is null, but an empty string in a column of strings. ``int64|str``: integers if the field of the first
    row is one, else strings. Lists: a JSON array, or values separated by ``;``.
    """

    def __init__(self, url: str, schema: Schema, columns: dict[str, str] | None) -> None:
        super().__init__(url, schema, columns)
        reader = self._reader()
        self._header = next(reader, [])
        if not self._header:
            raise DataError(f"{url} is empty: a CSV file begins with a line of column names")
        first = next(reader, None)
        named = {field: name for name, field in (columns or dict(zip(self._header, self._header, strict=True))).items()}
        for field in columns.values() if columns else ():
            if field not in self._header:
                raise DataError(f"{url}, line 1: there is no field {field!r}; the fields are {', '.join(self._header)}")
        self._parsers = []
        for i, field in enumerate(self._header):
            dtype = schema.get(named.get(field, ""), ("str", ""))[0].removesuffix("?")
            example = first[i] if first is not None and i < len(first) else ""
            self._parsers.append((field, _parser(dtype, example)))
        self._start()

    def _start(self) -> None:
        self._file.seek(0)
        self._byte = self._line = 0
        next(self._reader(), None)
        self.offset = {"byte": self._byte, "line": self._line}

    def _reader(self) -> Iterator[list[str]]:
        reader = csv.reader(self.lines(), strict=True)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise DataError(f"{self._here()}: not valid CSV: {error}") from None
            yield row

    def records(self) -> Iterator[dict[str, Any]]:
        for row in self._reader():
            if not row:
                continue
            if len(row) != len(self._parsers):
                raise DataError(f"{self._here()}: {len(row)} fields, but the header has {len(self._parsers)}")
            record = {}
            for (field, parse), text in zip(self._parsers, row, strict=True):
                try:
                    record[field] = parse(text)
                except ValueError as error:
                    raise DataError(f"{self._here()}: {field} {error}, got {_short(text)}") from None
            yield record


def _parser(dtype: str, example: str) -> Any:
    """How the text of a CSV field becomes a value of `dtype`; it raises ValueError with what was expected."""
    if dtype.startswith("list["):
        element = _parser("str" if dtype[5:-1] == "int64|str" else dtype[5:-1], "")

        def parse_list(text: str) -> Any:
            if text.startswith("["):
                try:
                    return json.loads(text)
                except ValueError:
                    raise ValueError("must be a JSON array, or values separated by ;") from None
            return [element(part.strip()) for part in text.split(";")] if text else None

        return parse_list
    if dtype == "int64|str":
        dtype = "int64" if _INTEGER.fullmatch(example) else "str"
    if dtype == "str":
        return str
    if dtype == "bool":
        words = {"true": True, "1": True, "false": False, "0": False, "": None}

        def parse_bool(text: str) -> bool | None:
            if text.lower() not in words:
                raise ValueError("must be true or false")
            return words[text.lower()]

        return parse_bool
    number: Any = float if dtype.startswith("float") else int

    def parse_number(text: str) -> Any:
        try:
            return number(text) if text else None
        except ValueError:
            raise ValueError("must be a number" if number is float else "must be an integer") from None

    return parse_number


class ParquetSource:
    """Rows of a Parquet file, as Arrow record batches without a copy; the offset is the number of rows read."""

    replayable = True

    def __init__(self, url: str, schema: Schema, columns: dict[str, str] | None) -> None:
        _open(url).close()
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise JobError('reading Parquet needs pyarrow: pip install "pyalgo[cli]"') from None
        self._url = url
        try:
            self._file = pyarrow.parquet.ParquetFile(url)
        except pyarrow.ArrowException as error:
            raise DataError(f"{url} is not a Parquet file: {str(error).splitlines()[0]}") from None
        present = self._file.schema_arrow.names
        self._fields = dict(columns) if columns else {name: name for name in present}
        for field in self._fields.values():
            if field not in present:
                raise DataError(f"{url} has no field {field!r}; the fields are {', '.join(present)}")
        self._total = self._file.metadata.num_rows
        self.seek(0)

    def seek(self, offset: Any) -> None:
        self.offset: Any = offset
        groups: list[int] = []
        skip = int(offset)
        for group in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(group).num_rows
            if not groups and skip >= size:
                skip -= size
            else:
                groups.append(group)
        self._batches = self._file.iter_batches(row_groups=groups, columns=list(dict.fromkeys(self._fields.values())))
        self._pending: Any = None
        while skip > 0:
            batch = self._next()
            if batch is None:
                raise DataError(
                    f"{self._url} has {self._total} rows, fewer than the {offset} read before: it was replaced"
                )
            self._pending = batch.slice(skip) if skip < batch.num_rows else None
            skip = max(0, skip - batch.num_rows)

    def _next(self) -> Any:
        import pyarrow

        try:
            return next(self._batches, None)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{self._url}, behind row {self.offset}: {str(error).splitlines()[0]}") from None

    def read(self, rows: int) -> Batch | None:
        batch = self._pending if self._pending is not None else self._next()
        while batch is not None and batch.num_rows == 0:
            batch = self._next()
        if batch is None:
            return None
        self._pending = batch.slice(rows) if batch.num_rows > rows else None
        batch = batch.slice(0, rows)
        self.offset += batch.num_rows
        self._last = batch.num_rows
        import pyarrow

        named = {name: batch.column(field) for name, field in self._fields.items()}
        return Batch(pyarrow.RecordBatch.from_pydict(named), batch.num_rows)

    def locate(self, row: int) -> str:
        return f"{self._url}, row {self.offset - self._last + row + 1}"

    def progress(self) -> float | None:
        return self.offset / self._total if self._total else None

    def close(self) -> None:
        self._file.close()


class PythonSource:
    """What ``python:module:callable`` yields: rows (mappings of single values) or batches (mappings of columns).

    The working directory can be imported from. To resume, the callable is called again and the rows read before are passed
    over, so it must yield the same ones.
    """

    replayable = True

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

    def seek(self, offset: Any) -> None:
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
                    columns, self._pending = _cut(columns, rows - count, size)
                    size = rows - count
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


def _cut(columns: Any, at: int, size: int) -> tuple[Any, tuple[Any, int]]:
    if is_arrow(columns):
        return columns.slice(0, at), (columns.slice(at), size - at)
    head = {name: column[:at] for name, column in columns.items()}
    return head, ({name: column[at:] for name, column in columns.items()}, size - at)


def _joined(rows: list[tuple[dict[str, list[Any]], int]]) -> dict[str, list[Any]]:
    """Single rows as one batch; what a row does not have is null."""
    names = dict.fromkeys(name for columns, _ in rows for name in columns)
    return {name: [columns[name][0] if name in columns else None for columns, _ in rows] for name in names}


def _open(url: str) -> BinaryIO:
    path = Path(url)
    if path.is_dir():
        raise DataError(f"{url} is a directory, not a file")
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{url}: {error.strerror}") from None


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")
