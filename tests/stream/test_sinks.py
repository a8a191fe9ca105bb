"""Answers as tables, and what `read_answers` makes of every sink."""

from __future__ import annotations

import json
import os
import sqlite3

import pyarrow.parquet as pq
import pytest

import pyalgo
from pyalgo.stream.job import JobError, StateError, UsageError, parse_job
from pyalgo.stream.sink import read_answers

from .test_runner import job

SINKS = ["out.jsonl", "out.parquet", "sqlite:out.db#answers"]


@pytest.mark.parametrize("sink", SINKS)
def test_every_sink_holds_the_same_answers(work, monkeypatch, sink):
    monkeypatch.chdir(work.path)
    pyalgo.run(job(sink={"url": "whole.jsonl"}, state={}, query={"every": 100}))
    tables = job(sink={"url": sink}, query={"every": 100}, state={"path": "s.state", "checkpoint": 400})
    for rows in (150, 900, 2450):
        pyalgo.run(tables, max_rows=rows)
    pyalgo.run(tables)
    assert list(read_answers(parse_job(tables))) == work.lines("whole.jsonl")
    pyalgo.run(tables, fresh=True)
    assert list(read_answers(parse_job(tables))) == work.lines("whole.jsonl")


def test_parquet_parts_are_tables(work, monkeypatch):
    monkeypatch.chdir(work.path)
    tables = job(sink={"url": "out.parquet"}, query={"every": 100}, state={"path": "s.state", "checkpoint": 500})
    for rows in range(500, 2501, 500):
        pyalgo.run({**tables, "source": {"url": "in.jsonl", "batch_rows": 100}}, max_rows=rows)
    parts = sorted(os.listdir("out.parquet"))
    assert parts == [f"part-{n:06}.parquet" for n in range(1, len(parts) + 1)]
    assert len(parts) >= 5
    table = pq.read_table("out.parquet")
    assert table.column("seq").to_pylist() == list(range(1, 26))
    assert str(table.schema.field("value").type) == "double"
    values = [json.loads(result)["value"] for result in table.column("result").to_pylist()]
    assert table.column("value").to_pylist() == values
    os.remove(f"out.parquet/{parts[-1]}")
    with pytest.raises(StateError, match="parts, but the state has written"):
        pyalgo.run({**tables, "source": {"url": "in.jsonl", "batch_rows": 100}}, max_rows=2600)


def test_two_jobs_share_a_table(work, monkeypatch):
    monkeypatch.chdir(work.path)
    for k in (3, 4):
        algorithm = {"name": "submodular", "objective": {"name": "coverage"}, "k": k}
        pyalgo.run(job(algorithm=algorithm, sink={"url": "sqlite:out.db#answers"}, state={}))
    with sqlite3.connect("out.db") as db:
        found = db.execute("SELECT seq, rows, json_array_length(result, '$.ids') FROM answers ORDER BY 3, 1").fetchall()
    assert found == [(seq, rows, k) for k in (3, 4) for seq, rows in ((1, 1000), (2, 2000), (3, 2500))]


@pytest.mark.parametrize(
    ("sink", "kind", "text"),
    [
        ("sqlite:out.db", UsageError, "must read sqlite:PATH#table"),
        ("sqlite:out.db#a b", UsageError, "must read sqlite:PATH#table"),
        ("sqlite:no/out.db#t", JobError, "there is no directory no"),
        ("sqlite:file.parquet#t", JobError, "file is not a database"),
        ("no/out.parquet", JobError, "there is no directory no"),
        ("file.parquet", JobError, "is a file: a Parquet sink is a folder"),
        ("out.csv", UsageError, "is of no known kind: give a .jsonl file, a .parquet folder, sqlite:PATH#table, or -"),
    ],
)
def test_bad_sinks(work, monkeypatch, sink, kind, text):
    monkeypatch.chdir(work.path)
    (work.path / "file.parquet").write_text("no table at all " * 50)
    with pytest.raises(kind, match=text):
        pyalgo.run(job(sink={"url": sink}))
    assert not os.path.exists("s.state")


def test_answers_that_cannot_be_read(work, monkeypatch):
    monkeypatch.chdir(work.path)
    for sink in (*SINKS, "-"):
        with pytest.raises(JobError, match="cannot be read|standard output"):
            list(read_answers(parse_job(job(sink={"url": sink}))))
