"""Where batches come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from pyalgo.algorithm import Algorithm
from pyalgo.arrow import is_arrow
from pyalgo.stream.job import Job, UsageError
from pyalgo.stream.store import Log

__all__ = ["Batch", "Source", "open_source"]


class Batch(NamedTuple):
    """Some rows of the source, as an algorithm's `update` takes them."""

    columns: Any
    rows: int

    def cut(self, at: int) -> tuple[Batch, Batch]:
        """The first `at` rows, and the others."""
        if is_arrow(self.columns):
            return Batch(self.columns.slice(0, at), at), Batch(self.columns.slice(at), self.rows - at)
        head = {name: column[:at] for name, column in self.columns.items()}
        tail = {name: column[at:] for name, column in self.columns.items()}
        return Batch(head, at), Batch(tail, self.rows - at)

    def row(self, at: int) -> dict[str, Any]:
        """Row `at` as a mapping of column to value."""
        if is_arrow(self.columns):
            rows: list[dict[str, Any]] = self.columns.slice(at, 1).to_pylist()
            return rows[0]
        return {name: column[at] for name, column in self.columns.items()}


def may_be_absent(schema: Mapping[str, tuple[str, str]], name: str) -> bool:
    """Whether a batch needs no such column; then one that is null throughout is none."""
    return name == "op" or schema.get(name, ("",))[0].endswith("?")


class Source(Protocol):
    """A sequence of rows that can be read from any offset it once gave.

    A row that cannot be read is reported (`BadRowError`) only once the good rows before it were handed out, so that nothing
    before it is lost; the offset stays before it until it is skipped.
    """

    @property
    def offset(self) -> Any:
        """The place behind the rows read so far, a JSON value."""

    def fingerprint(self) -> str:
        """A digest of all that stands before `offset`, by which a later run knows that it is still the same."""

    def seek(self, offset: Any, fingerprint: str) -> None:
        """Go on behind `offset`. Raises DataError if what stands before it is not what it was."""

    def read(self, rows: int) -> Batch | None:
        """At most so many of the next rows; none if there are none at the moment, None at the end. Raises DataError."""

    def locate(self, row: int) -> str:
        """Where row `row` (0-based) of the batch read last stands, for a message."""

    def progress(self) -> float | None:
        """The share of the source that was read, if it is known."""

    def close(self) -> None: ...


def open_source(job: Job, algorithm: type[Algorithm], log: Log | None, *, allow_python: bool) -> Source:
    """The source that the job's URL names, by its scheme or ending.

    `log` keeps what cannot be read again; without one, a run that is killed loses its place in standard input.
    """
    schema: Mapping[str, tuple[str, str]] = algorithm.columns
    url = job.source
    if job.follow and (url == "-" or url.startswith("python:")):
        raise UsageError(f"source {url} cannot be followed: it ends when it ends; leave out --follow")
    if url.startswith("python:"):
        if not allow_python:
            raise UsageError(f"source {url} runs code of yours: give --allow-python to let it")
        from pyalgo.stream.iterable import PythonSource

        return PythonSource(url, schema, job.columns)
    if url == "-":
        from pyalgo.stream.stdin import StdinSource

        return StdinSource(schema, job.columns, log)
    from pyalgo.stream.files import open_files

    return open_files(url, schema, job.columns, follow=job.follow)
