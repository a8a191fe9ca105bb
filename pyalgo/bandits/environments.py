"""Environments with memory: what arms cost as a function of how often they were played of late, and the optimum in hindsight."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.parameters import read_choice, read_integer

__all__ = ["Curves", "Outcome", "TallyingEnv", "plain", "reo_trap", "uniform_weights"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The means h_a of the arms over u = y / W, from 0 (never played of late) to 1 (nothing else was).

    Made by `linear`, `saturating`, `hump`, `step` or `grid`.
    """

    kind: str
    h0: Reals = field(default_factory=lambda: np.empty(0))
    h1: Reals = field(default_factory=lambda: np.empty(0))
    shape: Reals = field(default_factory=lambda: np.empty(0))
    values: Reals = field(default_factory=lambda: np.empty((0, 0)))

    @classmethod
    def linear(cls, h0: ArrayLike, h1: ArrayLike) -> Curves:
        """h0 + (h1 - h0) u."""
        return cls("linear", *_rows(h0=h0, h1=h1))

    @classmethod
    def saturating(cls, h0: ArrayLike, h1: ArrayLike, rate: ArrayLike) -> Curves:
        """h1 + (h0 - h1) exp(-rate u), rate >= 0."""
        return cls("saturating", *_rows(h0=h0, h1=h1, rate=rate))

    @classmethod
    def hump(cls, h0: ArrayLike, h1: ArrayLike, height: ArrayLike) -> Curves:
        """h0 + (h1 - h0) u + 4 height u (1 - u), at most 1; height >= 0: worse first, then better."""
        return cls("hump", *_rows(h0=h0, h1=h1, height=height))

    @classmethod
    def step(cls, h0: ArrayLike, h1: ArrayLike, threshold: ArrayLike) -> Curves:
        """h0 for u below the threshold, h1 from there on."""
        return cls("step", *_rows(h0=h0, h1=h1, threshold=threshold))

    @classmethod
    def grid(cls, values: ArrayLike) -> Curves:
        """Linear between equally spaced values, one row an arm."""
        table = np.array(values, dtype=float)
        if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
            raise ValueError(f"h must have one row an arm and two values or more, got the shape {table.shape}")
        if not ((table >= 0) & (table <= 1)).all():
            raise ValueError("h must lie between 0 and 1")
        return cls("grid", values=table)

    @property
    def n_arms(self) -> int:
        return len(self.values) if self.kind == "grid" else len(self.h0)


def _rows(**given: ArrayLike) -> tuple[Reals, ...]:
    columns = {name: np.atleast_1d(np.array(value, dtype=float)) for name, value in given.items()}
    arms = max(len(column) for column in columns.values())
    for name, column in columns.items():
        if column.ndim != 1 or len(column) not in (1, arms):
            raise ValueError(f"{name} must have one value for all arms or one for each of {arms}, got {column.shape}")
        high = 1.0 if name in ("h0", "h1") else math.inf
        if not ((column >= 0) & (column <= high)).all():
            raise ValueError(f"{name} must be from 0{' to 1' if high == 1 else ' on'}, got {column.tolist()}")
    return tuple(np.broadcast_to(column, arms).copy() for column in columns.values())


class Outcome(NamedTuple):
    """A play's tally, the mean of its loss, and the loss."""

    tally: float
    mean: float
    loss: float


class TallyingEnv:
    """A bandit with memory: the play of arm a at time t has tally y = sum_{j<m} w_j [a_{t-j} = a] and a loss of mean h_a(y).

    Parameters
    ----------
    h : Curves or array of shape (K, points)
        The means over the tally, from 0 to W = sum w; an array is linear between equally spaced values.
    weights : sequence of m numbers, or array (K, m)
        w >= 0, the present play first; one row for all arms or one an arm. W must be positive.
    noise : "bernoulli", "uniform", "gaussian_clipped" or None
        Losses lie in [0, 1] and have the mean h_a(y) whatever the noise: 0 or 1; as wide an interval around the mean as there
        is room; a normal of deviation 0.1, clipped alike on both sides; the mean itself.
    seed : int

    Notes
    -----
    A tally costs O(1) where the weights are equal or a falling geometric sequence, else O(m).

    Examples
    --------
    >>> env = TallyingEnv(Curves.linear([0.9, 0.5], [0.1, 0.6]), weights=[1, 0.6, 0.3, 0.1], noise=None)
    >>> [round(env.step(0).loss, 2) for _ in range(5)]
    [0.5, 0.26, 0.14, 0.1, 0.1]
    >>> round(env.optimal_value(100), 2), env.is_reo()
    (10.6, True)
    """

    def __init__(
        self,
        h: Curves | ArrayLike,
        weights: ArrayLike,
        *,
        noise: Literal["bernoulli", "uniform", "gaussian_clipped"] | None = "bernoulli",
        seed: int = 0,
    ) -> None:
        self.h = h if isinstance(h, Curves) else Curves.grid(h)
        self.n_arms = self.h.n_arms
        self.weights = _weights(weights, self.n_arms)
        self.memory = self.weights.shape[1]
        self.noise = (
            None if noise is None else read_choice("noise", noise, ("bernoulli", "uniform", "gaussian_clipped"))
        )
        self.seed = read_integer("seed", seed, 0, 2**64 - 1)
        self._core = _core.TallyingEnv(
            arms=self.n_arms,
            kind=self.h.kind,
            h0=self.h.h0.tolist(),
            h1=self.h.h1.tolist(),
            shape=self.h.shape.tolist(),
            grid=self.h.values.ravel().tolist(),
            weights=self.weights.tolist(),
            noise=self.noise or "none",
            seed=self.seed,
        )

    def reset(self, run: int = 0) -> None:
        """Back to the empty history, with the noise of another run."""
        self._core.reset(read_integer("run", run, 0, 2**31))

    def step(self, arm: int) -> Outcome:
        """Play an arm."""
        return Outcome(*self._core.step(read_integer("arm", arm, 0, self.n_arms - 1)))

    def mean(self, arm: int, tally: float) -> float:
        """h_a(y)."""
        return self._core.mean(read_integer("arm", arm, 0, self.n_arms - 1), float(tally))

    def tallies(self, arms: ArrayLike) -> Reals:
        """The tally of every play of a sequence, from the empty history."""
        return self._replay(arms)[0]

    def means(self, arms: ArrayLike) -> Reals:
        """The mean loss of every play of a sequence, from the empty history."""
        return self._replay(arms)[1]

    def _replay(self, arms: ArrayLike) -> tuple[Reals, Reals]:
        plays = np.ascontiguousarray(arms, dtype=np.int64)
        wrong = np.flatnonzero((plays < 0) | (plays >= self.n_arms))
        if len(wrong):
            at = int(wrong[0])
            raise ValueError(f"play {at}: arm must be from 0 to {self.n_arms - 1}, got {plays[at]}")
        return self._core.replay(plays)

    @property
    def saturated(self) -> Reals:
        """h_a(W): what each arm costs a play when it is played for ever."""
        full = np.broadcast_to(self.weights.sum(axis=1), self.n_arms)
        return np.array([self._core.mean(arm, full[arm]) for arm in range(self.n_arms)])

    def is_reo(self) -> bool:
        """Whether some arm, played for ever, costs no more than any arm at any tally that can be reached.

        Decided on all tallies where there are up to 2^16 of them or the curves have no minimum inside; else on all tallies
        between the least and W, which may deny what holds.
        """
        return bool(self.saturated.min() <= min(self._least(arm) for arm in range(self.n_arms)) + 1e-12)

    def _least(self, arm: int) -> float:
        """The least mean of an arm over the tallies that it can reach."""
        w = self.weights[arm % len(self.weights)]
        if self.n_arms == 1:
            reached = np.cumsum(w)
        elif self.h.kind != "grid":  # monotone or concave: least at an end
            reached = np.array([w[0], w.sum()])
        elif (w[1:] == w[0]).all():
            reached = w[0] * np.arange(1, len(w) + 1)
        elif len(w) <= 17:
            reached = np.array([w[0]])
            for weight in w[1:]:
                reached = np.concatenate([reached, reached + weight])
        else:
            knots = np.linspace(0, w.sum(), self.h.values.shape[1])
            reached = np.concatenate([[w[0], w.sum()], knots[knots >= w[0]]])
        return min(self._core.mean(arm, float(y)) for y in np.minimum(reached, w.sum()))

    def optimal_value(self, horizon: int | ArrayLike) -> Any:
        """The least total of means that a fixed sequence of so many plays has, from the empty history: the comparator of CPR.

        By dynamic programming over the last m - 1 plays, O(K^m) a play. A sequence of horizons gives an array.

        Raises
        ------
        ValueError
            With more than 2,000,000 states; says the bracket of `optimal_bounds` where REO holds.
        """
        if not self._core.plannable():
            wanted = int(np.max(horizon))
            bracket = "and without repeated exposure optimality there is no bound"
            if self.is_reo():
                low, high = self.optimal_bounds(wanted)
                bracket = f"but it is from {low!r} to {high!r} (optimal_bounds)"
            raise ValueError(
                f"the optimum takes {self.n_arms}^{self.memory - 1} states, more than 2000000: it is not computed, {bracket}"
            )
        horizons = np.atleast_1d(np.array(horizon, dtype=np.int64))
        if (horizons < 0).any():
            raise ValueError(f"horizon must be 0 or more, got {horizons.min()}")
        order = np.argsort(horizons, kind="stable")
        values = np.empty(len(horizons))
        values[order] = self._core.values(horizons[order].astype(np.uint64))
        return values if np.ndim(horizon) else float(values[0])

    def optimal_bounds(self, horizon: int) -> tuple[float, float]:
        """Bounds on `optimal_value`, equal where it is computed; else under REO T h* and what the best arm alone costs."""
        horizon = read_integer("horizon", horizon, 0, 2**40)
        if self._core.plannable():
            value = float(self.optimal_value(horizon))
            return value, value
        if not self.is_reo():
            raise ValueError("there are bounds only under repeated exposure optimality, which does not hold here")
        best = int(np.argmin(self.saturated))
        least = float(self.saturated[best])
        start = self.means(np.full(min(self.memory - 1, horizon), best))
        return horizon * least, horizon * least + float(np.sum(start - least))

    def cpr(self, trace: ArrayLike) -> float:
        """The complete policy regret of a sequence of plays: what it costs above `optimal_value`."""
        costs = self.means(trace)
        return float(costs.sum()) - float(self.optimal_value(len(costs)))

    def reo_regret(self, trace: ArrayLike) -> float:
        """What a sequence of plays costs above h* a play: at least its complete policy regret, if REO holds."""
        costs = self.means(trace)
        return float(costs.sum()) - len(costs) * float(self.saturated.min())

    def __repr__(self) -> str:
        return f"TallyingEnv({self.h.kind}, n_arms={self.n_arms}, memory={self.memory}, noise={self.noise!r}, seed={self.seed})"


def _weights(given: ArrayLike, arms: int) -> Reals:
    weights = np.array(given, dtype=float)
    weights = weights.reshape(1, -1) if weights.ndim == 1 else weights
    if weights.ndim != 2 or weights.shape[0] not in (1, arms) or weights.shape[1] < 1:
        raise ValueError(f"weights must be m numbers or an array ({arms}, m), got the shape {np.shape(given)}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("weights must be finite and 0 or more")
    if not (weights.sum(axis=1) > 0).all():
        raise ValueError("weights must not be all 0")
    return weights


def uniform_weights(memory: int) -> Reals:
    """m ones: the tally counts the plays among the last m, as in the paper of 2022."""
    return np.ones(read_integer("memory", memory, 1, 2**24))


def reo_trap(
    n_arms: int,
    memory: int,
    seed: int = 0,
    *,
    weights: ArrayLike | None = None,
    noise: Literal["bernoulli", "uniform", "gaussian_clipped"] | None = "bernoulli",
) -> TallyingEnv:
    """Linear curves from U(.45, .9) to U(.45, .9), but one random arm, which goes from .95 to .2; w_j = exp(-j / m).

    Whoever tries arms in turn finds that one the worst, and it is by far the best.
    """
    arms, m = read_integer("n_arms", n_arms, 1, 2**16), read_integer("memory", memory, 1, 2**24)
    rng = np.random.default_rng(read_integer("seed", seed, 0, 2**63))
    h0, h1 = rng.uniform(0.45, 0.9, (2, arms))
    best = int(rng.integers(arms))
    h0[best], h1[best] = 0.95, 0.2
    given = np.exp(-np.arange(m) / m) if weights is None else weights
    return TallyingEnv(Curves.linear(h0, h1), given, noise=noise, seed=seed)


def plain(n_arms: int, seed: int = 0) -> TallyingEnv:
    """A bandit without memory: means U(.45, .9), but one random arm of mean .2."""
    return reo_trap(n_arms, 1, seed)
