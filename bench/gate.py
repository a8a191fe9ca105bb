"""Verdicts on speed that a noisy machine does not change: ratios against a peer, and slopes.

Two things are timed in turn, A B B A, in one process and by CPU time, so that what slows the machine slows both. The
median over the pairs is the figure; a gate is a bound on it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

GATE = 0.5  # of the target: what a noisy machine with two cores meets, and half the speed does not


@dataclass(frozen=True)
class Ratio:
    """How many times faster ours is than the peer: the median of the pairs, and their range."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f}x ({self.low:.2f} to {self.high:.2f})"


def cpu_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time_ns()
    work()
    return (time.process_time_ns() - begin) / 1e9


def compare(ours: Callable[[], object], peer: Callable[[], object], *, pairs: int = 9) -> Ratio:
    """Time the two in turn, after one unmeasured call of each; ratios above 1 are in our favour."""
    ours()
    peer()
    ratios = []
    for i in range(pairs):
        if i % 2 == 0:
            mine, theirs = cpu_seconds(ours), cpu_seconds(peer)
        else:
            theirs, mine = cpu_seconds(peer), cpu_seconds(ours)
        ratios.append(theirs / mine)
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def laps(works: Sequence[Callable[[], object]], *, rounds: int = 5) -> np.ndarray:
    """CPU seconds by round and work, the works in turn, after one unmeasured call of each; every other round runs backwards."""
    for work in works:
        work()
    seconds = np.empty((rounds, len(works)))
    for i in range(rounds):
        for j in range(len(works)) if i % 2 == 0 else reversed(range(len(works))):
            seconds[i, j] = cpu_seconds(works[j])
    return seconds


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent a of the power law cost = c * size^a that fits best on log-log axes."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


class Verdict:
    """Several figures of one claim: each as text, whether it meets its target, and whether it passes the gate."""

    def __init__(self, label: str) -> None:
        self.label, self.texts, self.met, self.failed = label, [], True, []

    def at_least(self, label: str, value: float, target: float, *, gate: float | None = None, unit: str = "x") -> None:
        self._add(
            label, value, unit, value >= target, value >= (GATE * target if gate is None else gate), f">= {target:.3g}"
        )

    def at_most(self, label: str, value: float, target: float, *, gate: float | None = None, unit: str = "x") -> None:
        self._add(
            label, value, unit, value <= target, value <= (target / GATE if gate is None else gate), f"<= {target:.3g}"
        )

    def _add(self, label, value, unit, met, passes, bound) -> None:
        self.texts.append(f"{label} {value:.3g}{unit}" + ("" if met else f" (target {bound})"))
        print(f"  {label}: {value:.3g}{unit}, target {bound}{unit}", flush=True)
        self.met &= met
        if not passes:
            self.failed.append(self.texts[-1])

    def close(self, figure, number: str) -> None:
        figure(number, f"{self.label}: " + ", ".join(self.texts), met=self.met)
        assert not self.failed, "; ".join(self.failed)
