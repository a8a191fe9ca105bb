"""Streams of symbols: binary files and FASTA, and what updates settle (`emit`)."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyalgo
from pyalgo.stream import fasta, symbols
from pyalgo.stream.files import open_files
from pyalgo.stream.job import DataError, StateError, UsageError, parse_job
from pyalgo.stream.sink import read_answers

from .test_durability import KILLER
from .test_sources import Whole

pytestmark = pytest.mark.usefixtures("toys")
SCHEMA = {"symbol": ("int64", "")}


def letters(n: int, seed: int = 0) -> bytes:
    return bytes(random.Random(seed).choices(b"ACGT", k=n))


def wrapped(text: bytes, width: int = 60, end: bytes = b"\n") -> bytes:
    return b"".join(text[at : at + width] + end for at in range(0, len(text), width))


TEXT = letters(2500)
FASTA = (
    b">one first of three\n"
    + wrapped(letters(300, 1))
    + b">two\n"
    + wrapped(TEXT)
    + b">three\n"
    + wrapped(letters(90, 2))
)


def job(url: str = "in.bin", **changed):
    tables = {
        "algorithm": {"name": "toy.matches", "pattern": "GATTACA", "k": 3},
        "source": {"url": url, "batch_rows": 170},
        "query": {"every": 1000},
        "sink": {"url": "out.jsonl", "emit": True},
        "state": {"path": "s.state"},
    }
    return {**tables, **changed}


def all_symbols(url: str, rows: int = 1000, columns: dict[str, str] | None = None) -> list:
    """Every symbol that a source gives, read in batches of at most so many rows."""
    source = open_files(url, SCHEMA, columns, follow=False)
    found: list = []
    while (batch := source.read(rows)) is not None:
        (column,) = batch.columns.values()
        assert len(column) == batch.rows <= rows
        found += column.tolist()
        assert source.offset["symbol"] == len(found)
    source.close()
    return found


@pytest.fixture
def inputs(work, monkeypatch):
    """The same 2,500 letters in every form there is; returns the names."""
    monkeypatch.chdir(work.path)
    (work.path / "in.bin").write_bytes(TEXT)
    (work.path / "in.bin.gz").write_bytes(gzip.compress(TEXT, mtime=0))
    (work.path / "in.u32").write_bytes(np.frombuffer(TEXT, np.uint8).astype("<u4").tobytes())
    (work.path / "in.i16.zst").write_bytes(
        pa.compress(np.frombuffer(TEXT, np.uint8).astype("<i2").tobytes(), codec="zstd", asbytes=True)
    )
    (work.path / "in.fa").write_bytes(b"\n>one\n" + wrapped(TEXT, 70) + b"\n\n")
    (work.path / "crlf.fasta").write_bytes(b">one and more\r\n" + wrapped(TEXT, 7, b"\r\n"))
    (work.path / "line.fna").write_bytes(b">\n" + TEXT)
    (work.path / "many.fa").write_bytes(FASTA)
    (work.path / "many.fa.gz").write_bytes(gzip.compress(FASTA))
    (work.path / "many.fa.zst").write_bytes(pa.compress(FASTA, codec="zstd", asbytes=True))
    (work.path / "parts").mkdir()
    for n, at in enumerate(range(0, 2500, 900)):
        (work.path / "parts" / f"{n}.bin").write_bytes(TEXT[at : at + 900])
    work.write_jsonl("symbols.jsonl", [{"symbol": letter} for letter in TEXT])
    one = ["in.bin", "in.bin.gz", "in.u32", "in.i16.zst", "in.fa", "crlf.fasta", "line.fna", "symbols.jsonl"]
    return [*one, "many.fa#two", "many.fa.gz#two", "many.fa.zst#two", "parts"]


def test_every_form_gives_the_same_symbols(inputs):
    for url in set(inputs) - {"symbols.jsonl", "parts"}:
        for rows in (1, 170, 10**6):
            assert all_symbols(url, rows) == list(TEXT), url
    assert all_symbols("in.bin", columns={"letter": "symbol"}) == list(TEXT)
    assert len(all_symbols("many.fa#three")) == 90


def test_every_form_gives_the_same_lines_and_resumes(work, inputs):
    pyalgo.run(job(sink={"url": "whole.jsonl", "emit": True}, state={}))
    whole = [{**line, "offset": None} for line in work.lines("whole.jsonl")]
    for url in inputs[:-1]:  # a batch ends where a file of a folder does
        tables = job(url)
        for rows in (340, 1700, 1870):
            pyalgo.run(tables, max_rows=rows)
        assert pyalgo.run(tables).resumed
        assert [{**line, "offset": None} for line in work.lines()] == whole, url
        os.remove("s.state")
    assert work.lines("whole.jsonl")[-1]["offset"] == {"symbol": 2500}


def test_widths_and_signs_are_read_as_they_are_named(tmp_path):
    for ending, dtype in symbols.WIDTHS.items():
        info = np.iinfo(dtype)
        values = [info.min, 0, 1, info.max]
        (tmp_path / f"in{ending}").write_bytes(np.array(values, dtype=dtype).tobytes())
        assert all_symbols(str(tmp_path / f"in{ending}"), 3) == values


def test_letters_are_taken_as_they_are(tmp_path):
    (tmp_path / "in.fa").write_bytes(b">x\nACGTacgtNnRY*-\nU")
    assert bytes(all_symbols(str(tmp_path / "in.fa"))) == b"ACGTacgtNnRY*-U"


def test_a_batch_is_a_view_of_what_was_read(tmp_path):
    (tmp_path / "in.bin").write_bytes(TEXT)
    source = open_files(str(tmp_path / "in.bin"), SCHEMA, None, follow=False)
    batch = source.read(100)
    source.close()
    column = batch.columns["symbol"]
    assert column.dtype == np.uint8
    assert not column.flags.owndata
    assert batch.row(3) == {"symbol": TEXT[3]}


def test_emissions_stand_between_the_answers(work, inputs):
    pyalgo.run(job())
    lines = work.lines()
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["rows"] for line in lines if "result" in line] == [1000, 2000, 2500]
    emitted = [line for line in lines if "emission" in line]
    assert all(list(line) == ["seq", "rows", "offset", "emission"] for line in emitted)
    assert all(line["emission"]["positions"] for line in emitted)  # where nothing was settled there is no line
    found = dict(pair for line in emitted for pair in zip(*list(line["emission"].values())[1:], strict=True))
    counts = [sum(a != b for a, b in zip(TEXT[i : i + 7], b"GATTACA", strict=True)) for i in range(2494)]
    assert found == {i: count for i, count in enumerate(counts) if count <= 3}
    pyalgo.run(job(sink={"url": "quiet.jsonl"}, state={}))
    assert [line["result"] for line in work.lines("quiet.jsonl")] == [
        line["result"] for line in lines if "result" in line
    ]


@pytest.mark.parametrize("sink", ["out.parquet", "sqlite:out.db#answers"])
def test_every_sink_holds_emissions(work, inputs, sink):
    pyalgo.run(job(state={}))
    tables = job(sink={"url": sink, "emit": True}, state={"path": "s.state", "checkpoint": 400})
    for rows in (850, 1700):
        pyalgo.run(tables, max_rows=rows)
    pyalgo.run(tables)
    assert list(read_answers(parse_job(tables))) == work.lines()


def test_what_was_held_back_comes_at_the_end(work, inputs):
    tables = job(algorithm={"name": "toy.holding", "pattern": "GATTACA", "k": 3})
    pyalgo.run(tables)
    kinds = [(line["rows"], line.get("emission")) for line in work.lines()]
    assert kinds == [(1000, None), (2000, None), (2500, {"held": 2500}), (2500, None)]


def test_a_job_that_emits_is_another_job(work, inputs):
    pyalgo.run(job(), max_rows=340)
    with pytest.raises(StateError, match="sink.emit was true, is false"):
        pyalgo.run(job(sink={"url": "out.jsonl"}))
    done = work.pyalgo("run", "--algorithm", "toy.matches", "--set", "pattern=GATTACA", "--set", "k=3", "--emit",
                       "--source", "in.bin", "--batch-rows", "170", "--query-every", "1000", "--sink", "cli.jsonl")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pyalgo.run(job())
    assert (work.path / "cli.jsonl").read_bytes() == (work.path / "out.jsonl").read_bytes()
    assert work.pyalgo("report", "s.state", "-o", "run.html").returncode == 0


@pytest.mark.parametrize("source", ["in.bin", "in.fa#two"])
def test_kills_leave_no_trace(work, source):
    (work.path / "in.bin").write_bytes(TEXT)
    (work.path / "in.fa").write_bytes(FASTA)
    command = [sys.executable, str(KILLER), str(work.path), "40", "1", source, "out.jsonl"]
    done = subprocess.run(command, cwd=work.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 40


@pytest.mark.parametrize("source", ["in.bin", "in.bin.gz", "in.fa", "many.fa#two", "parts"])
def test_symbols_that_changed_before_the_checkpoint_are_refused(work, inputs, source):
    pyalgo.run(job(source), max_rows=1700)
    before = (work.path / "out.jsonl").read_bytes()
    changed = TEXT[:1000] + bytes([TEXT[1000] ^ 6]) + TEXT[1001:]
    (work.path / "in.bin").write_bytes(changed)
    (work.path / "in.bin.gz").write_bytes(gzip.compress(changed))
    (work.path / "in.fa").write_bytes(b">one\n" + wrapped(changed))
    (work.path / "many.fa").write_bytes(b">two\n" + wrapped(changed))
    (work.path / "parts" / "1.bin").write_bytes(changed[900:1800])
    with pytest.raises(DataError, match="changed|were read"):
        pyalgo.run(job(source))
    assert (work.path / "out.jsonl").read_bytes() == before
    (work.path / "in.bin").write_bytes(TEXT[:1500])
    if source == "in.bin":
        with pytest.raises(
            DataError, match="in.bin has 1500 symbols, fewer than the 1700 read before: it was replaced"
        ):
            pyalgo.run(job(source))


def test_another_width_of_line_is_the_same_record(work, inputs):
    pyalgo.run(job("in.fa"), max_rows=1700)
    (work.path / "in.fa").write_bytes(b">renamed\n" + wrapped(TEXT, 11))
    assert pyalgo.run(job("in.fa")).rows == 2500


def test_a_growing_binary_file_is_followed(work, monkeypatch):
    monkeypatch.chdir(work.path)
    data = np.frombuffer(TEXT[:900], np.uint8).astype("<u2").tobytes()
    (work.path / "in.u16").write_bytes(data[:701])  # half a symbol is no symbol

    def write():
        for at in (701, 702, 1001, 1600):
            time.sleep(0.15)
            with open(work.path / "in.u16", "ab") as file:
                file.write(data[at : {701: 702, 702: 1001, 1001: 1600, 1600: 1800}[at]])

    writer = threading.Thread(target=write)
    writer.start()
    tables = job(source={"url": "in.u16", "follow": True}, query={"every": 100})
    assert pyalgo.run(tables, max_rows=900).rows == 900
    writer.join()
    assert [line["rows"] for line in work.lines() if "result" in line] == list(range(100, 1000, 100))


def test_a_growing_folder_of_parts_is_followed(work, inputs):
    def write():
        time.sleep(0.3)
        (work.path / "parts" / "3.bin").write_bytes(TEXT[:200])

    writer = threading.Thread(target=write)
    writer.start()
    tables = job(source={"url": "parts", "follow": True}, query={"every": 100})
    assert pyalgo.run(tables, max_rows=2700).rows == 2700
    writer.join()


def test_a_refused_symbol_is_placed_and_can_be_left_out(work, inputs):
    (work.path / "bad.bin").write_bytes(TEXT[:500] + b"!" + TEXT[500:])
    with pytest.raises(DataError, match=r"^bad.bin, symbol 341, the first of 170 rows: symbol must be none of !"):
        pyalgo.run(job("bad.bin"))
    assert work.lines()[-1]["rows"] <= 340
    tables = job(source={"url": "bad.bin", "batch_rows": 170, "on_error": "skip"}, state={})
    summary = pyalgo.run(tables)
    assert (summary.rows, summary.rejected) == (2500, 1)
    rejected = json.loads((work.path / "out.rejects.jsonl").read_text())
    assert (rejected["place"], rejected["row"]) == ("bad.bin, symbol 501", '{"symbol":33}')
    positions = [at for line in work.lines() if "emission" in line for at in line["emission"]["positions"]]
    pyalgo.run(job(sink={"url": "whole.jsonl", "emit": True}, state={}))
    assert positions == [
        at for line in work.lines("whole.jsonl") if "emission" in line for at in line["emission"]["positions"]
    ]


TWO = b">one\nACGT\n>two\nGG\n"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("in.bin", b"", "in.bin is empty: expected symbols one behind the other"),
        ("in.u16", b"12345", "in.u16, byte 4: the last symbol is cut short: it has 1 of the 2 bytes that a symbol has in a .u16"),
        ("in.i64", b"123456789", "in.i64, byte 8: the last symbol is cut short: it has 1 of the 8 bytes"),
        ("in.u32.gz", gzip.compress(b"1234567", mtime=0), "in.u32.gz, byte 4: the last symbol is cut short: it has 3 of the 4"),
        ("in.bin.gz", gzip.compress(TEXT, mtime=0)[:-500], "in.bin.gz, byte "),
        ("in.bin.gz", b"no gzip at all", "in.bin.gz, byte 0: Not a gzipped file"),
        ("in.bin.zst", b"no zstd at all", "in.bin.zst, byte 0: "),
        ("in.fa", b"", "in.fa is empty: a FASTA file begins with a line >NAME"),
        ("in.fa", b"\n\r\n", "in.fa is empty: a FASTA file begins with a line >NAME"),
        ("in.fa", b"\nhello\n>one\nAC\n", "in.fa, line 2: a FASTA file begins with a line >NAME, got 'hello'"),
        ("in.fa", b"\x8bno text", "in.fa, line 1: a FASTA file begins with a line >NAME, got '\ufffdno text'"),
        ("in.fa", b">", "in.fa, line 1: the record '' has no letters"),
        ("in.fa", b"\n>one two", "in.fa, line 2: the record 'one' has no letters"),
        ("in.fa", b">one\n\n>two\nA\n", "in.fa holds several records"),
        ("in.fa#one", b">one\n\n>two\nA\n", "in.fa, line 1: the record 'one' has no letters"),
        ("in.fa", b">one\nACGT\nAC\xffT\n", r"in.fa, line 3: byte b'\xff' at column 3 is no letter of a sequence"),
        ("in.fa", b">one\nACGT\nAC GT\n", "in.fa, line 3: byte b' ' at column 3 is no letter of a sequence"),
        ("in.fa", b">one\nACGT>two\nAC\n", "in.fa, line 2: byte b'>' at column 5 is no letter of a sequence"),
        ("in.fa", b">one\n1 ACGT\n", "in.fa, line 2: byte b'1' at column 1 is no letter of a sequence"),
        ("in.fa", b">" + b"x" * (2**22), "in.fa, line 1: the header is longer than 1 MiB"),
        ("in.fa", TWO, "in.fa holds several records, which must not run into one another: choose one, as in in.fa#one"),
        ("in.fa", b"".join(b">c%d\nA\n" % n for n in range(9)), "the first are c0, c1, c2, c3, c4"),
        ("in.fa#three", TWO, "in.fa has no record 'three': its records are one, two"),
        ("in.fa#three", b"".join(b">c%d\nA\n" % n for n in range(9)), "its records are c0, c1, c2, c3, c4 and 4 more"),
        ("in.fa.gz", gzip.compress(b">one\n" + wrapped(TEXT), mtime=0)[:-500], "in.fa.gz, line "),
        ("in.fa.gz#one", gzip.compress(b">one\n" + wrapped(TEXT), mtime=0)[:-500], "in.fa.gz, line "),
        ("in.fa.gz", b"no gzip", "in.fa.gz, line 1: Not a gzipped file"),
    ],
)  # fmt: skip
def test_bad_symbols_are_placed(work, name, content, text):
    (work.path / name.partition("#")[0]).write_bytes(content)
    arguments = ["run", "--algorithm", "toy.matches", "--set", "pattern=GATTACA", "--set", "k=1", "--source", name]
    done = work.pyalgo(*arguments, "--sink", "out.jsonl")
    assert done.returncode == 1
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_wrong_costs_nothing_before_it(work, inputs):
    (work.path / "in.fa").write_bytes(b">one\n" + wrapped(TEXT[:1000], 50) + b"AC?T\n" + wrapped(TEXT[1000:]))
    with pytest.raises(DataError, match=r"in.fa, line 22: byte b'\?' at column 3"):
        pyalgo.run(job("in.fa"))
    assert [line["rows"] for line in work.lines() if "result" in line] == [1000]
    (work.path / "in.fa").write_bytes(b">one\n" + wrapped(TEXT[:1000] + b"AC" + TEXT[1000:], 50))
    assert pyalgo.run(job("in.fa")).rows == 2502


def test_a_second_record_far_behind_is_refused_when_it_is_reached(work, inputs, monkeypatch):
    monkeypatch.setattr(fasta, "_AHEAD", 100)
    (work.path / "in.fa").write_bytes(b">one\n" + letters(12_345) + b"\n>two\nACGT\n")
    with pytest.raises(
        DataError, match=r"in.fa, line 3: the file holds several records.*as in in.fa#one; the first are one, two"
    ):
        pyalgo.run(job(source={"url": "in.fa"}, state={}, sink={"url": "out.jsonl"}))
    assert work.lines()[-1]["rows"] == 12_000


@pytest.mark.parametrize(
    ("url", "follow", "kind", "text"),
    [
        ("no.bin", False, DataError, "no.bin: No such file"),
        ("no.fa#one", False, DataError, "no.fa: No such file"),
        ("in.fa", True, UsageError, "in.fa cannot be followed: nothing tells where a growing record ends"),
        ("in.bin.gz", True, UsageError, "in.bin.gz cannot be followed: it is compressed"),
        (
            "*.fa",
            False,
            UsageError,
            "one of several FASTA files, which must not run into one another: give one of them",
        ),
        (
            "in.u24",
            False,
            UsageError,
            "'in.u24' is of no known kind: give a .csv, .*, .fa or .fasta file, one of symbols",
        ),
        ("in.bin#two", False, UsageError, "is of no known kind"),
    ],
)
def test_what_is_no_source_of_symbols(inputs, url, follow, kind, text):
    with pytest.raises(kind, match=text):
        open_files(url, SCHEMA, None, follow=follow)


def test_fields_that_are_not_there(inputs):
    for url in ("in.bin", "in.fa"):
        with pytest.raises(DataError, match=f"{url} has no field 'base'; the only field is symbol"):
            open_files(url, SCHEMA, {"symbol": "base"}, follow=False)


def test_an_interrupted_run_goes_on(work, inputs):
    (work.path / "in.bin").write_bytes(letters(100_000))
    command = ["run", "--algorithm", "toy.matches", "--set", "pattern=GATTACA", "--set", "k=1", "--source", "in.bin",
               "--state", "s.state", "--emit", "--batch-rows", "100"]  # fmt: skip
    process = subprocess.Popen(work.command(*command, "--sink", "out.jsonl"), cwd=work.path, stderr=subprocess.PIPE)
    while not (work.path / "out.jsonl").exists() or (work.path / "out.jsonl").stat().st_size < 5000:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert b"go on from s.state" in process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert "resuming behind row" in work.pyalgo(*command, "--sink", "out.jsonl").stderr
    whole = [part for part in command if part not in ("--state", "s.state")]
    work.pyalgo(*whole, "--sink", "whole.jsonl")
    assert (work.path / "out.jsonl").read_bytes() == (work.path / "whole.jsonl").read_bytes()


def records_of(data: bytes) -> dict[str, bytes]:
    """The records of a well-formed FASTA file by the definition; of two with one name the first."""
    found: dict[str, bytes] = {}
    for part in (b"\n" + data).split(b"\n>")[1:]:
        header, _, body = part.partition(b"\n")
        words = header.split(None, 1)
        name = words[0].decode("utf-8", "backslashreplace") if words else ""
        found.setdefault(name, body.replace(b"\r", b"").replace(b"\n", b""))
    return found


class Pieces(Whole):
    """Bytes that come in pieces of one size."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read1(self, size):
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c d", ""]), st.lists(st.text("ACGTn*-", max_size=4), max_size=4)), max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 9),
    st.sampled_from(["a", "b", "c", None]),
)  # fmt: skip
def test_records_are_read_by_the_definition(records, end, size, wanted):
    data = "".join(f">{name}{end}" + "".join(f"{line}{end}" for line in lines) for name, lines in records).encode()
    expected = records_of(data)
    chosen = expected.get(wanted, b"") if wanted else b"".join(expected.values())
    found: list[int] = []
    try:
        source = fasta.FastaSource("in.fa", wanted, Pieces(data, size), None)
        while (batch := source.read(3)) is not None:
            found += batch.columns["symbol"].tolist()
    except DataError:
        assert not found
        assert not chosen or (wanted is None and len(records) > 1)
    else:
        assert bytes(found) == chosen


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100), st.integers(1, 7), st.sampled_from(["", "a"]))
def test_no_bytes_upset_a_source_of_symbols(data, size, record):
    for data_in in (data, b">a\n" + data):
        try:
            source: symbols.SymbolSource = fasta.FastaSource("in", record or None, Pieces(data_in, size), None)
            while source.read(2) is not None:
                pass
        except DataError:
            pass
    source = symbols.BinarySource("in", Pieces(data, size), ".u32", None, size=None, follow=False)
    found: list[int] = []
    try:
        while (batch := source.read(2)) is not None:
            found += batch.columns["symbol"].tolist()
    except DataError:
        assert len(data) % 4
    assert found == np.frombuffer(data[: len(data) // 4 * 4], "<u4").tolist()
