"""Power control games: everyone water-fills against the interference of everyone else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo_waterfilling import links as _links
from pyalgo_waterfilling.certificate import Certificate, certify, error_bound
from pyalgo_waterfilling.operator import LEAST_POWER, refuse

__all__ = ["Asynchrony", "GameResult", "History", "InterferenceGame"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Asynchrony:
    """Who updates when, and how old what it hears may be.

    Attributes
    ----------
    delays : int
        D: no value read is older than D steps.
    law : {"uniform", "geometric"}
        Of a delay: uniform on 0 ... D, or geometric with mean D / 4, cut at D.
    update_prob : float
        Probability that a user updates at a tick of its clock.
    drop_prob : float
        Probability that a measurement of a link is lost: the value read before is used again, while it is no older than D.
    periods : sequence of int, optional
        User i's clock ticks every ``periods[i]`` steps; every step by default.
    """

    delays: int = 0
    law: str = "uniform"
    update_prob: float = 1.0
    drop_prob: float = 0.0
    periods: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.delays < 0:
            raise ValueError(f"delays must be at least 0, got {self.delays}")
        if self.law not in ("uniform", "geometric"):
            raise ValueError(f"law must be 'uniform' or 'geometric', got {self.law!r}")
        if not 0 < self.update_prob <= 1:
            raise ValueError(f"update_prob must be above 0 and at most 1, got {self.update_prob}")
        if not 0 <= self.drop_prob < 1:
            raise ValueError(f"drop_prob must be at least 0 and below 1, got {self.drop_prob}")
        if self.periods is not None and min(self.periods) < 1:
            raise ValueError(f"periods must be at least 1, got {min(self.periods)}")


@dataclass(frozen=True)
class History:
    """Step by step: the change of each user's power, macro-cycles so far, and the powers from the start on if recorded."""

    change: Matrix  # (steps, Q), ||WF_i - p_i|| of those who updated, else 0
    macro_cycles: NDArray[np.int64]  # (steps,), c(n) behind step n; of an asynchronous or partial schedule
    power: Matrix  # (steps + 1, Q, N), or empty


@dataclass(frozen=True)
class GameResult:
    """Powers that nobody gains from leaving, as far as `status` says so.

    Attributes
    ----------
    power : array (Q, N)
    level : array (Q,)
        Water level of each user, over its own gain.
    rates : array (Q,)
        ``sum_k log2(1 + p / a)``, bits per symbol.
    iterations : int
        Steps: everyone's updates, or the instants of an asynchronous schedule, those of all attempts together.
    error_bound : array (Q,) or None
        No user's power is further than this from the equilibrium's (Euclidean norm). None where C1 does not hold.
    status : {"certified", "converged", "cycling", "max_iter"}
        "certified": within `tol` of the only equilibrium, by `error_bound`. "converged": an equilibrium within `tol`, of which
        there may be others: it depends on the start and the schedule. "cycling": a period of `cycle_period` steps.
    fallback : {"damped", "sequential"} or None
        What the result is from, where the schedule asked for went round in a cycle of `cycle_period` steps.
    """

    power: Matrix
    level: Matrix
    rates: Matrix
    iterations: int
    error_bound: Matrix | None
    status: str
    fallback: str | None
    cycle_period: int | None
    history: History | None


class InterferenceGame:
    """Q users on N carriers, each with a power budget, who hear each other as noise.

    Parameters
    ----------
    gains : array (Q, Q, N) of float64 or float32, or (receivers, transmitters, array (E, N))
        Power gains |H_ij(k)|^2 from transmitter j to receiver i, linear, direct ones on the diagonal. The second form names
        the links there are: time and memory go with their number. float32 halves the memory and the time of a step.
    noise : array (Q, N)
        Noise power at each receiver.
    budgets : array (Q,)
        Total power of each user, at least 0.
    gap : float or array (Q,)
        SNR gap to capacity, at least 1.
    mask : array (Q, N), optional
        Booleans: carriers a user may use. Numbers: the most power it may put there, 0 for none.

    Guarantee
    ---------
    Where ``certificate().holds`` there is one equilibrium, every schedule of `solve` converges to it, and what `solve` returns
    is within `error_bound` of it: a bound computed from the last step, not the step's size. Where it does not hold, `solve`
    still tries, and its status says how it ended.

    Complexity
    ----------
    A step reads each gain once: O(links N).

    Examples
    --------
    >>> game = InterferenceGame([[[1.0, 1.0], [0.1, 0.3]], [[0.2, 0.1], [1.0, 1.0]]], [[0.1, 0.2], [0.3, 0.1]], [1.0, 1.0])
    >>> result = game.solve()
    >>> result.status, result.power.round(4).tolist()
    ('certified', [[0.6289, 0.3711], [0.3557, 0.6443]])
    """

    def __init__(
        self, gains: Any, noise: ArrayLike, budgets: ArrayLike, *, gap: ArrayLike = 1.0, mask: ArrayLike | None = None
    ) -> None:
        self.links = _links.normalise(gains, noise, gap, mask)
        self.budgets = np.array(budgets, dtype=np.float64)
        if self.budgets.shape != (self.n_users,):
            raise ValueError(f"budgets must have the shape ({self.n_users},), got {self.budgets.shape}")
        allowed = (self.budgets == 0) | ((self.budgets >= LEAST_POWER) & (self.budgets < np.inf))
        refuse("budgets", self.budgets, ~allowed, f"0, or finite and at least {LEAST_POWER:g}")
        self._coupling: Matrix | None = None

    @property
    def n_users(self) -> int:
        return len(self.links.noise)

    @property
    def n_carriers(self) -> int:
        return self.links.noise.shape[1]

    @property
    def coupling(self) -> Matrix:
        """S of the certificates."""
        if self._coupling is None:
            self._coupling = _links.couplings(self.links)
        return self._coupling

    def certificate(
        self,
        weights: ArrayLike | None = None,
        order: Sequence[int] | None = None,
        alpha: float = 1.0,
        uncertainty: ArrayLike | None = None,
    ) -> Certificate:
        """What is certain before a step is taken: see `Certificate`.

        `weights` are those of the dominance conditions, `order` that of sequential updates, `alpha` the damping. With
        `uncertainty`, the largest error of the normalised gains of each link (one number or (Q, Q)), all holds for every
        channel within it.
        """
        s = self.coupling
        if uncertainty is not None:
            u = np.asarray(uncertainty, float)
            refuse("uncertainty", u, ~((u >= 0) & (u < np.inf)), "at least 0 and finite")
            s = s + np.broadcast_to(u, s.shape) * (1 - np.eye(len(s)))
        return certify(s, weights=weights, order=order, alpha=alpha)

    def solve(
        self,
        schedule: str = "simultaneous",
        *,
        alpha: float | Callable[[int], float] = 1.0,
        tol: float = 1e-9,
        max_iter: int = 20_000,
        start: ArrayLike | None = None,
        order: Any = "fixed",
        fraction: float = 0.5,
        asynchrony: Asynchrony | None = None,
        noise: ArrayLike | None = None,
        seed: int = 0,
        fallback: bool = True,
        record: bool = False,
    ) -> GameResult:
        """Play until the equilibrium is reached, by one of four schedules.

        Parameters
        ----------
        schedule : {"simultaneous", "sequential", "asynchronous", "partial"}
            All at once (Jacobi); one after the other (Gauss-Seidel), `order` "fixed", "cyclic" (it moves on by one each time),
            "random" or a permutation; by the clocks and with the stale values of `asynchrony`; a random `fraction` at a time.
        alpha : float or callable
            Of a step ``p + alpha (WF(p) - p)``; a callable gives that of step 1, 2, ...
        tol : float
            Error over the user's budget at which to stop: by `error_bound` where C1 holds, else the change of a step.
        start : array (Q, N), optional
            Powers to start from; zero by default.
        noise : array (Q,), optional
            Each evaluation sees the interference off by a random vector of norm up to this. Then it runs `max_iter` steps, and
            ``limsup e <= (I - S)^-1 noise``.
        fallback : bool
            Where all at once goes round in a cycle, try half of alpha, three times over, then one after the other.
        record : bool
            Keep the powers of every step in `history`.
        """
        from pyalgo_waterfilling.schedules import play

        return play(
            self, schedule, alpha, tol, max_iter, start, order, fraction, asynchrony, noise, seed, fallback, record
        )

    def interference(self, power: Matrix) -> Matrix:
        """What each user hears of the others, over its own gain."""
        heard = np.empty((self.n_users, self.n_carriers))
        p = np.ascontiguousarray(power, dtype=self.links.gain.dtype)
        total = np.empty(self.n_carriers, self.links.gain.dtype)
        for i in range(self.n_users):
            _links.hear(*self.links.begin[i : i + 2].tolist(), self.links.source, self.links.gain, p, total)
            heard[i] = total
        return heard

    def rates(self, power: Matrix) -> Matrix:
        """Bits per symbol of each user."""
        return np.asarray(np.log2(1 + power / (self.links.noise + self.interference(power))).sum(axis=1))

    def residual(self, power: Matrix) -> tuple[Matrix, Matrix]:
        """||WF_i(p) - p_i|| of each user, and the levels of WF(p)."""
        out, level, change = np.array(power), np.zeros(self.n_users), np.empty(self.n_users)
        self._respond(np.arange(self.n_users), power, out, level, change)
        return change, level

    def error_bound(self, power: Matrix) -> Matrix | None:
        """How far each user's power is from the equilibrium's at most, or None where C1 does not hold."""
        return error_bound(self.coupling, self.certificate(), self.residual(power)[0])

    def local_rate(self, power: Matrix, *, steps: int = 300, seed: int = 0) -> float:
        """The rate at which all at once converges near the equilibrium `power`, estimated by power iteration.

        There water-filling is linear: J_ij = -C_i G_ij C_j, with C_i centring on the carriers that i uses below its mask.
        Less than 1 where C1 fails: stable nearby, and nothing is certain from afar. A growth rate, so good to about 1 %.
        """
        cap = self.links.cap if len(self.links.cap) else np.inf
        inside = (power > 0) & (power < cap)
        count = np.maximum(inside.sum(axis=1, keepdims=True), 1)

        def centred(v: Matrix) -> Matrix:
            v = np.where(inside, v, 0.0)
            return np.where(inside, v - v.sum(axis=1, keepdims=True) / count, 0.0)

        v = centred(np.random.default_rng(seed).normal(size=power.shape))
        growth = []
        for _ in range(steps):
            norm = float(np.linalg.norm(v))
            if norm == 0:
                return 0.0
            v = centred(-self.interference(v / norm))
            growth.append(np.linalg.norm(v))
        tail = np.array(growth[steps // 2 :])
        return float(np.exp(np.log(tail).mean())) if (tail > 0).all() else 0.0

    def _respond(
        self,
        users: NDArray[np.int64],
        heard: Matrix,
        out: Matrix,
        level: Matrix,
        change: Matrix,
        *,
        in_place: bool = False,
        alpha: float = 1.0,
        source: NDArray[np.int64] | None = None,
        disturbance: Matrix | None = None,
    ) -> None:
        x = self.links
        p = out if in_place else np.ascontiguousarray(heard, dtype=x.gain.dtype)
        _links.respond(
            users,
            not in_place,
            x.begin,
            x.source if source is None else source,
            x.gain,
            x.noise,
            x.cap,
            p,
            self.budgets,
            np.empty((0, self.n_carriers)) if disturbance is None else disturbance,
            alpha,
            out,
            level,
            change,
        )
