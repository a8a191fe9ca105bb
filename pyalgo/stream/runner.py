"""The loop: source -> algorithm -> sink, with durable state."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any

from pyalgo import registry
from pyalgo.algorithm import Algorithm
from pyalgo.errors import PluginError, SnapshotError, UnknownAlgorithmError
from pyalgo.stream import sink as sinks
from pyalgo.stream.job import DataError, Interval, Job, JobError, StateError, UsageError, parse_job, read_job
from pyalgo.stream.source import Batch, Source, open_source
from pyalgo.stream.store import Checkpoint, Store

__all__ = ["Interrupted", "RunSummary", "Status", "run"]


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes
    ----------
    rows : int
        Rows taken in since the job's beginning.
    seq : int
        Lines written since the job's beginning.
    resumed : bool
        Whether the run went on from a state.
    finished : bool
        Whether the end of the source was reached; else `max_rows` ended it.
    result : object
        The answer at the end.
    """

    rows: int
    seq: int
    resumed: bool
    finished: bool
    result: Any


@dataclass(frozen=True)
class Status:
    """What a run looks like from outside, after a batch."""

    rows: int
    share: float | None  # of the source, where it is known
    state_bytes: int
    result: Any  # the last answer, None before the first query point


class Interrupted(KeyboardInterrupt):
    """A run that was told to stop; what it had taken in is in the state, if the job has one."""

    def __init__(self, signum: int, rows: int, state: str | None) -> None:
        super().__init__(f"interrupted after {rows} rows")
        self.signum = signum
        self.rows = rows
        self.state = state


Watcher = Callable[[Status], None]
Speaker = Callable[[str], None]


def run(
    job: Mapping[str, Any] | str | PathLike[str],
    *,
    fresh: bool = False,
    allow_python: bool = False,
    max_rows: int | None = None,
    watch: Watcher | None = None,
    say: Speaker | None = None,
) -> RunSummary:
    """Run a job to the end of its source.

    With a state, equal jobs go on where they were: after a crash at any instant the sink ends up byte for byte as if
    nothing had happened. A finished job does nothing.

    Parameters
    ----------
    job : mapping or path
        The tables of a job, or a TOML file with them; see docs/runner.md.
    fresh : bool
        Forget the state and start over; the sink is overwritten.
    allow_python : bool
        Allow sources that run code (``python:module:callable``).
    max_rows : int, optional
        Stop after so many rows since the job's beginning. The job goes on from there when it is run again.
    watch : callable, optional
        Called with a `Status` after every batch.
    say : callable, optional
        Called with a sentence when there is something to know: that the run resumes, or has finished before.

    Raises
    ------
    UsageError, JobError, StateError, DataError
        Of `pyalgo.stream.job`, each with one sentence that tells the cure. After a `DataError` the state and the sink are
        those of the rows before the bad batch.
    Interrupted
        (a ``KeyboardInterrupt``) On SIGINT or SIGTERM in the main thread, after a checkpoint.
    """
    if max_rows is not None and max_rows < 1:
        raise UsageError(f"max_rows must be at least 1, got {max_rows}")
    parsed = parse_job(job if isinstance(job, Mapping) else read_job(job))
    algorithm = _create(parsed)
    source = open_source(parsed, type(algorithm), allow_python=allow_python)
    store = None
    sink = None
    try:
        if parsed.state is not None and not source.replayable:
            raise UsageError(
                f"source {parsed.source} cannot be read again after a crash: leave the state out, or give a file"
            )
        sink = sinks.open_sink(parsed.sink)
        store = Store(parsed.state, fresh=fresh) if parsed.state is not None else None
        loop = _Loop(parsed, algorithm, source, sink, store, max_rows, watch, say or (lambda text: None))
        return loop.run()
    finally:
        source.close()
        if sink is not None:
            sink.close()
        if store is not None:
            store.close()


def _create(job: Job) -> Algorithm:
    try:
        cls = registry.find(job.algorithm)
    except (UnknownAlgorithmError, PluginError) as error:
        raise UsageError(str(error)) from None
    try:
        return cls(**job.params)
    except (TypeError, ValueError, KeyError) as error:
        raise JobError(f"algorithm {job.algorithm!r} refuses its parameters: {error}") from None


class _Loop:
    """One run. Invariant: algorithm, sink and `offset` are at `rows`; the store is at the checkpoint before.

    The source itself may be ahead: a batch that was read need not have been taken in.
    """

    def __init__(
        self,
        job: Job,
        algorithm: Algorithm,
        source: Source,
        sink: sinks.Sink,
        store: Store | None,
        max_rows: int | None,
        watch: Watcher | None,
        say: Speaker,
    ) -> None:
        self.job, self.algorithm, self.source, self.sink, self.store = job, algorithm, source, sink, store
        self.max_rows, self.watch, self.say = max_rows, watch, say
        self.rows = self.seq = self.last_line_rows = self.position = 0
        self.offset: Any = source.offset
        self.opened = False
        self.result: Any = None
        self.query_clock = self.checkpoint_clock = time.monotonic()
        self.checkpoint_rows = 0

    def run(self) -> RunSummary:
        saved = self.store.resume(self.job) if self.store is not None else None
        if saved is not None and self._resume(saved):
            return self._summary(resumed=True, finished=True)
        with _stop_signals() as stop:
            try:
                finished = self._feed(stop)
            except DataError:
                self._checkpoint(finished=False)
                raise
            self._checkpoint(finished=finished)
            if stop.signum is not None and not finished:
                raise Interrupted(stop.signum, self.rows, self.job.state)
        return self._summary(resumed=saved is not None, finished=finished)

    def _resume(self, saved: Checkpoint) -> bool:
        """Go back to `saved`; returns whether there is nothing left to do."""
        try:
            self.algorithm = type(self.algorithm).from_bytes(saved.snapshot)
        except SnapshotError as error:
            raise StateError(f"state {self.job.state} holds a snapshot that cannot be read: {error}") from None
        self.rows, self.seq, self.last_line_rows = saved.rows, saved.seq, saved.last_line_rows
        self.position, self.checkpoint_rows = saved.sink, saved.rows
        if saved.finished:
            self.result = self.algorithm.query(**self.job.options)
            self.say(f"{self.job.state}: this job finished after {self.rows} rows; nothing to do (--fresh starts over)")
            return True
        self.source.seek(saved.source_offset)
        self.offset = saved.source_offset
        self.say(f"{self.job.state}: resuming behind row {self.rows}")
        self._open_sink()
        return False

    def _feed(self, stop: _Stop) -> bool:
        """Rows until the end of the source (True), the last row wanted, or a signal (False)."""
        while stop.signum is None:
            wanted = self._rows_to_stop()
            if wanted == 0:
                return False
            try:
                with stop.now():
                    batch = self.source.read(wanted)
            except KeyboardInterrupt:  # nothing of the batch was taken in
                return False
            if batch is None:
                self._open_sink()
                if self.seq == 0 or self.last_line_rows < self.rows:
                    self._write()
                return True
            self._take(batch)
        return False

    def _rows_to_stop(self) -> int:
        """Batches end at query points and at the last row wanted, so that neither depends on how the source cuts them."""
        wanted = self.job.batch_rows
        if self.job.every is not None and self.job.every.rows is not None:
            wanted = min(wanted, self.job.every.rows - self.rows % self.job.every.rows)
        if self.max_rows is not None:
            wanted = min(wanted, self.max_rows - self.rows)
        return max(wanted, 0)

    def _take(self, batch: Batch) -> None:
        try:
            emission = self.algorithm.update(batch.columns)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(_placed(error, self.source, batch)) from error
        del emission  # what an update settles is not written yet
        self.rows += batch.rows
        self.offset = self.source.offset
        self._open_sink()
        if self._query_due():
            self._write()
            self.query_clock = time.monotonic()
        if self.store is not None and _passed(
            self.job.checkpoint, self.rows - self.checkpoint_rows, self.checkpoint_clock
        ):
            self._checkpoint(finished=False)
        if self.watch is not None:
            self.watch(Status(self.rows, self.source.progress(), self.algorithm.nbytes, self.result))

    def _query_due(self) -> bool:
        every = self.job.every
        if every is None:
            return False
        return self.rows % every.rows == 0 if every.rows else _passed(every, 0, self.query_clock)

    def _open_sink(self) -> None:
        # Not before the first row is taken in: a run that is refused leaves the output of an earlier one alone.
        if not self.opened:
            self.sink.open(self.position)
            self.opened = True

    def _write(self) -> None:
        self.result = self.algorithm.query(**self.job.options)
        self.seq += 1
        self.last_line_rows = self.rows
        self.sink.write(sinks.line(seq=self.seq, rows=self.rows, offset=self.offset, result=self.result))

    def _checkpoint(self, *, finished: bool) -> None:
        """The sink first, then the store: a crash between the two leaves lines behind the position, which are cut off."""
        if not self.opened:
            return
        self.position = self.sink.sync()
        if self.store is None:
            return
        self.store.commit(
            self.job,
            Checkpoint(
                self.offset,
                self.rows,
                self.seq,
                self.last_line_rows,
                self.position,
                finished,
                self.algorithm.to_bytes(),
            ),
        )
        self.checkpoint_rows = self.rows
        self.checkpoint_clock = time.monotonic()

    def _summary(self, *, resumed: bool, finished: bool) -> RunSummary:
        result = self.algorithm.query(**self.job.options) if self.result is None else self.result
        return RunSummary(self.rows, self.seq, resumed, finished, result)


def _passed(interval: Interval, rows: int, since: float) -> bool:
    if interval.rows is not None:
        return rows >= interval.rows
    return time.monotonic() - since >= (interval.seconds or 0.0)


def _placed(error: Exception, source: Source, batch: Batch) -> str:
    """The error of an update as one sentence that begins with its place in the source."""
    row = getattr(error, "row", None)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(row, int) and 0 <= row < batch.rows:
        return f"{source.locate(row)}: {text.removeprefix(f'row {row}: ')}"
    return f"{source.locate(0)} and the {batch.rows - 1} rows behind it: {text}"


class _Stop:
    """Signals that ask the run to stop. They wait for a batch to be taken in, but not for one to arrive."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._at_once = False

    def handle(self, signum: int, frame: Any) -> None:
        self.signum = signum
        if self._at_once:
            raise KeyboardInterrupt

    @contextmanager
    def now(self) -> Iterator[None]:
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
