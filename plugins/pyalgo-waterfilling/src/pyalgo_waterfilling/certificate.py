"""When iterative water-filling converges, and how far from the equilibrium it is: bounds that hold, not estimates.

S_ij is the greatest gain of the interference of j at i over the carriers that both may use, S_ii = 0. Water-filling is a
projection, so ||WF_i(p) - WF_i(q)|| <= sum_j S_ij ||p_j - q_j||, and the spectral radius rho(S) < 1 makes all of this hold.
Everything is sums and products of numbers that are not negative: no cancellation, and `_slack` covers the round-off.

Scutari, Palomar, Barbarossa: "Asynchronous Iterative Water-Filling for Gaussian Frequency-Selective Interference Channels",
2008; Wang: "Convergence of Iterative Water-Filling in Multi-User Non-Cooperative Power Control", 2025, arXiv 2502.15783.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Certificate", "certify", "error_bound", "max_users", "scale_to_certify", "spectral_bounds"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """What is known of a game before it is played.

    Attributes
    ----------
    holds : bool
        C1, ``rho_upper < 1``: one equilibrium, and every schedule converges to it from everywhere. If not, nothing follows.
    rho_lower, rho_upper : float
        Bounds on the spectral radius of S.
    rate : float
        ``1 - alpha + alpha * r`` with ``r = max(S @ perron / perron)``: what one update of everyone leaves of
        ``max_i e_i / perron_i`` at most; of a simultaneous step, and of a macro-cycle of an asynchronous schedule.
    row_dominance, col_dominance : float
        C2 and C3: ``max_i sum_j S_ij w_j / w_i``, and that of the transpose; below 1 either implies C1.
    sequential_rho : float
        C4: upper bound on the rate of updates one after the other, at most `rho_upper` where C1 holds.
    perron : array (Q,)
        Positive weights of the norm in which `rate` holds.
    margin : float
        Largest relative error of all gains at once that keeps C1: ``1 / rho_upper - 1``, less than 0 where it does not hold.
    coupling : array (Q, Q)
        S, with the uncertainty of the gains if one was given.
    """

    holds: bool
    rho_lower: float
    rho_upper: float
    rate: float
    row_dominance: float
    col_dominance: float
    sequential_rho: float
    perron: Matrix
    margin: float
    coupling: Matrix


def certify(
    coupling: Matrix, *, weights: ArrayLike | None = None, order: Sequence[int] | None = None, alpha: float = 1.0
) -> Certificate:
    n = len(coupling)
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    if w.shape != (n,) or not ((w > 0) & (w < np.inf)).all():
        raise ValueError(f"weights must be {n} positive numbers, got {weights!r}")
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be above 0 and at most 1, got {alpha}")
    turn = np.arange(n) if order is None else np.asarray(order)
    if sorted(turn.tolist()) != list(range(n)):
        raise ValueError(f"order must name each of the {n} users once, got {order!r}")
    low, high = spectral_bounds(coupling)
    perron, r = norm_weights(coupling, high)
    sequential = spectral_bounds(gauss_seidel(coupling[np.ix_(turn, turn)]))[1]
    return Certificate(
        holds=high < 1,
        rho_lower=low,
        rho_upper=high,
        rate=1 - alpha + alpha * r,
        row_dominance=float((coupling @ w / w).max()) * _slack(n),
        col_dominance=float((coupling.T @ w / w).max()) * _slack(n),
        sequential_rho=sequential,
        perron=perron,
        margin=1 / high - 1 if high > 0 else math.inf,
        coupling=coupling,
    )


def spectral_bounds(s: Matrix) -> tuple[float, float]:
    """Collatz and Wielandt: for positive x the least and the greatest of (S x)_i / x_i enclose rho(S) where S is irreducible.

    x comes from squaring S + sigma I, which converges however close the second eigenvalue is; a reducible S is taken apart into
    its strongly connected components.
    """
    low = high = 0.0
    for part in components(s):
        block = s[np.ix_(part, part)]
        _, below, above = _perron(block)
        low, high = max(low, below), max(high, above)
    return low, high


def components(s: Matrix) -> list[NDArray[np.int64]]:
    """Users that reach one another, by squaring the relation."""
    reach = (s > 0) | np.eye(len(s), dtype=bool)
    for _ in range(max(1, math.ceil(math.log2(len(s))))):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    mutual = reach & reach.T
    first = mutual.argmax(axis=1)
    return [np.flatnonzero(first == i) for i in np.unique(first)]


def _perron(s: Matrix) -> tuple[Matrix, float, float]:
    n = len(s)
    if n == 1:
        return np.ones(1), float(s[0, 0]), float(s[0, 0])
    best, low, high = np.ones(n), 0.0, math.inf
    m = s + np.eye(n) * float(s.sum()) / n
    for _ in range(60):
        m = m / m.max()
        x = m.sum(axis=1)
        if not (x > 0).all():  # underflow, with gains hundreds of orders of magnitude apart
            break
        ratios = s @ x / x
        low = max(low, float(ratios.min()) / _slack(n))
        if ratios.max() * _slack(n) < high:
            best, high = x / x.max(), float(ratios.max()) * _slack(n)
        if high <= low * _slack(n) ** 3:
            break
        m = m @ m
    if high == math.inf:
        high = float(s.sum(axis=1).max()) * _slack(n)
    return best, low, high


def norm_weights(s: Matrix, high: float) -> tuple[Matrix, float]:
    """Positive w, and r = max (S w) / w: the Perron vector, or where S is reducible one with r just above rho(S)."""
    w: NDArray[np.floating[Any]]
    if len(components(s)) == 1:
        w = _perron(s)[0]
    else:
        # w = (I - S / theta)^-1 1 has S w = theta (w - 1) < theta w for every theta above rho(S).
        theta = high + 1e-3 * (1 - high) if high < 1 else 1.001 * high
        w = np.linalg.solve(np.eye(len(s)) - s / theta, np.ones(len(s)))
        w = np.where(w > 0, w, 1.0)
    return w / w.max(), float((s @ w / w).max()) * _slack(len(s))


def gauss_seidel(s: Matrix) -> Matrix:
    """(I - L)^-1 U of S = L + U by substitution, which only adds and multiplies."""
    m = np.triu(s)
    for i in range(1, len(s)):
        m[i] += s[i, :i] @ m[:i]
    return m


def error_bound(s: Matrix, certificate: Certificate, change: Matrix) -> Matrix | None:
    """x >= (I - S)^-1 change: what each user's power is off the equilibrium's at most, for ||WF_i(p) - p_i|| <= change_i.

    A solution that round-off left short is lifted along `perron`, on which I - S is at least 1 - r. None without C1.
    """
    r = float((s @ certificate.perron / certificate.perron).max()) * _slack(len(s))
    if not certificate.holds or r >= 1:
        return None
    x = np.maximum(np.linalg.solve(np.eye(len(s)) - s, change), 0.0)
    short = np.maximum(change + s @ x * _slack(len(s)) - x, 0.0)
    return x + float((short / certificate.perron).max()) / (1 - r) * certificate.perron


def scale_to_certify(coupling: ArrayLike, rate: float = 1.0) -> float:
    """The largest factor on all interference with ``rho(factor * S) <= rate``, a little less for strictness."""
    high = spectral_bounds(np.asarray(coupling, float))[1]
    return rate / high * (1 - 1e-12) if high > 0 else math.inf


def max_users(
    pathloss: Callable[[Any], Any], density: float, link: float, *, peak: float = 1.0, limit: int = 100_000
) -> int:
    """How many users at `density` (users per unit area) C2 allows: ``sum_j max_k G_ij < 1``.

    The j-th nearest interferer is at the distance whose disc holds j users. `pathloss` maps distances to power gains,
    `link` is the distance of a user's own transmitter, and `peak` what the best carrier exceeds the pathloss by. At most
    `limit`, which is returned where the sum converges below 1.
    """
    if density <= 0 or link <= 0 or peak <= 0:
        raise ValueError(f"density, link and peak must be positive, got {density}, {link} and {peak}")
    distance = np.sqrt(np.arange(1, limit) / (math.pi * density))
    total = np.cumsum(peak * np.asarray(pathloss(distance)) / float(pathloss(link)))
    return 1 + int(np.searchsorted(total, 1.0))


def _slack(n: int) -> float:
    """What a sum of n products may be off by, relatively, with room."""
    return 1 + (n + 4) * 2.0**-51
