"""What a device remembers: memos, the ledger, and bytes that nobody else can have made."""

from __future__ import annotations

import hashlib
import hmac
import math
import random
import subprocess
import sys

import numpy as np
import pytest
from pyalgo_privacy import (
    AllomfreeClient,
    AllomfreeSimulator,
    LongitudinalClient,
    LongitudinalOracle,
    SpentBudget,
    TamperedState,
)
from pyalgo_privacy.longitudinal import PROTOCOLS
from pyalgo_privacy.memo import DerivedMemo, DerivedWords, KeptMemo, memo_of, open_state, seal_state

SECRET = b"0123456789abcdef"
MEMOS = ("derived", "kept")


def oracle_of(protocol, k=6):
    return LongitudinalOracle(k, 2.0, 2.0 if protocol == "dBitFlipPM" else 1.0, protocol)


def first_round(client, value):
    """What the device remembers of `value`, by the draw of its memo."""
    chain, identity = client.oracle.chain, client.identity
    key = chain.memoized(identity, value)
    return client._recall(str(key), lambda words: chain.permanent(words, identity, key))


def test_derived_words_are_hmac_sha256():
    words = DerivedWords(SECRET, b"label")
    expected = b"".join(
        hmac.new(SECRET, b"memo\0label\0" + i.to_bytes(8, "little"), hashlib.sha256).digest() for i in range(3)
    )
    assert [words[i] for i in range(24)] == np.frombuffer(expected, "<u4").tolist()
    assert DerivedWords(SECRET, b"label")[23] == words[23]  # in any order
    assert DerivedWords(SECRET, b"label2")[0] != words[0]
    assert DerivedWords(SECRET[::-1], b"label")[0] != words[0]


@pytest.mark.claim("allomfree.6")
@pytest.mark.parametrize("memo", MEMOS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_value_has_one_first_round_for_ever(protocol, memo):
    client = oracle_of(protocol).client(memo=memo)
    values = [3, 1, 3, 0, 5, 1]
    remembered = {x: first_round(client, x) for x in values}
    for i in range(1000):
        client.report(values[i % len(values)])
        if i % 250 == 0:
            client = LongitudinalClient.from_bytes(client.to_bytes(), client.secret)
    assert {x: first_round(client, x) for x in values} == remembered
    again = LongitudinalClient.from_bytes(client.to_bytes(), client.secret)
    assert {x: first_round(again, x) for x in values} == remembered
    assert again.identity == client.identity
    assert (
        again.spent() == client.spent() == 2.0 * len({client.oracle.chain.memoized(client.identity, x) for x in values})
    )


@pytest.mark.claim("allomfree.6")
def test_a_device_that_has_lost_its_state_has_the_same_derived_memos():
    first, second = (oracle_of("L-OSUE", 40).client(secret=SECRET) for _ in range(2))
    assert [first_round(first, x) for x in range(40)] == [first_round(second, x) for x in range(40)]
    other = oracle_of("L-OSUE", 40).client(secret=SECRET[::-1])
    assert [first_round(first, x) for x in range(40)] != [first_round(other, x) for x in range(40)]


@pytest.mark.claim("allomfree.6")
def test_averaging_finds_the_first_round_and_no_more():
    """One device, 10,000 reports: the report that comes most often is the first round's output.

    L-GRR with k = 4: it has 6164 reports on average and any other 1279; a mistake has probability below 1e-100.
    """
    client = LongitudinalOracle(4, 2.0, 1.0, "L-GRR").client(secret=SECRET)
    counts = np.bincount([client.report(2).payload for _ in range(10_000)], minlength=4)
    assert counts.argmax() == first_round(client, 2)
    unary = LongitudinalOracle(4, 2.0, 1.0, "L-OSUE").client(secret=SECRET)
    ones = np.zeros(4, int)
    for _ in range(10_000):
        ones += [unary.report(2).payload[0] >> i & 1 for i in range(4)]
    assert (ones > 5000).tolist() == [bool(first_round(unary, 2)[0] >> i & 1) for i in range(4)]


@pytest.mark.claim("allomfree.6")
def test_averaging_finds_the_true_value_at_the_first_rounds_rate():
    """500 users, 10,000 rounds, 4 values: what comes most often is the true value for Binomial(500, p1) of them.

    Within 5.5 standard deviations, which 4e-8 of such runs exceed; with the reports' noise alone it would be all of them.
    """
    people = np.random.default_rng(3).integers(0, 4, (500, 1))
    devices = AllomfreeSimulator([4], 2.0, 1.0, seed=3).fit(people)
    counts = np.zeros((500, 4), np.int64)
    for _ in range(10_000):
        counts[np.arange(500), devices.round(people).columns[0]] += 1
    guessed = counts.argmax(axis=1)
    assert (guessed == devices._memos[0]).all()
    p1 = devices.plan.oracles[0].probabilities[0]
    assert abs((guessed == people[:, 0]).sum() - 500 * p1) < 5.5 * math.sqrt(500 * p1 * (1 - p1))


@pytest.mark.parametrize("memo", MEMOS)
def test_first_rounds_have_the_probabilities_they_should(memo):
    """Over 3000 devices, within 5.5 standard deviations (4e-8 a figure)."""
    oracle = LongitudinalOracle(4, 2.0, 1.0, "L-GRR")
    drawn = np.bincount([first_round(oracle.client(memo=memo), 1) for _ in range(3000)], minlength=4)
    p1, q1, *_ = oracle.probabilities
    for count, p in zip(drawn, [q1, p1, q1, q1], strict=True):
        assert abs(count - 3000 * p) < 5.5 * math.sqrt(3000 * p * (1 - p))


def test_second_rounds_are_fresh():
    client = LongitudinalOracle(40, 2.0, 1.0, "L-OSUE").client(secret=SECRET)
    assert len({client.report(7).payload for _ in range(50)}) == 50


@pytest.mark.parametrize("memo", MEMOS)
def test_the_ledger(memo):
    client = LongitudinalOracle(5, 2.0, 1.0).client(memo=memo)
    assert client.spent() == 0
    for x, spent in [(0, 2.0), (0, 2.0), (3, 4.0), (0, 4.0), (4, 6.0), (1, 8.0), (2, 10.0), (2, 10.0)]:
        client.report(x)
        assert client.spent() == spent
    assert LongitudinalClient.from_bytes(client.to_bytes(), client.secret).spent() == 10.0


def test_bilololha_never_spends_more_than_two_values():
    client = LongitudinalOracle(1000, 2.0, 1.0, "BiLOLOHA").client(secret=SECRET)
    for x in range(200):
        client.report(x)
    assert client.spent() == 4.0


def test_max_values_is_an_error_or_suppresses():
    oracle = LongitudinalOracle(5, 2.0, 1.0, "L-GRR")
    strict = oracle.client(secret=SECRET, max_values=2)
    for x in (0, 3, 0, 3):
        strict.report(x)
    before = strict.to_bytes()
    with pytest.raises(
        SpentBudget, match=r"2 different values have been reported, of max_values=2.*2.0 more than the 4.0"
    ):
        strict.report(1)
    assert strict.to_bytes() == before
    assert strict.report(0).attribute == 0
    quiet = oracle.client(secret=SECRET, max_values=2, when_spent="suppress")
    for x in (0, 3):
        quiet.report(x)
    words = list(range(0, 2**32, 2**27)) * 2
    assert quiet.report(1, words=words).payload == quiet.report(3, words=words).payload  # the last one in its place
    assert quiet.spent() == 4.0
    restored = LongitudinalClient.from_bytes(quiet.to_bytes(), SECRET)
    assert restored.report(4, words=words).payload == quiet.report(3, words=words).payload


@pytest.mark.parametrize("memo", MEMOS)
def test_no_altered_byte_of_a_state_is_taken(memo):
    client = AllomfreeClient([5, 40], 2.0, 1.0, memo=memo)
    for x in range(5):
        client.report([x, x])
    data = client.to_bytes()
    for at in range(len(data)):
        with pytest.raises(TamperedState):
            AllomfreeClient.from_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :], client.secret)
        with pytest.raises(TamperedState):
            AllomfreeClient.from_bytes(data[:at], client.secret)
    for tail in (b"\0", data):
        with pytest.raises(TamperedState):
            AllomfreeClient.from_bytes(data + tail, client.secret)
    with pytest.raises(TamperedState, match="sealed with another secret"):
        AllomfreeClient.from_bytes(data, SECRET)


def test_untrusted_bytes_never_crash():
    """Random bytes, and well sealed states with anything in any place."""
    source = random.Random(0)
    for _ in range(500):
        with pytest.raises(TamperedState):
            LongitudinalClient.from_bytes(source.randbytes(source.randrange(200)), SECRET)
    for client in (
        LongitudinalOracle(5, 2.0, 1.0).client(secret=SECRET, memo="kept"),
        AllomfreeClient([5, 9], 2, 1, secret=SECRET),
    ):
        client.report(3 if isinstance(client, LongitudinalClient) else [3, 3])
        state = open_state(SECRET, client.to_bytes())
        for alien in (None, -1, 2.5, "x", [], {}, [None], {"x": None}, 10**30):
            with pytest.raises(TamperedState):
                type(client).from_bytes(seal_state(SECRET, alien), SECRET)
            for key in state:
                try:
                    type(client).from_bytes(seal_state(SECRET, {**state, key: alien}), SECRET)
                except TamperedState:
                    continue
    deep = b"\x89ldp\x01" + b"[" * 100_000
    with pytest.raises(TamperedState, match="cannot be read"):
        open_state(SECRET, deep + hmac.digest(SECRET, b"state\0" + deep, "sha256"))
    newer = b"\x89ldp\x02{}"
    with pytest.raises(TamperedState, match="version 2, this pyalgo-privacy reads version 1"):
        open_state(SECRET, newer + hmac.digest(SECRET, b"state\0" + newer, "sha256"))


@pytest.mark.claim("allomfree.10")
def test_bad_settings_are_refused():
    oracle = LongitudinalOracle(5, 2.0, 1.0)
    for options, message in [
        ({"secret": b"short"}, "secret must be at least 16 bytes that nobody can guess, got 5 of them"),
        ({"secret": "0123456789abcdef"}, "secret must be at least 16 bytes that nobody can guess, got str"),
        ({"max_values": 0}, "max_values must be from 1"),
        ({"when_spent": "stop"}, "when_spent must be 'error' or 'suppress', got 'stop'"),
        ({"memo": "lost"}, "memo must be 'derived' or 'kept', got 'lost'"),
    ]:
        with pytest.raises(ValueError, match=message):
            oracle.client(**options)
    with pytest.raises(ValueError, match="x must be from 0 to 4, got 5"):
        oracle.client().report(5)
    with pytest.raises(ValueError, match="secret must be at least 16 bytes"):
        LongitudinalClient.from_bytes(oracle.client().to_bytes(), b"")
    assert (memo_of("derived"), memo_of("kept")) == (DerivedMemo, KeptMemo)


@pytest.mark.claim("allomfree.7")
@pytest.mark.parametrize("memo", MEMOS)
def test_the_attribute_is_drawn_once(memo):
    client = AllomfreeClient([5, 40, 2], 2.0, 1.0, memo=memo)
    attribute = client.attribute
    for _ in range(300):
        assert client.report([1, 20, 0]).attribute == attribute
    assert AllomfreeClient.from_bytes(client.to_bytes(), client.secret).attribute == attribute
    if memo == "derived":
        assert {AllomfreeClient([5, 40, 2], 2.0, 1.0, secret=client.secret).attribute for _ in range(5)} == {attribute}


@pytest.mark.claim("allomfree.7")
@pytest.mark.parametrize("memo", MEMOS)
def test_attributes_are_uniform(memo):
    """Of 3000 devices, within 5.5 standard deviations (4e-8 an attribute)."""
    drawn = np.bincount([AllomfreeClient([2, 3, 4], 2.0, 1.0, memo=memo).attribute for _ in range(3000)], minlength=3)
    assert (np.abs(drawn - 1000) < 5.5 * math.sqrt(3000 * 2 / 9)).all()


def test_a_device_needs_nothing_but_the_standard_library():
    program = """
import sys
for name in ("numpy", "numba", "scipy", "cryptography", "pyalgo"):
    sys.modules[name] = None
from pyalgo_privacy import SPL, AllomfreeClient, LongitudinalOracle
for protocol in ("L-GRR", "L-OSUE", "LOLOHA"):
    client = LongitudinalOracle(12, 2.0, 1.0, protocol).client(max_values=3)
    client.report(7)
    type(client).from_bytes(client.to_bytes(), client.secret).report(7)
device = AllomfreeClient([3, 40], 2.0, 1.0)
print(device.report([1, 20]).row(round=4)["round"], len(SPL([3, 40], 2.0, 1.0).report([0, 0])))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "4 2\n", done.stderr
