"""Exact water-filling, and power control games with certificates of convergence.

Names are imported when they are first used: compiled loops are loaded by who calls them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Asynchrony": "game",
    "BitLoading": "variants",
    "Certificate": "certificate",
    "GameResult": "game",
    "InterferenceGame": "game",
    "StreamingResult": "streaming",
    "StreamingWaterfilling": "streaming",
    "WaterfillResult": "operator",
    "bit_loading": "variants",
    "max_users": "certificate",
    "mimo_waterfill": "variants",
    "min_power": "variants",
    "project_simplex": "variants",
    "reverse_waterfill": "variants",
    "scale_to_certify": "certificate",
    "waterfill": "operator",
    "waterfill_gains": "variants",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"pyalgo_waterfilling.{_HOME[name]}"), name)
    raise AttributeError(f"module 'pyalgo_waterfilling' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
