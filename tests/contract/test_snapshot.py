"""The envelope refuses whatever is not a whole, unaltered snapshot of the class that reads it."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyalgo
from pyalgo import snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.errors import SnapshotError


class Thing(Algorithm):
    name = "thing"
    columns = {}  # noqa: RUF012

    def __init__(self, *, size: int = 1) -> None:
        self.size = size


class Other(Thing):
    name = "other"


DATA = snapshot.pack(Thing(size=7), b"payload")


def resealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def test_round_trip():
    assert snapshot.unpack(Thing, DATA) == ({"size": 7}, b"payload")
    assert snapshot.read(DATA) == (1, "thing", {"size": 7}, b"payload")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not a pyalgo snapshot"),
        (b"PK\x03\x04 something else entirely", "not a pyalgo snapshot"),
        (DATA[:20], "cut short"),
        (DATA[:-1], "cut short"),
        (DATA + b"x", "1 trailing bytes"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), "altered"),
        (resealed(DATA[:8] + struct.pack("<H", 9) + DATA[10:-32]), "format version 9.*upgrade pyalgo"),
        (resealed(DATA[:-32].replace(b'{"size":7}', b'["size", 7')), "cannot be read"),
        (resealed(DATA[:-32].replace(b'{"size":7}', b'["size",7]')), "not a mapping"),
    ],
)
def test_refusals(data, text):
    with pytest.raises(SnapshotError, match=text):
        snapshot.unpack(Thing, data)


def test_another_class_is_named():
    with pytest.raises(SnapshotError, match="is of 'thing', not of 'other'"):
        snapshot.unpack(Other, DATA)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_do_anything_but_raise(noise, at):
    for data in (noise, DATA[:at] + noise, DATA[:at] + noise + DATA[at + len(noise) :]):
        if data != DATA:
            with pytest.raises(SnapshotError):
                snapshot.read(data)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_a_resealed_payload_of_noise_is_refused_by_the_class(noise, at):
    """Whoever can compute a checksum gets a SnapshotError or a working object, never a crash."""
    f = pyalgo.create("submodular", objective={"name": "coverage"}, k=2, seed=1)
    f.update(id=["a", "b", "c"], items=[["x", "y"], ["y"], ["z"]])
    f.update(op=[-1], id=["b"])
    params, payload = snapshot.unpack(type(f), f.to_bytes())
    del params
    bad = snapshot.pack(f, payload[:at] + noise + payload[at + len(noise) :])
    try:
        loaded = type(f).from_bytes(bad)
    except SnapshotError:
        return
    loaded.query(certificate=True)
    loaded.update(id=["q"], items=[["x", "new"]])
    loaded.update(op=[-1], id=["q"])
