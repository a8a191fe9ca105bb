"""Every ISA level that the machine has gives the same bits: results, approximations, snapshots and what goes on from them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("hamming_digests.py")


def run(level, *arguments):
    """The script in a process whose level is forced; None: the best one that the machine has."""
    env = {name: value for name, value in os.environ.items() if name != "PYALGO_ISA"}
    if level is not None:
        env["PYALGO_ISA"] = level
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=SCRIPT.parent,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def of_level(level):
    done = run(level)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def levels():
    """The levels that can be forced here, the best last."""
    best = of_level(None)["isa"]
    return {"avx512": ["generic", "avx2", "avx512"], "generic": ["generic"]}.get(best, ["generic", best])


@pytest.mark.claim("hamming.3")
def test_levels_give_the_same_bits():
    best = of_level(None)
    assert len(best["digests"]) > 300
    for level in levels():
        forced = of_level(level)
        assert forced["isa"] == level
        differing = [name for name, digest in forced["digests"].items() if digest != best["digests"][name]]
        assert differing == [], f"{level} against {best['isa']}"
        assert forced["digests"].keys() == best["digests"].keys()


@pytest.mark.claim("hamming.3", "hamming.4")
def test_a_stream_changes_levels_midway(tmp_path):
    state = tmp_path / "state"
    emitted = []
    for level in itertools.islice(itertools.cycle(levels()), 5):
        done = run(level, str(state))
        assert done.returncode == 0, done.stderr
        part = json.loads(done.stdout)
        emitted += part["emitted"]
    assert emitted == part["expected"]


@pytest.mark.claim("hamming.3")
def test_levels_that_the_machine_lacks_are_refused():
    lacking = {"generic", "neon", "avx2", "avx512"} - set(levels())
    for level in (*sorted(lacking), "sse9"):
        done = run(level)
        assert done.returncode != 0, level
        assert f"PYALGO_ISA={level}" in done.stderr
