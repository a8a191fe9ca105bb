"""The examples in the docstrings and on the page do what they say."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pyalgo_waterfilling
import pytest

PACK = Path(__file__).parents[1]
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(pyalgo_waterfilling.__path__, "pyalgo_waterfilling.")
    if not name.endswith("differentiable") or importlib.util.find_spec("torch")  # the one module that imports it
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_readme():
    result = doctest.testfile(str(PACK / "README.md"), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted >= 6
    for picture in re.findall(r"\]\((docs/\w+\.svg)\)", (PACK / "README.md").read_text()):
        assert (PACK / picture).exists()


def test_every_public_name_is_there():
    for name in pyalgo_waterfilling.__all__:
        assert getattr(pyalgo_waterfilling, name).__name__ == name
