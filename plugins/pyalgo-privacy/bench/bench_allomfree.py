"""ALLOMFREE at scale, against multi-freq-ldpy, whose clients are called user by user; and the paper's experiment on Nursery.

CPU time, one thread. A user costs multi-freq-ldpy a Python call of compiled functions, in which both rounds are drawn, for
it remembers nothing. Ours are a whole population's: first rounds and reports (`fit` and `round`), and reports alone.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from allomfree_study import ADULT, EPS_PERM, PUBLISHED, RATIOS, gains
from gate import Verdict, compare, cpu_seconds
from pyalgo_privacy import AllomfreeServer, AllomfreeSimulator


def peers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        long = pytest.importorskip("multi_freq_ldpy.long_freq_est", reason="the peer is multi-freq-ldpy==0.2.5")
        from multi_freq_ldpy.long_freq_est import L_GRR, L_OSUE
    assert long
    return {"L-GRR": L_GRR.L_GRR_Client, "L-OSUE": L_OSUE.L_OSUE_Client}


@pytest.mark.claim("allomfree.8")
def test_a_round_of_a_million_users(figure):
    n = 1_000_000
    people = np.random.default_rng(0).integers(0, ADULT, (n, len(ADULT)))
    warm = AllomfreeSimulator(ADULT, 2.0, 1.0).fit(people[:1000])
    AllomfreeServer(**warm.plan.params).update(warm.round(people[:1000]))
    devices = AllomfreeSimulator(ADULT, 2.0, 1.0)
    server = AllomfreeServer(**devices.plan.params)
    verdict = Verdict("a million users, the domains of Adult")
    verdict.at_most("first rounds", cpu_seconds(lambda: devices.fit(people)), 3, unit=" s")
    verdict.at_most("a round", cpu_seconds(lambda: devices.round(people)), 3, unit=" s")
    others = np.random.default_rng(1).integers(0, ADULT, people.shape)
    verdict.at_most("a round in which all values change", cpu_seconds(lambda: devices.round(others)), 3, unit=" s")
    reports = devices.round(others)
    verdict.at_most("counting it", cpu_seconds(lambda: server.update(reports)), 1, unit=" s")
    for r, oracle in enumerate(devices.plan.oracles):
        told = len(devices._users[r])
        if oracle.protocol == "L-GRR":
            held = sum(part[r].nbytes for part in (devices._users, devices._values, devices._memos))
            assert held <= 16 * told, (r, held / told)
    verdict.at_most("memory", devices.nbytes / n, 16, gate=16, unit=" bytes a user")
    unary = AllomfreeSimulator([1024], 2.0, 1.0).fit(np.zeros((10_000, 1), np.int64))
    verdict.at_most("a memo of L-OSUE, k = 1024", unary._memos[0].nbytes / 10_000, 128, gate=128, unit=" bytes")
    verdict.close(figure, "allomfree.8")


@pytest.mark.claim("allomfree.8")
@pytest.mark.parametrize(
    ("protocol", "k", "eps_perm", "eps_first"), [("L-GRR", 32, 4.0, 3.0), ("L-OSUE", 32, 2.0, 1.0)]
)
def test_against_multi_freq_ldpy(figure, protocol, k, eps_perm, eps_first):
    """A round's reports; told beside it, first rounds and reports together, which users need once in their lives."""
    n, part = 400_000, 4_000
    client = peers()[protocol]
    people = np.random.default_rng(0).integers(0, k, (n, 1))
    devices = AllomfreeSimulator([k], eps_perm, eps_first).fit(people)
    assert devices.plan.oracles[0].protocol == protocol
    users = people[:part, 0].tolist()

    def peer():
        for x in users:
            client(x, k, eps_perm, eps_first)

    both = compare(lambda: AllomfreeSimulator([k], eps_perm, eps_first).fit(people).round(people), peer, pairs=5).median
    verdict = Verdict(f"{protocol}, k = {k}: first rounds and reports {n / part * both:.0f}x multi-freq-ldpy a user")
    verdict.at_least("a round's reports", n / part * compare(lambda: devices.round(people), peer, pairs=15).median, 30)
    verdict.close(figure, "allomfree.8")


@pytest.mark.claim("allomfree.11")
def test_the_papers_gains_on_nursery(figure):
    clipped, raw = gains(100, "clip-normalize"), gains(2000, None)
    verdict = Verdict("Nursery")
    apart = [
        abs(clipped[f"paper/{ratio}/{peer}"]["measured"][EPS_PERM.index(eps_perm)] - published)
        for (ratio, eps_perm), both in PUBLISHED.items()
        for peer, published in zip(("L-SUE", "L-OUE"), both, strict=True)
    ]
    verdict.at_most("from the published gains", max(apart), 9, gate=9, unit=" points")
    peers_of = [f"{ratio}/{peer}" for ratio in RATIOS for peer in ("L-SUE", "L-OUE")]
    cells = [raw[f"{calibration}/{cell}"] for calibration in ("exact", "paper") for cell in peers_of]
    off = max(np.abs(np.subtract(cell["measured"], cell["predicted"])).max() for cell in cells)
    verdict.at_most("unclipped, from the closed form", float(off), 2, gate=2, unit=" points")
    many = gains(2000, "clip-normalize", seed=1)
    ahead = min(
        np.subtract(kind[f"exact/{cell}"][of], kind[f"paper/{cell}"][of]).min()
        for kind, of in ((many, "measured"), (raw, "measured"), (raw, "predicted"))
        for cell in peers_of
    )
    verdict.at_least("exact calibration ahead of the published one, at least", float(ahead), 0, gate=0, unit=" points")
    verdict.close(figure, "allomfree.11")
