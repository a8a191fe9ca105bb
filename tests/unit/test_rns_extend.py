"""Residues in another basis, rescaling, and redundant residues."""

from __future__ import annotations

import math
import random
from functools import reduce
from itertools import combinations
from operator import add

import numpy as np
import pytest

from pyalgo.rns import RnsArray, RnsBasis

from .rns_oracle import LAYOUTS, draw, draw_signed

SOURCES = [
    RnsBasis([251, 253, 255, 256]),
    RnsBasis([2**31 - 1, 2**31, 3, 65533]),
    RnsBasis([2**61 - 1, 2**61, 2**62 - 57, 5]),
    RnsBasis.primes(bits=31, count=17),
]
TARGETS = [RnsBasis([2, 3, 65521]), RnsBasis([2**31 - 1, 65536]), RnsBasis([2**62 - 57, 2**50 - 27, 7])]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("target", TARGETS, ids=lambda b: str(b.dtype))
@pytest.mark.parametrize("source", SOURCES, ids=lambda b: f"{b.dtype}-{len(b)}")
def test_every_method_extends(source, target, layout):
    x = draw(source, 500, seed=3)
    expected = [[v % e for v in x] for e in target.moduli]
    r = source.encode(x, layout=layout)
    for method in ("exact", "float"):
        found = source.extend(r, target, method=method)
        assert (found.layout, found.basis) == (layout, target)
        assert found.to_layout("planar").residues.tolist() == expected, method
    guard = next(m for m in range(2**62 - 1, 0, -1) if all(math.gcd(m, other) == 1 for other in source.moduli))
    guarded = RnsBasis([*source.moduli, guard], redundant=1)
    carried = guarded.encode(x, layout=layout)
    for method in ("exact", "float", "shenoy"):
        assert guarded.extend(carried, target, method=method).to_layout("planar").residues.tolist() == expected, method
    fast, bound = source.extend(r, target, method="fast")
    assert bound == len(source) - 1
    columns = fast.to_layout("planar").residues.T.tolist()
    for v, column in zip(x, columns, strict=True):
        assert any(column == [(v + a * source.range) % e for e in target.moduli] for a in range(bound + 1))


@pytest.mark.claim("rns.4")
def test_float_extension_is_exact_where_doubles_are_not():
    basis, target = RnsBasis.primes(bits=60, count=32), RnsBasis([2**61 - 1, 2**59 - 55])
    near = [*range(1001), *(basis.range - i for i in range(1, 1001))]
    near += [basis.range // m * j + d for m in basis.moduli[:3] for j in (1, 2, m - 1) for d in (-1, 0, 1)]
    r = basis.encode(near)
    found = basis.extend(r, target, method="float")
    assert np.array_equal(found.residues, basis.extend(r, target, method="exact").residues)
    assert found.residues.T.tolist() == [[v % e for e in target.moduli] for v in near]
    xi = [[v * mod % m for m, mod in zip(basis.moduli, inverses(basis), strict=True)] for v in near[:1001]]
    # One after the other, as a kernel adds: since Python 3.12 sum() makes up for what rounds away.
    naive = [math.floor(reduce(add, (c / m for c, m in zip(row, basis.moduli, strict=True)))) for row in xi]
    true = [(sum(c * (basis.range // m) for c, m in zip(row, basis.moduli, strict=True))) // basis.range for row in xi]
    assert naive != true  # the set is adversarial: doubles alone are wrong on it


def inverses(basis):
    return [pow(basis.range // m, -1, m) for m in basis.moduli]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("basis", SOURCES, ids=lambda b: f"{b.dtype}-{len(b)}")
def test_scale_down_divides_and_rounds(basis, layout):
    x, signed = draw(basis, 300, 1), draw_signed(basis, 300, 2)
    r, s = basis.encode(x, layout=layout), basis.encode(signed, signed=True, layout=layout)
    for j, m in enumerate(basis.moduli[:4]):
        floor, nearest = r.scale_down(j), r.scale_down(j, rounding="nearest")
        assert floor.basis.moduli == basis.moduli[:j] + basis.moduli[j + 1 :]
        assert floor.layout == layout
        assert floor.basis.decode(floor).tolist() == [v // m for v in x]
        assert nearest.basis.decode(nearest).tolist() == [(v + m // 2) // m % floor.basis.range for v in x]
        down = s.scale_down(j)
        assert down.basis.decode(down).tolist() == [v // m % down.basis.range for v in signed]


# --- Redundant residues


def flipped(array: RnsArray, changes: dict[int, list[int]]) -> RnsArray:
    """The array with residues changed: value j in the lanes changes[j], to any other residue."""
    rng, residues = np.random.default_rng(7), array.residues.copy()
    for j, lanes in changes.items():
        for i in lanes:
            m = array.basis.moduli[i]
            residues[i, j] = (int(residues[i, j]) + int(rng.integers(1, m))) % m
    return RnsArray(residues, array.basis)


REDUNDANT = [
    RnsBasis([11, 13, 17, 19, 23], redundant=2),
    RnsBasis([*RnsBasis.primes(bits=20, count=8).moduli[::-1]], redundant=2),
    RnsBasis([*RnsBasis.primes(bits=31, count=12).moduli[::-1]], redundant=4),
    RnsBasis([*RnsBasis.primes(bits=61, count=6).moduli[::-1]], redundant=2),
]


@pytest.mark.claim("rns.5")
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("basis", REDUNDANT, ids=lambda b: f"{b.dtype}-{len(b)}-{b.redundant}")
def test_as_many_errors_as_promised_are_corrected(basis, signed):
    x = draw_signed(basis, 200, 1) if signed else draw(basis, 200, 1)
    good = basis.encode(x, signed=signed)
    assert basis.check(good, signed=signed).all()
    rng = random.Random(2)
    for count in range(1, basis.redundant // 2 + 1):
        subsets = list(combinations(range(len(basis)), count))
        changes = {j: rng.choice(subsets) for j in range(0, len(x), 2)}
        damaged = flipped(good, changes)
        assert basis.check(damaged, signed=signed).tolist() == [j % 2 == 1 for j in range(len(x))]
        fixed = basis.correct(damaged, signed=signed)
        assert basis.decode(fixed.array, signed=signed).tolist() == x
        assert not fixed.failed.any()
        expected = np.zeros(fixed.lanes.shape, bool)
        for j, lanes in changes.items():
            expected[list(lanes), j] = True
        assert np.array_equal(fixed.lanes, expected)
        with pytest.raises(ValueError, match="value 0 is out of the range, or has wrong residues"):
            basis.decode(damaged, signed=signed)


@pytest.mark.claim("rns.5")
def test_every_single_error_of_a_small_basis_is_corrected():
    basis = RnsBasis([3, 4, 5, 7], redundant=2)  # range 12
    for x in range(12):
        for lane, m in enumerate(basis.moduli):
            damaged = np.array([[x % p] * (m - 1) for p in basis.moduli])
            damaged[lane] = [(x + d) % m for d in range(1, m)]
            fixed = basis.correct(RnsArray(damaged, basis))
            assert basis.decode(fixed.array).tolist() == [x] * (m - 1)


@pytest.mark.claim("rns.5")
@pytest.mark.parametrize("basis", REDUNDANT, ids=lambda b: f"{b.dtype}-{len(b)}-{b.redundant}")
def test_as_many_errors_as_there_are_redundant_residues_are_noticed(basis):
    x = draw(basis, 400, 3)
    rng = random.Random(4)
    for count in range(1, basis.redundant + 1):
        changes = {j: rng.sample(range(len(basis)), count) for j in range(len(x))}
        damaged = flipped(basis.encode(x), changes)
        assert not basis.check(damaged).any()
        fixed = basis.correct(damaged)
        assert basis.check(fixed.array[~fixed.failed]).all()
        assert np.array_equal(fixed.array.residues[:, fixed.failed], damaged.residues[:, fixed.failed])


@pytest.mark.claim("rns.5")
def test_two_errors_are_seldom_taken_for_one():
    """A word at random is within one residue of the range by chance 1 + sum(m - 1) over the product of the redundant moduli, at
    most; words with two errors behave so. 20,000 of them; the bound leaves 6 standard deviations (false alarm 1e-9)."""
    basis = RnsBasis([*RnsBasis.primes(bits=10, count=6).moduli[::-1]], redundant=2)
    n, rng = 20_000, random.Random(5)
    x = [rng.randrange(basis.range) for _ in range(n)]
    damaged = flipped(basis.encode(x), {j: rng.sample(range(len(basis)), 2) for j in range(n)})
    fixed = basis.correct(damaged)
    taken = int((~fixed.failed).sum())
    chance = (1 + sum(m - 1 for m in basis.moduli)) / math.prod(basis.moduli[-2:])
    assert 0 < taken <= n * chance + 6 * math.sqrt(n * chance)


def test_results_out_of_the_range_are_noticed():
    basis = REDUNDANT[1]
    top = basis.encode([basis.range - 1, 5])
    assert basis.check(top + 1).tolist() == [False, True]
    assert basis.check(top - 6).tolist() == [True, False]
    low = basis.encode([-5, 5], signed=True)
    assert basis.check(low, signed=True).all()
    assert basis.decode(low * 3, signed=True).tolist() == [-15, 15]


def test_redundant_moduli_must_be_the_largest():
    with pytest.raises(ValueError, match="redundant moduli must be larger than the others.*7 is below 13"):
        RnsBasis([11, 13, 7], redundant=1)
