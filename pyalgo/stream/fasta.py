"""FASTA: the letters of one record as symbols."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo.stream.job import DataError
from pyalgo.stream.jsonl import shortened
from pyalgo.stream.symbols import READ_ERRORS, SymbolSource, read_piece
from pyalgo.stream.text import Bytes

__all__ = ["ENDINGS", "FastaSource"]

ENDINGS = (".fa", ".fasta", ".fna", ".faa")
_AHEAD = 16 * 2**20  # bytes looked at for a second record before the first letter is handed out
_LONGEST_HEADER = 2**20
_NAMES_SHOWN = 5
_BREAKS = b"\r\n"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-"
_WRONG = re.compile(rb"[^A-Za-z*\-\r\n]")
_HEADER = re.compile(rb"^>[^\n]*", re.MULTILINE)


class FastaSource(SymbolSource):
    """The letters of one record as bytes, as they stand there (small ones stay small), without the line ends.

    Records never run into one another: ``genome.fa#chr2`` is the record whose name, the first word of its header, is chr2;
    without a name the file must have one record only. The offset counts the letters of the record.
    """

    def __init__(self, path: str, record: str | None, raw: Bytes, columns: dict[str, str] | None) -> None:
        self._ahead = _Ahead(raw)
        super().__init__(path if record is None else f"{path}#{record}", self._ahead, "u1", columns, follow=False)
        self._path = path
        self._record = record
        self._data, self._at = b"", 0  # read; what stands before the place is done with
        self._line, self._column = 1, 0  # of that place
        if record is None:
            self._refuse_several()
        begun, name = self._enter()
        self._name = name
        letters = self._next()
        if letters is None:
            raise DataError(f"{path}, line {begun}: the record {name!r} has no letters")
        self._pending = letters

    def _refuse_several(self) -> None:
        """Before the first letter if that can be told from the beginning of the file."""
        names = [_name(header) for header in _HEADER.findall(self._ahead.look(_AHEAD))]
        if len(names) > 1:
            raise DataError(f"{self._path} {self._several(names)}")

    def _several(self, names: list[str]) -> str:
        return (
            f"holds several records, which must not run into one another: choose one, as in {self._path}#{names[0]}; "
            f"the first are {', '.join(names[:_NAMES_SHOWN])}"
        )

    def _enter(self) -> tuple[int, str]:
        """Go to the first letter of the record; returns the line of its header, and its name."""
        names = []
        while self._more():
            if self._at_header():
                line, name = self._line, _name(self._header())
                if self._record in (None, name):
                    return line, name
                names.append(name)
            else:
                if not names:
                    self._refuse_other_text()
                self._advance(self._up_to_header())
        if not names:
            raise DataError(f"{self._path} is empty: a FASTA file begins with a line >NAME")
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        raise DataError(
            f"{self._path} has no record {self._record!r}: its records are {', '.join(names[:_NAMES_SHOWN])}{more}"
        )

    def _next(self) -> NDArray[Any] | None:
        while self._more():
            if self._at_header():
                if self._record is None:
                    line, name = self._line, _name(self._header())
                    raise DataError(f"{self._path}, line {line}: the file {self._several([self._name, name])}")
                return None
            end = self._up_to_header()
            letters = _letters(self._data[self._at : end])
            if not (letters.isalpha() or letters.translate(None, _LETTERS) == b""):  # the first is fast
                wrong = _WRONG.search(self._data, self._at)
                assert wrong is not None
                end = wrong.start()
                if end == self._at:
                    raise DataError(
                        f"{self._path}, line {self._line}: byte {wrong[0]!r} at column {self._column + 1} is no letter of "
                        "a sequence (A to Z, a to z, * and -)"
                    )
                letters = _letters(self._data[self._at : end])
            self._advance(end)
            if letters:
                return np.frombuffer(letters, np.uint8)
        return None

    def _more(self) -> bool:
        """Whether there is something to look at."""
        if self._at == len(self._data):
            self._data, self._at = read_piece(self._ahead, f"{self._path}, line {self._line}"), 0
        return self._at < len(self._data)

    def _at_header(self) -> bool:
        return self._column == 0 and self._data.startswith(b">", self._at)

    def _up_to_header(self) -> int:
        """Where what is there ceases to belong to the present record for sure."""
        at = self._at
        while (at := self._data.find(b">", at)) >= 0:  # a byte is found faster than two
            if at > self._at and self._data[at - 1] == 10:
                return at
            at += 1
        return len(self._data)

    def _header(self) -> bytes:
        """Take the line that begins here."""
        while (end := self._data.find(b"\n", self._at) + 1) == 0:
            end = len(self._data)
            if end - self._at > _LONGEST_HEADER:
                raise DataError(
                    f"{self._path}, line {self._line}: the header is longer than {_LONGEST_HEADER >> 20} MiB"
                )
            more = read_piece(self._ahead, f"{self._path}, line {self._line}")
            if not more:
                break
            self._data, self._at = self._data[self._at :] + more, 0
        return self._advance(end)

    def _advance(self, end: int) -> bytes:
        """Take what stands before `end`."""
        taken, self._at = self._data[self._at : end], end
        breaks = taken.count(b"\n")
        self._line += breaks
        self._column = len(taken) - taken.rfind(b"\n") - 1 if breaks else self._column + len(taken)
        return taken

    def _refuse_other_text(self) -> None:
        """Before the first header there may be blank lines only."""
        here = self._data[self._at : self._up_to_header()]
        text = here.lstrip(_BREAKS)
        if text:
            line = self._line + here[: len(here) - len(text)].count(b"\n")
            begin = text[:100].splitlines()[0].decode("utf-8", "replace")
            raise DataError(f"{self._path}, line {line}: a FASTA file begins with a line >NAME, got {shortened(begin)}")


class _Ahead:
    """Bytes that can be looked at before they are read."""

    def __init__(self, raw: Bytes) -> None:
        self._raw = raw
        self._seen: deque[bytes] = deque()
        self._error: Exception | None = None

    def look(self, size: int) -> bytes:
        """The next bytes, `size` or somewhat more; what goes wrong does so when they are read."""
        have = 0
        try:
            while have < size and (data := self._raw.read1(size - have)):
                self._seen.append(data)
                have += len(data)
        except READ_ERRORS as error:
            self._error = error
        return b"".join(self._seen)

    def read1(self, size: int, /) -> bytes:
        if self._seen:
            return self._seen.popleft()
        if self._error is not None:
            raise self._error
        return self._raw.read1(size)

    def share(self) -> float | None:
        return self._raw.share()

    def close(self) -> None:
        self._raw.close()


def _letters(data: bytes) -> bytes:
    """Without the line ends; `replace` is much faster at that than `translate`."""
    letters = data.replace(b"\n", b"")
    return letters.replace(b"\r", b"") if b"\r" in letters else letters


def _name(header: bytes) -> str:
    """The first word behind the >."""
    words = header[1:].split(None, 1)
    return words[0].decode("utf-8", "backslashreplace") if words else ""
