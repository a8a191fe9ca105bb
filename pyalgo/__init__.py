"""Feed it a changing data set; it keeps the answer up to date, and says how good the answer is.

>>> import pyalgo
>>> summary = pyalgo.create("submodular", objective={"name": "coverage"}, k=2, seed=0)
>>> summary.update(id=["a", "b", "c"], items=[["x", "y"], ["y"], ["z"]])
>>> summary.query().value
3.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

try:
    from pyalgo._core import __version__
except ModuleNotFoundError as error:
    raise ImportError(
        f"{__path__[0]} is pyalgo's source code, without its compiled core: start Python in another folder, where the "
        "installed pyalgo is found, or install it with pip install -e ."
    ) from error

if TYPE_CHECKING:
    from pyalgo.algorithm import Algorithm
    from pyalgo.errors import (
        DuplicateElementError,
        FeedbackError,
        NonMonotoneError,
        SnapshotError,
        UnknownElementError,
        UnknownIndexError,
    )
    from pyalgo.registry import algorithms, create, load
    from pyalgo.stream.runner import run

__all__ = [
    "Algorithm",
    "DuplicateElementError",
    "FeedbackError",
    "NonMonotoneError",
    "SnapshotError",
    "UnknownElementError",
    "UnknownIndexError",
    "__version__",
    "algorithms",
    "create",
    "load",
    "run",
]

# Public names and the module that defines each; a name is imported on first use, so that `import pyalgo` stays cheap.
_HOME = {
    "Algorithm": "pyalgo.algorithm",
    "DuplicateElementError": "pyalgo.errors",
    "FeedbackError": "pyalgo.errors",
    "NonMonotoneError": "pyalgo.errors",
    "SnapshotError": "pyalgo.errors",
    "UnknownElementError": "pyalgo.errors",
    "UnknownIndexError": "pyalgo.errors",
    "algorithms": "pyalgo.registry",
    "create": "pyalgo.registry",
    "load": "pyalgo.registry",
    "run": "pyalgo.stream.runner",
}
_MODULES = frozenset(
    {
        "algorithm",
        "arrays",
        "bandits",
        "completion",
        "errors",
        "hamming",
        "registry",
        "rns",
        "sklearn",
        "snapshot",
        "stream",
        "submodular",
        "testing",
    }
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"pyalgo.{name}")
    raise AttributeError(f"module 'pyalgo' has no attribute {name!r}; it has {', '.join(sorted({*_HOME, *_MODULES}))}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
