"""Local differential privacy for pyalgo: frequencies of values that no single user reveals.

Names are imported when they are first used, so that a device which only makes reports needs nothing but the standard
library.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Aggregator": "aggregator",
    "AllomfreeClient": "allomfree",
    "AllomfreeEstimate": "allomfree_server",
    "AllomfreePlan": "allomfree",
    "AllomfreeReports": "simulator",
    "AllomfreeServer": "allomfree_server",
    "AllomfreeSimulator": "simulator",
    "FrequencyEstimate": "estimate",
    "GRR": "grr",
    "HR": "hadamard",
    "IdentifiabilityError": "errors",
    "InfeasibleBudget": "errors",
    "InvalidReport": "errors",
    "LongitudinalClient": "longitudinal",
    "LongitudinalOracle": "longitudinal",
    "LongitudinalServer": "longitudinal_server",
    "MSS": "mss",
    "Message": "oracle",
    "ModuliPlan": "moduli",
    "OLH": "hashing",
    "OUE": "unary",
    "PGR": "projective",
    "ProtocolMismatch": "errors",
    "Reports": "reports",
    "RoundEstimate": "longitudinal_server",
    "SPL": "allomfree",
    "SS": "subset",
    "SUE": "unary",
    "SpentBudget": "errors",
    "TamperedState": "errors",
    "choose_moduli": "moduli",
    "decode_reports": "reports",
    "encode_reports": "reports",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"pyalgo_privacy.{_HOME[name]}"), name)
    raise AttributeError(f"module 'pyalgo_privacy' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
