"""Fully dynamic submodular maximisation: the best few of a changing collection, kept up to date."""

from __future__ import annotations

from pyalgo.submodular.maximizer import DynamicSubmodularMaximizer, SubmodularResult
from pyalgo.submodular.objectives import (
    CallableObjective,
    FacilityLocation,
    FeatureBased,
    LogDet,
    Mixture,
    Objective,
    SaturatedCoverage,
    WeightedCoverage,
)

__all__ = [
    "CallableObjective",
    "DynamicSubmodularMaximizer",
    "FacilityLocation",
    "FeatureBased",
    "LogDet",
    "Mixture",
    "Objective",
    "SaturatedCoverage",
    "SubmodularResult",
    "WeightedCoverage",
]
