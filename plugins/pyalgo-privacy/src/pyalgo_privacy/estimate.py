"""Estimated frequencies with their errors, and what may be done to them afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["POSTPROCESS", "FrequencyEstimate", "estimate_of"]


@dataclass(frozen=True)
class FrequencyEstimate:
    """The frequencies of all values, and how far off they may be.

    Attributes
    ----------
    freq : f64[k]
        Estimated shares of the users. Unbiased as they are, so single ones may be negative; after a postprocessing they
        are not, and biased.
    stderr : f64[k]
        Standard error of each unbiased estimate, of sampling the users and of the noise together.
    n : int
        Reports they rest on. Where they tell nothing, as without any, `freq` is NaN and `stderr` infinite.
    mse_predicted : float
        Mean of the squared standard errors.
    postprocess : str
        What was done to `freq`: ``"none"`` or one of `POSTPROCESS`.
    iterations : int
    residual : float
        Of the linear solver, where there was a system to solve; the residual is relative.
    protocol : str
        Name of the oracle.
    insecure : bool
        Whether the noise was seeded, so that it protects nobody.
    """

    freq: NDArray[np.float64]
    stderr: NDArray[np.float64]
    n: int
    mse_predicted: float
    postprocess: str = "none"
    iterations: int = 0
    residual: float = 0.0
    protocol: str = ""
    insecure: bool = False

    def interval(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of intervals that each hold the true frequency with probability `level`, by normal theory.

        Around unbiased estimates alone: a postprocessed one has no such interval, and is refused.
        Where only a handful of reports support a value, as with much budget and few users, they are somewhat too short.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, got {level!r}")
        if self.postprocess != "none":
            raise ValueError(f"intervals are around unbiased estimates: query without postprocess={self.postprocess!r}")
        reach = NormalDist().inv_cdf((1 + level) / 2) * self.stderr
        return self.freq - reach, self.freq + reach


def clip(freq: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative estimates become 0, those above 1 become 1; the sum is what it then is."""
    return np.clip(freq, 0, 1)


def clip_and_normalize(freq: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative estimates become 0, then all are divided by their sum (uniform where nothing is left)."""
    clipped = np.maximum(freq, 0)
    total = clipped.sum()
    return clipped / total if total > 0 else np.full_like(freq, 1 / len(freq))


def norm_sub(freq: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest frequencies: all at least 0, sum 1. One number is taken from all, and what falls below 0 becomes 0.

    This is the Euclidean projection onto the simplex, the constrained least squares estimate.
    """
    down = np.sort(freq)[::-1]
    excess = (np.cumsum(down) - 1) / np.arange(1, len(freq) + 1)
    last = np.flatnonzero(down > excess)[-1]
    return np.maximum(freq - excess[last], 0)


#: Names for ``query(postprocess=)``. ``"norm-sub"`` and ``"simplex"`` are two names of one projection; ``"ibu"`` is the
#: maximum-likelihood estimate by iterated Bayesian updates, for oracles whose reports have few possible values.
POSTPROCESS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "clip": clip,
    "clip-normalize": clip_and_normalize,
    "norm-sub": norm_sub,
    "simplex": norm_sub,
}


def postprocessed(name: str, freq: NDArray[np.float64]) -> NDArray[np.float64]:
    """`freq` after the postprocessing called `name`; NaN, where there are no reports, stays."""
    if name not in POSTPROCESS:
        raise ValueError(f"postprocess must be None, 'ibu' or one of {', '.join(map(repr, POSTPROCESS))}, got {name!r}")
    return freq if np.isnan(freq).any() else POSTPROCESS[name](freq)


def estimate_of(
    freq: NDArray[np.float64],
    stderr: NDArray[np.float64],
    n: int,
    postprocess: str | None,
    bayes_step: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    protocol: str,
    insecure: bool,
    iterations: int = 0,
    residual: float = 0.0,
) -> FrequencyEstimate:
    """What a server answers, after the postprocessing that was asked for; `bayes_step` as of `iterated_bayes`."""
    if postprocess == "ibu" and n:
        freq, iterations = iterated_bayes(bayes_step, len(freq))
    elif postprocess not in (None, "ibu"):
        freq = postprocessed(postprocess, freq)
    mse, done = float(np.mean(stderr**2)), postprocess or "none"
    return FrequencyEstimate(freq, stderr, n, mse, done, iterations, residual, protocol, insecure)


def iterated_bayes(
    step: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    k: int,
    *,
    tolerance: float = 1e-9,
    most: int = 10_000,
) -> tuple[NDArray[np.float64], int]:
    """Expectation maximisation from uniform frequencies until no one moves by more than `tolerance`; (freq, iterations).

    ElSalamouny, Palamidessi: "Generalized Iterative Bayesian Update and Applications to Mechanisms for Privacy
    Protection", EuroS&P 2020.
    """
    freq = np.full(k, 1 / k)
    for iteration in range(1, most + 1):
        following = step(freq)
        if np.abs(following - freq).max() <= tolerance:
            return following, iteration
        freq = following
    return freq, most
