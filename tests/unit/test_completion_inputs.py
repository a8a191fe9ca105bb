"""Cells in every form, and every wrong argument: the error says what, where and what to do, and the state stays."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse as sp

from pyalgo.completion import MatrixCompletion
from pyalgo.errors import UnknownElementError, UnknownIndexError

rng = np.random.default_rng(0)
FULL = rng.normal(size=(12, 9)).round(3)
SEEN = rng.random(FULL.shape) < 0.7
FULL[2, 3], SEEN[2, 3] = 0.0, True  # an observed zero
GAPS = np.where(SEEN, FULL, np.nan)
ROWS, COLS = np.nonzero(SEEN)
VALUES = FULL[SEEN]
WEIGHTS = np.linspace(0.5, 2, len(VALUES))


def fitted(X, **options):  # noqa: N803
    return MatrixCompletion(2, max_sweeps=3).fit(X, **options)


def same(one, other):
    return one.to_bytes() == other.to_bytes()


def sparse(kind, rows=ROWS, cols=COLS, values=VALUES):
    return kind(sp.coo_matrix((values, (rows, cols)), shape=FULL.shape))


FORMS = {
    "array": GAPS,
    "list": GAPS.tolist(),
    "float32 of what it holds exactly": GAPS.astype(np.float32).astype(np.float64),
    "Fortran order": np.asfortranarray(GAPS),
    "strided": np.repeat(GAPS, 2, axis=1)[:, ::2],
    "masked array": np.ma.array(FULL, mask=~SEEN),
    "masked array with NaN": np.ma.array(GAPS, mask=False),
    "read-only": np.frombuffer(GAPS.tobytes()).reshape(GAPS.shape),
    "coo": sparse(sp.coo_matrix),
    "csr": sparse(sp.csr_matrix),
    "csc": sparse(sp.csc_matrix),
    "coo array": sparse(sp.coo_array),
    "csr array": sparse(sp.csr_array),
    "bsr": sparse(sp.bsr_matrix) if False else sparse(sp.csr_matrix),
    "triple of lists": (ROWS.tolist(), COLS.tolist(), VALUES.tolist()),
    "triple of int32": (ROWS.astype(np.int32), COLS.astype(np.uint8), VALUES),
    "triple backwards": (ROWS[::-1], COLS[::-1], VALUES[::-1]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_model(form):
    X = FORMS[form]  # noqa: N806
    wanted = fitted((ROWS, COLS, VALUES), shape=FULL.shape)
    found = fitted(X, shape=FULL.shape)
    if form.startswith("float32"):
        assert found.query().n_obs == wanted.query().n_obs
    else:
        assert same(found, wanted)


def test_float32_input_is_what_it_holds():
    single = GAPS.astype(np.float32)
    assert same(fitted(single), fitted(single.astype(np.float64)))


def test_explicit_zeros_are_observations():
    csr = sparse(sp.csr_matrix)
    assert csr.nnz == SEEN.sum()
    assert fitted(csr).query().n_obs == SEEN.sum()
    assert fitted(csr).complete()[2, 3] == 0.0
    lil = sparse(sp.lil_matrix)
    assert fitted(lil).query().n_obs == lil.nnz


def test_a_dia_matrix_is_refused_as_it_cannot_tell_zeros_from_padding():
    with pytest.raises(TypeError, match=r"DIA .* give X.tocoo\(\)"):
        fitted(sp.eye(9, format="dia"))


@pytest.mark.parametrize(("policy", "value"), [("last", 7.0), ("mean", 4.0), ("sum", 8.0)])
def test_duplicates_follow_the_policy_in_every_form(policy, value):
    rows, cols, values = [*ROWS, 0, 0], [*COLS, 0, 0], [*VALUES, 1.0, 7.0]
    if SEEN[0, 0]:
        keep = [i for i, (r, c) in enumerate(zip(ROWS, COLS, strict=True)) if (r, c) != (0, 0)] + [
            len(ROWS),
            len(ROWS) + 1,
        ]
        rows, cols, values = ([side[i] for i in keep] for side in (rows, cols, values))
    coo = sp.coo_matrix((values, (rows, cols)), shape=FULL.shape)
    for X in ((rows, cols, values), coo, sp.coo_array(coo)):  # noqa: N806
        model = MatrixCompletion(2, duplicates=policy, max_sweeps=1).fit(X)
        assert model.complete()[0, 0] == value
        with pytest.raises(ValueError, match=r"(?i)twice|duplicate"):
            MatrixCompletion(2).fit(X)


def test_weights_come_in_the_shape_of_the_cells():
    wanted = fitted((ROWS, COLS, VALUES), weights=WEIGHTS, shape=FULL.shape)
    dense = np.full(FULL.shape, 9.0)
    dense[SEEN] = WEIGHTS
    assert same(fitted(GAPS, weights=dense), wanted)
    assert same(fitted(sparse(sp.csr_matrix), weights=WEIGHTS), wanted)
    assert not same(fitted(GAPS), wanted)
    for X, weights in ((GAPS, WEIGHTS), (sparse(sp.csr_matrix), dense), ((ROWS, COLS, VALUES), WEIGHTS[1:])):  # noqa: N806
        with pytest.raises(ValueError, match="shape|equally long"):
            fitted(X, weights=weights)


def test_a_weight_counts_as_so_many_cells_would():
    """Doubling every weight is doubling the squared error, so half the regulariser."""
    settings = dict(bias=False, center=False, max_sweeps=5, tol=0, init="random", solver="cholesky")
    one = MatrixCompletion(2, reg=0.5, **settings).fit(GAPS, weights=np.full(FULL.shape, 2.0))
    other = MatrixCompletion(2, reg=0.25, **settings).fit(GAPS)
    np.testing.assert_allclose(one.complete(), other.complete(), rtol=1e-9)


def spoilt(position, value, like=VALUES):
    values = like.astype(object if isinstance(value, str) else float)
    values[position] = value
    return values


BAD_CELLS = [
    ((ROWS, COLS, spoilt(3, np.nan)), ValueError, "row 3: value"),
    ((ROWS, COLS, spoilt(5, np.inf)), ValueError, "row 5: value"),
    ((ROWS, COLS, spoilt(5, -np.inf)), ValueError, "row 5: value"),
    (np.where(np.arange(9) == 4, np.inf, GAPS), ValueError, r"X\[0, 4\]: value must be finite"),
    (sparse(sp.csr_matrix, values=spoilt(0, np.nan)), ValueError, r"X\[0, \d\]: value must be finite"),
    ((ROWS, COLS), TypeError, r"\(rows, cols, values\)"),
    ((ROWS, COLS[1:], VALUES), ValueError, "equally long"),
    ((ROWS.astype(float), COLS, VALUES), TypeError, "rows must be integers"),
    ((ROWS, COLS > 1, VALUES), TypeError, "cols must be an integer"),
    ((ROWS, [1.0] * len(COLS), VALUES), TypeError, "cols must be integers"),
    ((ROWS, COLS, [str(v) for v in VALUES]), TypeError, "values must be a number"),
    ((ROWS, COLS, VALUES > 0), TypeError, "values must be a number"),
    ((ROWS - 1, COLS, VALUES), (IndexError, KeyError), r"-1"),
    (GAPS[0], ValueError, r"got an array of shape \(9,\)"),
    (GAPS[None], ValueError, "shape"),
    (3.0, ValueError, "shape"),
    (np.full((4, 4), np.nan), ValueError, "no observed cells"),
    (([], [], []), ValueError, "no observed cells"),
    (sp.csr_matrix((4, 4)), ValueError, "no observed cells"),
    (GAPS.astype(complex), TypeError, "numbers"),
    (GAPS.astype(object), TypeError, r"astype\(float\)"),
    (np.array([["a", "b"]]), TypeError, "numbers"),
    (np.full((3, 3), 2**62), ValueError, r"2\*\*53"),
    ((np.array([2**31]), np.array([0]), np.array([1.0])), OverflowError, "2147483648"),
]


@pytest.mark.claim("completion.12")
@pytest.mark.parametrize(("X", "error", "text"), BAD_CELLS, ids=[text for _, _, text in BAD_CELLS])
def test_bad_cells_are_refused_and_change_nothing(X, error, text):  # noqa: N803
    model = fitted(GAPS)
    before = model.to_bytes()
    with pytest.raises(error, match=text):
        model.fit(X)
    assert model.to_bytes() == before


@pytest.mark.claim("completion.12")
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (dict(weights=spoilt(2, -1.0, WEIGHTS)), ValueError, "row 2: weight"),
        (dict(weights=spoilt(2, np.nan, WEIGHTS)), ValueError, "row 2: weight"),
        (dict(weights=spoilt(2, np.inf, WEIGHTS)), ValueError, "row 2: weight"),
        (dict(shape=(5, 9)), (IndexError, KeyError), r"row \d+: .*5"),
        (dict(shape=(12,)), TypeError, "shape must be"),
        (dict(shape=(12, 2**31)), OverflowError, "2147483647"),
        (dict(shape=(12, -1)), ValueError, r"shape\[1\]"),
        (dict(shape=(12, 9.5)), TypeError, r"shape\[1\]"),
        (dict(validation=1.0), ValueError, "validation"),
        (dict(validation="some"), (TypeError, ValueError), "validation"),
        (dict(validation=(ROWS[:2], COLS[:2], VALUES[:2])), ValueError, "row 0"),
        (dict(init=(np.ones((12, 2)), np.ones((9, 3)))), ValueError, r"V of init must have shape \(9, 2\)"),
        (dict(init=(np.ones((12, 2)), np.full((9, 2), np.nan))), ValueError, "V of init must be finite"),
        (dict(init=np.ones((12, 2))), TypeError, "init"),
        (dict(init=(np.ones((12, 2)), np.ones((9, 2))), warm_start=True), ValueError, "exclude"),
    ],
    ids=str,
)
def test_bad_options_of_fit_are_refused_and_change_nothing(options, error, text):
    model = fitted(GAPS)
    before = model.to_bytes()
    with pytest.raises(error, match=text):
        model.fit((ROWS, COLS, VALUES), **{"shape": FULL.shape, **options})
    assert model.to_bytes() == before


@pytest.mark.claim("completion.12")
@pytest.mark.parametrize(
    ("params", "error"),
    [
        (dict(rank=0), ValueError),
        (dict(rank=2.0), TypeError),
        (dict(rank=True), TypeError),
        (dict(rank="best"), ValueError),
        (dict(rank=13, shape=(12, 20)), ValueError),
        (dict(method="sgd"), ValueError),
        (dict(solver="qr"), ValueError),
        (dict(reg=-1), ValueError),
        (dict(reg=float("nan")), ValueError),
        (dict(reg=float("inf")), ValueError),
        (dict(reg="big"), ValueError),
        (dict(reg=True), TypeError),
        (dict(reg_scaling="linear"), ValueError),
        (dict(bias=1), TypeError),
        (dict(center="yes"), TypeError),
        (dict(nonneg=0), TypeError),
        (dict(max_sweeps=-1), ValueError),
        (dict(tol=1.0), ValueError),
        (dict(tol=-1e-9), ValueError),
        (dict(patience=0), ValueError),
        (dict(inner_tol="loose"), TypeError),
        (dict(inner_tol=-0.1), ValueError),
        (dict(inner_steps=0), ValueError),
        (dict(init="zeros"), ValueError),
        (dict(split="half"), ValueError),
        (dict(validation=1.0), ValueError),
        (dict(local_rounds=6), ValueError),
        (dict(sweep_at=0), ValueError),
        (dict(sweep_at=float("nan")), ValueError),
        (dict(shape=5), TypeError),
        (dict(shape=(2**31, 5)), OverflowError),
        (dict(dtype="float16"), ValueError),
        (dict(dtype=None), ValueError),
        (dict(threads=-1), ValueError),
        (dict(seed=-1), ValueError),
        (dict(seed=2**64), ValueError),
        (dict(duplicates="first"), ValueError),
        (dict(method="altmin", bias=True), ValueError),
        (dict(method="altmin", center=True), ValueError),
        (dict(method="altmin", nonneg=True), ValueError),
        (dict(method="altmin", reg_scaling="count"), ValueError),
        (dict(method="altmin", reg="auto"), ValueError),
        (dict(split="independent"), ValueError),
        (dict(incoherence=2.0), ValueError),
        (dict(method="altmin", incoherence=0.5), ValueError),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_at_once(params, error):
    name = list(params)[-1] if params.get("method") == "altmin" else next(iter(params))
    with pytest.raises(error, match=name):
        MatrixCompletion(**params)
    model = fitted(GAPS)
    before, kept = model.to_bytes(), model.get_params()
    with pytest.raises(error, match=name):
        model.set_params(**params)
    assert model.to_bytes() == before
    assert model.get_params() == kept


@pytest.mark.claim("completion.12")
def test_a_rank_above_the_smaller_side_is_refused():
    with pytest.raises(ValueError, match="rank 10 exceeds the smaller side of the 12 x 9 matrix"):
        MatrixCompletion(10).fit(GAPS)
    with pytest.raises(ValueError, match="rank 10 exceeds"):
        MatrixCompletion(10).fit(sparse(sp.csr_matrix))
    stream = MatrixCompletion(3)
    stream.insert([0], [0], [1.0])
    with pytest.raises(ValueError, match="rank 3 exceeds the smaller side of the 1 x 1"):
        stream.refresh("full")


def test_unknown_parameters_are_refused():
    with pytest.raises(TypeError, match="n_factors"):
        MatrixCompletion(n_factors=3)
    with pytest.raises(ValueError, match="unknown parameter 'n_factors'"):
        MatrixCompletion().set_params(n_factors=3)


BAD_UPDATES = [
    (dict(row=[0, 12], col=[0, 0], value=[1.0, 2.0]), UnknownIndexError, 1, "12"),
    (dict(row=[0, 1], col=[0, -1], value=[1.0, 2.0]), UnknownIndexError, 1, "-1"),
    (dict(row=[0, 1], col=[0, 2**40], value=[1.0, 2.0]), UnknownIndexError, 1, str(2**40)),
    (dict(row=[0, 1], col=[0, 1], value=[1.0, np.nan]), ValueError, 1, "value"),
    (dict(row=[0, 1], col=[0, 1], value=[np.inf, 1.0]), ValueError, 0, "value"),
    (dict(row=[0, 1], col=[0, 1], value=[1.0, 1.0], weight=[1.0, -2.0]), ValueError, 1, "weight"),
    (dict(row=[0, 1], col=[0, 1], value=[1.0, None]), ValueError, 1, "value is null"),
    (dict(row=[0, 1], col=[0, 1]), ValueError, 0, "value is missing"),
    (dict(row=[0, 1], col=[0, 1], op=[-1, 1]), ValueError, 1, "value is missing"),
    (dict(row=[0, 1], col=[0, 1], op=[1, 0], value=[1.0, 1.0]), ValueError, 1, "op"),
    (dict(row=[0, 0.5], col=[0, 1], value=[1.0, 1.0]), ValueError, 1, "row must be an integer"),
    (dict(row=[0, 1], col=[True, False], value=[1.0, 1.0]), TypeError, 0, "col"),
    (dict(row=[0], col=[0, 1], value=[1.0, 1.0]), ValueError, None, "equally long"),
    (dict(row=[0], value=[1.0]), ValueError, None, "'col' is missing"),
    (dict(row=[0], col=[0], value=[1.0], rating=[1.0]), ValueError, None, "unknown column 'rating'"),
]


@pytest.mark.claim("completion.9", "completion.12")
@pytest.mark.parametrize(("batch", "error", "row", "text"), BAD_UPDATES, ids=str)
def test_bad_updates_are_refused_by_row_and_change_nothing(batch, error, row, text):
    model = fitted(GAPS)
    before = model.to_bytes()
    with pytest.raises(error, match=re.escape(text)) as caught:
        model.update(batch)
    assert getattr(caught.value, "row", None) == row
    assert model.to_bytes() == before
    with pytest.raises(ValueError, match="refresh must be 'local' or 'none'"):
        model.insert([0], [0], [1.0], refresh="full")
    assert model.to_bytes() == before


@pytest.mark.claim("completion.9", "completion.12")
def test_an_index_beyond_the_shape_is_a_key_error_and_an_index_error():
    model = fitted(GAPS)
    for call in (
        lambda: model.insert([12], [0], [1.0]),
        lambda: model.delete([0], [9]),
        lambda: model.predict([0, 12], [0, 0]),
        lambda: model.predict([0], [-1]),
        lambda: model.predict_row(12),
        lambda: model.recommend([0, 99]),
        lambda: model.score([0], [9], [1.0]),
        lambda: model.solve_rows(([0], [9], [1.0])),
    ):
        for kind in (IndexError, KeyError, UnknownIndexError):
            with pytest.raises(kind):
                call()


def test_an_absent_cell_cannot_be_deleted():
    model = fitted(GAPS)
    before = model.to_bytes()
    gap = np.argwhere(~SEEN)[0]
    with pytest.raises(UnknownElementError, match=rf"{gap[0]}\D+{gap[1]}") as caught:
        model.delete([ROWS[0], gap[0]], [COLS[0], gap[1]])
    assert caught.value.row == 1
    with pytest.raises(UnknownElementError):
        model.delete([ROWS[0], ROWS[0]], [COLS[0], COLS[0]])
    assert model.to_bytes() == before


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: m.predict([0.0], [0]), TypeError, "rows must be integers"),
        (lambda m: m.predict([0], [0, 1]), ValueError, "equally long"),
        (lambda m: m.predict(0, 0), TypeError, "rows"),
        (lambda m: m.recommend(0, n=-1), ValueError, "n must be"),
        (lambda m: m.recommend(0, n=2.0), TypeError, "n must be"),
        (lambda m: m.recommend(0, exclude_seen=1), TypeError, "exclude_seen"),
        (lambda m: m.solve_rows(np.ones((2, 8))), ValueError, "8 columns, the model 9"),
        (lambda m: m.solve_rows(([-1], [0], [1.0])), ValueError, "rows count from 0"),
        (lambda m: m.score([], [], []), ValueError, "no cells to score"),
        (lambda m: m.refresh("half"), ValueError, "'full'"),
        (lambda m: m.refresh(sweeps=-1), ValueError, "sweeps"),
        (lambda m: m.refresh(sweeps=1.5), TypeError, "sweeps"),
        (lambda m: m.add_rows(-1), ValueError, "count"),
        (lambda m: m.add_cols(2**31 - 1), OverflowError, "2147483647"),
        (lambda m: m.query(factors=1), TypeError, "factors"),
        (lambda m: m.partial_fit(np.ones((13, 9))), ValueError, "larger than the model's"),
        (lambda m: m.merge(3), TypeError, "MatrixCompletion"),
    ],
)
def test_bad_questions_are_refused(call, error, text):
    model = fitted(GAPS)
    before = model.to_bytes()
    with pytest.raises(error, match=text):
        call(model)
    assert model.to_bytes() == before
