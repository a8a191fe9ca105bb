"""Whether ``method="auto"`` picks what is fastest: 300 problems, each solved by every method that could be (spec: hamming.11).

Without k it is the method chosen that is compared with the best; with k it is the search as it stands, which has an engine
that no method names, against counting by any method and looking for what is at most k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from gate import cpu_seconds

from pyalgo.hamming import explain, find_k_mismatch, hamming_distances

CASES = 300
SIZES = (100_000, 250_000, 1_000_000)
LENGTHS = tuple(round(8 * 2 ** (i / 2)) for i in range(27))  # 8 to 65536, two an octave
ALPHABETS = (2, 4, 20, 64, 256, 5000)
BOUNDS = (None, 4, 32)  # k
COSTLY = 25e6  # ns: problems that take longer even by the best method would take the whole time for themselves
HOPELESS = 6.0  # methods predicted to be so many times slower than the best are not run


@dataclass(frozen=True)
class Problem:
    n: int
    m: int
    letters: int
    k: int | None

    def instance(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        dtype = np.uint8 if self.letters <= 256 else np.uint16
        text = rng.integers(0, self.letters, self.n, dtype=dtype)
        return text, rng.integers(0, self.letters, self.m, dtype=dtype)

    def affordable(self) -> bool:
        by_compare, by_letters, by_split = self.m / 40, 2 + 1.5 * self.letters, self.m**0.5
        fits = self.n >= 2 * self.m and (self.k is None or self.k <= self.m // 4)
        return fits and self.n * min(by_compare, by_letters, by_split) <= COSTLY


def problems() -> Iterator[Problem]:
    grid = [Problem(n, m, letters, k) for n in SIZES for m in LENGTHS for letters in ALPHABETS for k in BOUNDS]
    affordable = [problem for problem in grid if problem.affordable()]
    for i in np.sort(np.random.default_rng(11).choice(len(affordable), CASES, replace=False)):
        yield affordable[i]


@dataclass(frozen=True)
class Outcome:
    regret: float  # the time of what is chosen over that of the best
    surcharge: float  # the time of auto over that of the method which it takes, run by name; 1 with k
    taken: str
    story: str


def solve(problem: Problem, seed: int) -> Outcome:
    text, pattern = problem.instance(seed)
    out = np.empty(problem.n - problem.m + 1, np.int32)
    ranking = explain(text, pattern)
    predicted = {entry.method: entry.ns for entry in ranking if entry.ns <= HOPELESS * ranking[0].ns}

    def run(name: str) -> object:
        if problem.k is None:
            return hamming_distances(text, pattern, method=name, out=out)
        if name == "auto":
            return find_k_mismatch(text, pattern, problem.k)
        positions = np.flatnonzero(hamming_distances(text, pattern, method=name, out=out) <= problem.k)
        return positions, out[positions]

    # The first run warms up, and shows which are out of the running; the others take turns.
    seconds = {name: cpu_seconds(lambda name=name: run(name)) for name in ["auto", *predicted]}
    taken = "auto" if problem.k is not None else ranking[0].method
    near = [name for name in seconds if name in ("auto", taken) or seconds[name] <= 2.5 * min(seconds.values())]
    for _ in range(3 if max(seconds[name] for name in near) > 2e-3 else 9):
        for name in near:
            seconds[name] = min(seconds[name], cpu_seconds(lambda name=name: run(name)))
    best = min(predicted, key=seconds.__getitem__)
    each = {
        name: f"{name} {ns:.2f} predicted, {seconds[name] / problem.n * 1e9:.2f} taken"
        for name, ns in predicted.items()
    }
    story = f"{problem}: auto {seconds['auto'] / problem.n * 1e9:.2f}; {', '.join(each.values())}"
    return Outcome(seconds[taken] / seconds[best], seconds["auto"] / seconds[taken], taken, story)


@pytest.mark.claim("hamming.11")
def test_auto_is_near_the_best(figure):
    outcomes = []
    for seed, problem in enumerate(problems()):
        outcome = solve(problem, seed)
        if outcome.regret > 1.25:  # a disturbance does not strike twice
            outcome = min(outcome, solve(problem, seed), key=lambda outcome: outcome.regret)
        outcomes.append(outcome)
        if outcome.regret > 1.25:
            print(f"{outcome.regret:.2f}x: {outcome.story}")
    regrets = np.array([outcome.regret for outcome in outcomes])
    near, worst = float(np.mean(regrets <= 1.25)), float(regrets.max())
    surcharge = float(np.median([outcome.surcharge for outcome in outcomes if outcome.taken != "auto"]))
    picks = Counter(outcome.taken for outcome in outcomes if outcome.taken != "auto").most_common()
    text = f"{100 * near:.0f} % within 1.25x, the worst {worst:.2f}x; choosing costs {100 * (surcharge - 1):.0f} % (median)"
    figure(
        "hamming.11",
        f"{text}; chosen: {', '.join(f'{n} times {name}' for name, n in picks)}",
        met=near >= 0.9 and worst <= 2.0,
    )
    assert len(outcomes) == CASES
    assert near >= 0.8
    assert worst <= 3.0
    assert surcharge <= 1.25
