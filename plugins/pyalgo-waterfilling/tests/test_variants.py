"""Masks, weights and the other names of water-filling, against optimality conditions, scipy and brute force."""

from __future__ import annotations

import importlib.util
from itertools import product

import numpy as np
import pytest
from pyalgo_waterfilling.operator import waterfill
from pyalgo_waterfilling.variants import (
    bit_loading,
    mimo_waterfill,
    min_power,
    project_simplex,
    reverse_waterfill,
    waterfill_gains,
)

needs_scipy = pytest.mark.skipif(not importlib.util.find_spec("scipy"), reason="scipy is not installed")
needs_cvxpy = pytest.mark.skipif(not importlib.util.find_spec("cvxpy"), reason="cvxpy is not installed")
ULP = 2.0**-52


@pytest.mark.claim("waterfilling.3")
def test_masks_and_weights_meet_their_conditions():
    rng = np.random.default_rng(0)
    saturated = 0
    for trial in range(2000):
        n = int(rng.integers(1, 120))
        scale = 10 ** rng.uniform(-15, 15)
        a = scale / rng.exponential(size=n) if trial % 3 else scale * rng.integers(1, 4, n).astype(float)
        weights = rng.uniform(0.2, 5, n) if trial % 2 else np.ones(n)
        mask = scale * rng.choice([0.0, 0.3, 1.0, np.inf], n)
        active = rng.random(n) < 0.9
        power = float(scale * 10 ** rng.uniform(-6, 2))
        answers = [
            waterfill(a, power, weights=weights, mask=mask, active=active, method=m) for m in ("quickselect", "sort")
        ]
        cap = np.where(active, mask, 0.0)
        for p, level, n_active, _ in answers:
            assert (p >= 0).all()
            assert (p <= cap).all()
            if cap.sum() <= power:
                assert np.array_equal(p, cap)
                assert level == np.inf
                saturated += 1
                continue
            assert abs(p.sum() - power) <= 4 * ULP * np.sqrt(n) * power
            height = (p + a) / weights
            between = (p > 0) & (p < cap)
            assert (np.abs(height - level)[between] <= 8 * ULP * level).all()
            assert (height[(p == 0) & (cap > 0)] >= level * (1 - 8 * ULP)).all()
            assert (height[(p == cap) & (cap > 0)] <= level * (1 + 8 * ULP)).all()
            assert n_active == np.count_nonzero(p)
        np.testing.assert_allclose(answers[0].power, answers[1].power, rtol=0, atol=16 * ULP * max(power, scale))
    assert saturated > 50


@pytest.mark.claim("waterfilling.3")
@needs_scipy
def test_masks_and_weights_against_scipy():
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    for _ in range(50):
        n = 6
        a, weights, mask = rng.uniform(0.2, 2, n), rng.uniform(0.5, 2, n), rng.uniform(0.3, 2, n)
        power = 0.6 * mask.sum()
        found = minimize(
            lambda p, a=a, w=weights: -np.sum(w * np.log1p(p / a)),
            np.full(n, power / n),
            jac=lambda p, a=a, w=weights: -w / (a + p),
            bounds=[(0, m) for m in mask],
            constraints={"type": "eq", "fun": lambda p, s=power: p.sum() - s},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 300},
        )
        np.testing.assert_allclose(waterfill(a, power, weights=weights, mask=mask).power, found.x, atol=1e-6)


@pytest.mark.claim("waterfilling.3")
def test_simplex_projection_against_sorting():
    rng = np.random.default_rng(2)
    for trial in range(300):
        n, s = int(rng.integers(1, 200)), float(10 ** rng.uniform(-9, 9))
        y = s * rng.normal(size=n) * 10 ** rng.uniform(-3, 3)
        if trial % 5 == 0:
            y = s * rng.integers(-2, 3, n).astype(float)
        u = np.sort(y)[::-1]
        theta = (np.cumsum(u) - s) / np.arange(1, n + 1)
        oracle = np.maximum(y - theta[np.nonzero(u > theta)[0][-1]], 0)
        scale = max(s, np.abs(y).max())
        np.testing.assert_allclose(project_simplex(y, s), oracle, rtol=0, atol=1e-14 * scale)
    far = project_simplex(np.array([1e308, -1e308]))
    assert far.tolist() == [1.0, 0.0]


@pytest.mark.claim("waterfilling.3")
@needs_cvxpy
def test_simplex_projection_against_a_quadratic_program():
    import cvxpy

    rng = np.random.default_rng(3)
    for _ in range(50):
        y = rng.normal(size=12)
        p = cvxpy.Variable(12)
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(p - y)), [p >= 0, cvxpy.sum(p) == 1]).solve(
            "CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
        )
        np.testing.assert_allclose(project_simplex(y), p.value, atol=1e-6)


@pytest.mark.claim("waterfilling.3")
def test_the_least_power_for_a_rate_is_the_inverse():
    rng = np.random.default_rng(4)
    for _ in range(500):
        a = 10 ** rng.uniform(-14, 6) / rng.exponential(size=int(rng.integers(1, 100)))
        power = float(a.min() * 10 ** rng.uniform(-3, 4))
        filled = waterfill(a, power)
        rate = np.log1p(filled.power / a).sum() / np.log(2)
        back = min_power(a, rate)
        assert abs(back.power.sum() - power) <= 1e-12 * power
        np.testing.assert_allclose(back.power, filled.power, rtol=0, atol=1e-12 * power)
        assert abs(back.level - filled.level) <= 1e-12 * filled.level
    assert (min_power([1.0, 2.0], 0.0).power == 0).all()


@pytest.mark.claim("waterfilling.3")
def test_reverse_water_filling():
    rng = np.random.default_rng(5)
    for _ in range(500):
        s = 10 ** rng.uniform(-9, 9) * rng.exponential(size=int(rng.integers(1, 60)))
        total = float(rng.uniform(0.01, 0.99) * s.sum())
        d, theta, rate = reverse_waterfill(s, total)
        assert abs(d.sum() - total) <= 4 * ULP * np.sqrt(len(s)) * total
        np.testing.assert_allclose(d, np.minimum(theta, s), rtol=4 * ULP, atol=0)
        assert rate == pytest.approx(0.5 * np.log2(s / d).sum())
    assert reverse_waterfill([1.0, 2.0], 3.0).rate == 0.0
    assert reverse_waterfill([1.0, 0.0], 0.25).rate == 1.0
    with pytest.raises(ValueError, match=r"distortion must be positive, got 0.0"):
        reverse_waterfill([1.0], 0.0)


def test_gains():
    result = waterfill_gains([4.0, 0.0, 1.0], 2.0, noise_var=2.0, gap=1.5)
    np.testing.assert_allclose(result.power, waterfill([0.75, 3.0], 2.0).power[[0, 1]][[0, 0, 1]] * [1, 0, 1])
    with pytest.raises(ValueError, match="positive on one carrier at least"):
        waterfill_gains([0.0, 0.0], 1.0)
    with pytest.raises(ValueError, match=r"gains\[1\] must be at least 0"):
        waterfill_gains([1.0, -1.0], 1.0)


def test_bit_loading_against_all_loadings():
    rng = np.random.default_rng(6)
    for _ in range(60):
        a = rng.uniform(0.05, 2, 4)
        power, gap = float(rng.uniform(0.1, 20)), float(rng.choice([1.0, 2.5]))
        loads = np.array(list(product(range(8), repeat=4)))
        cost = (gap * a * (2.0**loads - 1)).sum(axis=1)
        best = loads[cost <= power].sum(axis=1).max()
        found = bit_loading(a, power, gap=gap)
        assert found.rate == best == found.bits.sum()
        assert found.power.sum() <= power * (1 + 1e-12)
        assert found.left == pytest.approx(power - found.power.sum())
        assert 0 <= found.loss < 4
    assert bit_loading([0.1, 0.1], 100.0, max_bits=3).bits.tolist() == [3, 3]
    assert bit_loading([1.0], 7.0).bits.tolist() == [3]  # exactly at a power of two


def test_antennas_against_the_log_determinant():
    rng = np.random.default_rng(7)
    for rx, tx in ((2, 4), (3, 3), (4, 2)):
        h = rng.normal(size=(5, rx, tx)) + 1j * rng.normal(size=(5, rx, tx))
        shape = rng.normal(size=(rx, rx))
        cov = shape @ shape.T + np.eye(rx)
        for noise in (0.7, cov):
            result = mimo_waterfill(h, 3.0, noise)
            r = noise * np.eye(rx) if np.ndim(noise) == 0 else noise
            for i in range(5):
                q = result.covariance[i]
                assert np.trace(q).real == pytest.approx(3.0)
                inside = np.eye(rx) + h[i] @ q @ h[i].conj().T @ np.linalg.inv(r)
                rate = np.linalg.slogdet(inside)[1] / np.log(2)
                assert rate == pytest.approx(result.rate[i])
                flat = np.linalg.slogdet(np.eye(rx) + h[i] @ h[i].conj().T @ np.linalg.inv(r) * 3 / tx)[1] / np.log(2)
                assert result.rate[i] >= flat - 1e-12
    low = np.outer([1.0, 2.0], [1.0, 1.0])  # rank 1: one eigenchannel gets everything
    assert mimo_waterfill(low, 5.0).power.tolist() == [5.0, 0.0]
