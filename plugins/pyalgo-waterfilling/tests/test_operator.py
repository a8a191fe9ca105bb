"""Water-filling against its optimality conditions, against 50 digits, and against solvers that know nothing of it."""

from __future__ import annotations

import importlib.util
import platform
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit, types
from pyalgo_waterfilling import newton
from pyalgo_waterfilling.operator import METHODS, waterfill

needs_mpmath = pytest.mark.skipif(not importlib.util.find_spec("mpmath"), reason="mpmath is not installed")
ULP = 2.0**-52
SOLVERS = METHODS[1:]


def instance(rng: np.random.Generator, n: int) -> tuple[np.ndarray, float]:
    """Noise of some shape and scale, with ties or without, and a power that may be far above or far below it."""
    kinds = [
        lambda: 1 / rng.exponential(size=n),
        lambda: rng.integers(1, 6, n).astype(float),
        lambda: 10 ** rng.uniform(-4, 4, n),
        lambda: np.full(n, rng.random() + 0.1),
        lambda: np.sort(rng.gamma(0.5, size=n)) + 1e-3,
    ]
    return 10 ** rng.uniform(-15, 15) * kinds[rng.integers(len(kinds))](), float(10 ** rng.uniform(-12, 12))


def assert_optimal(a: np.ndarray, power: float, p: np.ndarray, level: float) -> None:
    assert abs(float(np.sum(p.astype(np.longdouble))) - power) <= 4 * ULP * np.sqrt(len(a)) * power
    assert (p >= 0).all()
    wet = p > 0
    assert (np.abs((p + a) - level)[wet] <= 4 * ULP * level).all()
    assert (a[~wet] >= level * (1 - 4 * ULP)).all()


@pytest.mark.claim("waterfilling.1")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("noise", "power", "expected"),
    [
        ([1, 4, 6, 3], 10, [5, 2, 0, 3]),
        ([5, 4, 3, 6], 10, [2, 3, 4, 1]),
        ([5, 4, 3, 6], 5, [2 / 3, 5 / 3, 8 / 3, 0]),
        ([1, 2, 3], 2, [1.5, 0.5, 0]),
    ],
)
def test_known_answers(method, noise, power, expected):
    result = waterfill(noise, power, method=method)
    np.testing.assert_allclose(result.power, expected, rtol=4 * ULP, atol=0)
    assert result.n_active == np.count_nonzero(expected)


@pytest.mark.claim("waterfilling.2")
def test_optimality_conditions_of_ten_thousand_instances():
    rng = np.random.default_rng(0)
    sizes = [1, 2, 3, 8, 63, 64, 65, 200, 255, 256, 257, 300, 1000]
    for trial in range(10_000):
        n = 10_000 if trial % 500 == 0 else 4096 if trial % 500 == 1 else int(rng.choice(sizes))
        a, power = instance(rng, n)
        result = waterfill(a, power)
        assert_optimal(a, power, result.power, result.level)
        assert result.n_active == np.count_nonzero(result.power)
        if trial % 10 == 0:
            for method in SOLVERS:
                other = waterfill(a, power, method=method)
                assert_optimal(a, power, other.power, other.level)
                assert abs(other.level - result.level) <= 4 * ULP * result.level
                np.testing.assert_allclose(other.power, result.power, rtol=0, atol=4 * ULP * max(power, 1e-300))


@pytest.mark.claim("waterfilling.2")
@needs_mpmath
def test_against_fifty_digits():
    import mpmath

    rng = np.random.default_rng(1)
    with mpmath.workdps(50):
        for _ in range(200):
            a, power = instance(rng, int(rng.integers(1, 60)))
            exact = [mpmath.mpf(float(x)) for x in a]
            total, level = mpmath.mpf(power), mpmath.inf
            for n, x in enumerate(sorted(exact), start=1):
                if x >= level:
                    break
                total += x
                level = total / n
            p = [max(level - x, mpmath.mpf(0)) for x in exact]
            for method in SOLVERS:
                result = waterfill(a, power, method=method)
                assert abs(result.level - level) <= 4 * ULP * level
                # A power is the difference of two numbers: it is right to the last places of the larger depth below P.
                assert max(abs(float(x) - y) for x, y in zip(result.power, p, strict=True)) <= 4 * ULP * power


@pytest.mark.claim("waterfilling.2")
@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(1e-15, 1e15), min_size=1, max_size=80),
    st.floats(1e-12, 1e12),
    st.sampled_from(SOLVERS),
)
def test_any_noise(noise, power, method):
    a = np.array(noise)
    result = waterfill(a, power, method=method)
    assert_optimal(a, power, result.power, result.level)


def test_rows_of_a_batch_are_problems_of_their_own():
    rng = np.random.default_rng(2)
    for n in (1, 7, 64, 300, 5000):
        a = 10 ** rng.uniform(-9, 9, (2, 5, 1)) / rng.exponential(size=(2, 5, n))
        power = 10 ** rng.uniform(-6, 6, (2, 5))
        power[1, 2] = 0
        batch = waterfill(a, power)
        for place in np.ndindex(2, 5):
            alone = waterfill(a[place], float(power[place]))
            np.testing.assert_allclose(batch.power[place], alone.power, rtol=0, atol=4 * ULP * power[place])
            assert abs(batch.level[place] - alone.level) <= 4 * ULP * alone.level


@pytest.mark.claim("waterfilling.12")
def test_threads_change_no_bit():
    a = 1 / np.random.default_rng(3).exponential(size=(5000, 40))
    mask = np.full(40, 0.7)
    for options in ({}, {"mask": mask}, {"method": "sort"}):
        one, two = waterfill(a, 10.0, **options), waterfill(a, 10.0, threads=2, **options)
        for x, y in zip(one, two, strict=True):
            assert np.array_equal(x, y)


def test_the_answer_does_not_depend_on_where_the_search_starts():
    rng = np.random.default_rng(4)
    for n in (20, 64, 1000, 6000):
        a = 1 / rng.exponential(size=n)
        plain = waterfill(a, 10.0)
        for level0 in (plain.level, 1.02 * plain.level, 0.98 * plain.level, 1e-9, 1e9, np.inf, -1.0):
            warm = waterfill(a, 10.0, level0=level0)
            assert_optimal(a, 10.0, warm.power, warm.level)
            assert abs(warm.level - plain.level) <= 4 * ULP * plain.level


def test_no_power_and_axes_and_float32():
    zero = waterfill([3.0, 2.0], 0.0)
    assert (zero.power == 0).all()
    assert zero.level == 2.0
    assert zero.n_active == 0
    a = 1 / np.random.default_rng(5).exponential(size=(6, 9))
    assert np.array_equal(waterfill(a.T, 3.0, axis=0).power.T, waterfill(a, 3.0).power)
    half = waterfill(a.astype(np.float32), 3.0)
    assert half.power.dtype == np.float32
    np.testing.assert_allclose(half.power, waterfill(a, 3.0).power, rtol=0, atol=3e-6)
    out = np.empty_like(a)
    assert waterfill(a, 3.0, out=out).power is out
    view = np.asfortranarray(a)
    view.flags.writeable = False
    assert np.array_equal(waterfill(view, 3.0).power, out)


def test_more_noise_means_less_power_and_more_power_a_higher_level():
    rng = np.random.default_rng(6)
    a = 1 / rng.exponential(size=30)
    levels = [waterfill(a, float(power)).level for power in np.geomspace(1e-3, 1e3, 20)]
    assert all(low < high for low, high in pairwise(levels))
    louder = a.copy()
    louder[3] *= 2
    assert waterfill(louder, 10.0).power[3] <= waterfill(a, 10.0).power[3]


@pytest.mark.claim("waterfilling.11")
@pytest.mark.parametrize(
    ("noise", "power", "options", "error", "match"),
    [
        ([1.0, 0.0], 1.0, {}, ValueError, r"noise\[1\] must be positive and finite, got 0.0"),
        ([1.0, -2.0], 1.0, {}, ValueError, r"noise\[1\] must be positive and finite, got -2.0"),
        ([np.nan, 1.0], 1.0, {}, ValueError, r"noise\[0\] must be positive and finite, got nan"),
        ([1.0, -0.0], 1.0, {}, ValueError, r"noise\[1\] must be positive and finite, got -0.0"),
        ([1.0, np.inf], 0.0, {}, ValueError, r"noise\[1\] must be positive and finite, got inf"),
        ([[1.0], [np.nan]], 1.0, {}, ValueError, r"noise\[1, 0\] must be positive and finite, got nan"),
        ([1.5e308, 1.5e308], 1.0, {}, ValueError, "sums to more than the largest float"),
        ([1.0], -1.0, {}, ValueError, "power must be 0, or finite and at least 1e-290, got -1.0"),
        ([1.0], np.nan, {}, ValueError, "power must be 0, or finite"),
        ([1.0], np.inf, {}, ValueError, "power must be 0, or finite"),
        ([1.0], [1.0, 2.0], {}, ValueError, r"power of shape \(2,\) does not fit \(\)"),
        ([], 1.0, {}, ValueError, "at least one carrier"),
        (1.0, 1.0, {}, ValueError, "1 or more dimensions"),
        (["a"], 1.0, {}, TypeError, "noise must be real numbers"),
        ([1.0], 1.0, {"mask": [-1.0]}, ValueError, r"mask\[0\] must be at least 0, got -1.0"),
        ([1.0], 1.0, {"mask": [np.nan]}, ValueError, r"mask\[0\] must be at least 0, got nan"),
        ([1.0], 1.0, {"mask": [1.0, 2.0]}, ValueError, r"mask of shape \(2,\) does not fit \(1,\)"),
        ([1.0], 1.0, {"weights": [0.0]}, ValueError, r"weights\[0\] must be positive and finite, got 0.0"),
        ([1.0], 1.0, {"active": [1]}, TypeError, "active must be true or false"),
        ([1.0], 1.0, {"method": "magic"}, ValueError, "method must be one of auto, newton"),
        ([1.0], 1.0, {"method": "newton", "mask": [1.0]}, ValueError, "takes no mask"),
        ([1.0], 1.0, {"method": "condat", "weights": [1.0]}, ValueError, "takes no weights"),
        ([1.0], 1.0, {"threads": 0}, ValueError, "threads must be at least 1"),
        ([1.0], 1.0, {"level0": np.nan}, ValueError, "level0 must be a number"),
        ([1.0], 1.0, {"out": np.empty(2)}, ValueError, "out must be a C-contiguous array"),
    ],
)
def test_what_cannot_be_meant_is_refused(noise, power, options, error, match):
    with pytest.raises(error, match=match):
        waterfill(noise, power, **options)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 assembler")
@pytest.mark.parametrize("kernel", ["scan", "excess", "excess_of_two", "emit"])
def test_loops_are_vectorised(kernel):
    """numba says nothing where a loop stays scalar, and such a one is ten times slower."""
    function = getattr(newton, kernel)
    fresh = njit(error_model="numpy", fastmath=function.targetoptions["fastmath"])(
        function.py_func
    )  # not from the cache
    double, one = types.float64, types.Array(types.float64, 1, "C")
    signature = {
        "scan": (one,),
        "excess": (one, double, double),
        "excess_of_two": (one, double, double, one, double, double),
        "emit": (one, double, double, double, one),
    }[kernel]
    fresh.compile(signature)
    assert re.search(r"\bv?(add|sub)pd\b", fresh.inspect_asm(signature))
