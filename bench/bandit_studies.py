"""The settings on which bandits with memory are measured, and the regret of policies in them.

A seed makes the environment (`reo_trap`) and the noise. Regret is against T h*, an upper bound on complete policy regret that is
at most the start of the best arm too large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyalgo.bandits import (
    EXP3,
    UCB1,
    BatchedEXP3,
    EpsilonGreedy,
    Policy,
    SlidingWindowUCB,
    SuccessiveElimination,
    SuccessiveEliminationWTB,
    TallyingEnv,
    ThompsonBeta,
    reo_trap,
    simulate,
    uniform_weights,
)

Make = Callable[["Setting", int], Policy]


class Setting(NamedTuple):
    arms: int
    memory: int
    bound: int  # M
    horizon: int
    uniform: bool = False  # weights of 1, else exp(-j / m)

    def env(self, seed: int) -> TallyingEnv:
        weights = uniform_weights(self.memory) if self.uniform else None
        return reo_trap(self.arms, self.memory, seed, weights=weights)

    def __str__(self) -> str:
        weights = ", w=1" if self.uniform else ""
        return f"{self.arms}, {self.memory}, {self.bound}, {self.horizon:,}{weights}"


# Settings, and the mean regret of the default that a prototype had.
TABLE = {
    Setting(5, 10, 10, 20_000): 463,
    Setting(5, 10, 40, 20_000): 607,
    Setting(10, 50, 50, 100_000): 1692,
    Setting(10, 50, 200, 100_000): 2386,
    Setting(4, 1000, 1000, 100_000): 3486,
    Setting(2, 3000, 3000, 200_000, True): 4909,
    Setting(10, 1, 1, 100_000, True): 1140,
}

POLICIES: dict[str, Make] = {
    "default": lambda s, seed: SuccessiveEliminationWTB(s.arms, s.bound, s.horizon),
    "burn-in, n0=1": lambda s, seed: SuccessiveEliminationWTB(s.arms, s.bound, s.horizon, n0=1),
    "no burn-in, n0=1": lambda s, seed: SuccessiveElimination(s.arms, s.horizon, n0=1),
    "UCB1": lambda s, seed: UCB1(s.arms),
    "SlidingWindowUCB": lambda s, seed: SlidingWindowUCB(s.arms, 10 * (s.bound + 1)),
    "EXP3": lambda s, seed: EXP3(s.arms, s.horizon, seed=seed),
    "BatchedEXP3": lambda s, seed: BatchedEXP3(s.arms, s.bound + 1, s.horizon, seed=seed),
    "EpsilonGreedy": lambda s, seed: EpsilonGreedy(s.arms, 0.1, seed=seed),
    "ThompsonBeta": lambda s, seed: ThompsonBeta(s.arms, seed=seed),
}


class Runs(NamedTuple):
    checkpoints: NDArray[np.int64]
    regret: NDArray[np.float64]  # (seeds, points)
    lost: NDArray[np.bool_]  # whether the last play is of another than the best arm

    @property
    def final(self) -> NDArray[np.float64]:
        return self.regret[:, -1]

    def __str__(self) -> str:
        error = self.final.std(ddof=1) / np.sqrt(len(self.final))
        return f"{self.final.mean():,.0f} +- {error:,.0f}"


def runs(policy: str, setting: Setting, seeds: Sequence[int], points: int = 1) -> Runs:
    """One run a seed, each in an environment of its own."""
    regret, lost, checkpoints = [], [], np.empty(0, np.int64)
    for seed in seeds:
        env = setting.env(seed)
        stride = setting.horizon // points
        found = simulate(
            lambda s: POLICIES[policy](setting, s), env, setting.horizon, seed=seed, stride=stride, record_arms=True
        )
        assert found.arms is not None
        regret.append(found.reo_regret[0])
        lost.append(found.arms[0, -1] != np.argmin(env.saturated))
        checkpoints = found.checkpoints
    return Runs(checkpoints, np.array(regret), np.array(lost))
