"""How far predictions may be off: the noise of the data, measured where the model has not learned."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from pyalgo import _core

__all__ = ["noise_level"]

_COVERAGE = 0.9
_Z = NormalDist().inv_cdf((1 + _COVERAGE) / 2)
_ENOUGH = 100  # validation cells to calibrate by: the coverage is then within 3 percent, one standard error


def noise_level(core: _core.Completion, threads: int) -> float:
    """Standard deviation of a cell's noise, so that ``noise * sqrt(1 + row_share + col_share)`` is that of a prediction.

    By validation cells, if there are enough: the level at which the 90 % interval holds 90 % of them. Else by the training
    error and the degrees of freedom that the fit used up, which is refused where hardly any are left.
    """
    if core.n_validation >= _ENOUGH:
        rows, cols, values, weights = core.cells(True)
        row_share, col_share = core.leverage(rows, cols, threads)
        off = np.abs(values - core.predict(rows, cols, threads)) / np.sqrt(1 + row_share + col_share)
        if weights is not None:
            off = off * np.sqrt(weights)
        rank = min(math.ceil(_COVERAGE * (len(off) + 1)), len(off))  # of a further cell, not of these
        return float(np.partition(off, rank - 1)[rank - 1]) / _Z
    count = core.n_cells
    left = count - core.degrees_of_freedom(threads)
    if left < 0.05 * count or count == 0:
        raise ValueError(
            f"{count:,} cells leave {max(left, 0):,.1f} degrees of freedom, too few to tell noise from signal: hold cells "
            f"out for validation (at least {_ENOUGH}, say validation=0.1), lower the rank or raise reg"
        )
    rmse, _, _ = core.diagnose(threads)["train"]
    return float(rmse * math.sqrt(count / left))
