"""What is done to estimates afterwards, and intervals around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyalgo_privacy import GRR, HR, OUE
from pyalgo_privacy.estimate import POSTPROCESS, norm_sub

FREQUENCIES = st.lists(st.floats(-2, 2), min_size=1, max_size=30).map(np.array)


@given(FREQUENCIES)
def test_norm_sub_is_the_nearest_distribution(freq):
    """The conditions of Karush, Kuhn and Tucker: a constant is taken from what stays positive, and no less from the rest."""
    found = norm_sub(freq)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-12)
    taken = freq - found
    kept = found > 0
    assert np.ptp(taken[kept]) <= 1e-12
    assert np.all(taken[~kept] <= taken[kept].max() + 1e-12)


@given(FREQUENCIES)
def test_all_results_are_what_they_are_called(freq):
    assert np.all((POSTPROCESS["clip"](freq) >= 0) & (POSTPROCESS["clip"](freq) <= 1))
    normalized = POSTPROCESS["clip-normalize"](freq)
    assert normalized.sum() == pytest.approx(1)
    assert np.all(normalized[freq <= 0] == 0) or np.all(freq <= 0)


@pytest.mark.parametrize("cls", [GRR, HR])
def test_ibu_is_expectation_maximisation_with_the_channel(cls):
    oracle = cls(6, 1.0, seed=2)
    aggregator = oracle.aggregator()
    aggregator.update(oracle.randomize([0] * 300 + [1] * 100 + [4] * 20))
    channel, counts = oracle.channel(), aggregator._counts
    freq = np.full(6, 1 / 6)
    for _ in range(100_000):
        following = freq * (channel @ (counts / (freq @ channel))) / counts.sum()
        done = np.abs(following - freq).max() <= 1e-9
        freq = following
        if done:
            break
    estimate = aggregator.query(postprocess="ibu")
    np.testing.assert_allclose(estimate.freq, freq, atol=1e-9)
    assert estimate.freq.sum() == pytest.approx(1)
    assert estimate.iterations > 1


def test_names_and_levels_that_do_not_exist_are_refused():
    oracle = OUE(4, 1.0, seed=0)
    aggregator = oracle.aggregator()
    aggregator.update(oracle.randomize([1, 2, 3]))
    with pytest.raises(ValueError, match=r"postprocess must be None, 'ibu' or one of 'clip', .*got 'clamp'"):
        aggregator.query(postprocess="clamp")
    with pytest.raises(ValueError, match="oue has too many of them: use 'norm-sub'"):
        aggregator.query(postprocess="ibu")
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        aggregator.query().interval(95)
    with pytest.raises(ValueError, match="intervals are around unbiased estimates"):
        aggregator.query(postprocess="clip").interval()


def test_without_reports_nothing_is_known():
    estimate = GRR(3, 1.0).aggregator().query(postprocess="norm-sub")
    assert estimate.n == 0
    assert np.all(np.isnan(estimate.freq))
    assert np.all(np.isinf(estimate.stderr))
