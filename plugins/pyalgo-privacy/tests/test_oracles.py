"""Every frequency oracle against its definition: exact channels, samplers that follow them, unbiased estimates, variances."""

from __future__ import annotations

import math
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from pyalgo_privacy import GRR, HR, OLH, OUE, PGR, SS, SUE, source
from pyalgo_privacy.hadamard import walsh_hadamard
from pyalgo_privacy.projective import on_hyperplanes, vector_of
from pyalgo_privacy.words import SecretWords, exp, threshold

from pyalgo.testing import check_algorithm

ORACLES = [GRR, SUE, OUE, HR, OLH, PGR, SS]  # MSS, whose constructor takes moduli, has files of its own


@pytest.fixture(params=ORACLES, ids=lambda oracle: oracle.name)
def kind(request):
    return request.param


class GivenWords:
    """A source that gives out one fixed sequence of words."""

    def __init__(self, seed: int, n: int = 200_000) -> None:
        self.words = source.WordSource(seed).take(n)
        self.at = 0

    def take(self, n):
        self.at += n
        assert self.at <= len(self.words)
        return self.words[self.at - n : self.at]

    def fill(self, words, scratch):
        words[:] = self.take(len(words))


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize("eps", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("k", [2, 3, 5, 9])
def test_no_output_is_more_than_e_to_the_eps_times_as_likely_under_another_value(kind, k, eps):
    channel = kind(k, eps).channel()
    np.testing.assert_allclose(channel.sum(axis=1), 1, rtol=0, atol=1e-12)
    ratio = np.log(channel.max(axis=0) / channel.min(axis=0)).max()
    assert ratio == pytest.approx(eps, abs=1e-9)


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize("eps", [1e-6, 0.1, 0.7, 1.0, math.log(3), 5.0, 20.0])
def test_thresholds_are_rounded_to_the_private_side_and_no_further(eps):
    """In 60 digits: T / (2^64 - T) is at most e^eps / r, and that of T + 1 is above it."""
    for rest in (1, 3, 1023):
        up = threshold(exp(eps), exp(eps) + rest, up=False)
        t = (up.high << 32) + up.low
        bound = exp(eps) / rest
        assert Decimal(t) / Decimal(2**64 - t) <= bound < Decimal(t + 1) / Decimal(2**64 - t - 1)
        down = threshold(rest, exp(eps) + rest, up=True)
        assert (down.high << 32) + down.low == 2**64 - t


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize("kind", [GRR, SUE, OUE, HR, PGR])  # OLH has too many outputs; of SS see test_subset
def test_the_samplers_follow_the_channel(kind):
    """Chi-square of all outputs for all values, n = 40,000 each; false alarms together below 1e-6."""
    from scipy.stats import chi2

    oracle = kind(4, 1.3, seed=11)
    outputs = oracle.channel()
    for x in range(4):
        columns = oracle.randomize(np.full(40_000, x)).columns
        seen = np.bincount(next(iter(columns.values())).ravel().astype(np.int64), minlength=outputs.shape[1])
        expected = outputs[x] * 40_000
        assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-8, outputs.shape[1] - 1)


def test_the_true_value_is_supported_with_p_and_others_with_q(kind):
    """200,000 reports, 5.5 standard deviations: false alarms below 1e-6 for all values and oracles."""
    oracle = kind(23, 0.8, seed=5)
    aggregator = oracle.aggregator()
    n = 200_000
    aggregator.update(oracle.randomize(np.full(n, 7)))
    share = oracle._supports(aggregator._counts) / n
    expected = np.full(23, oracle.q)
    expected[7] = oracle.p
    assert np.all(np.abs(share - expected) < 5.5 * np.sqrt(expected * (1 - expected) / n))


@pytest.mark.claim("mss.2")
def test_estimates_are_unbiased(kind):
    """400 trials of Zipf-distributed users; |t| of 12 values and 7 oracles above 4.5 by chance: below 1e-3, seed fixed."""
    k, n, trials = 12, 500, 400
    freq = 1 / np.arange(1, k + 1) ** 1.2
    x = np.repeat(np.arange(k), np.random.default_rng(0).multinomial(n, freq / freq.sum()))
    truth = np.bincount(x, minlength=k) / n
    oracle = kind(k, 1.0, seed=21)
    estimates = np.array([estimate(oracle, x).freq for _ in range(trials)])
    t = (estimates.mean(axis=0) - truth) / (estimates.std(axis=0, ddof=1) / math.sqrt(trials))
    assert np.abs(t).max() < 4.5


def estimate(oracle, x):
    aggregator = oracle.aggregator()
    aggregator.update(oracle.randomize(x))
    return aggregator.query()


CLOSED_FORMS = {
    GRR: lambda e, k: (k - 2 + e) / (e - 1) ** 2,
    SUE: lambda e, k: math.sqrt(e) / (math.sqrt(e) - 1) ** 2,
    OUE: lambda e, k: 4 * e / (e - 1) ** 2,
    HR: lambda e, k: ((e + 1) / (e - 1)) ** 2,
    OLH: lambda e, k: 4 * e / (e - 1) ** 2,
    PGR: lambda e, k: PGR(k, math.log(e)).variance(),
    SS: lambda e, k: SS(k, math.log(e)).variance(),
}


@pytest.mark.claim("mss.12")
@pytest.mark.parametrize("eps", [1.0, 2.5])
def test_variances_are_those_of_the_papers(kind, eps):
    """Of 127 values that nobody has, in 700 trials: 3 % is four standard deviations and more."""
    k, n, trials = 128, 300, 700
    oracle = kind(k, eps, seed=8)
    x = np.zeros(n, np.int64)
    estimates = np.array([estimate(oracle, x).freq[1:] for _ in range(trials)])
    closed = CLOSED_FORMS[kind](math.exp(eps), k)
    assert n * (estimates**2).mean() == pytest.approx(closed, rel=0.03)
    # Of OLH the closed form holds for e^eps + 1 buckets, and there are whole ones.
    assert oracle.variance() == pytest.approx(closed, rel=3e-2 if kind is OLH else 1e-12)


@pytest.mark.claim("mss.12")
@pytest.mark.parametrize(
    ("eps", "oue", "pgr", "grr", "hr", "ss"),
    [
        (1, 3.6827, 3.8193, 347, 4.683, 3.6736),
        (2, 0.7241, 0.7382, 25.2, 1.724, 0.7207),
        (3, 0.2206, 0.2208, 2.86, 1.221, 0.2182),
        (4, 0.0760, 0.0755, 0.375, 1.076, 0.07391),
        (5, 0.0273, 0.0272, 0.0539, 1.027, 0.02534),
    ],
)
def test_variances_at_1024_values(eps, oue, pgr, grr, hr, ss):
    for cls, value in ((OUE, oue), (PGR, pgr), (GRR, grr), (HR, hr), (SS, ss)):
        assert cls(1024, eps).variance() == pytest.approx(value, rel=3e-3)


def test_standard_errors_cover_the_truth_for_rare_and_common_values(kind):
    """Intervals of 95 %, users drawn anew in 600 trials; 94 % to 96 % for 10 values together is 4 standard deviations."""
    k, n, trials = 10, 2000, 600
    freq = np.array([0.5, 0.2, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0])
    rng, oracle, covered = np.random.default_rng(3), kind(k, 2.0, seed=4), np.zeros(k)
    for _ in range(trials):
        low, high = estimate(oracle, rng.choice(k, n, p=freq)).interval(0.95)
        covered += (low <= freq) & (freq <= high)
    assert 0.94 <= covered.mean() / trials <= 0.96
    assert covered.min() / trials > 0.91


def test_a_device_and_the_batch_give_the_same_report_from_the_same_words(kind):
    for k, eps in ((2, 0.5), (9, 1.0), (100, 3.0)):
        oracle = kind(k, eps)
        for seed in range(60):
            x = seed % k
            batch = oracle._expand(oracle._draw(np.array([x]), GivenWords(seed, 20_000)))
            message = oracle.client(x, GivenWords(seed, 20_000).words.tolist())
            assert {name: np.asarray(column[0]).tolist() for name, column in batch.items()} == message.columns
            assert oracle.decode(message.to_bytes()) == message.columns
            assert message.bits == sum(field.bits for field in oracle.fields)


def test_what_is_drawn_does_not_depend_on_how_words_are_cut(kind, monkeypatch):
    x = np.arange(300) % 40
    drawn = []
    for size in (1, 100, 1 << 16):
        monkeypatch.setattr(source, "_BATCH", size)
        oracle = kind(40, 1.0)
        drawn.append(oracle._expand(oracle._draw(x, GivenWords(9))))
    for name, column in drawn[0].items():
        np.testing.assert_array_equal(column, drawn[1][name])
        np.testing.assert_array_equal(column, drawn[2][name])


def test_a_device_needs_the_standard_library_alone():
    script = (
        "import sys\n"
        "for name in ('numpy', 'numba', 'scipy', 'cryptography', 'pyalgo'): sys.modules[name] = None\n"
        f"from pyalgo_privacy import {', '.join(oracle.__name__ for oracle in ORACLES)}\n"
        f"for oracle in ({', '.join(oracle.__name__ for oracle in ORACLES)},):\n"
        "    message = oracle(20, 1.0).client(3)\n"
        "    assert oracle(20, 1.0).decode(message.to_bytes()) == message.columns\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_secret_words_come_from_the_system_and_never_twice():
    first, second = SecretWords(), SecretWords()
    assert [first[i] for i in range(8)] != [second[i] for i in range(8)]
    assert first[3] == first[3]
    assert 0 <= first[1000] < 2**32
    one, other = source.WordSource(None).take(1000), source.WordSource(None).take(1000)
    assert not np.array_equal(one, other)
    assert abs(one.mean() / 2**32 - 0.5) < 0.06  # 6.5 standard deviations
    many = source.WordSource(None).take(200_000)  # more than are drawn at a time
    assert len(np.unique(many)) > 199_900  # 5 pairs are equal on average


def test_hadamard_supports_are_those_of_the_matrix():
    from scipy.linalg import hadamard

    values = np.random.default_rng(0).integers(0, 50, 64)
    np.testing.assert_array_equal(walsh_hadamard(values), hadamard(64) @ values)


@pytest.mark.parametrize(("q", "t"), [(2, 2), (2, 5), (3, 3), (5, 3), (7, 2), (11, 3)])
def test_projective_sums_are_those_over_orthogonal_points(q, t):
    points = (q**t - 1) // (q - 1)
    vectors = np.array([[vector_of(p, q)[0] // q**i % q for i in range(t)] for p in range(points)])
    assert len(np.unique(vectors, axis=0)) == points
    counts = np.random.default_rng(1).integers(0, 10**9, points)
    orthogonal = (vectors @ vectors.T) % q == 0
    np.testing.assert_array_equal(on_hyperplanes(counts, q, t), orthogonal @ counts)


def test_hashed_reports_are_counted_as_by_trying_every_value():
    oracle = OLH(50, 1.5, seed=0)
    columns = oracle.randomize(np.arange(500) % 50).columns
    columns["a"][:5], columns["value"][:5] = 0, columns["b"][:5] % oracle.g  # a constant hash reaches all or none
    a, b, value = (columns[name][:, None] for name in ("a", "b", "value"))
    support = (a * np.arange(50) + b) % oracle.hash.prime % oracle.g == value
    counts = np.zeros(50, np.int64)
    oracle._count(columns, counts, np.zeros(1, np.int64))
    np.testing.assert_array_equal(counts, support.sum(axis=0))


def test_attacks_are_the_best_guess_of_the_channel(kind):
    for k in (2, 5, 9):
        oracle = kind(k, 1.2)
        best = oracle.channel().max(axis=0).sum() / k
        assert oracle.attack_success() == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("k", [2, 33])
def test_aggregators_keep_the_contract(kind, k):
    oracle = kind(k, 1.0, seed=2)
    batches = [oracle.randomize(np.arange(n) % k).batch() for n in (5, 3)]
    check_algorithm(oracle.aggregator, batches)
