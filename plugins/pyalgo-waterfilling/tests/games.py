"""Random games of a given spectral radius."""

from __future__ import annotations

import numpy as np
from pyalgo_waterfilling.game import InterferenceGame


def scaled(gains: np.ndarray, usable: np.ndarray, rho: float) -> np.ndarray:
    """`gains` with the interference scaled so that the coupling matrix has spectral radius `rho` (by numpy's eigenvalues)."""
    q = len(gains)
    own = gains[np.arange(q), np.arange(q)]
    both = usable[:, np.newaxis] & usable[np.newaxis]
    s = np.where(both, gains / own[:, np.newaxis], 0.0).max(axis=2)
    np.fill_diagonal(s, 0.0)
    radius = float(np.abs(np.linalg.eigvals(s)).max())
    factor = np.full((q, q, 1), rho / radius if radius > 1e-12 else 1.0)
    factor[np.arange(q), np.arange(q)] = 1.0
    return gains * factor


def flat(rho: float, *, q: int = 4, n: int = 16, seed: int = 0, symmetric: bool = True) -> InterferenceGame:
    """The same gains on all carriers; without symmetry they say nothing of how users may take turns."""
    rng = np.random.default_rng(seed)
    s = rng.random((q, q))
    s = s + s.T if symmetric else s
    np.fill_diagonal(s, 1.0)
    gains = scaled(np.repeat(s[:, :, np.newaxis], n, axis=2), np.ones((q, n), bool), rho)
    return InterferenceGame(gains, rng.uniform(0.1, 1, (q, n)), np.full(q, 10.0))


def random_game(seed: int, *, rho: float | None = None) -> InterferenceGame:
    """Flat or Rayleigh fading, 2 to 20 users, masks or none, powers over two orders of magnitude."""
    rng = np.random.default_rng(seed)
    q, n = int(rng.integers(2, 21)), int(rng.integers(2, 40))
    gains = (
        rng.exponential(size=(q, q, n)) if rng.random() < 0.5 else np.repeat(rng.random((q, q, 1)) + 0.01, n, axis=2)
    )
    gains[rng.random((q, q)) < 0.1] = 0.0  # some do not hear each other at all
    gains[np.arange(q), np.arange(q)] = rng.uniform(0.5, 2, (q, n))
    usable = np.ones((q, n), bool)
    mask = None
    kind = rng.integers(3)
    if kind == 1:
        usable = rng.random((q, n)) < 0.7
        usable[np.arange(q), rng.integers(n, size=q)] = True
        mask = usable
    elif kind == 2:
        mask = rng.choice([0.5, 2.0, np.inf], (q, n))
    gains = scaled(gains, usable, float(rng.uniform(0.05, 1.3)) if rho is None else rho)
    return InterferenceGame(gains, rng.uniform(0.05, 1, (q, n)), 10 ** rng.uniform(-1, 1, q), mask=mask)
