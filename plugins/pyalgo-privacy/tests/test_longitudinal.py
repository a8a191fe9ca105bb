"""Two rounds of randomized response: channels by enumeration, the published tables, and what many reports tell.

Nothing here is compared with the code under test's own formulas: channels are products of the rounds' own matrices, which are
written down from the thresholds, and losses are maxima over all sequences of outputs.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import pytest
from pyalgo_privacy import GRR, OUE, InfeasibleBudget, LongitudinalOracle, ProtocolMismatch
from pyalgo_privacy.chains import GrrChain, UnaryChain, whole
from pyalgo_privacy.longitudinal import PROTOCOLS

W = 2**64
UNARY = ("L-OSUE", "L-SUE", "L-OUE", "L-SOUE")
BUDGETS = [(0.5, 0.3), (1.0, 0.5), (2.0, 1.0), (2.0, 1.2), (4.0, 2.4), (8.0, 0.1)]


def oracle_of(protocol, k, eps_perm, eps_first, calibration="exact"):
    """The oracle, with eps_first = eps_perm for the one protocol that has a single round."""
    return LongitudinalOracle(k, eps_perm, eps_perm if protocol == "dBitFlipPM" else eps_first, protocol, calibration)


def round_matrix(chain, stage):
    """f64[inputs, outputs] of one round alone, from its thresholds: values for GRR, all 2^k bit rows for unary encoding."""
    thresholds = chain.first if stage == 1 else chain.second
    if isinstance(chain, GrrChain):
        p = whole(thresholds) / W
        return np.full((chain.k, chain.k), (1 - p) / (chain.k - 1)) + np.eye(chain.k) * (p - (1 - p) / (chain.k - 1))
    p, q = (whole(t) / W for t in thresholds)
    outputs = list(product((0, 1), repeat=chain.k))
    inputs = np.eye(chain.k, dtype=int).tolist() if stage == 1 else outputs
    flip = {(1, 1): p, (1, 0): 1 - p, (0, 1): q, (0, 0): 1 - q}
    return np.array([[math.prod(flip[pair] for pair in zip(i, o, strict=True)) for o in outputs] for i in inputs])


def log_ratio(channel):
    """The largest log ratio of the probabilities of an output under two values."""
    return float(np.log(channel.max(axis=0) / channel.min(axis=0)).max())


@pytest.mark.claim("allomfree.1")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("calibration", ["exact", "paper"])
def test_channels(protocol, calibration):
    for k in (2, 3, 5, 6):
        for eps_perm, eps_first in BUDGETS:
            if protocol in ("LOLOHA", "dBitFlipPM") and (k > 5 or eps_first > 2):
                continue  # 2^k outputs of each of g^k hash functions, or sets of buckets
            oracle = oracle_of(protocol, k, eps_perm, eps_first, calibration)
            channel = oracle.channel()
            assert np.abs(channel.sum(axis=1) - 1).max() < 1e-12
            loss = log_ratio(channel)
            assert loss <= oracle.eps_first + 1e-9
            if calibration == "exact" or protocol not in ("L-GRR", "LOLOHA"):
                assert abs(loss - oracle.eps_first) < 1e-9
            elif k > 2 and protocol == "L-GRR":
                assert loss < eps_first - 1e-6  # the published calibration throws budget away


@pytest.mark.claim("allomfree.1")
@pytest.mark.parametrize("protocol", ["L-GRR", *UNARY])
@pytest.mark.parametrize("k", [2, 3, 4, 6])
def test_channel_is_the_product_of_the_rounds(protocol, k):
    for calibration in ("exact", "paper"):
        oracle = LongitudinalOracle(k, 2.0, 1.0, protocol, calibration)
        first, second = round_matrix(oracle.chain, 1), round_matrix(oracle.chain, 2)
        together = first @ second
        assert abs(log_ratio(first) - 2.0) < 1e-9
        if protocol == "L-GRR":
            assert np.abs(together - oracle.channel()).max() < 1e-15
        else:  # outputs are numbered with bit 0 first here, with bit 0 as the lowest there
            numbers = [sum(bit << i for i, bit in enumerate(output)) for output in product((0, 1), repeat=k)]
            assert np.abs(together - oracle.channel()[:, numbers]).max() < 1e-15


@cache
def exp(eps):
    """e^eps to 150 digits."""
    with localcontext() as context:
        context.prec = 150
        return Decimal(eps).exp()


def exceeds(ratio, eps):
    """Whether a fraction is above e^eps."""
    with localcontext() as context:
        context.prec = 150
        return Decimal(ratio.numerator) / Decimal(ratio.denominator) > exp(eps)


def composite(chain, t2):
    """The exact ratio of both rounds together, with `t2` in place of the second round's threshold of truth."""
    if isinstance(chain, GrrChain):
        p1, p2 = Fraction(whole(chain.first), W), Fraction(t2, W)
        truth = p1 * p2 + (1 - p1) * (1 - p2) / (chain.k - 1)
        return truth * (chain.k - 1) / (1 - truth)
    p1, q1 = (Fraction(whole(t), W) for t in chain.first)
    p2, q2 = (Fraction(whole(t), W) for t in chain.second)
    p2, q2 = (Fraction(t2, W), 1 - Fraction(t2, W)) if p2 + q2 == 1 else (p2, Fraction(t2, W))
    ps, qs = p1 * p2 + (1 - p1) * q2, q1 * p2 + (1 - q1) * q2
    return ps * (1 - qs) / ((1 - ps) * qs)


@pytest.mark.claim("allomfree.1")
@pytest.mark.parametrize("protocol", ["L-GRR", *UNARY])
def test_no_rounded_ratio_is_above_its_budget_and_the_next_threshold_is(protocol):
    for k in (2, 3, 41, 1024):
        for eps_perm, eps_first in [*BUDGETS, (30.0, 15.0), (0.01, 0.001)]:
            chain = LongitudinalOracle(k, eps_perm, eps_first, protocol).chain
            if protocol == "L-GRR":
                p1 = Fraction(whole(chain.first), W)
                first = p1 * (k - 1) / (1 - p1)
                t2, further = whole(chain.second), 1
            else:
                p1, q1 = (Fraction(whole(t), W) for t in chain.first)
                first = p1 * (1 - q1) / ((1 - p1) * q1)
                symmetric = whole(chain.second[0]) + whole(chain.second[1]) == W
                t2, further = (whole(chain.second[0]), 1) if symmetric else (whole(chain.second[1]), -1)
            assert not exceeds(first, eps_perm)
            assert not exceeds(composite(chain, t2), eps_first)
            assert exceeds(composite(chain, t2 + further), eps_first)


# n = 10000; L-GRR with k = 2, 32, 1024 and L-OSUE, L-SUE, L-SOUE, L-OUE: Table 1 of the paper, as printed.
TABLE = {
    (0.5, 0.3): (".001103", ".980969", "26706", ".004411", ".004436", ".005306", ".005549"),
    (1.0, 0.6): (".000270", ".125036", "3153", ".001078", ".001103", ".001234", ".001347"),
    (2.0, 1.2): (".000062", ".006327", "117", ".000247", ".000270", ".000264", ".000310"),
    (4.0, 2.4): (".000011", ".000078", ".25903", ".000044", ".000062", ".000045", ".000057"),
    (1.0, 0.5): (".000392", ".268074", "7198", ".001567", ".001592", ".001740", ".001872"),
    (4.0, 2.0): (".000018", ".000188", ".74088", ".000072", ".000092", ".000073", ".000092"),
}


@pytest.mark.claim("allomfree.2")
@pytest.mark.parametrize("budget", TABLE)
def test_table_1(budget):
    cells = [("L-GRR", 2), ("L-GRR", 32), ("L-GRR", 1024), ("L-OSUE", 9), ("L-SUE", 9), ("L-SOUE", 9), ("L-OUE", 9)]
    for (protocol, k), printed in zip(cells, TABLE[budget], strict=True):
        variance = LongitudinalOracle(k, *budget, protocol, "paper").variance(0, 10_000)
        if "." in printed:
            assert f"{variance:.{len(printed) - 1}f}".lstrip("0") == printed
        else:  # printed without decimals, and cut rather than rounded
            assert math.floor(variance) == int(printed)


@pytest.mark.claim("allomfree.3")
@pytest.mark.parametrize("budget", BUDGETS)
def test_closed_forms(budget):
    e = math.exp(budget[1])
    for k in (2, 3, 5, 32, 1024):
        chained, single = LongitudinalOracle(k, *budget, "L-GRR"), GRR(k, budget[1])
        assert abs(chained.p - single.p) < 1e-12
        assert abs(chained.q - single.q) < 1e-12
        assert chained.variance(0, 1) == pytest.approx((e + k - 2) / (e - 1) ** 2, rel=1e-9)
        chained, single = LongitudinalOracle(k, *budget, "L-OSUE"), OUE(k, budget[1])
        assert abs(chained.p - single.p) < 1e-12
        assert abs(chained.q - single.q) < 1e-12
        assert chained.variance(0, 1) == pytest.approx(4 * e / (e - 1) ** 2, rel=1e-9)


def test_nothing_unary_has_less_variance_than_losue():
    for eps_perm, eps_first in BUDGETS:
        best = LongitudinalOracle(4, eps_perm, eps_first, "L-OSUE").variance()
        assert all(
            best <= LongitudinalOracle(4, eps_perm, eps_first, other).variance() * (1 + 1e-12) for other in UNARY
        )


def test_the_published_calibration_wastes_budget():
    """k, budgets -> the budget that a report really takes, its variance, and the exact calibration's (n = 10000)."""
    for k, budget, true_eps, paper, exact in [
        (32, (1.0, 0.5), 0.102, 0.2681, 0.00752),
        (1024, (1.0, 0.5), None, 7198.8, 0.2432),
        (3, (0.5, 0.3), None, 0.00259, 0.00192),
    ]:
        published = LongitudinalOracle(k, *budget, "L-GRR", "paper")
        assert published.variance(0, 10_000) == pytest.approx(paper, rel=2e-3)
        assert LongitudinalOracle(k, *budget, "L-GRR").variance(0, 10_000) == pytest.approx(exact, rel=2e-3)
        if true_eps:
            assert log_ratio(published.channel()) == pytest.approx(true_eps, abs=5e-4)


@pytest.mark.parametrize("eps_first", [0.5, 1.0, 2.0, 3.0])
def test_auto_is_the_protocol_of_least_variance(eps_first):
    last = {0.5: 6, 1.0: 10, 2.0: 24, 3.0: 62}[eps_first]  # 3 e^eps_first + 2, rounded down
    assert LongitudinalOracle(last, 4.0, eps_first).protocol == "L-GRR"
    assert LongitudinalOracle(last + 1, 4.0, eps_first).protocol == "L-OSUE"
    for k in (2, 5, 20, 80):
        for calibration in ("exact", "paper"):
            auto, grr, osue = (
                LongitudinalOracle(k, 4.0, eps_first, name, calibration) for name in ("auto", "L-GRR", "L-OSUE")
            )
            assert auto.variance() == min(grr.variance(), osue.variance())


def loss_after(chain, t):
    """The largest log ratio over all sequences of t outputs of the remembered first round: by enumeration."""
    first, second = round_matrix(chain, 1), round_matrix(chain, 2)
    of_memo = second
    for _ in range(t - 1):
        of_memo = (of_memo[:, :, np.newaxis] * second[:, np.newaxis, :]).reshape(len(second), -1)
    return log_ratio(first @ of_memo)


@pytest.mark.claim("allomfree.5")
@pytest.mark.parametrize("protocol", ["L-GRR", *UNARY])
def test_privacy_after_by_enumeration(protocol):
    for k, most in [(2, 5), (3, 4)]:
        for calibration in ("exact", "paper"):
            oracle = LongitudinalOracle(k, 2.0, 1.0, protocol, calibration)
            for t in range(1, most + 1):
                assert oracle.privacy_after(t) == pytest.approx(loss_after(oracle.chain, t), abs=1e-9)
    if protocol == "L-GRR":
        oracle = LongitudinalOracle(4, 2.0, 1.0, protocol)
        assert oracle.privacy_after(5) == pytest.approx(loss_after(oracle.chain, 5), abs=1e-9)


@pytest.mark.claim("allomfree.5")
def test_privacy_after_examples():
    for protocol, k, values in [
        ("L-GRR", 2, {1: 1.0, 2: 1.642, 3: 1.899, 5: 1.994}),
        ("L-GRR", 4, {1: 1.0, 2: 1.678, 3: 1.923}),
        ("L-OSUE", 9, {1: 1.0, 2: 1.642, 3: 1.899, 10: 2.000}),
    ]:
        oracle = LongitudinalOracle(k, 2.0, 1.0, protocol)
        for t, expected in values.items():
            assert oracle.privacy_after(t) == pytest.approx(expected, abs=5.1e-4)  # as printed, to three decimals
    published = math.log((math.exp(2 + 1) + 1) / (math.exp(2) + math.exp(1)))  # Eq. 16 at t = 1
    assert published == pytest.approx(0.735, abs=5e-4)
    assert published < loss_after(LongitudinalOracle(2, 2.0, 1.0, "L-GRR").chain, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_privacy_after_rises_to_eps_perm(protocol):
    oracle = oracle_of(protocol, 12, 2.0, 1.0)
    losses = [oracle.privacy_after(t) for t in (0, 1, 2, 3, 10, 100, 10**6, 2**60)]
    assert losses[0] == 0
    assert losses[1] == pytest.approx(oracle.eps_first, abs=1e-9)
    assert losses == sorted(losses)
    assert losses[-1] <= 2 + 1e-12
    assert losses[-1] == pytest.approx(2, abs=1e-9)


def history(chain, values):
    """f64[outputs of all rounds]: the probabilities of all sequences of reports of a device that has these values in turn."""
    first, second = round_matrix(chain, 1), round_matrix(chain, 2)
    total = np.zeros(len(second) ** len(values))
    distinct = sorted(set(values))
    for memos in product(range(len(second)), repeat=len(distinct)):
        chance = math.prod(first[value, memo] for value, memo in zip(distinct, memos, strict=True))
        sequence = np.array([chance])
        for value in values:
            sequence = np.outer(sequence, second[memos[distinct.index(value)]]).reshape(-1)
        total += sequence
    return total


@pytest.mark.parametrize("protocol", ["L-GRR", "L-OSUE"])
def test_the_ledger_holds_between_histories_that_change_at_the_same_times(protocol):
    """What it spends is eps_perm a value there; that a value has changed, and when, it does not hide."""
    chain = LongitudinalOracle(2, 2.0, 1.0, protocol).chain
    rounds = 8 if protocol == "L-GRR" else 4
    changes = [history(chain, (a,) * (rounds // 2) + (b,) * (rounds // 2)) for a, b in ((0, 1), (1, 0))]
    same = log_ratio(np.array(changes))
    assert 2.0 < same <= 2 * 2.0
    if protocol == "L-GRR":
        constant = history(chain, (0,) * rounds)
        assert log_ratio(np.array([constant, changes[0]])) > 2 * 2.0


def test_variance_takes_arrays():
    oracle = LongitudinalOracle(5, 2.0, 1.0)
    f, n = np.array([0.5, 0.2, 0.05]), np.array([2000, 2000, 4000])
    assert oracle.variance(f, n).tolist() == [
        oracle.variance(*pair) for pair in zip(f.tolist(), n.tolist(), strict=True)
    ]


def test_loloha_takes_the_g_of_least_variance():
    for eps_first in (0.2, 1.0, 2.0, 3.0):
        best = LongitudinalOracle(100, 4.0, eps_first, "LOLOHA")
        assert best.chain.g in (max(2, math.floor(math.exp(eps_first) + 1)), math.ceil(math.exp(eps_first) + 1))
        assert best.variance() <= LongitudinalOracle(100, 4.0, eps_first, "BiLOLOHA").variance() * (1 + 1e-12)
    assert LongitudinalOracle(100, 4.0, 1.0, "BiLOLOHA").chain.g == 2


def test_loloha_hashes_pairs_of_values_independently():
    """Chi-square of the 16 pairs of hashes of two values over 20,000 functions; 5e-7 of such runs are above 59.8."""
    oracle = LongitudinalOracle(10**6, 4.0, 1.0, "LOLOHA")
    words = np.random.default_rng(1).integers(0, 2**32, (20_000, 8)).tolist()
    for x, y in [(0, 1), (17, 999_999)]:
        seen = np.zeros((4, 4))
        for row in words:
            identity = oracle.chain.identity(row)
            seen[oracle.chain.memoized(identity, x), oracle.chain.memoized(identity, y)] += 1
        assert ((seen - 1250) ** 2 / 1250).sum() < 59.8


def counted(oracle, reports):
    server = oracle.aggregator()
    rows = [report.row() for report in reports]
    server.update({name: [row[name] for row in rows] for name in rows[0]})
    return server.query()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_estimates_are_within_their_errors(protocol):
    """1500 devices; every estimate within 5.5 standard errors of the truth: at most 3e-7 of such runs fail, a protocol."""
    oracle = oracle_of(protocol, 6, 4.0, 3.0 if protocol != "L-SOUE" else 2.5)
    share = np.array([0.5, 0.3, 0.1, 0.05, 0.05, 0.0])
    reports = [
        oracle.client(secret=bytes([7]) * 16 + i.to_bytes(4, "little")).report(x)
        for i, x in enumerate(np.repeat(np.arange(6), (share * 1500).round().astype(int)).tolist())
    ]
    estimate = counted(oracle, reports)
    assert estimate.n == 1500
    assert (np.abs(estimate.freq - share) <= 5.5 * estimate.stderr).all()
    assert estimate.protocol == protocol


def test_dbitflip_with_few_buckets_and_bits():
    """4 of 8 buckets a device, and one bit alone, which takes the whole budget in exact calibration."""
    oracle = LongitudinalOracle(100, 2.0, 2.0, "dBitFlipPM", buckets=8, bits=4)
    assert oracle.chain.share == 0.5
    clients = [oracle.client(secret=i.to_bytes(16, "little")) for i in range(2000)]
    assert {len(oracle.chain.chosen(client.identity)) for client in clients} == {4}
    told = np.bincount([b for client in clients for b in oracle.chain.chosen(client.identity)], minlength=8)
    assert (np.abs(told - 1000) < 5.5 * math.sqrt(500)).all()
    estimate = counted(oracle, [client.report(i % 50) for i, client in enumerate(clients)])
    truth = np.bincount(np.arange(50) * 8 // 100, minlength=8) / 50
    assert (np.abs(estimate.freq - truth) <= 5.5 * estimate.stderr).all()
    for calibration, loss in [("exact", 2.0), ("paper", 1.0)]:
        one = LongitudinalOracle(4, 2.0, 2.0, "dBitFlipPM", calibration, bits=1)
        assert log_ratio(one.channel()) == pytest.approx(loss, abs=1e-9)
        assert one.privacy_after(9) == pytest.approx(loss, abs=1e-9)


@pytest.mark.claim("allomfree.10")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 2.0, 1.0), "k must be from 2"),
        ((2.5, 2.0, 1.0), "k must be an integer from 2"),
        ((4, 1.0, 1.0), "eps_first must be below eps_perm=1.0, the budget of all reports, got 1.0"),
        ((4, 1.0, 2.0), "eps_first must be below eps_perm"),
        ((4, 0.0, 1.0), "eps_perm must be a number above 0 and at most 40, got 0.0"),
        ((4, float("nan"), 1.0), "eps_perm must be a number above 0"),
        ((4, 2.0, True), "eps_first must be a number above 0"),
        ((4, 2.0, 1.0, "L-HR"), "protocol must be 'auto' or one of L-GRR, L-OSUE"),
        ((4, 2.0, 1.0, "auto", "fast"), "calibration must be 'exact' or 'paper', got 'fast'"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        LongitudinalOracle(*arguments)


@pytest.mark.claim("allomfree.10")
def test_infeasible_budgets_say_what_is_feasible():
    for protocol, limit in [("L-OUE", math.log((2 * math.e + 1) / 3)), ("L-SOUE", 0.6636433)]:
        with pytest.raises(InfeasibleBudget, match=rf"eps_first=0.9 cannot be reached.*below {limit:.6g}"):
            LongitudinalOracle(4, 1.0, 0.9, protocol)
        LongitudinalOracle(4, 1.0, limit - 1e-4, protocol)
        with pytest.raises(InfeasibleBudget):
            LongitudinalOracle(4, 1.0, limit + 1e-4, protocol)
    with pytest.raises(InfeasibleBudget, match=r"takes all of eps_perm=2.0: give eps_first=2.0, got 1.0"):
        LongitudinalOracle(4, 2.0, 1.0, "dBitFlipPM")
    with pytest.raises(InfeasibleBudget, match="leaves nothing to be seen"):
        LongitudinalOracle(4, 1e-13, 1e-14)
    with pytest.raises(ValueError, match="buckets and bits are parameters of dBitFlipPM; L-GRR has none"):
        LongitudinalOracle(4, 2.0, 1.0, "L-GRR", bits=2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_half_a_draw_is_no_report(protocol):
    """With any number of words there is the report that endless ones begin with, or an error."""
    chain = oracle_of(protocol, 40, 4.0, 2.0).chain
    words = np.random.default_rng(0).integers(0, 2**32, 200).tolist()
    identity = chain.identity(words) if chain.has_identity else None
    value = chain.memoized(identity, 39)
    memo = chain.permanent(words, identity, value)
    draws = [lambda part: chain.permanent(part, identity, value), lambda part: chain.instant(part, memo)]
    for draw in draws + [chain.identity] * chain.has_identity:
        drawn = [unless_short(draw, words[:n]) for n in range(len(words))]
        refused = drawn.count(None)
        assert drawn == [None] * refused + [draw(words)] * (len(words) - refused)
        assert refused > 0 or (protocol == "dBitFlipPM" and draw is not draws[0])


def unless_short(draw, words):
    """What is drawn, or None where the words ran out."""
    try:
        return draw(words)
    except ValueError:
        return None


def test_channels_too_large_to_list_are_refused():
    for protocol in ("L-OSUE", "LOLOHA", "dBitFlipPM"):
        with pytest.raises(ValueError, match="which are too many: ask for a smaller domain"):
            oracle_of(protocol, 40, 4.0, 2.0).channel()


def test_foreign_reports_are_refused():
    report = LongitudinalOracle(4, 2.0, 1.0).client().report(3)
    for other in (LongitudinalOracle(4, 2.0, 1.1), LongitudinalOracle(4, 2.0, 1.0, "L-GRR", "paper")):
        with pytest.raises(ProtocolMismatch, match=report.digest):
            counted(other, [report])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_params_make_an_equal_oracle(protocol):
    oracle = oracle_of(protocol, 7, 2.0, 1.0)
    again = LongitudinalOracle(**oracle.params)
    assert again.digest == oracle.digest
    assert again.probabilities == oracle.probabilities
    assert isinstance(oracle.chain, (GrrChain, UnaryChain)) == (protocol in ("L-GRR", *UNARY))
