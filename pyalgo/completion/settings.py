"""The parameters of a model: checked at once, and turned into what the core is made with."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyalgo.parameters import read_choice, read_flag, read_integer

__all__ = [
    "DEFAULT_REG",
    "check_rank",
    "core_settings",
    "iterations",
    "left_open",
    "read_fraction",
    "read_parameters",
    "read_shape",
    "worker_count",
]

#: What ``reg=None`` stands for, by method, where the cells have a standard deviation of 1.
DEFAULT_REG = {"als": 1.2, "altmin": 0.0}

LARGEST_SIDE = 2**31 - 1  # the core keeps indices in 32 bits
_REG_POWER = {"none": 0.0, "sqrt": 0.5, "count": 1.0}


def read_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments as JSON values, or the error that says which of them is out of range."""
    read = {
        "rank": _number_or_auto("rank", given["rank"], lambda value: read_integer("rank", value, 1, 4096)),
        "method": read_choice("method", given["method"], ("als", "altmin")),
        "solver": read_choice("solver", given["solver"], ("auto", "cholesky", "cg", "sketch")),
        "reg": _optional(given["reg"], lambda reg: _number_or_auto("reg", reg, _read_reg)),
        "reg_scaling": read_choice("reg_scaling", given["reg_scaling"], tuple(_REG_POWER)),
        "bias": _optional(given["bias"], lambda value: read_flag("bias", value)),
        "center": _optional(given["center"], lambda value: read_flag("center", value)),
        "nonneg": read_flag("nonneg", given["nonneg"]),
        "max_sweeps": read_integer("max_sweeps", given["max_sweeps"], 0, 10**6),
        "tol": _real("tol", given["tol"], 0.0, 1.0, "0 (never stop for it) to below 1"),
        "patience": read_integer("patience", given["patience"], 1, 10**6),
        "inner_tol": "adaptive"
        if isinstance(given["inner_tol"], str) and given["inner_tol"] == "adaptive"
        else _real("inner_tol", given["inner_tol"], 0.0, 1.0, "'adaptive', or from 0 to below 1"),
        "inner_steps": _optional(given["inner_steps"], lambda value: read_integer("inner_steps", value, 1, 10**6)),
        "init": read_choice("init", given["init"], ("spectral", "random")),
        "incoherence": _optional(given["incoherence"], _read_incoherence),
        "split": read_choice("split", given["split"], ("reuse", "independent")),
        "validation": read_fraction("validation", given["validation"]),
        "local_rounds": read_integer("local_rounds", given["local_rounds"], 0, 5),
        "sweep_at": _optional(
            given["sweep_at"], lambda value: _real("sweep_at", value, 0.0, math.inf, "above 0", open_low=True)
        ),
        "shape": _optional(given["shape"], read_shape),
        "dtype": _read_dtype(given["dtype"]),
        "threads": read_integer("threads", given["threads"], 0, 1024),
        "seed": read_integer("seed", given["seed"], 0, 2**64 - 1),
        "duplicates": read_choice("duplicates", given["duplicates"], ("error", "last", "mean", "sum")),
    }
    _check_together(read)
    return read


def _check_together(read: Mapping[str, Any]) -> None:
    """What each parameter allows of the others."""
    if read["method"] == "altmin":
        _check_left_out(read, {"bias": False, "center": False, "nonneg": False, "reg_scaling": "sqrt"})
        if read["reg"] == "auto":
            raise ValueError("reg must be a number with method='altmin', got 'auto': leave it out for 0")
    else:
        _check_left_out(read, {"split": "reuse", "incoherence": None})
    if read["shape"] is not None and read["rank"] != "auto":
        check_rank(read["rank"], read["shape"])


def core_settings(read: Mapping[str, Any], rank: int, reg: float, hold_out: float) -> dict[str, Any]:
    """What `_core.Completion` is made with."""
    als = read["method"] == "als"
    return {
        "rank": rank,
        "altmin": not als,
        "independent": read["split"] == "independent",
        "parts": 2 * _theorem(read) + 1 if read["split"] == "independent" else 1,
        "solver": read["solver"],
        "reg": -reg if read["reg"] in (None, "auto") else reg,  # negative: in units of the cells' standard deviation
        "reg_power": _REG_POWER[read["reg_scaling"]],
        "bias": als if read["bias"] is None else read["bias"],
        "center": als if read["center"] is None else read["center"],
        "nonneg": read["nonneg"],
        "inner_tol": -1.0 if read["inner_tol"] == "adaptive" else read["inner_tol"],
        "inner_steps": read["inner_steps"] or 0,
        "spectral": read["init"] == "spectral",
        "incoherence": read["incoherence"] or 0.0,
        "hold_out": hold_out,
        "seed": read["seed"],
        "single": read["dtype"] == "float32",
    }


def _check_left_out(read: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    for name, default in defaults.items():
        if read[name] not in (None, default):
            raise ValueError(
                f"{name} must be {default!r} with method={read['method']!r}, got {read[name]!r}: leave it out"
            )


def left_open(read: Mapping[str, Any]) -> list[str]:
    """The parameters that a fit has to choose."""
    return [name for name in ("rank", "reg") if read[name] == "auto"]


def iterations(read: Mapping[str, Any]) -> int:
    """Sweeps at most."""
    return min(read["max_sweeps"], _theorem(read)) if read["method"] == "altmin" else int(read["max_sweeps"])


def _theorem(read: Mapping[str, Any]) -> int:
    """T of the theorem: each iteration takes the error down by a constant factor."""
    return math.ceil(math.log2(1 / read["tol"])) + 2 if read["tol"] else int(read["max_sweeps"])


def worker_count(threads: int) -> int:
    """0 stands for every core that this process may use."""
    if threads:
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_rank(rank: int, shape: tuple[int, int]) -> None:
    if rank > min(shape):
        raise ValueError(
            f"rank {rank} exceeds the smaller side of the {shape[0]} x {shape[1]} matrix: give a smaller one"
        )


def read_shape(given: Any) -> tuple[int, int]:
    """(rows, columns)."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TypeError(f"shape must be (rows, columns), got {given!r}")
    for side in given:
        if isinstance(side, int | np.integer) and side > LARGEST_SIDE:
            raise OverflowError(f"shape must be at most {LARGEST_SIDE} on each side, got {tuple(given)!r}")
    return (read_integer("shape[0]", given[0], 0, LARGEST_SIDE), read_integer("shape[1]", given[1], 0, LARGEST_SIDE))


def read_fraction(name: str, value: Any) -> float:
    return _real(name, value, 0.0, 1.0, "a share of the cells, from 0 to below 1")


def _read_reg(value: Any) -> float:
    return _real("reg", value, 0.0, math.inf, "0 or more, and finite")


def _read_incoherence(value: Any) -> float:
    return _real("incoherence", value, 1.0, math.inf, "1 or more, and finite")


def _read_dtype(value: Any) -> str:
    try:
        name = str(np.dtype(value).name)
    except TypeError:
        name = ""
    if value is None or name not in ("float64", "float32"):
        raise ValueError(f"dtype must be float64 or float32, got {value!r}")
    return name


def _real(name: str, value: Any, low: float, below: float, wanted: str, *, open_low: bool = False) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, {wanted}, got {value!r}")
    if not low <= value < below or (open_low and value == low):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return float(value)


def _number_or_auto(name: str, value: Any, read: Any) -> Any:
    if isinstance(value, str):
        return read_choice(name, value, ("auto",))
    return read(value)


def _optional(value: Any, read: Any) -> Any:
    return None if value is None else read(value)
