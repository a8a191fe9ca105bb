"""Streams of symbols: one number a row, in the column `symbol`."""

from __future__ import annotations

import hashlib
import time
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo.stream.job import DataError
from pyalgo.stream.source import Batch
from pyalgo.stream.text import Bytes

__all__ = ["READ_ERRORS", "WIDTHS", "BinarySource", "SymbolSource", "read_piece"]

#: The endings of binary symbol files, and what a symbol is there: little-endian everywhere.
WIDTHS = {
    ".bin": "u1",
    ".u8": "u1",
    ".i8": "i1",
    **{f".{kind}{8 * width}": f"<{kind}{width}" for kind in "ui" for width in (2, 4, 8)},
}
COLUMN = "symbol"
_PIECE = 2**20  # bytes
_POLL_SECONDS = 0.1
#: What reading raises, also of a compressed file that is cut or damaged.
READ_ERRORS = (EOFError, OSError, zlib.error)


class SymbolSource:
    """Symbols, read once from front to back; the offset is their number, the digest is of the symbols themselves.

    Batches are views of what was read, and have as many rows as were asked for wherever there are so many: what is in a
    batch depends on neither the compression nor the lines of the file.
    """

    def __init__(self, name: str, raw: Bytes, dtype: str, columns: dict[str, str] | None, *, follow: bool) -> None:
        self.name = name
        self.follow = follow
        self._raw = raw
        self._taken = 0  # symbols
        self._first = 0  # symbol of the batch read last
        self._pending: NDArray[Any] = np.empty(0, dtype)
        self._digest = hashlib.sha256()
        self._error: DataError | None = None
        for field in columns.values() if columns else ():
            if field != COLUMN:
                raise DataError(f"{name} has no field {field!r}; the only field is {COLUMN}")
        self._names = list(columns or (COLUMN,))

    def _next(self) -> NDArray[Any] | None:
        """The next symbols; None if there are no more, or none now. Raises DataError."""
        raise NotImplementedError

    @property
    def offset(self) -> Any:
        return {COLUMN: self._taken}

    def fingerprint(self) -> str:
        return self._digest.hexdigest()

    def seek(self, offset: Any, fingerprint: str) -> None:
        wanted = offset[COLUMN]
        while self._taken < wanted:
            if not len(self._take(min(wanted - self._taken, _PIECE))):
                raise self._error or DataError(
                    f"{self.name} has {self._taken} symbols, fewer than the {wanted} read before: it was replaced"
                )
        if self.fingerprint() != fingerprint:
            raise DataError(
                f"{self.name} has changed in the {wanted} symbols read before: put it back, or start over with --fresh"
            )

    def read(self, rows: int) -> Batch | None:
        symbols = self._take(rows)
        if len(symbols):
            return Batch(dict.fromkeys(self._names, symbols), len(symbols))
        if self._error is not None:
            raise self._error
        if not self.follow:
            return None
        time.sleep(_POLL_SECONDS)
        return Batch({}, 0)

    def _take(self, count: int) -> NDArray[Any]:
        """The next `count` symbols, or as many as there are before the end or before the first that cannot be read."""
        pieces = [self._pending]
        have = len(self._pending)
        while have < count and self._error is None:
            try:
                piece = self._next()
            except DataError as error:  # reported behind the symbols before it
                self._error = error
                break
            if piece is None:
                break
            if not have:
                pieces.clear()
            pieces.append(piece)
            have += len(piece)
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        symbols, self._pending = whole[:count], whole[count:]
        self._digest.update(symbols.data)
        self._first = self._taken
        self._taken += len(symbols)
        return symbols

    def locate(self, row: int) -> str:
        return f"{self.name}, symbol {self._first + row + 1}"

    def progress(self) -> float | None:
        return self._raw.share()

    def close(self) -> None:
        self._raw.close()


class BinarySource(SymbolSource):
    """Symbols of one width, little-endian, one behind the other. Followed, the file may grow.

    `size` is that of the file in bytes where it is known before: then a last symbol that is cut is refused before the first.
    """

    def __init__(
        self, name: str, raw: Bytes, ending: str, columns: dict[str, str] | None, *, size: int | None, follow: bool
    ) -> None:
        super().__init__(name, raw, WIDTHS[ending], columns, follow=follow)
        self._ending = ending
        self._dtype = np.dtype(WIDTHS[ending])
        self._rest = b""  # the beginning of a symbol
        self._read = 0  # bytes
        if size is not None and size % self._dtype.itemsize:
            raise self._cut(size)

    def finish(self) -> None:
        """No more will be appended to what is followed."""
        self.follow = False

    def _next(self) -> NDArray[Any] | None:
        data = read_piece(self._raw, f"{self.name}, byte {self._read}")
        self._read += len(data)
        if not data:
            if self._rest and not self.follow:
                raise self._cut(self._read)
            return None
        if self._rest:
            data = self._rest + data
        end = len(data) - len(data) % self._dtype.itemsize
        self._rest = data[end:]
        return np.frombuffer(data, self._dtype, end // self._dtype.itemsize)

    def _cut(self, size: int) -> DataError:
        rest = size % self._dtype.itemsize
        return DataError(
            f"{self.name}, byte {size - rest}: the last symbol is cut short: it has {rest} of the {self._dtype.itemsize} "
            f"bytes that a symbol has in a {self._ending} file"
        )


def read_piece(raw: Bytes, place: str) -> bytes:
    """The next bytes, b"" at the end."""
    try:
        return raw.read1(_PIECE)
    except READ_ERRORS as error:
        raise DataError(f"{place}: {str(error) or type(error).__name__}") from None
