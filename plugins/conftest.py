"""The tests of a pack that is not installed are skipped, by its name and with the way to install it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent


class NotInstalled(pytest.Module):
    def collect(self):
        pack = self.path.relative_to(PLUGINS).parts[0]
        pytest.skip(f"{pack} is not installed: pip install ./plugins/{pack}", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    pack = PLUGINS / module_path.relative_to(PLUGINS).parts[0]
    missing = [init for init in (pack / "src").glob("*/__init__.py") if find_spec(init.parent.name) is None]
    return NotInstalled.from_parent(parent, path=module_path) if missing else None
