"""Residue number systems against what else there is for them: numpy's %, loops over Python integers, python-flint.

One thread. What a kernel costs at best: residues of 31 bits are bound by memory beyond the cache; a 61-bit product takes three
64-bit multiplications, one a cycle; a value of 32 residues of 60 bits takes about 1,000 of them to decode, by either route.
Rates in values a second belong to one machine and are told, not gated; ratios are gated.
"""

from __future__ import annotations

import importlib
import statistics
from functools import partial

import numpy as np
import pytest
from gate import compare, cpu_seconds, laps

from pyalgo.rns import RnsArray, RnsBasis


def random_residues(basis: RnsBasis, n: int, seed: int = 0) -> RnsArray:
    rng = np.random.default_rng(seed)
    return RnsArray(np.stack([rng.integers(0, m, n, dtype=np.uint64) for m in basis.moduli]), basis)


def rate(work, values: int) -> float:
    """Million values a second of CPU time: the median of nine calls."""
    work()
    return values / statistics.median(cpu_seconds(work) for _ in range(9)) / 1e6


@pytest.mark.claim("rns.7")
def test_encode_against_numpy(figure):
    n, basis = 1_000_000, RnsBasis.primes(bits=31, count=4)
    x = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, n)
    moduli, remainders = np.array(basis.moduli, np.int64)[:, np.newaxis], np.empty((4, n), np.int64)
    out = basis.encode(x, wrap=True)
    assert np.array_equal(out.residues, np.remainder(x, moduli))
    ratio = compare(
        lambda: basis.encode(x, wrap=True, out=out), lambda: np.remainder(x, moduli, out=remainders), pairs=9
    )
    figure("rns.7", f"encode int64 into four 31-bit moduli {ratio.median:.1f}x numpy", met=ratio.median >= 4)
    assert ratio.median >= 2.5


@pytest.mark.claim("rns.7")
@pytest.mark.parametrize(("n", "where"), [(8192, "in cache"), (2_000_000, "beyond the cache")])
def test_multiply_against_numpy(figure, n, where):
    """numpy at its best, in uint64; in int64, as most have their numbers, its % is slower."""
    basis = RnsBasis.primes(bits=31, count=4)
    a, b = random_residues(basis, n, 1), random_residues(basis, n, 2)
    out, ratios = a + b, {}
    repeat = range(max(1, 1_000_000 // n))

    def multiply():
        for _ in repeat:
            a.multiply(b, out=out)

    for dtype in (np.uint64, np.int64):
        wide_a, wide_b = a.residues.astype(dtype), b.residues.astype(dtype)
        moduli, product = np.array(basis.moduli, dtype)[:, np.newaxis], np.empty_like(wide_a)

        def numpy_multiply(x=wide_a, y=wide_b, m=moduli, to=product):
            for _ in repeat:
                np.multiply(x, y, out=to)
                np.remainder(to, m, out=to)

        ratios[dtype] = compare(multiply, numpy_multiply).median
        assert np.array_equal(out.residues, product)
    best, usual = ratios[np.uint64], ratios[np.int64]
    figure("rns.7", f"31-bit products {where} {best:.1f}x numpy in uint64, {usual:.1f}x in int64", met=best >= 5)
    assert best >= 2  # a product takes the vector units, which a busy machine shares, and % the divider, which few use


@pytest.mark.claim("rns.7")
def test_multiply_against_memory(figure):
    """Bytes moved a second, two operands in and one out, against a copy of as many."""
    basis = RnsBasis.primes(bits=31, count=4)
    a, b = random_residues(basis, 2_000_000, 1), random_residues(basis, 2_000_000, 2)
    out = a + b
    source = np.ones(3 * a.nbytes // 2, np.uint8)  # read and written: three times a's bytes
    target = np.ones_like(source)
    ratio = compare(lambda: a.multiply(b, out=out), lambda: np.copyto(target, source))
    figure("rns.7", f"31-bit products at {ratio.median:.2f} of memcpy's bandwidth", met=ratio.median >= 0.5)
    assert ratio.median >= 0.25


def python_crt(basis: RnsBasis, rows: list[list[int]]) -> list[int]:
    """The loop that one writes without a library; all constants made ahead."""
    weights = [basis.range // m * pow(basis.range // m, -1, m) for m in basis.moduli]
    return [sum(map(int.__mul__, row, weights)) % basis.range for row in rows]


def garner_over_crt(basis: RnsBasis, r: RnsArray) -> float:
    seconds = laps([lambda m=method: basis.decode(r, dtype="limbs", method=m) for method in ("crt", "garner")])
    return statistics.median(seconds[:, 1] / seconds[:, 0])


@pytest.mark.claim("rns.7")
@pytest.mark.parametrize(("bits", "count"), [(31, 2), (16, 4)])
def test_decode_to_words(figure, bits, count):
    n, basis = 1_000_000, RnsBasis.primes(bits=bits, count=count)
    r, few = random_residues(basis, n), random_residues(basis, 20_000)
    rows = few.residues.T.tolist()
    assert basis.decode(few).tolist() == python_crt(basis, rows)
    fast, garner = rate(lambda: basis.decode(r), n), garner_over_crt(basis, r)
    times = 20 * compare(lambda: [basis.decode(few) for _ in range(20)], lambda: python_crt(basis, rows)).median
    figure(
        "rns.7",
        f"decode {count} x {bits} bits to uint64 {fast:.0f} M values/s, {times:.0f}x a Python loop, Garner in {garner:.2f} of "
        "CRT's time",
        met=fast >= 50 and times >= 10 and garner <= 2,
    )
    assert times >= 10
    assert garner <= 3


@pytest.mark.claim("rns.7")
def test_decode_to_limbs(figure):
    n, basis = 20_000, RnsBasis.primes(bits=60, count=32)
    r = random_residues(basis, n)
    some = r[:1000].residues.T.tolist()
    limbs = basis.decode(r, dtype="limbs")
    assert [int.from_bytes(row.astype("<u8").tobytes(), "little") for row in limbs[:1000]] == python_crt(basis, some)
    fast, garner = rate(lambda: basis.decode(r, dtype="limbs"), n), garner_over_crt(basis, r)
    times = 20 * compare(lambda: basis.decode(r, dtype="limbs"), lambda: python_crt(basis, some)).median
    figure(
        "rns.7",
        f"decode 32 x 60 bits to limbs {fast:.2f} M values/s, {times:.0f}x a Python loop, Garner in {garner:.2f} of CRT's time",
        met=fast >= 1 and garner <= 2,
    )
    assert times >= 4
    assert garner <= 3


def test_other_peers():
    """What is not claimed, but good to know: single tuples, matrices, and all widths. Printed, where the peer is installed."""
    for bits in (16, 31, 50, 61):
        basis = RnsBasis.primes(bits=bits, count=4)
        a, b = random_residues(basis, 8192, 1), random_residues(basis, 8192, 2)
        out = a + b
        rates = [rate(partial(repeated, work, b, out), 50 * 4 * 8192) for work in (a.multiply, a.add)]
        print(f"{bits} bits, in cache: {rates[0]:.0f} M products/s, {rates[1]:.0f} M sums/s")
    basis = RnsBasis.primes(bits=60, count=32)
    r, other = random_residues(basis, 10_000), RnsBasis.primes(bits=59, count=8)
    for method in ("exact", "float", "fast"):
        fast = rate(partial(basis.extend, r, other, method=method), 10_000)
        print(f"extend 32 x 60 bits to 8 moduli, {method}: {fast:.2f} M values/s")
    basis = RnsBasis.primes(bits=31, count=3)
    x = np.random.default_rng(0).integers(0, 2**31, (200, 200))
    a, objects = basis.encode(x), x.astype(object)
    assert basis.decode(a @ a).tolist() == (objects @ objects % basis.range).tolist()
    ratio = compare(lambda: a @ a, lambda: objects[:20] @ objects, pairs=3)
    print(f"200 x 200 matrices of 31-bit integers: {10 * ratio.median:.0f}x numpy with Python integers")
    flint = optional("flint")
    if flint is not None:
        mats = [flint.nmod_mat(200, 200, [int(v) % m for v in x.ravel()], m) for m in basis.moduli]
        ratio = compare(lambda: a @ a, lambda: [mat * mat for mat in mats], pairs=5)
        print(f"200 x 200 matrices modulo three 31-bit primes: {ratio} python-flint's nmod_mat")
    rows = [[int(v) for v in row] for row in random_residues(basis, 200).residues.T]
    few = RnsArray(np.array(rows).T, basis)
    arguments = {"galois": lambda row: (row, basis.moduli), "sympy": lambda row: (basis.moduli, row)}
    for name, call in (("galois", "galois.crt"), ("sympy", "sympy.ntheory.modular.crt")):
        if optional(name) is None:
            continue
        module, _, function = call.rpartition(".")
        crt = getattr(importlib.import_module(module), function)
        prepared = [arguments[name](row) for row in rows]
        ratio = compare(
            lambda: basis.decode(few, dtype="object"), lambda c=crt, p=prepared: [c(*x) for x in p], pairs=5
        )
        print(f"decode of 200 values of three residues: {ratio.median:.0f}x {call}")


def repeated(work, b: RnsArray, out: RnsArray) -> None:
    for _ in range(50):
        work(b, out=out)


def optional(name: str):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        print(f"{name} is not installed")
        return None
