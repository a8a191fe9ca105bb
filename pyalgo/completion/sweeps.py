"""The loop of sweeps: until the objective settles, the validation error rises, or the caller has seen enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pyalgo import _core

__all__ = ["Callback", "Stopping", "Sweep", "sweep_until_settled"]

#: ``callback(sweep, train_rmse, valid_rmse, seconds)``; returning False ends the loop.
Callback = Callable[[int, float, float, float], Any]


class Sweep(NamedTuple):
    """One sweep of a loop: the objective after its two halves, errors, and seconds since the loop began."""

    sweep: int
    objective_half: float
    objective: float
    train_rmse: float
    valid_rmse: float
    seconds: float


class Stopping(NamedTuple):
    """When the loop ends: after `max_sweeps`, on a relative drop of `tol`, or `patience` sweeps after the best one.

    Without patience the last sweep counts, whatever the validation error.
    """

    max_sweeps: int
    tol: float
    patience: int | None


def sweep_until_settled(
    core: _core.Completion, stopping: Stopping, threads: int, callback: Callback | None
) -> tuple[list[Sweep], bool]:
    """Sweep, and leave the factors of the least validation error (without validation cells, the last).

    Returns the sweeps, and whether the callback ended them.
    """
    history: list[Sweep] = []
    least, best, since_best = math.inf, b"", 0
    told_to_stop = False
    began = time.perf_counter()
    while len(history) < stopping.max_sweeps and not told_to_stop:
        half, objective, train, valid = core.sweep(threads)
        seconds = time.perf_counter() - began
        history.append(Sweep(len(history) + 1, half, objective, train, valid, seconds))
        told_to_stop = callback is not None and callback(len(history), train, valid, seconds) is False
        if stopping.patience is not None and not math.isnan(valid):
            if valid < least:
                least, best, since_best = valid, core.checkpoint(), 0
            else:
                since_best += 1
            if since_best >= stopping.patience:
                break
        if stopping.tol and len(history) > 1 and _drop(history) <= stopping.tol:
            break
    if since_best:
        core.restore(best)
    return history, told_to_stop


def _drop(history: list[Sweep]) -> float:
    """The share by which the objective fell in the last sweep."""
    before, now = history[-2].objective, history[-1].objective
    return (before - now) / before if before else 0.0
