"""What bandits with memory are by definition: tallies by recounting, planning by trying everything, elimination in 40 lines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence


def tally(plays: Sequence[int], weights: Sequence[Sequence[float]] | Sequence[float]) -> float:
    """y of the last play, counted anew."""
    arm = plays[-1]
    row = weights[arm] if hasattr(weights[0], "__len__") else weights
    return sum(w for age, w in enumerate(row) if age < len(plays) and plays[-1 - age] == arm)


def cost(plays: Sequence[int], weights: Sequence[float], h: Callable[[int, float], float]) -> float:
    return sum(h(plays[t], tally(plays[: t + 1], weights)) for t in range(len(plays)))


def optimum(arms: int, horizon: int, weights: Sequence[float], h: Callable[[int, float], float]) -> float:
    """The least cost of all sequences."""
    return min(cost(plays, weights, h) for plays in itertools.product(range(arms), repeat=horizon))


class Elimination:
    """Successive elimination over blocks: `arms()` yields the arm to play, and is sent its loss."""

    def __init__(self, K: int, M: int, T: int, delta: float, n0: int | None = None) -> None:  # noqa: N803 (the paper's)
        S = math.ceil(math.log2(T)) + 1  # noqa: N806
        self.L = math.log(2 * K * S / delta)
        self.n0 = max(math.ceil(2 * self.L), M) if n0 is None else n0
        self.K, self.M, self.T, self.S = K, M, T, S
        self.active = list(range(K))
        self.sums, self.epoch = [0.0] * K, 0

    def arms(self) -> Iterator[int]:
        last, run, N = None, 0, 0  # noqa: N806
        while len(self.active) > 1 and self.epoch < self.S:
            n = min(self.n0 * 2**self.epoch, self.T)
            N += n  # noqa: N806
            for arm in self.active:
                skip = self.M - run if arm == last else self.M
                for i in range(skip + n):
                    loss = yield arm
                    if i >= skip:
                        self.sums[arm] += loss
                last, run = arm, min(run + n if skip < self.M else n, self.M)
                run = self.M if skip + n >= self.M else run
            means = {arm: self.sums[arm] / N for arm in self.active}
            r = math.sqrt(self.L / (2 * N))
            best = min(means[arm] + r for arm in self.active)
            self.active = [arm for arm in reversed(self.active) if not means[arm] - r > best]
            self.epoch += 1
            if self.epoch == self.S:
                self.active.sort(key=lambda arm: means[arm])
        while True:
            yield self.active[0]
