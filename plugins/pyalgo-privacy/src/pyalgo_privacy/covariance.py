"""How far off the estimates of modular subset selection are: the exact covariance, and each value's standard error quickly.

In block j, with n_j reports, residue marginal g, d = p - q, and h_a = q + d g_a, a report has both of a != b with probability
t2 + (t1 - t2)(g_a + g_b), t1 for another residue together with the true one, t2 for two others. So the covariance of s_j is

    1/(n_j d^2) [ diag(alpha) + (t2 - q^2) 1 1^T + (t1 - t2 - q d)(g 1^T + 1 g^T) - d^2 g g^T ],
    alpha_a = (q - t2) + (d - 2 (t1 - t2)) g_a,

and that of the estimates is the sum over blocks of B_j Cov(s_j) B_j^T, B_j = G^-1 A_j^T w_j. Users are a sample of a population
whose frequencies are estimated; around the frequencies of the very users, (diag(f) - f f^T) / n is to be taken off.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pyalgo_privacy.mss import require_rank
from pyalgo_privacy.residues import NormalSystem, diagonal, trace

if TYPE_CHECKING:
    from pyalgo_privacy.mss import MSS
    from pyalgo_privacy.subset import SubsetDesign

Floats = NDArray[np.float64]

ROUGH = 1e-7  # tolerance for G^-1 e_0: six digits of the standard errors


def system_of(oracle: MSS, n: NDArray[Any]) -> NormalSystem:
    """The normal equations for n_j reports of block j, each weighted by one over its variance at frequency 0."""
    weights = np.asarray(n, float) * [design.information for design in oracle.designs]
    return NormalSystem(oracle.k, np.array(oracle.moduli, np.int64), weights, oracle.ridge)


def estimate(oracle: MSS, counts: NDArray[Any], n: NDArray[Any]) -> tuple[Floats, Floats, int, float]:
    """(frequencies, standard errors, iterations, residual). Blocks without reports take no part, and the rest must do."""
    seen = np.flatnonzero(n)
    if len(seen) < len(n):
        require_rank([oracle.moduli[j] for j in seen], oracle.k)
    system = _restricted(system_of(oracle, n), seen)
    begins = [0, *accumulate(oracle.moduli)]
    b = np.zeros(oracle.k)
    for i, j in enumerate(seen):
        design = oracle.designs[j]
        s = (counts[begins[j] : begins[j + 1]] / n[j] - design.q) / (design.p - design.q)
        s *= system.weights[i]
        system.spread(i, s, b)
    solution = system.solve(b)
    del b
    y = system.first_column(ROUGH)
    variances = _variances(system, [oracle.designs[j] for j in seen], n[seen], y.x, solution.x)
    return solution.x, np.sqrt(variances, out=variances), solution.iterations + y.iterations, solution.residual


def _restricted(system: NormalSystem, blocks: NDArray[np.int64]) -> NormalSystem:
    return NormalSystem(system.k, system.moduli[blocks], system.weights[blocks], system.ridge)


def item_variances(oracle: MSS, n: NDArray[Any], f: Floats) -> Floats:
    """The variance of every value's estimate, where the frequencies are `f`; O(k l) after one solution with G.

    Notes
    -----
    The diagonal of G^-1 is exact at f = 0, but for q - t2 in place of q (1 - q). What a frequency adds comes from how often the
    value's own residues are reported, b_j(x) = (B_j A_j)[x, x] being how much the estimate of x takes from block j, and is exact
    there: with gamma the marginal of x's residue in block j, and E_j(x) = (B_j B_j^T)[x, x], x has the variance

        sum_j 1/(n_j d^2) [ (q - t2) E_j + (d - 2 (t1 - t2)) (b_j^2 gamma + (E_j - b_j^2)(1 - gamma)/(m_j - 1))
                            + (t2 - q^2) u_j^2 + 2 (t1 - t2 - q d) u_j b_j gamma - d^2 b_j^2 gamma^2 ].

    So a heavy value is accounted for, and what a heavy value does to those that share a residue with it. Approximate are the
    shares of blocks in the diagonal, E_j / w_j ~ b_j G^-1[x, x], whose sum is exact; the other residues, which are taken to be
    even; and u_j = B_j 1 ~ w_j / sum_i(w_i k / m_i). With ridge > 0, E_j is that of G^-1 (A^T W A + ridge I) G^-1: an upper bound,
    and the bias comes on top.
    """
    system = system_of(oracle, n)
    return _variances(system, oracle.designs, n, system.first_column(ROUGH).x, f)


def mean_variance(oracle: MSS, n: NDArray[Any], f: float = 0.0) -> float:
    """The mean over values of the variance of one with frequency f while all others are equally frequent.

    At f = 0 that is tr(G^-1) / k but for q - t2 in place of q (1 - q)."""
    system = system_of(oracle, n)
    y = system.first_column(ROUGH).x
    marginals = [np.full(design.m, f + (1 - f) / design.m if f else 0.0) for design in oracle.designs]
    return float(np.mean(_variances_at(system, oracle.designs, n, y, marginals)))


def predicted_mse(oracle: MSS, n: float = 1.0) -> float:
    """tr(G^-1) / k for n reports: the mean squared error of a histogram without heavy values, exact in O(k) from one solution."""
    return trace(system_of(oracle, n * np.array(oracle.shares)).first_column().x) / oracle.k


def _variances(system: NormalSystem, designs: Any, n: NDArray[Any], y: Floats, f: Floats) -> Floats:
    marginals = (system.totals(j, f).clip(0, 1) for j in range(len(designs)))
    return _variances_at(system, designs, n, y, marginals)


def _variances_at(system: NormalSystem, designs: Any, n: NDArray[Any], y: Floats, marginals: Any) -> Floats:
    out, inverse = np.zeros(system.k), diagonal(y)
    total = float(np.sum(system.weights / system.moduli)) * system.k + system.ridge
    for j, (design, marginal) in enumerate(zip(designs, marginals, strict=True)):
        own = system.class_sums(j, y)
        _add_block(_coefficients(design, float(n[j]), float(system.weights[j]), total), inverse, own, marginal, out)
    return out


def _coefficients(design: SubsetDesign, n: float, weight: float, total: float) -> tuple[float, ...]:
    """Of inverse, and of gamma times inverse, b^2, gamma b^2, b gamma, (b gamma)^2 and 1 in a block's variance."""
    p, q, t1, t2, m = design.p, design.q, design.pairs, design.other_pairs, design.m
    d, u = p - q, weight / total
    scale, slope = 1 / (n * d * d), d - 2 * (t1 - t2)
    others = slope / (m - 1)
    level = 1 / (q * (1 - q))  # scale E_j = level b_j G^-1[x, x]
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
def _add_block(coefficients, inverse, own, marginal, out):
    c0, c1, c2, c3, c4, c5, c6 = coefficients
    m = marginal.size
    for begin in range(0, out.size, m):
        for i in range(min(m, out.size - begin)):
            x = begin + i
            b, gamma = own[x], marginal[i]
            out[x] += (c0 + c1 * gamma) * b * inverse[x] + (c2 + c3 * gamma) * b * b
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
