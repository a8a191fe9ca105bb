"""What others would use for low-rank completion, each at its best on one thread.

A peer is a function ``peer(split, k, ...) -> fit``: what can be converted ahead is, ``fit(sweeps)`` is what is timed and
returns the model. None has a call for a single sweep, so two fits are timed and their difference is divided: `per_sweep`.
"""

from __future__ import annotations

import ctypes
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from completion_data import Cells, Split
from gate import cpu_seconds
from native_peers import compiled
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from threadpoolctl import threadpool_limits


class Model(NamedTuple):
    u: NDArray[np.floating]
    v: NDArray[np.floating]
    row_bias: NDArray[np.floating] | float = 0.0
    col_bias: NDArray[np.floating] | float = 0.0
    mean: float = 0.0

    def rmse(self, cells: Cells) -> float:
        rows, cols = cells.rows, cells.cols
        guesses = self.mean + np.einsum("ij,ij->i", self.u[rows], self.v[cols], dtype=np.float64)
        guesses += np.broadcast_to(self.row_bias, len(self.u))[rows] + np.broadcast_to(self.col_bias, len(self.v))[cols]
        return float(np.sqrt(np.mean((guesses - cells.values) ** 2)))


Fit = Callable[[int], Model]


def per_sweep(fit: Fit, few: int = 1, many: int = 5) -> float:
    """CPU seconds of a sweep, without what a fit costs once."""
    short = cpu_seconds(lambda: fit(few))
    return (cpu_seconds(lambda: fit(many)) - short) / (many - few)


# --- Alternating least squares in fifty plain lines


@functools.cache
def _naive() -> Callable[..., None]:
    """`naive_als.cpp` for this very machine: some compilers' code for short loops is a third faster than numba's."""
    solve_rows = compiled(Path(__file__).with_name("naive_als.cpp")).solve_rows
    array = ctypes.c_void_p
    solve_rows.argtypes = [ctypes.c_int64, array, array, array, array, array, ctypes.c_int, ctypes.c_double]
    solve_rows.restype = None
    return solve_rows


def naive_als(split: Split, k: int, reg: float, *, seed: int = 0) -> Fit:
    """The reference: both orders of the cells, a Gram matrix by two loops, Cholesky by three. No bias, all of float64."""
    (m, n), (rows, cols, values) = split.shape, split.train
    by_row, by_col = (kind((values, (rows, cols)), shape=(m, n)) for kind in (csr_matrix, csc_matrix))
    offsets = [cells.indptr.astype(np.int64) for cells in (by_row, by_col)]
    solve_rows = _naive()

    def half(cells, indptr, fixed, solved) -> None:
        arrays = [array.ctypes.data for array in (indptr, cells.indices, cells.data, fixed, solved)]
        solve_rows(len(solved), *arrays, k, reg)

    def fit(sweeps: int) -> Model:
        u, v = np.zeros((m, k)), np.random.default_rng(seed).normal(size=(n, k)) / np.sqrt(k)
        for _ in range(sweeps):
            half(by_row, offsets[0], v, u)
            half(by_col, offsets[1], u, v)
        return Model(u, v)

    return fit


# --- The libraries


def cmfrec_als(
    split: Split, k: int, reg: float, *, bias: bool = False, cg: bool = False, single: bool = False, seed: int = 1
) -> Fit:
    """cmfrec's ALS, without what it does besides: no tables for later predictions, no dictionaries of names."""
    import cmfrec

    (m, n), (rows, cols, values) = split.shape, split.train
    cells = coo_matrix((values, (rows.astype(np.int32), cols.astype(np.int32))), shape=(m, n))
    # What cmfrec 3.5.1 has for rows and columns without cells was never written, and may be any number.
    known = np.bincount(rows, minlength=m) > 0, np.bincount(cols, minlength=n) > 0

    def fit(sweeps: int) -> Model:
        with threadpool_limits(1):
            model = cmfrec.CMF(
                k=k,
                lambda_=reg,
                niter=sweeps,
                use_cg=cg,
                finalize_chol=False,
                user_bias=bias,
                item_bias=bias,
                center=bias,
                use_float=single,
                nthreads=1,
                random_state=seed,
                precompute_for_predictions=False,
                produce_dicts=False,
                handle_interrupt=False,
                verbose=False,
            ).fit(cells)
        model.A_[~known[0]], model.B_[~known[1]] = 0, 0
        biases = (model.user_bias_, model.item_bias_) if bias else (0.0, 0.0)
        return Model(model.A_, model.B_, *biases, model.glob_mean_ if bias else 0.0)

    return fit


def cornac_sgd(split: Split, k: int, *, rate: float = 0.01, reg: float = 0.06, seed: int = 0) -> Fit:
    """cornac's matrix factorisation with biases by stochastic gradient descent, float32: a sweep is an epoch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cornac.models.mf import backend_cpu

    (m, n), (rows, cols, values) = split.shape, split.train
    order = np.random.default_rng(seed).permutation(len(values))
    rows, cols, singles = rows[order], cols[order], values[order].astype(np.float32)
    mean = float(values.mean())

    def fit(epochs: int) -> Model:
        rng = np.random.default_rng(seed)
        u, v = (rng.normal(scale=0.01, size=(size, k)).astype(np.float32) for size in (m, n))
        row_bias, col_bias = np.zeros(m, np.float32), np.zeros(n, np.float32)
        with threadpool_limits(1):
            backend_cpu.fit_sgd(
                rows, cols, singles, u, v, row_bias, col_bias, rate, reg, mean, epochs, 1, True, False, False
            )
        return Model(u, v, row_bias, col_bias, mean)

    return fit


def implicit_als(split: Split, k: int, reg: float, *, cg: bool = True, seed: int = 0) -> Fit:
    """implicit's ALS: cells are confidences and all others are zeros, another problem, so only its time may be compared."""
    from implicit.cpu.als import AlternatingLeastSquares

    (m, n), (rows, cols, values) = split.shape, split.train
    cells = csr_matrix((values.astype(np.float32), (rows, cols)), shape=(m, n))

    def fit(sweeps: int) -> Model:
        with threadpool_limits(1):
            model = AlternatingLeastSquares(
                factors=k, regularization=reg, use_cg=cg, iterations=sweeps, num_threads=1, random_state=seed
            )
            model.fit(cells, show_progress=False)
        return Model(model.user_factors, model.item_factors)

    return fit
