"""How far off the estimates of modular subset selection are: the exact covariance, and each value's standard error quickly.

In block j, with n_j reports, residue marginal g, d = p - q, and h_a = q + d g_a, a report has both of a != b with probability
t2 + (t1 - t2)(g_a + g_b), t1 for another residue together with the true one, t2 for two others. So the covariance of s_j is

    1/(n_j d^2) [ diag(alpha) + (t2 - q^2) 1 1^T + (t1 - t2 - q d)(g 1^T + 1 g^T) - d^2 g g^T ],
    alpha_a = (q - t2) + (d - 2 (t1 - t2)) g_a,

and that of the estimates is the sum over blocks of B_j Cov(s_j) B_j^T, B_j = G^-1 A_j^T w_j. Users are a sample of a population
whose frequencies are estimated; around the frequencies of the very users, (diag(f) - f f^T) / n is to be taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pyalgo_privacy.errors import IdentifiabilityError
from pyalgo_privacy.mss import require_rank
from pyalgo_privacy.residues import SUMS, NormalSystem, Solution, trace

if TYPE_CHECKING:
    from pyalgo_privacy.mss import MSS
    from pyalgo_privacy.subset import SubsetDesign

Floats = NDArray[np.float64]

EXACT = 1024  # values up to which all of G^-1 is gone through for the standard errors
ROUGH = 1e-7  # tolerance for G^-1 e_0: six digits of the standard errors
WORST_CONDITION = 1e9  # moduli worth using have 5 to 500


def system_of(oracle: MSS, n: NDArray[Any]) -> NormalSystem:
    """The normal equations for n_j reports of block j, each weighted by one over the mean variance of its residues.

    With h = omega / m, not with the q of a residue that nobody has, the trace of G^-1 is the mean squared error whatever the
    frequencies are, but for what the variance of a few common values lacks. The two differ where 1 / m is not far below q.
    """
    weights = np.asarray(n, float) * [design.information for design in oracle.designs]
    return NormalSystem(oracle.k, np.array(oracle.moduli, np.int64), weights, oracle.ridge)


def estimate(oracle: MSS, counts: NDArray[Any], n: NDArray[Any]) -> tuple[Floats, Floats, int, float]:
    """(frequencies, standard errors, iterations, residual).

    Blocks without reports take no part. While those that have some do not tell all frequencies, as at the beginning of a
    stream, nothing is known: frequencies are NaN, and standard errors infinite.
    """
    seen = np.flatnonzero(n)
    system = _restricted(system_of(oracle, n), seen)
    try:
        require_rank([oracle.moduli[j] for j in seen], oracle.k)
        y = first_column(system)
    except IdentifiabilityError:
        if len(seen) == len(n):
            raise
        return np.full(oracle.k, np.nan), np.full(oracle.k, np.inf), 0, 0.0
    solution = system.solve(_right_side(oracle, system, counts, n, seen))
    variances = _variances(system, [oracle.designs[j] for j in seen], n[seen], y.x, solution.x)
    return solution.x, np.sqrt(variances, out=variances), solution.iterations + y.iterations, solution.residual


def first_column(system: NormalSystem) -> Solution:
    """G^-1 e_0; `IdentifiabilityError` where G is so badly conditioned that rounding would decide about it."""
    y = system.first_column(ROUGH)
    if y.residual > ROUGH or y.kappa > WORST_CONDITION:
        raise IdentifiabilityError(
            f"moduli {system.moduli.tolist()} tell k = {system.k} frequencies in exact arithmetic alone: the condition number is "
            f"{y.kappa:.1g}, and must be at most {WORST_CONDITION:.1g}. Take larger moduli or more of them, or a ridge"
        )
    return y


def _right_side(
    oracle: MSS, system: NormalSystem, counts: NDArray[Any], n: NDArray[Any], seen: NDArray[np.int64]
) -> Floats:
    """A^T W s."""
    ends, b = [*accumulate(oracle.moduli)], np.zeros(oracle.k)
    for i, j in enumerate(seen):
        design = oracle.designs[j]
        s = counts[ends[j] - design.m : ends[j]] / n[j] - design.q
        s *= system.weights[i] / (design.p - design.q)
        system.spread(i, s, b)
    return b


def _restricted(system: NormalSystem, blocks: NDArray[np.int64]) -> NormalSystem:
    return NormalSystem(system.k, system.moduli[blocks], system.weights[blocks], system.ridge)


def item_variances(oracle: MSS, n: NDArray[Any], f: Floats) -> Floats:
    """The variance of every value's estimate, where the frequencies are `f`; with ridge > 0, bias comes on top.

    Notes
    -----
    Up to k = 1024 exact, in O(k^2 l): rows of G^-1 follow from one another. Beyond that in O(k l), from the diagonal of G^-1 and
    from b_j(x) = (B_j A_j)[x, x], which is how much the estimate of x takes from its own residue in block j. With gamma the
    marginal of that residue, and E_j(x) = (B_j B_j^T)[x, x], x has about the variance

        sum_j 1/(n_j d^2) [ (q - t2) E_j + (d - 2 (t1 - t2)) (b_j^2 gamma + (E_j - b_j^2)(1 - gamma)/(m_j - 1))
                            + (t2 - q^2) u_j^2 + 2 (t1 - t2 - q d) u_j b_j gamma - d^2 b_j^2 gamma^2 ].

    So a heavy value is accounted for, and what it does to those that share a residue with it. Approximate: the shares of blocks
    in the diagonal, E_j / w_j ~ b_j G^-1[x, x], whose sum is exact; the other residues, taken to be even; and
    u_j = B_j 1 ~ w_j / sum_i(w_i k / m_i).
    """
    system = system_of(oracle, n)
    return _variances(system, oracle.designs, n, first_column(system).x, f)


def mean_variance(oracle: MSS, n: NDArray[Any], f: float = 0.0) -> float:
    """The mean over values of the variance of one with frequency f, all others being equally frequent; as beyond k = 1024."""
    system = system_of(oracle, n)
    y, k = first_column(system).x, oracle.k
    shared = [(1 - f) * max(k / design.m - 1, 0) / (k - 1) for design in oracle.designs]
    even = [np.full(design.m, f + others) for design, others in zip(oracle.designs, shared, strict=True)]
    return float(np.mean(_variances_at(system, oracle.designs, n, y, even.__getitem__)))


def predicted_mse(oracle: MSS, n: float = 1.0) -> float:
    """tr(G^-1) / k for n reports: the mean squared error of a histogram without common values."""
    return trace(system_of(oracle, n * np.array(oracle.shares)).first_column().x) / oracle.k


def _variances(system: NormalSystem, designs: Any, n: NDArray[Any], y: Floats, f: Floats) -> Floats:
    def marginal(j: int) -> Floats:
        totals = system.totals(j, f)
        return np.clip(totals, 0, 1, out=totals)

    if system.k > EXACT:
        return _variances_at(system, designs, n, y, marginal)
    out, marginals = np.zeros(system.k), np.concatenate([marginal(j) for j in range(len(designs))])
    _add_exact(system.moduli, _moments(system, designs, n), marginals, y, out)
    return out


def _moments(system: NormalSystem, designs: Any, n: NDArray[Any]) -> Floats:
    """A row a block: factors of sum B^2, sum B^2 g, (sum B)^2, sum B sum B g and (sum B g)^2 in the variance, B without w_j."""
    rows = []
    for design, reports, weight in zip(designs, n, system.weights, strict=True):
        p, q, t1, t2 = design.p, design.q, design.pairs, design.other_pairs
        d = p - q
        terms = np.array([q - t2, d - 2 * (t1 - t2), t2 - q * q, 2 * (t1 - t2 - q * d), -d * d])
        rows.append(terms * weight**2 / (reports * d * d))
    return np.array(rows)


@njit(cache=True, error_model="numpy", fastmath=SUMS)
def _add_exact(moduli, moments, marginals, y, out):
    """Row x + 1 of G^-1 is row x, shifted by one, plus (y_{x+1} y_{.+1} - y_{k-x-1} y_{k-.-1}) / y_0."""
    k = y.size
    row, sums = y.copy(), np.empty(moduli.max())
    for x in range(k):
        if x > 0:
            ahead, behind = y[x] / y[0], y[k - x] / y[0]
            for c in range(k - 1, 0, -1):
                row[c] = row[c - 1] + ahead * y[c] - behind * y[k - c]
            row[0] = y[x]
        begin = 0
        for j in range(moduli.size):
            m = moduli[j]
            b, g = sums[:m], marginals[begin : begin + m]
            b[:] = 0.0
            for at in range(0, k, m):
                part = row[at : at + m]
                for i in range(part.size):
                    b[i] += part[i]
            squares = squares_g = total = total_g = 0.0
            for i in range(b.size):
                squares += b[i] * b[i]
                squares_g += b[i] * b[i] * g[i]
                total += b[i]
                total_g += b[i] * g[i]
            begin += m
            c0, c1, c2, c3, c4 = moments[j]
            out[x] += c0 * squares + c1 * squares_g + c2 * total * total + (c3 * total + c4 * total_g) * total_g


def _variances_at(
    system: NormalSystem, designs: Any, n: NDArray[Any], y: Floats, marginal: Callable[[int], Floats]
) -> Floats:
    out = np.zeros(system.k)
    total = float(np.sum(system.weights / system.moduli)) * system.k + system.ridge
    for j, design in enumerate(designs):
        weight = float(system.weights[j])
        _add_block(design.m, weight, _coefficients(design, float(n[j]), weight, total), marginal(j), y, out)
    return out


def _coefficients(design: SubsetDesign, n: float, weight: float, total: float) -> tuple[float, ...]:
    """Of inverse, and of gamma times inverse, b^2, gamma b^2, b gamma, (b gamma)^2 and 1 in a block's variance."""
    p, q, t1, t2, m = design.p, design.q, design.pairs, design.other_pairs, design.m
    d, u = p - q, weight / total
    scale, slope = 1 / (n * d * d), d - 2 * (t1 - t2)
    others = slope / (m - 1)
    level = 1 / design.spread  # scale E_j = level b_j G^-1[x, x]
    return (
        level * (q - t2 + others),
        -level * others,
        -scale * others,
        scale * (slope + others),
        scale * 2 * (t1 - t2 - q * d) * u,
        -scale * d * d,
        scale * (t2 - q * q) * u * u,
    )


@njit(cache=True)
def _add_block(m, weight, coefficients, marginal, y, out):
    """Entries of G^-1 at distances d = 0, m, 2 m, ... from (x, x) grow with x by y_x y_{x+d} - y_{k-x} y_{k-x-d}, over y_0.

    Those before x are those after x - d. No vector of length k is needed beside y and the result.
    """
    c0, c1, c2, c3, c4, c5, c6 = coefficients
    k = y.size
    distances = (k - 1) // m + 1
    after, before = np.zeros(distances), np.zeros(distances)
    for x in range(k):
        b = 0.0
        for i in range(distances):
            d = i * m
            if x + d < k:
                after[i] += y[x] * y[x + d] - (y[k - x] * y[k - x - d] if x > 0 else 0.0)
                b += after[i]
            if i > 0 and x >= d:
                before[i] += y[x - d] * y[x] - (y[k - x + d] * y[k - x] if x > d else 0.0)
                b += before[i]
        b *= weight / y[0]
        gamma = marginal[x % m]
        out[x] += (c0 + c1 * gamma) * b * after[0] / y[0] + (c2 + c3 * gamma) * b * b
        out[x] += b * gamma * (c4 + c5 * b * gamma) + c6


def exact_covariance(oracle: MSS, n: NDArray[Any], f: Floats) -> Floats:
    """The covariance matrix of all estimates, f64[k, k], exact. O(k^3): for tests and for small domains."""
    k = oracle.k
    system = system_of(oracle, n)
    g_inverse = np.linalg.inv(np.stack([system.times(e) for e in np.eye(k)]))
    out = np.zeros((k, k))
    for j, design in enumerate(oracle.designs):
        b = np.stack([system.totals(j, row) for row in g_inverse]) * system.weights[j]
        out += b @ _block_covariance(design, system.totals(j, f)) @ b.T / n[j]
    return out


def _block_covariance(design: SubsetDesign, g: Floats) -> Floats:
    """Of the residual histogram s_j, times n_j."""
    p, q, t1, t2 = design.p, design.q, design.pairs, design.other_pairs
    h = q + (p - q) * g
    both = t2 + (t1 - t2) * (g[:, None] + g[None, :])
    np.fill_diagonal(both, h)
    return (both - np.outer(h, h)) / (p - q) ** 2
