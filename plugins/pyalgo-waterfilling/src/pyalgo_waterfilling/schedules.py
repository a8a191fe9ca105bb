"""Who updates when: the schedules of a game, when they stop, and what is done about cycles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo_waterfilling.certificate import error_bound
from pyalgo_waterfilling.game import Asynchrony, GameResult, History, InterferenceGame
from pyalgo_waterfilling.operator import refuse

__all__ = ["play"]

Matrix = NDArray[np.float64]
SCHEDULES = ("simultaneous", "sequential", "asynchronous", "partial")
PERIODS = range(2, 9)  # of cycles that are looked for
LOOK_EVERY = 4  # steps, for a cycle, and for the error where a step does not tell it
RETURNED = (
    1e-4  # of a step: a state this near to one of before has come back. Converging at -0.9999 a step looks the same
)


def play(
    game: InterferenceGame,
    schedule: str,
    alpha: float | Callable[[int], float],
    tol: float,
    max_iter: int,
    start: ArrayLike | None,
    order: Any,
    fraction: float,
    asynchrony: Asynchrony | None,
    noise: ArrayLike | None,
    seed: int,
    fallback: bool,
    record: bool,
) -> GameResult:
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}")
    if not callable(alpha) and not 0 < alpha <= 1:
        raise ValueError(f"alpha must be above 0 and at most 1, got {alpha}")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
    if tol <= 0 or max_iter < 1:
        raise ValueError(f"tol must be positive and max_iter at least 1, got {tol} and {max_iter}")
    if asynchrony is not None and schedule != "asynchronous":
        raise ValueError(f"asynchrony goes with schedule='asynchronous', not with {schedule!r}")
    moves = _Moves(game, schedule, order, fraction, asynchrony or Asynchrony(), noise, seed)
    attempts: list[tuple[str | None, str, Any]] = [(None, schedule, alpha)]
    if fallback and noise is None and schedule in ("simultaneous", "sequential"):
        if schedule == "simultaneous" and not callable(alpha):
            attempts += [("damped", schedule, alpha / 2**k) for k in (1, 2, 3)]
        attempts += [("sequential", "sequential", alpha)] if schedule == "simultaneous" else []
    period, steps, taken = None, 0, None
    for taken, kind, step in attempts:  # noqa: B007
        run = _Run(game, moves, kind, step, tol, max_iter, start, record)
        status, found = run.play()
        steps += run.n
        period = found if found is not None else period
        if status != "cycling":
            break
    return GameResult(
        power=run.power,
        level=run.level,
        rates=game.rates(run.power),
        iterations=steps,
        error_bound=run.bound(game.residual(run.power)[0]),
        status=status,
        fallback=taken,
        cycle_period=period,
        history=run.history() if record or run.cycles else None,
    )


class _Moves:
    """The random part of a schedule: everything drawn is drawn here, so that a seed repeats it."""

    def __init__(
        self,
        game: InterferenceGame,
        schedule: str,
        order: Any,
        fraction: float,
        clocks: Asynchrony,
        noise: Any,
        seed: int,
    ) -> None:
        q = game.n_users
        self.rng = np.random.default_rng(seed)
        self.game, self.order, self.clocks = game, order, clocks
        self.size = max(1, round(fraction * q))
        self.periods = np.ones(q, np.int64) if clocks.periods is None else np.asarray(clocks.periods)
        if self.periods.shape != (q,):
            raise ValueError(f"periods must have the shape ({q},), got {self.periods.shape}")
        if isinstance(order, str):
            if order not in ("fixed", "cyclic", "random"):
                raise ValueError(f"order must be 'fixed', 'cyclic', 'random' or a permutation, got {order!r}")
        elif sorted(np.asarray(order).tolist()) != list(range(q)):
            raise ValueError(f"order must name each of the {q} users once, got {order!r}")
        self.eps = None if noise is None else np.broadcast_to(np.asarray(noise, float), (q,))
        if self.eps is not None:
            refuse("noise", self.eps, ~((self.eps >= 0) & (self.eps < np.inf)), "at least 0 and finite")
        self.read = np.zeros(len(game.links.source), np.int64)  # when what each link uses was sent

    def in_order(self, n: int) -> NDArray[np.int64]:
        users = np.arange(self.game.n_users)
        if self.order == "cyclic":
            return np.roll(users, -(n - 1))
        if self.order == "random":
            return self.rng.permutation(users)
        return users if isinstance(self.order, str) else np.asarray(self.order, dtype=np.int64)

    def some(self) -> NDArray[np.int64]:
        return np.sort(self.rng.permutation(self.game.n_users)[: self.size])

    def awake(self, n: int) -> NDArray[np.int64]:
        ticks = n % self.periods == 0
        return np.flatnonzero(ticks & (self.rng.random(len(ticks)) < self.clocks.update_prob))

    def sent(self, n: int) -> NDArray[np.int64]:
        """For each link the instant, n - D ... n, whose powers are heard now."""
        d, size = self.clocks.delays, len(self.read)
        if self.clocks.law == "uniform":
            age = self.rng.integers(0, d + 1, size)
        else:
            age = np.minimum(self.rng.geometric(1 / (1 + d / 4), size) - 1, d)
        fresh = np.maximum(n - age, 0)
        lost = (self.rng.random(size) < self.clocks.drop_prob) & (self.read >= n - d)
        self.read = np.where(lost, self.read, fresh)
        return self.read

    def disturbance(self) -> Matrix | None:
        if self.eps is None:
            return None
        z = self.rng.normal(size=self.game.links.noise.shape)
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        return np.asarray(z * (self.eps * self.rng.random(len(z)))[:, np.newaxis])


class _Run:
    """One attempt: the powers, the steps taken, and what is kept of them."""

    def __init__(
        self,
        game: InterferenceGame,
        moves: _Moves,
        schedule: str,
        alpha: float | Callable[[int], float],
        tol: float,
        max_iter: int,
        start: ArrayLike | None,
        record: bool,
    ) -> None:
        q = game.n_users
        self.game, self.moves, self.schedule, self.alpha = game, moves, schedule, alpha
        self.tol, self.max_iter, self.record = tol, max_iter, record
        self.power, self.level, self.change = _begin(game, start), np.zeros(q), np.zeros(q)
        self.certificate = game.certificate()
        self.n = 0
        self.changes: list[Matrix] = []
        self.powers = [self.power.copy()] if record else []
        self.cycles: list[int] = []
        depth = moves.clocks.delays + 1 if schedule == "asynchronous" else 1
        self.ring = np.repeat(self.power[np.newaxis], depth, axis=0)
        self.past: deque[Matrix] = deque(maxlen=max(PERIODS) + 1)
        self.repeats = schedule == "simultaneous" or (schedule == "sequential" and moves.order != "random")
        self.repeats &= moves.eps is None and not callable(alpha)
        self.flushed_at, self.pending = moves.clocks.delays, np.ones(q, bool)

    def play(self) -> tuple[str, int | None]:
        while self.n < self.max_iter:
            self.n += 1
            step = self.alpha(self.n) if callable(self.alpha) else self.alpha
            before = self.power.copy() if self.schedule == "sequential" else self.power
            self.change[:] = 0
            self.move(step)
            if self.record:
                self.changes.append(self.change.copy())
                self.powers.append(self.power.copy())
            if self.moves.eps is not None:
                continue
            residual = self.residual(step, before)
            if residual is not None and self.near(residual):
                return ("certified" if self.certificate.holds else "converged"), None
            if self.repeats and not self.certificate.holds:
                self.past.append(self.power.copy())
                period = self.period() if self.n % LOOK_EVERY == 0 else None
                if period is not None:
                    return "cycling", period
        return "max_iter", None

    def move(self, step: float) -> None:
        game, moves = self.game, self.moves
        if self.schedule == "sequential":
            users = moves.in_order(self.n)
            game._respond(
                users, self.power, self.power, self.level, self.change,
                in_place=True, alpha=step, disturbance=moves.disturbance(),
            )  # fmt: skip
            return
        source, now = None, self.n - 1  # the powers of instant n - 1 are those before step n
        users = np.arange(game.n_users)
        if self.schedule == "partial":
            users = moves.some()
        elif self.schedule == "asynchronous":
            users = moves.awake(now)
            source = moves.sent(now) % len(self.ring) * game.n_users + game.links.source
        heard = self.ring.reshape(-1, game.n_carriers) if self.schedule == "asynchronous" else self.power
        new = self.power.copy()
        game._respond(
            users, heard, new, self.level, self.change, alpha=step, source=source, disturbance=moves.disturbance()
        )
        self.power = new
        self.ring[self.n % len(self.ring)] = new
        if self.schedule in ("asynchronous", "partial"):
            self.count(users)

    def count(self, users: NDArray[np.int64]) -> None:
        """Macro-cycles: first D steps in which reads from before the cycle die out, then everyone's update. See C5."""
        if self.n > self.flushed_at:
            self.pending[users] = False
        if not self.pending.any():
            self.pending[:] = True
            self.flushed_at = self.n + (self.moves.clocks.delays if self.schedule == "asynchronous" else 0)
            self.cycles.append((self.cycles[-1] if self.cycles else 0) + 1)
        else:
            self.cycles.append(self.cycles[-1] if self.cycles else 0)

    def residual(self, step: float, before: Matrix) -> Matrix | None:
        """Bounds on ||WF_i(p) - p_i|| for the powers as they are now; from the step just taken where that tells it.

        Behind a step alpha d, (1 - alpha) d is left of the user's own, and what others moved since it heard them adds S alpha d.
        """
        if self.schedule in ("asynchronous", "partial"):
            return self.game.residual(self.power)[0] if self.n % LOOK_EVERY == 0 else None
        s = self.game.coupling
        if self.schedule == "simultaneous":
            moved = s @ self.change
        else:
            place = np.argsort(self.moves.in_order(self.n)) if self.moves.order != "random" else None
            moved = s @ self.change if place is None else np.where(place[:, None] < place, s, 0.0) @ self.change
        return np.asarray((1 - step) * self.change + step * moved)

    def bound(self, residual: Matrix) -> Matrix | None:
        return error_bound(self.game.coupling, self.certificate, residual)

    def near(self, residual: Matrix) -> bool:
        bound = self.bound(residual) if self.certificate.holds else residual
        return bool((bound <= self.tol * self.game.budgets).all()) if bound is not None else False

    def period(self) -> int | None:
        """The period of a cycle: a state from before has come back, while a step still changes much."""
        states = list(self.past)
        if len(states) < 3:
            return None
        moved = np.linalg.norm(states[-1] - states[-2])
        if moved <= 1e3 * self.tol * float(self.game.budgets.max()):
            return None
        for period in PERIODS:
            if period < len(states) and np.linalg.norm(states[-1] - states[-1 - period]) <= RETURNED * moved:
                return period
        return None

    def history(self) -> History:
        shape = (0, self.game.n_users)
        return History(
            np.array(self.changes) if self.changes else np.empty(shape),
            np.array(self.cycles, np.int64),
            np.array(self.powers) if self.powers else np.empty((*shape, self.game.n_carriers)),
        )


def _begin(game: InterferenceGame, start: ArrayLike | None) -> Matrix:
    shape = game.links.noise.shape
    if start is None:
        return np.zeros(shape)
    power = np.array(start, dtype=np.float64)
    if power.shape != shape:
        raise ValueError(f"start must have the shape {shape}, got {power.shape}")
    refuse("start", power, ~((power >= 0) & (power < np.inf)), "at least 0 and finite")
    power[~game.links.usable] = 0.0
    return power
