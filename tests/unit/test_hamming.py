"""Text-to-pattern Hamming distances: every method against the definition, against exact invariants and against the others."""

from __future__ import annotations

from functools import cache
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyalgo.hamming import HammingPlan, hamming_distances

from .hamming_oracle import (
    EDGES,
    METHODS,
    STRUCTURED,
    de_bruijn,
    m_sequence,
    mutated,
    naive,
    structured,
)

every_method = pytest.mark.parametrize("method", METHODS)


def check(got, expected, *where):
    """Equal arrays, or the first place at which they differ."""
    assert got.shape == expected.shape, (*where, got.shape, expected.shape)
    if not np.array_equal(got, expected):
        at = int(np.flatnonzero(got != expected)[0])
        pytest.fail(f"{where}: at alignment {at} of {len(got)} the distance is {expected[at]}, got {got[at]}")


@pytest.mark.claim("hamming.1")
def test_small_cases():
    """20 000 texts and patterns, ten patterns a text at once, one of them alone as well.

    The methods that transform see every fifth text: one transform of theirs is as long as hundreds of these texts.
    """
    rng = np.random.default_rng(1)
    for case in range(2000):
        n, sigma = int(rng.integers(1, 65)), int(rng.integers(1, 6))
        text = rng.integers(0, sigma, n).astype(np.uint8)
        patterns = [rng.integers(0, sigma, m).astype(np.uint8) for m in rng.integers(1, n + 1, 10)]
        expected = [naive(text, pattern) for pattern in patterns]
        for method in METHODS:
            if method in ("ntt", "fft") and case % 5:
                continue
            where = case, method, text.tolist()
            check(hamming_distances(text, patterns[0], method=method), expected[0], *where, patterns[0].tolist())
            for i, distances in enumerate(HammingPlan(patterns, method=method).distances(text)):
                check(distances, expected[i], *where, patterns[i].tolist())


def instance(n, m, sigma, rng):
    """A text over one letter more than the pattern may have, with mutated copies of the pattern at both ends and inside."""
    pattern = rng.integers(0, sigma, m).astype(np.uint8)
    text = rng.integers(0, sigma + 1, n).astype(np.uint8)
    for at in {0, n - m, int(rng.integers(0, n - m + 1))}:
        text[at : at + m] = mutated(pattern, rng.choice([0.0, 0.02, 0.5]), sigma + 1, rng)
    return text, pattern


@cache
def edge_instances():
    """(n, m, text, pattern, distances): every edge as the pattern's length, as the number of alignments, and some blocks."""
    rng = np.random.default_rng(2)
    sizes = []
    for turn, edge in enumerate(EDGES):
        sizes.append((edge + (0, 1, 62, 63, 64, 299)[turn % 6], edge))
        m = (1, 3, 17, 70, 300, 241)[turn % 6]
        sizes.append((edge + m - 1, m))
    sizes += [(70_001, 700), (30_000, 2304), (30_000, 2305), (25_000, 4096), (3 * 16384 + 199, 200), (20_000, 12289)]
    found = []
    for turn, (n, m) in enumerate(sizes):
        text, pattern = instance(n, m, (2, 4, 20, 1)[turn % 4], rng)
        found.append((n, m, text, pattern, naive(text, pattern)))
    return found


@pytest.mark.claim("hamming.1")
@every_method
def test_edge_lengths(method):
    for n, m, text, pattern, expected in edge_instances():
        if method == "periodic" and n * m > 2e8:  # on texts without a period it takes a step for each equal pair
            continue
        check(hamming_distances(text, pattern, method=method), expected, n, m)


@cache
def structured_instances(name):
    rng = np.random.default_rng(3)
    found = []
    for m in (1, 64, 255, 256, 257, 1000, 2304):
        text = structured(name, 3001, rng)
        slice_of_it = text[1500 - m // 2 :][:m]
        for pattern in (slice_of_it, mutated(slice_of_it, 0.05, 4, rng)):
            found.append((text, pattern, naive(text, pattern)))
    return found


@pytest.mark.claim("hamming.1")
@every_method
@pytest.mark.parametrize("name", STRUCTURED)
def test_structured_texts(name, method):
    for text, pattern, expected in structured_instances(name):
        check(hamming_distances(text, pattern, method=method), expected, len(pattern))


@pytest.mark.claim("hamming.1")
@every_method
@pytest.mark.parametrize("m", [255, 256, 12287, 12288, 12289, 12290, 24577, 24578, 65536])
def test_counts_do_not_wrap_at_the_size_of_a_counter_or_field(m, method):
    """Two letters in the pattern, one of them once; the text consists of the one, of the other, or of neither."""
    pattern = np.zeros(m, np.uint8)
    pattern[m // 3] = 1
    for symbol, distance in ((0, 1), (1, m - 1), (2, m)):
        text = np.full(m + 130, symbol, np.uint8)
        check(hamming_distances(text, pattern, method=method), np.full(131, distance), symbol)
    equal = np.zeros(m + 130, np.uint8)
    check(hamming_distances(equal, equal[:m], method=method), np.zeros(131, int))


@pytest.mark.claim("hamming.1")
@every_method
def test_a_symbol_that_the_pattern_lacks_never_counts_as_the_letter_left_out(method):
    rng = np.random.default_rng(4)
    for m in (5, 70, 300, 3000):
        pattern = rng.integers(0, 4, m).astype(np.uint8)
        text = rng.integers(0, 4, m + 700).astype(np.uint8)
        text[m // 2 + 350 :] = rng.integers(0, 256, len(text) - m // 2 - 350)  # foreign symbols, but not from the start
        check(hamming_distances(text, pattern, method=method), naive(text, pattern), m)


# The most letters of a pattern at which the test below tries a method: one transform a letter takes its time.
LETTERS = {"fft": 24, "ntt": 200, "bitslice": 255}


def wide_instance(n, sigma, turn, rng):
    dtype = np.uint8 if sigma <= 256 else np.uint16 if sigma <= 65536 else np.int64
    m = int(np.exp(rng.uniform(0, np.log(2000)))) if turn % 25 else int(rng.integers(4000, 15_000))
    pattern = rng.integers(0, sigma, m).astype(dtype)
    text = rng.integers(0, sigma, n).astype(dtype)
    places = sorted({0, n - m, *(int(at) for at in rng.integers(0, n - m + 1, 3))})
    for at in places:
        text[at : at + m] = mutated(pattern, rng.random(), sigma, rng)
    return text, pattern, places


@pytest.mark.claim("hamming.3")
@pytest.mark.parametrize("sigma", [2, 4, 20, 256, 5000, 2**40])
def test_methods_agree_with_each_other(sigma):
    n = 100_000
    rng = np.random.default_rng([5, sigma])
    for turn in range(34):  # 6 alphabets x 34 = 204 instances
        text, pattern, places = wide_instance(n, sigma, turn, rng)
        m, letters = len(pattern), len(np.unique(pattern))
        expected = hamming_distances(text, pattern)
        assert expected.dtype == np.int32
        for at in (*places, *rng.integers(0, n - m + 1, 30)):
            assert expected[at] == np.count_nonzero(text[at : at + m] != pattern), (turn, m, at)
        for method in METHODS[1:]:
            pairs = n * m / sigma if method == "periodic" else 0
            if letters <= LETTERS.get(method, letters) and pairs <= 3e7:
                check(hamming_distances(text, pattern, method=method), expected, turn, m, method)
        for threads in (2, 5):
            check(hamming_distances(text, pattern, threads=threads), expected, turn, m, threads)


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("letters", [255, 256, 257, 1500])
@every_method
def test_patterns_of_many_letters(letters, method):
    """Exact, or refused because of the number of letters; never wrong."""
    rng = np.random.default_rng(6)
    pattern = rng.permutation(np.concatenate([np.arange(letters), rng.integers(0, letters, 50)])).astype(np.uint16)
    text = rng.integers(0, letters + 5, 4000).astype(np.uint16)
    text[900 : 900 + len(pattern)] = mutated(pattern, 0.1, letters, rng)
    expected = naive(text, pattern)
    if letters <= 255 or method not in LETTERS:
        check(hamming_distances(text, pattern, method=method), expected)
        return
    try:
        got = hamming_distances(text, pattern, method=method)
    except ValueError as error:
        assert "letter" in str(error)  # noqa: PT017
    else:
        check(got, expected)


@pytest.mark.claim("hamming.1")
@every_method
def test_k_cuts_distances_off(method):
    rng = np.random.default_rng(7)
    for n, m in ((60, 1), (64, 64), (900, 65), (1200, 300), (3000, 2305)):
        text, pattern = instance(n, m, 3, rng)
        expected = naive(text, pattern)
        for k in (0, 1, m // 8, m // 2, m - 1, m, m + 1, 10**12):
            got = hamming_distances(text, pattern, k=k, method=method)
            check(got, np.minimum(expected, k + 1), n, m, k)


@cache
def wildcard_instances():
    rng = np.random.default_rng(8)
    found = []
    for n, m in ((40, 1), (200, 63), (700, 64), (900, 240), (1100, 257), (2600, 2304), (5000, 700)):
        for wild_p, wild_t in ((4, None), (None, 4), (4, 4), (4, 0), (1, 4), (9, 9), (2, 2)):
            text, pattern = instance(n, m, 5, rng)
            text[n // 3 : n // 3 + m // 2] = 4
            for p in (pattern, pattern * 0 + (wild_p or 0)):
                found.append((text, p, wild_p, wild_t, naive(text, p, wild_p, wild_t)))
    return found


@pytest.mark.claim("hamming.1")
@every_method
def test_wildcards(method):
    """Of the pattern, of the text and of both: equal or different symbols, present or not, all of a pattern or none."""
    for text, pattern, wild_p, wild_t, expected in wildcard_instances():
        got = hamming_distances(text, pattern, wildcard=wild_p, text_wildcard=wild_t, method=method)
        check(got, expected, len(text), len(pattern), wild_p, wild_t)


@pytest.mark.claim("hamming.1")
def test_each_wildcard_holds_on_its_own_side_only():
    cases = [  # text, pattern, wildcard, text_wildcard, distance
        (b"N", b"A", b"N", None, 1),
        (b"A", b"N", b"N", None, 0),
        (b"A", b"N", None, b"N", 1),
        (b"N", b"A", None, b"N", 0),
        (b"N", b"N", b"N", b"N", 0),
        (b"N", b"N", None, None, 0),
        (b"ANNA", b"NNAA", b"N", b"N", 0),
        (b"AN?C", b"NG?G", b"N", b"?", 2),
    ]
    for text, pattern, wildcard, text_wildcard, distance in cases:
        got = hamming_distances(text, pattern, wildcard=wildcard, text_wildcard=text_wildcard)
        assert got.tolist() == [distance], (text, pattern, wildcard, text_wildcard)


symbols = st.integers(0, 4)
DTYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64, np.uint64)


@pytest.mark.claim("hamming.1")
@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(symbols, max_size=90),
    pattern=st.lists(symbols, min_size=1, max_size=40),
    wildcard=st.none() | symbols,
    text_wildcard=st.none() | symbols,
    k=st.none() | st.integers(0, 50),
    method=st.sampled_from(METHODS),
    dtype=st.sampled_from(DTYPES),
    out_dtype=st.sampled_from([np.int32, np.uint16, np.int64]),
    threads=st.integers(1, 4),
)
def test_any_options_together(text, pattern, wildcard, text_wildcard, k, method, dtype, out_dtype, threads):
    text, pattern = np.array(text, dtype), np.array(pattern, dtype)
    expected = naive(text, pattern, wildcard, text_wildcard)
    got = hamming_distances(
        text,
        pattern,
        k=k,
        wildcard=wildcard,
        text_wildcard=text_wildcard,
        method=method,
        dtype=out_dtype,
        threads=threads,
    )
    assert got.dtype == out_dtype
    assert got.tolist() == (expected if k is None else np.minimum(expected, k + 1)).tolist()


@pytest.mark.claim("hamming.2")
@every_method
def test_sum_of_distances_by_prefix_counts(method):
    rng = np.random.default_rng(9)
    for n, m, sigma in ((60_000, 900, 4), (60_000, 3000, 2), (50_000, 60, 30)):
        text, pattern = instance(n, m, sigma, rng)
        before = np.zeros((sigma + 1, n + 1), np.int64)  # of each letter
        for letter in range(sigma + 1):
            before[letter, 1:] = np.cumsum(text == letter)
        places = np.arange(m)
        matches = before[pattern, places + n - m + 1] - before[pattern, places]
        got = hamming_distances(text, pattern, method=method)
        assert got.sum(dtype=np.int64) == m * (n - m + 1) - matches.sum()


@pytest.mark.claim("hamming.2")
@every_method
def test_reversal_and_renaming_of_letters(method):
    rng = np.random.default_rng(10)
    for n, m, sigma in ((20_000, 1500, 4), (9000, 5000, 2), (3000, 100, 20)):
        text, pattern = instance(n, m, sigma, rng)
        distances = hamming_distances(text, pattern, method=method)
        check(hamming_distances(text[::-1], pattern[::-1], method=method), distances[::-1], n, m, "reversed")
        names = rng.permutation(256).astype(np.uint8)
        check(hamming_distances(names[text], names[pattern], method=method), distances, n, m, "renamed")
        far = rng.permutation(np.arange(-128, 128) * 2**40 + 77)
        check(hamming_distances(far[text], far[pattern], method=method), distances, n, m, "renamed, 64 bits")


@pytest.mark.claim("hamming.2")
@every_method
@pytest.mark.parametrize(("sigma", "order"), [(2, 12), (3, 8), (4, 6), (20, 3), (250, 2)])
def test_de_bruijn_windows_at_each_distance(sigma, order, method):
    cyclic = de_bruijn(sigma, order)
    text = np.concatenate([cyclic, cyclic[: order - 1]])
    rng = np.random.default_rng(11)
    for word in (np.zeros(order, np.uint8), rng.integers(0, sigma, order).astype(np.uint8)):
        windows = np.bincount(hamming_distances(text, word, method=method), minlength=order + 1)
        assert windows.tolist() == [comb(order, d) * (sigma - 1) ** d for d in range(order + 1)]


@pytest.mark.claim("hamming.2")
@pytest.mark.parametrize(
    ("degree", "method"),
    [(degree, method) for degree in (3, 7, 10, 13) for method in METHODS]
    + [(16, method) for method in ("auto", "compare", "ntt", "fft")],
)
def test_m_sequences_have_two_valued_distances(degree, method):
    sequence = m_sequence(degree)
    expected = np.full(len(sequence) + 1, 2 ** (degree - 1))
    expected[[0, -1]] = 0
    check(hamming_distances(np.tile(sequence, 2), sequence, method=method), expected)
