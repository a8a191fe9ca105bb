"""The examples in the docstrings and on the pages do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pyalgo_privacy
import pytest

PACK = Path(__file__).parents[1]
MODULES = [name for _, name, _ in pkgutil.walk_packages(pyalgo_privacy.__path__, "pyalgo_privacy.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_readme():
    text = (PACK / "README.md").read_text()
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert names["server"].n_seen == 50_001
    assert len(names["data"]) == 8
    truth = (names["values"] == 1).mean()
    assert abs(names["estimate"].freq[1] - truth) < 6 * names["estimate"].stderr[1]
    for link in re.findall(r"\]\(((?:docs|bench|examples)/[^)]*)\)", text):
        assert (PACK / link).exists(), link


def test_every_public_name_is_there():
    for name in pyalgo_privacy.__all__:
        assert getattr(pyalgo_privacy, name).__name__ == name


def test_page_of_allomfree():
    text = (PACK / "docs" / "allomfree.md").read_text()
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(blocks, {}, "allomfree.md", "allomfree.md", 0)
    assert len(examples.examples) >= 10
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples).failed == 0
    for mark in ("calibrations", "variances", "losses", "changes", "gains", "intervals"):
        assert re.search(rf"<!-- {mark} -->\n\| .*<!-- /{mark} -->", text, re.DOTALL), mark
