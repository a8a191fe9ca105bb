"""The normal equations of residue histograms, without a matrix: G = A^T W A + ridge I for A_j[r, x] = 1{x mod m_j = r}.

A_j z adds up the rows of z laid out with m_j columns, and A_j^T s lays s out again: contiguous additions, no modulo and no
gather. G depends on x - x' alone, so it is a symmetric Toeplitz matrix with g(d) = sum of the weights w_j whose m_j divides d
(+ ridge at d = 0), and all of its inverse is known from the first column y = G^-1 e_0 (Gohberg, Semencul 1972):

    G^-1[x, x + d] = 1/y_0 sum_{t <= x} (y_t y_{t+d} - y_{k-t} y_{k-t-d}),    y_k = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal

Floats = NDArray[np.float64]

CHUNK = 1024  # residues whose sums are made and used while they are in the first cache
TOLERANCE = 1e-10  # of the residual, relative to the right side's: far below the noise of any number of reports
MOST_STEPS = 10_000
SUMS = {"reassoc", "nsz", "arcp", "contract"}  # let sums be vectorised; infinities and NaN keep their meaning


def rank(moduli: Sequence[int], k: int) -> int:
    """Of A, for pairwise coprime moduli: min(k, 1 + sum(m_j - 1)).

    The rows of block j span the exponentials of the frequencies a/m_j over consecutive x. For coprime moduli only the
    frequency 0 is shared, so there are 1 + sum(m_j - 1) of them, and any k different ones are independent (Vandermonde).
    That prod(m_j) >= k, so that residues tell values apart, is far less.
    """
    return min(k, 1 + sum(m - 1 for m in moduli))


class Solution(NamedTuple):
    """x of G x = b, with the residual relative to b's, and the condition number that the steps showed."""

    x: Floats
    iterations: int
    residual: float
    kappa: float


@dataclass(frozen=True)
class NormalSystem:
    """G = sum_j w_j A_j^T A_j + ridge I on k values.

    Parameters
    ----------
    k : int
    moduli : int64[l]
        Pairwise coprime, of rank k.
    weights : float64[l]
        Positive.
    ridge : float

    Notes
    -----
    A product with G costs 2 k l additions, no memory. `solve` keeps three vectors: 24 k bytes, the solution included.
    Conjugate gradients are not preconditioned. A circulant preconditioner (T. Chan's) saves 3 to 10 % of the steps for moduli
    worth using, up to 30 % for bad ones, and its two transforms of length k cost several times as much as the product with G.
    """

    k: int
    moduli: NDArray[np.int64]
    weights: Floats
    ridge: float = 0.0

    def times(self, z: Floats) -> Floats:
        """G z."""
        out: Floats = self.ridge * z
        _subtract_product(self.moduli, self.weights, -1.0, z, out)
        return out

    def spread(self, block: int, s: Floats, out: Floats) -> None:
        """out += A_j^T s, s being as long as m_j."""
        _spread(int(self.moduli[block]), 1.0, s, out)

    def totals(self, block: int, z: Floats) -> Floats:
        """A_j z: sums of z by residue."""
        return _totals(int(self.moduli[block]), z)

    def solve(self, b: Floats, tolerance: float = TOLERANCE, most: int = MOST_STEPS) -> Solution:
        """Conjugate gradients from 0; `b` is used up: it ends as the residual."""
        x, steps = np.zeros(self.k), np.empty((2, min(most, MOST_STEPS)))
        done, residual = _conjugate_gradients(self.moduli, self.weights, self.ridge, b, x, tolerance, steps)
        return Solution(x, done, residual, _condition(steps[:, :done]))

    def first_column(self, tolerance: float = TOLERANCE, most: int = MOST_STEPS) -> Solution:
        """y = G^-1 e_0, from which `trace`, `diagonal` and all else of G^-1 follow."""
        e = np.zeros(self.k)
        e[0] = 1.0
        return self.solve(e, tolerance, most)


def trace(y: Floats) -> float:
    """tr(G^-1) = 1/y_0 sum_i (k - 2 i) y_i^2."""
    return float(_trace(y))


def diagonal(y: Floats) -> Floats:
    """The diagonal of G^-1, in O(k)."""
    back = np.zeros_like(y)
    back[1:] = y[:0:-1]
    np.multiply(back, back, out=back)
    np.subtract(y * y, back, out=back)
    np.cumsum(back, out=back)
    back /= y[0]
    return back


def _condition(steps: Floats) -> float:
    """Largest over smallest eigenvalue of the Lanczos matrix that conjugate gradients make of their steps; infinite where
    rounding has made the smallest one negative."""
    alpha, beta = steps
    if alpha.size == 0:
        return 1.0
    main = 1.0 / alpha
    main[1:] += beta[:-1] / alpha[:-1]
    values = eigvalsh_tridiagonal(main, np.sqrt(beta[:-1]) / alpha[:-1]) if alpha.size > 1 else main
    return float(values[-1] / values[0]) if values[0] > 0 else math.inf


@njit(cache=True, error_model="numpy")
def _add_up(m, z, at, sums):
    """sums[i] = z[at + i] + z[at + i + m] + ...: residues at ... at + len(sums) - 1, all of them below m."""
    sums[:] = 0.0
    for begin in range(at, z.size, m):
        part = z[begin : begin + sums.size]
        for i in range(part.size):
            sums[i] += part[i]


@njit(cache=True, error_model="numpy", fastmath=SUMS)
def _square(moduli, weights, z):
    """z^T A^T W A z."""
    total = 0.0
    buffer = np.empty(CHUNK)
    for j in range(moduli.size):
        square = 0.0
        end = min(moduli[j], z.size)
        for at in range(0, end, CHUNK):
            sums = buffer[: min(CHUNK, end - at)]
            _add_up(moduli[j], z, at, sums)
            for i in range(sums.size):
                square += sums[i] * sums[i]
        total += weights[j] * square
    return total


@njit(cache=True, error_model="numpy")
def _subtract_product(moduli, weights, scale, z, out):
    """out -= scale A^T W A z."""
    buffer = np.empty(CHUNK)
    for j in range(moduli.size):
        m, end = moduli[j], min(moduli[j], z.size)
        factor = scale * weights[j]
        for at in range(0, end, CHUNK):
            sums = buffer[: min(CHUNK, end - at)]
            _add_up(m, z, at, sums)
            for i in range(sums.size):
                sums[i] *= factor
            for begin in range(at, z.size, m):
                part = out[begin : begin + sums.size]
                for i in range(part.size):
                    part[i] -= sums[i]


@njit(cache=True, error_model="numpy")
def _totals(m, z):
    sums = np.zeros(m)
    end = min(m, z.size)
    for at in range(0, end, CHUNK):
        _add_up(m, z, at, sums[at : min(at + CHUNK, end)])
    return sums


@njit(cache=True, error_model="numpy")
def _spread(m, scale, s, out):
    for begin in range(0, out.size, m):
        part = out[begin : begin + m]
        for i in range(part.size):
            part[i] += scale * s[i]


@njit(cache=True, error_model="numpy", fastmath=SUMS)
def _dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(cache=True, error_model="numpy")
def _conjugate_gradients(moduli, weights, ridge, r, x, tolerance, steps):
    """Sums by residue are made twice a step, for the step's length and for the residual, instead of keeping G p."""
    p = r.copy()
    square = _dot(r, r)
    goal = tolerance * tolerance * square
    first, done = square, 0
    while square > goal and done < steps.shape[1]:
        alpha = square / (_square(moduli, weights, p) + ridge * _dot(p, p))
        for i in range(x.size):
            x[i] += alpha * p[i]
        _subtract_product(moduli, weights, alpha, p, r)
        if ridge > 0.0:
            for i in range(x.size):
                r[i] -= alpha * ridge * p[i]
        before, square = square, _dot(r, r)
        beta = square / before
        for i in range(x.size):
            p[i] = r[i] + beta * p[i]
        steps[0, done], steps[1, done] = alpha, beta
        done += 1
    return done, np.sqrt(square / first) if first > 0.0 else 0.0


@njit(cache=True, error_model="numpy", fastmath=SUMS)
def _trace(y):
    k, total = y.size, 0.0
    for i in range(k):
        total += (k - 2 * i) * y[i] * y[i]
    return total / y[0]
