"""Modular subset selection: the channel, unbiased estimates with the errors they claim, reports, attacks, refusals."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyalgo_privacy import (
    MSS,
    SS,
    IdentifiabilityError,
    InvalidReport,
    ProtocolMismatch,
    covariance,
    decode_reports,
    encode_reports,
    source,
)
from pyalgo_privacy.combinadic import subset_bits
from pyalgo_privacy.covariance import exact_covariance, item_variances, predicted_mse
from pyalgo_privacy.moduli import plan_of
from scipy.stats import chi2

from pyalgo.testing import check_algorithm

SIX = (101, 103, 107, 109, 113, 127)  # for k = 200


def zipf(k, s=1.2):
    freq = 1 / np.arange(1, k + 1) ** s
    return freq / freq.sum()


def spike(k):
    freq = np.full(k, 0.5 / (k - 1))
    freq[k // 3] = 0.5
    return freq


def sampled(oracle, freq, n, rng):
    """An estimate from n users drawn from `freq`."""
    aggregator = oracle.aggregator()
    aggregator.update(oracle.randomize(rng.choice(len(freq), n, p=freq)))
    return aggregator.query()


# The channel


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize("eps", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(
    ("k", "moduli"), [(2, (2, 3)), (3, (2, 3)), (5, (3, 4)), (9, (5, 7)), (9, (4, 9)), (6, (11, 5))]
)
def test_no_report_is_more_than_e_to_the_eps_times_as_likely_under_another_value(k, moduli, eps):
    channel = MSS(k, eps, moduli).channel()
    np.testing.assert_allclose(channel.sum(axis=1), 1, rtol=0, atol=1e-12)
    with np.errstate(divide="ignore"):
        assert np.log(channel.max(axis=0) / channel.min(axis=0)).max() == pytest.approx(eps, abs=1e-9)


@pytest.mark.claim("mss.1")
@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_the_sampler_follows_the_channel(weights):
    """Chi-square of all (block, subset), n = 60,000 for each of three values; false alarms below 1e-7 together."""
    oracle, n = MSS(9, 1.0, (5, 7), block_weights=weights, seed=5), 60_000
    reports = [
        block << 16 | sum(1 << i for i in subset)
        for block, design in enumerate(oracle.designs)
        for subset in itertools.combinations(range(design.m), design.omega)
    ]
    for x in (0, 6, 8):
        columns = oracle.randomize(np.full(n, x)).columns
        seen = np.bincount(columns["block"] << 16 | columns["subset"][:, 0], minlength=2 << 16)[reports]
        assert seen.sum() == n
        expected = n * oracle.channel()[x]
        assert ((seen - expected) ** 2 / expected).sum() < chi2.isf(1e-8, len(seen) - 1)


def test_a_device_makes_the_report_of_the_batch_from_equal_words():
    oracle, words = MSS(200, 1.0, SIX, seed=1), source.WordSource(1).take(9000)
    batch = MSS(200, 1.0, SIX, seed=1).randomize(np.arange(100)).batch()
    at = 0
    from pyalgo_privacy.mss import sample_mss

    for i in range(100):
        rest = words[at:].tolist()
        assert oracle.sample(rest, i) == {"block": batch["block"][i], "subset": batch["subset"][i].tolist()}
        at += sample_mss(rest, 0, i, oracle._table, [0] * 4)[1]


def test_a_device_needs_the_standard_library_alone():
    code = (
        "import sys; from pyalgo_privacy import MSS; m = MSS(200, 1.0, [101, 107, 113]); r = m.client(7); "
        "assert m.decode(r.to_bytes()) == r.columns; "
        "bad = {'numpy', 'numba', 'scipy'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# Estimates


@pytest.mark.claim("mss.2")
@pytest.mark.parametrize(
    ("k", "moduli", "weights"), [(12, (5, 7, 9), None), (12, (5, 7, 9), [1, 2, 2]), (40, (17, 19, 23), None)]
)
def test_estimates_are_unbiased(k, moduli, weights):
    """400 trials of Zipf-distributed users; |t| of 64 values above 4.5 by chance: below 5e-4, seed fixed."""
    n, trials = 1000, 400
    x = np.repeat(np.arange(k), np.random.default_rng(0).multinomial(n, zipf(k)))
    oracle = MSS(k, 1.0, moduli, block_weights=weights, seed=21)
    estimates = []
    for _ in range(trials):
        aggregator = oracle.aggregator()
        aggregator.update(oracle.randomize(x))
        estimates.append(aggregator.query().freq)
    estimates = np.array(estimates)
    t = (estimates.mean(axis=0) - np.bincount(x, minlength=k) / n) / (estimates.std(axis=0, ddof=1) / math.sqrt(trials))
    assert np.abs(t).max() < 4.5


@pytest.mark.claim("mss.3")
@pytest.mark.parametrize("eps", [1.0, 4.0])
def test_squared_errors_are_those_of_the_exact_covariance(eps):
    """The mean over 200 values and 60 trials has a standard deviation of about 1.3 %: 5 % is nearly four. At eps = 4 the others
    of a residue are seen above the noise: by q (1 - q) the trace would be a quarter too small."""
    freq, n, rng = zipf(200), 20_000, np.random.default_rng(1)
    oracle = MSS(200, eps, SIX, seed=2)
    errors = np.array([sampled(oracle, freq, n, rng).freq - freq for _ in range(60)])
    shares = n * np.array(oracle.shares)
    exact = np.trace(exact_covariance(oracle, shares, freq)) / 200
    assert (errors**2).mean() == pytest.approx(exact, rel=0.05)
    assert predicted_mse(oracle, n) == pytest.approx(exact, rel=0.05)


@pytest.mark.claim("mss.3")
@pytest.mark.parametrize(("k", "moduli"), [(200, SIX), (40, (11, 13, 17, 19)), (12, (5, 7, 9)), (9, (20, 3))])
@pytest.mark.parametrize("eps", [0.5, 4.0])
@pytest.mark.parametrize("shape", [zipf, spike])
def test_standard_errors_of_small_domains_are_exact(k, moduli, eps, shape):
    oracle, n = MSS(k, eps, moduli), np.arange(900, 900 + len(moduli))
    exact = np.diag(exact_covariance(oracle, n, shape(k)))
    np.testing.assert_allclose(item_variances(oracle, n, shape(k)), exact, rtol=1e-5)


@pytest.mark.claim("mss.3")
@pytest.mark.parametrize(("eps", "light", "heavy"), [(1.0, 0.01, 0.005), (3.0, 0.08, 0.01)])
@pytest.mark.parametrize("shape", [zipf, spike])
def test_standard_errors_of_large_domains_are_close(monkeypatch, eps, light, heavy, shape):
    """The formula beyond k = 1024, at a k where the exact one can be held against it."""
    monkeypatch.setattr(covariance, "EXACT", 0)
    k, freq = 600, shape(600)
    oracle = MSS(k, eps, (193, 229, 263, 307, 331, 367))
    n = 5000 * np.array(oracle.shares)
    ratio = item_variances(oracle, n, freq) / np.diag(exact_covariance(oracle, n, freq))
    assert np.abs(ratio - 1).max() < light
    assert abs(ratio[freq.argmax()] - 1) < heavy
    assert oracle.variance(freq, 5000)[3] == item_variances(oracle, n, freq)[3]


@pytest.mark.claim("mss.3")
@pytest.mark.parametrize("eps", [1.0, 4.0])
def test_intervals_cover_the_truth_of_light_and_of_heavy_values(eps):
    """250 trials with half of the users at one value. Of the heavy value 95 % +- 4.8 standard deviations of 1.4 %; of all
    others together, in the mean, within 1.5 %."""
    freq, rng = spike(200), np.random.default_rng(3)
    oracle = MSS(200, eps, SIX, seed=4)
    inside = []
    for _ in range(250):
        low, high = sampled(oracle, freq, 4000, rng).interval(0.95)
        inside.append((low <= freq) & (freq <= high))
    covered = np.mean(inside, axis=0)
    heavy = freq.argmax()
    assert covered[heavy] == pytest.approx(0.95, abs=0.048 + 0.019)
    assert np.delete(covered, heavy).mean() == pytest.approx(0.95, abs=0.015)


def test_spread_moduli_are_better_than_clustered_ones():
    """k = 500, eps = 2, all with about the same bits; the ratios of the error to that of subset selection."""

    def ratio(moduli):
        return predicted_mse(MSS(500, 2.0, moduli)) / SS(500, 2.0).variance(1 / 500)

    assert ratio((199, 223, 241, 271, 307, 331)) == pytest.approx(1.327, rel=0.01)
    assert ratio((211, 223, 256, 263, 283, 323)) == pytest.approx(1.308, rel=0.01)
    assert ratio((251, 253, 257, 263, 269, 271)) > 1.9


def test_the_variance_of_a_number_is_the_mean_over_values():
    oracle = MSS(200, 1.0, SIX)
    assert oracle.variance(1 / 200, 100) == pytest.approx(predicted_mse(oracle, 100), rel=0.01)
    assert oracle.variance(0.2, 100) > oracle.variance(0.0, 100)
    assert oracle.variance(0.0, 100) == pytest.approx(oracle.variance(0.0) / 100, rel=1e-9)
    uniform = oracle.variance(np.full(200, 1 / 200), 100).mean()
    assert oracle.variance(1 / 200, 100) == pytest.approx(uniform, rel=0.01)
    sharp = MSS(200, 4.0, SIX)  # where the others' residues are seen above the noise
    assert sharp.variance(1 / 200) == pytest.approx(sharp.variance(np.full(200, 1 / 200)).mean(), rel=0.02)


def test_one_modulus_of_k_is_subset_selection():
    one, plain = MSS(50, 1.0, [50]), SS(50, 1.0)
    for f in (0.0, 0.3):
        assert one.variance(f, 7) == pytest.approx(plain.variance(f, 7), rel=1e-9)
    assert predicted_mse(one) == pytest.approx(plain.variance(1 / 50), rel=1e-9)
    np.testing.assert_allclose(one.variance(zipf(50)), plain.variance(zipf(50)), rtol=1e-5)
    assert one.message_bits() == plain.message_bits()


def test_ridge_pulls_towards_zero_and_is_no_part_of_the_protocol():
    freq, rng = zipf(40), np.random.default_rng(5)
    oracle = MSS(40, 1.0, (17, 19, 23), seed=1)
    reports = oracle.randomize(rng.choice(40, 3000, p=freq))
    sizes = []
    for ridge in (0.0, 300.0, 30_000.0):
        strict = MSS(40, 1.0, (17, 19, 23), ridge=ridge, seed=1)
        assert strict.digest == oracle.digest
        aggregator = strict.aggregator()
        aggregator.update(reports)
        sizes.append(np.abs(aggregator.query().freq).sum())
    assert sizes[0] > sizes[1] > sizes[2]
    with pytest.raises(ProtocolMismatch, match="ridge"):
        oracle.aggregator().merge(aggregator)


# What can be told


@pytest.mark.claim("mss.4")
@pytest.mark.parametrize("moduli", [(16, 17, 19), (7, 9, 10, 11), (30, 31)])
def test_moduli_just_large_enough_tell_all_frequencies_and_smaller_ones_none(moduli):
    k = sum(m - 1 for m in moduli) + 1
    oracle = MSS(k, 2.0, moduli, seed=1)
    aggregator = oracle.aggregator()
    aggregator.update(oracle.randomize(np.zeros(4000, int)))
    estimate = aggregator.query()
    assert np.isfinite(estimate.stderr).all()
    assert abs(estimate.freq[0] - 1) < 5 * estimate.stderr[0]
    with pytest.raises(IdentifiabilityError, match=f"k = {k + 1}"):
        MSS(k + 1, 2.0, moduli)
    with pytest.raises(IdentifiabilityError):  # the product is far larger, and a ridge does not help
        MSS(k + 1, 2.0, moduli, ridge=1.0)


@pytest.mark.claim("mss.4")
@pytest.mark.parametrize("moduli", [(97, 101, 103, 107), (40, 41, 43, 47, 53, 59)])
def test_what_rounding_would_decide_is_refused(moduli):
    """At the bound, where condition numbers are 1e16; with a ridge there is an answer."""
    k = sum(m - 1 for m in moduli) + 1
    oracle = MSS(k, 2.0, moduli, seed=1)
    aggregator = oracle.aggregator()
    aggregator.update(oracle.randomize(np.zeros(2000, int)))
    for ask in (aggregator.query, oracle.variance):
        with pytest.raises(IdentifiabilityError, match="exact arithmetic alone"):
            ask()
    ridged = MSS(k, 2.0, moduli, ridge=100.0, seed=1).aggregator()
    ridged.update(oracle.randomize(np.zeros(2000, int)))
    assert np.isfinite(ridged.query().stderr).all()


@pytest.mark.claim("mss.4")
def test_blocks_without_reports_take_no_part():
    oracle = MSS(20, 1.0, (11, 13, 9), seed=1)
    columns = oracle.randomize(np.arange(3000) % 20).columns
    one, two = oracle.aggregator(), oracle.aggregator()
    for block in (0, 1):
        at = columns["block"] == block
        part = type(oracle.randomize([0]))(oracle, {name: column[at] for name, column in columns.items()})
        two.update(part)
        if block == 0:
            one.update(part)
    assert np.isnan(oracle.aggregator().query().freq).all()
    unknown = one.query()  # 11 residues do not tell 20 frequencies
    assert unknown.n == one.n_seen > 0
    assert np.isnan(unknown.freq).all()
    assert np.isinf(unknown.stderr).all()
    estimate = two.query()
    assert np.isfinite(estimate.freq).all()
    assert np.abs(estimate.freq - 0.05).max() < 5 * estimate.stderr.max()


@pytest.mark.claim("mss.7")
def test_ten_shards_merge_to_one():
    oracle = MSS(200, 1.0, SIX, seed=1)
    reports = oracle.randomize(np.arange(5000) % 200)
    whole, merged = oracle.aggregator(), oracle.aggregator()
    whole.update(reports)
    for shard in range(10):
        part = oracle.aggregator()
        part.update(type(reports)(oracle, {name: column[shard::10] for name, column in reports.columns.items()}))
        merged.merge(part)
    assert merged.to_bytes() == whole.to_bytes()
    np.testing.assert_array_equal(merged.query().freq, whole.query().freq)


def test_the_contract_holds():
    oracle = MSS(9, 1.0, (5, 7), seed=1)
    batches = [oracle.randomize(np.arange(18) % 9).batch() for _ in range(3)]
    check_algorithm(oracle.aggregator, [{name: list(column) for name, column in batch.items()} for batch in batches])


# Reports


@pytest.mark.claim("mss.10")
def test_a_hundred_thousand_messages_come_back_with_the_bits_that_were_promised():
    n = 100_000
    oracle = MSS(200, 1.0, SIX, seed=1)
    reports = oracle.randomize(np.arange(n) % 200)
    data = encode_reports(reports)
    lengths = oracle.message_bits(per_block=True)
    assert lengths.tolist() == [3 + subset_bits(d.m, d.omega) for d in oracle.designs]
    assert len(data) == 33 + (int(lengths[reports.columns["block"]].sum()) + 7) // 8
    back = decode_reports(data, oracle)
    for name, column in reports.columns.items():
        np.testing.assert_array_equal(back.columns[name], column)
    assert oracle.message_bits() == pytest.approx(lengths.mean())


@pytest.mark.claim("mss.10")
def test_single_messages_come_back():
    oracle = MSS(200, 1.0, SIX)
    for x in range(0, 200, 7):
        message = oracle.client(x)
        assert message.bits == oracle.message_bits(per_block=True)[message.columns["block"]]
        assert oracle.decode(message.to_bytes()) == message.columns


@pytest.mark.claim("mss.11")
def test_messages_that_no_client_sends_are_refused():
    oracle = MSS(200, 1.0, SIX)
    message = oracle.client(3)
    for wrong in (b"", message.to_bytes()[:-1], message.to_bytes() + b"\0", b"\xff" * len(message.to_bytes())):
        with pytest.raises(InvalidReport):
            oracle.decode(wrong)
    with pytest.raises(InvalidReport, match="block must be from 0 to 5"):
        oracle.decode(bytes([7]) + message.to_bytes()[1:])


@pytest.mark.claim("mss.11")
@pytest.mark.parametrize(
    ("block", "subset"),
    [(2, [0]), (-1, [0]), (0, [5]), (0, []), (0, [0, 1]), (0, [-1]), (1, [0]), (1, [1, 0]), (1, [3, 3]), (1, [3, 7])],
)
def test_wrong_reports_are_refused_by_row_and_change_nothing(block, subset):
    oracle = MSS(9, 1.0, (5, 7))
    assert [d.omega for d in oracle.designs] == [1, 2]
    aggregator = oracle.aggregator()
    aggregator.update(block=[0, 1], subset=[[4], [2, 6]])
    before = aggregator.to_bytes()
    with pytest.raises(InvalidReport) as caught:
        aggregator.update(block=[1, 0, block], subset=[[2, 6], [1], subset])
    assert caught.value.row == 2
    assert aggregator.to_bytes() == before


@pytest.mark.claim("mss.11")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"eps": 0}, "eps must be"),
        ({"k": 1}, "k must be from 2"),
        ({"moduli": (5, 7, 5)}, r"moduli\[0\] = 5 and moduli\[2\] = 5 have the common factor 5"),
        ({"moduli": (6, 9)}, r"moduli\[0\] = 6 and moduli\[1\] = 9 have the common factor 3"),
        ({"moduli": (5, 1)}, r"moduli\[1\] must be from 2"),
        ({"moduli": ()}, "1 to 1024"),
        ({"moduli": "primes"}, "'auto'"),
        ({"block_weights": [1]}, "as many as the moduli, 2, got 1"),
        ({"block_weights": [1, 0]}, r"block_weights\[1\] must be a number above 0"),
        ({"block_weights": [1, 1e-12]}, r"block_weights\[1\] must be at least 2\^-32"),
        ({"ridge": -1}, "ridge must be"),
        ({"l": 3}, "l is for moduli='auto'"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        MSS(**{"k": 9, "eps": 1.0, "moduli": (5, 7), **wrong})


@pytest.mark.claim("mss.11")
def test_values_out_of_range_are_refused():
    oracle = MSS(9, 1.0, (5, 7))
    for call in (lambda: oracle.client(9), lambda: oracle.randomize([0, -1])):
        with pytest.raises(ValueError, match="x must be from 0 to 8"):
            call()
    with pytest.raises(ValueError, match="attack must be"):
        oracle.attack_success("flattering")


# Attacks


@pytest.mark.parametrize("eps", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(("k", "moduli"), [(9, (5, 7)), (9, (4, 9)), (6, (11, 5)), (3, (8,)), (7, (10, 3))])
def test_the_attack_is_the_best_there_is(k, moduli, eps):
    """Against the enumerated channel, also where residues without any value exist."""
    oracle = MSS(k, eps, moduli)
    best = oracle.channel().max(axis=0).sum() / k
    assert oracle.attack_success() == pytest.approx(best, rel=1e-9)
    assert oracle.attack_success("paper") <= oracle.attack_success() * (1 + 1e-12)


def test_the_printed_attack_wastes_guesses():
    oracle = MSS(200, 1.0, SIX, omega="round")
    assert oracle.attack_success() == pytest.approx(0.009303, rel=1e-3)
    assert oracle.attack_success("paper") == pytest.approx(0.008505, rel=1e-3)
    assert SS(200, 1.0, omega="round").attack_success() == pytest.approx(0.009284, rel=1e-3)


def test_the_plan_of_given_moduli_tells_their_cost():
    plan, oracle = plan_of(200, 1.0, SIX), MSS(200, 1.0, SIX)
    assert plan.ratio == pytest.approx(predicted_mse(oracle) / SS(200, 1.0).variance(1 / 200), rel=1e-9)
    assert plan.bits == pytest.approx(oracle.message_bits())
    assert list(plan.bits_per_block) == oracle.message_bits(per_block=True).tolist()


# Snapshots on file


@pytest.mark.parametrize("oracle", [SS(20, 1.0, seed=1), MSS(40, 1.0, (17, 19, 23), seed=1)], ids=["ss", "mss"])
def test_snapshots_and_reports_of_format_1_are_read(oracle):
    """Made by `aggregator.update(oracle.randomize(arange(2000) % k))` and `encode_reports` of the same."""
    folder = Path(__file__).parent / "golden"
    snapshot, data = ((folder / f"{oracle.name}-1.{kind}").read_bytes() for kind in ("snapshot", "reports"))
    aggregator = oracle.aggregator()
    restored = type(aggregator).from_bytes(snapshot)
    aggregator.update(decode_reports(data, oracle))
    assert restored.to_bytes() == snapshot == aggregator.to_bytes()
    assert restored.n_seen == 2000
    assert np.abs(restored.query().freq - 1 / oracle.k).max() < 5 * restored.query().stderr.max()
