"""Where rows come from: every format gives the same rows, and every change behind the runner's back is seen."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyalgo
from pyalgo.arrays import read_batch
from pyalgo.arrow import is_arrow
from pyalgo.stream import csv_lines, jsonl, text
from pyalgo.stream.job import DataError, UsageError

from .conftest import stream
from .test_runner import job

ROWS = stream(2500)


def write_all(path):
    """The same rows in every format there is; returns the names."""
    table = pa.Table.from_pylist([{"op": r["op"], "id": r["id"], "items": r.get("items")} for r in ROWS])
    lines = (path / "in.jsonl").read_bytes()
    with open(path / "in.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["op", "id", "items"])
        writer.writerows([r["op"], r["id"], json.dumps(r["items"]) if r["op"] > 0 else ""] for r in ROWS)
    (path / "in.jsonl.gz").write_bytes(gzip.compress(lines))
    (path / "in.csv.gz").write_bytes(gzip.compress((path / "in.csv").read_bytes()))
    (path / "in.ndjson.zst").write_bytes(pa.compress(lines, codec="zstd", asbytes=True))
    pq.write_table(table, path / "in.parquet", row_group_size=700)
    with pa.ipc.new_file(path / "in.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=333)
    with pa.ipc.new_stream(path / "in.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=333)
    (path / "days").mkdir()
    for day, at in enumerate(range(0, 2500, 900)):
        (path / "days" / f"{day}.jsonl").write_bytes(b"".join(lines.splitlines(keepends=True)[at : at + 900]))
    (path / "days" / "_notes.txt").write_text("left out")
    names = ["in.jsonl", "in.csv", "in.jsonl.gz", "in.csv.gz", "in.ndjson.zst", "in.parquet", "in.arrow", "in.arrows"]
    return [*names, "days", "days/*.jsonl"]


def answers(work, name):
    return [(line["seq"], line["rows"], line["result"]) for line in work.lines(name)]


def test_every_format_gives_the_same_answers_and_resumes(work, monkeypatch):
    monkeypatch.chdir(work.path)
    expected = None
    for n, source in enumerate(write_all(work.path)):
        tables = job(
            source={"url": source, "batch_rows": 430}, sink={"url": f"{n}.jsonl"}, state={"path": f"{n}.state"}
        )
        for rows in (700, 1700, 1800):
            pyalgo.run(tables, max_rows=rows)
        assert pyalgo.run(tables).resumed
        expected = expected or answers(work, f"{n}.jsonl")
        assert answers(work, f"{n}.jsonl") == expected, source
        pyalgo.run(job(source={"url": source}, sink={"url": "whole.jsonl"}, state={}))
        assert (work.path / f"{n}.jsonl").read_bytes() == (work.path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["in.jsonl", "in.arrow", "in.arrows"])
def test_standard_input_is_told_apart_by_its_first_bytes(work, name):
    write_all(work.path)
    with open(work.path / name, "rb") as file:
        done = subprocess.run(
            work.command(*work.flags("-")), cwd=work.path, stdin=file, capture_output=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")
    work.pyalgo(*work.flags(sink="whole.jsonl", state=None))
    assert answers(work, "out.jsonl") == answers(work, "whole.jsonl")


@pytest.mark.parametrize("source", ["in.jsonl", "in.csv", "in.jsonl.gz", "in.parquet", "in.arrow", "days"])
def test_a_source_that_changed_before_the_checkpoint_is_refused(work, monkeypatch, source):
    monkeypatch.chdir(work.path)
    write_all(work.path)
    tables = job(source={"url": source})
    pyalgo.run(tables, max_rows=1700)
    before = (work.path / "out.jsonl").read_bytes()
    ROWS[0]["id"] = 4711
    try:
        for name in os.listdir(work.path / "days"):
            os.remove(work.path / "days" / name)
        os.rmdir(work.path / "days")
        work.write_jsonl("in.jsonl", ROWS)
        write_all(work.path)
    finally:
        ROWS[0]["id"] = 0
    with pytest.raises(DataError, match="changed|is another file"):
        pyalgo.run(tables)
    assert (work.path / "out.jsonl").read_bytes() == before


def test_a_source_that_became_shorter_is_refused_and_one_that_grew_is_not(work, monkeypatch):
    monkeypatch.chdir(work.path)
    pyalgo.run(job(), max_rows=1700)
    lines = (work.path / "in.jsonl").read_bytes().splitlines(keepends=True)
    (work.path / "in.jsonl").write_bytes(b"".join(lines[:1500]))
    with pytest.raises(DataError, match=r"has \d+ bytes, fewer than the \d+ read before: it was replaced"):
        pyalgo.run(job())
    (work.path / "in.jsonl").write_bytes(b"".join(lines) + b'{"op": 1, "id": 9999, "items": [7]}')
    assert pyalgo.run(job()).rows == 2501


def test_a_last_line_that_grew_is_refused(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "in.csv").write_text("id,items\n1,5\n2,6;7")
    tables = job(source={"url": "in.csv"})
    with pytest.raises(KeyboardInterrupt):
        pyalgo.run({**tables, "query": {"every": 2}}, watch=lambda status: (_ for _ in ()).throw(KeyboardInterrupt))
    pyalgo.run(tables, max_rows=2)
    with open("in.csv", "a") as file:
        file.write("7\n")
    with pytest.raises(DataError, match="line 3: the line has grown"):
        pyalgo.run(tables)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_growing_file_is_followed(work, ending):
    def append(text):
        with open(work.path / f"in.{ending}", "a") as file:
            file.write(text)

    def reached(rows):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if (work.path / "out.jsonl").exists() and any(line["rows"] == rows for line in work.lines()):
                return True
            time.sleep(0.05)
        return False

    begin = 'op,id,items\n1,1,"[5, 6]"\n' if ending == "csv" else '{"id": 1, "items": [5, 6]}\n'
    (work.path / f"in.{ending}").write_text(begin)
    flags = work.flags(f"in.{ending}", query_every="1")
    process = subprocess.Popen([*work.command(*flags), "--follow"], cwd=work.path, stderr=subprocess.PIPE, text=True)
    assert reached(1)
    append("1,2,[7" if ending == "csv" else '{"id": 2, "ite')  # half a line is not a line
    time.sleep(0.4)
    assert len(work.lines()) == 1
    append("]\n" if ending == "csv" else 'ms": [7]}\n')
    assert reached(2)
    process.send_signal(2)
    _, error = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "go on from s.state" in error
    append("1,3,[8]\n" if ending == "csv" else '{"id": 3, "items": [8]}\n')
    done = work.pyalgo(*flags, "--follow", "--max-rows", "3")
    assert (done.returncode, [line["rows"] for line in work.lines()]) == (0, [1, 2, 3])


def test_a_growing_folder_is_followed(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "logs").mkdir()

    def write():
        for n in range(4):
            time.sleep(0.15)
            # Without a line feed behind it: the next file says that it is complete.
            (work.path / "logs" / f"{n}.part").write_text(json.dumps({"id": n, "items": [n]}))
            os.rename(work.path / "logs" / f"{n}.part", work.path / "logs" / f"{n}.jsonl")

    writer = threading.Thread(target=write)
    writer.start()
    summary = pyalgo.run(job(source={"url": "logs/*.jsonl", "follow": True}, query={"every": 1}), max_rows=3)
    writer.join()
    assert summary.rows == 3
    assert [line["rows"] for line in work.lines()] == [1, 2, 3]


def test_what_cannot_be_followed(work, monkeypatch):
    monkeypatch.chdir(work.path)
    write_all(work.path)
    for source, why in (
        ("-", "it ends when it ends"),
        ("in.parquet", "grow line by line"),
        ("in.jsonl.gz", "compressed"),
    ):
        with pytest.raises(UsageError, match=why):
            pyalgo.run(job(source={"url": source, "follow": True}))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("in.jsonl", b"", "in.jsonl is empty"),
        ("in.csv", b"", "in.csv is empty"),
        ("in.parquet", b"PAR1 no", "in.parquet is not a Parquet file"),
        ("in.arrow", b"ARROW1\0\0 no", "in.arrow is not Arrow IPC"),
        ("in.arrow", b"", "in.arrow is not Arrow IPC"),
        ("in.jsonl.gz", gzip.compress(b'{"id": 1, "items": [1]}\n' * 9, mtime=0)[:-20], "behind line 0: "),
        ("in.jsonl.gz", b"no gzip at all", "Not a gzipped file"),
        ("in.jsonl.zst", b"no zstd at all", "in.jsonl.zst, behind line 0: "),
        ("in.jsonl", b'{"id": 1, "items": [1]}\n{"id": 2, "items": ["\xff"]}\n', "line 2: byte b'\\xff' at column 22 is not"),
        ("in.jsonl", b'{"id": 1, "items": [1]}\n{"id": 2, "items": [NaN]}\n', "line 2: items at position 0 must be"),
        ("in.jsonl", b'{"id": 1, "items": [1]}\n\n{"id": 2, "items": [null]}\n', "line 3: items at position 0 is null"),
        ("in.jsonl", b'{"items": [1]}\n', "column 'id' is missing: given were items"),
        ("in.jsonl", b'{"id": 1, "items": [1]}\n{"id": 1.5, "items": [1]}\n', "line 2: id must be an integer"),
        ("in.jsonl", b'{"id": 1, "items": [1]}{"id": 2, "items": [1]}\n', "line 1: not valid JSON (Extra data"),
    ],
)  # fmt: skip
def test_bad_files_are_named_with_their_line(work, name, content, text):
    (work.path / name).write_bytes(content)
    done = work.pyalgo(*work.flags(name, state=None, sink="-"))
    assert done.returncode == 1
    assert text in done.stderr
    assert name in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_quote_that_is_never_closed_costs_its_line_only(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "in.csv").write_text('id,items\n1,"5;6"\n2,"7;8\n3,"9\n;10"\n4,"11"x\n5,12\n')
    tables = job(source={"url": "in.csv"}, query={}, state={})
    with pytest.raises(DataError, match=r"in.csv, line 3: not valid CSV: .*, got '2,\"7;8'"):
        pyalgo.run(tables)
    assert pyalgo.run({**tables, "source": {"url": "in.csv", "on_error": "skip"}}).rows == 3
    assert [line["place"] for line in work.lines("out.rejects.jsonl")] == ["in.csv, line 3", "in.csv, line 6"]
    assert set(work.lines()[-1]["result"]["ids"]) == {1, 3, 5}


def test_a_field_that_is_there_twice_is_refused(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "in.csv").write_text("id,items,id\n1,5,2\n")
    with pytest.raises(DataError, match="in.csv, line 1: the field 'id' is there 2 times"):
        pyalgo.run(job(source={"url": "in.csv"}))


@pytest.mark.parametrize("source", ["in.jsonl", "in.csv"])
def test_a_batch_of_long_lines_has_few(work, monkeypatch, source):
    monkeypatch.chdir(work.path)
    write_all(work.path)
    for module in (text, csv_lines):
        monkeypatch.setattr(module, "BLOCK", 1000)
    pyalgo.run(job(source={"url": "in.parquet"}, sink={"url": "whole.jsonl"}, state={}))
    seen = []
    pyalgo.run(job(source={"url": source}, state={}), watch=lambda status: seen.append(status.rows))
    assert len(seen) > os.path.getsize(source) / 1200
    assert answers(work, "out.jsonl") == answers(work, "whole.jsonl")


def test_bad_folders(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: there are no files"):
        pyalgo.run(job(source={"url": "empty"}))
    with pytest.raises(DataError, match="no file matches"):
        pyalgo.run(job(source={"url": "empty/*.csv"}))
    (work.path / "empty" / "a.txt").write_text("x")
    with pytest.raises(UsageError, match=r"'empty/a.txt' is of no known kind"):
        pyalgo.run(job(source={"url": "empty"}))


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_line_of_100_mb_is_refused_and_can_be_left_out(work, monkeypatch, ending):
    monkeypatch.chdir(work.path)
    rows = ['{"id": 1, "items": [1]}', '{"id": 2, "items": [2]}'] if ending == "jsonl" else ["id,items\n1,1", "2,2"]
    with open(f"in.{ending}", "w") as file:
        file.write(f"{rows[0]}\n{'[' * 100_000_000}\n{rows[1]}\n")
    line = 2 if ending == "jsonl" else 3
    tables = job(source={"url": f"in.{ending}"}, state={})
    with pytest.raises(DataError, match=f"in.{ending}, line {line}: the line is longer than 64 MiB"):
        pyalgo.run(tables)
    tables["source"]["on_error"] = "skip"
    summary = pyalgo.run(tables)
    assert (summary.rows, summary.rejected) == (2, 1)


SCHEMA = {"op": ("int8", ""), "id": ("int64|str", ""), "items": ("list[int64|str]?", ""), "x": ("float64?", "")}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(-3, 3), st.floats(), st.text(max_size=3)
)
RECORDS = st.one_of(
    st.fixed_dictionaries(
        {"id": st.integers(-3, 2**63 - 1), "items": st.lists(st.integers(-3, 3), max_size=3)},
        optional={"op": st.sampled_from([1, -1]), "x": st.floats(allow_nan=False, allow_infinity=False)},
    ),
    st.dictionaries(
        st.sampled_from(["id", "items", "op", "x", "y"]), st.one_of(VALUES, st.lists(VALUES, max_size=2)), max_size=4
    ),
)


class Whole:
    """Bytes that are there at once."""

    def __init__(self, data):
        self.data = data

    def read1(self, size):
        data, self.data = self.data, b""
        return data

    def share(self):
        return None

    def close(self): ...


def batches_of(data, batch_rows, *, by_blocks):
    """What an algorithm reads of every batch, with the places of its rows, up to the first error, and that error."""
    source = jsonl.JsonlSource(text.Text("in", Whole(data)), SCHEMA, None)
    if not by_blocks:
        source._parse_block = None
    found: list = []
    try:
        while (batch := source.read(batch_rows)) is not None:
            found.append([source.locate(row) for row in range(batch.rows)])
            try:
                names = batch.columns.schema.names if is_arrow(batch.columns) else batch.columns
                columns = {name: batch.columns[name] for name in sorted(names)}
                found.append(sorted(read_batch(SCHEMA, columns, {}).items()))
            except (ValueError, TypeError) as error:
                found.append((type(error), getattr(error, "row", None)))
    except DataError as error:
        found.append(error)
    return repr((found, source.offset, source.fingerprint()))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(RECORDS, max_size=6),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n"]),
    st.integers(1, 7),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"{}{}\n", b'{"id":\n1}\n', b'{"id": 1, "id": 2}\n', b"\xff\n"]),
)
def test_blocks_and_lines_see_the_same_rows(records, ending, batch_rows, begin):
    data = begin + "".join(json.dumps(record) + ending for record in records).encode()
    assert batches_of(data, batch_rows, by_blocks=True) == batches_of(data, batch_rows, by_blocks=False)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 5))
def test_no_bytes_upset_a_text_source(data, batch_rows):
    for by_blocks in (True, False):
        batches_of(data, batch_rows, by_blocks=by_blocks)
