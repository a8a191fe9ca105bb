"""How far predictions may be off: the noise of the data, measured where the model has not learned."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from pyalgo import _core

__all__ = ["noise_level"]

_COVERAGE = 0.9
_Z = NormalDist().inv_cdf((1 + _COVERAGE) / 2)
_LEAST_LEFT = 0.7  # share of the degrees of freedom: of fits that used up more, intervals covered less than 85 percent
_ENOUGH = 100  # validation cells to calibrate by: the coverage is then within 3 percent, one standard error


def noise_level(core: _core.Completion, threads: int) -> float:
    """Standard deviation of a cell's noise, so that ``noise * sqrt(1 + row_share + col_share)`` is that of a prediction.

    By validation cells, if there are enough: the level at which the 90 % interval holds 90 % of them. Else by the training
    error and the degrees of freedom that the fit used up, which is refused where it took in too much of the noise.
    """
    if core.n_validation >= _ENOUGH:
        rows, cols, values, weights = core.cells(True)
        row_share, col_share = core.leverage(rows, cols, threads)
        off = np.abs(values - core.predict(rows, cols, threads)) * np.sqrt(weights / (1 + row_share + col_share))
        off = off[np.isfinite(row_share + col_share)]  # of the others nothing is known, which has no scale
        if len(off) >= _ENOUGH:
            rank = min(math.ceil(_COVERAGE * (len(off) + 1)), len(off))  # of a further cell, not of these
            return float(np.partition(off, rank - 1)[rank - 1]) / _Z
    count = core.n_cells
    left = count - core.degrees_of_freedom(threads)
    if left < _LEAST_LEFT * count or count == 0:
        raise ValueError(
            f"the fit used up all but {max(left, 0):,.1f} of {count:,} degrees of freedom, so its error does not tell the "
            f"noise: hold out cells for validation (at least {_ENOUGH}, say validation=0.1), lower the rank or raise reg"
        )
    rmse, _, _ = core.diagnose(threads)["train"]
    return float(rmse * math.sqrt(count / left))
