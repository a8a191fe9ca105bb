"""What is water-filling in other words: gains, target rates, rate distortion, the simplex, whole bits, antennas."""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo_waterfilling.operator import WaterfillResult, as_float, refuse, waterfill

__all__ = [
    "BitLoading",
    "MimoResult",
    "ReverseResult",
    "bit_loading",
    "mimo_waterfill",
    "min_power",
    "project_simplex",
    "reverse_waterfill",
    "waterfill_gains",
]


class ReverseResult(NamedTuple):
    """Distortion of each component, the level theta, and the rate in bits (a row of components at a time)."""

    distortion: NDArray[np.float64]
    level: Any
    rate: Any


class BitLoading(NamedTuple):
    """Whole bits of each carrier, the powers they take, their sum, what water-filling had more, and the power left over."""

    bits: NDArray[np.int64]
    power: NDArray[np.float64]
    rate: int
    loss: float
    left: float


class MimoResult(NamedTuple):
    """Powers of the eigenchannels (best first), the level, rate in bits, and the covariance that the antennas send."""

    power: NDArray[np.float64]
    level: Any
    rate: Any
    covariance: NDArray[Any]


def waterfill_gains(
    gains: ArrayLike, power: ArrayLike, noise_var: ArrayLike = 1.0, gap: float = 1.0
) -> WaterfillResult:
    """Water-filling over power gains |h|^2 (linear, at least 0): noise is ``gap * noise_var / gains``.

    A carrier of no gain gets no power; at least one carrier of each row must have some. `gap` is the SNR gap to capacity.

    >>> waterfill_gains([1.0, 0.5, 0.0], 3.0).power
    array([2., 1., 0.])
    """
    gain = as_float("gains", gains, at_least=1)
    noise = np.asarray(noise_var, dtype=gain.dtype)
    refuse("gains", gain, ~((gain >= 0) & (gain < np.inf)), "at least 0 and finite")
    refuse("noise_var", noise, ~((noise > 0) & (noise < np.inf)), "positive and finite")
    if not 1.0 <= gap < math.inf:
        raise ValueError(f"gap must be at least 1 and finite, got {gap}")
    heard = gain > 0
    silent = ~heard.any(axis=-1)
    refuse("gains", np.zeros(silent.shape), silent, "positive on one carrier at least")
    a = np.divide(gap * noise, gain, out=np.ones(np.broadcast_shapes(gain.shape, noise.shape), gain.dtype), where=heard)
    return waterfill(a, power, active=None if heard.all() else heard)


def min_power(noise: ArrayLike, rate_bits: ArrayLike) -> WaterfillResult:
    """The least power with ``sum(log2(1 + p / noise)) = rate_bits``, the inverse of `waterfill`.

    In logarithms it is water-filling too: bits are the depths below log2 of the level.
    """
    a = as_float("noise", noise, at_least=1)
    refuse("noise", a, ~((a > 0) & (a < np.inf)), "positive and finite")
    rate = as_float("rate_bits", rate_bits)
    refuse("rate_bits", rate, ~((rate >= 0) & (rate < np.inf)), "at least 0 and finite")
    height = np.log2(a.astype(np.float64))
    best = height.min(axis=-1, keepdims=True)
    bits = waterfill((height - best) + 1.0, rate)
    p = (a * np.expm1(math.log(2) * bits.power)).astype(a.dtype)
    at = np.argmin(a, axis=-1)[..., np.newaxis]
    level = np.take_along_axis(a, at, -1)[..., 0] + np.take_along_axis(p, at, -1)[..., 0]
    return WaterfillResult(p, float(level) if a.ndim == 1 else level, bits.n_active, bits.iterations)


def reverse_waterfill(variances: ArrayLike, distortion: ArrayLike) -> ReverseResult:
    """Rate distortion of independent Gaussian components: ``min(theta, variances)`` that sums to `distortion`.

    The rate is ``sum(log2(variances / distortions)) / 2``. More distortion than there is variance leaves all of it: rate 0.
    """
    s = as_float("variances", variances, at_least=1).astype(np.float64)
    refuse("variances", s, ~((s >= 0) & (s < np.inf)), "at least 0 and finite")
    d = np.asarray(waterfill(np.ones_like(s), distortion, mask=s).power)
    some = s > 0
    if not (d[some] > 0).all():
        refuse("distortion", np.asarray(distortion, float), np.asarray(distortion) <= 0, "positive")
    ratio = np.divide(s, d, out=np.ones_like(s), where=some)
    level = d.max(axis=-1)
    rate = np.log2(ratio).sum(axis=-1) / 2
    return ReverseResult(d, float(level) if s.ndim == 1 else level, float(rate) if s.ndim == 1 else rate)


def project_simplex(y: ArrayLike, s: float = 1.0, *, axis: int = -1) -> NDArray[Any]:
    """The Euclidean projection of `y` onto ``{p >= 0, sum(p) = s}``.

    >>> project_simplex([0.5, 1.5, -2.0])
    array([0., 1., 0.])
    """
    if not 0 < s < math.inf:
        raise ValueError(f"s must be positive and finite, got {s}")
    values = as_float("y", y, at_least=1)
    refuse("y", values, ~np.isfinite(values), "finite")
    with np.errstate(over="ignore"):
        depth = values.max(axis=axis, keepdims=True) - values
    # What is s below the greatest gets nothing, however far below; the shift by s keeps the noise positive at y's own scale.
    return np.asarray(waterfill(np.minimum(depth, s) + values.dtype.type(s), s, axis=axis).power)


def bit_loading(noise: ArrayLike, power: float, *, gap: float = 1.0, max_bits: int | None = None) -> BitLoading:
    """The most whole bits for `power`: each takes the carrier where it is cheapest (Hughes-Hartogs), which is optimal.

    b bits on carrier k take ``gap * noise[k] * (2**b - 1)``. Water-filling with its rates rounded down is what the greedy
    order has at half the level, so that it starts there: O(N log N).
    """
    if not 1.0 <= gap < math.inf:
        raise ValueError(f"gap must be at least 1 and finite, got {gap}")
    if max_bits is not None and max_bits < 1:
        raise ValueError(f"max_bits must be at least 1, got {max_bits}")
    a = as_float("noise", noise, at_least=1).astype(np.float64) * gap
    if a.ndim != 1:
        raise ValueError(f"noise must have one dimension, got shape {a.shape}")
    filled = waterfill(a, power)
    rate = float(np.log2(1 + filled.power / a).sum())
    most = 1023 if max_bits is None else max_bits
    bits = np.clip(np.floor(np.log2(filled.level / a)), 0, most).astype(np.int64)
    taken = a * np.expm1(math.log(2) * bits)
    while taken.sum() > power:  # round-off in the logarithm may have given one bit too many
        k = int(np.argmax(np.where(bits > 0, a * 2.0**bits, 0.0)))
        bits[k] -= 1
        taken[k] = a[k] * (2.0 ** bits[k] - 1)
    left = float(power) - float(taken.sum())
    queue = [(float(a[k] * 2.0 ** bits[k]), k) for k in range(len(a)) if bits[k] < most]
    heapq.heapify(queue)
    while queue and queue[0][0] <= left:
        cost, k = heapq.heappop(queue)
        bits[k] += 1
        left -= cost
        if bits[k] < most:
            heapq.heappush(queue, (2 * cost, k))
    total = int(bits.sum())
    return BitLoading(bits, a * (2.0**bits - 1), total, rate - total, left)


def mimo_waterfill(channel: ArrayLike, power: ArrayLike, noise: ArrayLike = 1.0, *, gap: float = 1.0) -> MimoResult:
    """Water-filling over the eigenchannels of ``y = H x + n``, H of shape (..., receive, transmit).

    Parameters
    ----------
    channel : array of real or complex numbers
        H, amplitudes.
    power : float or array (...)
        ``trace(covariance)``.
    noise : float or (receive, receive) array
        Variance of each antenna's noise, or its covariance, which H is whitened by.
    """
    h = np.asarray(channel)
    if h.ndim < 2 or h.dtype.kind not in "iufc":
        raise ValueError(f"channel must be numbers of shape (..., receive, transmit), got {h.dtype} of shape {h.shape}")
    refuse("channel", np.zeros(h.shape), ~np.isfinite(h), "finite")
    cov = np.asarray(noise)
    h = h / math.sqrt(float(cov)) if cov.ndim == 0 else np.linalg.solve(np.linalg.cholesky(cov), h)
    _, values, v = np.linalg.svd(h, full_matrices=False)
    # Of a channel of lower rank the other singular values are round-off.
    floor = values[..., :1] * max(h.shape[-2:]) * np.finfo(values.dtype).eps
    gains = np.where(values > floor, values, 0.0) ** 2
    filled = waterfill_gains(gains, power, gap=gap)
    p = np.asarray(filled.power)
    covariance = np.swapaxes(v.conj(), -1, -2) * p[..., np.newaxis, :] @ v
    rate = np.log2(1 + gains * p / gap).sum(axis=-1)
    return MimoResult(p, filled.level, float(rate) if h.ndim == 2 else rate, covariance)
