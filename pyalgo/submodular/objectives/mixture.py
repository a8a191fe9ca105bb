"""Weighted sums of objectives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyalgo import _core
from pyalgo.arrays import Column
from pyalgo.submodular.objectives.base import Objective, Payload, magnitude, make_objective
from pyalgo.submodular.objectives.callable import CallableObjective

__all__ = ["Mixture"]


class Mixture(Objective):
    """f(S) = sum over objectives i of weights[i] * f_i(S).

    An element has the payload columns of all objectives. Columns of one name in several objectives get the position of
    theirs behind: ``features_0``, ``features_2``. Elements that all objectives know ahead (equally many) are known to the
    mixture; what is added to an objective later is not. A marginal costs what those of the objectives cost together.

    Parameters
    ----------
    objectives : sequence of Objective, or of mappings as in ``objective={"name": ...}``
        They are shared, not copied.
    weights : sequence of float, optional
        One an objective, 1e-100 to 1e100; default all 1.

    Examples
    --------
    >>> f = Mixture([{"name": "coverage"}, {"name": "feature_based"}], weights=[1.0, 0.5])
    >>> f.add_items(items=[["x", "y"], ["y"]], features=[[4.0], [5.0]])
    array([0, 1])
    >>> f.value([0, 1])
    3.5
    """

    name = "mixture"
    columns: Mapping[str, tuple[str, str]] = {}

    def __init__(
        self, objectives: Sequence[Objective | Mapping[str, Any]], weights: Sequence[float] | None = None
    ) -> None:
        self.objectives = [make_objective(o) if isinstance(o, Mapping) else o for o in objectives]
        for i, objective in enumerate(self.objectives):
            if not isinstance(objective, Objective):
                raise TypeError(f"objectives[{i}] must be an Objective or a mapping with its name, got {objective!r}")
        if not self.objectives:
            raise ValueError("objectives must hold at least one objective")
        given = [1.0] * len(self.objectives) if weights is None else list(weights)
        if len(given) != len(self.objectives):
            raise ValueError(
                f"weights has {len(given)} entries for {len(self.objectives)} objectives: give one for each"
            )
        self.weights = [magnitude("weights", i, weight) for i, weight in enumerate(given)]
        if 0.0 in self.weights:
            raise ValueError(f"weights[{self.weights.index(0.0)}] must be positive: leave the objective out")
        self.needs_object = any(objective.needs_object for objective in self.objectives)
        self._names = _column_names(self.objectives)
        self.columns = {
            outer: objective.columns[own]
            for objective, names in zip(self.objectives, self._names, strict=True)
            for own, outer in names.items()
        }
        n_known = max(objective.n_known for objective in self.objectives)
        self._core = _core.mixture([_knowing(o, n_known) for o in self.objectives], np.array(self.weights))

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.name, "objectives": [o.params for o in self.objectives], "weights": list(self.weights)}

    def _empty(self) -> Mixture:
        return Mixture([objective._empty() for objective in self.objectives], self.weights)

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        # Without any column where some are needed, the ids are known ones.
        new = ids if columns or not self.columns else None
        return [
            objective._payload({own: columns[outer] for own, outer in names.items() if outer in columns}, new)
            for objective, names in zip(self.objectives, self._names, strict=True)
        ]


def _column_names(objectives: Sequence[Objective]) -> list[dict[str, str]]:
    """For each objective: its columns, and what the mixture calls them."""
    uses = Counter(name for objective in objectives for name in objective.columns)
    return [
        {name: name if uses[name] == 1 else f"{name}_{i}" for name in objective.columns}
        for i, objective in enumerate(objectives)
    ]


def _knowing(objective: Objective, n: int) -> _core.Objective:
    """The compiled objective; a function of ids, which knows all of them, as one that knows the first `n`."""
    if n == 0 or not isinstance(objective, CallableObjective):
        return objective._core
    core = objective._empty()._core
    core.add_known(objective._payload({}, np.arange(n, dtype=np.int64)))
    return core
