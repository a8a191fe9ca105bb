"""Fully dynamic submodular maximisation: the best few of a changing collection, kept up to date."""

from __future__ import annotations

from pyalgo.submodular.constraints import (
    CallableMatroid,
    Constraint,
    LaminarMatroid,
    PartitionMatroid,
    UniformMatroid,
)
from pyalgo.submodular.maximizer import DynamicSubmodularMaximizer, SolutionDelta, SubmodularResult
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
from pyalgo.submodular.static import SieveStreaming, greedy

__all__ = [
    "CallableMatroid",
    "CallableObjective",
    "Constraint",
    "DynamicSubmodularMaximizer",
    "FacilityLocation",
    "FeatureBased",
    "LaminarMatroid",
    "LogDet",
    "Mixture",
    "Objective",
    "PartitionMatroid",
    "SaturatedCoverage",
    "SieveStreaming",
    "SolutionDelta",
    "SubmodularResult",
    "UniformMatroid",
    "WeightedCoverage",
    "greedy",
]
