"""Functions of ids: what they are held to, and how often they are called."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import pyalgo
from pyalgo.submodular import CallableObjective, DynamicSubmodularMaximizer, Mixture, WeightedCoverage


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda ids: float("nan"), ValueError, "returned nan"),
        (lambda ids: float("inf"), ValueError, "returned inf"),
        (lambda ids: "much", TypeError, "must return a number, got 'much'"),
        (lambda ids: 1 / 0, ZeroDivisionError, "division"),
        (lambda ids: 5.0 - len(ids), pyalgo.NonMonotoneError, "falls by 1"),
        (lambda ids: -1.0, pyalgo.NonMonotoneError, "falls by 1"),
    ],
)
def test_callables_that_do_not_keep_their_promise(f, error, text):
    with pytest.raises(error, match=text):
        CallableObjective(f).prefix_gains([1], [[2]])


def test_batch_gains_of_the_wrong_kind():
    with pytest.raises(ValueError, match=r"one gain for each of 1 ids, got shape \(2,\)"):
        CallableObjective(len, lambda ids, prefix: [1.0, 2.0]).value([1])
    with pytest.raises(pyalgo.NonMonotoneError):
        CallableObjective(len, lambda ids, prefix: [-1.0]).value([1])


def test_rounding_is_no_fall():
    noise = iter([1.0, 1.0 - 1e-12, 1.0])
    assert CallableObjective(lambda ids: next(noise)).value([1, 2, 3]) == pytest.approx(1.0)


@pytest.mark.claim("submodular.13")
@pytest.mark.parametrize("ids", ["integers", "strings"])
def test_python_is_called_no_more_often_than_the_oracle(ids):
    rng = np.random.default_rng(0)
    sets = [set(rng.integers(0, 60, size=5).tolist()) for _ in range(120)]
    calls = 0

    def cover(chosen):
        nonlocal calls
        calls += 1
        assert chosen.dtype == (np.int64 if ids == "integers" else object)
        assert len(set(chosen.tolist())) == len(chosen) > 0
        return float(len(set().union(*(sets[int(str(i).removeprefix("e"))] for i in chosen))))

    f = DynamicSubmodularMaximizer(CallableObjective(cover), 5, seed=1)
    reference = DynamicSubmodularMaximizer({"name": "coverage"}, 5, seed=1)
    name = (lambda i: i) if ids == "integers" else (lambda i: f"e{i}")
    for i in range(120):
        f.insert([name(i)])
        reference.insert([name(i)], items=[sorted(sets[i])])
        if i >= 50:
            f.delete([name(i - 50)])
            reference.delete([name(i - 50)])
    assert calls <= 1.2 * f.query(refine=False).oracle_calls
    f._check()
    assert f.query().value >= 0.4 * reference.query().upper_bound
    assert f.query().value == len(set().union(*(sets[int(str(i).removeprefix("e"))] for i in f.query().ids)))


def test_threads_share_functions_and_mixtures():
    """Nobody waits for an objective while it keeps the interpreter from whoever has the objective."""
    mixed = Mixture([CallableObjective(lambda ids: float(len(ids))), WeightedCoverage()], [0.1, 1.0])
    objectives = (mixed, *mixed.objectives)
    maximisers = [DynamicSubmodularMaximizer(f, 3) for f in objectives]

    def churn(f):
        for i in range(120):
            f.insert([i], **({"items": [[i % 7, i % 5]]} if f.objective.columns else {}))
            if i >= 20:
                f.delete([i - 20])
            assert f.nbytes > 0
            assert len(f.query(certificate=True).ids) <= 3
            mixed.objectives[0].value([1, 2])

    threads = [threading.Thread(target=churn, args=(f,)) for f in maximisers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    for f in maximisers:
        f._check()
    assert maximisers[0].query().value == pytest.approx(0.3 + 6)
    assert maximisers[1].query().value == 3
    assert maximisers[2].query().value == 6
