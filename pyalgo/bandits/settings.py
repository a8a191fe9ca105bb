"""What policies and fleets are made with: checked at once, by name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyalgo import _core
from pyalgo.parameters import read_choice, read_flag, read_integer

__all__ = [
    "HorizonWarning",
    "MemoryWarning",
    "elimination_settings",
    "read_real",
    "read_scale",
]

MOST_ARMS = 2**20
LONGEST = 2**40


class HorizonWarning(UserWarning):
    """The horizon is too short for the memory bound, which was cut down."""


class MemoryWarning(UserWarning):
    """Losses within a block drift: the memory bound is too small for how long the arms remember."""


def read_real(name: str, value: Any, low: float, high: float, wanted: str) -> float:
    """A number above `low` and below `high`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, {wanted}, got {value!r}")
    if not low < value < high:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return float(value)


def read_scale(loss_range: Any, reward: Any) -> tuple[tuple[float, float], bool, _core.LossScale]:
    """The range of losses (or rewards), whether they are rewards, and both as the core has them."""
    if not isinstance(loss_range, tuple | list) or len(loss_range) != 2:
        raise TypeError(f"loss_range must be (least, most), got {loss_range!r}")
    low, high = (read_real("loss_range", end, -math.inf, math.inf, "two finite numbers") for end in loss_range)
    if not low < high:
        raise ValueError(f"loss_range must rise, got {loss_range!r}")
    is_reward = read_flag("reward", reward)
    return (low, high), is_reward, _core.LossScale(low, high, is_reward)


def elimination_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], _core.EliminationSettings]:
    """The parameters of successive elimination as JSON values, and as the core has them.

    Too short a horizon is an error if ``strict``; else M is cut down to floor(T / 2K), with a `HorizonWarning`.
    """
    arms = read_integer("n_arms", given["n_arms"], 1, MOST_ARMS)
    memory = read_integer("memory_bound", given["memory_bound"], 0, 2**31)
    horizon = None if given["horizon"] is None else read_integer("horizon", given["horizon"], 1, LONGEST)
    strict = read_flag("strict", given["strict"])
    burn_in = given["burn_in"]
    read: dict[str, Any] = {
        "n_arms": arms,
        "memory_bound": memory,
        "horizon": horizon,
        "delta": None if given["delta"] is None else read_real("delta", given["delta"], 0, 1, "above 0 and below 1"),
        "radius": read_choice("radius", given["radius"], ("hoeffding", "bernstein")),
        "radius_scale": read_real("radius_scale", given["radius_scale"], 0, 1e6, "above 0 and below 1e6"),
        "n0": given["n0"] if given["n0"] == "auto" else read_integer("n0", given["n0"], 1, 2**31),
        "burn_in": None if burn_in is None else read_integer("burn_in", burn_in, 0, 2**31),
        "max_missing": _share("max_missing", given["max_missing"]),
        "strict": strict,
    }
    plays = memory if read["burn_in"] is None else read["burn_in"]
    if horizon is not None and horizon < arms * (plays + 1):
        least = arms * (plays + 1)
        if strict:
            raise ValueError(
                f"horizon must be at least n_arms * (memory_bound + 1) = {least}, got {horizon}: the first round would "
                "not end. Take a smaller memory_bound, fewer arms, or strict=False, which cuts memory_bound down"
            )
        plays = min(plays, horizon // (2 * arms))
        warnings.warn(
            f"horizon {horizon} is below n_arms * (memory_bound + 1) = {least}: {plays} losses are left out after a "
            "change of arm, and guarantees hold only if the arms remember no more plays",
            HorizonWarning,
            stacklevel=4,
        )
    core = _core.EliminationSettings(
        arms=arms,
        burn_in=plays,
        horizon=horizon or 0,
        delta=read["delta"] or 0.0,
        radius_scale=read["radius_scale"],
        first_block=0 if read["n0"] == "auto" else read["n0"],
        max_missing=read["max_missing"],
        bernstein=read["radius"] == "bernstein",
    )
    return read, core


def _share(name: str, value: Any) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else read_real(name, value, 0, 1, "from 0 to below 1")
