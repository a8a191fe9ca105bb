"""Modular subset selection: the server against decoding of projective geometry response, the client against multi-freq-ldpy.

One core, CPU time. The paper reports for its server at k = 22000 and eps from 2 to 5 between 0.13 and 0.27 s, and for projective
geometry 2.9 to 57 s; the latter is not what that protocol costs: see `pgr_decode.cpp`, which is the peer here.
"""

from __future__ import annotations

import ctypes
import math
import statistics
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from gate import Verdict, compare, cpu_seconds
from native_peers import compiled
from pyalgo_privacy import MSS, PGR, SS, choose_moduli
from pyalgo_privacy.moduli import coprime_near, pick
from pyalgo_privacy.projective import on_hyperplanes

K = 22000
EPSILONS = (2.0, 3.0, 4.0, 4.5, 5.0)


@pytest.fixture(scope="module")
def pgr_decode():
    """The C++ peer."""
    function = compiled(Path(__file__).with_name("pgr_decode.cpp")).pgr_decode

    def decode(counts, q, t):
        out = np.empty(len(counts), np.int64)
        function(
            counts.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int(q),
            ctypes.c_int(t),
            out.ctypes.data_as(ctypes.c_void_p),
        )
        return out

    return decode


def counted(oracle: MSS, n: int, rng: np.random.Generator):
    """Counts of n reports with 30 % of users at value 0, as they would come: binomial by residue."""
    counts, reports = [], []
    for design, share in zip(oracle.designs, oracle.shares, strict=True):
        marginal = np.full(design.m, 0.7 / design.m)
        marginal[0] += 0.3
        reports.append(round(n * share))
        counts.append(rng.binomial(reports[-1], design.q + (design.p - design.q) * marginal))
    return np.concatenate(counts), np.array(reports)


def test_the_peer_decodes(pgr_decode):
    rng = np.random.default_rng(0)
    for q, t in ((3, 3), (5, 4), (7, 2), (11, 3), (3, 6), (2, 5)):
        counts = rng.integers(0, 1000, (q**t - 1) // (q - 1)).astype(np.int32)
        np.testing.assert_array_equal(pgr_decode(counts, q, t), on_hyperplanes(counts, q, t))


def servers(eps):
    """A fed and warm aggregator of MSS at K values, and the oracle and counts of the peer."""
    rng = np.random.default_rng(0)
    oracle = MSS(K, eps, pick(choose_moduli(K, eps), K).moduli)
    aggregator = oracle.aggregator()
    aggregator._counts[:], aggregator._n[:] = counted(oracle, 1_000_000, rng)
    aggregator.query()
    peer = PGR(K, eps)
    return aggregator, peer, rng.integers(0, 2_000_000 // peer.points + 2, peer.points).astype(np.int32)


@pytest.mark.claim("mss.13")
def test_against_projective_geometry_where_it_is_slowest(figure, pgr_decode):
    aggregator, peer, counts = servers(4.5)  # q = 97
    ratio = compare(aggregator.query, lambda: pgr_decode(counts, peer.q_field, peer.t), pairs=9).median
    verdict = Verdict("k = 22000, eps = 4.5")
    verdict.at_least("PGR's decoding in C++", ratio, 20, gate=1)
    verdict.close(figure, "mss.13")


@pytest.mark.claim("mss.9")
@pytest.mark.parametrize("eps", EPSILONS)
def test_a_query_at_22000_values(figure, eps, pgr_decode):
    """The whole query, standard errors included, against the decoding of counts alone."""
    aggregator, peer, counts = servers(eps)
    oracle = aggregator.oracle
    ours = 1000 * statistics.median(cpu_seconds(aggregator.query) for _ in range(9))
    in_cpp = compare(aggregator.query, lambda: pgr_decode(counts, peer.q_field, peer.t), pairs=5)
    in_numpy = compare(aggregator.query, lambda: on_hyperplanes(counts, peer.q_field, peer.t), pairs=3)
    text = f"eps={eps:g}: {ours:.1f} ms (l={len(oracle.moduli)}), PGR's decoding takes {in_cpp.median:.2f} of it in C++"
    text += f", {in_numpy.median:.1f} in ours"
    figure("mss.9", text, met=ours <= 60)
    assert ours <= 120


@pytest.mark.claim("mss.9")
def test_a_query_at_a_million_values(figure):
    k, l = 1_000_000, 12  # noqa: E741
    moduli = coprime_near([0.45 * k * (1 + 0.45 * (2 * i / (l - 1) - 1)) for i in range(l)])
    oracle = MSS(k, 2.0, moduli)
    warm = MSS(3000, 2.0, coprime_near([m * 0.003 for m in moduli])).aggregator()
    warm._counts[:], warm._n[:] = counted(warm.oracle, 1_000_000, np.random.default_rng(0))
    warm.query()
    counts, n = counted(oracle, 10_000_000, np.random.default_rng(0))
    tracemalloc.start()
    freq, *_ = oracle._estimate(counts, n)
    peak = tracemalloc.get_traced_memory()[1] / k
    tracemalloc.stop()
    seconds = min(cpu_seconds(lambda: oracle._estimate(counts, n)) for _ in range(2))
    verdict = Verdict("k = 10^6, l = 12")
    verdict.at_most("a query", seconds, 8, unit=" s")
    verdict.at_most("memory beside the counts", peak, 40, gate=40, unit=" bytes a value")
    assert abs(freq[0] - 0.3) < 0.01
    verdict.close(figure, "mss.9")


@pytest.mark.claim("mss.8")
@pytest.mark.parametrize(
    "make", [SS, lambda k, eps: MSS(k, eps, pick(choose_moduli(k, eps), k).moduli)], ids=["ss", "mss"]
)
def test_randomize_against_multi_freq_ldpy(figure, make):
    """Per user at k = 1024 and eps = 1: secret words here, numpy's generator there."""
    peer = pytest.importorskip("multi_freq_ldpy.pure_frequency_oracles.SS").SS_Client
    oracle, few, many = make(1024, 1.0), 1000, 20_000
    x = np.random.default_rng(0).integers(0, 1024, many)
    values = x[:few].tolist()

    def theirs():
        for value in values:
            peer(value, 1024, 1.0)

    ratio = compare(lambda: oracle.randomize(x), theirs, pairs=9)
    times = ratio.median * many / few
    each = 1e6 * statistics.median(cpu_seconds(lambda: oracle.randomize(x)) for _ in range(5)) / many
    figure("mss.8", f"{oracle.name.upper()} {times:.0f}x ({each:.2f} us a user)", met=times >= 30)
    assert times >= 10


@pytest.mark.claim("mss.6")
@pytest.mark.parametrize(("k", "ratio", "share"), [(1024, 1.3, 0.62), (22000, 1.25, 0.5)])
def test_choice_of_moduli(figure, k, ratio, share):
    plans = []
    seconds = cpu_seconds(lambda: plans.extend(choose_moduli(k, 1.0, target_ratio=ratio, cache=False)))
    best, longest = pick(plans, k), SS(k, 1.0).message_bits()
    text = f"k={k}: ratio {best.ratio:.3f} with {best.bits / longest:.3f} of the bits, chosen in {seconds:.1f} s"
    met = best.ratio <= ratio and best.bits <= share * longest and seconds <= 30
    figure("mss.6", text, met=met)
    assert best.ratio <= ratio
    assert best.bits <= share * longest
    assert seconds <= 60
    assert math.isfinite(best.kappa)
