from __future__ import annotations

import pytest
from pyalgo_template.distinct import DistinctCount

import pyalgo
from pyalgo.testing import check_algorithm


def test_contract():
    batches = [{"key": [f"k{i * i % 40}" for i in range(at, at + 15)]} for at in range(0, 60, 15)]
    check_algorithm(lambda: DistinctCount(k=8), batches)


def test_exact_below_k_and_within_its_error_above():
    few, many = DistinctCount(k=100), DistinctCount(k=1024)
    few.update(key=[1, 2, 3, 2, 1])
    assert few.query().count == 3
    assert few.query().exact
    many.update(key=list(range(50_000)))
    result = many.query()
    # Six standard errors: a false alarm has probability 2e-9; the hash is fixed, so the outcome is too.
    assert abs(result.count - 50_000) < 6 * result.standard_error
    assert result.standard_error < 0.04 * 50_000


def test_through_the_registry():
    assert pyalgo.create("template.distinct", k=10).k == 10
    with pytest.raises(ValueError, match="k must be at least 3, got 2"):
        pyalgo.create("template.distinct", k=2)
