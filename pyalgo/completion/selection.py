"""Rank and regulariser by the validation error: ``rank="auto"`` and ``reg="auto"``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from pyalgo.completion.result import Candidate

__all__ = ["Trial", "select"]

_T = TypeVar("_T")
_GRID = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the default regulariser
_LOWER = 0.1  # and on by this factor, where the least of the grid is the best
_WORTH_IT = 0.99  # a step goes on if it takes the error below this share of the best before


class Trial(NamedTuple, Generic[_T]):
    """A trained model, what it is and reached, and whether it was the last one wanted."""

    model: _T
    candidate: Candidate
    last: bool


def select(
    train: Callable[[int, float], Trial[_T]], ranks: Sequence[int], regs: Sequence[float] | None, default_reg: float
) -> tuple[_T, tuple[Candidate, ...]]:
    """The model of the least validation RMSE, and what was tried.

    Parameters
    ----------
    train : callable
        Trains with a rank and a regulariser.
    ranks : sequence of int
        In rising order, tried as long as the error falls by more than one percent.
    regs : sequence of float or None
        The regulariser as its only candidate; None for the grid, anew for every rank, as the two go together.
    """
    search = _Search(train)
    least = float("inf")
    for rank in ranks:
        if regs is None:
            search.over_grid(rank, default_reg)
        else:
            for reg in regs:
                search.attempt(rank, reg)
        assert search.best is not None
        now = search.best.candidate.valid_rmse
        if search.over or not now < _WORTH_IT * least:
            break
        least = now
    assert search.best is not None
    return search.best.model, tuple(search.path)


class _Search(Generic[_T]):
    """The best so far, and the way there."""

    def __init__(self, train: Callable[[int, float], Trial[_T]]) -> None:
        self._train = train
        self.path: list[Candidate] = []
        self.best: Trial[_T] | None = None
        self.over = False

    def attempt(self, rank: int, reg: float) -> float:
        """The error, without a new model if none is wanted any more."""
        if self.over:
            return float("inf")
        trial = self._train(rank, reg)
        self.path.append(trial.candidate)
        self.over = trial.last
        error = trial.candidate.valid_rmse
        if self.best is None or error < self.best.candidate.valid_rmse:
            self.best = trial
        return error

    def over_grid(self, rank: int, default_reg: float) -> None:
        """The grid, and below it as long as that pays: data without noise want next to none."""
        errors = [self.attempt(rank, factor * default_reg) for factor in _GRID]
        reg, least = _GRID[0] * default_reg, errors[0]
        for _ in _GRID:
            if least > min(errors):
                break
            reg *= _LOWER
            error = self.attempt(rank, reg)
            if not error < _WORTH_IT * least:
                break
            least = error
            errors.append(error)
