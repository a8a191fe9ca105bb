"""Sources that are columns already: Parquet and Arrow IPC, read by pyarrow without a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from pyalgo.stream.job import DataError, JobError
from pyalgo.stream.source import Batch

__all__ = ["ArrowSource", "ColumnarSource", "ParquetSource", "open_ipc"]

Schema = Mapping[str, tuple[str, str]]
_IPC_FILE = b"ARROW1\0\0"


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise JobError('reading Parquet and Arrow needs pyarrow: pip install "pyalgo[cli]"') from None
    return pyarrow


class ColumnarSource:
    """Record batches, handed out in pieces; the offset is the number of rows read."""

    def __init__(self, url: str, columns: dict[str, str] | None) -> None:
        self._url = url
        self._columns = columns
        self._pa = _pyarrow()
        self._start()

    def _start(self) -> None:
        self.offset: Any = 0
        self._last = 0
        self._pending: Any = None
        self._batches = self._open()

    def _open(self) -> Iterator[Any]:
        """The record batches from the beginning."""
        raise NotImplementedError

    def _fields(self, present: list[str]) -> dict[str, str]:
        fields = self._columns or {name: name for name in present}
        for field in fields.values():
            if field not in present:
                raise DataError(f"{self._url} has no field {field!r}; the fields are {', '.join(present)}")
        return fields

    def _next(self) -> Any:
        """The wanted columns of the next record batch that is not empty, checked: its bytes may come from anyone."""
        try:
            for batch in self._batches:
                if batch.num_rows:
                    batch.validate(full=True)
                    fields = self._fields(batch.schema.names)
                    return self._pa.RecordBatch.from_pydict({name: batch.column(fields[name]) for name in fields})
        except (self._pa.ArrowException, OSError, EOFError, ValueError, KeyError) as error:
            raise DataError(f"{self._url}, behind row {self.offset}: {_first_line(error)}") from None
        return None

    def _pass_over(self, rows: int) -> None:
        while self.offset < rows:
            batch = self._next()
            if batch is None:
                raise DataError(
                    f"{self._url} has {self.offset} rows, fewer than the {rows} read before: it was replaced"
                )
            at = min(batch.num_rows, rows - self.offset)
            self._pending = batch.slice(at) if at < batch.num_rows else None
            self.offset += at

    def read(self, rows: int) -> Batch | None:
        batch = self._pending if self._pending is not None else self._next()
        if batch is None:
            return None
        self._pending = batch.slice(rows) if batch.num_rows > rows else None
        batch = batch.slice(0, rows)
        self.offset += batch.num_rows
        self._last = batch.num_rows
        return Batch(batch, batch.num_rows)

    def locate(self, row: int) -> str:
        return f"{self._url}, row {self.offset - self._last + row + 1}"


class ParquetSource(ColumnarSource):
    """Rows of a Parquet file. It counts as the same file as long as its size and its footer are the same."""

    def __init__(self, url: str, file: BinaryIO, columns: dict[str, str] | None) -> None:
        self._raw = file
        self._size = file.seek(0, 2)
        super().__init__(url, columns)
        self._raw.seek(max(0, self._size - 8 - self._file.metadata.serialized_size))
        self._fingerprint = f"{self._size} {hashlib.sha256(self._raw.read()).hexdigest()}"

    def _open(self, first: int = 0) -> Iterator[Any]:
        try:
            self._file = self._pa.parquet.ParquetFile(self._raw)
        except (self._pa.ArrowException, OSError) as error:
            raise DataError(f"{self._url} is not a Parquet file: {_first_line(error)}") from None
        fields = self._fields(self._file.schema_arrow.names)
        return self._groups(range(first, self._file.num_row_groups), list(dict.fromkeys(fields.values())))

    def _groups(self, groups: range, columns: list[str]) -> Iterator[Any]:
        # One by one, so that batches end in the same places wherever reading begins.
        for group in groups:
            yield from self._file.iter_batches(row_groups=[group], columns=columns)

    def fingerprint(self) -> str:
        return self._fingerprint

    def seek(self, offset: Any, fingerprint: str) -> None:
        if fingerprint != self.fingerprint():
            raise DataError(
                f"{self._url} is another file than the one read before: put it back, or start over with --fresh"
            )
        group = at = 0
        while group < self._file.num_row_groups and at + self._file.metadata.row_group(group).num_rows <= offset:
            at += self._file.metadata.row_group(group).num_rows
            group += 1
        self._pending = None
        self._batches, self.offset = self._open(group), at
        self._pass_over(offset)

    def progress(self) -> float | None:
        total = self._file.metadata.num_rows
        return self.offset / total if total else None

    def close(self) -> None:
        self._file.close()
        self._raw.close()


class ArrowSource(ColumnarSource):
    """Rows of an Arrow IPC file or stream."""

    def __init__(self, url: str, file: BinaryIO, columns: dict[str, str] | None) -> None:
        self._raw = file
        self._size = file.seek(0, 2)
        self._digest, self._digested = hashlib.sha256(), 0
        super().__init__(url, columns)

    def _open(self) -> Iterator[Any]:
        self._raw.seek(0)
        return open_ipc(self._url, self._raw, self._raw.read(len(_IPC_FILE)))

    def fingerprint(self) -> str:
        """Of the bytes read, which reach behind the record batch that holds the last row."""
        position = self._raw.tell()
        self._digest_to(position)
        return f"{position} {self._digest.hexdigest()}"

    def _digest_to(self, end: int) -> None:
        position = self._raw.tell()
        self._raw.seek(self._digested)
        while self._digested < end and (data := self._raw.read(min(end - self._digested, 2**20))):
            self._digest.update(data)
            self._digested += len(data)
        self._raw.seek(position)

    def seek(self, offset: Any, fingerprint: str) -> None:
        size, _, digest = fingerprint.partition(" ")
        self._digest, self._digested = hashlib.sha256(), 0
        self._digest_to(int(size))
        if digest != self._digest.hexdigest():
            raise DataError(f"{self._url} has changed in the rows read before: put it back, or start over with --fresh")
        self._start()
        self._pass_over(offset)

    def progress(self) -> float | None:
        return self._raw.tell() / self._size if self._size else None

    def close(self) -> None:
        self._raw.close()


def open_ipc(url: str, file: Any, begin: bytes) -> Iterator[Any]:
    """The record batches of an IPC file or stream, read from front to back; `begin` is its first 8 bytes, already read.

    An IPC file is an IPC stream between two magic words, so both can come through a pipe.
    """
    pa = _pyarrow()
    stream = file if begin == _IPC_FILE else _Rejoined(begin, file)
    try:
        return iter(pa.ipc.open_stream(pa.PythonFile(stream, mode="r")))
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise DataError(f"{url} is not Arrow IPC: {_first_line(error)}") from None


class _Rejoined:
    """A file with some bytes that were read already put back before it."""

    closed = False

    def __init__(self, begin: bytes, file: Any) -> None:
        self._begin = begin
        self._file = file

    def read(self, size: int = -1, /) -> Any:
        begin, self._begin = self._begin[:size], self._begin[size:]
        return begin + self._file.read(size - len(begin)) if len(begin) < size else begin

    def close(self) -> None: ...


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
