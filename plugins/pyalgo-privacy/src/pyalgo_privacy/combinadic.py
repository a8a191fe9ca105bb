"""Subsets as numbers: the combinatorial number system, in which every omega-subset of [m] is one number below C(m, omega).

A subset c_1 < ... < c_omega has the rank C(c_1, 1) + ... + C(c_omega, omega), so that a subset takes exactly
ceil(log2 C(m, omega)) bits. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from pyalgo_privacy.errors import InvalidReport

__all__ = ["rank", "subset_bits", "unrank"]


@lru_cache(maxsize=4096)
def subset_bits(m: int, omega: int) -> int:
    """ceil(log2 C(m, omega)).

    From log-gamma, whose error is below 1e-12 of m log2 m bits; where that leaves a doubt, from the exact number.
    """
    natural = math.lgamma(m + 1) - math.lgamma(omega + 1) - math.lgamma(m - omega + 1)
    bits, doubt = natural / math.log(2), 1e-6 + 1e-12 * m * math.log2(m + 1)
    if math.ceil(bits - doubt) == math.ceil(bits + doubt):
        return math.ceil(bits)
    return (math.comb(m, omega) - 1).bit_length()


def rank(subset: Sequence[int]) -> int:
    """The rank of a sorted subset; one long multiplication and division an element."""
    total, at, taken, binomial = 0, 0, 0, 1  # binomial = C(at, taken)
    for element in subset:
        # C(element, taken + 1) from C(at, taken): the gap's factors at once, which are small against the binomial
        if element <= taken:
            at, taken, binomial = element, taken + 1, 0  # C(c, i) = 0 where c < i
            continue
        if binomial == 0:
            at, taken, binomial = element, taken + 1, math.comb(element, taken + 1)
        else:
            top = math.prod(range(at + 1, element + 1))
            bottom = math.prod(range(at - taken + 1, element - taken + 1))
            binomial = binomial * (top * (element - taken)) // (bottom * (taken + 1))
            at, taken = element, taken + 1
        total += binomial
    return total


def unrank(number: int, m: int, omega: int) -> list[int]:
    """The sorted omega-subset of [m] whose rank is `number`; `InvalidReport` if there is none."""
    subset: list[int] = []
    left, binomial = omega, math.comb(m, omega)
    if not 0 <= number < binomial:
        raise InvalidReport(f"a subset of {omega} out of {m} has a rank below C({m}, {omega}), got {number}")
    for element in range(m - 1, -1, -1):  # binomial = C(element + 1, left)
        if left == 0:
            break
        below = binomial * (element + 1 - left) // (element + 1)
        if number >= below:
            number -= below
            subset.append(element)
            binomial, left = binomial - below, left - 1
        else:
            binomial = below
    return subset[::-1]
