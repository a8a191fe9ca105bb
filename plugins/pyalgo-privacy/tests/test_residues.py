"""The normal equations without a matrix, against dense ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from pyalgo_privacy.residues import NormalSystem, diagonal, rank, trace

SYSTEMS = [
    (200, (101, 107, 113, 119, 123, 127), 0.0),
    (200, (101, 107, 113, 119, 123, 127), 0.3),
    (97, (19, 23, 25, 27, 29), 0.0),
    (50, (16, 17, 19), 0.0),
    (40, (41,), 0.0),
    (40, (7, 60), 0.0),  # a modulus beyond k
    (1300, (1100, 701), 0.0),  # longer than a chunk of sums
]


def design_matrix(k, m):
    return (np.arange(k) % m == np.arange(m)[:, None]).astype(float)


def make(k, moduli, ridge):
    weights = np.random.default_rng(k).uniform(0.5, 2, len(moduli))
    system = NormalSystem(k, np.array(moduli), weights, ridge)
    dense = sum(w * design_matrix(k, m).T @ design_matrix(k, m) for m, w in zip(moduli, weights, strict=True))
    return system, dense + ridge * np.eye(k)


@pytest.mark.parametrize(("k", "moduli", "ridge"), SYSTEMS)
def test_products_are_those_of_the_matrix(k, moduli, ridge):
    system, dense = make(k, moduli, ridge)
    z = np.random.default_rng(1).normal(size=k)
    np.testing.assert_allclose(system.times(z), dense @ z, rtol=1e-12, atol=1e-11)
    for j, m in enumerate(moduli):
        np.testing.assert_allclose(system.totals(j, z), design_matrix(k, m) @ z, rtol=1e-12, atol=1e-12)
        s, out = np.random.default_rng(2).normal(size=m), np.ones(k)
        system.spread(j, s, out)
        np.testing.assert_allclose(out, 1 + design_matrix(k, m).T @ s, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("k", "moduli", "ridge"), SYSTEMS[:-1])
def test_solutions_are_those_of_the_matrix(k, moduli, ridge):
    system, dense = make(k, moduli, ridge)
    b = np.random.default_rng(1).normal(size=k)
    solution = system.solve(b.copy())
    eigenvalues = np.linalg.eigvalsh(dense)
    condition = eigenvalues[-1] / eigenvalues[0]
    assert np.linalg.norm(dense @ solution.x - b) <= 2e-10 * np.linalg.norm(b)
    assert solution.residual <= 1e-10
    assert solution.kappa <= condition * (1 + 1e-6)
    assert 0 < solution.iterations <= 2 * k + 10


def test_the_condition_number_is_seen_by_the_steps():
    system, dense = make(*SYSTEMS[0])
    assert system.first_column().kappa == pytest.approx(np.linalg.cond(dense), rel=1e-6)


def test_a_right_side_of_zeros_has_the_solution_zero():
    solution = make(*SYSTEMS[0])[0].solve(np.zeros(200))
    assert not solution.x.any()
    assert (solution.iterations, solution.residual, solution.kappa) == (0, 0.0, 1.0)


@pytest.mark.claim("mss.5")
@pytest.mark.parametrize(("k", "moduli", "ridge"), SYSTEMS)
def test_trace_and_diagonal_of_the_inverse_follow_from_its_first_column(k, moduli, ridge):
    """Within 1e-8 of the dense inverse."""
    system, dense = make(k, moduli, ridge)
    inverse, y = np.linalg.inv(dense), system.first_column().x
    assert trace(y) == pytest.approx(np.trace(inverse), rel=1e-8)
    np.testing.assert_allclose(diagonal(y), np.diag(inverse), rtol=1e-8)


@pytest.mark.claim("mss.4")
@pytest.mark.parametrize("moduli", [(16, 17, 19), (2, 3, 5), (4, 9, 25), (7,), (2, 3, 5, 7, 11), (3, 4, 5, 7)])
def test_the_rank_is_1_plus_the_sum_of_moduli_less_1(moduli):
    """For every k up to the product: also beyond the sum, where the product would promise more."""
    for k in range(2, min(math.prod(moduli), 60) + 1):
        stacked = np.concatenate([design_matrix(k, m) for m in moduli])
        assert np.linalg.matrix_rank(stacked) == rank(moduli, k)


def test_the_example_of_rank_50():
    assert [rank((16, 17, 19), k) for k in (50, 51)] == [50, 50]


def test_all_pairs_of_small_coprime_moduli():
    for a, b in itertools.combinations(range(2, 9), 2):
        if math.gcd(a, b) == 1:
            stacked = np.concatenate([design_matrix(a * b, m) for m in (a, b)])
            assert np.linalg.matrix_rank(stacked) == rank((a, b), a * b) == a + b - 1
