"""The plugin template as its author meets it: installed, listed, created, fed, tested, removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "plugins" / "_template"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a fresh virtual environment that sees what is installed here."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    interpreter = str(scripts / "python")
    site = run(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # site.addsitedir also runs the .pth files there, through which an editable installation is found.
    paths = [path for path in sys.path if path.endswith("site-packages")]
    Path(site, "outer.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in paths))
    return interpreter


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(python: str) -> set[str]:
    return {entry["name"] for entry in json.loads(run(python, "-m", "pyalgo", "list", "--json"))}


def test_the_template_from_installation_to_removal(python, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # python -m imports from the working directory first
    assert names(python) >= {"submodular"}
    assert "template.distinct" not in names(python)
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", str(TEMPLATE))
    assert "template.distinct" in names(python)
    run(python, "-m", "pyalgo", "doctor")
    assert "The number of distinct keys of a stream" in run(python, "-m", "pyalgo", "info", "template.distinct")
    run(python, "-c", "import pyalgo; assert pyalgo.create('template.distinct', k=7).k == 7")
    rows = "".join(json.dumps({"key": i % 30}) + "\n" for i in range(100))
    lines = run(python, "-m", "pyalgo", "run", "--algorithm", "template.distinct", "--source", "-", text=rows)
    result = json.loads(lines.splitlines()[-1])["result"]
    assert result == {"count": 30.0, "standard_error": 0.0, "exact": True}
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TEMPLATE / "tests"))
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "pyalgo-template")
    assert "template.distinct" not in names(python)
