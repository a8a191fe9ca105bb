"""What residues are by definition, in Python integers; and the bases and values that the tests draw from."""

from __future__ import annotations

import random

import numpy as np

from pyalgo.rns import RnsBasis

BITS, COUNTS = (8, 15, 31, 50, 61), (1, 2, 5, 17, 64)
# Only 54 coprime moduli have 8 bits or fewer: there are no more primes below 256.
BASES = [(bits, 54 if (bits, count) == (8, 64) else count) for bits in BITS for count in COUNTS]
LAYOUTS = ("planar", "interleaved")


def basis_of(bits: int, count: int) -> RnsBasis:
    """Primes, but for the second modulus: a power of two (in place of the prime 2 if it is there)."""
    moduli = list(RnsBasis.primes(bits=bits, count=count).moduli)
    if count > 1:
        moduli[moduli.index(2) if 2 in moduli else 1] = 2**bits
    return RnsBasis(moduli)


def edges(basis: RnsBasis) -> list[int]:
    """Values where an off-by-one would show."""
    m = basis.range
    near = [0, 1, m // 2 - 1, m // 2, m // 2 + 1, m - 2, m - 1, 2**32 - 1, 2**32, 2**64 - 1, 2**64]
    for modulus in basis.moduli:
        near += [modulus - 1, modulus, modulus + 1, m // modulus, m - modulus]
    return sorted({x for x in near if 0 <= x < m})


def signed_edges(basis: RnsBasis) -> list[int]:
    low, high = basis.signed_range
    near = [low, low + 1, -1, 0, 1, high - 1, high]
    for modulus in basis.moduli:
        near += [-modulus - 1, -modulus, -modulus + 1, modulus - 1, modulus]
    return sorted({x for x in near if low <= x <= high})


def draw(basis: RnsBasis, n: int, seed: int) -> list[int]:
    """Uniform values, and all edges."""
    rng = random.Random(seed)
    return edges(basis) + [rng.randrange(basis.range) for _ in range(n)]


def draw_signed(basis: RnsBasis, n: int, seed: int) -> list[int]:
    rng = random.Random(seed)
    return signed_edges(basis) + [rng.randint(*basis.signed_range) for _ in range(n)]


def draw_limbs(basis: RnsBasis, n: int, seed: int) -> np.ndarray:
    """n values in [0, M) as limbs, almost uniform: those whose two upper limbs are below M's."""
    rng, width = np.random.default_rng(seed), -(-basis.bits // 64)
    limbs = rng.integers(0, 2**64 - 1, (4 * n, width), np.uint64, endpoint=True)
    top = basis.range >> 64 * (width - 1)  # 1 to 64 bits
    limbs[:, -1] >>= np.uint64(64 - top.bit_length())
    below = limbs[:, -1] < top
    if width > 1:
        below |= (limbs[:, -1] == top) & (limbs[:, -2] < (basis.range >> 64 * (width - 2)) % 2**64)
    return np.ascontiguousarray(limbs[below][:n])


def residues(x: int, basis: RnsBasis) -> list[int]:
    return [x % m for m in basis.moduli]


def digits(x: int, basis: RnsBasis) -> list[int]:
    """Mixed radix, by repeated division."""
    found = []
    for m in basis.moduli:
        x, digit = divmod(x, m)
        found.append(digit)
    return found
