"""Sources that are files: by ending, compressed, and in folders."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pyalgo.stream.columnar import ArrowSource, ParquetSource
from pyalgo.stream.csv_lines import CsvSource
from pyalgo.stream.fasta import ENDINGS, FastaSource
from pyalgo.stream.job import DataError, JobError, UsageError
from pyalgo.stream.jsonl import JsonlSource
from pyalgo.stream.source import Batch, Source
from pyalgo.stream.symbols import WIDTHS, BinarySource
from pyalgo.stream.text import Text

__all__ = ["FolderSource", "open_files"]

Schema = Mapping[str, tuple[str, str]]

_TEXTS: dict[str, Any] = {".csv": CsvSource, ".jsonl": JsonlSource, ".ndjson": JsonlSource}
_COLUMNS: dict[str, Any] = {".parquet": ParquetSource, ".arrow": ArrowSource, ".arrows": ArrowSource}
_COMPRESSED = (".gz", ".zst")
_FASTA = re.compile(rf"(.*?(?:{'|'.join(map(re.escape, ENDINGS))})(?:\.gz|\.zst)?)(?:#(.+))?", re.DOTALL)
_KINDS = (
    "give a .csv, .jsonl, .ndjson, .fa or .fasta file, one of symbols (.bin, .u16, .i32, ...; each also .gz or .zst), a "
    ".parquet, .arrow or .arrows file, a folder or pattern of them, python:module:callable, or - for standard input"
)


def open_files(url: str, schema: Schema, columns: dict[str, str] | None, *, follow: bool) -> Source:
    """One file, or all those of a folder or pattern such as ``logs/*.jsonl`` in the order of their names."""
    fasta = _FASTA.fullmatch(url)
    path, record = (url, None) if fasta is None or os.path.exists(url) else fasta.groups()
    if (os.path.isdir(path) and _ending(path) not in _TEXTS) or (not os.path.exists(path) and glob.has_magic(path)):
        return FolderSource(url, schema, columns, follow=follow)
    if fasta is not None:
        return _open_fasta(path, record, columns, follow=follow)
    return _open(url, schema, columns, follow=follow)


def _open(path: str, schema: Schema, columns: dict[str, str] | None, *, follow: bool) -> Source:
    packed = _packed(path)
    ending = _ending(path)
    if ending in ENDINGS:
        raise UsageError(
            f"source {path} is one of several FASTA files, which must not run into one another: give one of them"
        )
    if ending not in _TEXTS and ending not in WIDTHS and (packed or ending not in _COLUMNS):
        raise UsageError(f"source {path!r} is of no known kind: {_KINDS}")
    if follow and ending in _COLUMNS:
        raise UsageError(
            f"source {path} cannot be followed: only .csv and .jsonl files grow line by line, and .bin files and the like "
            "symbol by symbol"
        )
    if follow and packed:
        raise UsageError(f"source {path} cannot be followed: it is compressed")
    file = _opened(path)
    try:
        source: Source
        if ending in _COLUMNS:
            source = _COLUMNS[ending](path, file, columns)
        elif not follow and os.fstat(file.fileno()).st_size == 0:
            raise DataError(f"{path} is empty: expected {_expected(ending)}")
        elif ending in WIDTHS:
            size = None if follow or packed else os.fstat(file.fileno()).st_size
            source = BinarySource(path, _File(file, packed), ending, columns, size=size, follow=follow)
        else:
            source = _TEXTS[ending](Text(path, _File(file, packed), follow=follow), schema, columns)
    except BaseException:
        file.close()
        raise
    return source


def _open_fasta(path: str, record: str | None, columns: dict[str, str] | None, *, follow: bool) -> Source:
    if follow:
        raise UsageError(f"source {path} cannot be followed: nothing tells where a growing record ends")
    file = _opened(path)
    try:
        return FastaSource(path, record, _File(file, _packed(path)), columns)
    except BaseException:
        file.close()
        raise


def _packed(path: str) -> str:
    """The ending that says how it is compressed, "" if it is not."""
    return next((ending for ending in _COMPRESSED if path.endswith(ending)), "")


def _expected(ending: str) -> str:
    """What an empty file lacks."""
    if ending in WIDTHS:
        return "symbols one behind the other"
    return "a line of column names" if ending == ".csv" else "one line a row"


def _ending(path: str) -> str:
    """The ending that tells the kind, whether compressed or not."""
    base, ending = os.path.splitext(path)
    return os.path.splitext(base)[1] if ending in _COMPRESSED else ending


def _opened(path: str) -> BinaryIO:
    if os.path.isdir(path):
        raise DataError(f"{path} is a directory, not a file")
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


class _File:
    """The bytes of a file, decompressed."""

    def __init__(self, file: BinaryIO, packed: str) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._bytes: Any = file
        if packed == ".gz":
            self._bytes = gzip.GzipFile(fileobj=file)
        elif packed == ".zst":
            try:
                import pyarrow
            except ImportError:
                raise JobError('reading .zst needs pyarrow: pip install "pyalgo[cli]"') from None
            self._bytes = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd")

    def read1(self, size: int, /) -> bytes:
        data: bytes = self._bytes.read1(size)
        if not data and os.fstat(self._file.fileno()).st_size < self._file.tell():
            raise OSError("the file has shrunk while it was read")
        return data

    def share(self) -> float | None:
        return self._file.tell() / self._size if self._size else None

    def close(self) -> None:
        self._bytes.close()
        self._file.close()


class FolderSource:
    """Files one after the other, in the order of their names; hidden ones (a leading . or _) are left out.

    The offset is the name of a file and the offset in it. The files before it count as the same as long as their names and
    sizes are. Followed, the last file may grow and new ones may come behind it.
    """

    def __init__(self, url: str, schema: Schema, columns: dict[str, str] | None, *, follow: bool) -> None:
        self._url = url
        self._schema = schema
        self._columns = columns
        self._follow = follow
        self._file = self._before = ""
        self._source: Source | None = None
        paths = self._paths()
        if not paths and not follow:
            raise DataError(f"{url}: there are no files" if os.path.isdir(url) else f"{url}: no file matches")
        if paths:
            self._enter(paths[0])

    def _paths(self) -> list[str]:
        pattern = os.path.join(glob.escape(self._url), "*") if os.path.isdir(self._url) else self._url
        found = glob.glob(pattern, recursive=True)
        return sorted(path for path in found if os.path.isfile(path) and os.path.basename(path)[0] not in "._")

    def _enter(self, path: str) -> None:
        if self._source is not None:
            self._source.close()
        self._file = path
        self._source = _open(path, self._schema, self._columns, follow=self._follow)
        self._before = self._digest_before()

    @property
    def offset(self) -> Any:
        return None if self._source is None else {"file": self._file, "offset": self._source.offset}

    def _digest_before(self) -> str:
        """A digest of the names and sizes of the files before this one."""
        listed = [f"{path}\0{os.path.getsize(path)}" for path in self._paths() if path < self._file]
        return hashlib.sha256("\n".join(listed).encode("utf-8", "surrogateescape")).hexdigest()

    def fingerprint(self) -> str:
        return f"{self._before} {self._source.fingerprint()}" if self._source is not None else ""

    def seek(self, offset: Any, fingerprint: str) -> None:
        if offset is None:
            return
        before, _, inner = fingerprint.partition(" ")
        if not os.path.isfile(offset["file"]):
            raise DataError(
                f"{offset['file']}, which was read before, is gone: put it back, or start over with --fresh"
            )
        self._enter(offset["file"])
        if self._before != before:
            raise DataError(
                f"{self._url}: the files before {self._file} have changed since they were read: put them back, or start "
                "over with --fresh"
            )
        assert self._source is not None
        self._source.seek(offset["offset"], inner)

    def read(self, rows: int) -> Batch | None:
        while True:
            if self._source is None:
                time.sleep(0.1)
                batch: Batch | None = Batch({}, 0)
            else:
                batch = self._source.read(rows)
            if batch is not None and (batch.rows or not self._follow):
                return batch
            following = next((path for path in self._paths() if path > self._file), None)
            if batch is None or self._source is None:
                if following is None:
                    return batch
                self._enter(following)
            elif following is None:
                return batch
            else:  # a later file ends the one before it, whose last line is complete as it is
                assert isinstance(self._source, JsonlSource | CsvSource | BinarySource)
                self._source.finish()

    def locate(self, row: int) -> str:
        assert self._source is not None
        return self._source.locate(row)

    def progress(self) -> float | None:
        paths = self._paths()
        if self._follow or self._source is None or self._file not in paths:
            return None
        return (paths.index(self._file) + (self._source.progress() or 0.0)) / len(paths)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
