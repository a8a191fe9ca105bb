"""Every ISA level that the machine has gives the same residues and answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("rns_digests.py")
LEVELS = {"avx512": ["generic", "avx2"], "avx2": ["generic"], "neon": ["generic"], "generic": []}  # below each


@cache
def of_level(level):
    """The script's outcome in a process whose level is forced; None: the best one that the machine has."""
    env = {name: value for name, value in os.environ.items() if name != "PYALGO_ISA"}
    if level is not None:
        env["PYALGO_ISA"] = level
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, cwd=SCRIPT.parent, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.claim("rns.8")
def test_levels_give_the_same_bits():
    best = of_level(None)
    assert len(best["digests"]) > 2000
    for level in LEVELS[best["isa"]]:
        forced = of_level(level)
        assert forced["isa"] == level
        assert forced["digests"].keys() == best["digests"].keys()
        differing = [name for name, digest in forced["digests"].items() if digest != best["digests"][name]]
        assert differing == [], f"{level} against {best['isa']}"
