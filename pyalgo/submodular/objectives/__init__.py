"""Monotone submodular objectives, with the payload of their elements."""

from __future__ import annotations

from pyalgo.submodular.objectives.base import OBJECTIVES, Objective, make_objective
from pyalgo.submodular.objectives.coverage import WeightedCoverage
from pyalgo.submodular.objectives.facility_location import FacilityLocation, SaturatedCoverage
from pyalgo.submodular.objectives.feature_based import FeatureBased

__all__ = [
    "OBJECTIVES",
    "FacilityLocation",
    "FeatureBased",
    "Objective",
    "SaturatedCoverage",
    "WeightedCoverage",
    "make_objective",
]
