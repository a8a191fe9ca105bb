"""What is refused, with its cure; and that nothing is changed by it."""

from __future__ import annotations

import numpy as np
import pytest

import pyalgo
from pyalgo.rns import RnsAccumulator, RnsArray, RnsBasis

BASIS = RnsBasis([251, 253, 255, 256])
WIDE = RnsBasis.primes(bits=61, count=3)
A = BASIS.encode([1, 2, 3])


@pytest.mark.claim("rns.6")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: RnsBasis([7, 10, 15]), ValueError, r"10 and 15 \(positions 1 and 2\) have the common factor 5"),
        (lambda: RnsBasis([2**62, 3]), ValueError, r"moduli\[0\] must be from 2 to 4611686018427387903"),
        (lambda: RnsBasis([5, 1]), ValueError, r"moduli\[1\] must be from 2 to"),
        (lambda: RnsBasis([]), ValueError, "1 to 1024 moduli, got 0"),
        (lambda: RnsBasis([5.0, 7]), TypeError, r"moduli\[0\] must be an integer, got 5.0"),
        (lambda: RnsBasis([5, 7], redundant=2), ValueError, "redundant must be from 0 to 1, got 2"),
        (
            lambda: BASIS.encode(BASIS.range),
            OverflowError,
            "x is 4145475840, and must be from 0 to 4145475839: wrap=True",
        ),
        (lambda: BASIS.encode([0, -1]), OverflowError, r"x\[1\] is -1, and must be from 0 to .*signed=True"),
        (lambda: BASIS.encode(np.array([[1], [2**40]])), OverflowError, r"x\[1, 0\] is 1099511627776"),
        (lambda: BASIS.encode(np.array([0, 2**32], np.uint64)), OverflowError, r"x\[1\] is 4294967296"),
        (lambda: BASIS.encode(2072737920, signed=True), OverflowError, "must be from -2072737920 to 2072737919"),
        (lambda: BASIS.encode(-2072737921, signed=True), OverflowError, "must be from -2072737920 to 2072737919"),
        (lambda: WIDE.encode([1, WIDE.range]), OverflowError, r"x\[1\] is \d+, and must be from 0 to \d+: wrap=True"),
        (lambda: WIDE.encode([WIDE.range // 2 + 1], signed=True), OverflowError, r"x\[0\] is \d+, and must be from -"),
        (
            lambda: WIDE.encode([1, -(2**100)]),
            OverflowError,
            r"x\[1\] is -1267650600228229401496703205376.*signed=True",
        ),
        (lambda: WIDE.encode(np.array([[0, 0, 2**60]], np.uint64)), OverflowError, r"x\[0\] is \d+, and must be"),
        (lambda: BASIS.encode(1.0), TypeError, "must be integers.*got float"),
        (lambda: BASIS.encode([1, 2.0]), TypeError, "x holds 2.0 at 1"),
        (lambda: BASIS.encode([True]), TypeError, "x holds True at 0"),
        (lambda: BASIS.encode(np.array([1.0])), TypeError, "x has dtype float64.*round them"),
        (lambda: BASIS.encode(np.array([True])), TypeError, "x has dtype bool"),
        (lambda: BASIS.encode("12"), TypeError, "must be integers"),
        (lambda: BASIS.encode([1], layout="rows"), ValueError, "layout must be"),
        (lambda: BASIS.encode([1, 2], out=A), ValueError, r"out must be of RnsBasis\(.*\) and shape \(2,\)"),
        (lambda: BASIS.encode([1], threads=0), ValueError, "threads must be from 1 to 1024, got 0"),
        (lambda: A + WIDE.encode([1, 2, 3]), ValueError, "bases must be equal"),
        (lambda: A.__eq__(WIDE.encode([1, 2, 3])), ValueError, "bases must be equal"),
        (lambda: A @ WIDE.encode([1, 2, 3]), ValueError, "bases must be equal"),
        (lambda: WIDE.decode(A), ValueError, "bases must be equal"),
        (lambda: A + BASIS.encode([1, 2]), ValueError, r"shapes must be equal, got \(3,\) and \(2,\)"),
        (lambda: A @ BASIS.encode([1, 2]), ValueError, r"shapes \(3,\) and \(2,\) do not multiply"),
        (lambda: A + 1.5, TypeError, "unsupported operand"),
        (lambda: A + np.array([1, 2, 3]), TypeError, "does not support ufuncs|unsupported operand"),
        (lambda: A**1.5, TypeError, "unsupported operand"),
        (lambda: A.multiply(1.5), TypeError, "other must be an integer, got 1.5"),
        (lambda: BASIS.encode([1, 253, 7]).inv(), ValueError, "row 1: residue 0 has no inverse modulo 253"),
        (lambda: A / 11, ValueError, "11 has no inverse modulo 253: their common factor is 11"),
        (
            lambda: RnsArray([[0], [253], [0], [0]], BASIS),
            ValueError,
            r"residues\[1, 0\] is 253.*0 to 252: reduce=True",
        ),
        (lambda: RnsArray([[0, 0, 0, -1]], BASIS, layout="interleaved"), ValueError, r"residues\[0, 3\] is -1"),
        (
            lambda: RnsArray([[0], [0], [0]], BASIS),
            ValueError,
            r"residues have shape \(3, 1\): axis 0 must be the 4 moduli",
        ),
        (lambda: RnsArray([[0.0]] * 4, BASIS), TypeError, "residues have dtype float64"),
        (lambda: A.scale_down(4), ValueError, "j must be from 0 to 3, got 4"),
        (lambda: A.scale_down(0, rounding="up"), ValueError, 'rounding must be "floor" or "nearest"'),
        (lambda: RnsBasis([5]).encode([1]).scale_down(0), ValueError, "keeps at least one modulus"),
        (lambda: A.segment_sum([0, 1, 5], 3), ValueError, "segments hold 5 at 2: must be from 0 to 2"),
        (lambda: A.segment_sum([0, 1], 3), ValueError, r"segments must have the values' shape \(3,\)"),
        (lambda: BASIS.encode([]).argmax(), ValueError, "no value is the largest of none"),
        (lambda: BASIS.decode(A, dtype="float"), ValueError, "dtype must be one of"),
        (lambda: BASIS.decode(A, method="fft"), ValueError, 'method must be "crt" or "garner"'),
        (lambda: BASIS.decode([1]), TypeError, "r must be an RnsArray, got list"),
        (
            lambda: WIDE.decode(WIDE.encode([0, 2**64]), dtype="uint64"),
            OverflowError,
            "value 1 is 18446744073709551616",
        ),
        (lambda: WIDE.decode(WIDE.encode([2**63]), dtype="int64"), OverflowError, "value 0 is 9223372036854775808"),
        (
            lambda: BASIS.decode(BASIS.encode([-1], signed=True), signed=True, dtype="uint64"),
            OverflowError,
            "value 0 is -1, which uint64 does not hold",
        ),
        (lambda: BASIS.decode_mod(A, 1), ValueError, "q must be from 2 to 4611686018427387903, got 1"),
        (lambda: BASIS.extend(A, WIDE, method="shenoy"), ValueError, "redundant modulus above 4"),
        (lambda: BASIS.extend(A, WIDE, method="guess"), ValueError, "method must be exact, float, shenoy or fast"),
        (lambda: BASIS.extend(A, [5]), TypeError, "other must be an RnsBasis"),
        (lambda: RnsBasis([3, 5], redundant=1).encode(4, wrap=True), ValueError, "wrap=True would hide"),
        (lambda: A.add(A, out=WIDE.encode([1, 2, 3])), ValueError, "bases must be equal"),
    ],
)
def test_errors_name_the_value_and_the_cure(call, error, message):
    before = A.residues.copy()
    with pytest.raises(error, match=message) as caught:
        call()
    assert type(caught.value) is error
    assert np.array_equal(A.residues, before)


@pytest.mark.claim("rns.6")
def test_what_is_out_of_range_wraps_if_asked():
    x = [BASIS.range, -1, 3**50, -(5**60)]
    assert BASIS.decode(BASIS.encode(x, wrap=True)).tolist() == [v % BASIS.range for v in x]
    low, high = BASIS.signed_range
    signed = BASIS.encode([high + 1, low - 1], signed=True, wrap=True)
    assert BASIS.decode(signed, signed=True).tolist() == [low, high]


def test_residues_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        A.residues[0, 0] = 255
    given = np.array([[1], [1], [1], [1]])
    array = RnsArray(given, BASIS)
    given[...] = 7
    assert BASIS.decode(array).tolist() == [1]


def test_unreduced_residues_are_reduced_if_asked():
    raw = np.array([[-1, 251], [254, 5], [256, -300], [2**40, 7]])
    for given, layout in ((raw, "planar"), (raw.T, "interleaved")):
        array = RnsArray(given, BASIS, layout=layout, reduce=True)
        assert array.to_layout("planar").residues.tolist() == (raw % np.array(BASIS.moduli)[:, None]).tolist()


# --- Bytes


@pytest.mark.claim("rns.9")
@pytest.mark.parametrize("layout", ["planar", "interleaved"])
@pytest.mark.parametrize("basis", [BASIS, RnsBasis.primes(bits=31, count=2), WIDE, RnsBasis([3, 5, 7], redundant=1)])
def test_bytes_come_back(basis, layout):
    array = basis.encode(np.arange(6).reshape(2, 3), layout=layout)
    data = array.to_bytes()
    back = RnsArray.from_bytes(data)
    assert (back.basis, back.layout, back.shape) == (basis, layout, (2, 3))
    assert np.array_equal(back.residues, array.residues)
    assert back.to_bytes() == data
    assert array.residues.astype(basis.dtype.newbyteorder("<")).tobytes() in data  # little-endian, as they lie
    for at in range(len(data)):
        with pytest.raises(pyalgo.SnapshotError):
            RnsArray.from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(pyalgo.SnapshotError):
            RnsArray.from_bytes(data[:at])


@pytest.mark.claim("rns.9")
def test_whole_envelopes_with_bad_content_are_refused():
    from typing import Any, ClassVar

    from pyalgo import snapshot

    class Forged:
        name = "rns.array"
        params: ClassVar[Any] = {}

    good = {"basis": BASIS.params, "layout": "planar", "shape": [1]}
    payload = A[:1].residues.tobytes()
    for params, content in (
        (good, payload[:-1]),
        (good, payload + b"\0"),
        (good, b"\xff" * len(payload)),  # not reduced
        ({**good, "layout": "rows"}, payload),
        ({**good, "shape": [2**47, 2**47]}, payload),
        ({**good, "shape": [-1]}, payload),
        ({**good, "shape": 3}, payload),
        ({**good, "basis": {"moduli": [4, 6], "redundant": 0}}, payload),
        ({**good, "basis": {"moduli": "x"}}, payload),
        ({**good, "basis": [1]}, payload),
        ({"layout": "planar", "shape": [1]}, payload),
    ):
        Forged.params = params
        with pytest.raises(pyalgo.SnapshotError, match="snapshot is refused"):
            RnsArray.from_bytes(snapshot.pack(Forged(), content))  # type: ignore[arg-type]


def test_accumulator_parameters():
    with pytest.raises(ValueError, match="without redundant moduli"):
        RnsAccumulator(RnsBasis([3, 5], redundant=1))
    with pytest.raises(ValueError, match="shape must be from 0 to"):
        RnsAccumulator([3, 5], shape=-1)
    with pytest.raises(ValueError, match="the number of sums must be"):
        RnsAccumulator([3, 5], shape=(2**40, 2**40))
