"""What all objectives share: payload in, values and marginals out."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.arrays import Column, Ragged, read_batch

__all__ = ["OBJECTIVES", "Objective", "Payload", "key_column", "magnitude", "make_objective", "pair"]

PayloadColumn: TypeAlias = "tuple[NDArray[np.int64], Any]"
# Keys and values, each as (offsets, flat values); of a mixture one of these for each component.
Payload: TypeAlias = "tuple[PayloadColumn | None, PayloadColumn | None] | list[Any]"

OBJECTIVES: dict[str, type[Objective]] = {}  # by name; the package lists them


class Objective(ABC):
    """A monotone submodular function f with f(nothing) = 0, and what it must know of each element.

    Payload either streams in with the inserts of a maximiser, and leaves with the deletions, or is added here ahead with
    `add_items`; what was added here stays, and its ids 0, 1, 2, ... may be inserted and deleted without payload.

    Attributes
    ----------
    name : str
        Name in ``objective={"name": ...}``.
    columns : mapping
        The payload columns, as in `pyalgo.Algorithm.columns`; those of the class are all that its objects may take, an
        object has those that it takes.
    needs_object : bool
        Whether a snapshot cannot hold all of it, so that reading one takes an equal object.
    """

    name: ClassVar[str]
    columns: Mapping[str, tuple[str, str]]
    needs_object: bool = False
    _core: _core.Objective

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """``{"name": ..., **settings}``: what makes an equal objective without payload."""

    @abstractmethod
    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        """The columns, and the elements' ids where they are payload themselves, as the core takes them."""

    def _empty(self) -> Objective:
        """An equal objective without payload."""
        return make_objective(self.params)

    @property
    def n_known(self) -> int:
        """How many elements were added ahead; their ids are ``range(n_known)``."""
        return self._core.n_known

    @property
    def nbytes(self) -> int:
        """Memory of the payload."""
        return self._core.nbytes

    def add_items(self, **payload: Any) -> NDArray[np.int64]:
        """Add elements that may be inserted by id later; returns their ids.

        Parameters
        ----------
        **payload : list columns of equal length
            One entry an element, for example ``items=[["x", "y"], ["y"]]``; see `columns`.
        """
        columns = read_batch(self.columns, None, payload)
        rows = max((len(column.offsets) - 1 for column in columns.values() if isinstance(column, Ragged)), default=0)
        return self._core.add_known(self._payload(columns, np.arange(self.n_known, self.n_known + rows)))

    def value(self, ids: Sequence[int] | NDArray[np.int64]) -> float:
        """f of a set of ids of `add_items`."""
        return self._core.value(_ids(ids).tolist())

    def gains(self, ids: ArrayLike, given: Sequence[int] = ()) -> NDArray[np.float64]:
        """f(given + id) - f(given) for every one of `ids`, all of them ids of `add_items`."""
        return np.ascontiguousarray(self.prefix_gains(ids, [given])[:, 1])

    def prefix_gains(self, ids: ArrayLike, levels: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Marginals of `ids` over every prefix of a chain: entry (i, t) is f(levels[:t] + ids[i]) - f(levels[:t])."""
        return self._core.prefix_gains([_ids(level).tolist() for level in levels], _ids(ids))

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.params.items() if key != "name")
        return f"{type(self).__name__}({settings})"


def make_objective(params: Mapping[str, Any]) -> Objective:
    """The objective that ``{"name": ..., **settings}`` describes."""
    settings = dict(params)
    name = settings.pop("name", None)
    if name not in OBJECTIVES:
        raise ValueError(f"objective needs a name, one of {', '.join(OBJECTIVES)}; got {name!r}")
    cls = OBJECTIVES[name]
    if cls.needs_object and not settings:
        raise ValueError(
            f"objective {name!r} is code, which cannot be described: give objective=, an object equal to it"
        )
    known = list(inspect.signature(cls).parameters)
    for key in settings:
        if key not in known:
            raise ValueError(f"objective {name!r} has no setting {key!r}; it has {', '.join(known) or 'none'}")
    return cls(**settings)


def pair(column: Column | None) -> PayloadColumn | None:
    """A list column as the core takes it."""
    if column is None:
        return None
    assert isinstance(column, Ragged)
    return column.offsets, column.values


def magnitude(name: str, key: Any, value: Any) -> float:
    """A number that a sum can hold, or the error that names the setting (and the entry of it)."""
    where = name if key is None else f"{name}[{key!r}]"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where} must be a number, got {value!r}")
    if value == 0 or 1e-100 <= value <= 1e100:
        return float(value)
    raise ValueError(f"{where} must be 0 or from 1e-100 to 1e100, got {value!r}")


def key_column(name: str, keys: list[Any]) -> NDArray[np.int64] | list[str]:
    """The keys of a setting that is a mapping: all integers or all strings."""
    if all(isinstance(key, str) for key in keys) and keys:
        return keys
    if all(isinstance(key, (int, np.integer)) and not isinstance(key, bool) for key in keys):
        return np.array(keys, dtype=np.int64)
    raise TypeError(f"{name} must have keys that are all integers or all strings")


def _ids(ids: Any) -> NDArray[np.int64]:
    read = read_batch({"ids": ("int64", "elements")}, None, {"ids": ids})["ids"]
    assert isinstance(read, np.ndarray)
    return read
