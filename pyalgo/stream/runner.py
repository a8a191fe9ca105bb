"""The loop: source -> algorithm -> sink, with durable state."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from pyalgo import registry
from pyalgo.algorithm import Algorithm
from pyalgo.errors import PluginError, SnapshotError, UnknownAlgorithmError
from pyalgo.stream import sink as sinks
from pyalgo.stream.job import (
    BadRowError,
    DataError,
    Interval,
    Job,
    JobError,
    StateError,
    UsageError,
    check_files,
    parse_job,
    read_job,
)
from pyalgo.stream.rejects import Rejects
from pyalgo.stream.signals import Stop, stop_signals
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
        Entries written since the job's beginning: answers, and emissions where the job wants them.
    resumed : bool
        Whether the run went on from a state.
    finished : bool
        Whether the end of the source was reached; else `max_rows` ended it.
    rejected : int
        Rows left out since the job's beginning (``on_error = "skip"``).
    result : object
        The answer at the end.
    """

    rows: int
    seq: int
    resumed: bool
    finished: bool
    rejected: int
    result: Any


@dataclass(frozen=True)
class Status:
    """What a run looks like from outside, after a batch."""

    rows: int
    share: float | None  # of the source, where it is known
    state_bytes: int
    rejected: int
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
    check_files(parsed)
    algorithm = _create(parsed)
    with ExitStack() as stack:
        sink = sinks.open_sink(parsed)
        stack.callback(sink.close)
        store = None
        if parsed.state is not None:
            store = Store(parsed.state, parsed, fresh=fresh)
            stack.callback(store.close)
        log = store.log() if store is not None else None
        source = open_source(parsed, type(algorithm), log, allow_python=allow_python)
        stack.callback(source.close)
        loop = _Loop(parsed, algorithm, source, sink, store, max_rows, watch, say or (lambda text: None))
        stack.callback(loop.rejects.close)
        return loop.run()


def _create(job: Job) -> Algorithm:
    """A new algorithm, which takes the job's parameters and, as far as it is empty, the query's options."""
    try:
        cls = registry.find(job.algorithm)
    except (UnknownAlgorithmError, PluginError) as error:
        raise UsageError(str(error)) from None
    try:
        inspect.signature(cls).bind(**job.params)  # its words name the parameter, and nothing that is not the user's
        algorithm = cls(**job.params)
    except (TypeError, ValueError, KeyError) as error:
        raise JobError(f"algorithm {job.algorithm!r} refuses its parameters: {_sentence(error)}") from None
    _ask(algorithm, job)
    return algorithm


def _ask(algorithm: Algorithm, job: Job) -> Any:
    """The answer to the job's query."""
    try:
        inspect.signature(algorithm.query).bind(**job.options)
        return algorithm.query(**job.options)
    except (TypeError, ValueError, KeyError) as error:
        raise JobError(f"algorithm {job.algorithm!r} refuses its query: {_sentence(error)}") from None


class _Loop:
    """One run. Invariant: algorithm, sink and `at` are as of one row; the store is at `kept`, some rows before.

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
        self.at = Checkpoint.beginning(source.offset, source.fingerprint())
        self.kept = replace(self.at)
        self.rejects = Rejects(job.rejects_path())
        self.opened = False
        self.settled: list[Any] = []  # emissions of the batch being taken in
        self.result: Any = None
        self.state_bytes = 0
        self.begun = self.query_clock = self.checkpoint_clock = time.monotonic()

    def run(self) -> RunSummary:
        saved = self.store.resume() if self.store is not None else None
        if self.store is not None and (received := self.store.received()):
            self.say(f"{self.job.state}: {received} lines of standard input were received; it must go on behind them")
        if saved is not None and self._resume(*saved):
            return self._summary(resumed=True, finished=True)
        with stop_signals() as stop:
            try:
                finished = self._feed(stop)
            except DataError:
                if not self.opened and self.store is not None:
                    self.store.forget_received()
                self._checkpoint(finished=False, wait=True)
                raise
            self._checkpoint(finished=finished, wait=True)
            if stop.signum is not None and not finished:
                raise Interrupted(stop.signum, self.at.rows, self.job.state)
        if self.rejects.count:
            self.say(f"{self.rejects.count} rows were left out: {self.rejects.path} says which and why")
        return self._summary(resumed=saved is not None, finished=finished)

    def _resume(self, saved: Checkpoint, snapshot: bytes) -> bool:
        """Go back to `saved`; returns whether there is nothing left to do."""
        try:
            self.algorithm = type(self.algorithm).from_bytes(snapshot)
        except SnapshotError as error:
            raise StateError(f"state {self.job.state} holds a snapshot that cannot be read: {error}") from None
        self.at, self.kept = replace(saved, finished=False), saved
        self.begun -= saved.seconds
        self.rejects.count = saved.rejected
        if saved.finished and not self.job.follow:
            self.say(
                f"{self.job.state}: this job finished after {saved.rows} rows; nothing to do (--fresh starts over)"
            )
            return True
        try:
            self.source.seek(saved.offset, saved.fingerprint)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise StateError(f"state {self.job.state} holds no offset of its source: {saved.offset!r}") from error
        self.say(f"{self.job.state}: resuming behind row {saved.rows}")
        self._open_sink()
        return False

    def _feed(self, stop: Stop) -> bool:
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
            except BadRowError as bad:
                if self.job.on_error == "stop":
                    raise
                self._open_sink()
                self.rejects.add(bad.place, bad.reason, bad.text)
                bad.skip()
                batch = Batch({}, 0)
            if batch is None:
                self._open_sink()
                if self.job.emit and hasattr(self.algorithm, "flush"):  # what it held back
                    self._count(0, self.algorithm.flush())
                    self._emit()
                if self.at.seq == 0 or self.at.last_line_rows < self.at.rows:
                    self._write()
                return True
            self._take(batch)
        return False

    def _rows_to_stop(self) -> int:
        """Batches end at query points and at the last row wanted, so that neither depends on how the source cuts them."""
        wanted = self.job.batch_rows
        if self.job.emit:  # an entry tells of one batch, so the batches too must not depend on where a run began
            wanted -= self.at.rows % wanted
        if self.job.every is not None and self.job.every.rows is not None:
            wanted = min(wanted, self.job.every.rows - self.at.rows % self.job.every.rows)
        if self.max_rows is not None:
            wanted = min(wanted, self.max_rows - self.at.rows)
        return max(wanted, 0)

    def _take(self, batch: Batch) -> None:
        """A batch into the algorithm, and whatever is due behind it; an empty one comes when there is nothing to read."""
        if batch.rows:
            self._update(batch)
            self._open_sink()
        self.at.offset, self.at.fingerprint = self.source.offset, self.source.fingerprint()
        self._emit()
        if self._query_due():
            self._write()
            self.query_clock = time.monotonic()
        if _passed(self.job.checkpoint, self.at.rows - self.kept.rows, self.checkpoint_clock):
            self._checkpoint(finished=False)
        if self.store is not None:
            self.store.beat()
        if self.watch is not None:
            self.watch(self._status())

    def _update(self, batch: Batch) -> None:
        try:
            emission = self.algorithm.update(batch.columns)
        except (ValueError, TypeError, KeyError) as error:
            if self.job.on_error == "stop":
                raise DataError(": ".join(_placed(error, self.source, batch))) from error
            self._update_piecewise(batch, error)
        else:
            self._count(batch.rows, emission)

    def _update_piecewise(self, batch: Batch, error: Exception) -> None:
        """The rows of a refused batch but those that are to blame, which the algorithm names or halving finds."""
        self._open_sink()
        pieces: list[tuple[int, Batch, Exception | None]] = [(0, batch, error)]
        while pieces:
            first, piece, refused = pieces.pop()
            if refused is None:
                try:
                    self._count(piece.rows, self.algorithm.update(piece.columns))
                    continue
                except (ValueError, TypeError, KeyError) as again:
                    refused = again
            if piece.rows == 1:
                row = sinks.line(sinks.to_json(piece.row(0)))
                self.rejects.add(self.source.locate(first), _sentence(refused), row)
                continue
            named = getattr(refused, "row", None)
            at = max(1, named) if isinstance(named, int) and 0 <= named < piece.rows else piece.rows // 2
            head, tail = piece.cut(at)
            pieces += [(first + at, tail, None), (first, head, None)]

    def _query_due(self) -> bool:
        every = self.job.every
        if every is None or self.at.rows == self.at.last_line_rows:
            return False
        if every.rows is not None:
            return self.at.rows % every.rows == 0
        return _passed(every, 0, self.query_clock)

    def _open_sink(self) -> None:
        # Not before the first row is taken in: a run that is refused leaves the output of an earlier one alone.
        if not self.opened:
            self.sink.open(self.kept.sink)
            if self.kept.rejects or self.job.on_error == "skip":
                self.rejects.open(self.kept.rejects)
            self.opened = True

    def _count(self, rows: int, emission: Any) -> None:
        """Rows that were taken in, and what they settled, which is written once the place behind the batch is known."""
        self.at.rows += rows
        if self.job.emit and emission is not None:
            self.settled.append(emission)

    def _emit(self) -> None:
        for emission in self.settled:
            entry = sinks.to_json(emission)
            if not sinks.is_empty(entry):
                self._enter("emission", entry)
        self.settled.clear()

    def _write(self) -> None:
        self.result = _ask(self.algorithm, self.job)
        self.at.last_line_rows = self.at.rows
        self._enter("result", sinks.to_json(self.result))

    def _enter(self, kind: str, content: Any) -> None:
        self.at.seq += 1
        self.sink.write({"seq": self.at.seq, "rows": self.at.rows, "offset": self.at.offset, kind: content})

    def _checkpoint(self, *, finished: bool, wait: bool = False) -> None:
        """The sink first, then the store: a crash between the two leaves answers behind the position, which are cut off.

        The loop waits for the snapshot to be taken; it is written while the loop goes on. If that takes longer than the time
        to the next checkpoint, that one is left out.
        """
        store = self.store
        if not self.opened or (not wait and (self.at.offset == self.kept.offset or (store is not None and store.busy))):
            return
        begun = time.monotonic()
        self.at.sink, self.at.rejected, self.at.rejects = self.sink.flush(), self.rejects.count, self.rejects.position
        if store is None:
            self._sync()
            self.state_bytes = self.algorithm.nbytes
        else:
            frozen = self.algorithm.freeze()
        self.checkpoint_clock = now = time.monotonic()
        self.kept = replace(self.at, finished=finished, seconds=now - self.begun, stall=now - begun)
        if store is not None:
            store.begin(self.kept, frozen, self._sync)
            if wait:
                store.wait()

    def _sync(self) -> None:
        self.rejects.sync()
        self.sink.sync()

    def _status(self) -> Status:
        state_bytes = self.store.snapshot_bytes if self.store is not None else self.state_bytes
        return Status(self.at.rows, self.source.progress(), state_bytes, self.rejects.count, self.result)

    def _summary(self, *, resumed: bool, finished: bool) -> RunSummary:
        result = _ask(self.algorithm, self.job) if self.result is None else self.result
        return RunSummary(self.at.rows, self.at.seq, resumed, finished, self.rejects.count, result)


def _passed(interval: Interval, rows: int, since: float) -> bool:
    if interval.rows is not None:
        return rows >= interval.rows
    return time.monotonic() - since >= (interval.seconds or 0.0)


def _placed(error: Exception, source: Source, batch: Batch) -> tuple[str, str]:
    """Where in the source the error of an update comes from, and what it says."""
    row = getattr(error, "row", None)
    if isinstance(row, int) and 0 <= row < batch.rows:
        return source.locate(row), _sentence(error)
    rest = f", the first of {batch.rows:,} rows" if batch.rows > 1 else ""
    return source.locate(0) + rest, _sentence(error)


def _sentence(error: Exception) -> str:
    """What an error says, without the number of the row within the batch."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text.removeprefix(f"row {getattr(error, 'row', None)}: ")
