"""Alignments with at most k mismatches: all of them and no other, also where filters and samples are led astray."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyalgo.hamming import HammingPlan, best_match, find_k_mismatch, hamming_distances

from .hamming_oracle import EDGES, STRUCTURED, mutated, naive, periodic, structured


def check_all_doors(text, pattern, k, expected, wildcard=None, threads=1):
    """find_k_mismatch, hamming_distances with k and a plan against the distances."""
    found = find_k_mismatch(text, pattern, k, wildcard=wildcard, threads=threads)
    assert (found.positions.dtype, found.distances.dtype) == (np.int64, np.int32)
    where = np.flatnonzero(expected <= k)
    assert np.array_equal(found.positions, where), (len(text), len(pattern), k, "positions")
    assert np.array_equal(found.distances, expected[where]), (len(text), len(pattern), k, "distances")
    cut = hamming_distances(text, pattern, k=k, wildcard=wildcard, threads=threads)
    assert np.array_equal(cut, np.minimum(expected, k + 1)), (len(text), len(pattern), k, "cut off")


def planted(n, m, sigma, copies, rng):
    """A random text with copies of the pattern at both ends and at random places, each with more mutations than the last."""
    pattern = rng.integers(0, sigma, m).astype(np.uint8)
    text = rng.integers(0, sigma, n).astype(np.uint8)
    for turn, at in enumerate([0, n - m, *rng.integers(0, n - m + 1, copies)]):
        text[at : at + m] = pattern
        wrong = at + rng.choice(m, min(m, turn), replace=False)
        text[wrong] = (text[wrong] + 1) % sigma
    return text, pattern


@pytest.mark.claim("hamming.1")
def test_small_cases():
    rng = np.random.default_rng(1)
    for case in range(6000):
        n = int(rng.integers(1, 65))
        m = int(rng.integers(1, n + 1))
        sigma = int(rng.integers(1, 6))
        text, pattern = rng.integers(0, sigma, n).astype(np.uint8), rng.integers(0, sigma, m).astype(np.uint8)
        expected, k = naive(text, pattern), int(rng.integers(0, m + 2))
        found = find_k_mismatch(text, pattern, k)
        where = np.flatnonzero(expected <= k)
        assert found.positions.tolist() == where.tolist(), (case, text.tolist(), pattern.tolist(), k)
        assert found.distances.tolist() == expected[where].tolist(), (case, text.tolist(), pattern.tolist(), k)


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("sigma", [2, 4, 20, 250])
def test_edge_lengths_and_every_size_of_k(sigma):
    rng = np.random.default_rng([2, sigma])
    for turn, m in enumerate(EDGES):
        text, pattern = planted(m + (0, 1, 63, 64, 65, 299, 700)[turn % 7], m, sigma, 12, rng)
        expected = naive(text, pattern)
        for k in {0, (1, 8, 31, 32, 33)[turn % 5], m // 64, m // 4, (m * 3) // 4, m - 1, m}:
            if k <= m:
                check_all_doors(text, pattern, k, expected, threads=1 + k % 3)


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("m", [20, 64, 256, 1500])
def test_planted_copies_in_a_long_random_text(m):
    """Most of the text dies in the filter; what was planted must not, at exactly k mismatches and wherever they stand."""
    rng = np.random.default_rng([3, m])
    text, pattern = planted(200_000 if m <= 64 else 60_000, m, 4, 60, rng)
    expected = naive(text, pattern)
    for k in (0, 1, 4, 8, 16, 32, 60):
        check_all_doors(text, pattern, k, expected)
    check_all_doors(text, pattern, 8, expected, threads=4)


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("m", [300, 5000, 70_000])
@pytest.mark.parametrize("side", ["front", "back", "spread", "middle"])
def test_mismatches_may_stand_anywhere(m, side):
    """All k mismatches at one end: a sample of pattern positions taken from there would throw the alignment away."""
    rng = np.random.default_rng(4)
    k = 40
    pattern = rng.integers(0, 4, m).astype(np.uint8)
    places = {
        "front": np.arange(k),
        "back": np.arange(m - k, m),
        "middle": m // 2 + np.arange(k),
        "spread": np.linspace(0, m - 1, k).astype(int),
    }[side]
    text = rng.integers(0, 4, m + 3000).astype(np.uint8)
    for at, extra in ((0, 0), (1500 % m, 0), (3000, 1)):
        text[at : at + m] = pattern
        text[at + places] = (pattern[places] + 1) % 4
        if extra:  # one mismatch too many
            spare = at + next(j for j in range(m) if j not in places)
            text[spare] = (text[spare] + 1) % 4
    expected = naive(text, pattern)
    assert expected[3000] == k + 1
    check_all_doors(text, pattern, k, expected)
    check_all_doors(text, pattern, k + 1, expected)


@cache
def adversaries():
    """Texts in which a filter by a part of the pattern lets everything through, or the pattern begins with a repeat."""
    rng = np.random.default_rng(5)
    found = {}
    for name in STRUCTURED:
        text = structured(name, 12_000, rng)
        found[name] = text, text[5000:5600]
        found[f"{name}, mutated"] = text, mutated(text[5000:7500], 0.02, 4, rng)
    for period in (1, 2, 7, 64, 65):
        text = periodic(20_000, period, 60, 4, rng)
        found[f"period {period}"] = text, periodic(3000, period, 9, 4, rng)
        found[f"period {period}, own"] = text, text[777:3777].copy()
        half = text.copy()
        half[9000:] = rng.integers(0, 4, 11_000)  # the filter is good again from here on
        found[f"period {period}, then random"] = half, text[:900].copy()
    repeat_first = rng.integers(0, 4, 2000).astype(np.uint8)
    repeat_first[:1600] = 0
    text = np.zeros(15_000, np.uint8)
    text[7000:9000] = repeat_first
    found["pattern begins with a repeat"] = text, repeat_first
    found["pattern ends with a repeat"] = text, repeat_first[::-1].copy()
    found["poly-A text, random pattern"] = np.zeros(9000, np.uint8), rng.integers(0, 4, 700).astype(np.uint8)
    return [(name, text, pattern, naive(text, pattern)) for name, (text, pattern) in found.items()]


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("k", [0, 2, 32, 200, 1200])
def test_periodic_and_low_complexity_texts(k):
    survivors = 0
    for name, text, pattern, expected in adversaries():
        try:
            check_all_doors(text, pattern, k, expected, threads=1 + len(name) % 2)
        except AssertionError as error:
            raise AssertionError(f"{name}, k = {k}: {error}") from error
        survivors += np.count_nonzero(expected <= k) > len(expected) // 16
    assert survivors >= (2 if k < 32 else 8)  # else these texts are no adversaries


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("wildcard", [0, 3, 9])
def test_wildcards_in_the_pattern(wildcard):
    rng = np.random.default_rng(6)
    for n, m in ((500, 1), (900, 64), (3000, 300), (9000, 2500)):
        text, pattern = planted(n, m, 4, 10, rng)
        for p in (pattern, np.where(rng.random(m) < 0.8, wildcard, pattern).astype(np.uint8)):
            expected = naive(text, p, wildcard)
            for k in (0, 1, 10, m // 3):
                check_all_doors(text, p, k, expected, wildcard=wildcard)
        check_all_doors(text, np.full(m, wildcard, np.uint8), 0, np.zeros(n - m + 1, int), wildcard=wildcard)


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_wide_symbols(dtype):
    rng = np.random.default_rng(7)
    names = rng.permutation(np.iinfo(np.uint16).max)[:4000].astype(dtype) * (1 if dtype == np.uint16 else 2**45 + 1)
    for sigma, m in ((4, 500), (4000, 500), (4000, 3000)):
        pattern = rng.choice(names[:sigma], m)
        text = rng.choice(names[:sigma], 9000)
        for at in (0, 4000, 9000 - m):
            text[at : at + m] = np.where(rng.random(m) < 0.01, rng.choice(names, m), pattern)
        expected = naive(text, pattern)
        for k in (0, 8, 50, m - 5):
            check_all_doors(text, pattern, k, expected)


@pytest.mark.claim("hamming.1")
def test_max_results_are_the_first_ones():
    rng = np.random.default_rng(8)
    for text, pattern, k in (
        (*planted(50_000, 100, 4, 40, rng), 30),
        (np.zeros(70_000, np.uint8), np.zeros(300, np.uint8), 0),
        (periodic(30_000, 7, 50, 4, rng), periodic(500, 7, 3, 4, rng), 400),
    ):
        full = find_k_mismatch(text, pattern, k)
        assert len(full.positions) >= 10
        for most in (1, 2, 7, len(full.positions) - 1, len(full.positions), len(full.positions) + 5):
            for threads in (1, 3):
                some = find_k_mismatch(text, pattern, k, max_results=most, threads=threads)
                assert np.array_equal(some.positions, full.positions[:most])
                assert np.array_equal(some.distances, full.distances[:most])
    for most in (-1, -5):
        with pytest.raises(ValueError, match="max_results"):
            find_k_mismatch(b"abc", b"a", 1, max_results=most)


@pytest.mark.claim("hamming.1")
@settings(max_examples=200, deadline=None)
@given(st.text("abN", max_size=70), st.text("abcN", min_size=1, max_size=20), st.integers(0, 25), st.booleans())
def test_any_strings(text, pattern, k, wild):
    points = [np.array([ord(symbol) for symbol in symbols], np.int64) for symbols in (text, pattern)]
    expected = naive(*points, ord("N") if wild else None)
    where = np.flatnonzero(expected <= k).tolist()
    for kind, wildcard in ((str, "N"), (str.encode, b"N")):
        found = find_k_mismatch(kind(text), kind(pattern), k, wildcard=wildcard if wild else None)
        assert found.positions.tolist() == where
        assert found.distances.tolist() == expected[where].tolist()


def check_best(text, pattern, expected, tops):
    order = np.argsort(expected, kind="stable")
    for top in tops:
        best = best_match(text, pattern, top)
        assert np.array_equal(best.positions, order[:top]), (len(text), len(pattern), top)
        assert np.array_equal(best.distances, expected[order[:top]]), (len(text), len(pattern), top)
    first = best_match(text, pattern)
    assert (first.positions.tolist(), first.distances.tolist()) == ([order[0]], [expected[order[0]]])


@pytest.mark.claim("hamming.1")
def test_best_match_is_the_earliest_of_the_nearest():
    rng = np.random.default_rng(9)
    for _ in range(1500):
        n = int(rng.integers(1, 50))
        m = int(rng.integers(1, n + 1))
        text, pattern = rng.integers(0, 3, n).astype(np.uint8), rng.integers(0, 3, m).astype(np.uint8)
        check_best(text, pattern, naive(text, pattern), (1, 2, 5, n))
    for n, m in ((60_000, 30), (60_000, 256), (30_000, 3000), (70_100, 70_000)):
        text, pattern = planted(n, m, 4, 8, rng)
        text[: min(m, n - m)] = 9  # the nearest stands late
        check_best(text, pattern, naive(text, pattern), (1, 3, 20, 500))


@pytest.mark.claim("hamming.1")
def test_best_match_where_all_are_alike():
    for _, text, pattern, expected in adversaries():
        check_best(text, pattern, expected, (1, 4, 100))
    equal, other = np.zeros(5000, np.uint8), np.ones(300, np.uint8)
    check_best(equal, equal[:300], np.zeros(4701, int), (1, 70, 6000))
    check_best(equal, other, np.full(4701, 300), (1, 70, 6000))


@pytest.mark.claim("hamming.1")
def test_plan_finds_for_every_pattern():
    rng = np.random.default_rng(10)
    text = rng.integers(0, 4, 30_000).astype(np.uint8)
    patterns = [mutated(text[at : at + m], 0.03, 4, rng) for at, m in ((0, 20), (900, 64), (2000, 3000), (29_744, 256))]
    patterns.append(np.zeros(500, np.uint8))
    for k in (0, 3, 12):
        for pattern, found in zip(patterns, HammingPlan(patterns, k=k).find(text), strict=True):
            expected = naive(text, pattern)
            assert np.array_equal(found.positions, np.flatnonzero(expected <= k))
            assert np.array_equal(found.distances, expected[expected <= k])
