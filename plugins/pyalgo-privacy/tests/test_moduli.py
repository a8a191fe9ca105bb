"""The choice of moduli: what it reaches, and that neither it nor its cache can be wrong unnoticed."""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path

import numpy as np
import pytest
from pyalgo_privacy import MSS, SS, InfeasibleBudget, ModuliPlan, choose_moduli
from pyalgo_privacy.covariance import predicted_mse
from pyalgo_privacy.moduli import cache_path, coprime_near, pick, plan_of, read_plans

from pyalgo.rns import is_pairwise_coprime


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYALGO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.claim("mss.6")
def test_at_1024_values():
    plans = choose_moduli(1024, 1.0, target_ratio=1.3)
    assert plans[0].ratio <= 1.3
    assert plans[0].bits <= 0.62 * SS(1024, 1.0).message_bits()
    assert all(is_pairwise_coprime(plan.moduli) and plan.ratio <= 1.3 for plan in plans)


@pytest.mark.claim("mss.6")
def test_at_22000_values_within_30_seconds():
    begin = time.process_time()
    plans = choose_moduli(22000, 1.0, target_ratio=1.25)
    seconds = time.process_time() - begin
    best = pick(plans, 22000)
    assert best.ratio <= 1.25
    assert best.bits <= 0.5 * SS(22000, 1.0).message_bits()
    assert seconds <= 30


def test_no_plan_is_worse_than_another_in_everything():
    plans = choose_moduli(300, 2.0, target_ratio=math.inf)
    for a in plans:
        for b in plans:
            if a is not b:
                assert a.ratio < b.ratio or a.bits < b.bits or a.seconds < b.seconds
    assert [plan.bits for plan in plans] == sorted(plan.bits for plan in plans)
    assert any(len(plan.moduli) == 1 for plan in plans)


def test_plans_are_what_they_say():
    for plan in choose_moduli(300, 2.0)[:5]:
        assert plan == plan_of(300, 2.0, plan.moduli)


def test_equal_seeds_give_equal_plans_and_others_others():
    plans = choose_moduli(200, 1.0, l=6, cache=False)
    assert choose_moduli(200, 1.0, l=6, cache=False) == plans
    assert choose_moduli(200, 1.0, l=6, seed=1, cache=False) != plans


def test_budgets_leave_out_plans():
    plans = choose_moduli(300, 1.0, bits_budget=150)
    assert max(plan.bits for plan in plans) <= 150
    with pytest.raises(
        InfeasibleBudget, match=r"no moduli reach a ratio of at most 1.01 with at most 60 bits: the nearest have"
    ):
        choose_moduli(300, 1.0, target_ratio=1.01, bits_budget=60)
    with pytest.raises(InfeasibleBudget):
        choose_moduli(300, 1.0, target_ratio=0.5)
    assert {len(plan.moduli) for plan in choose_moduli(300, 1.0, l=5, target_ratio=2)} == {5}


@pytest.mark.parametrize("k", [2, 3, 7, 20])
def test_small_domains_have_a_plan(k):
    oracle = MSS(k, 1.0)
    assert predicted_mse(oracle) <= 1.3 * SS(k, 1.0).variance(1 / k)


def test_auto_is_the_pick_and_keeps_the_moduli():
    oracle = MSS(300, 1.0, target_ratio=1.2)
    assert oracle.moduli == pick(choose_moduli(300, 1.0, target_ratio=1.2), 300).moduli
    assert MSS(**oracle.params).digest == oracle.digest
    assert len(MSS(300, 1.0, l=5, target_ratio=1.5).moduli) == 5


def test_the_pick_leaves_out_slow_plans():
    slow = ModuliPlan((3, 5), 1.1, 9.0, 10.0, (10, 10), 1.0)
    fast = ModuliPlan((4, 7), 1.1, 9.0, 12.0, (12, 12), 1e-6)
    assert pick([slow, fast], 100) == fast
    assert pick([slow], 100) == slow


@pytest.mark.parametrize(
    ("targets", "moduli"), [([10, 10, 10], (9, 10, 11)), ([6.2, 9.4], (6, 7)), ([2, 2, 2], (2, 3)), ([1, 1], (2, 3))]
)
def test_integers_next_to_their_targets(targets, moduli):
    found = coprime_near(targets)
    assert found is None or is_pairwise_coprime(found)
    if len(targets) == len(moduli) and targets != [1, 1]:
        assert len(found) == len(moduli)


# The cache


def test_the_cache_is_used_and_written_whole(cache):
    plans = choose_moduli(120, 1.0)
    (file,) = cache.iterdir()
    assert file == cache_path(120, 1.0, None, 0)
    begin = time.process_time()
    assert choose_moduli(120, 1.0) == plans
    assert time.process_time() - begin < 0.5
    choose_moduli(120, 1.0, seed=5, cache=False)
    assert len(list(cache.iterdir())) == 1


def spoil(entries):
    """Files that do not hold plans for k = 120 and eps = 1."""
    yield "[]x"
    yield "[]"
    yield "{}"
    yield "[1]"
    yield "[[]]" * 2
    yield "[" * 100_000
    for name, value in (
        ("moduli", [2, 3]),
        ("moduli", [60, 62, 90]),
        ("moduli", [2**40, 3]),
        ("moduli", "auto"),
        ("moduli", [True, 200]),
        ("ratio", 0.5),
        ("ratio", "x"),
        ("ratio", float("nan")),
        ("kappa", -1),
        ("seconds", None),
    ):
        yield json.dumps([{**entries[0], name: value}, *entries[1:]])


def test_a_cache_that_does_not_hold_is_made_anew(cache):
    plans = choose_moduli(120, 1.0)
    file = cache_path(120, 1.0, None, 0)
    entries = json.loads(file.read_text())
    for content in spoil(entries):
        file.write_text(content)
        assert read_plans(file, 120, 1.0) is None
    assert choose_moduli(120, 1.0) == plans
    assert read_plans(file, 120, 1.0) is not None
    file.write_text(json.dumps([{**entries[0], "bits": 1.0, "bits_per_block": [1]}, *entries[1:]]))
    assert choose_moduli(120, 1.0) == plans  # bits are counted, not read


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PYALGO_CACHE", str(tmp_path / "file"))
    assert choose_moduli(60, 1.0)


def test_the_folder_is_the_systems(monkeypatch, tmp_path):
    from pyalgo_privacy import moduli

    monkeypatch.delenv("PYALGO_CACHE")
    monkeypatch.setattr(moduli.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert moduli.cache_folder() == tmp_path / "pyalgo"
    monkeypatch.setattr(moduli.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert moduli.cache_folder() == tmp_path / "local" / "pyalgo"


def test_the_example_of_the_page():
    page = (Path(__file__).parents[1] / "docs" / "mss.md").read_text(encoding="utf-8")
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert names["devices"].digest == names["oracle"].digest
    truth = np.bincount(np.random.default_rng(0).zipf(1.5, 50_000) % 2000, minlength=2000) / 50_000
    estimate = names["estimate"]  # its noise is the system's: no interval of the example may be relied on to hold
    assert (np.abs(estimate.freq - truth) < 6 * estimate.stderr).all()
    np.testing.assert_array_equal([names["low"], names["high"]], estimate.interval(0.95))
