"""Where batches come from."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from pyalgo.algorithm import Algorithm
from pyalgo.stream.job import Job, UsageError

__all__ = ["Batch", "Source", "open_source"]


class Batch(NamedTuple):
    """Some rows of the source, as an algorithm's `update` takes them."""

    columns: Any
    rows: int


class Source(Protocol):
    """A sequence of rows that can be read from any offset it once gave.

    `offset` is a JSON value: the place behind the rows read so far. A malformed row is reported only once the good rows
    before it were handed out, so that nothing before it is lost.
    """

    replayable: bool
    offset: Any

    def seek(self, offset: Any) -> None:
        """Go on behind `offset`."""

    def read(self, rows: int) -> Batch | None:
        """At most so many of the next rows; None at the end. Raises DataError."""

    def locate(self, row: int) -> str:
        """Where row `row` (0-based) of the batch read last stands, for a message."""

    def progress(self) -> float | None:
        """The share of the source that was read, if it is known."""

    def close(self) -> None: ...


def open_source(job: Job, algorithm: type[Algorithm], *, allow_python: bool) -> Source:
    """The source that the job's URL names, by its scheme or ending."""
    from pyalgo.stream import files

    url = job.source
    if url.startswith("python:"):
        if not allow_python:
            raise UsageError(f"source {url} runs code of yours: give --allow-python to let it")
        return files.PythonSource(url, algorithm.columns, job.columns)
    if url == "-":
        return files.JsonlSource(url, algorithm.columns, job.columns)
    for endings, kind in (
        ((".csv",), files.CsvSource),
        ((".jsonl", ".ndjson"), files.JsonlSource),
        ((".parquet",), files.ParquetSource),
    ):
        if url.endswith(endings):
            return kind(url, algorithm.columns, job.columns)
    raise UsageError(
        f"source {url!r} is of no known kind: give a .csv, .jsonl, .ndjson or .parquet file, python:module:callable, "
        "or - for JSON lines on standard input"
    )
