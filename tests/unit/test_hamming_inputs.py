"""What the Hamming functions take and give: kinds of text, memory layouts, dtypes of results, and every error by its words."""

from __future__ import annotations

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyalgo.hamming import (
    HammingPlan,
    HammingStream,
    approx_hamming_distances,
    best_match,
    find_k_mismatch,
    hamming_distances,
)

from .hamming_oracle import METHODS, naive

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8")


def code_points(text):
    return np.array([ord(symbol) for symbol in text], np.int64)


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_bytes_of_every_kind(kind):
    text, pattern = b"abracadabra" * 30, b"cadabrab"
    expected = naive(np.frombuffer(text, np.uint8), np.frombuffer(pattern, np.uint8)).tolist()
    assert hamming_distances(kind(text), kind(pattern)).tolist() == expected
    assert hamming_distances(kind(text), pattern).tolist() == expected
    assert hamming_distances(text, kind(pattern)).tolist() == expected


@pytest.mark.claim("hamming.1")
def test_buffers_of_wider_integers_and_strided_views():
    text, pattern = array.array("q", [1, 2**40, 1, 2, 2**40, 1]), array.array("q", [2**40, 1])
    assert hamming_distances(memoryview(text), memoryview(pattern)).tolist() == [2, 0, 2, 2, 0]
    assert hamming_distances(memoryview(b"a-b-a-b-")[::2], b"ab").tolist() == [0, 2, 0]
    assert hamming_distances(memoryview(b"abab")[::-1], b"ab").tolist() == [2, 0, 2]


# Symbols of the three widths in which CPython stores a str; some of them equal in their low 8 or 16 bits.
LATIN, BMP, ASTRAL = "abé\u0041\u00ff", "\u0141\u0161\u4e2d\u0041\ud800", "\U00010041\U0001f600\U00010141A\u0141"


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("text_alphabet", [LATIN, BMP, ASTRAL])
@pytest.mark.parametrize("pattern_alphabet", [LATIN, BMP, ASTRAL])
@pytest.mark.parametrize("method", ["auto", "compare", "bitslice", "ntt"])
def test_str_by_code_points_of_all_widths(text_alphabet, pattern_alphabet, method):
    rng = np.random.default_rng(1)
    for n, m in ((1, 1), (30, 4), (700, 65), (3000, 257)):
        text = "".join(rng.choice(list(text_alphabet + pattern_alphabet[:1]), n))
        pattern = "".join(rng.choice(list(pattern_alphabet + text_alphabet[:2]), m))
        expected = naive(code_points(text), code_points(pattern)).tolist()
        assert hamming_distances(text, pattern, method=method).tolist() == expected
        narrow = "".join(rng.choice(list(LATIN), m))
        expected = naive(code_points(text), code_points(narrow)).tolist()
        assert hamming_distances(text, narrow, method=method).tolist() == expected


@pytest.mark.claim("hamming.1")
@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.text(min_size=1, max_size=6), st.none() | st.characters(), st.none() | st.characters())
def test_any_str(text, pattern, wildcard, text_wildcard):
    wilds = [None if wild is None else ord(wild) for wild in (wildcard, text_wildcard)]
    expected = naive(code_points(text), code_points(pattern), *wilds)
    got = hamming_distances(text, pattern, wildcard=wildcard, text_wildcard=text_wildcard)
    assert got.tolist() == expected.tolist()


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_integers_are_equal_only_if_all_their_bits_are(dtype, method):
    """Values that agree in all their low or in all their high bytes, and the ends of the range."""
    rng = np.random.default_rng(2)
    info = np.iinfo(dtype)
    bits = [1 << shift for shift in range(0, info.bits - 1, 4)]
    values = np.unique(np.array([0, 1, info.min, info.max, info.max - 1, *bits, *(b + 1 for b in bits)], dtype))
    text, pattern = rng.choice(values, 900), rng.choice(values, 70)
    text[300:370] = pattern
    assert hamming_distances(text, pattern, method=method).tolist() == naive(text, pattern).tolist()
    wild, text_wild = values[-1], values[1]
    got = hamming_distances(text, pattern, wildcard=wild, text_wildcard=text_wild, method=method)
    assert got.tolist() == naive(text, pattern, wild, text_wild).tolist()


@pytest.mark.claim("hamming.1")
def test_bool():
    rng = np.random.default_rng(3)
    text, pattern = rng.random(500) < 0.5, rng.random(80) < 0.5
    assert hamming_distances(text, pattern).tolist() == naive(text, pattern).tolist()


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("dtype", ["?", *DTYPES])
def test_arrays_of_any_layout(dtype):
    rng = np.random.default_rng(4)
    store = rng.integers(0, 2, (400, 7)).astype(dtype)
    views = {
        "column": store[:, 3],
        "every third": store.reshape(-1)[5::3],
        "backwards": store.reshape(-1)[::-1],
        "backwards, every second": store.reshape(-1)[700:3:-2],
        "one value repeated": np.broadcast_to(store[0, :1], 300),
        "unaligned": np.frombuffer(b"x" + store.tobytes(), np.uint8)[1:].view(dtype),
    }
    frozen = store.reshape(-1).copy()
    frozen.flags.writeable = False
    views["read-only"] = frozen
    for name, text in views.items():
        for pattern in (text[20:90], store.reshape(-1)[::-5][:70], store[:64, 2]):
            before = text.copy(), pattern.copy()
            expected = naive(*before).tolist()
            assert hamming_distances(text, pattern).tolist() == expected, name
            assert find_k_mismatch(text, pattern, 20).positions.tolist() == [
                i for i, d in enumerate(expected) if d <= 20
            ], name
            assert np.array_equal(text, before[0])
            assert np.array_equal(pattern, before[1])


@pytest.mark.claim("hamming.12")
@pytest.mark.parametrize("dtype", [">u2", ">i4", ">i8"])
def test_foreign_byte_order_is_converted_or_refused(dtype):
    text, pattern = np.array([1, 256, 2, 1, 256], dtype), np.array([1, 256], dtype)
    for p in (pattern, pattern.astype(pattern.dtype.newbyteorder("="))):
        try:
            got = hamming_distances(text, p)
        except TypeError as error:
            assert "byte order" in str(error)  # noqa: PT017
        else:
            assert got.tolist() == [0, 2, 2, 0]


@pytest.mark.claim("hamming.12")
def test_text_and_pattern_of_two_integer_types_are_compared_by_value_or_refused():
    wide = np.array([65, 65 + 256, 65 - 256, 65 + 2**32, 66], np.int64)
    for text, pattern, expected in (
        (wide, np.array([65], np.uint8), [0, 1, 1, 1, 1]),
        (np.array([65, 66], np.uint8), wide[1:2], [1, 1]),
        (np.array([65, 66], np.uint8), wide[3:4], [1, 1]),
        (np.array([-1, 1], np.int8), np.array([255], np.uint8), [1, 1]),
        (np.array([-1, 1], np.int64), np.array([2**64 - 1], np.uint64), [1, 1]),
    ):
        try:
            got = hamming_distances(text, pattern)
        except TypeError as error:
            assert str(text.dtype) in str(error)  # noqa: PT017
        else:
            assert got.tolist() == expected, (text, pattern)


@pytest.mark.claim("hamming.12")
@pytest.mark.parametrize("wildcard", [65 + 256, -191, 65 + 2**32, 2**64 + 65])
def test_a_wildcard_out_of_range_does_not_wrap(wildcard):
    text, pattern = np.array([65, 66], np.uint8), np.array([65], np.uint8)
    for side in ("wildcard", "text_wildcard"):
        try:
            got = hamming_distances(text, pattern, **{side: wildcard})
        except (ValueError, OverflowError) as error:
            assert "wildcard" in str(error)  # noqa: PT017
        else:
            assert got.tolist() == [0, 1]


@pytest.mark.claim("hamming.1")
@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.int64, "int32", "uint16", np.dtype("int64")])
def test_result_dtypes_and_out(dtype):
    text, pattern = b"abcabcabd" * 20, b"abd"
    expected = naive(np.frombuffer(text, np.uint8), np.frombuffer(pattern, np.uint8))
    got = hamming_distances(text, pattern, dtype=dtype)
    assert got.dtype == np.dtype(dtype)
    assert got.tolist() == expected.tolist()
    out = np.full(len(expected), 9, dtype)
    for method in METHODS:
        out[:] = 9
        assert hamming_distances(text, pattern, dtype=dtype, out=out, method=method, threads=2) is out
        assert out.tolist() == expected.tolist()
    hamming_distances(text, pattern, dtype=dtype, out=out, k=1)
    assert out.tolist() == np.minimum(expected, 2).tolist()


@pytest.mark.claim("hamming.12")
def test_dtype_too_small_for_the_pattern():
    same, other = np.zeros(65_536, np.uint8), np.ones(65_540, np.uint8)
    assert set(hamming_distances(other, same[:65_535], dtype=np.uint16).tolist()) == {65_535}
    assert set(hamming_distances(other, same).tolist()) == {65_536}
    with pytest.raises(OverflowError, match="65536"):
        hamming_distances(other, same, dtype=np.uint16)
    with pytest.raises(OverflowError):
        hamming_distances(other, same, k=65_535, out=np.zeros(5, np.uint16))
    assert set(hamming_distances(other, same, dtype=np.uint16, k=3).tolist()) == {4}


@pytest.mark.claim("hamming.12")
def test_out_of_wrong_shape_or_dtype():
    text, pattern = b"abcabcabd", b"abd"  # 7 alignments
    frozen = np.zeros(7, np.int32)
    frozen.flags.writeable = False
    shapes = [np.zeros(6, np.int32), np.zeros(8, np.int32), np.zeros((7, 1), np.int32), np.zeros((), np.int32)]
    dtypes = [np.zeros(7, dtype) for dtype in ("f4", "u4", "i2", "u1", "?", ">i4")]
    for out in (*shapes, *dtypes, frozen):
        before = out.copy()
        with pytest.raises(ValueError, match="out"):
            hamming_distances(text, pattern, out=out)
        assert np.array_equal(out, before)
    with pytest.raises(ValueError, match="out"):
        hamming_distances(text, pattern, dtype=np.int64, out=np.zeros(7, np.int32))
    for dtype in (np.float64, np.int8, np.uint8):
        with pytest.raises((ValueError, TypeError), match="dtype"):
            hamming_distances(text, pattern, dtype=dtype)


@pytest.mark.claim("hamming.12")
def test_pattern_longer_than_the_text():
    for text in (b"", b"ab"):
        for method in METHODS:
            got = hamming_distances(text, b"abc", method=method, dtype=np.int64, threads=3)
            assert (got.shape, got.dtype) == ((0,), np.int64)
        found = find_k_mismatch(text, b"abc", 3)
        assert (found.positions.shape, found.distances.shape) == ((0,), (0,))
        assert best_match(text, b"abc").positions.shape == (0,)
        assert approx_hamming_distances(text, b"abc", eps=0.1).values.shape == (0,)
        assert [d.shape for d in HammingPlan([b"abc", b"a"]).distances(text)] == [(0,), (len(text),)]
        out = np.zeros(0, np.int32)
        assert hamming_distances(text, b"abc", out=out) is out


# Every door through which a text and a pattern come in.
CALLS = {
    "hamming_distances": hamming_distances,
    "find_k_mismatch": lambda text, pattern, k=1, **options: find_k_mismatch(text, pattern, k, **options),
    "best_match": best_match,
    "approx": lambda text, pattern, eps=0.1, **options: approx_hamming_distances(text, pattern, eps=eps, **options),
    "plan": lambda text, pattern, **options: HammingPlan([pattern], **options).distances(text),
    "stream": lambda text, pattern, **options: HammingStream(pattern, **options).update(text),
}
every_door = pytest.mark.parametrize("door", CALLS.values(), ids=CALLS)


@pytest.mark.claim("hamming.12")
@every_door
def test_text_and_pattern_of_two_kinds(door):
    for text, pattern in (
        ("abc", b"a"),
        (b"abc", "a"),
        ("abc", np.zeros(1, np.uint8)),
        (np.zeros(3, np.uint32), "a"),
        ("abc", bytearray(b"a")),
    ):
        with pytest.raises(TypeError):
            door(text, pattern)
    for nothing in (None, 3, object()):
        # An update without a batch has no columns, which is a ValueError for every algorithm.
        with pytest.raises((TypeError, ValueError) if nothing is None else TypeError):
            door(nothing, b"a")
        with pytest.raises(TypeError):
            door(b"abc", nothing)


@pytest.mark.claim("hamming.12")
@every_door
def test_symbols_that_are_no_integers(door):
    for dtype in (np.float64, np.float32):
        for text, pattern in (
            (np.zeros(4, dtype), np.zeros(2, dtype)),
            (np.zeros(4, np.int64), np.zeros(2, dtype)),
            (np.zeros(4, dtype), np.zeros(2, np.int64)),
        ):
            with pytest.raises(TypeError, match=r"\.view\("):
                door(text, pattern)
    for dtype in (object, complex, "datetime64[s]"):
        with pytest.raises(TypeError):
            door(np.zeros(4, dtype), np.zeros(2, dtype))


@pytest.mark.claim("hamming.12")
@every_door
def test_more_dimensions_than_one(door):
    flat, table = np.zeros(6, np.uint8), np.zeros((2, 3), np.uint8)
    for text, pattern in ((table, flat[:2]), (flat, table), (table, table), (flat, np.uint8(0).reshape(()))):
        with pytest.raises((ValueError, TypeError)):
            door(text, pattern)


@pytest.mark.claim("hamming.12")
@every_door
def test_empty_pattern(door):
    for text, pattern in ((b"abc", b""), ("abc", ""), (b"", b""), (np.zeros(3, np.int64), np.zeros(0, np.int64))):
        with pytest.raises(ValueError, match="pattern"):
            door(text, pattern)


@pytest.mark.claim("hamming.12")
@pytest.mark.parametrize("door", [CALLS[name] for name in ("hamming_distances", "find_k_mismatch", "plan", "stream")])
def test_k_and_wildcard_out_of_range(door):
    for k in (-1, -(10**20)):
        with pytest.raises(ValueError, match="k must be"):
            door(b"abc", b"ab", k=k)
    for k in (1.5, "1"):
        with pytest.raises(TypeError, match="k"):
            door(b"abc", b"ab", k=k)
    for k in (2, 3, 10**9):
        door(b"abc", b"ab", k=k)
    for wildcard in (b"", b"NN"):
        with pytest.raises(ValueError, match="wildcard"):
            door(b"abc", b"ab", wildcard=wildcard)
    for wildcard in ("", "NN"):
        with pytest.raises(ValueError, match="wildcard"):
            door("abc", "ab", wildcard=wildcard)
    with pytest.raises(ValueError, match="wildcard"):
        door(np.zeros(3, np.int64), np.zeros(2, np.int64), wildcard=np.array([1, 2]))
    for text, wildcard in (("abc", b"N"), ("abc", 78), (b"abc", 0.5)):
        with pytest.raises((TypeError, ValueError), match="wildcard"):
            door(text, text[:2], wildcard=wildcard)


@pytest.mark.claim("hamming.12")
def test_text_wildcard_is_a_single_symbol_of_the_same_kind():
    for side in ("wildcard", "text_wildcard"):
        for text, wildcard in ((b"abc", "N"), ("abc", b"N")):
            with pytest.raises(TypeError, match=side):
                hamming_distances(text, text[:2], **{side: wildcard})
    for wildcard in (b"", b"NN"):
        with pytest.raises(ValueError, match="text_wildcard"):
            hamming_distances(b"abc", b"ab", text_wildcard=wildcard)
    with pytest.raises(ValueError, match="text_wildcard"):
        hamming_distances("abc", "ab", text_wildcard="NN")


@pytest.mark.claim("hamming.12")
@pytest.mark.parametrize("door", [CALLS[name] for name in ("hamming_distances", "plan", "stream")])
def test_unknown_method_lists_the_names(door):
    for method in ("naive", "", "NTT"):
        with pytest.raises(ValueError, match="method") as caught:
            door(b"abc", b"ab", method=method)
        assert all(name in str(caught.value) for name in METHODS)


@pytest.mark.claim("hamming.12")
def test_approximation_out_of_range():
    for eps in (0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="eps"):
            approx_hamming_distances(b"abc", b"ab", eps=eps)
    for delta in (0.0, 1.0, -1e-6, float("nan")):
        with pytest.raises(ValueError, match="delta"):
            approx_hamming_distances(b"abc", b"ab", eps=0.1, delta=delta)
    with pytest.raises(ValueError, match="method") as caught:
        approx_hamming_distances(b"abc", b"ab", eps=0.1, method="ntt")
    assert all(name in str(caught.value) for name in ("auto", "sample", "project"))
