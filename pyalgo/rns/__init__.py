"""Residue number systems: exact arithmetic on integers of any size, in bulk and without carries."""

from __future__ import annotations

from pyalgo.rns.accumulator import RnsAccumulator, RnsTotal
from pyalgo.rns.array import RnsArray
from pyalgo.rns.basis import Correction, FastExtension, RnsBasis
from pyalgo.rns.coprime import InconsistentResidues, crt, is_pairwise_coprime, mod_inverse

__all__ = [
    "Correction",
    "FastExtension",
    "InconsistentResidues",
    "RnsAccumulator",
    "RnsArray",
    "RnsBasis",
    "RnsTotal",
    "crt",
    "is_pairwise_coprime",
    "mod_inverse",
]
