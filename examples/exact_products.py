"""Exact products of integers that no machine word holds: a matrix product, and a convolution of big integers.

Both leave the integers for their residues, do all their work there in 64-bit words without carries, and come back once. What
comes back is compared with Python's integers.

    python examples/exact_products.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pyalgo.rns import RnsArray, RnsBasis

SIZE, ENTRY_BITS = 150, 60  # of the matrices
LENGTH, COEFFICIENT_BITS = 2048, 250  # of the polynomials, whose coefficients are convolved


def matrix_product() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-(2**ENTRY_BITS), 2**ENTRY_BITS, (SIZE, SIZE)) for _ in range(2))
    bound = SIZE * 2 ** (2 * ENTRY_BITS)  # no entry of the product is larger in size
    basis = RnsBasis.primes(bits=31, count=-(-(bound.bit_length() + 1) // 30))
    assert basis.signed_range[1] >= bound

    def by_residues() -> Any:
        left, right = (basis.encode(x, signed=True) for x in (a, b))
        return basis.decode(left @ right, signed=True)

    exact, seconds = timed(by_residues)
    truth, python_seconds = timed(lambda: a.astype(object) @ b.astype(object))
    assert exact.tolist() == truth.tolist()
    with np.errstate(over="ignore"):
        wrapped = int(np.sum((a @ b).astype(object) != truth))
    floats = int(
        np.sum([int(x) != y for x, y in zip((a.astype(float) @ b.astype(float)).ravel(), truth.ravel(), strict=True)])
    )
    print(
        f"Matrix product, {SIZE} x {SIZE} entries of {ENTRY_BITS} bits and a sign, modulo {len(basis)} primes of 31 bits:"
    )
    print(
        f"  all {truth.size} entries equal Python's; of NumPy's, {wrapped} are wrong in int64 and {floats} in float64"
    )
    print(f"  {python_seconds / seconds:.0f} times faster than with Python's integers\n")


def convolution() -> None:
    rng = random.Random(0)
    x, y = ([rng.getrandbits(COEFFICIENT_BITS) for _ in range(LENGTH)] for _ in range(2))
    bound = LENGTH * 2 ** (2 * COEFFICIENT_BITS)
    size = 2 * LENGTH  # transforms hold the whole product
    basis = RnsBasis.ntt_primes(bits=50, count=-(-bound.bit_length() // 49), n=size)
    assert basis.range > bound
    twiddles = roots(basis, size)
    back = twiddles.inv()

    def by_residues() -> list[int]:
        f, g = (transform(basis.encode(v + [0] * LENGTH), twiddles) for v in (x, y))
        return basis.decode(transform(f * g, back) / size)[: 2 * LENGTH - 1].tolist()

    exact, seconds = timed(by_residues)
    schoolbook, python_seconds = timed(lambda: [sum(x[i] * y[k - i] for i in range(k + 1)) for k in range(64)])
    spacing = bound.bit_length()  # one product of two huge integers holds all coefficients, side by side
    huge = packed(x, spacing) * packed(y, spacing)
    truth = [huge >> spacing * k & (1 << spacing) - 1 for k in range(2 * LENGTH - 1)]
    assert exact == truth
    assert exact[:64] == schoolbook
    python_seconds *= LENGTH**2 / (64 * 65 / 2)  # of all pairs of coefficients
    print(
        f"Convolution of twice {LENGTH} integers of {COEFFICIENT_BITS} bits, by transforms modulo {len(basis)} primes of 50 bits:"
    )
    print(f"  all {len(exact)} coefficients, up to {max(exact).bit_length()} bits, equal those of Python's integers")
    print(f"  {python_seconds / seconds:.0f} times faster than their sums of products")


def roots(basis: RnsBasis, size: int) -> RnsArray:
    """The powers 0 to size / 2 - 1 of a root of unity of order `size`, modulo every prime."""
    rows = []
    for p in basis.moduli:
        root = next(w for g in range(2, p) if pow(w := pow(g, (p - 1) // size, p), size // 2, p) == p - 1)
        powers = [1]
        for _ in range(size // 2 - 1):
            powers.append(powers[-1] * root % p)
        rows.append(powers)
    return RnsArray(np.array(rows), basis)


def transform(x: RnsArray, twiddles: RnsArray) -> RnsArray:
    """The number-theoretic transform modulo every prime at once, self-sorting (Stockham), in log2(n) steps of whole arrays."""
    size = len(x)
    n = size
    while n > 1:
        upper, lower = x[: size // 2], x[size // 2 :]
        step = size // n
        factors = twiddles[np.repeat(np.arange(n // 2) * step, step)]
        total, difference = upper + lower, (upper - lower) * factors
        pair = np.stack([part.reshape(n // 2, step).residues for part in (total, difference)], axis=2)
        x = RnsArray(pair.reshape(len(x.basis), size), x.basis)
        n //= 2
    return x


def packed(values: list[int], spacing: int) -> int:
    whole = 0
    for value in reversed(values):
        whole = whole << spacing | value
    return whole


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    outcome = work()
    return outcome, time.process_time() - begin


if __name__ == "__main__":
    matrix_product()
    convolution()
