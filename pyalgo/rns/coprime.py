"""Congruences of single integers of any size, and sets of moduli that fit a purpose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["InconsistentResidues", "crt", "is_pairwise_coprime", "mod_inverse"]


class InconsistentResidues(ValueError):  # noqa: N818 - says what is wrong, as the field does
    """Residues that no integer has."""


def crt(residues: Sequence[int], moduli: Sequence[int]) -> tuple[int, int]:
    """The least x >= 0 with x = residues[i] modulo every moduli[i], which need not be coprime, and their least common multiple.

    Parameters
    ----------
    residues : sequence of int
        Of any size; they are reduced.
    moduli : sequence of int
        Positive, as many.

    Raises
    ------
    InconsistentResidues
        (a ``ValueError``) If no integer has these residues: two moduli with a common factor that contradict each other.

    Notes
    -----
    One gcd a modulus. For arrays of residues modulo coprime words see `RnsBasis.decode`.

    Examples
    --------
    >>> crt([2, 3, 2], [3, 5, 7])      # Sun Tzu, about the year 300
    (23, 105)
    >>> crt([2, 8], [6, 9])
    (8, 18)
    >>> crt([1, 2], [4, 6])
    Traceback (most recent call last):
        ...
    pyalgo.rns.coprime.InconsistentResidues: no integer is 1 modulo 4 and 2 modulo 6: their common factor is 2
    """
    if len(residues) != len(moduli):
        raise ValueError(f"residues and moduli must be equally many, got {len(residues)} and {len(moduli)}")
    x, lcm = 0, 1
    for i, (residue, modulus) in enumerate(zip(residues, moduli, strict=True)):
        r, m = as_int(f"residues[{i}]", residue), as_int(f"moduli[{i}]", modulus)
        if m < 1:
            raise ValueError(f"moduli[{i}] must be positive, got {m}")
        common = math.gcd(lcm, m)
        if (r - x) % common:
            earlier = next(j for j in range(i) if (r - residues[j]) % math.gcd(m, moduli[j]))
            raise InconsistentResidues(
                f"no integer is {residues[earlier]} modulo {moduli[earlier]} and {r} modulo {m}: their common factor is "
                f"{math.gcd(m, moduli[earlier])}"
            )
        step = (r - x) // common * pow(lcm // common, -1, m // common) % (m // common) if m > common else 0
        x += lcm * step
        lcm *= m // common
    return x, lcm


def is_pairwise_coprime(moduli: Sequence[int]) -> bool:
    """Whether no two of the integers have a common factor.

    Examples
    --------
    >>> is_pairwise_coprime([251, 253, 255, 256]), is_pairwise_coprime([6, 35, 15])
    (True, False)
    """
    product = 1
    for i, modulus in enumerate(moduli):
        m = as_int(f"moduli[{i}]", modulus)
        if math.gcd(product, m) != 1:
            return False
        product *= m
    return True


def mod_inverse(a: int, m: int) -> int:
    """The x in [0, m) with a x = 1 modulo m.

    Raises
    ------
    ValueError
        If a and m have a common factor, which is named.

    Examples
    --------
    >>> mod_inverse(3, 7)
    5
    """
    a, m = as_int("a", a), as_int("m", m)
    if m < 1:
        raise ValueError(f"m must be positive, got {m}")
    if math.gcd(a, m) != 1:
        raise ValueError(f"{a} has no inverse modulo {m}: their common factor is {math.gcd(a, m)}")
    return pow(a, -1, m)


def as_int(name: str, value: object) -> int:
    """An integer, and nothing that could be rounded to one."""
    if type(value) is int:  # the usual case, in time
        return value
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    return int(value)


def within(name: str, value: object, low: int, high: int) -> int:
    """An integer from `low` to `high`."""
    number = as_int(name, value)
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {number}")
    return number


def is_prime(n: int) -> bool:
    """Miller and Rabin's test by the first twelve primes, which decides every n below 2^64 (Sorenson, Webster 2015)."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
    if n < 2 or any(n % p == 0 for p in bases):
        return n in bases
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in bases:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        if not any((x := x * x % n) == n - 1 for _ in range(twos - 1)):
            return False
    return True


def primes_below(limit: int, step: int) -> Iterator[int]:
    """Primes p = 1 modulo `step` below `limit`, the largest first."""
    p = (limit - 2) // step * step + 1
    while p > 1:
        if is_prime(p):
            yield p
        p -= step


def cheapest_cover(least_product: int, count: int, low: int, high: int) -> tuple[int, ...]:
    """`count` pairwise coprime integers from `low` to `high` of least sum whose product reaches `least_product`.

    Of equal sums the first in lexicographic order. Branch and bound over rising integers: what is missing to the product P with
    r integers to come takes a sum of r P^(1/r) or more, since the mean is no less than the geometric mean.
    """
    best: tuple[int, ...] = ()
    best_sum = count * high + 1

    def extend(chosen: tuple[int, ...], product: int, total: int) -> None:
        nonlocal best, best_sum
        left = count - len(chosen)
        if left == 0:
            if product >= least_product and total < best_sum:
                best, best_sum = chosen, total
            return
        for m in range(max(low, chosen[-1] + 1 if chosen else low), high + 1):
            if total + left * m + left * (left - 1) // 2 >= best_sum:  # the others are larger
                return
            if product * m * high ** (left - 1) < least_product or math.gcd(product, m) != 1:
                continue
            rest = least_product / (product * m)
            if left > 1 and total + m + (left - 1) * rest ** (1 / (left - 1)) * (1 - 1e-12) > best_sum:
                continue
            extend((*chosen, m), product * m, total + m)

    first = _some_cover(least_product, count, low, high)
    if first:  # a bound to start from; the search finds it again, or the first of its sum
        best, best_sum = first, sum(first) + 1
    extend((), 1, 0)
    return best


def _some_cover(least_product: int, count: int, low: int, high: int) -> tuple[int, ...]:
    """Coprime integers just above the smallest start from which they reach the product."""
    start = max(low, math.isqrt(int(least_product)) if count == 2 else round(least_product ** (1 / count)) - count)
    for begin in range(max(low, start), high + 1):
        chosen: list[int] = []
        product = 1
        for m in range(begin, high + 1):
            if math.gcd(product, m) == 1:
                chosen.append(m)
                product *= m
                if len(chosen) == count:
                    break
        if len(chosen) < count:
            return ()
        if product >= least_product:
            return tuple(chosen)
    return ()
