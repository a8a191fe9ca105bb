"""What a model answers: the state with its certificate, and the warnings that belong to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidate", "CompletionState", "CompletionWarning", "Recommendations", "doubts"]


class CompletionWarning(UserWarning):
    """The observed cells do not determine the matrix."""


class Candidate(NamedTuple):
    """A rank and regulariser that were tried, and the validation RMSE they reached."""

    rank: int
    reg: float
    valid_rmse: float


class Recommendations(NamedTuple):
    """The best columns of each row, the best first; -1 with a score of NaN where there are no more."""

    cols: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class CompletionState:
    """The model now: entry (i, j) is ``mean + row_bias[i] + col_bias[j] + U[i] @ V[j]``. Arrays are read-only.

    Attributes
    ----------
    U, V : arrays of float64, shape (rows, rank) and (columns, rank)
        The factors; empty if they were not asked for.
    row_bias, col_bias : arrays of float64
        Zeros where the model has none.
    mean : float
        What is taken off all values first.
    train_rmse, train_rmse_se : float
        Root mean square error on the cells that are fitted, and its standard error.
    valid_rmse, valid_rmse_se : float
        The same on the `n_validation` cells that are held out; NaN if there are none.
    ahead_rmse, ahead_rmse_se : float
        The same of predictions made before each cell was learned, since the last sweep: what a stream sees.
    n_obs, n_validation : int
        Cells that are fitted, and held out.
    sweeps : int
        Since the starting factors.
    staleness : float
        The share of the cells that came, changed or went since the last sweep.
    sampling : dict
        What the cells say about whether they determine a matrix: `p` (share of the matrix that was seen), least and largest
        number of cells of a row and of a column, `rows_underdetermined` and `cols_underdetermined` (fewer cells than
        unknowns), `components` of the graph of rows and columns (an empty row or column counts as one), and of the factors
        `mu_hat` (incoherence) and `kappa_hat` (condition).
    warnings : tuple of str
        Why the completion is not determined by the cells, if it is not.
    selection_path : tuple of Candidate
        What was tried with ``rank="auto"`` or ``reg="auto"``.
    shape : tuple of int
    """

    U: NDArray[np.float64]
    V: NDArray[np.float64]
    row_bias: NDArray[np.float64]
    col_bias: NDArray[np.float64]
    mean: float
    train_rmse: float
    train_rmse_se: float
    valid_rmse: float
    valid_rmse_se: float
    ahead_rmse: float
    ahead_rmse_se: float
    n_obs: int
    n_validation: int
    sweeps: int
    staleness: float
    sampling: dict[str, Any]
    warnings: tuple[str, ...]
    selection_path: tuple[Candidate, ...]
    shape: tuple[int, int]

    def __str__(self) -> str:
        errors = [f"training {_shown(self.train_rmse, self.train_rmse_se)} on {self.n_obs:,} cells"]
        if self.n_validation:
            errors.append(f"held out {_shown(self.valid_rmse, self.valid_rmse_se)} on {self.n_validation:,}")
        if math.isfinite(self.ahead_rmse):
            errors.append(f"ahead {_shown(self.ahead_rmse, self.ahead_rmse_se)}")
        text = (
            f"{self.shape[0]:,} x {self.shape[1]:,} after {self.sweeps} sweeps: RMSE {', '.join(errors)}; "
            f"{self.staleness:.1%} stale"
        )
        return "".join([text, *(f"\n  {warning}" for warning in self.warnings)])


def _shown(value: float, error: float) -> str:
    return f"{value:.4g}" if not math.isfinite(error) else f"{value:.4g} ± {error:.2g}"


def doubts(sampling: Mapping[str, Any], reg: float) -> tuple[str, ...]:
    """Why these cells do not determine a matrix; nothing if they may."""
    found = []
    if reg == 0:
        for side in ("rows", "cols"):
            count = sampling[f"{side}_underdetermined"]
            if count:
                found.append(f"{count:,} {side} have fewer cells than unknowns: lower the rank or give reg above 0")
    if sampling["components"] > 1:
        found.append(
            f"the cells fall into {sampling['components']:,} components that share neither rows nor columns (empty ones "
            "count): between them the completion is arbitrary"
        )
    return tuple(found)
