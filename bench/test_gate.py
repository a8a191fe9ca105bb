"""The gate catches a slowdown of 20 %, and does not take noise for one."""

from __future__ import annotations

import pytest
from gate import compare, slope

WORK = 300_000


def busy(steps: int):
    def work() -> int:
        total = 0
        for i in range(steps):
            total += i * i
        return total

    return work


def test_a_planted_slowdown_is_caught_and_noise_is_not():
    # Halfway between equal and 20 % slower, as ratios: whatever passes here has room on both sides.
    bound = (1 / 1.2) ** 0.5
    for _ in range(3):
        assert compare(busy(WORK), busy(WORK)).median > bound
        assert compare(busy(int(1.2 * WORK)), busy(WORK)).median < bound


def test_slope_is_the_exponent():
    sizes = [1e3, 1e4, 1e5]
    assert slope(sizes, [7 * n**0.5 for n in sizes]) == pytest.approx(0.5)
    assert slope(sizes, [3.0, 3.0, 3.0]) == pytest.approx(0.0)
