"""The imputer among scikit-learn's estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from pyalgo.sklearn import CompletionImputer

from .completion_oracle import known


@parametrize_with_checks([CompletionImputer(), CompletionImputer(rank=2, scale=False, random_state=None)])
def test_it_is_an_estimator(estimator, check):
    check(estimator)


def table(seed=0, missing=0.3):
    data = known(120, 20, 3, 2300, seed=seed, unseen=100)
    full = data.left @ data.right.T * np.logspace(-2, 2, 20) + np.arange(20)
    gaps = np.random.default_rng(seed).random(full.shape) < missing
    return full, np.where(gaps, np.nan, full), gaps


def test_gaps_are_filled_and_what_is_observed_stays():
    full, gappy, gaps = table()
    imputer = CompletionImputer(3, reg=1e-3, tol=1e-8, max_sweeps=200)
    filled = imputer.fit_transform(gappy)
    assert np.array_equal(filled[~gaps], gappy[~gaps])
    error = (np.where(gaps, filled - full, 0) / full.std(axis=0))[gaps]
    mean = SimpleImputer().fit_transform(gappy)
    other = (np.where(gaps, mean - full, 0) / full.std(axis=0))[gaps]
    assert np.sqrt(np.mean(error**2)) <= 0.05
    assert np.sqrt(np.mean(other**2)) >= 0.9
    assert imputer.rank_ == 3
    np.testing.assert_allclose(imputer.mean_, np.nanmean(gappy, axis=0))
    np.testing.assert_allclose(imputer.scale_, np.nanstd(gappy, axis=0))


def test_rows_that_were_not_in_the_fit_are_filled_each_for_itself():
    full, gappy, gaps = table()
    imputer = CompletionImputer(3, reg=1e-3, tol=1e-8, max_sweeps=200).fit(gappy[:100])
    filled = imputer.transform(gappy[100:])
    scaled = np.where(gaps[100:], filled - full[100:], 0) / full.std(axis=0)
    assert np.sqrt(np.mean(scaled[gaps[100:]] ** 2)) <= 0.1
    one_by_one = np.vstack([imputer.transform(gappy[[i]]) for i in range(100, 120)])
    np.testing.assert_allclose(one_by_one, filled, rtol=1e-12)
    empty = imputer.transform(np.full((1, 20), np.nan))
    assert np.isfinite(empty).all()


def test_columns_without_cells_are_left_out_or_filled_with_zeros():
    _, gappy, _ = table()
    gappy[:, 4] = np.nan
    left_out = CompletionImputer(3).fit(gappy)
    assert left_out.transform(gappy).shape == (120, 19)
    assert left_out.get_feature_names_out().tolist() == [f"x{i}" for i in range(20) if i != 4]
    kept = CompletionImputer(3, keep_empty_features=True).fit(gappy)
    assert not kept.transform(gappy)[:, 4].any()
    assert len(kept.get_feature_names_out()) == 20
    fresh = gappy.copy()
    fresh[:, 4] = 7.0
    assert (kept.transform(fresh)[:, 4] == 7).all()


def test_results_depend_on_the_seed_alone():
    _, gappy, _ = table()
    first = CompletionImputer(3, max_sweeps=2, n_jobs=1).fit_transform(gappy)
    assert np.array_equal(first, CompletionImputer(3, max_sweeps=2, n_jobs=-1).fit_transform(gappy))
    imputer = CompletionImputer(3, max_sweeps=2, validation=0.2)
    assert not np.array_equal(
        imputer.fit_transform(gappy), clone(imputer).set_params(random_state=1).fit_transform(gappy)
    )
    single = gappy.astype(np.float32)
    assert CompletionImputer(3).fit_transform(single).dtype == np.float32


def test_the_rank_is_at_most_what_the_table_allows_or_chosen():
    _, gappy, _ = table()
    assert CompletionImputer(50).fit(gappy).rank_ == 20
    assert CompletionImputer(50).fit(gappy[:, :12]).rank_ == 12
    chosen = CompletionImputer("auto", reg="auto", validation=0.2).fit(gappy)
    assert chosen.rank_ in (2, 4, 8)
    with pytest.raises(ValueError, match="validation"):
        CompletionImputer("auto").fit(gappy)


def test_it_serves_in_pipelines_and_searches():
    features, target = load_diabetes(return_X_y=True)
    gaps = np.random.default_rng(0).random(features.shape) < 0.2
    gappy = np.where(gaps, np.nan, features)
    pipeline = make_pipeline(CompletionImputer(), Ridge(alpha=1e-3))
    search = GridSearchCV(pipeline, {"completionimputer__rank": [1, 3], "completionimputer__reg": [0.3, 3.0]}, cv=3)
    search.fit(gappy, target)
    ours = cross_val_score(search.best_estimator_, gappy, target, cv=5).mean()
    simple = cross_val_score(make_pipeline(SimpleImputer(), Ridge(alpha=1e-3)), gappy, target, cv=5).mean()
    assert ours >= simple - 0.01
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(gappy, columns=[f"c{i}" for i in range(10)])
    filled = CompletionImputer(3).set_output(transform="pandas").fit_transform(frame)
    assert list(filled.columns) == list(frame.columns)
    assert not filled.isna().any().any()
