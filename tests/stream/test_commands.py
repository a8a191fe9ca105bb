"""resume, inspect, merge, completion."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

import pyalgo
from pyalgo import Algorithm, snapshot
from pyalgo.stream.job import parse_job, read_job

PLUGIN = '''
import numpy as np
from dataclasses import dataclass
from pyalgo import Algorithm, snapshot
from pyalgo.arrays import read_batch

@dataclass(frozen=True)
class Total:
    value: float

class Sum(Algorithm):
    """A sum."""
    name = "toy.sum"
    columns = {"x": ("float64", "what to add")}
    def __init__(self):
        self.n_seen, self.total = 0, 0.0
    def update(self, batch=None, /, **columns):
        x = read_batch(self.columns, batch, columns)["x"]
        self.total, self.n_seen = self.total + x.sum(), self.n_seen + len(x)
    def query(self):
        return Total(float(self.total))
    def merge(self, other):
        self.total, self.n_seen = self.total + other.total, self.n_seen + other.n_seen
    def to_bytes(self):
        return snapshot.pack(self, np.array([self.total, self.n_seen]).tobytes())
    @classmethod
    def from_bytes(cls, data):
        loaded = cls()
        total, n_seen = np.frombuffer(snapshot.unpack(cls, data)[1])
        loaded.total, loaded.n_seen = float(total), int(n_seen)
        return loaded

class Alone(Sum):
    name = "toy.alone"
    @property
    def merge(self):
        raise AttributeError("merge")
'''


@pytest.fixture
def plugin(work, monkeypatch):
    """An algorithm that can merge, installed for the command line as a distribution on the path."""
    info = work.path / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pyalgo.algorithms]\ntoy.sum = toy_sum:Sum\ntoy.alone = toy_sum:Alone\n")
    (work.path / "toy_sum.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(work.path))


def test_resume_needs_the_state_only(work):
    work.pyalgo(*work.flags(checkpoint="200"), "--max-rows", "1200")
    done = work.pyalgo("resume", "s.state")
    assert (done.returncode, done.stderr) == (0, "s.state: resuming behind row 1200\n")
    work.pyalgo(*work.flags(sink="whole.jsonl", state=None))
    assert (work.path / "out.jsonl").read_bytes() == (work.path / "whole.jsonl").read_bytes()
    done = work.pyalgo("resume", "s.state", "--json")
    assert json.loads(done.stdout)["finished"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "state s.state: there is no such file"),
        (b"", "holds no checkpoint yet|cannot be read"),
        (b"no database at all, but some bytes " * 50, "is not a pyalgo state or is damaged"),
    ],
)
def test_resume_refuses_what_is_no_state(work, content, text):
    if content is not None:
        (work.path / "s.state").write_bytes(content)
    done = work.pyalgo("resume", "s.state")
    assert done.returncode == 1
    assert any(part in done.stderr for part in text.split("|"))
    assert len(done.stderr.splitlines()) == 1


def test_inspect_a_state_and_a_snapshot(work):
    work.pyalgo(*work.flags(), "--max-rows", "1200")
    state = json.loads(work.pyalgo("inspect", "s.state", "--json").stdout)
    assert (state["kind"], state["rows"], state["answers"], state["finished"]) == ("state", 1200, 1, False)
    assert (state["algorithm"], state["params"]["k"], state["checksum"]) == ("submodular", 5, "ok")
    assert state["job"]["source"]["url"] == "in.jsonl"
    assert set(state["versions"]) == {"pyalgo", "python", "numpy"}
    f = pyalgo.create("submodular", objective={"name": "coverage"}, k=2)
    f.update(id=["a"], items=[["x"]])
    (work.path / "f.snapshot").write_bytes(f.to_bytes())
    found = json.loads(work.pyalgo("inspect", "f.snapshot", "--json").stdout)
    assert (found["kind"], found["rows"], found["bytes"]) == ("snapshot", 1, len(f.to_bytes()))
    facts, _, tables = work.pyalgo("inspect", "s.state").stdout.partition("\nThe job:\n\n")
    assert "  rows       1200\n" in facts
    assert "held_by" not in facts
    (work.path / "again.toml").write_text(tables)
    assert parse_job(read_job(work.path / "again.toml")) == parse_job(state["job"])
    damaged = bytearray(f.to_bytes())
    damaged[60] ^= 1
    (work.path / "f.snapshot").write_bytes(damaged)
    done = work.pyalgo("inspect", "f.snapshot")
    assert done.returncode == 1
    assert done.stderr.startswith("error: f.snapshot: snapshot ")
    assert work.pyalgo("inspect", "none").stderr == "error: none: No such file or directory\n"


@pytest.mark.usefixtures("plugin")
def test_merge_states_and_snapshots(work):
    for name, n in (("a", 10), ("b", 20)):
        work.write_jsonl(f"{name}.jsonl", [{"x": float(i)} for i in range(n)])
        flags = [
            "--algorithm",
            "toy.sum",
            "--source",
            f"{name}.jsonl",
            "--state",
            f"{name}.state",
            "--sink",
            f"{name}-out.jsonl",
        ]
        assert work.pyalgo("run", *flags).returncode == 0
    done = work.pyalgo("merge", "a.state", "b.state", "-o", "both.snapshot")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("both.snapshot: toy.sum, 30 rows, ")
    again = json.loads(work.pyalgo("merge", "both.snapshot", "a.state", "-o", "all.snapshot", "--json").stdout)
    assert again["rows"] == 40
    code = "import pyalgo; print(pyalgo.load('all.snapshot').query().value)"
    out = subprocess.run([sys.executable, "-c", code], cwd=work.path, capture_output=True, text=True, check=True)
    assert float(out.stdout) == 45 + 190 + 45


@pytest.mark.usefixtures("plugin")
def test_what_cannot_be_merged(work):
    work.pyalgo(*work.flags())
    work.pyalgo(*work.flags(state="t.state", sink="t.jsonl"))
    done = work.pyalgo("merge", "s.state", "t.state", "-o", "c")
    assert done.returncode == 1
    assert done.stderr.startswith("error: t.state: row 0: id ")  # both hold the same elements
    assert "is in the set already" in done.stderr
    (work.path / "x.jsonl").write_text('{"x": 1}\n')
    work.pyalgo("run", "--algorithm", "toy.sum", "--source", "x.jsonl", "--state", "x.state")
    alone = work.pyalgo("run", "--algorithm", "toy.alone", "--source", "x.jsonl", "--state", "y.state")
    assert alone.returncode == 0, alone.stderr
    done = work.pyalgo("merge", "y.state", "y.state", "-o", "c")
    assert done.stderr == "error: algorithm 'toy.alone' cannot merge: its states do not combine\n"
    assert "is of 'submodular', x.state of 'toy.sum'" in work.pyalgo("merge", "x.state", "s.state", "-o", "c").stderr
    assert "No such file" in work.pyalgo("merge", "x.state", "none", "-o", "c").stderr
    assert "cannot be written" in work.pyalgo("merge", "x.state", "x.state", "-o", "no/c").stderr
    assert not (work.path / "c").exists()


def test_completion_is_a_script_of_the_shell(work):
    script = work.pyalgo("completion", "bash").stdout
    assert "--on-error" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


class Big(Algorithm):
    """A large state, that counts how often it is copied in full."""

    name = "big"
    columns: ClassVar = {"x": ("int64", "")}

    def __init__(self):
        self.n_seen = 0
        self.state = np.zeros(2**23)

    def to_bytes(self):
        return snapshot.pack(self, self.state.tobytes())


def test_sealing_a_frozen_state_gives_its_snapshot():
    big = Big()
    seal = snapshot.sealing(big, big.state.tobytes())
    expected = big.to_bytes()
    big.state[:] = 1
    assert seal() == expected
    assert big.freeze()() == big.to_bytes() != expected
