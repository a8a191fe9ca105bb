"""Rank and regulariser by the validation error: ``rank="auto"`` and ``reg="auto"``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from pyalgo.completion.result import Candidate

__all__ = ["Trial", "select"]

_T = TypeVar("_T")
_GRID = tuple(3.0 ** (power / 2) for power in range(-2, 3))  # of the default regulariser
_BEYOND = (0.1, 3.0)  # and on by these factors where the least, or the largest, of the grid is the best
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
        """The grid, and beyond it as long as that pays: data without noise want next to none."""
        grid = [self.attempt(rank, factor * default_reg) for factor in _GRID]
        errors = list(grid)
        for end, factor in zip((0, -1), _BEYOND, strict=True):
            reg, least = _GRID[end] * default_reg, grid[end]
            for _ in _GRID:
                if least > min(errors):
                    break
                reg *= factor
                errors.append(self.attempt(rank, reg))
                if not errors[-1] < _WORTH_IT * least:
                    break
                least = errors[-1]
