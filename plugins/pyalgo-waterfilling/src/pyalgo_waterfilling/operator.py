"""Water-filling: the power that a transmitter gives to each of its carriers."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo_waterfilling import breakpoints, newton

__all__ = ["METHODS", "WaterfillResult", "waterfill"]

METHODS = ("auto", "newton", "sort", "quickselect", "condat")
LEAST_POWER = 1e-290  # below it shares of the power are no longer normal numbers
_DOUBLE = np.dtype(np.float64)
ROWS = 1024  # rows of one task, whatever the number of threads: a row starts where the one before ended


class WaterfillResult(NamedTuple):
    """Powers and what they stand on.

    Attributes
    ----------
    power : array (..., N)
        ``(level * weights - noise)+``, at most `mask`, in the dtype of `noise`.
    level : float or array (...)
        The water level; infinite where the mask takes less than all the power.
    n_active : int or array (...)
        Carriers that get power.
    iterations : int or array (...)
        Passes over the row, or steps behind the search among breakpoints.
    """

    power: Any
    level: Any
    n_active: Any
    iterations: Any


def waterfill(
    noise: Any,
    power: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    active: ArrayLike | None = None,
    method: str = "auto",
    axis: int = -1,
    level0: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    threads: int = 1,
) -> WaterfillResult:
    """Maximise ``sum(weights * log(1 + p / noise))`` over ``0 <= p <= mask`` with ``sum(p) <= power``.

    The same p is the Euclidean projection of ``-noise`` onto the simplex of size `power`.

    Guarantee: the active set is exact, ``p`` sums to `power` within 4 ulp of ``sqrt(N)``, and ``p + noise`` is the level
    within 4 ulp on carriers with power, at any scale of `noise` and `power`. All methods give the same answer to 4 ulp.

    Parameters
    ----------
    noise : array (..., N) of float32 or float64, or torch tensor
        Noise over gain of each carrier, linear (W), positive. Leading axes are independent problems. A torch tensor gives
        tensors that can be differentiated.
    power : float or array (...)
        Budget, at least 0 (W).
    weights : array, optional
        Positive; broadcast against `noise`.
    mask : array, optional
        Upper bounds of the powers, at least 0, infinity for none; broadcast.
    active : bool array, optional
        Carriers that may be used; the noise of others is not looked at. Broadcast.
    method : {"auto", "newton", "sort", "quickselect", "condat"}
        `newton`: vectorised passes, 2 to 5 of them. `sort`: O(N log N). `quickselect`: expected O(N). `condat`: O(N) observed.
        `auto` is `newton`, and `quickselect` with a mask. `newton` takes no mask, `condat` neither mask nor weights.
    axis : int
        The axis of carriers.
    level0 : float or array (...), optional
        Where `newton` starts: the level of a similar problem saves about half the time. The answer does not depend on it.
    out : array, optional
        Takes the powers: C-contiguous, of the shape and dtype of `noise`.
    threads : int
        Threads that share the leading axes; the result is the same for any number.

    Complexity
    ----------
    O(N) a pass. Rows of a batch start from their neighbour's level, so the last bit of a row may depend on its batch.

    Examples
    --------
    >>> waterfill([1.0, 4.0, 6.0, 3.0], 10.0).power
    array([5., 2., 0., 3.])
    """
    bare = weights is None and mask is None and active is None and axis == -1 and threads == 1
    if bare and type(power) is float and type(noise) is np.ndarray:
        # What has to be fast, in the order of what is asked least: a call on 64 carriers is spent on questions like these.
        small = noise.ndim == 1 and level0 is None and out is None and method == "auto" and noise.dtype is _DOUBLE
        if small and noise.flags.carray and noise.size and (LEAST_POWER <= power < math.inf or power == 0.0):
            p = np.empty(noise.size)
            level, n_active, passes = newton.solve_row(noise, power, 0.0, p)
            if level > 0.0:
                return tuple.__new__(WaterfillResult, (p, level, n_active, passes))
        elif (found := _batch(noise, power, method, level0, out)) is not None:
            return found
    if type(noise).__module__ == "torch":
        from pyalgo_waterfilling.differentiable import waterfill_tensor

        _refuse_for_tensors(weights=weights, mask=mask, active=active, level0=level0, out=out, method=method)
        return waterfill_tensor(noise, power, axis=axis)
    return _general(noise, power, weights, mask, active, method, axis, level0, out, threads)


def _batch(noise: Any, power: float, method: str, level0: Any, out: Any) -> WaterfillResult | None:
    """Rows of float64 as they are, one budget. None where anything else is to be looked at."""
    shape = noise.shape
    if len(shape) != 2 or not 0 < shape[0] <= ROWS or shape[1] == 0 or method not in ("auto", "newton"):
        return None
    if noise.dtype is not _DOUBLE or not noise.flags.carray or not (power == 0.0 or LEAST_POWER <= power < math.inf):
        return None
    rows = shape[0]
    if level0 is None:
        start = np.zeros(rows)
    elif type(level0) is np.ndarray and level0.dtype is _DOUBLE and level0.shape == (rows,) and level0.flags.carray:
        start = level0
        if np.isnan(start.sum()) and np.isnan(start).any():
            return None
    else:
        return None
    p = np.empty_like(noise) if out is None else _output(out, noise, -1)
    level, n_active, rounds = np.empty(rows), np.empty(rows, np.int64), np.empty(rows, np.int64)
    bad = newton.solve_rows(noise, np.full(rows, power), start, p, level, n_active, rounds)
    return WaterfillResult(p, level, n_active, rounds) if bad < 0 else None


def _general(
    noise: Any,
    power: Any,
    weights: Any,
    mask: Any,
    active: Any,
    method: str,
    axis: int,
    level0: Any,
    out: Any,
    threads: int,
) -> WaterfillResult:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    a = np.moveaxis(as_float("noise", noise, at_least=1), axis, -1)
    if a.shape[-1] == 0:
        raise ValueError(f"noise must have at least one carrier, got shape {np.shape(noise)}")
    budget = _budget(power, a.shape[:-1])
    bounded = mask is not None or active is not None
    if method == "auto":
        method = "quickselect" if bounded else "newton"
    if bounded and method in ("newton", "condat"):
        raise ValueError(f"method {method!r} takes no mask and no active: use 'quickselect', 'sort' or 'auto'")
    if weights is not None and method == "condat":
        raise ValueError("method 'condat' takes no weights: use 'newton', 'quickselect', 'sort' or 'auto'")
    p = _output(out, a, axis)
    rows = np.require(a, np.float64, ["C", "W"]).reshape(
        -1, a.shape[-1]
    )  # of read-only arrays numba would compile all anew
    level, n_active, rounds = np.empty(len(rows)), np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    found = p.reshape(rows.shape) if p.dtype == np.float64 else np.empty(rows.shape)
    if method == "newton" and weights is None:
        start = _start(level0, a.shape[:-1]).reshape(-1)
        _by_newton(rows, budget.reshape(-1), start, found, level, n_active, rounds, threads, a.shape)
    else:
        problem = _bounded(a, weights, mask, active)
        code = {"sort": 0, "quickselect": 1, "newton": 2, "condat": 3}[method]

        def solve(i: slice) -> None:
            breakpoints.solve_rows(
                *(x[i] for x in problem), budget.reshape(-1)[i], code, found[i], level[i], n_active[i], rounds[i]
            )

        _shared(solve, len(rows), threads)
    if p.dtype != np.float64:
        p[...] = found.reshape(p.shape)
    shape = a.shape[:-1]
    p = p if p is out else np.moveaxis(p, -1, axis)
    if not shape:
        return WaterfillResult(p, float(level[0]), int(n_active[0]), int(rounds[0]))
    return WaterfillResult(p, level.reshape(shape), n_active.reshape(shape), rounds.reshape(shape))


def _by_newton(
    rows: Any, budget: Any, start: Any, target: Any, level: Any, n_active: Any, rounds: Any, threads: int, shape: Any
) -> None:
    bad: list[int] = []

    def solve(i: slice) -> None:
        row = newton.solve_rows(rows[i], budget[i], start[i], target[i], level[i], n_active[i], rounds[i])
        if row >= 0:
            bad.append(i.start + row)

    _shared(solve, len(rows), threads)
    if bad:
        _refuse_noise(rows.reshape(shape))
        place = np.unravel_index(min(bad), shape[:-1])
        raise ValueError(f"noise{_at(place)} sums to more than the largest float: give it in another unit")


def _shared(solve: Any, rows: int, threads: int) -> None:
    parts = [slice(i, min(i + ROWS, rows)) for i in range(0, rows, ROWS)]
    if threads == 1 or len(parts) == 1:
        for part in parts:
            solve(part)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve, parts))


def _bounded(a: Any, weights: Any, mask: Any, active: Any) -> tuple[Any, Any, Any]:
    """Noise, weights and masks of all rows; a carrier that may not be used has a mask of 0 and a noise of 1."""
    usable = np.ones(a.shape, bool)
    if active is not None:
        usable &= np.broadcast_to(_of_bools("active", active), a.shape)
    cap = np.full(a.shape, np.inf)
    if mask is not None:
        cap[...] = _fits("mask", mask, a.shape)
        refuse("mask", cap, ~(cap >= 0), "at least 0")
    usable &= cap > 0
    _refuse_noise(np.where(usable, a, 1.0))
    weight = np.ones(a.shape)
    if weights is not None:
        weight[...] = _fits("weights", weights, a.shape)
        refuse("weights", weight, usable & ~((weight > 0) & (weight < np.inf)), "positive and finite")
        weight[~usable] = 1.0
    n = a.shape[-1]
    values = np.where(usable, a, 1.0), weight, np.where(usable, cap, 0.0)
    return tuple(np.ascontiguousarray(x, dtype=np.float64).reshape(-1, n) for x in values)  # type: ignore[return-value]


# --- What is handed in


def as_float(name: str, value: Any, *, at_least: int = 0) -> NDArray[Any]:
    """`value` as float64, or float32 if it is that, of `at_least` so many dimensions."""
    array = np.asarray(value)
    if array.dtype not in (np.float32, np.float64):
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
        array = array.astype(np.float64)
    if array.ndim < at_least:
        raise ValueError(f"{name} must have {at_least} or more dimensions, got shape {array.shape}")
    return array


def refuse(name: str, values: Any, wrong: Any, allowed: str) -> None:
    """The error for the first value that is wrong, with its place."""
    if wrong.any():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), np.shape(wrong)))
        value = float(np.broadcast_to(values, np.shape(wrong))[place])
        raise ValueError(f"{name}{_at(place)} must be {allowed}, got {value!r}")


def _at(place: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(i)) for i in place)}]" if len(place) else ""


def _refuse_noise(a: Any) -> None:
    refuse("noise", a, ~((a > 0) & (a < np.inf)), "positive and finite")


def _fits(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    array = as_float(name, value)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{name} of shape {array.shape} does not fit {shape}") from None


def _of_bools(name: str, value: Any) -> NDArray[np.bool_]:
    array = np.asarray(value)
    if array.dtype != np.bool_:
        raise TypeError(f"{name} must be true or false, got dtype {array.dtype}")
    return array


def _budget(power: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    budget = np.array(_fits("power", power, shape), dtype=np.float64, order="C")
    bad = ~((budget == 0) | ((budget >= LEAST_POWER) & (budget < np.inf)))
    refuse("power", budget, bad, f"0, or finite and at least {LEAST_POWER:g}")
    return budget


def _start(level0: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    if level0 is None:
        return np.zeros(shape)
    start = np.array(_fits("level0", level0, shape), dtype=np.float64, order="C")
    refuse("level0", start, np.isnan(start), "a number")
    return start


def _output(out: Any, a: Any, axis: int) -> NDArray[Any]:
    if out is None:
        return np.empty(a.shape, a.dtype)
    if axis not in (-1, a.ndim - 1):
        raise ValueError(f"out needs the carriers on the last axis, got axis {axis}")
    if not isinstance(out, np.ndarray) or out.shape != a.shape or out.dtype != a.dtype or not out.flags.c_contiguous:
        raise ValueError(f"out must be a C-contiguous array of shape {a.shape} and dtype {a.dtype}")
    return out


def _refuse_for_tensors(*, method: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} cannot be given with torch tensors")
    if method not in ("auto", "sort"):
        raise ValueError(f"torch tensors are solved by sorting: method must be 'auto' or 'sort', got {method!r}")
