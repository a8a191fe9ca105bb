"""The walk-through of examples/telemetry.py, with fewer devices: through `pyalgo run`, `pyalgo merge`, to a picture."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pyalgo import load

PACK = Path(__file__).parents[1]


def test_two_halves_of_the_devices_are_counted_merged_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    done = subprocess.run(
        [sys.executable, "examples/telemetry.py", "--folder", tmp_path, "--plot", tmp_path / "telemetry.svg"],
        cwd=PACK,
        env={**os.environ, "TELEMETRY_DEVICES": "4000", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ pyalgo run ") == 2
    assert done.stdout.count("$ pyalgo merge ") == 1
    held, of = re.search(r"([\d.]+)% of (\d+) intervals hold the truth", done.stdout).groups()
    assert of == "460"  # 46 values in ten weeks
    assert float(held) > 88  # seeded; 95 are to, give or take 1.5 for values and weeks that go together
    merged = load(tmp_path / "telemetry.snapshot")
    lines = [(tmp_path / f"{name}.jsonl").read_text().splitlines() for name in ("east", "west")]
    halves = [[json.loads(line)["result"] for line in half] for half in lines]
    assert merged.rounds == list(range(10))
    for week in merged.rounds:
        together = [estimate.n for estimate in merged.query(round=week)]
        each = [[estimate["n"] for estimate in half[week]["attributes"]] for half in halves]
        assert [half[week]["round"] for half in halves] == [week, week]
        assert together == [a + b for a, b in zip(*each, strict=True)]
    assert merged.n_seen == 10 * 3600
    picture = (tmp_path / "telemetry.svg").read_text()
    assert "Languages in week 9" in picture
