"""A coverage-guided fuzzer of everything that reads bytes of unknown origin; it needs atheris.

python tests/fuzz/fuzz_inputs.py TARGET [options of libFuzzer, such as -max_total_time=30]

Each target may only succeed or raise the one error that it declares.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import sqlite3
import sys
import tempfile
from pathlib import Path

import atheris
import pyarrow as pa

import pyalgo
from pyalgo import arrays, arrow, snapshot
from pyalgo.arrays import read_batch
from pyalgo.stream import columnar, csv_lines, fasta, job, jsonl, jsonl_block, runner, store, symbols, text
from pyalgo.stream.job import BadRowError, JobError, parse_job, toml_module

SCHEMA = {"op": ("int8", ""), "id": ("int64|str", ""), "items": ("list[int64|str]?", ""), "x": ("float64?", "")}
FOLDER = Path(tempfile.mkdtemp())
EMPTY = pyalgo.create("submodular", objective={"name": "coverage"}, k=2)


class Whole:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read1(self, size: int) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        return data

    def share(self) -> None: ...

    def close(self) -> None: ...


def read_all(source) -> None:
    """Every batch as an algorithm would read it; bad rows are skipped."""
    for _ in range(10_000):
        try:
            batch = source.read(3)
        except BadRowError as bad:
            bad.skip()
            continue
        except JobError:
            return
        if batch is None:
            return
        with contextlib.suppress(ValueError, TypeError):
            read_batch(SCHEMA, batch.columns, {})
    raise AssertionError("the source does not end")


def jsonl_rows(data: bytes) -> None:
    read_all(jsonl.JsonlSource(text.Text("in", Whole(data)), SCHEMA, None))


def csv_rows(data: bytes) -> None:
    try:
        source = csv_lines.CsvSource(text.Text("in", Whole(data)), SCHEMA, None)
    except JobError:
        return
    read_all(source)


def arrow_rows(data: bytes) -> None:
    try:
        source = columnar.ArrowSource("in", io.BytesIO(data), None)
    except JobError:
        return
    read_all(source)


def fasta_rows(data: bytes) -> None:
    try:
        source = fasta.FastaSource("in", None if len(data) % 2 else "b", Whole(data), None)
    except JobError:
        return
    read_all(source)


def binary_rows(data: bytes) -> None:
    read_all(symbols.BinarySource("in", Whole(data), ".u32", None, size=None, follow=False))


def job_file(data: bytes) -> None:
    try:
        tables = toml_module().loads(data.decode("utf-8", "replace"))
    except ValueError:
        return
    with contextlib.suppress(JobError):
        parse_job(tables)


def snapshot_bytes(data: bytes) -> None:
    """The bytes as a snapshot, and as the payload of one whose envelope is in order."""
    for whole in (data, snapshot.pack(EMPTY, data)):
        with contextlib.suppress(snapshot.SnapshotError, KeyError):
            pyalgo.load(whole)


def state_file(data: bytes) -> None:
    """A state with some of its text replaced."""
    path = FOLDER / "s.state"
    if not path.exists():
        (FOLDER / "in.jsonl").write_text('{"id": 1, "items": [1]}\n' * 1)
        os.chdir(FOLDER)
        runner.run(tables(), max_rows=1)
    changed = data.decode("utf-8", "replace")
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE {'checkpoint SET entry' if len(data) % 2 else 'job SET tables'} = ?", (changed,))
    try:
        store.read_state(str(path))
        runner.run(tables())
    except JobError:
        pass


def tables() -> dict:
    return {
        "algorithm": {"name": "submodular", "objective": {"name": "coverage"}, "k": 2},
        "source": {"url": "in.jsonl"},
        "sink": {"url": "out.jsonl"},
        "state": {"path": "s.state"},
    }


def arrow_seed() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"id": [1, 2], "items": [["a"], ["b", "c"]], "op": pa.array([1, 1], pa.int8())})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def snapshot_seed() -> bytes:
    f = pyalgo.create("submodular", objective={"name": "coverage"}, k=2)
    f.update(id=["a", "b"], items=[["x", "y"], ["z"]])
    return snapshot.read(f.to_bytes()).payload


JOB = (
    b'[algorithm]\nname = "submodular"\nk = 2\n[source]\nurl = "in.jsonl"\n[query]\nevery = "2s"\n[state]\npath = "s"\n'
)
ENTRY = b'{"offset": {"byte": 1, "line": 1}, "fingerprint": "", "rows": 1, "seq": 1, "last_line_rows": 1, "sink": 0}'
# Each target with an input to begin from.
TARGETS = {
    "jsonl_rows": (jsonl_rows, b'{"id": 1, "items": [1, 2]}\n\n{"op": -1, "id": 1}\n{"id": 2, "x": 1e3}\n'),
    "csv_rows": (csv_rows, b'op,id,items,x\n1,a,"[1, ""b""]",2.5\n-1,a,,\n'),
    "arrow_rows": (arrow_rows, arrow_seed()),
    "fasta_rows": (fasta_rows, b"\n>a first\nACGT\nAC*-\n>b\r\nacgtn\r\n"),
    "binary_rows": (binary_rows, bytes(range(64))),
    "job_file": (job_file, JOB),
    "snapshot_bytes": (snapshot_bytes, snapshot_seed()),
    "state_file": (state_file, ENTRY),
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz_inputs.py {'|'.join(TARGETS)} [libFuzzer options]")
    target, seed = TARGETS[sys.argv[1]]
    corpus = Path(tempfile.mkdtemp())
    (corpus / "seed").write_bytes(seed)
    modules = (
        arrays,
        arrow,
        columnar,
        csv_lines,
        fasta,
        job,
        jsonl,
        jsonl_block,
        runner,
        snapshot,
        store,
        symbols,
        text,
    )
    for module in modules:
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__:
                setattr(module, name, atheris.instrument_func(value))
            elif inspect.isclass(value) and value.__module__ == module.__name__:
                for method, function in list(vars(value).items()):
                    if inspect.isfunction(function):
                        setattr(value, method, atheris.instrument_func(function))
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
