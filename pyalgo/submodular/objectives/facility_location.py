"""Facility location and saturated coverage: how well customers are served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.arrays import Column
from pyalgo.submodular.objectives.base import Objective, Payload, key_column, magnitude, pair
from pyalgo.submodular.objectives.similarity import (
    METRICS,
    add_elements,
    as_matrix,
    is_sparse,
    neighbour_graph,
    similarity_rows,
    sparse_rows,
)

__all__ = ["FacilityLocation", "SaturatedCoverage"]

_SPARSE = {
    "neighbours": ("list[int64|str]", "the customers that the element serves"),
    "similarities": ("list[float64]", "how well it serves each of them, 0 or 1e-100 to 1e100"),
}
_DENSE = {"similarities": ("list[float64]", "how well it serves each customer, 0 or 1e-100 to 1e100")}


class FacilityLocation(Objective):
    """f(S) = sum over customers of their highest similarity to an element of S (0 for none).

    Elements name the customers that they can serve (their neighbours) and how well; a similarity that is not named is 0.
    Customers appear as they are first named, and a marginal costs O(neighbours of the element). With `customers`, rows are
    dense: every element has a similarity to every customer, and a marginal costs O(customers), at the speed of memory.

    Parameters
    ----------
    customers : int, optional
        How many customers there are: then the only payload column is ``similarities``, one value a customer.

    Examples
    --------
    >>> f = FacilityLocation()
    >>> f.add_items(neighbours=[["ann", "bob"], ["bob"]], similarities=[[0.5, 0.2], [1.0]])
    array([0, 1])
    >>> f.value([0, 1])
    1.5
    >>> FacilityLocation.from_similarity([[0.5, 0.0], [0.2, 1.0]])
    FacilityLocation(customers=2)
    """

    name = "facility_location"
    columns = _SPARSE

    def __init__(self, *, customers: int | None = None) -> None:
        if customers is None:
            self._core = _core.facility_location()
        else:
            if isinstance(customers, bool) or not isinstance(customers, (int, np.integer)):
                raise TypeError(f"customers must be an integer, got {customers!r}")
            if not 1 <= customers < 2**31:
                raise ValueError(f"customers must be from 1 to {2**31 - 1}, got {customers}")
            self._core = _core.dense_facility_location(int(customers))
            self.columns = _DENSE
        self.customers = None if customers is None else int(customers)

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.name, **({} if self.customers is None else {"customers": self.customers})}

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        return pair(columns.get("neighbours")), pair(columns.get("similarities"))

    @classmethod
    def from_similarity(cls, similarity: Any) -> FacilityLocation:
        """Element j, id j, serves customer i as well as ``similarity[i, j]``: rows are customers, columns elements.

        A dense matrix (at most one copy is made) gives dense rows; a SciPy sparse matrix gives sparse ones, with the row
        numbers for customers.
        """
        if is_sparse(similarity):
            objective = cls()
            offsets, customers, values = sparse_rows(similarity, by_column=True)
            objective._core.add_known(((offsets, customers), (offsets, values)))
            return objective
        matrix = as_matrix("similarity", similarity, "customers x elements")
        objective = cls(customers=len(matrix))
        add_elements(objective._core, matrix.T)
        return objective

    @classmethod
    def from_features(
        cls,
        X: ArrayLike,  # noqa: N803 (the field's name)
        *,
        metric: str = "rbf",
        bandwidth: float | None = None,
        n_neighbors: int | None = None,
    ) -> FacilityLocation:
        """Every row of `X` is an element, id its number, and a customer: f is how well a set stands for all rows.

        Parameters
        ----------
        X : array, shape (elements, features)
        metric : {"rbf", "cosine", "euclidean"}
            The similarity: exp(-distance^2 / (2 bandwidth^2)), the cosine (0 if negative), or 1 / (1 + distance).
        bandwidth : float, optional
            Of ``"rbf"``; default sqrt(features / 2).
        n_neighbors : int, optional
            Customers see only so many elements, their nearest: rows are sparse, and a marginal costs O(n_neighbors)
            instead of O(elements). Needs scikit-learn.
        """
        features = as_matrix("X", X, "elements x features")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        width = np.sqrt(features.shape[1] / 2) if bandwidth is None else _positive("bandwidth", bandwidth)
        if n_neighbors is None:
            objective = cls(customers=len(features))
            for tile in similarity_rows(features, metric, width):
                add_elements(objective._core, tile)
            return objective
        if not 1 <= n_neighbors <= len(features):
            raise ValueError(f"n_neighbors must be from 1 to the {len(features)} rows of X, got {n_neighbors}")
        customers, elements, similarities = neighbour_graph(features, metric, width, n_neighbors)
        order = np.argsort(elements, axis=None, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(elements.ravel(), minlength=len(features)))]).astype(
            np.int64
        )
        served = np.repeat(customers, n_neighbors)[order]
        objective = cls()
        objective._core.add_known(((offsets, served), (offsets, similarities.ravel()[order])))
        return objective


class SaturatedCoverage(Objective):
    """f(S) = sum over customers u of min(cap_u, sum of their similarities to S): more is better until it is enough.

    The caps are fixed at construction: a cap that followed the data would change the function under the guarantee.

    Parameters
    ----------
    caps : float, mapping of customer to float, or sequence of float
        One cap for all; one a customer by name, and no other customers; or, for dense rows, one a customer by position:
        then the only payload column is ``similarities``, one value a customer. 0 or 1e-100 to 1e100.

    Examples
    --------
    >>> f = SaturatedCoverage(caps={"ann": 1.0, "bob": 0.5})
    >>> f.add_items(neighbours=[["ann", "bob"], ["ann", "bob"]], similarities=[[0.4, 0.4], [0.5, 0.5]])
    array([0, 1])
    >>> f.value([0, 1])
    1.4
    """

    name = "saturated_coverage"
    columns = _SPARSE

    def __init__(self, *, caps: float | Mapping[Any, float] | Sequence[Any] | NDArray[Any]) -> None:
        listed = list(caps) if isinstance(caps, (list, tuple, np.ndarray)) else None
        if isinstance(caps, Mapping) or (listed and isinstance(listed[0], (list, tuple))):
            named = dict(caps if isinstance(caps, Mapping) else listed or [])
            if not named:
                raise ValueError("caps must name at least one customer")
            self.caps: float | dict[Any, float] | list[float] = {
                customer: magnitude("caps", customer, cap) for customer, cap in named.items()
            }
            values = np.array(list(self.caps.values()), dtype=np.float64)
            self._core = _core.saturated_coverage(key_column("caps", list(named)), values, None)
        elif listed is not None:
            if not listed:
                raise ValueError("caps must have at least one entry")
            self.caps = [magnitude("caps", i, cap) for i, cap in enumerate(listed)]
            self._core = _core.dense_saturated_coverage(np.array(self.caps, dtype=np.float64))
            self.columns = _DENSE
        else:
            self.caps = magnitude("caps", None, caps)
            empty = np.empty(0, dtype=np.int64)
            self._core = _core.saturated_coverage(empty, np.empty(0), self.caps)

    @property
    def params(self) -> dict[str, Any]:
        # Pairs, because JSON would turn integer keys of a mapping into strings.
        caps = [[k, v] for k, v in self.caps.items()] if isinstance(self.caps, dict) else self.caps
        return {"name": self.name, "caps": caps}

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        return pair(columns.get("neighbours")), pair(columns.get("similarities"))

    @classmethod
    def from_similarity(cls, similarity: Any, *, alpha: float = 0.25) -> SaturatedCoverage:
        """Element j, id j, serves customer i as well as ``similarity[i, j]``, who has enough of `alpha` times all of it.

        Dense or SciPy sparse, as in `FacilityLocation.from_similarity`.
        """
        share = _positive("alpha", alpha)
        if is_sparse(similarity):
            offsets, customers, values = sparse_rows(similarity, by_column=True)
            named = np.unique(customers)
            sums = np.bincount(customers, weights=values, minlength=similarity.shape[0])[named]
            objective = cls(caps=dict(zip(named.tolist(), (share * sums).tolist(), strict=True)))
            objective._core.add_known(((offsets, customers), (offsets, values)))
            return objective
        matrix = as_matrix("similarity", similarity, "customers x elements")
        objective = cls(caps=share * matrix.sum(axis=1, dtype=np.float64))
        add_elements(objective._core, matrix.T)
        return objective


def _positive(name: str, value: Any) -> float:
    number = magnitude(name, None, value)
    if number == 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return number
