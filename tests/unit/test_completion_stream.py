"""Cells that come, change and go; refreshing, snapshots, merging, threads, the contract and the runner."""

from __future__ import annotations

import copy
import json
import pickle
import threading

import numpy as np
import pytest
from sklearn.base import clone

import pyalgo
from pyalgo import snapshot
from pyalgo.completion import CompletionWarning, MatrixCompletion
from pyalgo.testing import check_algorithm

from .completion_oracle import known, solve_row

DATA = known(60, 50, 3, 1200, noise=0.2, unseen=400)
EXTRA = DATA.unseen


def fitted(**params):
    return MatrixCompletion(3, **{"max_sweeps": 5, **params}).fit(DATA.cells, shape=DATA.shape)


def batches(seed, rows=7, cols=5):
    """Short mixed batches whose deletions are of cells that are there."""
    rng = np.random.default_rng(seed)
    present, made = set(), []
    for size in (6, 1, 0, 5, 8):
        op, row, col, value, weight = [], [], [], [], []
        for _ in range(size):
            delete = bool(present) and rng.random() < 0.3
            cell = sorted(present)[rng.integers(len(present))] if delete else (rng.integers(rows), rng.integers(cols))
            cell = (int(cell[0]), int(cell[1]))
            (present.discard if delete else present.add)(cell)
            op.append(-1 if delete else 1)
            row.append(cell[0])
            col.append(cell[1])
            value.append(None if delete else float(rng.normal()))
            weight.append(None if delete else float(rng.exponential()))
        made.append({"op": op, "row": row, "col": col, "value": value, "weight": weight})
    return made


@pytest.mark.claim("completion.10")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dtype": "float32", "solver": "cg", "validation": 0.3},
        {"shape": (7, 5), "solver": "sketch", "reg": 0.5, "reg_scaling": "count", "sweep_at": 0.5},
        {"nonneg": True, "local_rounds": 2, "bias": False},
        {"method": "altmin", "local_rounds": 0},
    ],
    ids=str,
)
def test_the_contract(params):
    check_algorithm(lambda: MatrixCompletion(2, seed=5, **params), batches(1))


@pytest.mark.claim("completion.10")
@pytest.mark.parametrize("params", [{}, {"validation": 0.3}, {"shape": (7, 5), "dtype": "float32"}], ids=str)
def test_without_local_rounds_a_batch_may_be_cut_anywhere(params):
    class Deferred(MatrixCompletion):
        exempt = {"merge": "not the law that is tested"}  # noqa: RUF012

    check_algorithm(lambda: Deferred(2, local_rounds=0, **params), batches(2))


@pytest.mark.claim("completion.9")
@pytest.mark.parametrize(
    "params", [{}, {"dtype": "float32"}, {"solver": "cg"}, {"validation": 0.1}, {"method": "altmin"}]
)
def test_a_refreshed_stream_is_a_fresh_fit_bit_for_bit(params):
    """10,000 insertions, overwritings and deletions each, in mixed order and batches of all sizes."""
    m, n, k = 400, 300, 4
    data = known(m, n, k, 30_000, noise=0.1, unseen=10_000)
    params = {"max_sweeps": 4, "tol": 0, **params}
    stream = MatrixCompletion(k, **params).fit(data.cells, shape=data.shape)
    rng = np.random.default_rng(0)
    fresh = list(zip(*data.unseen, strict=True))
    cells = {(i, j): v for i, j, v in zip(*data.cells, strict=True)}
    held = list(cells)
    gone, changed = held[:10_000], held[10_000:20_000]
    rows = [(1, *cell) for cell in fresh] + [(-1, *cell, 0.0) for cell in gone]
    rows += [(1, *cell, float(rng.normal())) for cell in changed]
    order = rng.permutation(len(rows))
    for i in order:
        op, row, col, value = rows[i]
        if op < 0:
            del cells[row, col]
        else:
            cells[row, col] = value
    at = 0
    while at < len(rows):
        size = int(rng.choice([1, 2, 50, 3000]))
        op, row, col, value = (np.array(side) for side in zip(*(rows[i] for i in order[at : at + size]), strict=True))
        refresh = "none" if size == 3000 else None
        stream.update(op=op.astype(np.int8), row=row, col=col, value=value, refresh=refresh)
        at += size
    if "validation" not in params:
        assert stream.query(factors=False).n_obs == len(cells)
    stream.refresh("full")
    places = np.array(list(cells)).T
    scratch = MatrixCompletion(k, **params).fit((*places, np.array(list(cells.values()))), shape=data.shape)
    ours, theirs = stream.query(), scratch.query()
    for name in ("U", "V", "row_bias", "col_bias", "mean", "train_rmse", "valid_rmse", "sampling", "n_obs", "sweeps"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=name.endswith("rmse")), name
    assert np.array_equal([s[:5] for s in stream.history], [s[:5] for s in scratch.history], equal_nan=True)


@pytest.mark.claim("completion.9")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_update_solves_what_it_touches_and_nothing_else(dtype):
    model = MatrixCompletion(3, reg=0.3, bias=False, center=False, dtype=dtype, solver="cholesky", max_sweeps=5)
    model.fit(DATA.cells, shape=DATA.shape)
    before = model.query()
    rows, cols, values = (side[:3] for side in EXTRA)
    model.insert(rows, cols, values)
    after = model.query()
    others = np.setdiff1d(np.arange(60), rows)
    assert np.array_equal(after.U[others], before.U[others])
    assert np.array_equal(after.V[np.setdiff1d(np.arange(50), cols)], before.V[np.setdiff1d(np.arange(50), cols)])
    everything = [np.concatenate(sides) for sides in zip(DATA.cells, (rows, cols, values), strict=True)]
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    for row in rows:
        at = everything[0] == row
        wanted = solve_row(before.V[everything[1][at]], everything[2][at], 0.3 * np.sqrt(at.sum()))
        np.testing.assert_allclose(after.U[row], wanted, rtol=tolerance, atol=tolerance)
    for col in cols:
        at = everything[1] == col
        wanted = solve_row(after.U[everything[0][at]], everything[2][at], 0.3 * np.sqrt(at.sum()))
        np.testing.assert_allclose(after.V[col], wanted, rtol=tolerance, atol=tolerance)


def test_deferred_updates_change_cells_alone():
    model = fitted()
    before = model.query()
    model.insert(*EXTRA, refresh="none")
    after = model.query()
    assert np.array_equal(after.U, before.U)
    assert after.n_obs == before.n_obs + 400
    assert after.staleness == pytest.approx(400 / 1600)
    model.refresh(sweeps=1)
    assert model.query().staleness == 0
    never = fitted(local_rounds=0)
    never.insert(*EXTRA)
    assert np.array_equal(never.query().U, before.U)
    never.insert(*(side[:1] for side in EXTRA), refresh="local")
    assert not np.array_equal(never.query().U, before.U)


def test_cells_are_inserted_overwritten_and_deleted_in_order():
    model = MatrixCompletion(1, shape=(3, 3))
    model.update(op=[1, 1, -1, 1], row=[0, 0, 0, 0], col=[1, 1, 1, 1], value=[1.0, 2.0, None, 4.0])
    assert model.query().n_obs == 1
    assert model.complete()[0, 1] == 4.0
    model.update(op=[-1], row=[0], col=[1])
    assert model.query().n_obs == 0
    assert model.n_seen == 5
    model.update(row=[], col=[], value=[])
    assert model.n_seen == 5


def test_weights_of_a_stream_are_those_of_a_fit():
    weights = np.random.default_rng(0).exponential(size=1200)
    stream = MatrixCompletion(3, shape=DATA.shape, max_sweeps=4)
    stream.insert(*DATA.cells, weights=weights, refresh="none")
    stream.refresh()
    whole = MatrixCompletion(3, max_sweeps=4).fit(DATA.cells, shape=DATA.shape, weights=weights)
    assert np.array_equal(stream.query().U, whole.query().U)


def test_a_model_that_is_only_fed_grows_and_a_fitted_one_does_not():
    model = MatrixCompletion(2)
    assert model.shape_ == (0, 0)
    model.insert([4], [2], [1.0])
    model.insert([0], [6], [2.0])
    assert model.shape_ == (5, 7)
    with pytest.raises(IndexError, match=r"row 1: .*2147483647") as caught:
        model.insert([0, 2**31], [0, 0], [1.0, 1.0])
    assert caught.value.row == 1
    assert model.shape_ == (5, 7)
    with pytest.raises(IndexError):
        model.delete([5], [0])
    model.partial_fit(np.full((8, 8), np.nan))
    assert model.shape_ == (8, 8)
    restored = pyalgo.load(model.to_bytes())
    restored.insert([9], [0], [1.0])
    assert restored.shape_ == (10, 8)
    for still in (fitted(), MatrixCompletion(2, shape=(60, 50))):
        with pytest.raises(IndexError):
            still.insert([60], [0], [1.0])
        still.add_rows(2)
        still.add_cols(1)
        assert still.shape_ == (62, 51)
        still.insert([61], [50], [1.0])
        with pytest.raises(IndexError):
            pyalgo.load(still.to_bytes()).insert([62], [0], [1.0])


def test_new_rows_and_columns_are_learned_from_their_cells():
    m, n, k = 200, 150, 3
    data = known(m, n, k, 12_000)
    old = (data.rows < 150) & (data.cols < 120)
    model = MatrixCompletion(k, reg=1e-3, bias=False, center=False).fit(
        tuple(side[old] for side in data.cells), shape=(150, 120)
    )
    model.add_rows(50)
    model.add_cols(30)
    for i in np.flatnonzero(~old):
        model.insert([data.rows[i]], [data.cols[i]], [data.values[i]])
    assert model.score(*data.unseen) <= 0.05


def test_partial_fit_is_inserting():
    one, other = fitted(), fitted()
    table = np.full(DATA.shape, np.nan)
    order = np.lexsort((EXTRA[1], EXTRA[0]))
    table[EXTRA[0], EXTRA[1]] = EXTRA[2]
    assert one.partial_fit(table) is one
    other.insert(*(side[order] for side in EXTRA))
    assert one.to_bytes() == other.to_bytes()


def test_predictions_are_scored_before_they_are_learned():
    data = known(200, 150, 3, 12_000, noise=0.1)
    model = MatrixCompletion(3, reg=0.05).fit(data.cells, shape=data.shape)
    assert np.isnan(model.query().ahead_rmse)
    rng = np.random.default_rng(1)
    rows, cols, truth = (side[:800] for side in data.unseen)
    values = truth + 0.1 * rng.normal(size=800)
    wanted = []
    for at in range(0, 800, 50):
        part = slice(at, at + 50)
        wanted.append(model.predict(rows[part], cols[part]) - values[part])
        model.insert(rows[part], cols[part], values[part])
    state = model.query()
    assert state.ahead_rmse == pytest.approx(np.sqrt(np.mean(np.concatenate(wanted) ** 2)), rel=1e-9)
    assert state.ahead_rmse_se == pytest.approx(
        np.std(np.concatenate(wanted) ** 2) / np.sqrt(800) / (2 * state.ahead_rmse), rel=1e-6
    )
    model.refresh(sweeps=1)
    assert np.isnan(model.query().ahead_rmse)


def test_a_sweep_comes_when_enough_has_changed():
    model = fitted(sweep_at=0.1)
    sweeps = model.query().sweeps
    model.insert(*(side[:100] for side in EXTRA))
    assert model.query().sweeps == sweeps
    model.insert(*(side[100:200] for side in EXTRA))
    assert model.query().sweeps == sweeps + 1
    assert model.query().staleness == 0


def test_an_exception_in_a_refresh_leaves_the_model_as_it_was():
    model = fitted()
    model.insert(*EXTRA)
    before, answer = model.to_bytes(), repr(model.query())

    def fail(sweep, train, valid, seconds):
        if sweep == 2:
            raise KeyboardInterrupt

    for how in ("full", 5):
        with pytest.raises(KeyboardInterrupt):
            model.refresh(how, callback=fail)
        assert model.to_bytes() == before
        assert repr(model.query()) == answer
    with pytest.raises(KeyboardInterrupt):
        model.fit(DATA.cells, shape=DATA.shape, callback=fail)
    assert model.to_bytes() == before


def test_a_refresh_that_would_warn_of_an_error_is_refused_whole():
    model = MatrixCompletion(1, shape=(4, 4))
    model.insert([0, 1], [0, 1], [1.0, 2.0])
    before = model.to_bytes()
    with pytest.warns(CompletionWarning, match="6 components"):
        model.clone().refresh("full")
    with pytest.raises(CompletionWarning):  # warnings are errors here
        model.refresh("full")
    assert model.to_bytes() == before


@pytest.mark.claim("completion.10")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_restored_model_has_the_same_future(dtype):
    model = fitted(dtype=dtype, validation=0.2, threads=2)
    model.insert(*(side[:50] for side in EXTRA))
    restored = pyalgo.load(model.to_bytes())
    assert restored.to_bytes() == model.to_bytes()
    assert restored.params == model.params
    for it in (model, restored):
        it.insert(*(side[50:90] for side in EXTRA))
        it.delete(EXTRA[0][:20], EXTRA[1][:20])
        it.refresh(sweeps=2)
    assert restored.to_bytes() == model.to_bytes()
    places = DATA.unseen[0][:30], DATA.unseen[1][:30]
    assert np.array_equal(model.predict(*places, return_std=True), restored.predict(*places, return_std=True))
    model.refresh("full")
    restored.refresh("full")
    assert restored.to_bytes() == model.to_bytes()


def test_a_payload_of_noise_is_refused_or_a_model():
    model = MatrixCompletion(2, validation=0.3)
    rng = np.random.default_rng(0)
    model.insert(rng.integers(0, 9, 30), rng.integers(0, 9, 30), rng.normal(size=30), weights=rng.exponential(size=30))
    _, payload = snapshot.unpack(MatrixCompletion, model.to_bytes())
    refused = 0
    for _ in range(600):
        noisy = bytearray(payload)
        for at in rng.integers(0, len(noisy), rng.integers(1, 4)):
            noisy[at] ^= 1 << rng.integers(8)
        try:
            read = MatrixCompletion.from_bytes(snapshot.pack(model, bytes(noisy)))
        except pyalgo.SnapshotError:
            refused += 1
        else:
            read.query()
            assert pyalgo.load(read.to_bytes()).to_bytes() == read.to_bytes()
    assert 60 <= refused < 600


def test_copies_share_nothing():
    model = fitted(shape=DATA.shape)
    data = model.to_bytes()
    for twin in (model.clone(), copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.to_bytes() == data
        assert twin.shape == DATA.shape
        twin.insert(*EXTRA)
        twin.refresh()
        assert model.to_bytes() == data


def test_scikit_learns_clone_is_an_equal_unfitted_model():
    for params in (
        {},
        {"shape": (70, 60), "reg": "auto", "validation": 0.1},
        {"rank": np.int64(4), "dtype": np.float32},
    ):
        model = MatrixCompletion(**params)
        twin = clone(model)
        assert twin.get_params() == model.get_params()
        assert twin.query().n_obs == 0
        assert pyalgo.load(twin.to_bytes()).to_bytes() == model.to_bytes()
        assert MatrixCompletion(**model.params).to_bytes() == model.to_bytes()


def test_set_params_counts_from_the_next_fit_and_what_needs_no_fit_at_once():
    model = fitted()
    before = model.query()
    assert model.set_params(rank=2, reg=0.5) is model
    assert repr(model.query()) == repr(before)
    assert model.rank_ == 3
    restored = pyalgo.load(model.to_bytes())
    assert (restored.rank, restored.rank_) == (2, 3)
    for it in (model, restored):
        it.insert([0], [0], [1.0])
        it.fit(DATA.cells, shape=DATA.shape)
        assert (it.rank_, it.reg_) == (2, 0.5)
    model.set_params(local_rounds=0)
    now = model.query().U
    model.insert(*EXTRA)
    assert np.array_equal(model.query().U, now)
    fresh = MatrixCompletion(5).set_params(rank=2, shape=(4, 4))
    assert (fresh.rank_, fresh.shape_) == (2, (4, 4))
    other = MatrixCompletion(5)
    other.rank = 2  # as scikit-learn's own estimators allow
    assert other.fit(DATA.cells).rank_ == 2
    assert pyalgo.load(other.to_bytes()).rank == 2


def test_merging_is_the_union_of_the_cells():
    left, right = MatrixCompletion(3, shape=DATA.shape), MatrixCompletion(3, shape=DATA.shape)
    left.insert(*(side[:700] for side in DATA.cells))
    right.insert(*(side[600:] for side in DATA.cells))
    before = right.to_bytes()
    left.merge(right)
    assert right.to_bytes() == before
    assert left.query().n_obs == 1200
    assert left.query().sweeps == 1
    left.refresh("full")
    whole = MatrixCompletion(3).fit(DATA.cells, shape=DATA.shape)
    assert np.array_equal(left.query().U, whole.query().U)
    grown, grows = MatrixCompletion(3), MatrixCompletion(3)
    grown.insert([5], [1], [1.0])
    grows.insert([0], [7], [1.0])
    grown.merge(grows)
    assert grown.shape_ == (6, 8)
    assert grows.shape_ == (1, 8)


def test_what_cannot_be_merged_is_refused_and_changes_nothing():
    left = MatrixCompletion(3, shape=(9, 9))
    left.insert([0, 1], [0, 1], [1.0, 2.0])
    before = left.to_bytes()
    conflict = MatrixCompletion(3, shape=(9, 9))
    conflict.insert([2, 1], [2, 1], [7.0, 3.0])
    larger = MatrixCompletion(3, shape=(9, 9))
    larger.add_rows(1)
    for other, text in (
        (conflict, r"\(1, 1\)"),
        (larger, r"shape is \(9, 9\) here and \(10, 9\) there"),
        (MatrixCompletion(4, shape=(9, 9)), "rank is 3 here and 4 there"),
        (MatrixCompletion(3), r"shape is \(9, 9\) here and None there"),
    ):
        with pytest.raises(ValueError, match=text):
            left.merge(other)
        assert left.to_bytes() == before
    left.merge(left)
    assert left.query().n_obs == 2
    left.merge(MatrixCompletion(3, shape=(9, 9), threads=2))


@pytest.mark.claim("completion.14")
def test_one_model_is_asked_and_fed_from_many_threads():
    model = fitted(threads=2)
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                state = model.query()
                assert np.isfinite(state.U).all()
                assert state.n_obs >= 1200
                model.predict([0, 1], [2, 3], return_std=True)
                model.recommend([0, 1], 3)
                pyalgo.load(model.to_bytes())
            except Exception as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for at in range(0, 400, 20):
        model.insert(*(side[at : at + 20] for side in EXTRA))
        if at % 100 == 0:
            model.refresh(sweeps=1)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    alone = fitted()
    for at in range(0, 400, 20):
        alone.insert(*(side[at : at + 20] for side in EXTRA))
        if at % 100 == 0:
            alone.refresh(sweeps=1)
    assert alone.to_bytes() == model.set_params(threads=1).to_bytes()


def test_the_runner_feeds_it(tmp_path):
    source, sink = tmp_path / "cells.jsonl", tmp_path / "answers.jsonl"
    lines = [{"row": int(i), "col": int(j), "value": float(v)} for i, j, v in zip(*DATA.cells, strict=True)]
    lines += [{"op": -1, "row": lines[0]["row"], "col": lines[0]["col"]}]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = {
        "algorithm": {"name": "completion", "rank": 3, "sweep_at": 0.3, "validation": 0.1},
        "source": {"url": str(source)},
        "query": {"every": 400, "options": {"factors": False}},
        "sink": {"url": str(sink)},
        "state": {"path": str(tmp_path / "s.state")},
    }
    summary = pyalgo.run(job, max_rows=500)
    summary = pyalgo.run(job)
    assert summary.resumed
    answers = [json.loads(line)["result"] for line in sink.read_text().splitlines()]
    assert [answer["n_obs"] + answer["n_validation"] for answer in answers] == [400, 800, 1200, 1199]
    assert answers[-1]["valid_rmse"] < answers[0]["valid_rmse"]
    assert answers[-1]["U"] == []
    assert answers[-1]["shape"] == [60, 50]
