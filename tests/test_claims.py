"""The claims ledger catches a claim without a test, a test without a claim, a stale status and a page that lags behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLAIM = """
[[claim]]
number = 1
statement = "It adds"
target = "2"
gate = "2"
measured_by = "adding"
status = "met"
figure = ""
"""
TEST = """
import pytest
@pytest.mark.claim("toy.1")
def test_it(figure):
    figure("toy.1", "a sum of 2", met={met})
    assert {passes}
"""


@pytest.fixture
def project(tmp_path):
    """A project with one claim and its test, whose ledger is in order."""
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    for folder in ("docs/claims", "tests", "bench"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = claim(*ids): x\n")
    (tmp_path / "docs" / "claims" / "toy.toml").write_text(CLAIM)
    for page in ("README.md", "docs/claims/README.md"):
        (tmp_path / page).write_text("# Toy\n<!-- claims -->\n<!-- /claims -->\nthe end\n")
    (tmp_path / "tests" / "test_toy.py").write_text(TEST.format(met=True, passes=True))
    assert claims(tmp_path, "--claims-write")[0] == 0
    return tmp_path


def claims(project: Path, option: str = "--claims") -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", option, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_figures_and_table_are_written_and_then_agree(project):
    assert 'figure = "a sum of 2"' in (project / "docs" / "claims" / "toy.toml").read_text()
    page = (project / "docs" / "claims" / "README.md").read_text()
    assert "| toy.1 | It adds | 2 | a sum of 2 | met |" in page
    assert page.endswith("<!-- /claims -->\nthe end\n")
    assert "1 claims, 1 of them met." in (project / "README.md").read_text()
    code, out = claims(project)
    assert code == 0
    assert "PROBLEM" not in out


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("docs/claims/toy.toml", CLAIM, CLAIM + CLAIM.replace("= 1", "= 2"), "toy.2 has no test"),
        ("tests/test_toy.py", 'claim("toy.1")', 'claim("toy.1", "toy.7")', "test_it carries toy.7, which the ledger"),
        ("tests/test_toy.py", "met=True", "met=False", "toy.1 is stale: the ledger says met, the run shows not met"),
        ("tests/test_toy.py", "assert True", "assert False", "toy.1 is stale"),
        ("docs/claims/toy.toml", '"met"', '"not met"\nreason = "slow"', "the ledger says not met, the run shows met"),
        ("docs/claims/README.md", "It adds", "It subtracts", "docs/claims/README.md lags behind the ledger"),
        ("README.md", "1 of them met", "2 of them met", "README.md lags behind the ledger"),
    ],
)
def test_what_is_out_of_order_is_named(project, file, old, new, problem):
    path = project / file
    text = path.read_text()
    if file.endswith("toy.toml"):
        text = text.replace("a sum of 2", "")
    assert old in text
    path.write_text(text.replace(old, new))
    code, out = claims(project)
    assert code == 1
    assert problem in " ".join(out.split())


def test_between_the_gate_and_the_target_a_run_is_told_and_fails_nothing(project):
    ledger, test = project / "docs" / "claims" / "toy.toml", project / "tests" / "test_toy.py"
    ledger.write_text(ledger.read_text().replace('gate = "2"', 'gate = "1.5"'))
    test.write_text(TEST.format(met=False, passes=True))
    code, out = claims(project)
    assert code == 0
    assert "NOTE: toy.1 is met in the ledger, and not met in this run; the gate holds" in " ".join(out.split())
    test.write_text(TEST.format(met=False, passes=False))
    code, out = claims(project)
    assert code == 1
    assert "toy.1 is stale" in out


def test_a_claim_that_is_not_met_needs_its_reason(project):
    path = project / "docs" / "claims" / "toy.toml"
    path.write_text(path.read_text().replace('"met"', '"not met"'))
    command = [sys.executable, "-m", "pytest", "--claims"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "toy.1 needs a status, and a reason where it is not met" in done.stderr
