"""The live game, as a job of the runner and as a script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACK = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "examples").symlink_to(PACK / "examples")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyalgo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_game_is_a_job(folder):
    done = run(folder, "run", "examples/fading_game.toml", "--allow-python")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (folder / "fading_game.jsonl").read_text().splitlines()]
    assert len(lines) >= 10
    for line in lines:
        answer = line["result"]
        assert answer["status"] in ("certified", "converged")
        assert len(answer["power"]) == len(answer["users"]) == len(answer["rates"])
        for power in answer["power"]:
            assert sum(power) == pytest.approx(4.0, rel=1e-9)
        if answer["status"] == "certified":
            assert max(answer["error_bound"]) <= 1e-9 * 4.0
    cells = [len(line["result"]["users"]) for line in lines]
    assert max(cells) == 8
    assert cells[-1] == 7  # one has left
    (folder / "fading_game.jsonl").rename(folder / "first.jsonl")
    (folder / "fading_game.state").unlink()
    assert run(folder, "run", "examples/fading_game.toml", "--allow-python").returncode == 0
    assert (folder / "fading_game.jsonl").read_bytes() == (folder / "first.jsonl").read_bytes()


def test_the_script_prints_the_course(folder):
    done = subprocess.run(
        [sys.executable, "examples/fading_game.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert {int(row[1]) for row in rows} >= {1, 7, 8}
    assert all(row[3] in ("certified", "converged") for row in rows)
