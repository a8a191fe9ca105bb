"""Distances within a factor of 1 +- eps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo.hamming.plan import HammingPlan, read_count

__all__ = ["ApproxDistances", "approx_hamming_distances"]

_METHODS = ("auto", "sample", "project")


@dataclass(frozen=True)
class ApproxDistances:
    """Values within (1 - eps) d and (1 + eps) d of the distances d, all at once with probability 1 - delta.

    Attributes
    ----------
    values : float64 array of shape (n - m + 1,)
    exact_mask : bool array of the same shape
        Where the value is the distance itself.
    eps, delta : float
    method : str
        What was used: ``"exact"`` (all values are distances), ``"sample"`` or ``"project"``.
    """

    values: NDArray[np.float64]
    exact_mask: NDArray[np.bool_]
    eps: float
    delta: float
    method: str


def approx_hamming_distances(
    text: Any,
    pattern: Any,
    *,
    eps: float,
    delta: float = 1e-6,
    wildcard: Any = None,
    method: str = "auto",
    seed: int = 0,
) -> ApproxDistances:
    """Distances within a factor of 1 +- eps, for every alignment at once with probability 1 - delta.

    Parameters
    ----------
    text, pattern, wildcard
        As for `hamming_distances`.
    eps, delta : float
        Between 0 and 1.
    method : {"auto", "sample", "project"}
        ``"sample"`` counts at a random sample of the places until a Chernoff bound settles an alignment, the rest exactly.
        ``"project"`` (Kopelowitz and Porat, SOSA 2018) hashes the letters to O(1 / eps) buckets, takes the maximum over rounds
        and never exceeds the distance. ``"auto"`` counts exactly where that is cheaper, which for up to some 20 letters it is.
    seed : int
        Equal seeds give equal bytes, on every machine.

    Notes
    -----
    A distance of 0 is reported as exactly 0. The algorithm of Chan, Jin, Vassilevska Williams and Xu in O~(n / eps^0.93) rests
    on fast matrix multiplication and is not built: its constants are beyond any real input.

    Examples
    --------
    >>> found = approx_hamming_distances(b"abab" * 500, b"ab" * 200, eps=0.2)
    >>> found.method, found.values[:3].tolist()
    ('exact', [0.0, 400.0, 0.0])
    """
    for name, value in (("eps", eps), ("delta", delta)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value!r}")
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
    plan = HammingPlan([pattern], wildcard=wildcard)
    values, exact, used = plan._core.approximate(
        plan._read_text(text), float(eps), float(delta), method, read_count("seed", seed) or 0
    )
    return ApproxDistances(values, exact, float(eps), float(delta), used)
