"""JSON lines."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyalgo.stream.job import BadRowError
from pyalgo.stream.source import Batch, may_be_absent
from pyalgo.stream.text import Text

__all__ = ["JsonlSource"]

Schema = Mapping[str, tuple[str, str]]


class JsonlSource:
    """One JSON object a line. A missing field is null; blank lines do not count.

    A block of lines is read at once by pyarrow where it is installed and takes the block as it is; all others are read line by
    line, which is slower, gives the same values, and knows the line of every error.
    """

    def __init__(self, text: Text, schema: Schema, columns: dict[str, str] | None) -> None:
        self._text = text
        self._schema = schema
        self._columns = columns
        self._lines: Sequence[int] = ()
        self._parse_block = _block_parser(schema, columns)
        self.offset: Any = {"byte": 0, "line": 0}

    def fingerprint(self) -> str:
        return self._text.fingerprint()

    def seek(self, offset: Any, fingerprint: str) -> None:
        self._text.seek(offset["byte"], offset["line"], fingerprint)
        self.offset = offset

    def finish(self) -> None:
        """No more will be appended to what is followed."""
        self._text.follow = False

    def read(self, rows: int) -> Batch | None:
        try:
            return self._read(rows)
        except BadRowError as bad:
            bad.skip = self._skip
            raise

    def _read(self, rows: int) -> Batch | None:
        block = self._text.peek(rows)
        if not block:
            self._text.wait()
            return None if block is None else Batch({}, 0)
        batch: Batch | None = self._parse_block(block) if self._parse_block is not None else None
        if batch is not None:
            self._lines = range(self._text.line + 1, self._text.line + 1 + batch.rows)
            self._take(len(block), batch.rows)
            return batch
        return self._read_lines(block)

    def _read_lines(self, block: bytes) -> Batch:
        taken: list[dict[str, Any]] = []
        places: list[int] = []
        size = lines = 0
        for data in io.BytesIO(block):
            try:
                row = self._parse_line(data, lines)
            except BadRowError:
                if taken:
                    break
                self._take(size, lines)  # of blank lines, so that the bad one comes next
                raise
            size += len(data)
            lines += 1
            if row is not None:
                taken.append(row)
                places.append(self._text.line + lines)
        self._take(size, lines)
        self._lines = places
        fields = self._columns or {name: name for row in taken for name in row}
        columns = {name: [row.get(field) for row in taken] for name, field in fields.items()}
        for name in list(columns):
            if may_be_absent(self._schema, name) and all(value is None for value in columns[name]):
                del columns[name]
        return Batch(columns, len(taken))

    def _parse_line(self, data: bytes, before: int) -> dict[str, Any] | None:
        here = self._text.here(before + 1)
        line = decode(data, here, first=self._text.line + before == 0)
        if not line or line.isspace():
            return None
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadRowError(here, f"not valid JSON ({error}): {shortened(line)}", line) from None
        if not isinstance(row, dict):
            raise BadRowError(here, f"expected a JSON object, got {shortened(line)}", line)
        return row

    def _take(self, size: int, lines: int) -> None:
        self._text.take(size, lines)
        self.offset = {"byte": self._text.byte, "line": self._text.line}

    def _skip(self) -> None:
        self._text.take_line()
        self._take(0, 0)

    def locate(self, row: int) -> str:
        return f"{self._text.name}, line {self._lines[row]}"

    def progress(self) -> float | None:
        return self._text.progress()

    def close(self) -> None:
        self._text.close()


def decode(data: bytes, here: str, *, first: bool) -> str:
    """A line as text; a byte order mark may stand before the first one."""
    try:
        return data.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + 1]
        raise BadRowError(
            here, f"byte {bad!r} at column {error.start + 1} is not UTF-8", data.decode("utf-8", "backslashreplace")
        ) from None


def shortened(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _block_parser(schema: Schema, columns: dict[str, str] | None) -> Any:
    try:
        from pyalgo.stream.jsonl_block import BlockParser
    except ImportError:
        return None
    return BlockParser(schema, columns)
