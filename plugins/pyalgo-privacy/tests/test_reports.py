"""Reports as rows, as objects and as bytes: exact lengths, foreign and damaged ones refused, nothing lost or changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyalgo_privacy import (
    GRR,
    HR,
    OLH,
    OUE,
    PGR,
    SS,
    SUE,
    InvalidReport,
    ProtocolMismatch,
    decode_reports,
    encode_reports,
)
from pyalgo_privacy.reports import BitReader, BitWriter

import pyalgo

ORACLES = [GRR, SUE, OUE, HR, OLH, PGR, SS]
HEADER = 33


@pytest.fixture(params=ORACLES, ids=lambda oracle: oracle.name)
def oracle(request):
    return request.param(37, 1.0, seed=1)


def fed(oracle, reports):
    aggregator = oracle.aggregator()
    aggregator.update(reports)
    return aggregator


def test_rows_objects_and_bytes_count_the_same(oracle):
    reports = oracle.randomize(np.arange(500) % 37)
    state = fed(oracle, reports).to_bytes()
    data = encode_reports(reports)
    assert len(data) == HEADER + (round(500 * oracle.message_bits()) + 7) // 8
    assert fed(oracle, decode_reports(data, oracle)).to_bytes() == state
    assert fed(oracle, reports.batch()).to_bytes() == state
    batch = {name: np.asarray(column).tolist() for name, column in reports.batch().items()}
    assert fed(oracle, batch).to_bytes() == state
    assert pyalgo.load(state).to_bytes() == state


@settings(deadline=None)  # the first example waits for the compiler
@given(
    st.lists(st.tuples(st.integers(0, 70), st.binary(min_size=12, max_size=12)), max_size=20),
    st.lists(st.integers(0, 2**13 - 1), max_size=20),
)
def test_bits_come_back_as_they_were_written(fields, numbers):
    widths = np.array([width for width, _ in fields], np.int64)
    rows = np.frombuffer(b"".join(data for _, data in fields), "<u4").reshape(-1, 3)
    writer = BitWriter()
    writer.put(np.array(numbers, np.int64), 13)
    writer.put(rows, widths)
    writer.put(np.array(numbers, np.int64), 13)
    reader = BitReader(writer.words.tobytes(), writer.bits)
    assert reader.integers(len(numbers), 13).tolist() == numbers
    back = reader.get(len(rows), widths)
    for row, width, bits in zip(back, widths.tolist(), rows, strict=True):
        expected = int.from_bytes(bits.tobytes(), "little") & ((1 << width) - 1)
        assert int.from_bytes(row.tobytes(), "little") == expected
    assert reader.integers(len(numbers), 13).tolist() == numbers
    assert reader.at == writer.bits


def test_damaged_bytes_are_refused(oracle):
    data = encode_reports(oracle.randomize(np.arange(20) % 37))
    for size in (0, 4, HEADER - 1, HEADER, len(data) - 1):
        with pytest.raises(InvalidReport):
            decode_reports(data[:size], oracle)
    with pytest.raises(InvalidReport):
        decode_reports(data + b"\0", oracle)
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]
        with pytest.raises((InvalidReport, ProtocolMismatch)):
            decode_reports(flipped, oracle)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_bytes_behind_a_right_header_are_refused_or_are_reports(body, n, bits):
    import struct
    import zlib

    for cls in ORACLES:
        oracle = cls(6, 1.0)
        for count in (n, len(body) * 8 // round(oracle.message_bits())):
            size = bits if count == n else len(body) * 8
            head = struct.pack("<4sB8sQQI", b"\x89pfr", 1, bytes.fromhex(oracle.digest), count, size, zlib.crc32(body))
            try:
                reports = decode_reports(head + body, oracle)
            except InvalidReport:
                continue
            fed(oracle, reports)


def test_foreign_reports_are_refused_by_name_and_change_nothing(oracle):
    cls = type(oracle)
    aggregator = fed(oracle, oracle.randomize([1, 2, 3]))
    before = aggregator.to_bytes()
    for other in (cls(37, 1.1, seed=1), cls(36, 1.0, seed=1), cls(37, 1.0)):
        reports = other.randomize([1, 2])
        mixed = {name: [*column[:1], *column[1:]] for name, column in reports.batch().items()}
        mixed["digest"] = [oracle.digest, other.digest]
        for refused in (reports, reports.batch(), mixed):
            with pytest.raises(ProtocolMismatch, match=other.digest) as error:
                aggregator.update(refused)
        assert error.value.row == 1
        with pytest.raises(ProtocolMismatch, match=other.digest):
            aggregator.merge(other.aggregator())
        with pytest.raises(ProtocolMismatch, match=other.digest):
            decode_reports(encode_reports(reports), oracle)
    assert aggregator.to_bytes() == before


def test_seeded_noise_is_marked_wherever_it_goes(oracle):
    assert oracle.insecure
    assert "insecure" in repr(oracle)
    assert oracle.randomize([1]).insecure
    aggregator = fed(oracle, oracle.randomize([1]))
    assert aggregator.query().insecure
    assert pyalgo.load(aggregator.to_bytes()).params["insecure"] is True
    secret = type(oracle)(37, 1.0)
    assert not secret.insecure
    assert not secret.aggregator().query().insecure
    with pytest.raises(ValueError, match="no secret words"):
        oracle.client(1)


@pytest.mark.claim("mss.11")
@pytest.mark.parametrize(
    ("cls", "row", "message"),
    [
        (GRR, {"value": 37}, "row 1: value must be from 0 to 36, got 37"),
        (GRR, {"value": -1}, "row 1: value must be from 0 to 36, got -1"),
        (HR, {"index": 64}, "row 1: index must be from 0 to 63, got 64"),
        (PGR, {"point": 156}, "row 1: point must be from 0 to 155, got 156"),
        (OLH, {"a": 0, "b": 10**6, "value": 0}, "row 1: b must be from 0 to 36, got 1000000"),
        (OUE, {"bits": [0, 0, 0, 0, 32]}, "row 1: bits has one set beyond the first 37"),
        (OUE, {"bits": [0, 0, 0, 0]}, "row 1: bits must be 5 bytes, got 4"),
    ],
)
def test_rows_that_no_client_sends_are_refused_by_number(cls, row, message):
    oracle = cls(37, 1.0, seed=0)
    aggregator = fed(oracle, oracle.randomize([5]))
    before = aggregator.to_bytes()
    good = oracle.randomize([1]).batch()
    batch = {name: [np.asarray(good[name][0]).tolist(), value] for name, value in row.items()}
    with pytest.raises(InvalidReport, match=message) as error:
        aggregator.update(batch)
    assert error.value.row == 1
    assert aggregator.to_bytes() == before


@pytest.mark.claim("mss.11")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"k": 1, "eps": 1.0}, "k must be from 2"),
        ({"k": 2.0, "eps": 1.0}, "k must be an integer"),
        ({"k": True, "eps": 1.0}, "k must be an integer"),
        ({"k": 5, "eps": 0.0}, "eps must be a number above 0"),
        ({"k": 5, "eps": -1.0}, "eps must be a number above 0"),
        ({"k": 5, "eps": float("nan")}, "eps must be a number above 0"),
        ({"k": 5, "eps": float("inf")}, "eps must be a number above 0"),
        ({"k": 5, "eps": "1"}, "eps must be a number above 0"),
    ],
)
def test_parameters_out_of_range_are_refused(oracle, params, message):
    with pytest.raises(ValueError, match=message):
        type(oracle)(**params)


@pytest.mark.claim("mss.11")
def test_values_out_of_the_domain_are_refused(oracle):
    secret = type(oracle)(37, 1.0)
    for x in (-1, 37, 1.5, True, "3"):
        with pytest.raises(ValueError, match="x must be"):
            secret.client(x)
    with pytest.raises(ValueError, match="x must be from 0 to 36, got 37 at 1"):
        secret.randomize([0, 37])
    with pytest.raises((ValueError, TypeError), match="x"):
        secret.randomize([0.5])


def test_a_message_of_another_length_is_refused(oracle):
    message = type(oracle)(37, 1.0).client(3).to_bytes()
    for data in (b"", message[:-1], message + b"\0"):
        with pytest.raises(InvalidReport, match="bits"):
            oracle.decode(data)


@pytest.mark.claim("mss.7")
def test_ten_shards_merge_into_one(oracle):
    reports = oracle.randomize(np.arange(1000) % 37)
    whole = fed(oracle, reports)
    batch = reports.batch()
    merged = oracle.aggregator()
    for i in range(10):
        merged.merge(fed(oracle, {name: column[i::10] for name, column in batch.items()}))
    assert merged.to_bytes() == whole.to_bytes()
    assert merged.n_seen == 1000


def test_a_state_that_cannot_be_is_refused():
    aggregator = GRR(5, 1.0).aggregator()
    aggregator._counts[2] = 7  # without a report
    with pytest.raises(pyalgo.SnapshotError, match="above the number of reports"):
        pyalgo.load(aggregator.to_bytes())
