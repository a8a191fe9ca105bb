"""Fits: every solver against least squares, the objective, recovery, noise, independent parts, threads, precision."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest

from pyalgo.completion import CompletionWarning, MatrixCompletion

from .completion_oracle import als_sweep, known, objective, solve_row, subspace_distance

SOLVERS = ("cholesky", "cg", "sketch", "auto")
PLAIN = {"bias": False, "center": False}


def with_columns(right, solver, reg, dtype="float64", **settings):
    """A model whose column factors are `right`, for regressions on them."""
    n, k = right.shape
    left = np.ones((k, k))
    model = MatrixCompletion(
        k,
        solver=solver,
        reg=reg,
        reg_scaling="none",
        max_sweeps=0,
        dtype=dtype,
        **{**PLAIN, "inner_tol": 1e-14, **settings},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompletionWarning)
        return model.fit((np.zeros(n, int), np.arange(n), np.ones(n)), shape=(k, n), init=(left, right))


def relative(found, wanted):
    return np.linalg.norm(found - wanted) / max(np.linalg.norm(wanted), 1e-300)


@pytest.mark.claim("completion.1")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("reg", [0.0, 1e-3, 1.0])
def test_rows_are_solved_as_by_least_squares(solver, reg, dtype):
    rng = np.random.default_rng(1)
    for k in (1, 2, 3, 8, 13, 17, 32, 40):
        right = rng.normal(size=(500, k))
        model = with_columns(right, solver, reg, dtype)
        right = model.query().V
        degrees = [d for d in (1, k - 1, k + 1, 2 * k, 100, 8 * k + 1, 500) if 0 < d <= 500]
        if reg == 0:  # fewer cells than unknowns: see the test of the least norm
            degrees = [d for d in degrees if d >= 2 * k]
        for d in degrees:
            cols = rng.permutation(500)[:d]
            values = (right[cols] @ rng.normal(size=k) + 0.1 * rng.normal(size=d)).astype(dtype)
            found = model.solve_rows((np.zeros(d, int), cols, values))[0]
            assert relative(found, solve_row(right[cols], values, reg)) <= (1e-9 if dtype == "float64" else 1e-4), (
                k,
                d,
            )


@pytest.mark.claim("completion.1")
@pytest.mark.parametrize("solver", SOLVERS)
def test_fewer_cells_than_unknowns_take_the_least_norm(solver):
    rng = np.random.default_rng(2)
    right = rng.normal(size=(60, 12))
    model = with_columns(right, solver, 0.0)
    for d in (1, 5, 11):
        cols, values = rng.permutation(60)[:d], rng.normal(size=d)
        found = model.solve_rows((np.zeros(d, int), cols, values))[0]
        assert relative(found, np.linalg.pinv(right[cols]) @ values) <= 1e-9


@pytest.mark.claim("completion.1")
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_row_without_cells_is_zero(solver):
    model = with_columns(np.random.default_rng(0).normal(size=(20, 3)), solver, 1.0)
    factors, biases = model.solve_rows(np.full((2, 20), np.nan), return_bias=True)
    assert not factors.any()
    assert not biases.any()
    full = np.random.default_rng(0).normal(size=(20, 10))
    full[4] = np.nan
    for reg, reasons in ((1.0, ["components"]), (0.0, ["rows have fewer cells", "components"])):
        fresh = MatrixCompletion(2, solver=solver, reg=reg, max_sweeps=3)
        with pytest.warns(CompletionWarning) as caught:
            fresh.fit(full)
        assert [r for r in reasons if any(r in str(w.message) for w in caught)] == reasons
        assert not fresh.query().U[4].any()
        assert fresh.query().row_bias[4] == 0


@pytest.mark.claim("completion.1")
def test_the_sketch_withstands_ill_conditioned_columns():
    """A rotated spectrum of 1e-7: normal equations lose its square, and plain iteration on a sketch of 8 k rows diverges."""
    rng = np.random.default_rng(3)
    k, d = 20, 3000
    basis, _ = np.linalg.qr(rng.normal(size=(d, k)))
    turn, _ = np.linalg.qr(rng.normal(size=(k, k)))
    right = basis * np.logspace(0, -7, k) @ turn * np.sqrt(d)
    values = right @ rng.normal(size=k)
    model = with_columns(right, "sketch", 0.0, inner_tol=1e-15)
    right = model.query().V
    cells = (np.zeros(d, int), np.arange(d), values)
    found = model.solve_rows(cells)[0]
    assert np.linalg.norm(right @ found - values) <= 1e-9 * np.linalg.norm(values)
    best = solve_row(right, values, 0.0)
    assert relative(found, best) <= 1e-6  # of a condition of 1e7, so rounding alone costs 1e-9


CASES = [
    {},
    PLAIN,
    {"bias": True, "center": False, "reg_scaling": "none"},
    {"reg_scaling": "count", "reg": 0.05},
    {"nonneg": True, **PLAIN},
    {"nonneg": True},
    {"solver": "cholesky", "reg": 1e-8},
    {"init": "random"},
]


@pytest.mark.claim("completion.2")
@pytest.mark.parametrize("settings", CASES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_no_half_step_raises_the_objective(settings, weighted):
    data = known(80, 60, 4, 1500, noise=0.3, seed=5)
    weights = np.random.default_rng(0).exponential(size=1500) if weighted else None
    model = MatrixCompletion(5, tol=0, max_sweeps=20, **{"solver": "cholesky", "reg": 0.7, **settings})
    model.fit(data.cells, shape=data.shape, weights=weights)
    halves = [half for sweep in model.history for half in (sweep.objective_half, sweep.objective)]
    assert len(halves) == 40
    for before, after in pairwise(halves):
        assert after <= before * (1 + 1e-10)
    state = model.query()
    power = {"none": 0.0, "sqrt": 0.5, "count": 1.0}[model.reg_scaling]
    wanted = objective(
        data.cells, state.U, state.V, model.reg_, power, mean=state.mean, biases=(state.row_bias, state.col_bias),
        weights=weights,
    )  # fmt: skip
    assert halves[-1] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.claim("completion.2")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("scaling", ["none", "sqrt", "count"])
def test_sweeps_are_those_of_plain_alternating_least_squares(bias, scaling, weighted):
    data = known(30, 25, 3, 400, noise=0.3, unseen=50)
    rng = np.random.default_rng(1)
    weights = rng.exponential(size=400) if weighted else None
    start = rng.normal(size=(30, 3)), rng.normal(size=(25, 3))
    model = MatrixCompletion(3, reg=0.2, reg_scaling=scaling, bias=bias, center=False, solver="cholesky", max_sweeps=0)
    model.fit(data.cells, shape=data.shape, init=start, weights=weights)
    left, right = (factor.copy() for factor in start)
    biases = (np.zeros(30), np.zeros(25)) if bias else None
    for _ in range(3):
        model.refresh(sweeps=1)
        als_sweep(
            data.cells, left, right, 0.2, {"none": 0, "sqrt": 0.5, "count": 1}[scaling], biases=biases, weights=weights
        )
    state = model.query()
    np.testing.assert_allclose(state.U, left, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(state.V, right, rtol=1e-8, atol=1e-10)
    if biases is not None:
        np.testing.assert_allclose(state.row_bias, biases[0], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(state.col_bias, biases[1], rtol=1e-8, atol=1e-10)


def test_nonnegative_factors_are_nonnegative_and_near_the_truth():
    rng = np.random.default_rng(0)
    left, right = rng.exponential(size=(60, 3)), rng.exponential(size=(50, 3))
    full = left @ right.T
    gaps = np.where(rng.random(full.shape) < 0.6, full, np.nan)
    model = MatrixCompletion(3, nonneg=True, reg=1e-6, max_sweeps=300, tol=1e-9, **PLAIN).fit(gaps)
    state = model.query()
    assert state.U.min() >= 0
    assert state.V.min() >= 0
    assert np.sqrt(np.mean((state.U @ state.V.T - full) ** 2)) <= 0.01 * full.std()


@pytest.mark.claim("completion.3")
def test_full_size_recovery(figure):
    """Rank 10, 10000 x 8000, 2 M cells without noise; errors are those of cells that were not seen."""
    data = known(10_000, 8_000, 10, 2_000_000, unseen=20_000)

    def error(model):
        return model.score(*data.unseen)

    held = MatrixCompletion(10, reg=1e-3, reg_scaling="none", max_sweeps=8, tol=0, **PLAIN).fit(
        data.cells, shape=data.shape
    )
    free = MatrixCompletion(10, reg=0, max_sweeps=16, tol=0, **PLAIN).fit(data.cells, shape=data.shape)
    at_8, at_16 = error(held), error(free)
    free.refresh(sweeps=9)
    at_25 = error(free)
    met = at_8 <= 1e-4 and at_16 <= 1e-8 and at_25 <= 1e-13
    figure("completion.3", f"reg=1e-3: {at_8:.1e} at sweep 8; reg=0: {at_16:.1e} at 16, {at_25:.1e} at 25", met=met)
    assert met


@pytest.mark.claim("completion.4")
@pytest.mark.parametrize("sigma", [0.01, 0.1, 1.0])
def test_noise_is_averaged_out_as_far_as_the_unknowns_allow(sigma):
    m, n, k = 600, 500, 4
    count = 10 * k * (m + n)
    data = known(m, n, k, count, noise=sigma, seed=7)
    model = MatrixCompletion(k, reg=0, tol=1e-9, max_sweeps=200, **PLAIN).fit(data.cells, shape=data.shape)
    assert model.score(*data.unseen) <= 1.2 * sigma * np.sqrt(k * (m + n) / count)


def iterations_to(distance, model, data):
    """Distances of the row factors to the true ones, iteration by iteration, until one is below `distance`."""
    model.fit(data.cells, shape=data.shape)
    found = []
    while not found or (found[-1] > distance and len(found) < 8):
        model.refresh(sweeps=1)
        found.append(subspace_distance(model.query().U, data.left))
    return found


@pytest.mark.claim("completion.5")
def test_independent_parts_contract_and_bear_a_tenth_of_error():
    m, n, k, iterations = 800, 800, 3, 8
    data = known(m, n, k, (2 * iterations + 1) * 6 * k * (m + n), seed=3)
    settings = dict(method="altmin", split="independent", tol=2.0 ** (2 - iterations), max_sweeps=0)
    exact = iterations_to(1e-6, MatrixCompletion(k, solver="cholesky", **settings), data)
    for before, after in pairwise(exact[2:]):
        assert after <= before / 4
    loose = iterations_to(1e-6, MatrixCompletion(k, solver="cg", inner_tol=0.1, **settings), data)
    assert len(loose) <= len(exact) + 1


@pytest.mark.parametrize("solver", SOLVERS)
def test_altmin_recovers_with_every_solver(solver):
    data = known(300, 250, 3, 20_000)
    model = MatrixCompletion(3, method="altmin", solver=solver, tol=1e-9).fit(data.cells, shape=data.shape)
    assert model.score(*data.unseen) <= 1e-4
    assert len(model.history) <= np.ceil(np.log2(1e9)) + 2


@pytest.mark.claim("completion.6")
def test_a_spike_does_not_own_the_start():
    data = known(400, 300, 3, 20_000)
    values = data.values.copy()
    values[17] = 1e6
    model = MatrixCompletion(3, method="altmin", max_sweeps=0).fit((data.rows, data.cols, values), shape=data.shape)
    left, _ = np.linalg.qr(model.query().U)
    coherence = (left**2).sum(axis=1) * len(left) / 3
    assert coherence.max() <= 20
    clean = MatrixCompletion(3, method="altmin", max_sweeps=0).fit(data.cells, shape=data.shape)
    assert subspace_distance(clean.query().U, data.left) <= 0.5  # and a start without one is near the truth


@pytest.mark.claim("completion.11")
@pytest.mark.parametrize("solver", ["cholesky", "cg", "sketch"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_threads_never_change_a_bit(solver, dtype):
    data = known(400, 100, 4, 12_000, noise=0.2)
    states = set()
    for threads in (1, 2, 5):
        model = MatrixCompletion(4, solver=solver, dtype=dtype, threads=threads, max_sweeps=4, validation=0.1)
        model.fit(data.cells, shape=data.shape)
        model.insert(*(side[:50] for side in data.unseen))
        model.refresh(sweeps=1)
        predicted, spread = model.predict(*data.unseen[:2], return_std=True)
        answers = (predicted.tobytes(), spread.tobytes(), model.recommend(np.arange(20)).scores.tobytes())
        state = repr(model.query())
        states.add((model.set_params(threads=1).to_bytes(), answers, state))
    assert len(states) == 1


@pytest.mark.claim("completion.13")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_state_is_two_copies_of_the_cells_and_the_factors(dtype):
    m, n, k, count = 1000, 800, 5, 100_000
    data = known(m, n, k, count)
    model = MatrixCompletion(k, dtype=dtype, max_sweeps=2).fit(data.cells, shape=data.shape)
    entry = 4 + (8 if dtype == "float64" else 4)
    both = 2 * count * entry + 8 * (m + n + 2)
    factors = (m + n) * (k + 1) * 8
    assert model.nbytes <= 2.2 * both + 2 * factors


@pytest.mark.claim("completion.15")
def test_single_precision_is_as_good():
    data = known(500, 400, 5, 40_000, noise=0.5)
    errors = [
        MatrixCompletion(5, dtype=dtype).fit(data.cells, shape=data.shape).score(*data.unseen)
        for dtype in ("float64", "float32")
    ]
    assert errors[1] == pytest.approx(errors[0], rel=0.01)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_unit_of_the_values_does_not_matter(scale, dtype):
    data = known(60, 50, 3, 1500, noise=0.1)
    model = MatrixCompletion(3, dtype=dtype, tol=1e-7)
    model.fit((data.rows, data.cols, scale * data.values), shape=data.shape)
    plain = MatrixCompletion(3, dtype=dtype, tol=1e-7).fit(data.cells, shape=data.shape)
    places = data.unseen[:2]
    np.testing.assert_allclose(model.predict(*places) / scale, plain.predict(*places), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_values_stay_finite(scale):
    data = known(60, 50, 3, 1500, noise=0.1)
    model = MatrixCompletion(3).fit((data.rows, data.cols, scale * data.values), shape=data.shape)
    assert np.isfinite(model.predict(*data.unseen[:2])).all()
    assert np.isfinite(model.query().train_rmse)
