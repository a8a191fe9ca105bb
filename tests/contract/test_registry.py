"""Plugins by name: listing imports nothing, a broken one fails alone, and every failure tells the cure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pyalgo
from pyalgo import registry
from pyalgo.errors import PluginError, UnknownAlgorithmError

PLUGIN = """
from pyalgo import Algorithm

class Toy(Algorithm):
    name = "{name}"
    columns = {{}}
    def __init__(self, *, size=1):
        self.size = size
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution with one module and its entry points on a path of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(distribution: str, entries: dict[str, str], module: str, source: str) -> None:
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[pyalgo.algorithms]\n{lines}\n")
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def test_listing_imports_nothing(install):
    install("toy-one", {"one.toy": "toy_one_mod:Toy"}, "toy_one_mod", "raise RuntimeError('imported')")
    listed = pyalgo.algorithms()
    assert listed["one.toy"] == registry.Registration("one.toy", "toy-one", "1.0", "toy_one_mod:Toy")
    assert listed["submodular"].distribution == "pyalgo"
    assert "toy_one_mod" not in sys.modules


def test_create_and_load_import_one_plugin(install):
    install("toy-two", {"two.toy": "toy_two_mod:Toy"}, "toy_two_mod", PLUGIN.format(name="two.toy"))
    install("toy-bad", {"bad.toy": "toy_bad_mod:Toy"}, "toy_bad_mod", "raise RuntimeError('imported')")
    assert pyalgo.create("two.toy", size=3).size == 3
    assert "toy_bad_mod" not in sys.modules


def test_load_finds_the_class(tmp_path):
    f = pyalgo.create("submodular", objective={"name": "coverage"}, k=2)
    f.insert([1], items=[[4]])
    (tmp_path / "f.bin").write_bytes(f.to_bytes())
    for source in (f.to_bytes(), bytearray(f.to_bytes()), tmp_path / "f.bin", str(tmp_path / "f.bin")):
        assert pyalgo.load(source).query().ids.tolist() == [1]
    with pytest.raises(pyalgo.SnapshotError, match="not a pyalgo snapshot"):
        pyalgo.load(b"nothing")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
        ("import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("Toy = 7", "is not a subclass of pyalgo.Algorithm"),
        ("x = 1", "has no attribute 'Toy'"),
        (PLUGIN.format(name="other"), "the class calls itself 'other'"),
    ],
)
def test_a_broken_plugin_fails_alone(install, source, reason):
    install("toy-broken", {"broken.toy": "toy_broken_mod:Toy"}, "toy_broken_mod", source)
    with pytest.raises(PluginError, match="toy-broken 1.0") as caught:
        pyalgo.create("broken.toy")
    assert reason in str(caught.value)
    assert pyalgo.create("submodular", objective={"name": "coverage"}, k=1).k == 1
    by_name = {diagnosis.name: diagnosis for diagnosis in registry.check()}
    assert by_name["submodular"].ok
    assert not by_name["broken.toy"].ok
    assert reason in by_name["broken.toy"].problem


def test_two_distributions_with_one_name(install):
    install("toy-three", {"three.toy": "toy_three_mod:Toy"}, "toy_three_mod", PLUGIN.format(name="three.toy"))
    install("toy-four", {"three.toy": "toy_four_mod:Toy", "submodular": "toy_four_mod:Toy"}, "toy_four_mod", "")
    with pytest.raises(PluginError, match=r"'three\.toy' is registered by toy-four 1\.0 and toy-three 1\.0"):
        registry.find("three.toy")
    with pytest.raises(PluginError, match="'submodular' is registered by pyalgo .* and toy-four"):
        registry.find("submodular")
    assert "three.toy" in pyalgo.algorithms()
    assert sum(not diagnosis.ok for diagnosis in registry.check()) == 4


def test_unknown_names(monkeypatch):
    monkeypatch.setitem(registry._PACKS, "absent", "pyalgo-absent")
    with pytest.raises(UnknownAlgorithmError, match="did you mean 'submodular'"):
        pyalgo.create("submodlar")
    with pytest.raises(KeyError, match="installed are "):
        pyalgo.create("zzz")
    with pytest.raises(UnknownAlgorithmError, match="pip install pyalgo-absent$"):
        pyalgo.create("absent.algorithm")


def measure_import(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return min(
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(7)
    )


def test_import_is_cheap(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # python -c imports from the working directory first
    heavy = ("torch", "pyarrow", "numba", "rich")
    code = f"import sys, pyalgo; pyalgo.algorithms(); print(*[m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == ""
    assert measure_import("import pyalgo") <= measure_import("import numpy") + 0.030


def test_public_names():
    assert set(pyalgo.__all__) <= set(dir(pyalgo))
    for name in pyalgo.__all__:
        assert getattr(pyalgo, name) is not None
    with pytest.raises(AttributeError, match="it has Algorithm, "):
        _ = pyalgo.no_such_name


def test_the_source_tree_says_that_it_is_no_installation(tmp_path):
    (tmp_path / "pyalgo").mkdir()
    (tmp_path / "pyalgo" / "__init__.py").write_bytes(Path(pyalgo.__file__).read_bytes())
    command = [sys.executable, "-S", "-c", "import pyalgo"]  # -S: nothing installed is seen
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "without its compiled core: start Python in another folder" in done.stderr
