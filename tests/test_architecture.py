"""The one arrow of the design: every file uses only what stands to its left.

C++: foundation -> algorithms -> bindings. Python: ground floor -> algorithms -> stream | scale | testing -> leaves.
Read from the text of the files, so that nothing has to be imported or built.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOUNDATION = {"growth", "pages", "span", "bits", "simd", "rng", "parallel", "snapshot"}
GROUND_FLOOR = {"algorithm", "errors", "snapshot", "arrays", "arrow", "parameters", "registry"}
ALGORITHMS = {"bandits", "completion", "hamming", "rns", "submodular"}
MIDDLE = {"stream", "scale", "testing"}
LEAVES = {"cli", "report", "plot", "sklearn", "__main__"}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def imports(path: Path, package: str) -> list[tuple[str, bool]]:
    """Modules that a file imports, in absolute form, and whether on import (else only inside functions or for types)."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING")
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node not in late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = (
                ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
                if node.level
                else node.module
            )
            if base == "pyalgo":  # from pyalgo import snapshot
                found += [(f"pyalgo.{alias.name}", node not in late) for alias in node.names]
            else:
                found.append((base, node not in late))
    return found


def allowed(part: str) -> set[str]:
    """The parts of pyalgo that a part of pyalgo may use."""
    if part in GROUND_FLOOR:
        return GROUND_FLOOR
    if part in ALGORITHMS:
        return GROUND_FLOOR | {"_core", part}
    if part in MIDDLE:  # they reach algorithms through the registry, so that none is named here
        return GROUND_FLOOR | {"__version__", part}
    return GROUND_FLOOR | ALGORITHMS | MIDDLE | LEAVES - {"__main__"} | {"", "__version__"}


def python_faults(root: Path) -> list[str]:
    """Imports under `root`/pyalgo that go against the arrow."""
    faults = []
    public = re.findall(
        r'^    "(\w+)": "pyalgo\.([\w.]+)"', (root / "pyalgo" / "__init__.py").read_text(), re.MULTILINE
    )
    home = {name: module.partition(".")[0] for name, module in public}
    for path in sorted((root / "pyalgo").rglob("*.py")):
        inside = path.relative_to(root / "pyalgo")
        part = inside.parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        package = ".".join(("pyalgo", *inside.parts[:-1]))
        for module, eager in imports(path, package):
            top, _, rest = module.partition(".")
            if top == "pyalgo":
                target = rest.partition(".")[0]
                target = home.get(target, target)
                if target not in allowed(part):
                    faults.append(f"{inside}: {part} may not use {module}")
            elif part in GROUND_FLOOR and top != "numpy" and top not in sys.stdlib_module_names:
                faults.append(f"{inside}: the ground floor may use numpy and the standard library only, not {module}")
            elif part in ALGORITHMS and eager and top != "numpy" and top not in sys.stdlib_module_names:
                faults.append(f"{inside}: an algorithm may import {module} only where it is used, not with the module")
    return faults


def cpp_faults(root: Path) -> list[str]:
    """Includes under `root`/cpp that go against the arrow."""
    faults = []
    base = root / "cpp"
    # bind_<algorithm>.cpp, and bind_<algorithm>_<part>.cpp where one file would be too long
    algorithms = {path.stem.split("_")[1] for path in (base / "bindings").glob("bind_*.cpp")}
    for path in sorted(p for p in base.rglob("*") if p.suffix in (".hpp", ".cpp")):
        inside = path.relative_to(base)
        area = inside.parts[0]
        own = inside.with_suffix("").parts[1] if area == "src" else path.stem.removeprefix("bind_").partition("_")[0]
        for bracket, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            header = name.removeprefix("pyalgo/").removesuffix(".hpp") if name.startswith("pyalgo/") else None
            if "pybind11" in name or name == "Python.h":
                if area != "bindings":
                    faults.append(f"{inside}: only bindings include {name}")
            elif area == "include" and (bracket == '"') != (header is not None):
                faults.append(f"{inside}: a public header includes public headers and the standard library, not {name}")
            elif area == "include" and path.stem in FOUNDATION and header is not None and header not in FOUNDATION:
                faults.append(f"{inside}: the foundation may not use {name}")
            elif header in algorithms and own in algorithms and header != own:
                faults.append(f"{inside}: algorithms do not use each other: {name}")
            elif area in ("src", "include") and ("bindings/" in name or "tests/" in name):
                faults.append(f"{inside}: may not use {name}")
    return faults


def test_imports_follow_the_arrow():
    assert python_faults(ROOT) == []


def test_includes_follow_the_arrow():
    assert cpp_faults(ROOT) == []


def test_every_part_has_its_place():
    parts = {
        path.stem for path in (ROOT / "pyalgo").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - GROUND_FLOOR - ALGORITHMS - MIDDLE - LEAVES == {"__init__"}
    assert {path.stem for path in (ROOT / "cpp" / "include" / "pyalgo").iterdir()} >= FOUNDATION | ALGORITHMS


def test_no_file_has_a_name_that_says_nothing():
    folders = ("pyalgo", "cpp", "tests", "bench", "examples", "plugins")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    assert [str(path.relative_to(ROOT)) for path in files if path.stem in NAMELESS] == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("pyalgo/errors.py", "from pyalgo.stream.runner import run", "errors may not use pyalgo.stream.runner"),
        ("pyalgo/arrays.py", "import pyarrow", "numpy and the standard library only, not pyarrow"),
        ("pyalgo/snapshot.py", "def f():\n    from pyalgo import run", "snapshot may not use pyalgo.run"),
        ("pyalgo/submodular/a.py", "from pyalgo import testing", "submodular may not use pyalgo.testing"),
        ("pyalgo/submodular/a.py", "import scipy", "an algorithm may import scipy only where it is used"),
        ("pyalgo/stream/a.py", "from ..submodular import x", "stream may not use pyalgo.submodular"),
        ("pyalgo/stream/a.py", "import pyalgo.cli", "stream may not use pyalgo.cli"),
        ("cpp/src/submodular/a.cpp", "#include <pybind11/pybind11.h>", "only bindings include pybind11/pybind11.h"),
        ("cpp/include/pyalgo/rng.hpp", '#include "pyalgo/submodular.hpp"', "the foundation may not use"),
        ("cpp/include/pyalgo/submodular.hpp", '#include "../../src/a.hpp"', "a public header includes public headers"),
        ("cpp/src/other.cpp", '#include "pyalgo/submodular.hpp"', "algorithms do not use each other"),
        ("cpp/bindings/bind_other_part.cpp", '#include "pyalgo/submodular.hpp"', "algorithms do not use each other"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path, name, text, fault):
    for path, content in {
        "pyalgo/__init__.py": '_HOME = {\n    "run": "pyalgo.stream.runner",\n}\n',
        "cpp/bindings/bind_submodular.cpp": "",
        "cpp/bindings/bind_other.cpp": "",
        name: text,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    faults = python_faults(tmp_path) + cpp_faults(tmp_path)
    assert len(faults) == 1
    assert fault in faults[0]
