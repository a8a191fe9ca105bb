"""One fit: cells into a fresh core, starting factors, sweeps; and the choice of rank and regulariser, if it is left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pyalgo import _core
from pyalgo.completion.inputs import Cells
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
from pyalgo.completion.sweeps import Callback, Stopping, Sweep, sweep_until_settled

__all__ = ["Fit", "Fitted", "default_reg", "given_factors", "stopping"]

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


def given_factors(init: Any, rank: int, shape: tuple[int, int]) -> Start:
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
