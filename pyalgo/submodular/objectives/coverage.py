"""Weighted coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyalgo import _core
from pyalgo.arrays import Column
from pyalgo.submodular.objectives.base import Objective, Payload, key_column, magnitude, pair

__all__ = ["WeightedCoverage"]


_COLUMNS = {
    "items": ("list[int64|str]", "the items that the element covers"),
    "weights": ("list[float64]?", "the weight of each of those items, fixed at an item's first arrival"),
}


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
    columns = _COLUMNS

    def __init__(self, *, weights: Mapping[Any, float] | Sequence[tuple[Any, float]] | None = None) -> None:
        given = dict(weights or {})
        self._weights = {item: magnitude("weights", item, weight) for item, weight in given.items()}
        values = np.array(list(self._weights.values()), dtype=np.float64)
        self._core = _core.coverage(key_column("weights", list(given)), values)

    @property
    def params(self) -> dict[str, Any]:
        # Pairs, because JSON would turn integer keys of a mapping into strings.
        return {"name": self.name, **({"weights": list(map(list, self._weights.items()))} if self._weights else {})}

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        return pair(columns.get("items")), pair(columns.get("weights"))

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
        objective._core.add_known(((np.asarray(indptr, dtype=np.int64), np.asarray(indices, dtype=np.int64)), None))
        return objective
