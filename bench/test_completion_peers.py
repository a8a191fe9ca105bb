"""The peers of completion and its data are right: a benchmark against a wrong program says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from completion_data import Cells, Split, low_rank, movielens, movielens_folder, ratings
from completion_peers import Model, cmfrec_als, cornac_sgd, implicit_als, naive_als, per_sweep
from scipy.sparse import csr_matrix

from pyalgo.completion import MatrixCompletion

SMALL = low_rank(60, 50, 1500, rank=3, noise=0.3, seed=1)


def dense(split: Split) -> tuple[np.ndarray, np.ndarray]:
    values, seen = np.zeros(split.shape), np.zeros(split.shape, bool)
    values[split.train.rows, split.train.cols] = split.train.values
    seen[split.train.rows, split.train.cols] = True
    return values, seen


def objective(split: Split, model: Model, reg: float) -> float:
    biases = [np.asarray(bias) for bias in (model.row_bias, model.col_bias)]
    squares = sum(float((part.astype(np.float64) ** 2).sum()) for part in (model.u, model.v, *biases))
    return len(split.train.values) * model.rmse(split.train) ** 2 + reg * squares


def ridge(values: np.ndarray, seen: np.ndarray, fixed: np.ndarray, reg: float) -> np.ndarray:
    """Row by row, as a least-squares problem with sqrt(reg) times the unit matrix below."""
    k = fixed.shape[1]
    below, zeros = np.sqrt(reg) * np.eye(k), np.zeros(k)
    rows = zip(values, seen, strict=True)
    return np.array([np.linalg.lstsq(np.r_[fixed[s], below], np.r_[y[s], zeros])[0] for y, s in rows])


def test_the_naive_reference_solves_every_row():
    fit, (values, seen) = naive_als(SMALL, 4, 0.5), dense(SMALL)
    u, v = None, np.random.default_rng(0).normal(size=(50, 4)) / 2
    for sweeps in range(1, 4):
        u = ridge(values, seen, v, 0.5)
        v = ridge(values.T, seen.T, u, 0.5)
        model = fit(sweeps)
        np.testing.assert_allclose(model.u, u, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.v, v, rtol=1e-9, atol=1e-12)


def test_ours_and_the_naive_reference_take_the_same_steps():
    settings = {"reg": 0.5, "reg_scaling": "none", "bias": False, "center": False, "tol": 0}
    start = np.random.default_rng(0).normal(size=(50, 4)) / 2  # as the reference begins
    for sweeps in (1, 5):
        ours = MatrixCompletion(4, max_sweeps=sweeps, **settings).fit(SMALL.train, init=(np.zeros((60, 4)), start))
        peer, state = naive_als(SMALL, 4, 0.5)(sweeps), ours.query()
        np.testing.assert_allclose(state.U @ state.V.T, peer.u @ peer.v.T, rtol=1e-9, atol=1e-9)


def test_the_naive_reference_recovers_what_is_of_low_rank():
    exact = low_rank(300, 200, 12_000, rank=3, seed=2)
    assert naive_als(exact, 3, 0.0)(60).rmse(exact.test) <= 1e-10


@pytest.mark.parametrize("cg", [False, True])
def test_cmfrec_has_the_same_objective_and_comes_to_the_same_optimum(cg):
    pytest.importorskip("cmfrec")
    ours = objective(SMALL, naive_als(SMALL, 3, 2.0)(100), 2.0)
    theirs = objective(SMALL, cmfrec_als(SMALL, 3, 2.0, cg=cg)(100), 2.0)
    assert theirs == pytest.approx(ours, rel=1e-6)
    few = [objective(SMALL, cmfrec_als(SMALL, 3, 2.0, cg=cg)(sweeps), 2.0) for sweeps in (1, 2, 4, 8)]
    assert few == sorted(few, reverse=True)
    assert few[0] > 1.01 * theirs  # a fit does as many sweeps as it is told


def test_cmfrec_with_biases_minimises_over_them_too():
    pytest.importorskip("cmfrec")
    split = ratings(80, 60, 2000, rank=2)
    model = cmfrec_als(split, 3, 2.0, bias=True)(100)
    least = objective(split, model, 2.0)
    assert np.abs(model.row_bias).max() > 0.1
    random = np.random.default_rng(0)
    for name in ("row_bias", "col_bias", "u", "v"):
        part = getattr(model, name)
        moved = model._replace(**{name: part + 0.01 * random.normal(size=part.shape)})
        assert objective(split, moved, 2.0) > least


def test_cornac_is_stochastic_gradient_descent():
    pytest.importorskip("cornac")
    split, k, rate, reg = ratings(80, 60, 2000, rank=2), 4, 0.01, 0.06
    model = cornac_sgd(split, k, rate=rate, reg=reg, seed=3)(2)
    order, rng = np.random.default_rng(3).permutation(2000), np.random.default_rng(3)
    u, v = (rng.normal(scale=0.01, size=(size, k)) for size in split.shape)
    row_bias, col_bias, mean = np.zeros(80), np.zeros(60), split.train.values.mean()
    for _ in range(2):
        for i, j, y in zip(*split.train.part(order), strict=True):
            error = y - mean - row_bias[i] - col_bias[j] - u[i] @ v[j]
            u[i], v[j] = u[i] + rate * (error * v[j] - reg * u[i]), v[j] + rate * (error * u[i] - reg * v[j])
            row_bias[i] += rate * (error - reg * row_bias[i])
            col_bias[j] += rate * (error - reg * col_bias[j])
    np.testing.assert_allclose(model.u, u, atol=2e-5)
    np.testing.assert_allclose(model.row_bias, row_bias, atol=2e-5)
    np.testing.assert_allclose(model.col_bias, col_bias, atol=2e-5)
    best = cornac_sgd(split, k)(50).rmse(split.test)
    assert best < Model(np.zeros((80, 1)), np.zeros((60, 1)), mean=mean).rmse(split.test)


def test_implicit_solves_its_own_problem():
    pytest.importorskip("implicit")
    split = ratings(80, 60, 2000, rank=2)
    model = implicit_als(split, 4, 0.1, cg=False)(5)
    confidence = csr_matrix((split.train.values, (split.train.rows, split.train.cols)), shape=split.shape).toarray()
    weights = np.where(confidence > 0, confidence, 1)  # what was not seen is a zero of weight 1
    for j in range(60):
        gram = (model.u.T * weights[:, j]) @ model.u + 0.1 * np.eye(4)
        np.testing.assert_allclose(gram @ model.v[j], model.u.T @ confidence[:, j], rtol=2e-3, atol=2e-3)


def test_a_sweep_is_timed_without_what_a_fit_costs():
    calls = []

    def fit(sweeps: int) -> Model:
        calls.append(sweeps)
        for _ in range(3 + sweeps):
            np.linalg.norm(np.ones(2_000_000))
        return Model(np.zeros((1, 1)), np.zeros((1, 1)))

    fit(0)
    assert 0.1 < per_sweep(fit, 1, 21) / per_sweep(lambda sweeps: fit(2 * sweeps), 1, 21) < 1
    assert calls[1:] == [1, 21, 2, 42]


def matrix(cells: Cells, shape: tuple[int, int]) -> np.ndarray:
    return csr_matrix((np.ones(len(cells.values)), (cells.rows, cells.cols)), shape=shape).toarray()


@pytest.mark.parametrize("make", [low_rank, ratings])
def test_cells_are_distinct_and_held_out_ones_others(make):
    split = make(200, 150, 6000, seed=4)
    assert len(split.train.values) == 6000
    assert len(split.test.values) in (300, 1500)
    assert (matrix(split.train, (200, 150)) + matrix(split.test, (200, 150))).max() == 1
    again = make(200, 150, 6000, seed=4)
    assert all((a == b).all() for a, b in zip(split.train, again.train, strict=True))


def test_low_rank_cells_are_of_a_matrix_of_that_rank():
    split = low_rank(40, 30, 1142, rank=5)  # with those held out all but one of 1200
    full = np.zeros((40, 30))
    for cells in (split.train, split.test):
        full[cells.rows, cells.cols] = cells.values
    assert np.linalg.matrix_rank(full[:, 1:30], tol=1e-9) <= 6  # a cell that is missing adds one
    assert 0.7 < full.std() < 1.3


def test_ratings_look_like_ratings():
    split = ratings()
    assert set(np.unique(split.train.values)) == {1.0, 2.0, 3.0, 4.0, 5.0}
    films = np.sort(np.bincount(split.train.cols, minlength=1700))[::-1]
    assert films[:170].sum() > 0.4 * films.sum()  # a tenth of the films gets most
    assert films[850:].sum() < 0.15 * films.sum()


@pytest.mark.skipif(movielens_folder() is None, reason="PYALGO_MOVIELENS names no folder with u1.base ... u5.test")
def test_movielens_is_read_whole():
    tests = []
    for fold in range(1, 6):
        split = movielens(movielens_folder(), fold)
        assert (len(split.train.values), len(split.test.values)) == (80_000, 20_000)
        tests.append(matrix(split.test, split.shape))
        assert (matrix(split.train, split.shape) + tests[-1]).max() == 1
    assert sum(tests).max() == 1  # every rating is held out once
