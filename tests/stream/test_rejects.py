"""``on_error = "skip"``: bad rows go to a side file with their place and reason, and all others count."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pyalgo
from pyalgo.stream.job import DataError

from .conftest import stream
from .test_runner import job

BAD = [
    ('{"op": 1, "id": 2499, "items": [1', "not valid JSON"),
    ('{"op": -1, "id": 99999}', "id 99999 cannot be deleted: it is not in the set"),
    ('{"op": 2, "id": 99999, "items": [1]}', "op must be +1 (insert) or -1 (delete), got 2"),
    ('{"op": 1, "items": [1]}', "id is null"),
    ('{"op": 1, "id": 99999, "items": 5}', "items must be a list, got 5"),
]


def write(work, rows):
    """A stream with a bad row every 300 rows; returns the lines they stand at, with their reasons."""
    expected = []
    for n, (bad, reason) in enumerate(BAD):
        rows.insert(100 + 300 * n, bad)
        expected.append((f"in.jsonl, line {101 + 300 * n}", reason, bad))
    work.write_jsonl("in.jsonl", rows)
    return expected


def test_bad_rows_are_left_out_and_listed(work):
    good = stream(2500)
    work.write_jsonl("good.jsonl", good)
    work.pyalgo(*work.flags("good.jsonl", sink="whole.jsonl", state=None))
    expected = write(work, good)
    done = work.pyalgo(*work.flags(on_error="skip"))
    assert done.returncode == 0
    assert done.stderr == "5 rows were left out: out.rejects.jsonl says which and why\n"
    listed = [(line["place"], line["reason"], line["row"]) for line in work.lines("out.rejects.jsonl")]
    for (place, reason, row), (at, why, bad) in zip(listed, expected, strict=True):
        assert place == at
        assert reason.startswith(why)
        assert bad.startswith("{")
        assert row == bad or json.loads(row).items() >= json.loads(bad).items()
    assert [line["result"] for line in work.lines()] == [line["result"] for line in work.lines("whole.jsonl")]
    assert [line["rows"] for line in work.lines()] == [1000, 2000, 2500]
    summary = json.loads(work.pyalgo(*work.flags(on_error="skip"), "--json").stdout)
    assert summary["rejected"] == 5


def test_a_stopped_job_can_go_on_with_skip(work):
    write(work, stream(2500))
    assert work.pyalgo(*work.flags()).returncode == 1
    done = work.pyalgo(*work.flags(on_error="skip"))
    assert done.returncode == 0
    assert "resuming behind row 100" in done.stderr
    assert len(work.lines("out.rejects.jsonl")) == 5


def test_columns_without_names_of_rows_are_halved(work, monkeypatch):
    """A row of Parquet that the algorithm refuses, and an algorithm that does not say which row it was."""
    monkeypatch.chdir(work.path)
    table = pa.table({"id": [*list(range(1000)), 7, *list(range(1000, 1500))], "items": [[1]] * 1501})
    pq.write_table(table, "in.parquet")
    summary = pyalgo.run(job(source={"url": "in.parquet", "on_error": "skip"}))
    assert (summary.rows, summary.rejected) == (1500, 1)
    [line] = work.lines("out.rejects.jsonl")
    assert line["place"] == "in.parquet, row 1001"
    assert json.loads(line["row"]) == {"id": 7, "items": [1]}


def test_all_rows_may_be_bad(work, monkeypatch):
    monkeypatch.chdir(work.path)
    work.write_jsonl("in.jsonl", [{"id": i} for i in range(3000)])
    summary = pyalgo.run(job(source={"url": "in.jsonl", "on_error": "skip"}))
    assert (summary.rows, summary.rejected, summary.seq) == (0, 3000, 1)
    assert work.lines("out.rejects.jsonl")[-1]["place"] == "in.jsonl, line 3000"


def test_what_cannot_be_read_on_behind_stops_all_the_same(work, monkeypatch):
    monkeypatch.chdir(work.path)
    (work.path / "in.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(DataError, match="not a Parquet file"):
        pyalgo.run(job(source={"url": "in.parquet", "on_error": "skip"}))


def test_the_side_file_goes_where_the_job_says(work):
    write(work, stream(2500))
    work.pyalgo(*work.flags(on_error="skip", rejects="bad.jsonl"))
    assert len(work.lines("bad.jsonl")) == 5
    done = work.pyalgo(*work.flags(state=None), "--on-error", "ignore")
    assert done.returncode == 2
    assert "invalid choice: 'ignore'" in done.stderr
