"""Python's own standard library as a changing data set: which 20 modules cover the most identifiers?

Every module file is an element, its items the identifiers that it uses. All modules arrive in the order of their names;
then the tests leave, and the modules that were deprecated or removed ("dead batteries"); then a window slides twice over
what is left.
"""

from __future__ import annotations

import sysconfig
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

# PEP 594, and what else was deprecated or removed since Python 3.10.
DEAD_BATTERIES = frozenset(
    [
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
        "lib2to3",
        "mailcap",
        "msilib",
        "nntplib",
        "pipes",
        "smtpd",
        "sndhdr",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
    ]
)
WINDOW = 400


def identifiers(code: CodeType) -> set[str]:
    """Every name that a module's code uses: globals, attributes, locals, of its functions and classes too."""
    names = {*code.co_names, *code.co_varnames, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= identifiers(constant)
    return names


def modules() -> Iterator[tuple[str, list[str]]]:
    """Names of the modules of this Python's standard library with their identifiers, both in order."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in ("site-packages", "dist-packages"):
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError):  # the tests of Python hold files that are broken on purpose
            continue
        yield name, sorted(identifiers(code))


def is_test(name: str) -> bool:
    return any(part in ("test", "tests", "idle_test") or part.startswith("test_") for part in name.split("."))


def updates() -> Iterator[dict[str, Any]]:
    """Insertions and deletions, one a row: what `pyalgo run` is fed."""
    items: dict[str, list[str]] = {}
    for name, names in modules():
        items[name] = names
        yield {"op": 1, "id": name, "items": names}
    leaving = [name for name in items if is_test(name) or name.partition(".")[0] in DEAD_BATTERIES]
    for name in leaving:
        yield {"op": -1, "id": name}
    staying = [name for name in items if name not in set(leaving)]
    for name in staying[WINDOW:]:
        yield {"op": -1, "id": name}
    window = deque(staying[:WINDOW])
    for name in 2 * (staying[WINDOW:] + staying[:WINDOW]):
        yield {"op": -1, "id": window.popleft()}
        yield {"op": 1, "id": name, "items": items[name]}
        window.append(name)
