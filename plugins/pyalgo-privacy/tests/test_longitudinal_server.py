"""One attribute, any protocol: the server against reports looked at one by one, its contract, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyalgo_privacy import InvalidReport, LongitudinalOracle, LongitudinalServer, ProtocolMismatch
from pyalgo_privacy.chains import UnaryChain
from pyalgo_privacy.longitudinal import PROTOCOLS

from pyalgo import SnapshotError, create
from pyalgo.testing import check_algorithm


def oracle_of(protocol, k=11, **options):
    return LongitudinalOracle(k, 3.0, 3.0 if protocol == "dBitFlipPM" else 1.5, protocol, **options)


ORACLES = [oracle_of(protocol) for protocol in PROTOCOLS] + [
    oracle_of("L-OSUE", k=40),
    oracle_of("LOLOHA", k=1000),
    oracle_of("dBitFlipPM", k=100, buckets=70, bits=33),
    oracle_of("dBitFlipPM", buckets=5, bits=1),
]


def reports_of(oracle, n):
    return [oracle.client().report(i * i % oracle.k) for i in range(n)]


def batch_of(reports, rounds=None):
    rows = [report.row(i if rounds is None else rounds[i]) for i, report in enumerate(reports)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def ones(packed):
    return [i for i in range(8 * len(packed)) if packed[i // 8] >> i % 8 & 1]


def supported(oracle, report):
    """The values that one report speaks for, and those of which it says anything, by the protocol's definition."""
    chain, everything = oracle.chain, range(oracle.k)
    if oracle.protocol == "dBitFlipPM":
        chosen = ones(report.identity)
        return [chosen[i] for i in ones(report.payload)], chosen
    if report.identity is not None:
        return [v for v in everything if chain.memoized(report.identity, v) == report.payload], everything
    return (ones(report.payload) if isinstance(chain, UnaryChain) else [report.payload]), everything


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: f"{oracle.protocol}-{oracle.k}")
def test_frequencies_are_those_of_the_reports_one_by_one(oracle):
    reports = reports_of(oracle, 60)
    supports, told = np.zeros((2, oracle.chain.values))
    for report in reports:
        for_it, of_it = supported(oracle, report)
        supports[list(for_it)] += 1
        told[list(of_it)] += 1
    server = oracle.aggregator()
    server.update(batch_of(reports, [5] * 60))
    estimate = server.query()
    assert estimate.n == server.n_seen == 60
    p, q = oracle.p, oracle.q
    with np.errstate(invalid="ignore", divide="ignore"):
        freq = (supports / told - q) / (p - q)
        g = q + freq.clip(0, 1) * (p - q)
        stderr = np.where(told > 0, np.sqrt(g * (1 - g) / told) / (p - q), np.inf)
    np.testing.assert_allclose(estimate.freq, freq, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(estimate.stderr, stderr, rtol=1e-12)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: f"{oracle.protocol}-{oracle.k}")
def test_contract(oracle):
    batches = [batch_of(reports_of(oracle, 5), [r] * 5) for r in range(3)]
    check_algorithm(lambda: LongitudinalServer(**oracle.params), batches)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: f"{oracle.protocol}-{oracle.k}")
def test_reports_are_sent_in_exactly_their_bits(oracle):
    once = (
        0.0  # what is sent beside the payload: a pair of numbers below a prime of at least k and 8 g, or a bit a bucket
    )
    if oracle.chain.has_identity:
        once = oracle.chain.values if oracle.chain.unary else 2 * math.log2(max(oracle.k, 8 * oracle.chain.g))
    for report in reports_of(oracle, 20):
        row = report.row()
        payload, bits = oracle.encode(row)
        assert 0 <= bits - oracle.message_bits() - once < 2
        assert payload < 1 << bits
        data = payload.to_bytes((bits + 7) // 8, "little")
        assert oracle.decode(data).items() <= row.items()
        with pytest.raises(InvalidReport, match="a report is"):
            oracle.decode(data + b"\0")


def test_it_is_found_by_name_and_makes_an_equal_server():
    server = create("privacy.longitudinal", k=5, eps_perm=2.0, eps_first=1.0)
    assert type(server) is LongitudinalServer
    assert server.params["protocol"] == "L-GRR"
    assert LongitudinalServer(**server.params).params == server.params


@pytest.mark.claim("allomfree.9")
@pytest.mark.parametrize("protocol", ["L-GRR", "LOLOHA", "dBitFlipPM"])
def test_rounds_are_apart_and_shards_merge(protocol):
    oracle = oracle_of(protocol)
    reports = reports_of(oracle, 40)
    rounds = [i % 2 for i in range(40)]
    whole, left, right = (oracle.aggregator() for _ in range(3))
    whole.update(batch_of(reports, rounds))
    left.update(batch_of(reports[25:], rounds[25:]))
    right.update(batch_of(reports[:25], rounds[:25]))
    left.merge(right)
    assert left.to_bytes() == whole.to_bytes()
    assert whole.rounds == [0, 1]
    assert whole.query(round=0).n == 20
    assert whole.query().round == 1
    alone = oracle.aggregator()
    alone.update(batch_of(reports[::2], [0] * 20))
    np.testing.assert_array_equal(alone.query().freq, whole.query(round=0).freq)
    with pytest.raises(KeyError, match="round 7 has no reports; those from 0 to 1 may have"):
        whole.query(round=7)


def test_without_reports_nothing_is_known():
    for oracle in ORACLES:
        estimate = oracle.aggregator().query()
        assert estimate.n == 0
        assert estimate.round is None
        assert np.isnan(estimate.freq).all()
        assert np.isinf(estimate.stderr).all()


def test_postprocessing():
    oracle = oracle_of("L-GRR")
    server = oracle.aggregator()
    server.update(batch_of(reports_of(oracle, 50), [0] * 50))
    for postprocess in ("norm-sub", "ibu"):
        freq = server.query(postprocess=postprocess).freq
        assert freq.min() >= 0
        assert freq.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="attribute 0 reports by LOLOHA, which has too many of them: use 'norm-sub'"):
        oracle_of("LOLOHA").aggregator().query(postprocess="ibu")


GRR = oracle_of("L-GRR"), {"value": [3], "attribute": [0], "hash": [-1], "chosen": [[]]}
HASH = oracle_of("BiLOLOHA"), {"value": [1], "hash": [12]}
FLIP = oracle_of("dBitFlipPM", bits=2), {"bits": [[1]], "chosen": [[3, 0]]}


@pytest.mark.claim("allomfree.10")
@pytest.mark.parametrize(
    ("sender", "bad", "message"),
    [
        (GRR, {"value": [11]}, "value must be from 0 to 10, got 11"),
        (GRR, {"attribute": [1]}, "attribute must be 0, got 1"),
        (GRR, {"hash": [7]}, "hash must be -1, for reports by L-GRR have none, got 7"),
        (GRR, {"chosen": [[7, 7]]}, "chosen must be empty, for reports by L-GRR have none, got 2"),
        (HASH, {"value": [2]}, "value must be from 0 to 1, got 2"),
        (HASH, {"hash": [17 * 17]}, "hash must be from 0 to 288, got 289"),
        (FLIP, {"chosen": [[7, 0]]}, "chosen must have 2 bits set, got 3"),
        (FLIP, {"chosen": [[1, 8]]}, "chosen has one set beyond the first 11"),
        (FLIP, {"chosen": [[3]]}, "chosen must be 2 bytes, got 1"),
        (FLIP, {"bits": [[4]]}, "bits has one set beyond the first 2"),
    ],
)
def test_reports_that_no_device_sends(sender, bad, message):
    oracle, good = sender
    server = oracle.aggregator()
    server.update(good)
    before = server.to_bytes()
    with pytest.raises(InvalidReport, match=f"row 1: {message}") as error:
        server.update({name: column + bad.get(name, column) for name, column in good.items()})
    assert error.value.row == 1
    assert server.to_bytes() == before


@pytest.mark.claim("allomfree.10")
def test_other_refusals():
    server = oracle_of("BiLOLOHA").aggregator()
    with pytest.raises(InvalidReport, match="row 0: there is no column 'hash', which reports by BiLOLOHA have"):
        server.update(value=[1])
    with pytest.raises(ProtocolMismatch, match="row 0: the report has digest"):
        server.update(batch_of(reports_of(oracle_of("LOLOHA"), 1)))
    with pytest.raises(ProtocolMismatch, match="the other server has digest"):
        server.merge(oracle_of("LOLOHA").aggregator())
    with pytest.raises(TypeError, match="other must be of the class LongitudinalServer, got int"):
        server.merge(3)
    with pytest.raises(SnapshotError):
        LongitudinalServer.from_bytes(server.to_bytes()[:-1])
    assert server.n_seen == 0
