"""What ALLOMFREE gains over the unary protocols on Nursery: the paper's experiment, without its data set.

Arcolezi et al. compare mean squared errors on census-like tables. Of these Nursery can be had without a download: eight of its
attributes are a full factorial design, and the ninth is known by its counts, so all marginals are exact, and an error depends
on marginals alone. Counts of reports are drawn in law: a user tells of an attribute with probability 1/d, and of all who have
a value a binomial number supports each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyalgo_privacy import LongitudinalOracle
from pyalgo_privacy.estimate import POSTPROCESS

USERS = 12_960
NURSERY = [np.full(k, USERS // k) for k in (3, 5, 4, 4, 3, 2, 3, 3)] + [np.array([2, 4266, 4320, 328, 4044])]
ADULT = [7, 16, 7, 14, 6, 5, 2, 41, 2]  # sizes of the domains
EPS_PERM = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
RATIOS = [0.3, 0.6]  # eps_first / eps_perm

#: Gains in per cent over L-SUE and L-OUE as published for Nursery: (ratio, eps_perm) -> the two.
PUBLISHED = {
    (0.3, 2.0): (17.2, 33.2),
    (0.3, 4.0): (41.2, 57.2),
    (0.6, 2.0): (27.5, 54.7),
    (0.6, 3.0): (40.6, 65.3),
    (0.6, 4.0): (42.2, 71.1),
}
METHODS: dict[str, dict[str, str]] = {
    "exact": {"protocol": "auto", "calibration": "exact"},
    "paper": {"protocol": "auto", "calibration": "paper"},
    "L-SUE": {"protocol": "L-SUE"},
    "L-OUE": {"protocol": "L-OUE"},
}


def supports(oracle: LongitudinalOracle, held: NDArray[Any], runs: int, rng: np.random.Generator) -> NDArray[Any]:
    """int[runs, k]: how many of the users, of whom held[run, v] have value v, support each value."""
    if oracle.chain.unary:
        others = held.sum(axis=1, keepdims=True) - held
        return rng.binomial(held, oracle.p) + rng.binomial(others, oracle.q)
    channel = oracle.channel()
    return sum(rng.multinomial(held[:, v], channel[v]) for v in range(oracle.k))


def errors(
    oracles: Sequence[LongitudinalOracle],
    data: Sequence[NDArray[Any]],
    runs: int,
    seed: int,
    postprocess: str | None,
) -> NDArray[np.float64]:
    """f64[runs]: squared errors, averaged over an attribute's values and then over the attributes."""
    rng = np.random.default_rng(seed)
    total = np.zeros(runs)
    for oracle, counts in zip(oracles, data, strict=True):
        held = rng.binomial(np.broadcast_to(counts, (runs, len(counts))), 1 / len(data))
        share = supports(oracle, held, runs, rng) / held.sum(axis=1, keepdims=True)
        freq = (share - oracle.q) / (oracle.p - oracle.q)
        if postprocess is not None:
            freq = np.array([POSTPROCESS[postprocess](row) for row in freq])
        total += ((freq - counts / counts.sum()) ** 2).mean(axis=1)
    return total / len(data)


def predicted(oracles: Sequence[LongitudinalOracle], data: Sequence[NDArray[Any]]) -> float:
    """The mean of `errors` without postprocessing, by `LongitudinalOracle.variance`.

    That is of users drawn anew; here they are drawn from a table without replacement, which takes f (1 - f) / n off.
    """
    d = len(data)
    means = []
    for oracle, counts in zip(oracles, data, strict=True):
        n, f = counts.sum(), counts / counts.sum()
        per_report = 1 / (n / d) * (1 + (1 - 1 / d) / (n / d))  # the mean of 1 / n_r, n_r binomial
        means.append((oracle.variance(f, 1) * per_report - f * (1 - f) / n).mean())
    return float(np.mean(means))


def oracles_of(method: str, data: Sequence[NDArray[Any]], eps_perm: float, ratio: float) -> list[LongitudinalOracle]:
    return [LongitudinalOracle(len(counts), eps_perm, ratio * eps_perm, **METHODS[method]) for counts in data]


def gains(runs: int, postprocess: str | None, seed: int = 0) -> dict[str, Any]:
    """Per cent of the error that ALLOMFREE saves, by calibration, ratio, peer and eps_perm; and as the variances predict."""
    found: dict[str, Any] = {"eps_perm": EPS_PERM}
    for ratio in RATIOS:
        rows = []
        for at, eps_perm in enumerate(EPS_PERM):
            oracles = {method: oracles_of(method, NURSERY, eps_perm, ratio) for method in METHODS}
            rows.append(
                {
                    method: (errors(of, NURSERY, runs, 97 * seed + at, postprocess).mean(), predicted(of, NURSERY))
                    for method, of in oracles.items()
                }
            )
        for calibration in ("exact", "paper"):
            for peer in ("L-SUE", "L-OUE"):
                found[f"{calibration}/{ratio}/{peer}"] = {
                    "measured": [100 * (1 - row[calibration][0] / row[peer][0]) for row in rows],
                    "predicted": [100 * (1 - row[calibration][1] / row[peer][1]) for row in rows],
                }
    return found


def coverage(k: int, eps_perm: float, eps_first: float, n: int, trials: int, seed: int = 0) -> dict[str, Any]:
    """The share of 95 % intervals that hold the true frequency, of all values and of the worst one; Zipf frequencies."""
    rng = np.random.default_rng(seed)
    oracle = LongitudinalOracle(k, eps_perm, eps_first)
    f = 1 / np.arange(1, k + 1)
    f /= f.sum()
    share = supports(oracle, rng.multinomial(n, f, trials), trials, rng) / n
    freq = (share - oracle.q) / (oracle.p - oracle.q)
    reach = 1.959964 * np.sqrt(oracle.variance(freq.clip(0, 1), n))
    held = (np.abs(freq - f) <= reach).mean(axis=0)
    return {
        "k": k,
        "eps_perm": eps_perm,
        "eps_first": eps_first,
        "n": n,
        "protocol": oracle.protocol,
        "mean": float(held.mean()),
        "worst": float(held.min()),
    }
