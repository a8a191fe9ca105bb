"""Monotone submodular objectives, with the payload of their elements."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.arrays import Column, Ragged, read_batch

__all__ = ["FacilityLocation", "FeatureBased", "Objective", "WeightedCoverage", "make_objective"]

PayloadColumn = tuple[NDArray[np.int64], Any]


class Objective(ABC):
    """A monotone submodular function f with f(nothing) = 0, and what it must know of each element.

    Payload either streams in with the inserts of a maximiser, and leaves with the deletions, or is added here ahead with
    `add_items`; what was added here stays, and its ids 0, 1, 2, ... may be inserted and deleted without payload.

    Attributes
    ----------
    name : str
        Name in ``objective={"name": ...}``.
    columns : dict
        The payload columns, as in `pyalgo.Algorithm.columns`.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, tuple[str, str]]]
    _core: _core.Objective

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """``{"name": ..., **settings}``: what makes an equal objective without payload."""

    @classmethod
    @abstractmethod
    def _payload(cls, columns: Mapping[str, Column]) -> tuple[PayloadColumn | None, PayloadColumn | None]:
        """The columns as the core takes them: keys and values, each as (offsets, flat values)."""

    @property
    def n_known(self) -> int:
        """How many elements were added ahead; their ids are ``range(n_known)``."""
        return self._core.n_known

    def add_items(self, **payload: Any) -> NDArray[np.int64]:
        """Add elements that may be inserted by id later; returns their ids.

        Parameters
        ----------
        **payload : list columns of equal length
            One entry an element, for example ``items=[["x", "y"], ["y"]]``; see `columns`.
        """
        columns = read_batch(self.columns, None, payload)
        return self._core.add_known(*self._payload(columns))

    def gains(self, ids: ArrayLike, given: Sequence[int] = ()) -> NDArray[np.float64]:
        """f(given + id) - f(given) for every one of `ids`, all of them ids of `add_items`."""
        gains = self._core.prefix_gains([list(given)], np.asarray(ids, dtype=np.int64))
        return np.ascontiguousarray(gains[:, 1])

    def prefix_gains(self, ids: ArrayLike, levels: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Marginals of `ids` over every prefix of a chain: entry (i, t) is f(levels[:t] + ids[i]) - f(levels[:t])."""
        return self._core.prefix_gains([list(level) for level in levels], np.asarray(ids, dtype=np.int64))

    def value(self, ids: Sequence[int]) -> float:
        """f of a set of ids of `add_items`."""
        chosen = list(dict.fromkeys(int(i) for i in ids))
        gained = [self.gains([chosen[i]], chosen[:i])[0] for i in range(len(chosen))]
        return float(sum(gained))

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.params.items() if key != "name")
        return f"{type(self).__name__}({settings})"


def _pair(column: Column | None) -> PayloadColumn | None:
    if column is None:
        return None
    assert isinstance(column, Ragged)
    return column.offsets, column.values


class WeightedCoverage(Objective):
    """f(S) = total weight of the items that some element of S contains.

    A marginal costs O(items of the element), and one pass yields the marginals over all prefixes.

    Parameters
    ----------
    weights : mapping of item to float, or sequence of (item, float), optional
        Weights (0 or 1e-100 to 1e100) of items known ahead. Other items weigh what a `weights` column says at their first
        arrival, which then is for good, else 1.

    Examples
    --------
    >>> f = WeightedCoverage(weights={"y": 3.0})
    >>> f.add_items(items=[["x", "y"], ["y"]])
    array([0, 1])
    >>> f.value([0, 1])
    4.0
    """

    name = "coverage"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "items": ("list[int64|str]", "the items that the element covers"),
        "weights": ("list[float64]?", "the weight of each of those items, fixed at an item's first arrival"),
    }

    def __init__(self, *, weights: Mapping[Any, float] | Sequence[tuple[Any, float]] | None = None) -> None:
        given = dict(weights or {})
        self._weights = {item: _magnitude("weights", item, weight) for item, weight in given.items()}
        values = np.array(list(self._weights.values()), dtype=np.float64)
        self._core = _core.coverage(_key_column("weights", list(given)), values)

    @property
    def params(self) -> dict[str, Any]:
        # Pairs, because JSON would turn integer keys of a mapping into strings.
        return {"name": self.name, **({"weights": list(map(list, self._weights.items()))} if self._weights else {})}

    @classmethod
    def _payload(cls, columns: Mapping[str, Column]) -> tuple[PayloadColumn | None, PayloadColumn | None]:
        return _pair(columns.get("items")), _pair(columns.get("weights"))

    @classmethod
    def from_sets(cls, sets: Sequence[Sequence[Any]]) -> WeightedCoverage:
        """Element i, id i, covers the items ``sets[i]``, all integers or all strings; every item weighs 1."""
        objective = cls()
        objective.add_items(items=[list(items) for items in sets])
        return objective

    @classmethod
    def from_csr(cls, indptr: ArrayLike, indices: ArrayLike, weights: ArrayLike | None = None) -> WeightedCoverage:
        """Element i, id i, covers ``indices[indptr[i]:indptr[i + 1]]``; ``weights[j]`` is the weight of item j."""
        given = None if weights is None else dict(enumerate(np.asarray(weights, dtype=np.float64).tolist()))
        objective = cls(weights=given)
        objective._core.add_known((np.asarray(indptr, dtype=np.int64), np.asarray(indices, dtype=np.int64)), None)
        return objective


class FacilityLocation(Objective):
    """f(S) = sum over customers of their highest similarity to an element of S (0 for none).

    Elements name the customers that they can serve (their neighbours) and how well; a similarity that is not named is 0.
    Customers appear as they are first named. A marginal costs O(neighbours of the element).

    Examples
    --------
    >>> f = FacilityLocation()
    >>> f.add_items(neighbours=[["ann", "bob"], ["bob"]], similarities=[[0.5, 0.2], [1.0]])
    array([0, 1])
    >>> f.value([0, 1])
    1.5
    """

    name = "facility_location"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "neighbours": ("list[int64|str]", "the customers that the element serves"),
        "similarities": ("list[float64]", "how well it serves each of them, 0 or 1e-100 to 1e100"),
    }

    def __init__(self) -> None:
        self._core = _core.facility_location()

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def _payload(cls, columns: Mapping[str, Column]) -> tuple[PayloadColumn | None, PayloadColumn | None]:
        return _pair(columns.get("neighbours")), _pair(columns.get("similarities"))

    @classmethod
    def from_similarity(cls, similarity: ArrayLike) -> FacilityLocation:
        """Element j, id j, serves customer i as well as ``similarity[i, j]``: rows are customers, columns elements."""
        matrix = np.asarray(similarity, dtype=np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"similarity has shape {matrix.shape}: give a matrix of customers x elements")
        customers, elements = matrix.shape
        objective = cls()
        offsets = np.arange(elements + 1, dtype=np.int64) * customers
        served = np.tile(np.arange(customers, dtype=np.int64), elements)
        objective._core.add_known((offsets, served), (offsets, np.ascontiguousarray(matrix.T).ravel()))
        return objective


_CONCAVE = ("sqrt", "log1p", "inverse", "min")


class FeatureBased(Objective):
    """f(S) = sum over dimensions d of weight_d * phi(sum of feature d over S), phi concave.

    A marginal costs O(dimensions).

    Parameters
    ----------
    concave : {"sqrt", "log1p", "inverse", "min"}
        phi: the square root, log(1 + x), x / (1 + x), or min(x, cap). ``log1p`` is taken from the C library, so its
        results may differ in the last bit between platforms.
    cap : float
        The cap of ``"min"``.
    weights : sequence of float, optional
        One a dimension; default all 1.

    Examples
    --------
    >>> f = FeatureBased()
    >>> f.add_items(features=[[4.0, 0.0], [5.0, 1.0]])
    array([0, 1])
    >>> f.value([0, 1])
    4.0
    """

    name = "feature_based"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "features": (
            "list[float64]",
            "the element's features, each 0 or 1e-100 to 1e100, equally many for all elements",
        ),
    }

    def __init__(self, *, concave: str = "sqrt", cap: float = 1.0, weights: Sequence[float] | None = None) -> None:
        if concave not in _CONCAVE:
            raise ValueError(f"concave must be one of {', '.join(_CONCAVE)}, got {concave!r}")
        self.concave = concave
        self.cap = _magnitude("cap", None, cap)
        self.weights = None if weights is None else [_magnitude("weights", i, w) for i, w in enumerate(weights)]
        self._core = _core.feature_based(
            _CONCAVE.index(concave), self.cap, np.array(self.weights or [], dtype=np.float64)
        )

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"name": self.name, "concave": self.concave}
        if self.concave == "min":
            params["cap"] = self.cap
        if self.weights is not None:
            params["weights"] = self.weights
        return params

    @classmethod
    def _payload(cls, columns: Mapping[str, Column]) -> tuple[PayloadColumn | None, PayloadColumn | None]:
        return None, _pair(columns.get("features"))

    @classmethod
    def from_features(cls, X: ArrayLike, *, concave: str = "sqrt") -> FeatureBased:  # noqa: N803 (the field's name)
        """Element i, id i, has the features ``X[i]``."""
        objective = cls(concave=concave)
        objective.add_items(features=np.asarray(X, dtype=np.float64))
        return objective


OBJECTIVES: dict[str, type[Objective]] = {cls.name: cls for cls in (WeightedCoverage, FacilityLocation, FeatureBased)}


def make_objective(params: Mapping[str, Any]) -> Objective:
    """The objective that ``{"name": ..., **settings}`` describes."""
    settings = dict(params)
    name = settings.pop("name", None)
    if name not in OBJECTIVES:
        raise ValueError(f"objective needs a name, one of {', '.join(OBJECTIVES)}; got {name!r}")
    cls = OBJECTIVES[name]
    known = list(inspect.signature(cls).parameters)
    for key in settings:
        if key not in known:
            raise ValueError(f"objective {name!r} has no setting {key!r}; it has {', '.join(known) or 'none'}")
    return cls(**settings)


def _magnitude(name: str, key: Any, value: Any) -> float:
    where = name if key is None else f"{name}[{key!r}]"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where} must be a number, got {value!r}")
    if value == 0 or 1e-100 <= value <= 1e100:
        return float(value)
    raise ValueError(f"{where} must be 0 or from 1e-100 to 1e100, got {value!r}")


def _key_column(name: str, keys: list[Any]) -> NDArray[np.int64] | list[str]:
    if all(isinstance(key, str) for key in keys) and keys:
        return keys
    if all(isinstance(key, int) and not isinstance(key, bool) for key in keys):
        return np.array(keys, dtype=np.int64)
    raise TypeError(f"{name} must have keys that are all integers or all strings")
