"""The claims ledger: every numbered claim of docs/claims has tests, and every such test a claim.

``pytest --claims`` runs the tests and benchmarks that carry a claim, prints the table, and fails on a claim without a
test, a test with an unknown claim, and a stale ledger: a status that is not what the run shows, or a page that does not say
what the ledger does. Where the gate is wider than the target, because machines are noisy, a run between the two is told and
fails nothing. ``--claims-bench`` leaves out what is no benchmark, for where all tests have passed before; ``--claims-write``
puts the measured figures into the ledger, its table into docs/claims/README.md, and what is not met into the README.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent
BLOCK = re.compile(r"(<!-- claims -->\n).*?(<!-- /claims -->)", re.DOTALL)


@dataclass
class Claim:
    number: str  # "submodular.5"
    statement: str
    target: str
    gate: str
    measured_by: str
    status: str  # "met" or "not met"
    figure: str = ""
    reason: str = ""
    tests: int = 0
    met: list[bool] = field(default_factory=list)  # the target
    passed: list[bool] = field(default_factory=list)  # the gate


def read_ledger(folder: Path) -> dict[str, Claim]:
    claims = {}
    for path in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(path.read_text())["claim"]:
            claim = Claim(**{**entry, "number": f"{path.stem}.{entry['number']}"})
            if claim.status not in ("met", "not met") or (claim.status == "not met" and not claim.reason):
                raise pytest.UsageError(f"{path}: {claim.number} needs a status, and a reason where it is not met")
            claims[claim.number] = claim
    return claims


def summary(claims: dict[str, Claim]) -> str:
    unmet = [claim.number for claim in claims.values() if claim.status != "met"]
    return (
        f"{len(claims)} claims, {len(claims) - len(unmet)} of them met. Not met, each with the figure and the reason: "
        f"{', '.join(unmet) or 'none'}.\n"
    )


def table(claims: dict[str, Claim]) -> str:
    rows = ["| claim | guarantee | target | measured | status |", "|---|---|---|---|---|"]
    for claim in claims.values():
        measured = claim.figure or f"passes: {claim.measured_by}"
        status = claim.status + (f": {claim.reason}" if claim.reason else "")
        rows.append(f"| {claim.number} | {claim.statement} | {claim.target} | {measured} | {status} |")
    return "\n".join(rows) + "\n"


# What each page says of the ledger, between its two marks.
PAGES = {"README.md": summary, "docs/claims/README.md": table}


def pytest_addoption(parser):
    group = parser.getgroup("claims")
    group.addoption("--claims", action="store_true", help="run what carries a claim and hold it against docs/claims")
    group.addoption("--claims-bench", action="store_true", help="as --claims, of the tests alone the benchmarks")
    group.addoption("--claims-write", action="store_true", help="as --claims, and write figures and the README's table")


def pytest_configure(config):
    config.claims = None
    if config.getoption("--claims-write") or config.getoption("--claims-bench"):
        config.option.claims = True
    if config.getoption("--claims"):
        config.claims = read_ledger(config.rootpath / "docs" / "claims")
        if config.args_source.name != "ARGS":
            packs = sorted(config.rootpath.glob("plugins/pyalgo-*/"))
            config.args = ["tests", "bench", *(str(pack / part) for pack in packs for part in ("tests", "bench"))]


def pytest_collection_modifyitems(config, items):
    if config.claims is None:
        return
    config.unknown_claims = []
    chosen, left = [], []
    for item in items:
        numbers = [number for mark in item.iter_markers("claim") for number in mark.args]
        item.claims = numbers
        ran_before = config.getoption("--claims-bench") and "bench" not in item.path.relative_to(ROOT).parts
        (chosen if numbers and not ran_before else left).append(item)
        for number in numbers:
            if number in config.claims:
                config.claims[number].tests += 1
            else:
                config.unknown_claims.append(f"{item.nodeid} carries {number}, which the ledger does not have")
    config.hook.pytest_deselected(items=left)
    items[:] = chosen


@pytest.fixture
def figure(request):
    """Records what a claim measured: ``figure("submodular.5", "slope 0.03", met=True)``, met by the target, not the gate."""

    def record(number: str, text: str, *, met: bool) -> None:
        print(f"{number}: {text}; target {'met' if met else 'NOT met'}")
        if request.config.claims is not None:
            claim = request.config.claims[number]
            claim.met.append(met)
            claim.measured = "; ".join(filter(None, [getattr(claim, "measured", ""), text]))

    return record


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.config.claims is not None and report.when == "call":
        for number in set(item.claims) & set(item.config.claims):
            item.config.claims[number].met.append(report.passed)
            item.config.claims[number].passed.append(report.passed)
    return report


def problems(config) -> list[str]:
    found = list(config.unknown_claims)
    config.claim_notes = []
    for claim in config.claims.values():
        if claim.tests == 0:
            found.append(f"{claim.number} has no test")
        elif config.getoption("--claims-bench") and not claim.met:
            continue
        elif (claim.status == "met") != (bool(claim.met) and all(claim.met)):
            shows = "met" if claim.met and all(claim.met) else "not met"
            if claim.gate not in ("the same", claim.target) and claim.passed and all(claim.passed):
                config.claim_notes.append(f"{claim.number} is {claim.status} in the ledger, and {shows} in this run")
            else:
                found.append(f"{claim.number} is stale: the ledger says {claim.status}, the run shows {shows}")
    for page, text in PAGES.items():
        block = BLOCK.search((config.rootpath / page).read_text())
        if block is None or block.group(0) != f"<!-- claims -->\n{text(config.claims)}<!-- /claims -->":
            found.append(f"{page} lags behind the ledger: run pytest --claims-write")
    return found


def write(config) -> None:
    for claim in config.claims.values():
        if not hasattr(claim, "measured"):
            continue
        claim.figure = claim.measured
        stem, _, number = claim.number.rpartition(".")
        path = config.rootpath / "docs" / "claims" / f"{stem}.toml"
        block = re.compile(rf"(number = {number}\n(?:(?!\[\[).*\n)*?figure = )\"[^\"]*\"")
        path.write_text(block.sub(lambda match, text=claim.figure: f'{match[1]}"{text}"', path.read_text()))
    for page, text in PAGES.items():
        path, block = config.rootpath / page, text(config.claims)
        path.write_text(BLOCK.sub(lambda match, block=block: match[1] + block + match[2], path.read_text()))


def pytest_sessionfinish(session, exitstatus):
    config = session.config
    if config.claims is None or config.getoption("--collect-only"):
        return
    if config.getoption("--claims-write"):
        write(config)
    config.claim_problems = problems(config)
    if config.claim_problems and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if config.claims is None or not hasattr(config, "claim_problems"):
        return
    terminalreporter.section("claims")
    for claim in config.claims.values():
        measured = getattr(claim, "measured", "") or claim.figure
        line = f"{claim.number:<15} {claim.status:<8} {claim.tests:>3} tests   {claim.target}"
        terminalreporter.line(line + (f"   measured: {measured}" if measured else ""))
    for note in config.claim_notes:
        terminalreporter.line(f"NOTE: {note}; the gate holds", yellow=True)
    for problem in config.claim_problems:
        terminalreporter.line(f"PROBLEM: {problem}", red=True)
