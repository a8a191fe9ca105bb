"""What a model can be asked about the cells: predictions with their spread, the best of a row, rows that come later."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo.completion.inputs import extent, read_cells, read_places
from pyalgo.completion.result import Recommendations
from pyalgo.completion.state import State
from pyalgo.errors import at_row
from pyalgo.parameters import read_flag, read_integer

__all__ = ["Predictor"]

_BLOCK = 2**20  # cells that `complete` predicts at a time


class Predictor:
    """The questions that change nothing, put to the state that a subclass keeps."""

    _state: State

    def _threads(self) -> int:
        raise NotImplementedError

    def predict(self, rows: Any, cols: Any, *, return_std: bool = False) -> Any:
        """What the cells hold, by the model.

        Parameters
        ----------
        rows, cols : integers
            The cells, equally many of each.
        return_std : bool
            Also the standard deviation of what will be observed there, noise included: prediction plus and minus 1.645 of it
            covers 90 percent. Calibrated on the validation cells where there are 100, so that it does for them.

        Raises
        ------
        ValueError
            With `return_std`, where neither validation cells nor degrees of freedom tell how large the noise is.
        """
        places = read_places(rows, cols)
        predicted = self._state.core.predict(*places, self._threads())
        if not return_std:
            return predicted
        noise = self._state.noise(self._threads())
        row_share, col_share = self._state.core.leverage(*places, self._threads())
        return predicted, noise * np.sqrt(1 + row_share + col_share)

    def predict_row(self, row: int) -> NDArray[np.float64]:
        """All of one row, by the model."""
        n_cols = self._state.core.n_cols
        index, _ = read_places([row], [0])
        predicted: NDArray[np.float64] = self._state.core.predict(
            np.full(n_cols, index[0]), np.arange(n_cols), self._threads()
        )
        return predicted

    def complete(self) -> NDArray[np.float64]:
        """The whole matrix: what was observed, and predictions in the gaps. Takes rows times columns numbers."""
        m, n = self._state.core.n_rows, self._state.core.n_cols
        full = np.empty((m, n))
        step = max(1, _BLOCK // max(n, 1))
        for begin in range(0, m, step):
            rows = np.arange(begin, min(begin + step, m))
            predicted = self._state.core.predict(np.repeat(rows, n), np.tile(np.arange(n), len(rows)), self._threads())
            full[rows] = predicted.reshape(len(rows), n)
        for held in (False, True):
            at_rows, at_cols, values, _ = self._state.core.cells(held)
            full[at_rows, at_cols] = values
        return full

    def recommend(self, rows: Any, n: int = 10, *, exclude_seen: bool = True) -> Recommendations:
        """The columns with the largest predictions.

        Parameters
        ----------
        rows : int or integers
            Of one row the answer has one dimension, of several two.
        n : int
            How many; -1 (with a score of NaN) stands where there are fewer.
        exclude_seen : bool
            Leave out the cells that were observed.
        """
        single = np.ndim(rows) == 0
        wanted, _ = read_places([rows] if single else rows, np.zeros(1 if single else len(rows), np.int64))
        count = read_integer("n", n, 0, 2**31 - 1)
        found = self._state.core.recommend(wanted, count, read_flag("exclude_seen", exclude_seen), self._threads())
        return Recommendations(*(part[0] for part in found)) if single else Recommendations(*found)

    def solve_rows(self, X: Any, *, return_bias: bool = False) -> Any:  # noqa: N803
        """Factors of further rows, with those of the columns fixed; the model is unchanged.

        Parameters
        ----------
        X : sparse matrix, array or tuple (rows, cols, values)
            Cells of the rows, as in `fit`, for the columns of the model; rows are numbered from 0.
        return_bias : bool
            Also the rows' biases. Row r holds ``mean + bias[r] + col_bias + factors[r] @ V.T``.
        """
        cells = read_cells("X", X)
        count, n_cols = extent(cells)
        if cells.shape is not None and n_cols != self._state.core.n_cols:
            raise ValueError(f"X has {n_cols} columns, the model {self._state.core.n_cols}")
        order = np.argsort(cells.rows, kind="stable")
        if len(order) and cells.rows[order[0]] < 0:
            first = int(order[0])
            raise at_row(ValueError(f"row {first}: rows count from 0, got {cells.rows[first]}"), first)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(cells.rows, minlength=count))])
        factors, biases = self._state.core.fold_in(
            offsets, cells.cols[order], cells.values[order], self._state.settings["rank"], self._threads()
        )
        return (factors, biases) if return_bias else factors

    def score(self, rows: Any, cols: Any, values: Any) -> float:
        """Root mean square error of the predictions for these cells."""
        cells = read_cells("cells", (rows, cols, values))
        if not len(cells.values):
            raise ValueError("there are no cells to score")
        off = self._state.core.predict(cells.rows, cells.cols, self._threads()) - cells.values
        return float(np.sqrt(np.mean(off**2)))
