"""ALLOMFREE from device to estimate: what the server takes and refuses, and how far its estimates are off."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from pyalgo_privacy import (
    SPL,
    AllomfreeClient,
    AllomfreePlan,
    AllomfreeServer,
    AllomfreeSimulator,
    InvalidReport,
    LongitudinalOracle,
    ProtocolMismatch,
)
from pyalgo_privacy.fields import BitsField

from pyalgo import SnapshotError, create, load
from pyalgo.testing import check_algorithm

SETTINGS = {"domains": [3, 5, 40], "eps_perm": 2.0, "eps_first": 1.0}  # L-GRR, L-GRR, L-OSUE


def people_of(n, seed=0, domains=(3, 5, 40)):
    """Users whose values are not uniform: of two uniform ones the smaller."""
    rng = np.random.default_rng(seed)
    return np.minimum(rng.integers(0, domains, (n, len(domains))), rng.integers(0, domains, (n, len(domains))))


def devices_of(people, seed=0, **changes):
    settings = {**SETTINGS, **changes}
    return AllomfreeSimulator(settings.pop("domains"), **settings, seed=seed).fit(people)


def server_of(devices):
    return AllomfreeServer(**devices.plan.params)


def same(a, b):
    assert a.to_bytes() == b.to_bytes()


@pytest.fixture(scope="module")
def batches():
    """Three rounds of 300 users, as batches of columns."""
    people = people_of(300)
    devices = devices_of(people)
    return [devices.round(people).batch() for _ in range(3)]


def test_contract(batches):
    few = [{name: column[:7] for name, column in batch.items()} for batch in batches]
    assert {len(bits) for batch in few for bits in batch["bits"]} == {0, 5}  # both protocols
    check_algorithm(lambda: AllomfreeServer(**SETTINGS, insecure=True), few)
    bare = [{name: column for name, column in batch.items() if name not in ("round", "digest")} for batch in few]
    check_algorithm(lambda: AllomfreeServer(**SETTINGS, insecure=True), bare)


def test_it_is_registered():
    assert type(create("privacy.allomfree", **SETTINGS)) is AllomfreeServer


@pytest.mark.claim("allomfree.9")
def test_shards_merged_are_one_server():
    people = people_of(5000)
    devices = devices_of(people)
    rounds = [devices.round(people) for _ in range(3)]
    whole, shards = server_of(devices), [server_of(devices) for _ in range(10)]
    for reports in rounds:
        whole.update(reports)
        batch = reports.batch()
        for i, shard in enumerate(shards):
            shard.update({name: column[i::10] for name, column in batch.items()})
    for shard in shards[1:]:
        shards[0].merge(shard)
    same(shards[0], whole)
    same(load(whole.to_bytes()), whole)
    assert whole.n_seen == 15_000


@pytest.mark.claim("allomfree.9")
def test_late_reports_count_in_their_round_and_duplicates_twice(batches):
    late = AllomfreeServer(**SETTINGS, insecure=True)
    for batch in (batches[2], batches[0], batches[1]):
        late.update(batch)
    in_time = AllomfreeServer(**SETTINGS, insecure=True)
    for batch in batches:
        in_time.update(batch)
    same(late, in_time)
    assert late.rounds == [0, 1, 2]
    assert late.query().round == 2
    users = [estimate.n for estimate in late.query(round=1)]
    assert sum(users) == 300
    late.update(batches[1])
    assert [estimate.n for estimate in late.query(round=1)] == [2 * n for n in users]
    with pytest.raises(KeyError, match="round 7 has no reports; those from 0 to 2 may have"):
        late.query(round=7)


def test_reports_in_arrays_and_in_rows_count_the_same():
    people = people_of(1000)
    devices = devices_of(people)
    reports = devices.round(people)
    arrays, rows, lines = (server_of(devices) for _ in range(3))
    arrays.update(reports)
    batch = reports.batch()
    rows.update(batch)
    same(arrays, rows)
    for line in [json.loads(json.dumps({name: batch[name][i] for name in batch})) for i in range(len(reports))]:
        lines.update({name: [entry] for name, entry in line.items()})
    same(arrays, lines)


def test_the_rows_of_devices_are_taken():
    server = AllomfreeServer(**SETTINGS)
    told = [0, 0, 0]
    for user in range(200):
        device = AllomfreeClient(SETTINGS["domains"], 2.0, 1.0, secret=user.to_bytes(16, "little"))
        told[device.attribute] += 1
        server.update({name: [entry] for name, entry in device.report([2, 4, 39]).row(round=5).items()})
    assert [estimate.n for estimate in server.query(round=5)] == told


def test_a_device_and_the_simulator_draw_the_same_from_the_same_words():
    """Both rounds of both protocols, bit for bit."""
    people = people_of(400)
    devices = devices_of(people, seed=5)
    twin = devices_of(people, seed=5)  # whose stream tells the words of the second rounds
    reports = devices.round(people)
    for r, (oracle, users) in enumerate(zip(devices.plan.oracles, reports.users, strict=True)):
        chain, field = oracle.chain, BitsField("bits", oracle.k)
        values = people[users, r]
        words = devices._memo_words.rows(users, r, values, 32).tolist()
        memos = [chain.permanent(row, None, x) for row, x in zip(words, values.tolist(), strict=True)]
        drawn = devices._memos[r]
        held = [bytes(row) for row in field.expand(drawn)] if chain.unary else drawn.tolist()
        assert held == memos
        sent = reports.columns[r]
        sent = [bytes(row) for row in field.expand(sent)] if chain.unary else sent.tolist()
        # `source.for_users` draws for all users of an attribute from one stretch of words, as long as they fit into it.
        stretch = twin._words.take(len(users) * (8 * ((oracle.k + 31) // 32) if chain.unary else 3) + 64).tolist()
        at = 0
        for memo, payload in zip(memos, sent, strict=True):
            words = Rest(stretch, at)
            assert chain.instant(words, memo) == payload
            at += words.used


class Rest:
    """A list of words from a place on, which counts how many are read."""

    def __init__(self, words, begin):
        self.words, self.begin, self.used = words, begin, 0

    def __len__(self):
        return len(self.words) - self.begin

    def __getitem__(self, at):
        self.used = max(self.used, at + 1)
        return self.words[self.begin + at]


@pytest.mark.claim("allomfree.6")
def test_values_that_come_back_have_their_first_rounds_again():
    people, others = people_of(3000, seed=1), people_of(3000, seed=2)
    devices = devices_of(people)
    first = [memos.copy() for memos in devices._memos]
    for _ in range(3):
        devices.round(others)
        elsewhere = [memos.copy() for memos in devices._memos]
        devices.round(people)
        assert all((a == b).all() for a, b in zip(first, devices._memos, strict=True))
        devices.round(others)
        assert all((a == b).all() for a, b in zip(elsewhere, devices._memos, strict=True))
    assert any((a != b).any() for a, b in zip(first, elsewhere, strict=True))


@pytest.mark.claim("allomfree.7")
def test_simulated_attributes_never_change():
    people = people_of(3000)
    devices = devices_of(people)
    drawn = devices.attributes.copy()
    for seed in range(5):
        reports = devices.round(people_of(3000, seed=seed))
        assert (devices.attributes == drawn).all()
        assert all((drawn[users] == r).all() for r, users in enumerate(reports.users))
    assert (np.abs(np.bincount(drawn) - 1000) < 5.5 * math.sqrt(3000 * 2 / 9)).all()


def test_users_may_be_missing():
    people = people_of(2000)
    devices = devices_of(people)
    there = np.random.default_rng(0).random(2000) < 0.4
    reports = devices.round(people, present=there)
    assert sorted(np.concatenate(reports.users)) == np.flatnonzero(there).tolist()
    server = server_of(devices)
    server.update(reports)
    assert [estimate.n for estimate in server.query()] == [
        int((devices.attributes[there] == r).sum()) for r in range(3)
    ]


def test_only_ones_own_attribute_is_read():
    people = people_of(2000)
    devices = devices_of(people)
    hidden = people.copy()
    hidden[np.arange(3)[np.newaxis, :] != devices.attributes[:, np.newaxis]] = 10**9  # of all others
    devices.round(hidden)
    device = AllomfreeClient(SETTINGS["domains"], 2.0, 1.0)
    device.report([1 if r == device.attribute else None for r in range(3)])


def test_seeded_simulations_repeat_and_secure_ones_do_not():
    people = people_of(300)
    one, two = (devices_of(people, seed=4).round(people).batch() for _ in range(2))
    assert one == two
    assert one != devices_of(people, seed=5).round(people).batch()
    secure = [devices_of(people, seed=None).round(people).batch() for _ in range(2)]
    assert secure[0] != secure[1]


def test_seeded_and_real_reports_never_mix():
    people = people_of(50)
    seeded, real = devices_of(people, seed=0), devices_of(people, seed=None)
    for devices, other in [(seeded, real), (real, seeded)]:
        for reports in (devices.round(people), devices.round(people).batch()):
            server = server_of(other)
            with pytest.raises(ProtocolMismatch, match=devices.plan.digest):
                server.update(reports)
            assert server.n_seen == 0
    with pytest.raises(ProtocolMismatch):
        server_of(seeded).merge(server_of(real))
    server = server_of(seeded)
    server.update(seeded.round(people))
    assert all(estimate.insecure for estimate in server.query())


@pytest.mark.claim("allomfree.4")
def test_variance_by_simulation():
    """20,000 trials of 2,000 users: a sample variance is within 5 % unless it is 5 of its standard errors off (6e-7)."""
    share, trials, n = np.array([0.5, 0.2, 0.2, 0.05, 0.05]), 20_000, 2000
    oracle = LongitudinalOracle(5, 2.0, 1.0, "L-GRR")
    expected = np.array([0.001530, 0.001223, 0.001223, 0.001036, 0.001036])
    assert oracle.variance(share, n) == pytest.approx(expected, abs=6e-7)
    rng = np.random.default_rng(4)
    estimates = []
    for seed in range(40):
        people = rng.choice(5, (trials // 40 * n, 1), p=share).astype(np.uint8)
        reports = devices_of(people, seed, domains=[5]).round(people).columns[0].reshape(-1, n)
        counts = np.stack([(reports == v).sum(axis=1) for v in range(5)], axis=1)
        estimates.append((counts / n - oracle.q) / (oracle.p - oracle.q))
    estimates = np.concatenate(estimates)
    assert estimates.var(axis=0, ddof=1) == pytest.approx(expected, rel=0.05)
    assert np.abs(estimates.mean(axis=0) - share).max() < 5.5 * math.sqrt(expected.max() / trials)
    published = np.array([0.000387, 0.000752, 0.000752, 0.000916, 0.000916])  # Eq. 10, which holds at f = 0 alone
    assert (estimates.var(axis=0) > 1.08 * published).all()


@pytest.mark.claim("allomfree.4")
@pytest.mark.parametrize(("k", "protocol"), [(5, "L-GRR"), (40, "L-OSUE")])
def test_intervals_hold_the_truth_as_often_as_they_say(k, protocol):
    """400 trials of 4,000 users: the share of intervals that hold is within 5.5 of its standard errors (4e-8), and 0.003 for
    the normal approximation, of 95 %."""
    share = 1 / np.arange(1, k + 1)
    share /= share.sum()
    rng = np.random.default_rng(k)
    trials, held = 400, []
    for seed in range(trials):
        people = rng.choice(k, (4000, 1), p=share)
        devices = devices_of(people, seed, domains=[k])
        server = server_of(devices)
        server.update(devices.round(people))
        estimate = server.query()[0]
        assert estimate.protocol == protocol
        low, high = estimate.interval(0.95)
        held.append(((low <= share) & (share <= high)).mean())
    error = np.std(held) / math.sqrt(trials)
    assert abs(np.mean(held) - 0.95) < 5.5 * error + 0.003


def test_estimates_count_the_users_that_there_are():
    """n_r is the number of reports on attribute r, not n / d."""
    people = people_of(1000)
    devices = devices_of(people)
    server = server_of(devices)
    assert all(math.isnan(f) for estimate in server.query() for f in estimate.freq)
    server.update(devices.round(people))
    for r, estimate in enumerate(server.query()):
        oracle = devices.plan.oracles[r]
        assert estimate.n == (devices.attributes == r).sum() != 1000 // 3
        assert estimate.stderr == pytest.approx(np.sqrt(oracle.variance(estimate.freq.clip(0, 1), estimate.n)))


def test_postprocessing():
    people = people_of(3000, domains=(3, 5, 8))
    devices = devices_of(people, domains=[3, 5, 8])
    server = server_of(devices)
    reports = devices.round(people)
    server.update(reports)
    raw = server.query()
    for name in ("clip", "clip-normalize", "norm-sub", "simplex", "ibu"):
        for estimate in server.query(postprocess=name):
            assert estimate.postprocess == name
            assert estimate.freq.min() >= 0
            assert name == "clip" or estimate.freq.sum() == pytest.approx(1)
    for oracle, reported, unbiased, bayes in zip(
        devices.plan.oracles, reports.columns, raw, server.query(postprocess="ibu"), strict=True
    ):
        channel, freq = oracle.channel(), np.full(oracle.k, 1 / oracle.k)
        shares = np.bincount(reported, minlength=oracle.k) / len(reported)
        for _ in range(bayes.iterations):  # expectation maximisation with the exact channel, as it is in the books
            freq = freq * (channel @ (shares / (freq @ channel)))
        assert bayes.freq == pytest.approx(freq, abs=1e-12)
        if unbiased.freq.min() > 0:  # then the maximum likelihood estimate is the unbiased one
            assert bayes.freq == pytest.approx(unbiased.freq, abs=1e-6)
    with pytest.raises(ValueError, match="postprocess must be None, 'ibu' or one of"):
        server.query(postprocess="magic")
    wide = AllomfreeServer(**SETTINGS)
    with pytest.raises(ValueError, match="attribute 2 reports by L-OSUE, which has too many of them: use 'norm-sub'"):
        wide.query(postprocess="ibu")


def test_drawing_one_attribute_is_better_than_splitting_the_budget():
    for domains in ([8] * 2, [8] * 4, [4, 40, 4, 40, 4]):
        d = len(domains)
        split, drawn = SPL(domains, 2.0, 1.0), AllomfreePlan(domains, 2.0, 1.0)
        for one, whole in zip(split.plan.oracles, drawn.oracles, strict=True):
            assert one.variance(0, 10_000) > whole.variance(0, 10_000 // d)
    spl = SPL([3, 40], 2.0, 1.0)
    server = AllomfreeServer(**spl.plan.params)
    for report in spl.report([1, 20]):
        server.update({name: [entry] for name, entry in report.row().items()})
    assert [estimate.n for estimate in server.query()] == [1, 1]
    assert spl.spent() == 2.0
    with pytest.raises(ValueError, match="values must be one for each of 2 attributes, got 1"):
        spl.report([1])


GRR_ROW = {"attribute": [0], "value": [2], "bits": [[]]}
UNARY_ROW = {"attribute": [2], "value": [-1], "bits": [[255, 255, 255, 255, 255]]}


@pytest.mark.claim("allomfree.10")
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (GRR_ROW | {"attribute": [3]}, "row 1: attribute must be from 0 to 2, got 3"),
        (GRR_ROW | {"attribute": [-1]}, "row 1: attribute must be from 0 to 2, got -1"),
        (GRR_ROW | {"value": [3]}, "row 1: value must be from 0 to 2, got 3"),
        (GRR_ROW | {"value": [-1]}, "row 1: value must be from 0 to 2, got -1"),
        (GRR_ROW | {"bits": [[1]]}, "row 1: bits must be empty, for reports by L-GRR have none, got 1"),
        (UNARY_ROW | {"value": [0]}, "row 1: value must be -1, for reports by L-OSUE have none, got 0"),
        (UNARY_ROW | {"bits": [[]]}, "row 1: bits must be 5 bytes, got 0"),
        (UNARY_ROW | {"bits": [[0] * 6]}, "row 1: bits must be 5 bytes, got 6"),
        (UNARY_ROW | {"attribute": [1], "value": [2]}, "row 1: bits must be empty"),
    ],
)
def test_reports_that_no_client_sends(row, message):
    server = AllomfreeServer(**SETTINGS)
    server.update(GRR_ROW)
    before = server.to_bytes()
    with pytest.raises(InvalidReport, match=message) as error:
        server.update({name: GRR_ROW[name] + row[name] for name in row})
    assert error.value.row == 1
    assert server.to_bytes() == before


@pytest.mark.claim("allomfree.10")
def test_other_refusals():
    server = AllomfreeServer(domains=[3, 37], eps_perm=2.0, eps_first=1.0)
    with pytest.raises(InvalidReport, match="row 0: bits has one set beyond the first 37"):
        server.update(attribute=[1], bits=[[0, 0, 0, 0, 32]])
    with pytest.raises(InvalidReport, match="there is no column 'bits', which reports by L-OSUE have"):
        server.update(attribute=[1], value=[-1])
    with pytest.raises(InvalidReport, match="there is no column 'value', which reports by L-GRR have"):
        server.update(attribute=[0], bits=[[]])
    with pytest.raises(ProtocolMismatch, match="row 1: the report has digest 0123"):
        server.update(attribute=[0, 0], value=[1, 1], digest=[server.plan.digest, "0123"])
    with pytest.raises(TypeError, match="other must be of the class AllomfreeServer"):
        server.merge(3)
    with pytest.raises(ProtocolMismatch, match="the other server has digest"):
        server.merge(AllomfreeServer(domains=[3, 38], eps_perm=2.0, eps_first=1.0))
    assert server.n_seen == 0
    with pytest.raises(SnapshotError):
        AllomfreeServer.from_bytes(server.to_bytes()[:-1])


@pytest.mark.claim("allomfree.10")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domains": []}, "domains must be the sizes of 1 to 65536 attributes, got 0"),
        ({"domains": [3, 1]}, r"domains\[1\] must be from 2"),
        ({"eps_first": 2.0}, "eps_first must be below eps_perm=2.0"),
        ({"eps_perm": -1.0}, "eps_perm must be a number above 0"),
        ({"calibration": "none"}, "calibration must be 'exact' or 'paper'"),
        ({"insecure": 1}, "insecure must be True or False, got 1"),
    ],
)
def test_bad_parameters(changes, message):
    with pytest.raises(ValueError, match=message):
        AllomfreeServer(**{**SETTINGS, **changes})


@pytest.mark.claim("allomfree.10")
def test_bad_populations():
    devices = AllomfreeSimulator([3, 5], 2.0, 1.0)
    with pytest.raises(ValueError, match="x must be integers in 2 columns, got float64"):
        devices.fit(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"x\[\d+, \d\] must be from 0 to \d, got 9: that is what domains says"):
        devices.fit(np.full((100, 2), 9))
    people = np.zeros((100, 2), int)
    devices.fit(people)
    before = [memos.tobytes() for memos in devices._memos]
    with pytest.raises(ValueError, match="x must have a row for each of the 100 users that were fitted, got 99"):
        devices.round(people[:99])
    with pytest.raises(ValueError, match=r"present must be bool\[100\], got int64"):
        devices.round(people, present=np.ones(100, int))
    moved = people.copy()
    moved[:, 0], moved[:, 1] = 1, np.where(np.arange(100) == np.flatnonzero(devices.attributes == 1)[-1], 5, 1)
    with pytest.raises(ValueError, match="must be from 0 to 4, got 5"):
        devices.round(moved)
    assert [memos.tobytes() for memos in devices._memos] == before
    assert devices.n_rounds == 0
    with pytest.raises(ValueError, match="values must be one for each of 2 attributes, got 3"):
        AllomfreeClient([3, 5], 2.0, 1.0).report([0, 0, 0])


def test_paper_calibration_chooses_by_its_own_variances():
    exact, paper = (AllomfreePlan([3, 5, 8], 1.0, 0.5, calibration) for calibration in ("exact", "paper"))
    assert [oracle.protocol for oracle in exact.oracles] == ["L-GRR", "L-GRR", "L-OSUE"]
    assert [oracle.protocol for oracle in paper.oracles] == ["L-GRR", "L-OSUE", "L-OSUE"]
    assert exact.digest != paper.digest
