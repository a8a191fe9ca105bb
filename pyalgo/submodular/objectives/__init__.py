"""Monotone submodular objectives, with the payload of their elements."""

from __future__ import annotations

from pyalgo.submodular.objectives.base import OBJECTIVES, Objective, make_objective
from pyalgo.submodular.objectives.callable import CallableObjective
from pyalgo.submodular.objectives.coverage import WeightedCoverage
from pyalgo.submodular.objectives.facility_location import FacilityLocation, SaturatedCoverage
from pyalgo.submodular.objectives.feature_based import FeatureBased
from pyalgo.submodular.objectives.log_det import LogDet
from pyalgo.submodular.objectives.mixture import Mixture

OBJECTIVES.update(
    (cls.name, cls)
    for cls in (
        WeightedCoverage,
        FacilityLocation,
        FeatureBased,
        SaturatedCoverage,
        LogDet,
        Mixture,
        CallableObjective,
    )
)

__all__ = [
    "OBJECTIVES",
    "CallableObjective",
    "FacilityLocation",
    "FeatureBased",
    "LogDet",
    "Mixture",
    "Objective",
    "SaturatedCoverage",
    "WeightedCoverage",
    "make_objective",
]
