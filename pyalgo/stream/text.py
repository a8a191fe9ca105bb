"""Lines of text, read once, from front to back: what JSON lines and CSV stand on."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from pyalgo.stream.job import BadRowError, DataError

__all__ = ["BLOCK", "MAX_LINE", "Bytes", "Text"]

#: A line longer than this is refused instead of filling the memory.
MAX_LINE = 64 * 2**20
#: Lines are handed out until they have so many bytes: however long they are, a batch of them fits the memory.
BLOCK = 16 * 2**20
_CHUNK = 2**20
_POLL_SECONDS = 0.1


class Bytes(Protocol):
    """A binary stream; `read1` returns what is there, waiting only if there is nothing, and b"" at the end."""

    def read1(self, size: int, /) -> bytes: ...

    def share(self) -> float | None:
        """The share of the whole that was read, if it is known."""

    def close(self) -> None: ...


class Text:
    """Complete lines, looked at before they are taken; it knows the place and the digest of what was taken.

    Parameters
    ----------
    name : str
        What messages call it.
    raw : Bytes
        What to read.
    follow : bool
        The end is not the end: more may be appended. A last line without its line feed is then not complete.
    eager : bool
        Hand out what is there instead of waiting for as much as was asked for.
    """

    def __init__(self, name: str, raw: Bytes, *, follow: bool = False, eager: bool = False) -> None:
        self.name = name
        self.byte = self.line = 0  # taken so far
        self.read = 0  # bytes read so far, taken or not
        self.follow = follow
        self._raw = raw
        self._eager = eager or follow
        self._digest = hashlib.sha256()
        self._buffer = b""
        self._at = 0
        self._ended = False

    def fingerprint(self) -> str:
        return self._digest.hexdigest()

    def seek(self, byte: int, line: int, fingerprint: str) -> None:
        """Take what stands before `byte` and hold it against its digest."""
        while self.byte < byte:
            if self._at == len(self._buffer) and not self._fill():
                raise DataError(
                    f"{self.name} has {self.byte} bytes, fewer than the {byte} read before: it was replaced"
                )
            last = self._buffer[min(len(self._buffer), self._at + byte - self.byte) - 1]
            self._take(min(len(self._buffer) - self._at, byte - self.byte))
        if fingerprint and self.fingerprint() != fingerprint:
            raise DataError(
                f"{self.name} has changed in the {byte} bytes read before: put it back, or start over with --fresh"
            )
        if byte and last != 10 and (self._at < len(self._buffer) or self._fill()) and self._buffer[self._at] != 10:
            raise DataError(f"{self.name}, line {line}: the line has grown since it was read")
        self.line = line

    def peek(self, lines: int) -> bytes | None:
        """At most so many complete lines, without taking them: b"" if there are none now, None at the end.

        No more are begun behind the first `BLOCK` bytes.
        """
        end, found = self._at, 0
        while found < lines and end - self._at < BLOCK:
            newline = self._buffer.find(b"\n", end)
            if newline >= 0:
                end, found = newline + 1, found + 1
                continue
            if found and (self._eager or len(self._buffer) - end > MAX_LINE):
                break
            if len(self._buffer) - self._at > MAX_LINE:
                raise BadRowError(self.here(), f"the line is longer than {MAX_LINE >> 20} MiB", self._start_of_line())
            end -= self._at
            if self._fill():
                end += self._at
                continue
            end += self._at
            if not self.follow:
                end = len(self._buffer)
            break
        if end > self._at:
            return self._buffer[self._at : end]
        return None if self.ended else b""

    @property
    def ended(self) -> bool:
        """Whether everything was read and no more will come."""
        return self._ended and not self.follow

    def wait(self) -> None:
        """Let some time pass, in which more may be appended."""
        if self.follow:
            time.sleep(_POLL_SECONDS)

    def ahead(self) -> Iterator[bytes]:
        """The complete lines that come next, one by one, without taking them."""
        skipped = 0
        while True:
            newline = self._buffer.find(b"\n", self._at + skipped)
            if newline < 0:
                if len(self._buffer) - self._at - skipped > MAX_LINE:
                    raise BadRowError(self.here(), f"the line is longer than {MAX_LINE >> 20} MiB", "")
                if self._fill():
                    continue
                newline = len(self._buffer) - 1
                if self.follow or newline < self._at + skipped:
                    return
            line = self._buffer[self._at + skipped : newline + 1]
            skipped += len(line)
            yield line

    def take(self, size: int, lines: int) -> None:
        """Count the next `size` bytes, which are `lines` lines, as taken."""
        self._take(size)
        self.line += lines

    def take_line(self) -> None:
        """Take the next line, however long it is."""
        while (newline := self._buffer.find(b"\n", self._at)) < 0:
            self._take(len(self._buffer) - self._at)
            if not self._fill():
                break
        else:
            self._take(newline + 1 - self._at)
        self.line += 1

    def here(self, lines: int = 1) -> str:
        """The place of the line that is the `lines`-th of those not taken."""
        return f"{self.name}, line {self.line + lines}"

    def progress(self) -> float | None:
        share = self._raw.share()
        return share if share is None or not self.read else share * self.byte / self.read

    def close(self) -> None:
        self._raw.close()

    def _take(self, size: int) -> None:
        self._digest.update(memoryview(self._buffer)[self._at : self._at + size])
        self._at += size
        self.byte += size

    def _start_of_line(self) -> str:
        return self._buffer[self._at : self._at + 200].decode("utf-8", "backslashreplace")

    def _fill(self) -> bool:
        """Read more; False if there is no more (now)."""
        if self._ended and not self.follow:
            return False
        try:
            data: Any = self._raw.read1(_CHUNK)
        except (EOFError, OSError, zlib.error) as error:  # also of a compressed file that is cut or damaged
            raise DataError(f"{self.name}, behind line {self.line}: {str(error) or type(error).__name__}") from None
        self._ended = not data
        self.read += len(data)
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        return not self._ended
