"""What a model answers: predictions with their spread, rankings, further rows, whole matrices, and the certificate."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from pyalgo.completion import CompletionWarning, MatrixCompletion

from .completion_oracle import known, solve_row

PLAIN = {"bias": False, "center": False}


def filled(state):
    return state.mean + state.row_bias[:, None] + state.col_bias + state.U @ state.V.T


@pytest.mark.parametrize("params", [{}, PLAIN, {"dtype": "float32"}, {"method": "altmin"}], ids=str)
def test_predictions_are_the_model(params):
    data = known(40, 30, 3, 600, noise=0.1, unseen=100)
    model = MatrixCompletion(3, **params).fit(data.cells, shape=data.shape)
    full = filled(model.query())
    rows, cols = (side.ravel() for side in np.indices(data.shape))
    np.testing.assert_allclose(model.predict(rows, cols), full.ravel(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(model.predict_row(7), full[7], rtol=1e-12, atol=1e-12)
    assert model.score(*data.cells) == pytest.approx(model.query().train_rmse, rel=1e-5 if params else 1e-9)
    whole = model.complete()
    gaps = np.ones(data.shape, bool)
    gaps[data.rows, data.cols] = False
    np.testing.assert_allclose(whole[gaps], full[gaps], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole[data.rows, data.cols], data.values, rtol=1e-6 if "dtype" in params else 0)
    assert model.predict([], []).shape == (0,)


def test_a_model_that_was_never_fed_answers():
    for model in (MatrixCompletion(), MatrixCompletion("auto", validation=0.1), MatrixCompletion(2, shape=(3, 4))):
        state = model.query()
        assert np.isnan(state.train_rmse)
        assert np.isnan(state.valid_rmse)
        assert (state.n_obs, state.sweeps, state.staleness, state.warnings) == (0, 0, 0.0, ())
        assert "RMSE" in str(state)
        assert model.complete().shape == model.shape_
    assert MatrixCompletion(2, shape=(3, 4)).predict([2], [3]) == [0.0]
    assert MatrixCompletion(2, shape=(3, 4)).recommend(1, 2).cols.tolist() == [0, 1]
    with pytest.raises(IndexError):
        MatrixCompletion().predict([0], [0])
    with pytest.raises(ValueError, match="no cells to sweep over"):
        MatrixCompletion().refresh()
    with pytest.raises(ValueError, match="warm_start needs a model"):
        MatrixCompletion(1).fit(np.ones((3, 3)), warm_start=True)


def test_answers_can_be_had_without_factors_or_diagnostics():
    data = known(40, 30, 3, 600, unseen=100)
    model = MatrixCompletion(3, validation=0.2).fit(data.cells, shape=data.shape)
    whole, small, quick = model.query(), model.query(factors=False), model.query(diagnostics=False)
    assert small.U.shape == (0, 3)
    assert small.sampling == whole.sampling
    assert small.valid_rmse == whole.valid_rmse
    assert quick.sampling == {}
    assert np.isnan(quick.train_rmse)
    assert np.array_equal(quick.V, whole.V)
    for array in (whole.U, whole.V, whole.row_bias, whole.col_bias):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert f"{whole.n_obs:,} cells" in str(whole)
    assert "held out" in str(whole)


def test_errors_and_their_standard_errors_are_those_of_the_cells():
    data = known(60, 50, 3, 1500, noise=0.3)
    rows, cols, values = data.unseen
    held = rows[:300], cols[:300], values[:300] + 0.3 * np.random.default_rng(0).normal(size=300)
    state = MatrixCompletion(3).fit(data.cells, shape=data.shape, validation=held).query()
    full = filled(state)
    for (i, j, v), rmse, error in (
        (data.cells, state.train_rmse, state.train_rmse_se),
        (held, state.valid_rmse, state.valid_rmse_se),
    ):
        squares = (full[i, j] - v) ** 2
        assert rmse == pytest.approx(np.sqrt(squares.mean()), rel=1e-9)
        assert error == pytest.approx(squares.std() / np.sqrt(len(v)) / (2 * rmse), rel=1e-6)
    assert state.n_validation == 300


def test_sampling_is_what_the_cells_say():
    rows, cols = np.array([0, 0, 0, 1, 3, 3]), np.array([0, 1, 2, 0, 3, 4])
    model = MatrixCompletion(2, shape=(5, 6), **PLAIN)
    model.insert(rows, cols, np.arange(1.0, 7))
    sampling = model.query().sampling
    assert sampling["p"] == pytest.approx(6 / 30)
    assert (sampling["min_row_degree"], sampling["max_row_degree"]) == (0, 3)
    assert (sampling["min_col_degree"], sampling["max_col_degree"]) == (0, 2)
    assert (sampling["rows_underdetermined"], sampling["cols_underdetermined"]) == (3, 5)
    assert sampling["components"] == 2 + 3  # {0, 1 | 0, 1, 2}, {3 | 3, 4}, rows 2 and 4, column 5
    data = known(200, 150, 3, 12_000)
    state = MatrixCompletion(3, reg=1e-6, **PLAIN).fit(data.cells, shape=data.shape).query()
    u, s, vt = np.linalg.svd(data.left @ data.right.T, full_matrices=False)
    mu = max(len(q) / 3 * (q[:, :3] ** 2).sum(axis=1).max() for q in (u, vt.T))
    assert state.sampling["mu_hat"] == pytest.approx(mu, rel=0.01)
    assert state.sampling["kappa_hat"] == pytest.approx(s[0] / s[2], rel=0.01)
    assert state.warnings == ()


def test_cells_that_do_not_determine_a_matrix_are_told_of():
    block = np.full((6, 6), np.nan)
    block[:3, :3] = block[3:, 3:] = np.arange(9.0).reshape(3, 3) ** 2
    with pytest.warns(CompletionWarning, match="2 components"):
        model = MatrixCompletion(1).fit(block)
    assert any("2 components" in text for text in model.query().warnings)
    assert "2 components" in str(model.query())
    with pytest.warns(CompletionWarning) as caught:
        MatrixCompletion(3, reg=0).fit(block)
    texts = [str(w.message) for w in caught]
    assert any("6 rows have fewer cells than unknowns" in text for text in texts)
    assert any("6 cols have fewer cells" in text for text in texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MatrixCompletion(3, reg=1e-9).fit(np.arange(36.0).reshape(6, 6) ** 2)
        with pytest.raises(CompletionWarning):
            MatrixCompletion(3, reg=0).fit(block)


def test_further_rows_are_regressed_on_the_columns():
    data = known(80, 60, 3, 2500, noise=0.1)
    model = MatrixCompletion(3, reg=0.2, solver="cholesky").fit(data.cells, shape=data.shape)
    state = model.query()
    rng = np.random.default_rng(4)
    fresh = np.where(rng.random((5, 60)) < 0.5, rng.normal(size=(5, 60)), np.nan)
    fresh[2] = np.nan
    factors, biases = model.solve_rows(fresh, return_bias=True)
    for r, row in enumerate(fresh):
        seen = np.flatnonzero(~np.isnan(row))
        design = np.hstack([state.V[seen], np.ones((len(seen), 1))])
        wanted = solve_row(design, row[seen] - state.mean - state.col_bias[seen], 0.2 * np.sqrt(len(seen)))
        np.testing.assert_allclose([*factors[r], biases[r]], wanted, rtol=1e-9, atol=1e-12)
    rows, cols = np.nonzero(~np.isnan(fresh))
    shuffled = rng.permutation(len(rows))
    triple = rows[shuffled], cols[shuffled], fresh[rows, cols][shuffled]
    csr = sp.csr_matrix((triple[2], triple[:2]), shape=fresh.shape)
    for form in (triple, csr, csr.tocoo(), np.ma.masked_invalid(fresh)):
        assert np.array_equal(model.solve_rows(form), factors)
    with pytest.raises(ValueError, match="twice"):
        model.solve_rows(([0, 0], [1, 1], [1.0, 2.0]))
    with pytest.raises(ValueError, match="finite"):
        model.solve_rows(([0], [1], [np.inf]))
    assert model.solve_rows(np.empty((0, 60))).shape == (0, 3)


def test_a_row_of_the_fit_folds_in_where_it_is():
    data = known(80, 60, 3, 2500, noise=0.1)
    model = MatrixCompletion(3, tol=1e-12, max_sweeps=1000).fit(data.cells, shape=data.shape)
    at = data.rows == 11
    factors, biases = model.solve_rows((np.zeros(at.sum(), int), data.cols[at], data.values[at]), return_bias=True)
    np.testing.assert_allclose(factors[0], model.query().U[11], rtol=1e-3, atol=1e-4)
    assert biases[0] == pytest.approx(model.query().row_bias[11], rel=1e-3, abs=1e-4)


def test_recommendations_are_the_largest_predictions():
    data = known(40, 30, 3, 500, noise=0.1, unseen=100)
    model = MatrixCompletion(3, validation=0.2).fit(data.cells, shape=data.shape)
    full = filled(model.query())
    seen = np.zeros(data.shape, bool)
    seen[data.rows, data.cols] = True
    found = model.recommend([3, 0, 3], 5)
    for row, cols, scores in zip([3, 0, 3], found.cols, found.scores, strict=True):
        wanted = np.argsort(-np.where(seen[row], -np.inf, full[row]), kind="stable")[:5]
        assert cols.tolist() == wanted.tolist()
        np.testing.assert_allclose(scores, full[row, wanted], rtol=1e-12)
    assert model.recommend(3, 5).cols.tolist() == found.cols[0].tolist()
    assert model.recommend(np.int64(3), 1).scores.shape == (1,)
    assert model.recommend(3, 40, exclude_seen=False).cols[:30].tolist() == np.argsort(-full[3], kind="stable").tolist()
    rest = model.recommend(3, 30)
    left = 30 - seen[3].sum()
    assert (rest.cols[left:] == -1).all()
    assert np.isnan(rest.scores[left:]).all()
    assert model.recommend([], 3).cols.shape == (0, 3)


@pytest.mark.parametrize("params", [{"validation": 0.1}, {}, {"validation": 0.1, "dtype": "float32"}], ids=str)
@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_intervals_cover_what_they_say(params, noise):
    """Of 5,000 unseen noisy cells 90 % should be inside: 85 to 95 % are asked for; chance alone stays within 2 %."""
    data = known(300, 250, 4, 20_000, noise=noise, seed=11)
    model = MatrixCompletion(4, reg=0.5 * noise, **params).fit(data.cells, shape=data.shape)
    rows, cols, truth = data.unseen
    values = truth + noise * np.random.default_rng(5).normal(size=len(truth))
    predicted, spread = model.predict(rows, cols, return_std=True)
    assert np.array_equal(predicted, model.predict(rows, cols))
    covered = np.mean(np.abs(predicted - values) <= 1.6449 * spread)
    assert 0.85 <= covered <= 0.95
    assert 0.8 * noise <= np.median(spread) <= 2 * noise


def answer_or_refusal(model, rows, cols):
    try:
        return model.predict(rows, cols, return_std=True), ""
    except ValueError as refused:
        return None, str(refused)


@pytest.mark.parametrize("validation", [0.0, 0.1])
@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_intervals_of_fits_that_took_in_noise_are_right_or_refused(noise, validation):
    data = known(300, 250, 4, 20_000, noise=noise, seed=11)
    rows, cols, truth = data.unseen
    values = truth + noise * np.random.default_rng(5).normal(size=len(truth))
    given = 0
    for reg in (0.01, 0.1, 0.3, 1.0, 3.0):
        model = MatrixCompletion(20, reg=reg, validation=validation).fit(data.cells, shape=data.shape)
        answer, refused = answer_or_refusal(model, rows, cols)
        if answer is None:
            assert "degrees of freedom" in refused
            assert validation == 0
            continue
        given += 1
        predicted, spread = answer
        assert 0.85 <= np.mean(np.abs(predicted - values) <= 1.6449 * spread) <= 0.95
    assert given >= (5 if validation else 2)


def test_intervals_are_wider_where_less_is_known():
    rng = np.random.default_rng(0)
    data = known(100, 80, 3, 6000, noise=0.3)
    few = data.rows < 20
    keep = ~few | (rng.random(len(few)) < 0.1)
    model = MatrixCompletion(3, reg=0.1).fit(tuple(side[keep] for side in data.cells), shape=data.shape)
    cols = np.arange(80)
    sparse = [model.predict(np.full(80, i), cols, return_std=True)[1].mean() for i in range(20)]
    dense = [model.predict(np.full(80, i), cols, return_std=True)[1].mean() for i in range(20, 40)]
    assert np.mean(sparse) > 1.1 * np.mean(dense)


def test_intervals_are_refused_where_nothing_tells_the_noise():
    data = known(30, 30, 3, 250, noise=0.1, unseen=100)
    model = MatrixCompletion(10, reg=1e-9).fit(data.cells, shape=data.shape)
    with pytest.raises(ValueError, match=r"degrees of freedom.*validation=0.1.*lower the rank or raise reg"):
        model.predict([0], [0], return_std=True)
    with pytest.raises(ValueError, match="degrees of freedom"):
        MatrixCompletion(2, shape=(3, 3)).predict([0], [0], return_std=True)


def test_the_noise_is_measured_again_after_a_change():
    data = known(100, 80, 3, 4000, noise=0.1)
    model = MatrixCompletion(3, reg=0.1).fit(data.cells, shape=data.shape)
    _, calm = model.predict([0], [0], return_std=True)
    wild = data.values + 3 * np.random.default_rng(0).normal(size=4000)
    model.insert(data.rows, data.cols, wild)
    _, loud = model.predict([0], [0], return_std=True)
    assert loud > 5 * calm
