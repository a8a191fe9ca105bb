"""What else fills water: numpy, scipy, cvxpy, pyphysim (GPL: measured here, part of nothing), and two loops in C++."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_peers import compiled

POWER = 10.0


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not importlib.util.find_spec(module), reason=f"{module} is not installed")


def noise(n: int, rows: int, seed: int = 0) -> np.ndarray:
    """1 over exponentially distributed gains: Rayleigh fading."""
    return 1 / np.random.default_rng(seed).exponential(size=(rows, n))


def by_numpy(a: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sort and cumsum at its best: in place, and the level as the least mean, which spares the search for the last carrier."""
    s = np.sort(a, axis=-1)
    np.cumsum(s, axis=-1, out=s)
    s += POWER
    s /= counts
    return np.maximum(s.min(axis=-1)[:, np.newaxis] - a, 0.0)


def by_textbook(a: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sort and cumsum as it is written down: the last carrier that is below the mean of itself and those before it."""
    s = np.sort(a, axis=-1)
    levels = (np.cumsum(s, axis=-1) + POWER) / counts
    last = np.count_nonzero(levels > s, axis=-1) - 1
    return np.maximum(np.take_along_axis(levels, last[:, np.newaxis], -1) - a, 0.0)


def by_brentq(a: np.ndarray) -> np.ndarray:
    from scipy.optimize import brentq

    out = np.empty_like(a)
    for row, p in zip(a, out, strict=True):
        low = row.min()
        level = brentq(lambda mu, row=row: np.maximum(mu - row, 0.0).sum() - POWER, low, low + POWER, xtol=1e-12)
        np.maximum(level - row, 0.0, out=p)
    return out


def by_pyphysim(gains: np.ndarray) -> np.ndarray:
    from pyphysim.comm.waterfilling import doWF

    return np.asarray(doWF(gains, POWER)[0])


def cvxpy_problem(a: np.ndarray) -> Any:
    import cvxpy

    p = cvxpy.Variable(len(a), nonneg=True)
    return cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(cvxpy.log(1 + cvxpy.multiply(1 / a, p)))), [cvxpy.sum(p) <= POWER]), p


@functools.cache
def _library() -> ctypes.CDLL:
    loaded = compiled(Path(__file__).with_name("simd_newton.cpp"))
    array, size = ctypes.c_void_p, ctypes.c_int64
    loaded.newton_rows.argtypes = [array, size, size, ctypes.c_double, array, array, ctypes.c_int]
    loaded.sorted_rows.argtypes = [array, size, size, ctypes.c_double, array, array]
    return loaded


def by_hand(a: np.ndarray, out: np.ndarray, levels: np.ndarray, *, warm: bool = False) -> None:
    _library().newton_rows(a.ctypes.data, *a.shape, POWER, out.ctypes.data, levels.ctypes.data, int(warm))


def by_std_sort(a: np.ndarray, out: np.ndarray, levels: np.ndarray) -> None:
    _library().sorted_rows(a.ctypes.data, *a.shape, POWER, out.ctypes.data, levels.ctypes.data)
