"""What is left after crashes, full disks and vanished folders."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import pyalgo
from pyalgo.stream.job import JobError, StateError

from .conftest import stream
from .test_runner import job

KILLER = Path(__file__).with_name("killer.py")


def kill_repeatedly(work, kills: int, seed: int, source: str, sink: str, mistake: str = ""):
    rows = stream(2500, seed)
    work.write_jsonl("in.jsonl", [*rows[:900], '{"op": 1, "id"', *rows[900:1700], '{"op": -1, "id": -5}', *rows[1700:]])
    command = [sys.executable, str(KILLER), str(work.path), str(kills), str(seed), source, sink, mistake]
    return subprocess.run(command, cwd=work.path, capture_output=True, text=True, check=False)


@pytest.mark.claim("runner.1")
@pytest.mark.parametrize(
    ("kills", "source", "sink"),
    [
        (200, "in.jsonl", "out.jsonl"),
        (100, "-", "out.jsonl"),
        (40, "in.jsonl", "out.parquet"),
        (40, "-", "sqlite:out.db#answers"),
    ],
)
def test_kills_at_random_instants_leave_no_trace(work, kills, source, sink):
    done = kill_repeatedly(work, kills, 1, source, sink)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= kills


@pytest.mark.claim("runner.1")
def test_a_wrong_order_of_commit_and_sink_is_seen(work):
    done = kill_repeatedly(work, 200, 1, "in.jsonl", "out.jsonl", "order")
    assert done.returncode != 0
    assert "results differ" in done.stderr or "but the state has written" in done.stderr


CRASH = """
import os, sys
from pyalgo.stream import runner, rejects, sink, store
name, at = sys.argv[2], int(sys.argv[3])
calls = 0
def crash_before(method):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), 9)
        return method(*args, **kwargs)
    return wrapped
place = {"store": store.Store, "sink": sink.JsonlSink, "loop": runner._Loop}[name.partition(".")[0]]
setattr(place, name.partition(".")[2], crash_before(getattr(place, name.partition(".")[2])))
runner.run(sys.argv[1])
"""


@pytest.mark.claim("runner.1")
@pytest.mark.parametrize(
    "place",
    [
        "store._commit",  # between the sink and the commit
        "store._write_job",  # inside the commit
        "store._check_presence",  # behind the commit
        "sink.write",
        "sink.sync",
        "sink.open",  # during resume
        "store.resume",
        "loop._update",
    ],
)
def test_a_kill_at_a_chosen_place_leaves_no_trace(work, place):
    (work.path / "job.toml").write_text(
        '[algorithm]\nname = "submodular"\nk = 5\n[algorithm.objective]\nname = "coverage"\n[source]\nurl = "in.jsonl"\n'
        'batch_rows = 170\n[query]\nevery = 100\n[sink]\nurl = "out.jsonl"\n[state]\npath = "s.state"\ncheckpoint = 300\n'
    )
    (work.path / "crash.py").write_text(CRASH)
    ended = []
    for at in (1, 2, 5):  # a slow machine may have fewer calls: checkpoints are left out while one is being written
        crash = [sys.executable, "crash.py", "job.toml", place, str(at)]
        ended.append(subprocess.run(crash, cwd=work.path, check=False).returncode)
    assert ended[0] == -signal.SIGKILL
    assert set(ended) <= {-signal.SIGKILL, 0}
    assert sqlite3.connect(work.path / "s.state").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert work.pyalgo("run", "job.toml").returncode == 0
    work.pyalgo("run", "job.toml", "--sink", "whole.jsonl", "--state", "whole.state")
    assert (work.path / "out.jsonl").read_bytes() == (work.path / "whole.jsonl").read_bytes()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with half a MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(work, small_disk, monkeypatch):
    monkeypatch.chdir(work.path)
    (small_disk / "filler").write_bytes(bytes(260_000))
    pyalgo.run(job(sink={"url": "whole.jsonl"}, state={}, query={"every": 20}))
    tables = job(
        sink={"url": str(small_disk / "out.jsonl")},
        state={"path": str(small_disk / "s.state"), "checkpoint": 100},
        query={"every": 20},
    )
    with pytest.raises(JobError, match="cannot be written: .*(full|[Nn]o space)"):
        pyalgo.run(tables)
    os.remove(small_disk / "filler")
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    pyalgo.run(tables)
    assert (small_disk / "out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_a_sink_that_may_grow_no_further(work):
    """The same without a mount: the system refuses to let files grow past a size."""
    limit = 20_000
    done = subprocess.run(
        work.command(*work.flags(query_every="20", state=None)),
        cwd=work.path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        ),
    )
    assert done.returncode == 1
    assert done.stderr == "error: sink out.jsonl cannot be written: File too large\n"


def test_a_read_only_folder(work, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    if os.geteuid() == 0:  # whom permissions do not stop
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=False).returncode:
            pytest.skip("no right to mount a read-only file system here")
    else:
        folder.chmod(0o500)
    try:
        done = work.pyalgo(*work.flags(sink="locked/out.jsonl"))
        assert (done.returncode, done.stderr) == (
            1,
            "error: sink locked/out.jsonl cannot be written: permission denied\n",
        )
        done = work.pyalgo(*work.flags(state="locked/s.state"))
        assert done.returncode == 1
        assert "state locked/s.state cannot be opened" in done.stderr
        assert not (work.path / "out.jsonl").exists()
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("lost", ["sink", "state"])
def test_a_folder_that_vanishes(work, monkeypatch, lost):
    monkeypatch.chdir(work.path)
    for name in ("sink", "state"):
        (work.path / name).mkdir()

    def vanish(status):
        if status.rows == 1000:
            shutil.rmtree(lost)

    tables = job(
        sink={"url": "sink/out.jsonl"}, state={"path": "state/s.state", "checkpoint": 1000}, query={"every": 500}
    )
    with pytest.raises(StateError, match="was removed or replaced|cannot be written"):
        pyalgo.run(tables, watch=vanish)


def test_a_lease_of_another_host_ends_with_its_signs_of_life(work, monkeypatch):
    monkeypatch.chdir(work.path)
    pyalgo.run(job(), max_rows=1200)
    with sqlite3.connect("s.state") as db:
        db.execute("INSERT INTO lease VALUES (1, 77, 'elsewhere', '', ?)", (4e9,))
    with pytest.raises(StateError, match="in use by process 77 on elsewhere"):
        pyalgo.run(job())
    with sqlite3.connect("s.state") as db:
        db.execute("UPDATE lease SET beat = 0")
    assert pyalgo.run(job()).resumed


def test_a_process_number_used_again_is_not_the_holder(work, monkeypatch):
    monkeypatch.chdir(work.path)
    pyalgo.run(job(), max_rows=1200)
    host = os.uname().nodename
    with sqlite3.connect("s.state") as db:
        db.execute("INSERT INTO lease VALUES (1, ?, ?, 'another start', 4e9)", (os.getppid(), host))
    assert pyalgo.run(job()).resumed


def test_what_came_through_a_pipe_is_not_lost(work):
    lines = (work.path / "in.jsonl").read_text().splitlines(keepends=True)
    work.pyalgo(*work.flags(sink="whole.jsonl", state=None))
    flags = work.flags("-", checkpoint="500")
    process = subprocess.Popen(work.command(*flags), cwd=work.path, stdin=subprocess.PIPE, text=True)
    process.stdin.write("".join(lines[:1234]))
    process.stdin.flush()
    while True:
        found = work.pyalgo("inspect", "s.state", "--json")
        if found.returncode == 0 and json.loads(found.stdout)["received"] == 1234:
            break
    process.kill()
    process.communicate()
    done = work.pyalgo(*flags, input="".join(lines[1234:]))
    assert done.returncode == 0, done.stderr
    assert "1234 lines of standard input were received; it must go on behind them" in done.stderr
    assert [line["result"] for line in work.lines()] == [line["result"] for line in work.lines("whole.jsonl")]
    with sqlite3.connect(work.path / "s.state") as db:
        assert db.execute("SELECT count(*) FROM log").fetchone()[0] <= 1  # trimmed at the checkpoints
