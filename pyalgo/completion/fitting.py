"""One fit: cells into a fresh core, starting factors, sweeps; and the choice of rank and regulariser, if it is left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pyalgo import _core
from pyalgo.completion.inputs import Cells, extent
from pyalgo.completion.result import Candidate
from pyalgo.completion.selection import Trial, select
from pyalgo.completion.settings import (
    DEFAULT_REG,
    check_rank,
    core_settings,
    iterations,
    left_open,
    worker_count,
)
from pyalgo.completion.state import State
from pyalgo.completion.sweeps import Callback, Stopping, Sweep, sweep_until_settled

__all__ = ["Fit", "Fitted", "default_reg", "fit_shape", "starting_point", "stopping"]

Start = Callable[[_core.Completion], None]


class Fitted(NamedTuple):
    """A trained core, the settings it was made with, its sweeps, and what was tried on the way."""

    core: _core.Completion
    settings: dict[str, Any]
    history: list[Sweep]
    path: tuple[Candidate, ...]


@dataclass(frozen=True)
class Fit:
    """What is to be fitted.

    Attributes
    ----------
    read : mapping
        Of `read_parameters`.
    cells, shape
        What is known of the matrix.
    held : Cells or None
        Further cells, for validation.
    share : float
        Of `cells`, to hold out.
    start : callable or None
        Puts starting factors into a core; by default it makes its own.
    """

    read: Mapping[str, Any]
    cells: Cells
    shape: tuple[int, int]
    held: Cells | None
    share: float
    start: Start | None
    callback: Callback | None

    def run(self) -> Fitted:
        """Fit, with the rank and regulariser given or the best found."""
        read = self.read
        if read["rank"] != "auto":
            check_rank(read["rank"], self.shape)
        if not left_open(read):
            return self._train(read["rank"], default_reg(read))[0]
        name = left_open(read)[0]
        if self.held is None and self.share == 0:
            raise ValueError(f"{name}='auto' needs validation cells: give validation=0.1, or cells to hold out")
        if read["max_sweeps"] == 0:
            raise ValueError(f"{name}='auto' needs sweeps, and max_sweeps is 0")
        regs = None if read["reg"] == "auto" else [default_reg(read)]
        best, path = select(self._try, self._ranks(), regs, default_reg(read))
        return best._replace(path=path)

    def _ranks(self) -> list[int]:
        if self.read["rank"] != "auto":
            return [self.read["rank"]]
        return [1 << power for power in range(1, 16) if 1 << power <= min(self.shape)] or [1]

    def _try(self, rank: int, reg: float) -> Trial[Fitted]:
        fitted, told_to_stop = self._train(rank, reg)
        if fitted.core.n_validation == 0:
            raise ValueError(f"no cell was held out of {fitted.core.n_cells}: raise validation")
        least = min(sweep.valid_rmse for sweep in fitted.history)
        return Trial(fitted, Candidate(rank, fitted.core.reg, least), told_to_stop)

    def _train(self, rank: int, reg: float) -> tuple[Fitted, bool]:
        settings = core_settings(self.read, rank, reg, self.share)
        threads = worker_count(self.read["threads"])
        core = _core.Completion(_core.CompletionSettings(**settings))
        core.assign(*self.cells[:4], *self.shape, self.read["duplicates"])
        if self.held is not None:
            core.hold_out(*self.held[:4])
        if self.start is None:
            core.restart(threads)
        else:
            self.start(core)
        history, told_to_stop = sweep_until_settled(core, stopping(self.read), threads, self.callback)
        return Fitted(core, settings, history, ()), told_to_stop


def stopping(read: Mapping[str, Any]) -> Stopping:
    """When a fit ends."""
    return Stopping(iterations(read), read["tol"], read["patience"])


def default_reg(read: Mapping[str, Any]) -> float:
    """The regulariser to begin with."""
    return DEFAULT_REG[read["method"]] if read["reg"] in (None, "auto") else float(read["reg"])


def fit_shape(cells: Cells, shape: tuple[int, int] | None) -> tuple[int, int]:
    """The shape asked for, or the least that holds the cells; of a triple the core says which cell is beyond it."""
    least = extent(cells)
    if shape is None:
        return least
    if cells.shape is not None and (least[0] > shape[0] or least[1] > shape[1]):
        raise ValueError(f"X is {least[0]} x {least[1]}, larger than the shape {shape}: give another shape")
    return shape


def starting_point(
    read: Mapping[str, Any], shape: tuple[int, int], init: tuple[Any, Any] | None, warm: State | None
) -> Start | None:
    """What puts starting factors into a core: those of `init`, or those of the state `warm`; None for its own."""
    if init is not None and warm is not None:
        raise ValueError("init and warm_start exclude each other: give one of them")
    if init is None and warm is None:
        return None
    if left_open(read):
        raise ValueError(f"starting factors have a rank and a reg, and {left_open(read)[0]} is 'auto': give a number")
    if init is not None:
        return _given_factors(init, read["rank"], shape)
    assert warm is not None
    if warm.core.n_seen == 0:
        raise ValueError("warm_start needs a model that was fitted or fed before")
    present = warm.settings["rank"]
    if warm.shape != shape or present != read["rank"]:
        raise ValueError(
            f"warm_start needs factors for {shape} of rank {read['rank']}, the present ones are for {warm.shape} of rank "
            f"{present}: grow the model with add_rows and add_cols, or give init"
        )
    checkpoint = warm.core.checkpoint()
    return lambda fresh: fresh.warm_start(checkpoint)


def _given_factors(init: Any, rank: int, shape: tuple[int, int]) -> Start:
    """What puts the starting factors `init` = (U, V) into a core."""
    if not isinstance(init, tuple | list) or len(init) != 2:
        raise TypeError("init must be the starting factors (U, V)")
    factors = [np.ascontiguousarray(factor, dtype=np.float64) for factor in init]
    for side, factor, rows in zip("UV", factors, shape, strict=True):
        if factor.shape != (rows, rank):
            raise ValueError(f"{side} of init must have shape {(rows, rank)}, got {factor.shape}")
        if not np.isfinite(factor).all():
            raise ValueError(f"{side} of init must be finite")
    return lambda core: core.set_factors(*factors)
