"""The optimum in hindsight as a policy: what one would play who knows everything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyalgo import _core
from pyalgo.bandits.environments import Curves, TallyingEnv
from pyalgo.bandits.policy import Policy
from pyalgo.parameters import read_integer

__all__ = ["TallyingPlanner"]

_MOST_VALUES = 2**27  # of the dynamic program that are kept at a time


class TallyingPlanner(Policy):
    """Plays the sequence of least total mean, by dynamic programming over the last m - 1 plays, and its last arm from then on.

    The environment's means are a function of the plays alone, so no losses are needed: the best sequence is known beforehand.
    Where the states are more than 2,000,000 it plays, under repeated exposure optimality, the best arm for ever, which costs at
    most `optimal_bounds` more.

    Parameters
    ----------
    env : TallyingEnv or mapping
        The environment, or its `h` and `weights` as in `params`.
    horizon : int
        How many plays.

    Notes
    -----
    O(T K^m) once, with O(K^(m-1) sqrt(T)) memory; O(1) a play.

    Examples
    --------
    >>> env = TallyingEnv([[1, 1, 0, 1], [1, 1, 0, 1]], weights=[1, 1, 1])      # good twice in three plays, not three times
    >>> planner = TallyingPlanner(env, horizon=9)
    >>> plays = [planner.select().arm for _ in range(9)]
    >>> env.cpr(plays), env.optimal_value(9)
    (0.0, 2.0)
    """

    name = "bandits.tallying-planner"

    def __init__(self, env: Any, horizon: int) -> None:
        if not isinstance(env, TallyingEnv):
            env = TallyingEnv(_curves(env["h"]), env["weights"], noise=None)
        self.env = env
        self.horizon = read_integer("horizon", horizon, 1, 2**31)
        scale = self._begin(env.n_arms, (0.0, 1.0), False, True)
        self._core = _core.BanditDesk.sequence(self.n_arms, self._plan(), scale, True)

    def _plan(self) -> Any:
        env = self.env
        states = env.n_arms ** (env.memory - 1) if env._core.plannable() else 0
        if states and 2 * states * math.isqrt(self.horizon) <= _MOST_VALUES:
            return env._core.plays(self.horizon)
        if env.is_reo():
            return [int(np.argmin(env.saturated))]
        raise ValueError(
            f"the best {self.horizon} plays take {env.n_arms}^{env.memory - 1} states, which is too many, and without "
            "repeated exposure optimality nothing is known of them"
        )

    @property
    def params(self) -> dict[str, Any]:
        """The environment as curves and weights, and the horizon."""
        h = self.env.h
        curves = {
            "kind": h.kind,
            "h0": h.h0.tolist(),
            "h1": h.h1.tolist(),
            "shape": h.shape.tolist(),
            "values": h.values.tolist(),
        }
        return {"env": {"h": curves, "weights": self.env.weights.tolist()}, "horizon": self.horizon}


def _curves(given: Any) -> Any:
    if isinstance(given, Curves) or not isinstance(given, dict):
        return given
    kind, h0, h1, shape = (given[name] for name in ("kind", "h0", "h1", "shape"))
    makers: dict[str, Any] = {"saturating": Curves.saturating, "hump": Curves.hump, "step": Curves.step}
    if kind == "linear":
        return Curves.linear(h0, h1)
    return Curves.grid(given["values"]) if kind == "grid" else makers[kind](h0, h1, shape)
