"""What may be chosen together: matroids over the elements of a dynamic maximiser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core
from pyalgo.arrays import Column
from pyalgo.errors import at_row

__all__ = [
    "CONSTRAINTS",
    "CallableMatroid",
    "Constraint",
    "LaminarMatroid",
    "PartitionMatroid",
    "UniformMatroid",
    "make_constraint",
]

Name: TypeAlias = "int | str"
Pairs: TypeAlias = "Mapping[Any, Any] | Iterable[tuple[Any, Any]]"
CONSTRAINTS: dict[str, type[Constraint]] = {}


class Constraint(ABC):
    """A matroid: a family of independent sets, of which the answer of a maximiser is one.

    Attributes
    ----------
    name : str
        Name in ``constraint={"name": ...}``.
    needs_part : bool
        Whether a batch must have the column `part`.
    needs_object : bool
        Whether a snapshot cannot hold it, so that reading one takes it again.
    """

    name: ClassVar[str]
    needs_part: bool = False
    needs_object: ClassVar[bool] = False
    _core: _core.Matroid

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "name"):
            CONSTRAINTS[cls.name] = cls

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """``{"name": ..., **settings}``, as JSON has them: what makes an equal constraint."""

    @abstractmethod
    def _groups(self, ids: Column, inserted: NDArray[np.bool_], part: Column | None) -> NDArray[np.uint32]:
        """The core's number of every row's group; empty where it has none to know. Refuses rows that cannot be inserted."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraint) and self.params == other.params

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.params.items() if key != "name")
        return f"{type(self).__name__}({settings})"


class UniformMatroid(Constraint):
    """Any set of at most `rank` elements: what `k` says, as a matroid.

    Parameters
    ----------
    rank : int
        At least 1.

    Examples
    --------
    >>> UniformMatroid(3)
    UniformMatroid(rank=3)
    """

    name = "uniform"

    def __init__(self, rank: int) -> None:
        self.rank = _capacity("rank", rank)
        self._core = _core.laminar_matroid([-1], [self.rank])

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.name, "rank": self.rank}

    def _groups(self, ids: Column, inserted: NDArray[np.bool_], part: Column | None) -> NDArray[np.uint32]:
        return np.empty(0, dtype=np.uint32)


class LaminarMatroid(Constraint):
    """Groups within groups, and at most so many elements of each.

    Parameters
    ----------
    part_of : mapping of id to group, or None
        The innermost group of every element that may ever be inserted; None if batches say it in their column `part`.
    capacities : mapping of group to int
        How many elements of the group and of those within it may be chosen, at least 1. Groups are named by strings or
        integers.
    parents : mapping of group to group
        The group that a group lies in. Groups without stand side by side.

    Examples
    --------
    >>> from pyalgo.submodular import DynamicSubmodularMaximizer
    >>> shelf = LaminarMatroid(None, {"fruit": 2, "apples": 1, "roots": 1}, {"apples": "fruit"})
    >>> f = DynamicSubmodularMaximizer({"name": "coverage"}, k=5, constraint=shelf)
    >>> f.insert(
    ...     ["gala", "fuji", "pear", "plum", "beet"],
    ...     items=[[1, 2, 3], [4, 5], [6], [7, 8], [9]],
    ...     part=["apples", "apples", "fruit", "fruit", "roots"],
    ... )
    >>> sorted(f.query().ids)
    ['beet', 'gala', 'plum']
    """

    name = "laminar"

    def __init__(self, part_of: Pairs | None, capacities: Pairs, parents: Pairs) -> None:
        self.capacities = {
            _name("capacities", group): _capacity(f"capacities[{group!r}]", capacity)
            for group, capacity in dict(capacities).items()
        }
        if not self.capacities:
            raise ValueError("capacities must name at least one group, got none")
        self.parents = dict(parents)
        self.part_of = None if part_of is None else dict(part_of)
        self.needs_part = self.part_of is None
        for group, parent in self.parents.items():
            self._known(f"parents[{group!r}]: group", group)
            self._known(f"parents[{group!r}]: group", parent)
        for element, group in (self.part_of or {}).items():
            self._known(f"part_of[{element!r}]: part", group)
        order = self._outermost_first()
        self._number = {group: i for i, group in enumerate(order)}
        self._core = _core.laminar_matroid(
            [self._number[self.parents[group]] if group in self.parents else -1 for group in order],
            [self.capacities[group] for group in order],
        )

    @property
    def params(self) -> dict[str, Any]:
        # Pairs, as JSON has no mappings from integers.
        return {
            "name": self.name,
            "part_of": None if self.part_of is None else _pairs(self.part_of),
            "capacities": _pairs(self.capacities),
            "parents": _pairs(self.parents),
        }

    def _known(self, what: str, group: Any) -> None:
        if not isinstance(group, (int, str, np.integer)) or group not in self.capacities:
            raise ValueError(f"{what} {group!r} has no capacity: {self._choices()}")

    def _choices(self) -> str:
        some = [repr(group) for group in self.capacities][:10]
        return f"the groups are {', '.join(some)}" + (", ..." if len(some) < len(self.capacities) else "")

    def _outermost_first(self) -> list[Name]:
        order: dict[Name, None] = {}
        for group in self.capacities:
            path = [group]
            while path[-1] in self.parents and path[-1] not in order:
                path.append(self.parents[path[-1]])
                if path[-1] in path[:-1]:
                    raise ValueError(f"parents lead from group {path[-1]!r} back to itself: {path}")
            order.update(dict.fromkeys(reversed(path)))
        return list(order)

    def _groups(self, ids: Column, inserted: NDArray[np.bool_], part: Column | None) -> NDArray[np.uint32]:
        groups = np.zeros(len(ids), dtype=np.uint32)
        if self.part_of is None and part is None:
            if inserted.any():
                raise ValueError(
                    f"column 'part' is missing: the constraint needs the part of every element; {self._choices()}"
                )
            return groups
        parts = part if self.part_of is None else [self.part_of.get(i) for i in _scalars(ids)]
        for row, group in enumerate(_scalars(parts)):
            if not inserted[row]:
                continue
            if group is None:
                raise at_row(
                    ValueError(f"row {row}: id {_scalars(ids)[row]!r} has no part: name one for it in part_of"), row
                )
            if group not in self._number:
                raise at_row(ValueError(f"row {row}: part {group!r} has no capacity: {self._choices()}"), row)
            groups[row] = self._number[group]
        return groups


class PartitionMatroid(LaminarMatroid):
    """At most so many elements of each part.

    Parameters
    ----------
    part_of : mapping of id to part, or None
        The part of every element that may ever be inserted; None if batches say it in their column `part`.
    capacities : mapping of part to int
        How many elements of the part may be chosen, at least 1. Parts are named by strings or integers.

    Examples
    --------
    >>> from pyalgo.submodular import DynamicSubmodularMaximizer
    >>> sides = PartitionMatroid({1: "left", 2: "left", 3: "right"}, {"left": 1, "right": 1})
    >>> f = DynamicSubmodularMaximizer({"name": "coverage"}, k=2, constraint=sides)
    >>> f.insert([1, 2, 3], items=[["a", "b", "c"], ["d", "e"], ["f"]])
    >>> sorted(f.query().ids.tolist())
    [1, 3]
    """

    name = "partition"

    def __init__(self, part_of: Pairs | None, capacities: Pairs) -> None:
        super().__init__(part_of, capacities, {})

    @property
    def params(self) -> dict[str, Any]:
        return {key: value for key, value in super().params.items() if key != "parents"}


class CallableMatroid(Constraint):
    """The independent sets that a function tells.

    Parameters
    ----------
    independent : callable
        Takes an array of distinct ids (int64, or object of str) and returns whether they may be chosen together. It must be
        a matroid: part of an independent set is independent, and of two independent sets the smaller can be extended by an
        element of the larger. Otherwise nothing is guaranteed but that the answer is independent. It must not call the
        maximiser. Each update asks it O(log k) times for each oracle query.

    Examples
    --------
    >>> CallableMatroid(lambda ids: len(ids) <= 2).params
    {'name': 'callable'}
    """

    name = "callable"
    needs_object = True

    def __init__(self, independent: Callable[[NDArray[Any]], bool]) -> None:
        if not callable(independent):
            raise TypeError(f"independent must be a function of an array of ids, got {independent!r}")
        self.independent = independent
        self._core = _core.callable_matroid(independent)

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CallableMatroid) and self.independent == other.independent

    __hash__ = None

    def _groups(self, ids: Column, inserted: NDArray[np.bool_], part: Column | None) -> NDArray[np.uint32]:
        for row in np.flatnonzero(inserted).tolist():
            one = np.array(ids[row : row + 1], dtype=np.int64 if isinstance(ids, np.ndarray) else object)
            if not self.independent(one):
                raise at_row(
                    ValueError(
                        f"row {row}: id {_scalars(one)[0]!r} is dependent alone, no answer could have it: leave it out"
                    ),
                    row,
                )
        return np.empty(0, dtype=np.uint32)


def make_constraint(given: Constraint | Mapping[str, Any] | Callable[[NDArray[Any]], bool]) -> Constraint:
    """The constraint that is given, as an object, by name with its settings, or as a function."""
    if isinstance(given, Constraint):
        return given
    if isinstance(given, Mapping):
        settings = dict(given)
        name = settings.pop("name", None)
        known = {key: cls for key, cls in CONSTRAINTS.items() if not cls.needs_object}
        if name not in known:
            raise ValueError(f"constraint's name must be one of {', '.join(known)}, got {name!r}")
        return known[name](**settings)
    if callable(given):
        return CallableMatroid(given)
    raise TypeError(f"constraint must be a Constraint, a mapping with its name, or a function of ids, got {given!r}")


def _name(what: str, name: Any) -> Name:
    if isinstance(name, bool) or not isinstance(name, (int, str, np.integer)):
        raise TypeError(f"{what} must name its groups by strings or integers, got {name!r}")
    return name if isinstance(name, str) else int(name)


def _capacity(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{what} must be an integer, got {value!r}")
    if not 1 <= value < 2**32:
        raise ValueError(
            f"{what} must be from 1 to {2**32 - 1}, got {value!r}: leave elements out that may not be chosen"
        )
    return int(value)


def _pairs(mapping: Mapping[Any, Any]) -> list[list[Any]]:
    return [[_plain(key), _plain(value)] for key, value in mapping.items()]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _scalars(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
