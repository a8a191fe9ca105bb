"""What this machine is like: its vector units, and how far the cost model's predictions are from what it does."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from pyalgo import _core
from pyalgo.hamming.plan import METHODS, HammingPlan

__all__ = ["calibrate", "cpu_features", "use_calibration"]

_FORMAT = 1
_TRIED = 2**18  # symbols
# What each method is timed on: (letters, pattern length), where it is or may be chosen.
_CASES = {
    "compare": ((4, 16), (4, 64)),
    "bitslice": ((4, 256), (4, 1024)),
    "ntt": ((4, 1024), (4, 8192)),
    "fft": ((4, 1024),),
    "split": ((64, 1024), (200, 4096)),
    "periodic": ((4, 16),),
    "sumset": ((64, 1024),),
}


def cpu_features() -> dict[str, bool | str]:
    """Which vector units the kernels can use here, and under ``"isa"`` the level in force (see ``PYALGO_ISA``).

    Examples
    --------
    >>> cpu_features()["generic"]
    True
    """
    levels = ("generic", "neon", "avx2", "avx512")
    detected = _core.detected_isa()
    below = {"avx512": ("generic", "avx2", "avx512"), "avx2": ("generic", "avx2")}.get(detected, ("generic", detected))
    return {**{level: level in below for level in levels}, "isa": _core.active_isa()}


def calibrate(*, save: bool = True) -> dict[str, float]:
    """Time every method here for a moment (under 2 s in all) and correct the predictions by which ``"auto"`` chooses.

    No result changes by it. The correction holds for this process and, with `save`, is kept in the user's cache folder, from
    where later processes of the same version on the same kind of machine take it.

    Returns
    -------
    dict
        How many times longer than predicted each method takes.
    """
    _core.set_cost_factors([1.0] * len(METHODS))
    factors = dict.fromkeys(METHODS, 1.0)
    for method, cases in _CASES.items():
        ratios = [_measured_over_predicted(method, letters, length) for letters, length in cases]
        factors[method] = float(np.exp(np.mean(np.log(ratios))))
    factors["auto"] = factors["bitslice"]  # the bounded search, which stands on the same planes
    _core.set_cost_factors([factors[method] for method in METHODS])
    if save:
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that no reader ever sees half a file.
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({**_kind(), "factors": factors}))
        draft.replace(path)
    return factors


def _measured_over_predicted(method: str, letters: int, length: int) -> float:
    rng = np.random.default_rng(0)
    symbols = _TRIED if method not in ("fft", "sumset", "periodic") else _TRIED // 16
    text = rng.integers(0, letters, symbols).astype(np.uint8)
    plan = HammingPlan([rng.integers(0, letters, length).astype(np.uint8)], method=method)
    predicted = next(entry.ns for entry in plan.explain(symbols, sample=text) if entry.method == method)
    seconds = []
    for _ in range(4):
        begin = time.perf_counter()
        plan.distances(text)
        seconds.append(time.perf_counter() - begin)
    return 1e9 * min(seconds[1:]) / (symbols - length + 1) / predicted


def use_calibration() -> None:
    """Take what an earlier `calibrate` found, if it was on this kind of machine."""
    try:
        saved = json.loads(_path().read_text())
        factors = [float(saved["factors"][method]) for method in METHODS]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if {name: saved.get(name) for name in _kind()} == _kind() and all(1e-3 < factor < 1e3 for factor in factors):
        _core.set_cost_factors(factors)


def _kind() -> dict[str, str | int]:
    """What must agree for a correction to hold."""
    return {"format": _FORMAT, "version": _core.__version__, "isa": _core.active_isa(), "machine": platform.machine()}


def _path() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "pyalgo" / "hamming-costs.json"
