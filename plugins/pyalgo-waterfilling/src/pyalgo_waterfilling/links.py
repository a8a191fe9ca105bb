"""The links of a game, and what everyone's best response to the others is: the loop that reads every gain once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyalgo_waterfilling import breakpoints, newton
from pyalgo_waterfilling.newton import exact, fast_checked
from pyalgo_waterfilling.operator import as_float, refuse

UNUSABLE = 1e290  # noise of a carrier that may not be used: above every level


class Links(NamedTuple):
    """Interference by receiver: links ``begin[i] .. begin[i + 1]`` come from `source`, with gains over i's own link."""

    begin: NDArray[np.int64]  # (Q + 1,)
    source: NDArray[np.int64]  # (E,)
    gain: NDArray[Any]  # (E, N), float64 or float32
    noise: NDArray[np.float64]  # (Q, N), over the own gain; UNUSABLE where that may not be used
    cap: NDArray[np.float64]  # (Q, N) with bounds below infinity, else (0, N)
    usable: NDArray[np.bool_]  # (Q, N)


def normalise(gains: Any, noise: Any, gap: Any, mask: Any) -> Links:
    """Links from raw gains, (Q, Q, N) or (receiver, transmitter, (E, N)), direct ones among them."""
    receiver, source, gain = _edges(gains)
    sigma = as_float("noise", noise, at_least=2).astype(np.float64)
    q, n = sigma.shape
    if gain.shape[1] != n or (len(receiver) and max(receiver.max(), source.max()) >= q):
        raise ValueError(
            f"gains do not fit noise of shape {sigma.shape}: got {np.shape(gains[2] if _sparse(gains) else gains)}"
        )
    refuse("gains", gain, ~((gain >= 0) & (gain < np.inf)), "at least 0 and finite")
    bounds = np.full((q, n), np.inf)
    if mask is not None:
        given = np.asarray(mask)
        bounds[...] = np.where(given, np.inf, 0.0) if given.dtype == bool else given
        refuse("mask", bounds, ~(bounds >= 0), "at least 0")
    usable = bounds > 0
    refuse("noise", sigma, usable & ~((sigma > 0) & (sigma < np.inf)), "positive and finite")
    own = np.zeros((q, n))
    direct = receiver == source
    own[receiver[direct]] = gain[direct]
    silent = usable & (own == 0)
    if silent.any():
        i, k = np.argwhere(silent)[0].tolist()
        raise ValueError(f"user {i} carrier {k} has no direct gain: mask it, or give gains[{i}, {i}, {k}] above 0")
    factor = np.broadcast_to(np.asarray(gap, float), (q,))
    refuse("gap", factor, ~((factor >= 1) & (factor < np.inf)), "at least 1 and finite")
    scale = np.divide(factor[:, np.newaxis], own, out=np.zeros((q, n)), where=usable)
    if _sparse(gains):
        receiver, source, gain = receiver[~direct], source[~direct], gain[~direct]
    else:
        gain[direct] = 0  # stays, so that all users hear the same sources: see `hear_two`
    order = np.argsort(receiver, kind="stable")
    receiver, source, gain = receiver[order], source[order], gain[order] if _sparse(gains) else gain
    for e in range(len(gain)):
        gain[e] *= scale[receiver[e]]
    begin = np.searchsorted(receiver, np.arange(q + 1))
    a = np.where(usable, sigma * scale, UNUSABLE)
    cap = bounds if np.isfinite(bounds[usable]).any() else np.empty((0, n))
    return Links(begin, source.astype(np.int64), gain, a, cap, usable)


def _sparse(gains: Any) -> bool:
    return isinstance(gains, tuple) and len(gains) == 3


def _edges(gains: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Receivers, transmitters and a copy of the gains."""
    if _sparse(gains):
        receiver, source = (np.asarray(x, np.int64) for x in gains[:2])
        gain = as_float("gains", gains[2], at_least=2)
        if gain.ndim != 2 or receiver.shape != (len(gain),) or source.shape != receiver.shape:
            raise ValueError(
                f"links must be (E,), (E,) and (E, N), got {receiver.shape}, {source.shape} and {gain.shape}"
            )
        pairs = np.stack([receiver, source], axis=1)
        if len(pairs) and (pairs.min() < 0 or len(np.unique(pairs, axis=0)) < len(pairs)):
            raise ValueError("links must be between users from 0 on, and each pair given once")
        return receiver, source, np.array(gain)
    gain = as_float("gains", gains, at_least=3)
    q = len(gain)
    if gain.ndim != 3 or gain.shape[1] != q:
        raise ValueError(f"gains must have the shape (Q, Q, N), got {gain.shape}")
    return np.repeat(np.arange(q), q), np.tile(np.arange(q), q), np.array(gain).reshape(q * q, -1)


def couplings(links: Links) -> NDArray[np.float64]:
    """S: the greatest gain of each link over the carriers that both may use."""
    q = len(links.noise)
    s = np.zeros((q, q))
    _greatest(links.begin, links.source, links.gain, links.usable, s)
    return s


@exact
def _greatest(begin, source, gain, usable, s):
    for i in range(begin.size - 1):
        for e in range(begin[i], begin[i + 1]):
            j, most = source[e], 0.0
            for k in range(gain.shape[1]):
                if usable[j, k] and usable[i, k] and gain[e, k] > most:
                    most = gain[e, k]
            s[i, j] = most


@fast_checked
def _add_four(total, gain, e, p, a, b, c, d):
    for k in range(total.size):
        total[k] += (
            gain[e, k] * p[a, k] + gain[e + 1, k] * p[b, k] + gain[e + 2, k] * p[c, k] + gain[e + 3, k] * p[d, k]
        )


@fast_checked
def _add_one(total, gain, e, p, a):
    for k in range(total.size):
        total[k] += gain[e, k] * p[a, k]


@exact
def hear(begin, end, source, gain, p, total):
    """total = sum over links of gain * p[source]; four at a time, so that the sums are not what memory is busy with."""
    total[:] = 0
    e = begin
    while e + 4 <= end:
        _add_four(total, gain, e, p, source[e], source[e + 1], source[e + 2], source[e + 3])
        e += 4
    while e < end:
        _add_one(total, gain, e, p, source[e])
        e += 1


@fast_checked
def _add_two_to_two(total, other, gain, e, f, p, a, b):
    for k in range(total.size):
        x, y = p[a, k], p[b, k]
        total[k] += gain[e, k] * x + gain[e + 1, k] * y
        other[k] += gain[f, k] * x + gain[f + 1, k] * y


@exact
def alike(i, j, begin, source):
    """Whether two users hear the same others."""
    mine, other = source[begin[i] : begin[i + 1]], source[begin[j] : begin[j + 1]]
    return mine.size == other.size and np.all(mine == other)


@exact
def hear_two(e, f, end, source, gain, p, total, other):
    """`hear` for two who hear the same: the powers are read half as often, and only gains come from memory."""
    total[:] = 0
    other[:] = 0
    while e + 2 <= end:
        _add_two_to_two(total, other, gain, e, f, p, source[e], source[e + 1])
        e, f = e + 2, f + 2
    if e < end:
        _add_one(total, gain, e, p, source[e])
        _add_one(other, gain, f, p, source[e])


@exact
def fill(i, total, noise, cap, budget, disturbance, alpha, out, level, change, a, found):
    n = noise.shape[1]
    for k in range(n):
        a[k] = noise[i, k] + total[k]
    if disturbance.shape[0] > 0:
        for k in range(n):
            a[k] = max(a[k] + disturbance[i, k], 1e-3 * a[k])
    if cap.shape[0] > 0:
        level[i], _, _ = breakpoints.solve_row(a, np.ones(n), cap[i], budget[i], breakpoints.QUICKSELECT, found)
    else:
        level[i], _, _ = newton.solve_row(a, budget[i], level[i], found)
    moved = 0.0
    for k in range(n):
        step = found[k] - out[i, k]
        moved += step * step
        out[i, k] = found[k] if alpha == 1.0 else out[i, k] + alpha * step
    change[i] = np.sqrt(moved)


@exact
def respond(users, together, begin, source, gain, noise, cap, p, budget, disturbance, alpha, out, level, change):
    """Water-fill `users` against p[source]: powers and levels into `out` and `level`, ||WF - p_i|| into `change`.

    Where `out` is `p` itself, everyone hears those who went before, and none may go `together` with the next. A level is where
    the search starts as well.
    """
    n = noise.shape[1]
    total, other, a, found = np.empty(n, gain.dtype), np.empty(n, gain.dtype), np.empty(n), np.empty(n)
    at = 0
    while at < users.size:
        i = users[at]
        if together and at + 1 < users.size and alike(i, users[at + 1], begin, source):
            j = users[at + 1]
            hear_two(begin[i], begin[j], begin[i + 1], source, gain, p, total, other)
            fill(i, total, noise, cap, budget, disturbance, alpha, out, level, change, a, found)
            fill(j, other, noise, cap, budget, disturbance, alpha, out, level, change, a, found)
            at += 2
        else:
            hear(begin[i], begin[i + 1], source, gain, p, total)
            fill(i, total, noise, cap, budget, disturbance, alpha, out, level, change, a, found)
            at += 1
