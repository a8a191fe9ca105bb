"""CSV."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pyalgo.stream.job import BadRowError, DataError
from pyalgo.stream.jsonl import decode, shortened
from pyalgo.stream.source import Batch, may_be_absent
from pyalgo.stream.text import BLOCK, Text

__all__ = ["CsvSource"]

Schema = Mapping[str, tuple[str, str]]

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


class CsvSource:
    """CSV with a header line. Fields are read as their column's dtype.

    An empty field is null, but an empty string in a column of strings. ``int64|str``: integers if the field of the first
    row is one, else strings. Lists: a JSON array, or values separated by ``;``.
    """

    def __init__(self, text: Text, schema: Schema, columns: dict[str, str] | None) -> None:
        self._text = text
        self._schema = schema
        self._places: list[int] = []
        self._bad = (0, 0)
        self._ahead = _Records(text)
        header = self._ahead.next()
        if not header:
            raise DataError(f"{text.name} is empty: a CSV file begins with a line of column names")
        count = Counter(header)
        for field in columns.values() if columns else header:
            if count[field] == 0:
                raise DataError(f"{text.name}, line 1: there is no field {field!r}; the fields are {', '.join(header)}")
            if count[field] > 1:
                raise DataError(f"{text.name}, line 1: the field {field!r} is there {count[field]} times")
        behind = self._ahead.size, self._ahead.lines
        try:
            example = self._ahead.next() or []
        except BadRowError:  # reported when its turn comes
            example = []
        self._fields = columns or {name: name for name in header}
        names = {field: name for name, field in self._fields.items()}
        self._parsers = []
        for i, field in enumerate(header):
            dtype = schema.get(names.get(field, ""), ("str", ""))[0].removesuffix("?")
            self._parsers.append((field, _parser(dtype, example[i] if i < len(example) else "")))
        self._take(*behind)

    def fingerprint(self) -> str:
        return self._text.fingerprint()

    def seek(self, offset: Any, fingerprint: str) -> None:
        self._text.seek(offset["byte"], offset["line"], fingerprint)
        self._take(0, 0)

    def _take(self, size: int, lines: int) -> None:
        self._text.take(size, lines)
        self._ahead = _Records(self._text)
        self.offset: Any = {"byte": self._text.byte, "line": self._text.line}

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
        taken: list[dict[str, Any]] = []
        self._places = []
        size = lines = 0
        while len(taken) < rows and size < BLOCK:
            try:
                row = self._ahead.next()
                if row is None:
                    break
                record = self._parse(row) if row else None
            except BadRowError:
                if taken:
                    break
                self._bad = (self._ahead.size, self._ahead.lines)
                raise
            size, lines = self._ahead.size, self._ahead.lines
            if record is not None:
                taken.append(record)
                self._places.append(self._text.line + lines)
        self._take(size, lines)
        if not taken:
            self._text.wait()
            return None if self._text.ended and not lines else Batch({}, 0)
        columns = {name: [row[field] for row in taken] for name, field in self._fields.items()}
        for name in list(columns):
            if may_be_absent(self._schema, name) and all(value is None for value in columns[name]):
                del columns[name]
        return Batch(columns, len(taken))

    def _parse(self, row: list[str]) -> dict[str, Any]:
        here = self._text.here(self._ahead.lines)
        if len(row) != len(self._parsers):
            raise BadRowError(here, f"{len(row)} fields, but the header has {len(self._parsers)}", ",".join(row))
        record = {}
        for (field, parse), text in zip(self._parsers, row, strict=True):
            try:
                record[field] = parse(text)
            except ValueError as error:
                raise BadRowError(here, f"{field} {error}, got {shortened(text)}", ",".join(row)) from None
        return record

    def _skip(self) -> None:
        if self._bad[0]:
            self._take(*self._bad)
        else:  # a line too long to look at
            self._text.take_line()
            self._take(0, 0)

    def locate(self, row: int) -> str:
        return f"{self._text.name}, line {self._places[row]}"

    def progress(self) -> float | None:
        return self._text.progress()

    def close(self) -> None:
        self._text.close()


class _Records:
    """Records of the lines that come next, without taking them, and how far they reach."""

    def __init__(self, text: Text) -> None:
        self.size = self.lines = 0
        self._text = text
        self._begun = 0  # lines before the present record
        self._first = b""  # line of it
        self._reader = csv.reader(self._decoded(), strict=True)

    def _decoded(self) -> Iterator[str]:
        for data in self._text.ahead():
            self.size += len(data)
            self.lines += 1
            if self.lines == self._begun + 1:
                self._first = data
            yield decode(data, self._text.here(self.lines), first=self._text.line + self.lines == 1)

    def next(self) -> list[str] | None:
        """The next record; a blank line is an empty one."""
        size, self._begun = self.size, self.lines
        try:
            return next(self._reader, None)
        except csv.Error as error:
            if self._text.follow and "unexpected end" in str(error):  # the rest of the record is still to be appended
                return None
            # Only its first line is to blame: a quote that nothing closes takes good lines along.
            self.size, self.lines = size + len(self._first), self._begun + 1
            bad = self._first.decode("utf-8", "backslashreplace")
            raise BadRowError(
                self._text.here(self.lines), f"not valid CSV: {error}, got {shortened(bad)}", bad
            ) from None


def _parser(dtype: str, example: str) -> Any:
    """How the text of a CSV field becomes a value of `dtype`; it raises ValueError with what was expected."""
    if dtype.startswith("list["):
        element = _parser("str" if dtype[5:-1] == "int64|str" else dtype[5:-1], "")

        def parse_list(text: str) -> Any:
            if text.startswith("["):
                try:
                    return json.loads(text)
                except (ValueError, RecursionError):
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
            if "_" in text:  # Python's digit grouping
                raise ValueError
            return number(text) if text else None
        except ValueError:
            raise ValueError("must be a number" if number is float else "must be an integer") from None

    return parse_number
