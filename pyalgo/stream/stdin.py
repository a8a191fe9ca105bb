"""Standard input: JSON lines or Arrow IPC, told apart by its first bytes; logged, as it cannot be read again."""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from pyalgo.stream.columnar import ColumnarSource, open_ipc
from pyalgo.stream.jsonl import JsonlSource
from pyalgo.stream.source import Batch
from pyalgo.stream.store import Log
from pyalgo.stream.text import MAX_LINE, Text

__all__ = ["StdinSource"]

_NAME = "standard input"
_IPC_FILE, _IPC_STREAM = b"ARROW1\0\0", b"\xff\xff\xff\xff"  # how the two begin; JSON begins otherwise


class StdinSource:
    """Rows of standard input, as they arrive. With a log every row is kept there before it is handed out.

    To resume it reads the log from the checkpoint on, and then standard input, which must go on behind the last row logged.
    """

    def __init__(self, schema: Mapping[str, tuple[str, str]], columns: dict[str, str] | None, log: Log | None) -> None:
        self._schema = schema
        self._columns = columns
        self._log = log
        self._inner: JsonlSource | _PipedBatches | None = None
        self._resumed: Any = None

    @property
    def offset(self) -> Any:
        if isinstance(self._inner, _PipedBatches):
            return {"row": self._inner.offset}
        return self._resumed if self._inner is None else self._inner.offset

    def fingerprint(self) -> str:
        return ""  # the log is in the same file as the checkpoint

    def seek(self, offset: Any, fingerprint: str) -> None:
        self._resumed = offset

    def _open(self) -> JsonlSource | _PipedBatches:
        start = self._resumed or {"byte": 0, "line": 0}
        kept = self._log.entries(start) if self._log is not None else []
        begin = b"" if self._resumed or kept else _first_bytes(sys.stdin.buffer)
        if "row" in start or _is_ipc(kept[0][1] if kept else begin):
            return _PipedBatches(begin, start.get("row", 0), kept, self._columns, self._log)
        lines = _PipedLines(begin, start["byte"], start["line"], kept, self._log)
        text = Text(_NAME, lines, eager=True)
        text.byte, text.line = start["byte"], start["line"]
        return JsonlSource(text, self._schema, self._columns)

    def read(self, rows: int) -> Batch | None:
        if self._inner is None:
            self._inner = self._open()
        return self._inner.read(rows)

    def locate(self, row: int) -> str:
        assert self._inner is not None
        return self._inner.locate(row)

    def progress(self) -> float | None:
        return None

    def close(self) -> None: ...


def _is_ipc(begin: bytes) -> bool:
    return begin.startswith((_IPC_FILE, _IPC_STREAM))


def _first_bytes(live: Any) -> bytes:
    """As many bytes as it takes to tell what comes."""
    begin = b""
    while len(begin) < 8 and (more := live.read1(8 - len(begin))):
        begin += more
        if not any(begin.startswith(kind[: len(begin)]) for kind in (_IPC_STREAM, _IPC_FILE)):
            break
    return begin


class _PipedLines:
    """The lines of a pipe; only complete ones are logged and handed out, the last one as it is at the end."""

    def __init__(self, begin: bytes, byte: int, line: int, kept: list[tuple[int, bytes]], log: Log | None) -> None:
        self._live: Any = sys.stdin.buffer
        self._rest = begin
        self._byte, self._line = byte, line
        self._kept = deque(kept)
        self._log = log

    def read1(self, size: int, /) -> bytes:
        while self._kept:
            position, data = self._kept.popleft()
            data = data[self._byte - position :]
            self._count(data)
            if data:
                return data
        while True:
            more: bytes = self._live.read1(size)
            whole = more.rfind(b"\n") + 1
            if not more or len(self._rest) > MAX_LINE:  # a line too long is refused all the same, in pieces
                data, self._rest = self._rest + more, b""
            elif whole:
                data, self._rest = self._rest + more[:whole], more[whole:]
            else:
                self._rest += more
                continue
            begin = self._byte
            self._count(data)
            if data and self._log is not None:
                self._log.append(begin, self._line, data)
            return data

    def _count(self, data: bytes) -> None:
        self._byte += len(data)
        self._line += data.count(b"\n")

    def share(self) -> float | None:
        return None

    def close(self) -> None: ...


class _PipedBatches(ColumnarSource):
    """The record batches of an Arrow stream in a pipe."""

    def __init__(
        self,
        begin: bytes,
        rows: int,
        kept: list[tuple[int, bytes]],
        columns: dict[str, str] | None,
        log: Log | None,
    ) -> None:
        self._begin, self._kept, self._log = begin, kept, log
        self._read_rows = rows
        super().__init__(_NAME, columns)
        self.offset = rows

    def _open(self) -> Iterator[Any]:
        for position, data in self._kept:
            for batch in open_ipc(_NAME, io.BytesIO(data[8:]), data[:8]):
                yield batch.slice(max(0, self._read_rows - position))
                self._read_rows = position + batch.num_rows
        begin = self._begin or _first_bytes(sys.stdin.buffer)
        if not begin:
            return
        for batch in open_ipc(_NAME, sys.stdin.buffer, begin):
            batch.validate(full=True)  # before it is kept for good
            if self._log is not None and batch.num_rows:
                self._log.append(self._read_rows, self._read_rows + batch.num_rows, _ipc_bytes(batch))
            self._read_rows += batch.num_rows
            yield batch


def _ipc_bytes(batch: Any) -> bytes:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data
