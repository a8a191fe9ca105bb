"""Concave functions of feature totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyalgo import _core
from pyalgo.arrays import Column
from pyalgo.submodular.objectives.base import Objective, Payload, key_column, magnitude, pair
from pyalgo.submodular.objectives.similarity import add_elements, as_matrix, is_sparse, sparse_rows

__all__ = ["FeatureBased"]

_CONCAVE = ("sqrt", "log1p", "inverse", "min")
_DENSE = {
    "features": ("list[float64]", "the element's features, each 0 or 1e-100 to 1e100, equally many for all elements")
}
_SPARSE = {
    "dimensions": ("list[int64|str]", "the dimensions in which the element has features"),
    "features": ("list[float64]", "its feature in each of those dimensions, 0 or 1e-100 to 1e100"),
}
_EITHER = {"dimensions": ("list[int64|str]?", _SPARSE["dimensions"][1]), **_DENSE}


class FeatureBased(Objective):
    """f(S) = sum over dimensions d of weight_d * phi(sum of feature d over S), phi concave.

    A marginal costs O(dimensions), of the element where rows are sparse.

    Parameters
    ----------
    concave : {"sqrt", "log1p", "inverse", "min"}
        phi: the square root, log(1 + x), x / (1 + x), or min(x, cap).
    cap : float
        The cap of ``"min"``.
    weights : sequence of float, or of (dimension, float), or mapping of dimension to float, optional
        One a dimension; by name for sparse rows, where dimensions that are not named weigh 1. Default all 1.
    sparse : bool
        Whether elements name their dimensions (a column ``dimensions`` beside ``features``) instead of having a feature
        in every one.

    Examples
    --------
    >>> f = FeatureBased()
    >>> f.add_items(features=[[4.0, 0.0], [5.0, 1.0]])
    array([0, 1])
    >>> f.value([0, 1])
    4.0
    >>> f = FeatureBased(weights={"price": 2.0}, sparse=True)
    >>> f.add_items(dimensions=[["price"], ["price", "speed"]], features=[[4.0], [5.0, 1.0]])
    array([0, 1])
    >>> f.value([0, 1])
    7.0
    """

    name = "feature_based"
    columns = _EITHER

    def __init__(
        self,
        *,
        concave: str = "sqrt",
        cap: float = 1.0,
        weights: Sequence[Any] | Mapping[Any, float] | None = None,
        sparse: bool = False,
    ) -> None:
        if concave not in _CONCAVE:
            raise ValueError(f"concave must be one of {', '.join(_CONCAVE)}, got {concave!r}")
        if not isinstance(sparse, bool):
            raise TypeError(f"sparse must be True or False, got {sparse!r}")
        self.concave = concave
        self.cap = magnitude("cap", None, cap)
        self.sparse = sparse
        self.columns = _SPARSE if sparse else _DENSE
        named = None if weights is None else _by_dimension(weights)
        keys, values = list(named or {}), np.array(list((named or {}).values()), dtype=np.float64)
        if not sparse and keys != list(range(len(keys))):
            raise ValueError("weights by name are for sparse=True: give dense rows a sequence, one a dimension")
        self.weights = named if sparse or named is None else list(named.values())
        code = _CONCAVE.index(concave)
        if sparse:
            self._core = _core.sparse_feature_based(code, self.cap, key_column("weights", keys), values)
        else:
            self._core = _core.feature_based(code, self.cap, values)

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"name": self.name, "concave": self.concave}
        if self.concave == "min":
            params["cap"] = self.cap
        if self.weights is not None:  # pairs, because JSON would turn integer keys of a mapping into strings
            weights = self.weights
            params["weights"] = [[d, w] for d, w in weights.items()] if isinstance(weights, dict) else weights
        if self.sparse:
            params["sparse"] = True
        return params

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        return pair(columns.get("dimensions")), pair(columns.get("features"))

    @classmethod
    def from_features(
        cls,
        X: Any,  # noqa: N803 (the field's name)
        *,
        concave: str = "sqrt",
        cap: float = 1.0,
        weights: Sequence[Any] | Mapping[Any, float] | None = None,
    ) -> FeatureBased:
        """Element i, id i, has the features ``X[i]``; a SciPy sparse matrix gives sparse rows, dimensions by number."""
        objective = cls(concave=concave, cap=cap, weights=weights, sparse=is_sparse(X))
        if objective.sparse:
            offsets, dimensions, values = sparse_rows(X, by_column=False)
            objective._core.add_known(((offsets, dimensions), (offsets, values)))
        else:
            add_elements(objective._core, as_matrix("X", X, "elements x features"))
        return objective


def _by_dimension(weights: Sequence[Any] | Mapping[Any, float]) -> dict[Any, float]:
    pairs = isinstance(weights, Mapping) or (len(weights) > 0 and isinstance(weights[0], (list, tuple)))
    named = dict(weights) if pairs else dict(enumerate(weights))
    return {dimension: magnitude("weights", dimension, weight) for dimension, weight in named.items()}
