"""What `pyalgo run` promises: formats, query points, states, refusals, exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pyalgo
from pyalgo.stream import runner
from pyalgo.stream.job import DataError, JobError, StateError, UsageError
from pyalgo.stream.runner import Interrupted
from pyalgo.stream.store import Store, read_state
from pyalgo.submodular import WeightedCoverage

from .conftest import stream


def job(**changed):
    tables = {
        "algorithm": {"name": "submodular", "objective": {"name": "coverage"}, "k": 5},
        "source": {"url": "in.jsonl"},
        "query": {"every": 1000},
        "sink": {"url": "out.jsonl"},
        "state": {"path": "s.state"},
    }
    return {**tables, **changed}


def test_one_line_a_query_point_and_one_at_the_end(work):
    done = work.pyalgo(*work.flags())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = work.lines()
    assert [(line["seq"], line["rows"]) for line in lines] == [(1, 1000), (2, 2000), (3, 2500)]
    assert list(lines[0]) == ["seq", "rows", "offset", "result"]
    for line in lines:
        assert {"ids", "value", "upper_bound"} <= set(line["result"])
    f = pyalgo.create("submodular", objective={"name": "coverage"}, k=5)
    for row in stream(2500):
        f.update(id=[row["id"]], op=[row["op"]], **({"items": [row["items"]]} if row["op"] > 0 else {}))
    assert lines[-1]["result"]["ids"] == f.query().ids.tolist()
    assert lines[-1]["result"]["value"] == f.query().value


def test_a_source_that_ends_at_a_query_point_has_one_line_there(work):
    work.write_jsonl("in.jsonl", stream(2000))
    work.pyalgo(*work.flags())
    assert [line["rows"] for line in work.lines()] == [1000, 2000]


def test_formats_agree(work):
    rows = stream(2500)
    with open(work.path / "in.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["op", "id", "items"])
        for row in rows:
            writer.writerow([row["op"], row["id"], json.dumps(row["items"]) if row["op"] > 0 else ""])
    table = pa.Table.from_pylist([{"op": r["op"], "id": r["id"], "items": r.get("items")} for r in rows])
    pq.write_table(table, work.path / "in.parquet", row_group_size=700)
    (work.path / "mine.py").write_text(
        "import json, pyarrow.parquet\n"
        "def rows():\n"
        "    return map(json.loads, open('in.jsonl'))\n"
        "def batches():\n"
        "    rows = list(map(json.loads, open('in.jsonl')))\n"
        "    for at in range(0, 2500, 170):\n"
        "        some = rows[at:at + 170]\n"
        "        yield {k: [r.get(k) for r in some] for k in ('op', 'id', 'items')}\n"
        "def arrow():\n"
        "    return pyarrow.parquet.ParquetFile('in.parquet').iter_batches(333)\n"
    )
    results = []
    for n, source in enumerate(
        ["in.jsonl", "in.csv", "in.parquet", "python:mine:rows", "python:mine:batches", "python:mine:arrow"]
    ):
        done = work.pyalgo(*work.flags(source, sink=f"{n}.jsonl", state=None), "--allow-python", "--batch-rows", "430")
        assert done.returncode == 0, done.stderr
        results.append([(line["seq"], line["rows"], line["result"]) for line in work.lines(f"{n}.jsonl")])
    assert all(result == results[0] for result in results)


def test_columns_are_mapped(work):
    work.write_jsonl(
        "in.jsonl", [{"who": "a", "what": ["x"], "noise": 1}, {"who": "b", "what": ["x", "y"], "noise": 2}]
    )
    done = work.pyalgo(*work.flags(), "--column", "id=who", "--column", "items=what")
    assert (done.returncode, done.stderr) == (0, "")
    assert work.lines()[-1]["result"]["ids"] == ["b"]
    done = work.pyalgo(*work.flags(state=None))
    assert done.returncode == 1
    assert "in.jsonl, line 1" in done.stderr
    assert "unknown column 'who': the columns are op, id, items" in done.stderr


def test_flags_override_the_file_and_paths_are_relative_to_the_working_directory(work):
    (work.path / "sub").mkdir()
    (work.path / "sub" / "job.toml").write_text(
        '[algorithm]\nname = "submodular"\nk = 3\n[algorithm.objective]\nname = "coverage"\n'
        '[source]\nurl = "in.jsonl"\n[sink]\nurl = "out.jsonl"\n'
    )
    assert work.pyalgo("run", "sub/job.toml").returncode == 0
    assert len(work.lines()[-1]["result"]["ids"]) == 3
    done = work.pyalgo("run", "sub/job.toml", "--set", "k=4", "--set", "eps=0.5", "--query-every", "500", "--sink", "-")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines[-1]["result"]["ids"]) == 4
    assert [line["rows"] for line in lines] == [500, 1000, 1500, 2000, 2500]
    assert "wall" not in done.stdout


def test_same_input_same_bytes(work):
    for name in ("one.jsonl", "two.jsonl"):
        work.pyalgo(*work.flags(sink=name, state=None), "--batch-rows", "1" if name == "one.jsonl" else "999")
    assert (work.path / "one.jsonl").read_bytes() == (work.path / "two.jsonl").read_bytes()


def test_a_finished_job_says_so_and_does_nothing(work):
    work.pyalgo(*work.flags())
    before = (work.path / "out.jsonl").read_bytes()
    done = work.pyalgo(*work.flags())
    assert done.returncode == 0
    assert "finished after 2500 rows; nothing to do" in done.stderr
    assert (work.path / "out.jsonl").read_bytes() == before
    done = work.pyalgo(*work.flags(), "--json")
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["finished"], summary["resumed"]) == (2500, True, True)


def test_max_rows_counts_from_the_beginning_and_leaves_no_trace_in_the_sink(work):
    work.pyalgo(*work.flags(sink="whole.jsonl", state=None))
    for rows in ("700", "1000", "1700"):
        done = work.pyalgo(*work.flags(), "--max-rows", rows)
        assert done.returncode == 0
        assert all(line["rows"] <= int(rows) for line in work.lines())
    done = work.pyalgo(*work.flags())
    assert "resuming behind row 1700" in done.stderr
    assert (work.path / "out.jsonl").read_bytes() == (work.path / "whole.jsonl").read_bytes()


def test_another_job_is_refused_by_key(work):
    work.pyalgo(*work.flags(), "--max-rows", "1200")
    before = (work.path / "out.jsonl").read_bytes()
    done = work.pyalgo(*work.flags(query_every="500"), "--set", "k=6")
    assert done.returncode == 1
    assert "algorithm.k was 5, is 6" in done.stderr
    assert "query.every was 1000, is 500" in done.stderr
    assert (work.path / "out.jsonl").read_bytes() == before
    done = work.pyalgo(*work.flags(query_every="500"), "--set", "k=6", "--fresh")
    assert done.returncode == 0
    assert [line["rows"] for line in work.lines()] == [500, 1000, 1500, 2000, 2500]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ('{"op": 1, "id": 2499, "items": [1', "line 1501: not valid JSON"),
        ("[1, 2]", "line 1501: expected a JSON object, got '[1, 2]'"),
        (
            '{"op": 1, "id": "x", "items": [1]}',
            "line 1501: id must be an integer like the others, or all strings, got 'x'",
        ),
        ('{"op": 1, "id": 99999, "items": 5}', "line 1501: items must be a list, got 5"),
        ('{"op": -1, "id": 99999}', "line 1501: id 99999 cannot be deleted: it is not in the set"),
        ('{"op": 2, "id": 99999, "items": [1]}', "line 1501: op must be +1 (insert) or -1 (delete), got 2"),
        ('{"op": 1, "items": [1]}', "line 1501: id is null"),
        ('{"op": 1, "id": 99999, "items": null}', "line 1501: items is null"),
    ],
)
def test_a_bad_row_is_placed_and_costs_nothing_before_it(work, bad, text):
    good = stream(2500)
    work.write_jsonl("in.jsonl", [*good[:1500], bad, *good[1500:]])
    done = work.pyalgo(*work.flags())
    assert done.returncode == 1
    assert text in done.stderr
    assert done.stderr.startswith("error: in.jsonl, line 1501: ")
    assert len(done.stderr.splitlines()) <= 4
    assert "Traceback" not in done.stderr
    assert [line["rows"] for line in work.lines()] == [1000]
    work.write_jsonl("in.jsonl", good)
    assert work.pyalgo(*work.flags()).returncode == 0
    mended = (work.path / "out.jsonl").read_bytes()
    assert work.pyalgo(*work.flags(sink="whole.jsonl", state=None)).returncode == 0
    assert mended == (work.path / "whole.jsonl").read_bytes()


def test_bad_csv_is_placed(work):
    path = work.path / "in.csv"
    for line, text in (
        ("1,7", "line 3: 2 fields, but the header has 3"),
        ("1,x,1;2", "line 3: id must be an integer, got 'x'"),
        ("one,7,1;2", "line 3: op must be an integer, got 'one'"),
        ('1,7,"[1', "line 3: not valid CSV"),
        ("1,7,[1", "line 3: items must be a JSON array, or values separated by ;, got '[1'"),
    ):
        path.write_text(f"op,id,items\n1,5,1;2\n{line}\n")
        done = work.pyalgo(*work.flags("in.csv", state=None))
        assert done.returncode == 1
        assert text in done.stderr
    path.write_bytes(b"op,id,items\n1,5,a;\xff\n")
    assert "line 2: byte b'\\xff' at column 7 is not UTF-8" in work.pyalgo(*work.flags("in.csv", state=None)).stderr
    path.write_text("")
    assert "is empty" in work.pyalgo(*work.flags("in.csv", state=None)).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["run"], 2, "nothing to run"),
        (["run", "none.toml"], 1, "job file none.toml: No such file"),
        (["run", "--source", "in.jsonl"], 2, "the job names no algorithm"),
        (["run", "--algorithm", "submodlar", "--source", "in.jsonl"], 2, "did you mean 'submodular'"),
        (["run", "--algorithm", "secure.drag", "--source", "in.jsonl"], 2, "pip install pyalgo-secure"),
        (["run", "--no-such-flag"], 2, "see pyalgo --help"),
        (["frobnicate"], 2, "invalid choice: 'frobnicate'"),
        (["info", "submodlar"], 2, "did you mean 'submodular'"),
    ],
)
def test_wrong_usage(work, arguments, code, text):
    done = work.pyalgo(*arguments)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        (["--set", "k=0"], 1, "k must be from 1 to 65534, got 0"),
        (["--set", "colour=1"], 1, "refuses its parameters: got an unexpected keyword argument 'colour'"),
        (["--set", "objective.name=cover"], 1, "one of coverage, facility_location, feature_based"),
        (["--set", "k"], 2, "--set 'k' must read key=value"),
        (["--source", "gone.jsonl"], 1, "gone.jsonl: No such file"),
        (["--source", "in.xml"], 2, "of no known kind"),
        (["--source", "python:os:listdir"], 2, "--allow-python"),
        (["--sink", "no/such/out.jsonl"], 1, "there is no directory no/such"),
        (["--sink", "out.xml"], 2, "of no known kind"),
        (["--query-every", "soon"], 1, "query.every must be a number of rows such as 1000"),
        (["--batch-rows", "0"], 1, "source.batch_rows must be at least 1"),
        (["--max-rows", "0"], 2, "max_rows must be at least 1"),
        (["--column", "id"], 2, "must read name=field"),
        (["--column", "id=nope"], 1, "id is null"),
        (["--sink", "in.jsonl"], 2, "sink in.jsonl is the source as well: give it a file of its own"),
        (["--state", "./in.jsonl"], 2, "state ./in.jsonl is the source as well"),
        (["--state", "out.jsonl"], 2, "state out.jsonl is the sink as well"),
        (["--sink", "sqlite:s.state#answers"], 2, "state s.state is the sink as well"),
        (["--on-error", "skip", "--rejects", "in.jsonl"], 2, "rejects in.jsonl is the source as well"),
        (["--source", "."], 2, "sink out.jsonl would be read as part of the source ."),
        (["--source", "*.jsonl"], 2, "sink out.jsonl would be read as part of the source *.jsonl"),
    ],
)
def test_a_run_refused_before_its_first_row_leaves_nothing_behind(work, flags, code, text):
    done = work.pyalgo(*work.flags(), *flags)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert text in done.stderr
    assert work.files() == {"in.jsonl"}
    assert work.pyalgo(*work.flags()).returncode == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"bogus": 1}, "'submodular' refuses its query: got an unexpected keyword argument 'bogus'"),
        ({"certificate": "yes"}, "refuses its query: certificate must be True or False, got 'yes'"),
        ({"refine": 1}, "refuses its query: refine must be True or False, got 1"),
    ],
)
def test_a_query_that_is_refused_is_so_before_the_first_row(work, monkeypatch, options, text):
    monkeypatch.chdir(work.path)
    with pytest.raises(JobError, match=text):
        pyalgo.run(job(query={"options": options}))
    assert work.files() == {"in.jsonl"}


def test_a_job_that_is_kept_has_values_of_json(work, monkeypatch):
    monkeypatch.chdir(work.path)
    algorithm = {"name": "submodular", "objective": WeightedCoverage(), "k": 5}
    with pytest.raises(JobError, match="needs values that JSON has: .*WeightedCoverage"):
        pyalgo.run(job(algorithm=algorithm))
    assert work.files() == {"in.jsonl"}
    assert pyalgo.run(job(algorithm=algorithm, state={})).finished


def test_unknown_keys_list_the_known_ones():
    for changed, text in (
        ({"souce": {}}, r"unknown table \[souce\] in the job: the tables are algorithm, source, query, sink, state"),
        (
            {"source": {"url": "x.csv", "rows": 3}},
            r"unknown key 'rows' in \[source\].*: the keys are url, batch_rows, columns",
        ),
    ):
        with pytest.raises(UsageError, match=text):
            pyalgo.run(job(**changed))


def test_run_as_a_function(work, monkeypatch):
    monkeypatch.chdir(work.path)
    seen = []
    summary = pyalgo.run(job(), max_rows=1500, watch=seen.append)
    assert (summary.rows, summary.seq, summary.finished, summary.resumed) == (1500, 1, False, False)
    assert [status.rows for status in seen] == [1000, 1500]
    assert seen[-1].result.value == work.lines()[0]["result"]["value"]
    said = []
    summary = pyalgo.run(job(), say=said.append)
    assert (summary.rows, summary.seq, summary.finished, summary.resumed) == (2500, 3, True, True)
    assert "resuming behind row 1500" in said[0]
    (work.path / "folder.jsonl").mkdir()
    with pytest.raises(DataError, match="is a directory"):
        pyalgo.run(job(source={"url": "folder.jsonl"}))


def test_stdin_and_stdout(work):
    text = (work.path / "in.jsonl").read_text()
    done = work.pyalgo(*work.flags("-", state=None, sink="-"), input=text)
    assert [json.loads(line)["rows"] for line in done.stdout.splitlines()] == [1000, 2000, 2500]


def test_a_reader_that_has_seen_enough_is_no_error(work):
    flags = work.flags(state=None, sink="-", query_every="1")
    with subprocess.Popen(
        work.command(*flags), cwd=work.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert json.loads(process.stdout.readline())["rows"] == 1
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_pipe_that_is_refused_at_its_first_line_leaves_nothing_behind(work):
    done = work.pyalgo(*work.flags("-"), input='{"id": 1\n{"id": 1, "items": [1]}\n')
    assert (done.returncode, work.files()) == (1, {"in.jsonl"})
    assert done.stderr.startswith("error: standard input, line 1: not valid JSON")
    assert work.pyalgo(*work.flags("-"), input='{"id": 1, "items": [1]}\n').returncode == 0


def test_an_error_in_python_source_is_placed(work):
    (work.path / "mine.py").write_text(
        "def rows():\n    yield {'id': 1, 'items': [1]}\n    yield {'id': 2, 'items': [2]}\n"
        "    raise OSError('the line went dead')\n"
    )
    done = work.pyalgo(*work.flags("python:mine:rows", query_every="1"), "--allow-python")
    assert done.returncode == 1
    assert "python:mine:rows, behind row 2: OSError: the line went dead" in done.stderr
    assert [line["rows"] for line in work.lines()] == [1, 2]


SLOW = """
import json, time
def rows():
    for i, line in enumerate(open('in.jsonl')):
        if i == 1300:
            open('waiting', 'w').close()
            time.sleep(60)
        yield json.loads(line)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_checkpoints_and_goes_on(work, number, code):
    (work.path / "mine.py").write_text(SLOW)
    flags = [*work.flags("python:mine:rows", query_every="100"), "--allow-python"]
    process = subprocess.Popen(work.command(*flags), cwd=work.path, stderr=subprocess.PIPE, text=True)
    while not (work.path / "waiting").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert "stopped after 1300 rows: run the same command again to go on from s.state" in err
    (work.path / "mine.py").write_text(SLOW.replace("time.sleep(60)", "pass"))
    done = work.pyalgo(*flags)
    assert "resuming behind row 1300" in done.stderr
    work.pyalgo(*work.flags("python:mine:rows", query_every="100", sink="whole.jsonl", state=None), "--allow-python")
    assert (work.path / "out.jsonl").read_bytes() == (work.path / "whole.jsonl").read_bytes()


def test_a_second_writer_is_refused_and_a_dead_one_is_not(work):
    (work.path / "mine.py").write_text(SLOW)
    flags = [*work.flags("python:mine:rows", query_every="100", checkpoint="100"), "--allow-python"]
    process = subprocess.Popen(work.command(*flags), cwd=work.path, stderr=subprocess.PIPE)
    while not (work.path / "waiting").exists():
        time.sleep(0.02)
    done = work.pyalgo(*flags)
    assert done.returncode == 1
    assert f"in use by process {process.pid} on " in done.stderr
    process.kill()
    process.communicate()
    (work.path / "mine.py").write_text(SLOW.replace("time.sleep(60)", "pass"))
    assert work.pyalgo(*flags).returncode == 0


def test_a_second_writer_in_the_same_process_is_refused_too(work, monkeypatch):
    monkeypatch.chdir(work.path)

    def again(status):
        with pytest.raises(StateError, match=f"in use by process {os.getpid()} on "):
            pyalgo.run(job())

    assert pyalgo.run(job(), watch=again).finished


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("CREATE TABLE mine (x)", "is a database of something else, not a pyalgo state"),
        ("CREATE VIEW job AS SELECT 1 AS digest", "is a database of something else"),
        ("PRAGMA user_version = 2", "has format 2, this pyalgo reads up to 1: upgrade pyalgo"),
    ],
)
def test_a_database_of_something_else_is_left_alone(work, monkeypatch, script, text):
    monkeypatch.chdir(work.path)
    with closing(sqlite3.connect("s.state")) as db:
        db.executescript(script)
    before = (work.path / "s.state").read_bytes()
    for attempt in (pyalgo.run, lambda _: read_state("s.state")):
        with pytest.raises(StateError, match=text):
            attempt(job())
    assert work.files() == {"in.jsonl", "s.state"}
    assert (work.path / "s.state").read_bytes() == before


def test_a_state_that_grew_a_trigger_is_refused(work, monkeypatch):
    monkeypatch.chdir(work.path)
    pyalgo.run(job(), max_rows=1200)
    with closing(sqlite3.connect("s.state")) as db:
        db.execute("CREATE TRIGGER more AFTER INSERT ON lease BEGIN INSERT INTO log VALUES (NULL, 0, zeroblob(9)); END")
    with pytest.raises(StateError, match="is a database of something else"):
        pyalgo.run(job())


def test_a_checkpoint_that_fails_on_its_thread_ends_the_run(work, monkeypatch):
    monkeypatch.chdir(work.path)

    def fail(*_):
        raise MemoryError("no room for the snapshot")

    monkeypatch.setattr(Store, "_commit", fail)
    with pytest.raises(MemoryError, match="no room"):
        pyalgo.run(job())


def test_states_that_cannot_be_used(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "s.state").write_bytes(b"this is no database, but long enough to be mistaken for one " * 20)
    with pytest.raises(StateError, match="is not a pyalgo state or is damaged"):
        pyalgo.run(job())
    os.remove("s.state")
    pyalgo.run(job(), max_rows=1200)
    os.truncate("out.jsonl", 10)
    with pytest.raises(StateError, match="sink out.jsonl has 10 bytes, but the state has written"):
        pyalgo.run(job())
    os.remove("out.jsonl")
    database = sqlite3.connect("s.state")
    database.execute("UPDATE snapshot SET data = x'00'")
    database.commit()
    with pytest.raises(StateError, match="snapshot that cannot be read"):
        pyalgo.run(job())


def test_the_last_two_checkpoints_are_kept(work, monkeypatch):
    monkeypatch.chdir(work.path)
    pyalgo.run(job(state={"path": "s.state", "checkpoint": 100}, source={"url": "in.jsonl", "batch_rows": 100}))
    database = sqlite3.connect("s.state")
    entries = database.execute("SELECT entry FROM checkpoint ORDER BY number").fetchall()
    kept = [json.loads(entry) for (entry,) in entries]
    assert [entry["rows"] for entry in kept][-1] == 2500
    assert [entry["finished"] for entry in kept] == [False, True]
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_interrupted_is_a_keyboard_interrupt(work, monkeypatch):
    monkeypatch.chdir(work.path)

    def stop(status):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        pyalgo.run(job(), watch=stop)
    assert (caught.value.rows, caught.value.signum, caught.value.state) == (1000, signal.SIGINT, "s.state")
    assert runner.run(job()).resumed
