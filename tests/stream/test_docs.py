"""docs/runner.md says what the code does. ``python tests/stream/test_docs.py`` writes its job reference anew."""

from __future__ import annotations

import re
from pathlib import Path

from pyalgo.stream.job import KEYS, type_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "runner.md"
BLOCK = re.compile(r"(<!-- job reference -->\n).*?(<!-- /job reference -->)", re.DOTALL)


def reference() -> str:
    """The keys of a job file as a table."""
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for table, keys in KEYS.items():
        for name, key in keys.items():
            rows.append(f"| `{table}.{name}` | {type_name(key.kind)} | {key.default} | {key.meaning} |")
    return "\n".join(rows) + "\n"


def test_the_job_reference_is_the_code_s():
    assert BLOCK.search(PAGE.read_text()).group(0) == f"<!-- job reference -->\n{reference()}<!-- /job reference -->"


def test_every_promise_names_tests_that_exist():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    promised = re.findall(r"`(test_\w+)`", PAGE.read_text())
    assert len(promised) >= 12
    assert [name for name in promised if f"def {name}(" not in tests] == []


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda match: match[1] + reference() + match[2], PAGE.read_text()))
