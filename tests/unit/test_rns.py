"""Residue number systems against Python integers: in, out, and every operation between."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyalgo.rns import InconsistentResidues, RnsArray, RnsBasis, crt, is_pairwise_coprime, mod_inverse

from .rns_oracle import BASES, LAYOUTS, basis_of, digits, draw, draw_limbs, draw_signed, residues

KNOWN = RnsBasis([251, 253, 255, 256])
# One of each word and kernel: 16, 31, 32 (a power of two), 50 and 61 bits; small moduli in wide words; even ones.
KERNELS = [
    RnsBasis([2, 3, 5]),
    RnsBasis([65536, 65535, 65521, 7]),
    RnsBasis([2**31, 2**31 - 1, 3, 65533]),
    RnsBasis([2**50 - 27, 2**49, 3, 2**32 - 5]),
    RnsBasis([2**61 - 1, 2**61, 2**62 - 57, 5, 2**31 - 1]),
]


@pytest.fixture(params=KERNELS, ids=lambda basis: f"{basis.dtype}-{max(basis.moduli).bit_length()}")
def basis(request):
    return request.param


@pytest.mark.claim("rns.1")
@pytest.mark.parametrize(("bits", "count"), BASES)
def test_a_million_values_come_back(bits, count):
    basis = basis_of(bits, count)
    rounds = 10 if count <= 17 else 2  # 200,000 values of 54 or 64 residues
    for seed in range(rounds):
        x = draw_limbs(basis, 100_000, seed)
        assert len(x) == 100_000
        r = basis.encode(x, threads=2)
        for method in ("crt", "garner"):
            assert np.array_equal(basis.decode(r, dtype="limbs", method=method, threads=2), x), method


@pytest.mark.claim("rns.1")
@pytest.mark.parametrize(("bits", "count"), BASES)
def test_python_integers_agree(bits, count):
    basis = basis_of(bits, count)
    x, signed = draw(basis, 1000, seed=bits), draw_signed(basis, 300, seed=count)
    q = random.Random(count).choice([2, 3, 2**20, 10**9 + 7, 2**61 - 1, 2**62 - 1])
    for layout in LAYOUTS:
        r, s = basis.encode(x, layout=layout), basis.encode(signed, signed=True, layout=layout)
        axis = 0 if layout == "planar" else -1
        for array, values in ((r, x), (s, signed)):
            expected = np.stack([[v % m for v in values] for m in basis.moduli], axis=axis)
            assert np.array_equal(array.residues, expected.astype(basis.dtype))
        for method in ("crt", "garner"):
            assert basis.decode(r, method=method).tolist() == x
            assert basis.decode(s, signed=True, method=method).tolist() == signed
            limbs = basis.decode(s, signed=True, dtype="limbs", method=method)
            assert np.array_equal(basis.encode(limbs, signed=True).residues, basis.encode(signed, signed=True).residues)
        assert basis.decode_mod(r, q).tolist() == [v % q for v in x]
        assert basis.decode_mod(s, q, signed=True).tolist() == [v % q for v in signed]
        assert basis.mixed_radix(r).T.tolist() == [digits(v, basis) for v in x]


@pytest.mark.claim("rns.2")
def test_known_answers():
    assert KNOWN.range == 4145475840
    x = KNOWN.encode(123456789)
    assert x.residues.tolist() == [180, 126, 69, 21]
    assert KNOWN.mixed_radix(x).tolist() == [180, 27, 159, 7]
    assert KNOWN.encode(KNOWN.range - 1).residues.tolist() == [250, 252, 254, 255]
    assert KNOWN.encode(KNOWN.range // 2).residues.tolist() == [0, 0, 0, 128]
    assert crt([2, 3, 2], [3, 5, 7]) == (23, 105)


def test_word_and_range_of_a_basis():
    assert [b.dtype for b in KERNELS] == ["uint16", "uint16", "uint32", "uint64", "uint64"]
    assert RnsBasis([2**31 + 1]).dtype == np.uint64
    assert KNOWN.bits == 32
    assert KNOWN.signed_range == (-2072737920, 2072737919)
    assert RnsBasis([3, 5]).signed_range == (-7, 7)
    assert RnsBasis(np.array([3, 5])) == RnsBasis((3, 5)) != RnsBasis([5, 3])
    assert len({RnsBasis([3, 5]), RnsBasis([3, 5])}) == 1


# --- Words and limbs of every form


@pytest.mark.claim("rns.1")
def test_words_of_any_form_are_reduced(basis):
    rng = np.random.default_rng(1)
    signed = np.concatenate([rng.integers(-(2**63), 2**63 - 1, 3000), [-(2**63), -1, 0, 1, 2**63 - 1, -(2**32), 2**32]])
    unsigned = np.concatenate([signed.astype(np.uint64), np.array([2**64 - 1], np.uint64)])
    narrow = rng.integers(-128, 127, 500).astype(np.int8)
    for x in (signed, unsigned, narrow, signed[::3], signed.astype(">i8"), signed.reshape(-1, 1)[:, 0]):
        expected = [residues(int(v), basis) for v in x.ravel()]
        assert basis.encode(x, wrap=True).residues.T.tolist() == expected
    values = [v % basis.range for v in signed.tolist()]
    given_forms = [values, tuple(values), np.array(values, dtype=object), [v.to_bytes(40, "little") for v in values]]
    for x in given_forms:
        assert basis.encode(x).residues.T.tolist() == [residues(v, basis) for v in values]
    assert basis.encode(values[0].to_bytes(40, "little")).shape == ()
    huge = [-(3**200), 5**300, 2**64, -(2**64), -(2**63) - 1, 0]
    assert basis.encode(huge, wrap=True).residues.T.tolist() == [residues(v, basis) for v in huge]


def test_shapes_are_kept(basis):
    x = np.arange(24).reshape(2, 3, 4)
    for layout in LAYOUTS:
        r = basis.encode(x, layout=layout, wrap=True)
        assert r.shape == (2, 3, 4)
        assert r.residues.shape == ((len(basis), 2, 3, 4) if layout == "planar" else (2, 3, 4, len(basis)))
        assert basis.decode(r).tolist() == (x.astype(object) % basis.range).tolist()
        assert basis.decode(r[1, :, 2]).tolist() == (x[1, :, 2].astype(object) % basis.range).tolist()
        assert basis.decode(r[..., 0]).tolist() == (x[..., 0].astype(object) % basis.range).tolist()
        assert basis.decode(r.reshape(6, 4)).shape == (6, 4)
        assert basis.decode(r, dtype="limbs").shape == (2, 3, 4, -(-basis.bits // 64))
    for empty in (np.empty((0, 3), np.int64), []):
        assert basis.decode(basis.encode(empty)).shape == np.shape(empty)
    assert basis.encode(7, wrap=True).shape == ()
    rows = np.array([[1, 0], [5, 0]], np.uint64)  # limbs
    assert basis.decode(basis.encode(rows, wrap=True)).tolist() == [1, 5 % basis.range]


def test_out_is_filled(basis):
    x = list(range(300))
    for layout in LAYOUTS:
        out = basis.encode([0] * 300, layout=layout)
        assert basis.encode(x, wrap=True, out=out) is out
        assert out.layout == layout
        assert basis.decode(out).tolist() == [v % basis.range for v in x]
        twice = out.add(out, out=out)
        assert twice is out
        assert basis.decode(out).tolist() == [2 * v % basis.range for v in x]


@pytest.mark.parametrize("dtype", ["uint64", "int64", "object", "limbs"])
def test_dtypes_of_decode(dtype):
    wide = KERNELS[-1]
    small = wide.decode(wide.encode([0, 1, 2**63 - 1]), dtype=dtype)
    assert small.dtype == np.dtype("uint64" if dtype == "limbs" else dtype)
    assert (small[:, 0] if dtype == "limbs" else small).tolist() == [0, 1, 2**63 - 1]
    assert KNOWN.decode(KNOWN.encode([1])).dtype == np.uint64
    assert KNOWN.decode(KNOWN.encode([-1], signed=True), signed=True).dtype == np.int64
    assert wide.decode(wide.encode([1])).dtype == object


# --- Ring laws


@pytest.mark.claim("rns.3")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_operations_are_those_of_integers_modulo_m(basis, layout):
    x, y = draw(basis, 700, 1), draw(basis, 700, 2)[::-1]
    z, big = x[::-1], 3**100
    a, b, c = (basis.encode(v, layout=layout) for v in (x, y, z))
    planar = b.to_layout("planar")
    results = {
        "+": (a + planar, [i + j for i, j in zip(x, y, strict=True)]),
        "-": (a - b, [i - j for i, j in zip(x, y, strict=True)]),
        "*": (a * planar, [i * j for i, j in zip(x, y, strict=True)]),
        "fma": (a.fma(planar, c), [i * j + k for i, j, k in zip(x, y, z, strict=True)]),
        "neg": (-a, [-i for i in x]),
        "+ int": (a + big, [i + big for i in x]),
        "int -": (big - a, [big - i for i in x]),
        "- int": (a - big, [i - big for i in x]),
        "* int": (-7 * a, [-7 * i for i in x]),
        "**": (a**77, [pow(i, 77, basis.range) for i in x]),
        "** 0": (a**0, [1] * len(x)),
        "sum": (a.sum(), sum(x)),
        "prod": (a.prod(), math.prod(x)),
        "dot": (a @ b, sum(i * j for i, j in zip(x, y, strict=True))),
    }
    for name, (found, expected) in results.items():
        reduced = [v % basis.range for v in expected] if isinstance(expected, list) else expected % basis.range
        assert basis.decode(found).tolist() == reduced, name
        assert found.layout == layout
    assert basis.decode(a).tolist() == x  # operands are as they were


@pytest.mark.claim("rns.3")
def test_ring_laws(basis):
    a, b, c = (basis.encode(draw(basis, 500, seed)) for seed in (1, 2, 3))
    for left, right in (
        (a + b, b + a),
        ((a + b) + c, a + (b + c)),
        (a * b, b * a),
        ((a * b) * c, a * (b * c)),
        (a * (b + c), a * b + a * c),
        (a.fma(b, c), a * b + c),
        (a - b, a + -b),
        (a**3, a * a * a),
        (a * 0, a - a),
    ):
        assert (left == right).all()
    assert (a == a).all()
    assert not (a == a + 1).any()
    assert (a != a + 1).all()
    assert ((a - a) == 0).all()


@pytest.mark.claim("rns.3")
def test_in_place_operations(basis):
    x, y = draw(basis, 200, 1), draw(basis, 200, 2)
    a, b = basis.encode(x), basis.encode(y)
    same = a
    a += b
    a *= b
    a -= b
    a *= 3
    assert a is same
    assert basis.decode(a).tolist() == [((i + j) * j - j) * 3 % basis.range for i, j in zip(x, y, strict=True)]


@pytest.mark.claim("rns.3")
@pytest.mark.parametrize("n", [1, 14, 15, 16, 17, 31, 100_000])
def test_dot_of_maximal_residues_never_overflows(basis, n):
    a = RnsArray(np.array([[m - 1] * n for m in basis.moduli]), basis)
    assert (a @ a).residues.tolist() == [n % m for m in basis.moduli]
    assert a.sum().residues.tolist() == [-n % m for m in basis.moduli]
    assert a.prod().residues.tolist() == [(-1) ** n % m for m in basis.moduli]
    assert a.fma(a, a).residues[:, 0].tolist() == [0] * len(basis)
    outer = a[:20].reshape(-1, 1) @ a[:20].reshape(1, -1)
    assert (outer == 1).all()


@pytest.mark.claim("rns.3")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_matrix_products_and_axes(basis, layout):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2**62, (7, 133)).astype(object), rng.integers(0, 2**62, (133, 150)).astype(object)
    a, b = basis.encode(x, layout=layout, wrap=True), basis.encode(y, wrap=True)
    assert basis.decode(a @ b).tolist() == (x @ y % basis.range).tolist()
    assert basis.decode(a[2] @ b).tolist() == (x[2] @ y % basis.range).tolist()
    assert basis.decode(a @ b[:, 3]).tolist() == (x @ y[:, 3] % basis.range).tolist()
    assert basis.decode((a[:1] @ b[:, :1]).reshape(1)).tolist() == [int(x[0] @ y[:, 0]) % basis.range]
    for axis in (0, 1, -1):
        assert basis.decode(a.sum(axis=axis)).tolist() == (x.sum(axis=axis) % basis.range).tolist()
        assert basis.decode(a.prod(axis=axis)).tolist() == (np.prod(x, axis=axis) % basis.range).tolist()
    assert (a[:, :0].sum(axis=1) == 0).all()
    assert (a[:, :0].prod(axis=1) == 1).all()
    segments = rng.integers(0, 5, x.shape)
    expected = [sum(x[segments == s], 0) % basis.range for s in range(6)]
    assert basis.decode(a.segment_sum(segments, 6)).tolist() == expected


@pytest.mark.claim("rns.3")
def test_inverses_and_division(basis):
    units = [v for v in draw(basis, 600, 5) if math.gcd(v, math.prod(basis.moduli)) == 1][:300]
    a = basis.encode(units)
    assert (a * a.inv() == 1).all()
    assert basis.decode(a.inv()).tolist() == [pow(v, -1, basis.range) for v in units]
    assert (a**-2 * a * a == 1).all()
    assert ((a * 5 + 1 - 1) / a == 5).all()
    assert (1 / a == a.inv()).all()
    unit = next(v for v in range(7, 10**6, 2) if math.gcd(v, basis.range) == 1)
    assert (a * unit / unit == a).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_basis_is_a_ring(data):
    moduli: list[int] = []
    for m in data.draw(
        st.lists(st.integers(2, data.draw(st.sampled_from([300, 2**16, 2**31, 2**50, 2**62 - 1]))), min_size=1)
    ):
        if all(math.gcd(m, other) == 1 for other in moduli):
            moduli.append(m)
    basis = RnsBasis(moduli)
    x, y = (data.draw(st.lists(st.integers(0, basis.range - 1), min_size=n, max_size=n)) for n in [5] * 2)
    a, b = basis.encode(x), basis.encode(y)
    assert basis.decode(a * b + a - b).tolist() == [(i * j + i - j) % basis.range for i, j in zip(x, y, strict=True)]
    assert basis.decode(a, method="garner").tolist() == x
    assert a.compare(b).tolist() == [(i > j) - (i < j) for i, j in zip(x, y, strict=True)]


# --- Comparison


def test_order_and_sign(basis):
    x, y = draw(basis, 400, 1), draw(basis, 400, 2)[::-1]
    y[:50] = x[:50]
    a, b = basis.encode(x), basis.encode(y, layout="interleaved")
    assert a.compare(b).tolist() == [(i > j) - (i < j) for i, j in zip(x, y, strict=True)]
    assert basis.decode(a)[a.argmax()] == max(x)
    s, t = draw_signed(basis, 400, 1), draw_signed(basis, 400, 2)[::-1]
    a, b = basis.encode(s, signed=True), basis.encode(t, signed=True)
    assert a.compare(b, signed=True).tolist() == [(i > j) - (i < j) for i, j in zip(s, t, strict=True)]
    assert a.sign().tolist() == [(i > 0) - (i < 0) for i in s]
    assert s[a.argmax(signed=True)] == max(s)
    assert a.is_zero().tolist() == [i == 0 for i in s]
    assert basis.encode([1, 0, 1]).argmax() == 0


# --- Threads


def test_threads_never_change_a_bit(basis):
    x = draw(basis, 40_000, 1)
    a, b = basis.encode(x), basis.encode(x[::-1], threads=3)
    assert (a == b[::-1]).all()
    for one, three in (
        (basis.decode(a, dtype="limbs"), basis.decode(a, dtype="limbs", threads=3)),
        (basis.decode_mod(a, 97), basis.decode_mod(a, 97, threads=3)),
        (basis.mixed_radix(a), basis.mixed_radix(a, threads=3)),
        (a.multiply(b).residues, a.multiply(b, threads=3).residues),
        (a.fma(b, a).residues, a.fma(b, a, threads=3).residues),
        (a.compare(b), a.compare(b, threads=3)),
        (a.sign(), a.sign(threads=3)),
        (a.dot(b).residues, a.dot(b, threads=3).residues),
        (basis.extend(a, KNOWN).residues, basis.extend(a, KNOWN, threads=3).residues),
    ):
        assert np.array_equal(one, three)


# --- Single integers, and constructors


def test_crt_of_any_moduli():
    for m1 in range(1, 25):
        for m2 in range(1, 25):
            lcm = math.lcm(m1, m2)
            for x in range(0, lcm, 7):
                assert crt([x % m1, x % m2 - m2], [m1, m2]) == (x, lcm)
    rng = random.Random(0)
    moduli = [rng.randrange(1, 10**30) for _ in range(20)]
    x = rng.randrange(math.lcm(*moduli))
    assert crt([x % m for m in moduli], moduli) == (x, math.lcm(*moduli))
    assert crt([], []) == (0, 1)
    with pytest.raises(
        InconsistentResidues, match="no integer is 1 modulo 12 and 2 modulo 15: their common factor is 3"
    ):
        crt([0, 1, 2], [7, 12, 15])
    with pytest.raises(ValueError, match="equally many"):
        crt([1], [2, 3])
    with pytest.raises(ValueError, match=r"moduli\[0\] must be positive, got 0"):
        crt([1], [0])


def test_single_inverses_and_coprimality():
    assert mod_inverse(3, 7) == 5
    assert mod_inverse(-1, 10) == 9
    with pytest.raises(ValueError, match="6 has no inverse modulo 9: their common factor is 3"):
        mod_inverse(6, 9)
    assert is_pairwise_coprime([])
    assert is_pairwise_coprime([1, 1, 5])
    assert not is_pairwise_coprime([5, 7, 10])


def test_bases_of_primes():
    sieve = [n for n in range(2, 2**12) if all(n % d for d in range(2, math.isqrt(n) + 1))]
    assert RnsBasis.primes(bits=12, count=50).moduli == tuple(sieve[:-51:-1])
    assert RnsBasis.ntt_primes(bits=12, count=5, n=16).moduli == tuple([p for p in sieve if p % 32 == 1][:-6:-1])
    assert all(p % 2**13 == 1 for p in RnsBasis.ntt_primes(bits=60, count=8, n=2**12).moduli)
    assert RnsBasis.primes(bits=61, count=1).moduli == (2**61 - 1,)
    assert RnsBasis.balanced(20).moduli == (2**20 - 1, 2**20, 2**20 + 1)
    with pytest.raises(ValueError, match="only 2 primes"):
        RnsBasis.primes(bits=2, count=3)


def test_cover_has_the_smallest_sum():
    from itertools import combinations

    for least, count, low, high in [
        (1000, 2, 2, 60),
        (1000, 3, 2, 40),
        (5000, 3, 8, 30),
        (40_000, 4, 2, 24),
        (7, 1, 3, 50),
    ]:
        fitting = [
            set_
            for set_ in combinations(range(low, high + 1), count)
            if math.prod(set_) >= least and is_pairwise_coprime(set_)
        ]
        assert RnsBasis.cover(least, count, low, high).moduli == min(fitting, key=lambda s: (sum(s), s))
    with pytest.raises(ValueError, match="no 2 pairwise coprime moduli from 2 to 5"):
        RnsBasis.cover(21, 2, 2, 5)
