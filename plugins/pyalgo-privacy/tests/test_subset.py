"""Subset selection: an exact sampler, ranks of subsets, reports and their bits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from pyalgo_privacy import SS, InvalidReport, ProtocolMismatch, decode_reports, encode_reports, source, subset_kernels
from pyalgo_privacy.combinadic import rank, subset_bits, unrank
from pyalgo_privacy.subset import elements, null_variance, sample_subset, subset_design, subset_size
from pyalgo_privacy.subset_kernels import ranks, subset_users, subsets
from pyalgo_privacy.words import SecretWords
from scipy.stats import chi2

from pyalgo.testing import check_algorithm


def as_rows(chosen, m):
    rows = np.zeros((len(chosen), (m + 31) // 32), np.uint32)
    for row, subset in zip(rows, chosen, strict=True):
        for element in subset:
            row[element >> 5] |= np.uint32(1 << (element & 31))
    return rows


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize("eps", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("k", [2, 3, 5, 9])
def test_no_subset_is_more_than_e_to_the_eps_times_as_likely_under_another_value(k, eps):
    channel = SS(k, eps).channel()
    np.testing.assert_allclose(channel.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert np.log(channel.max(axis=0) / channel.min(axis=0)).max() == pytest.approx(eps, abs=1e-9)


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize(("m", "omega"), [(6, 3), (7, 2), (5, 1), (34, 2), (3, 2)])
@pytest.mark.parametrize("start", [(0, 0), (1, 2), (1, 1), (3, 2), (5, 4)])
def test_the_sampler_is_uniform_wherever_it_starts(m, omega, start):
    """From no bits, and from bits with probability 1/4, 1/2, 3/4, 5/16, which have to be added to and taken from. Chi-square of
    all subsets of 20,000 reports; 25 cases with false alarms of 1e-8 each."""
    n, x = 20_000, m - 1
    design = subset_design(m, 1.0)._replace(omega=omega)
    constants = (m, omega, 1 << 31, 0, *start, (m - 1).bit_length())
    rows, words = np.zeros((n, (m + 31) // 32), np.uint32), source.WordSource(7).take(60 * n)
    done, _ = subset_users(words, 0, np.full(n, x), *constants, rows)
    assert done == n
    assert design.omega == omega
    number = {subset: i for i, subset in enumerate(itertools.combinations(range(m), omega))}
    seen = np.bincount([number[tuple(elements(row))] for row in rows.tolist()], minlength=len(number))
    inside = np.array([x in subset for subset in number])
    expected = np.where(inside, n / 2 / inside.sum(), n / 2 / max((~inside).sum(), 1))
    assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-8, len(number) - 1)


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize(("k", "eps"), [(8, 0.4), (9, 1.3), (7, 3.0)])
def test_the_sampler_follows_the_channel(k, eps):
    """Chi-square of all outputs, n = 60,000 a value; false alarms below 1e-7 together."""
    oracle, n = SS(k, eps, seed=3), 60_000
    subsets_of_k = [sum(1 << i for i in subset) for subset in itertools.combinations(range(k), oracle.design.omega)]
    for x in (0, k - 1):
        bits = oracle.randomize(np.full(n, x)).columns["subset"][:, 0]
        seen = np.bincount(bits, minlength=1 << k)[subsets_of_k]
        assert seen.sum() == n
        expected = n * oracle.channel()[x]
        assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-8, len(seen) - 1)


@pytest.mark.parametrize(("k", "eps"), [(1024, 1.0), (1024, 4.0), (33, 0.5), (2, 1.0), (64, 1.0)])
def test_a_device_makes_the_report_of_the_batch_from_equal_words(k, eps):
    oracle = SS(k, eps, seed=1)
    words = source.WordSource(9).take(20_000)
    x = np.arange(40) % k
    rows = np.zeros((40, (k + 31) // 32), np.uint32)
    assert subset_users(words, 0, x, *oracle.design.constants, rows)[0] == 40
    at, plain = 0, words.tolist()
    for i, value in enumerate(x.tolist()):
        out = [0] * ((k + 31) // 32)
        after = sample_subset(plain, at, value, *oracle.design.constants, out)
        assert elements(out) == elements(rows[i].tolist())
        assert oracle.sample(plain[at:], value)["subset"] == elements(out)
        at = after


def test_what_is_drawn_does_not_depend_on_how_words_come(monkeypatch):
    whole = SS(100, 1.0, seed=4).randomize(np.arange(100)).columns["subset"]
    monkeypatch.setattr(source, "_BATCH", 3)
    np.testing.assert_array_equal(SS(100, 1.0, seed=4).randomize(np.arange(100)).columns["subset"], whole)


def test_the_sampler_takes_few_words():
    for k, eps, most in ((1024, 1.0, 80), (1024, 4.0, 8), (22000, 1.0, 2000)):
        design, n = SS(k, eps).design, 200
        rows = np.zeros((n, (k + 31) // 32), np.uint32)
        words = source.WordSource(1).take(3 * n * most)
        used = subset_users(words, 0, np.zeros(n, np.int64), *design.constants, rows)[1] / n
        assert used < most
        assert used == pytest.approx(design.words, rel=0.1, abs=3.5)


def test_secret_words_serve_a_device():
    message = SS(50, 1.0).client(7, SecretWords())
    assert len(message.columns["subset"]) == SS(50, 1.0).design.omega


# Ranks


@pytest.mark.parametrize(("m", "omega"), [(5, 2), (8, 4), (9, 1), (6, 5), (12, 3)])
def test_ranks_count_subsets(m, omega):
    chosen = list(itertools.combinations(range(m), omega))
    assert sorted(rank(subset) for subset in chosen) == list(range(math.comb(m, omega)))
    for subset in chosen:
        assert unrank(rank(subset), m, omega) == list(subset)


@pytest.mark.parametrize(("m", "omega"), [(40, 11), (64, 32), (100, 27), (1024, 275), (413, 3), (3000, 800)])
def test_ranks_in_bulk_are_those_of_long_integers(m, omega, monkeypatch):
    """By the table of binomials, and by Python's integers where a table were too large."""
    rng = np.random.default_rng(m)
    chosen = [sorted(rng.choice(m, omega, replace=False).tolist()) for _ in range(6)]
    chosen += [list(range(omega)), list(range(m - omega, m))]
    rows = as_rows(chosen, m)
    assert chosen[-2:] == [unrank(0, m, omega), unrank(math.comb(m, omega) - 1, m, omega)]
    for largest in (1 << 25, 0):
        monkeypatch.setattr(subset_kernels, "LARGEST_TABLE", largest)
        numbers = ranks(rows, m, omega)
        assert [int.from_bytes(row.astype("<u4").tobytes(), "little") for row in numbers] == [*map(rank, chosen)]
        np.testing.assert_array_equal(subsets(numbers, m, omega), rows)


@pytest.mark.parametrize("largest", [1 << 25, 0])
def test_numbers_that_are_no_rank_are_refused(largest, monkeypatch):
    monkeypatch.setattr(subset_kernels, "LARGEST_TABLE", largest)
    beyond = np.array([[math.comb(40, 11) & 0xFFFFFFFF, math.comb(40, 11) >> 32]], np.uint32)
    with pytest.raises(InvalidReport):
        subsets(beyond, 40, 11)
    with pytest.raises(InvalidReport):
        unrank(math.comb(40, 11), 40, 11)


@pytest.mark.claim("mss.10")
def test_bits_are_the_ceiling_of_the_logarithm():
    """Also where the number of subsets is a power of 2 or next to it."""
    for m in range(2, 200):
        for omega in range(1, m // 2 + 2):
            if omega < m:
                assert subset_bits(m, omega) == (math.comb(m, omega) - 1).bit_length()
    for bits in range(1, 31):
        assert [subset_bits(2**bits + by, 1) for by in (0, 1)] == [bits, bits + 1]
    assert subset_bits(22000, 5917) == (math.comb(22000, 5917) - 1).bit_length() == 18472


# Reports


@pytest.mark.claim("mss.10")
def test_reports_come_back_from_their_bits():
    oracle = SS(30, 1.0, seed=2)
    reports = oracle.randomize(np.arange(3000) % 30)
    data = encode_reports(reports)
    assert len(data) == 33 + (3000 * subset_bits(30, oracle.design.omega) + 7) // 8
    np.testing.assert_array_equal(decode_reports(data, oracle).columns["subset"], reports.columns["subset"])
    for row in reports.batch()["subset"][:50]:
        payload, bits = oracle.encode({"subset": row.tolist()})
        assert bits == oracle.message_bits() == 23
        assert oracle.decode(payload.to_bytes(3, "little")) == {"subset": row.tolist()}


@pytest.mark.claim("mss.11")
@pytest.mark.parametrize(
    "wrong",
    [[3, 1, 5, 7, 9], [1, 1, 3, 5, 7], [1, 3, 5, 7], [1, 3, 5, 7, 9, 11], [-1, 3, 5, 7, 9], [1, 3, 5, 7, 20], []],
)
def test_wrong_reports_are_refused_and_change_nothing(wrong):
    aggregator = SS(20, 1.0, seed=1).aggregator()
    aggregator.update(subset=[[0, 1, 2, 3, 4]])
    before = aggregator.to_bytes()
    with pytest.raises(InvalidReport, match="row 1") as caught:
        aggregator.update(subset=[[0, 1, 2, 3, 4], wrong])
    assert caught.value.row == 1
    assert aggregator.to_bytes() == before


@pytest.mark.claim("mss.11")
def test_foreign_reports_are_refused():
    with pytest.raises(ProtocolMismatch):
        SS(20, 1.0, seed=1).aggregator().update(SS(20, 1.1, seed=1).randomize([1]))
    with pytest.raises(ValueError, match="omega must be 'least'"):
        SS(20, 1.0, omega="most")


def test_the_contract_holds():
    oracle = SS(9, 1.0, seed=1)
    batches = [oracle.randomize(np.arange(9)).batch() for _ in range(3)]
    check_algorithm(oracle.aggregator, [{name: list(column) for name, column in batch.items()} for batch in batches])


# Accuracy


@pytest.mark.claim("mss.12")
@pytest.mark.parametrize(("eps", "value"), [(1, 3.6736), (2, 0.7207), (3, 0.2182), (4, 0.07391), (5, 0.02534)])
def test_variances_at_1024_values(eps, value):
    assert SS(1024, eps, omega="round").variance() == pytest.approx(value, rel=2e-4)
    assert SS(1024, eps).variance() <= SS(1024, eps, omega="round").variance() * (1 + 1e-12)
    assert SS(1024, eps).variance() == pytest.approx(null_variance(1024, subset_size(1024, eps), eps), rel=1e-9)


def test_the_attack_is_the_best_there_is():
    for k, eps in ((9, 1.0), (6, 0.2), (7, 3.0)):
        channel = SS(k, eps).channel()
        assert SS(k, eps).attack_success() == pytest.approx(channel.max(axis=0).sum() / k, rel=1e-12)
