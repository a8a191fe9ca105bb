"""Policies against environments, many runs at once, in the core."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core
from pyalgo.bandits.environments import TallyingEnv
from pyalgo.bandits.policy import Policy
from pyalgo.parameters import read_flag, read_integer

__all__ = ["SimulationResult", "simulate"]

_MOST_WORK = 2e9  # additions of the dynamic program that a simulation is ready to wait for


@dataclass(frozen=True)
class SimulationResult:
    """What policies cost along their runs.

    Attributes
    ----------
    checkpoints : array, (points,)
        The numbers of plays that the columns stand for.
    cpr : array, (runs, points)
        Complete policy regret, or where the comparator is "bound" an upper bound on it.
    reo_regret : array, (runs, points)
        Cost above h* a play, with h* the least mean of an arm that is played for ever; under repeated exposure optimality at
        least the complete policy regret, and at most that and the start of the best arm more.
    comparator : "exact" or "bound"
        Whether `cpr` is against the optimal sequence, or against T h*, which is no more than its cost under REO.
    arms : array, (runs, T), or None
        The plays, if they were recorded.
    wall : float
        Seconds that the runs took.
    """

    checkpoints: NDArray[np.int64]
    cpr: NDArray[np.float64]
    reo_regret: NDArray[np.float64]
    comparator: Literal["exact", "bound"]
    arms: NDArray[np.uint32] | None
    wall: float


def simulate(
    policy_factory: Callable[[int], Policy],
    env: TallyingEnv,
    horizon: int,
    n_runs: int = 1,
    seed: int = 0,
    threads: int = 1,
    *,
    stride: int | None = None,
    record_arms: bool = False,
) -> SimulationResult:
    """Run a policy against an environment.

    Parameters
    ----------
    policy_factory : callable
        ``policy_factory(seed)`` makes the policy of a run; it is called with seed, seed + 1, ...
    env : TallyingEnv
        Run i has the i-th noise of the environment's seed, from the empty history.
    horizon, n_runs : int
    threads : int
        Runs are shared out; results do not depend on it.
    stride : int, optional
        Plays between checkpoints; by default a hundredth of the horizon.
    record_arms : bool
        Keep the plays.

    Notes
    -----
    Regret is of means: the noise of the losses is what the policy sees, and not counted. Some 30 million plays a second for ten
    arms. The comparator is exact where dynamic programming takes up to 2e9 steps.

    Examples
    --------
    >>> from pyalgo.bandits import FixedArm, reo_trap
    >>> env = reo_trap(n_arms=3, memory=2, seed=1)
    >>> best = int(np.argmin(env.saturated))
    >>> found = simulate(lambda seed: FixedArm(3, best), env, horizon=1000, n_runs=2)
    >>> found.comparator, found.cpr.shape, bool((found.cpr[:, -1] < 1).all())
    ('exact', (2, 100), True)
    """
    horizon = read_integer("horizon", horizon, 1, 2**40)
    runs = read_integer("n_runs", n_runs, 1, 2**24)
    gap = max(1, horizon // 100) if stride is None else read_integer("stride", stride, 1, horizon)
    points = np.unique(np.append(np.arange(gap, horizon + 1, gap), horizon))
    policies = [policy_factory(seed + run) for run in range(runs)]
    for policy in policies:
        if policy.n_arms != env.n_arms:
            raise ValueError(f"the policy has {policy.n_arms} arms, and the environment {env.n_arms}")
    began = time.perf_counter()
    totals, arms = _core.simulate_bandits(
        [policy._core for policy in policies],
        env._core,
        points.astype(np.uint64),
        read_integer("threads", threads, 1, 1024),
        read_flag("record_arms", record_arms),
    )
    wall = time.perf_counter() - began
    reo = totals - points * env.saturated.min()
    plannable = env._core.plannable() and float(env.n_arms) ** env.memory * (horizon + len(points)) <= _MOST_WORK
    cpr = totals - env.optimal_value(points) if plannable else reo
    return SimulationResult(
        points.astype(np.int64), cpr, reo, "exact" if plannable else "bound", arms if record_arms else None, wall
    )
