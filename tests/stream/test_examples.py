"""The jobs of examples/, and what the readme says of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def examples(work):
    """A working directory with the examples, as a clone has them."""
    (work.path / "examples").symlink_to(ROOT / "examples")
    return work


def test_the_standard_library_is_summarised_while_modules_come_and_go(examples):
    done = examples.pyalgo("run", "examples/stdlib_summary.toml", "--allow-python", "--max-rows", "300")
    assert (done.returncode, done.stderr) == (0, "")
    lines = examples.lines("stdlib_summary.jsonl")
    assert [line["rows"] for line in lines] == [100, 200, 300]
    for line in lines:
        answer = line["result"]
        assert len(answer["ids"]) == 20
        assert all(isinstance(name, str) for name in answer["ids"])
        assert answer["value"] <= answer["upper_bound"] <= 2.5 * answer["value"]


def test_images_of_digits_are_chosen_and_deleted(examples):
    pytest.importorskip("sklearn")
    done = examples.pyalgo("run", "examples/digits_exemplars.toml", "--allow-python")
    assert (done.returncode, done.stderr) == (0, "")
    lines = examples.lines("digits_exemplars.jsonl")
    assert [line["rows"] for line in lines] == [500, 1000, 1500, 1807]
    deleted = set(range(10))  # the first images are one of each digit
    assert [len(set(line["result"]["ids"]) - deleted) for line in lines[3:]] == [12]
    # The same kind of job from a pipe; only the options of its query differ, so the elements are the same.
    rows = subprocess.run(
        [sys.executable, "-m", "examples.digits_exemplars"],
        cwd=examples.path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    flags = "run --algorithm submodular --set objective.name=facility_location --set k=12 --set eps=0.1 --source -"
    piped = examples.pyalgo(*flags.split(), "--query-every", "500", input=rows)
    assert piped.returncode == 0, piped.stderr
    assert [json.loads(line)["result"]["ids"] for line in piped.stdout.splitlines()] == [
        line["result"]["ids"] for line in lines
    ]
