"""The examples in the docstrings, and the README's, do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import pyalgo

MODULES = [name for _, name, _ in pkgutil.walk_packages(pyalgo.__path__, "pyalgo.") if "__main__" not in name]


@pytest.mark.parametrize("name", ["pyalgo", *MODULES])
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


PAGES = ["bandits", "completion", "hamming", "rns", "submodular"]


@pytest.mark.parametrize("page", [f"algorithms/{name}.md" for name in PAGES])
def test_examples_of_pages(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(blocks, {}, page, page, 0)
    assert len(examples.examples) >= 10
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples).failed == 0


def test_readme():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    answer = names["answer"]
    assert (answer.ids.tolist(), answer.value, answer.upper_bound) == (["tea"], 3.0, 3.0)
    assert names["distances"].tolist() == [0, 6, 5, 6, 6, 4, 6, 1]
    assert names["found"].positions.tolist() == [0, 7]
    assert [chunk.positions.tolist() for chunk in names["chunks"]] == [[0], [7]]
