"""The notification service does what it says: in Python, and in a job that is killed and goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SOURCE = ["--source", "python:examples.notification_service:few", "--set", "n_bandits=500"]
FLAGS = ["--allow-python", *SOURCE, "--checkpoint", "2000"]
COMMAND = [sys.executable, "-m", "pyalgo", "run", "examples/notification_service.toml", *FLAGS]


def folder(path: Path) -> Path:
    path.mkdir()
    (path / "examples").symlink_to(ROOT / "examples")
    return path


def test_in_python():
    script = ROOT / "examples" / "notification_service.py"
    command = [sys.executable, str(script), "--people", "1000", "--times", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.replace(",", "").split() for line in done.stdout.splitlines() if re.match(r" +\d+ ", line)]
    assert [int(row[0]) for row in rows] == list(range(100, 1001, 100))
    ignored, committed = ([float(row[i].rstrip("%")) for row in rows] for i in (1, 2))
    assert ignored[-1] < ignored[0] - 25
    assert committed[0] == 0
    assert committed[-1] > 60
    assert int(rows[-1][3]) <= float(rows[-1][4]) == 50


def decisions(path: Path) -> np.ndarray:
    entries = [json.loads(line) for line in (path / "notification_service.jsonl").read_text().splitlines()]
    emitted = [entry["emission"] for entry in entries if "emission" in entry]
    return np.array([[value for entry in emitted for value in entry[name]] for name in ("id", "arm", "token")])


def test_in_a_job_that_is_killed_and_goes_on(tmp_path):
    whole, killed = folder(tmp_path / "whole"), folder(tmp_path / "killed")
    done = subprocess.run(COMMAND, cwd=whole, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "60 rows were left out" in done.stderr  # the losses that came twice
    rejects = [json.loads(line) for line in (whole / "notification_service.rejects.jsonl").read_text().splitlines()]
    assert all("had its loss before" in reject["reason"] for reject in rejects)
    ids, arms, tokens = decisions(whole)
    answer = json.loads((whole / "notification_service.jsonl").read_text().splitlines()[-1])["result"]
    assert len(ids) == answer["n_plays"] > 15_000
    assert set(arms.tolist()) <= set(range(4))
    for person in (0, 77, 499):  # every play has its token, in turn
        assert tokens[ids == person].tolist() == list(range(1, (ids == person).sum() + 1))
    output, kills = killed / "notification_service.jsonl", 0
    for size in (30_000, 90_000):
        process = subprocess.Popen(COMMAND, cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and (not output.exists() or output.stat().st_size < size):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1
    done = subprocess.run(COMMAND, cwd=killed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("notification_service.jsonl", "notification_service.rejects.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_regret_of_all_policies():
    sys.path.insert(0, str(ROOT))
    try:
        from examples.notification_service import regrets
    finally:
        sys.path.remove(str(ROOT))
    messages, found = regrets(people=12)
    last = {name: curve[-1] for name, curve in found.items()}
    assert messages[-1] == 2000
    assert last["TallyingPlanner"] < 15
    assert last["SuccessiveEliminationWTB"] == sorted(last.values())[1]  # whoever is not told everything is worse
    assert last["SuccessiveEliminationWTB"] < 0.75 * last["UCB1"]
