"""Algorithms by name: what is installed, found through entry points, imported one at a time when asked for."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from importlib.metadata import distributions
from os import PathLike
from pathlib import Path
from typing import Any

from pyalgo import snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.errors import PluginError, UnknownAlgorithmError

__all__ = ["Diagnosis", "Registration", "algorithms", "check", "create", "find", "load"]

GROUP = "pyalgo.algorithms"

# Prefix of the names in a pack, and the distribution that brings it; DESIGN: one pack per set of dependencies.
_PACKS = {
    name: f"pyalgo-{name}"
    for name in ("privacy", "waterfilling", "train", "diffusion", "llm", "lowbit", "federated", "secure")
}


@dataclass(frozen=True)
class Registration:
    """A name that a distribution registers; nothing of it is imported yet."""

    name: str
    distribution: str
    version: str
    value: str  # "module:class"


@dataclass(frozen=True)
class Diagnosis:
    """What `pyalgo doctor` found about one registered name."""

    name: str
    distribution: str
    ok: bool
    problem: str = ""


def _registrations() -> list[Registration]:
    found: dict[tuple[str, str], Registration] = {}
    for distribution in distributions():
        for entry in distribution.entry_points.select(group=GROUP):
            known = Registration(entry.name, distribution.metadata["Name"], distribution.version, entry.value)
            # A distribution that stands on the path twice counts once: the first shadows the second, as with imports.
            found.setdefault((known.name, known.distribution), known)
    return sorted(found.values(), key=lambda known: (known.name, known.distribution))


def algorithms() -> dict[str, Registration]:
    """Every registered name with its distribution and version, from metadata alone: nothing is imported.

    A name that two distributions claim is listed with the first of them; `find` refuses it, `check` explains it.
    """
    listed: dict[str, Registration] = {}
    for known in _registrations():
        listed.setdefault(known.name, known)
    return listed


def find(name: str) -> type[Algorithm]:
    """The class registered as `name`; imports its plugin and no other.

    Raises
    ------
    UnknownAlgorithmError
        (a ``KeyError``) If nothing installed registers the name; says what to install, or which names are close.
    PluginError
        (an ``ImportError``) If two distributions claim the name, or its plugin cannot be imported or holds no algorithm.
    """
    registrations = _registrations()
    claims = [known for known in registrations if known.name == name]
    if not claims:
        raise UnknownAlgorithmError(_unknown(name, [known.name for known in registrations]))
    if len(claims) > 1:
        both = " and ".join(f"{known.distribution} {known.version}" for known in claims)
        raise PluginError(f"algorithm {name!r} is registered by {both}: uninstall one of them")
    return _import(claims[0])


def _import(known: Registration) -> type[Algorithm]:
    where = f"algorithm {known.name!r} of {known.distribution} {known.version}"
    module, _, attribute = known.value.partition(":")
    try:
        cls: Any = importlib.import_module(module)
        for part in attribute.split("."):
            cls = getattr(cls, part)
    except (Exception, SystemExit) as error:  # whatever a broken plugin does is its own failure, not pyalgo's
        raise PluginError(
            f"{where} cannot be imported from {known.value}: {type(error).__name__}: {error}. "
            f"Reinstall or remove {known.distribution}"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Algorithm)):
        raise PluginError(f"{where}: {known.value} is not a subclass of pyalgo.Algorithm")
    if getattr(cls, "name", None) != known.name:
        raise PluginError(
            f"{where}: the class calls itself {getattr(cls, 'name', None)!r}; the two names must be equal"
        )
    return cls


def _unknown(name: str, names: list[str]) -> str:
    package = _PACKS.get(str(name).partition(".")[0])
    if package is not None and not any(known.partition(".")[0] == str(name).partition(".")[0] for known in names):
        return f"algorithm {name!r} is in a pack that is not installed: pip install {package}"
    close = difflib.get_close_matches(str(name), names)
    hint = (
        f"did you mean {' or '.join(map(repr, close))}?" if close else f"installed are {', '.join(sorted(set(names)))}"
    )
    return f"no algorithm is called {name!r}: {hint}"


def create(name: str, /, **params: Any) -> Algorithm:
    """A new, empty algorithm.

    >>> import pyalgo
    >>> pyalgo.create("submodular", objective={"name": "coverage"}, k=20, eps=0.1, seed=0).n_seen
    0
    """
    return find(name)(**params)


def load(source: bytes | str | PathLike[str]) -> Algorithm:
    """The algorithm that a snapshot (bytes, or the path of a file) holds, whatever its class.

    >>> import pyalgo
    >>> empty = pyalgo.create("submodular", objective={"name": "coverage"}, k=2)
    >>> pyalgo.load(empty.to_bytes()).k
    2
    """
    data = Path(source).read_bytes() if isinstance(source, str | PathLike) else bytes(source)
    return find(snapshot.read(data).name).from_bytes(data)


def check() -> list[Diagnosis]:
    """Try every registered name and explain each failure; imports all plugins."""
    found = []
    for known in _registrations():
        try:
            find(known.name)
        except (PluginError, UnknownAlgorithmError) as error:
            found.append(Diagnosis(known.name, known.distribution, False, str(error)))
        else:
            found.append(Diagnosis(known.name, known.distribution, True))
    return found
