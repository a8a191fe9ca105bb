"""Water-filling of torch tensors, on any device, with its derivative."""

from __future__ import annotations

from typing import Any

import torch

from pyalgo_waterfilling.operator import LEAST_POWER, WaterfillResult

__all__ = ["waterfill_tensor"]


class _Waterfill(torch.autograd.Function):
    """On the active set A: dp = -(da - mean_A da) + dP / |A|, elsewhere 0, and of the level mean_A da + dP / |A|."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, power: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        least = a.amin(dim=-1, keepdim=True)
        b = a - least  # as in the other solvers: what a small power is far above round-off of
        rank = torch.arange(1, a.shape[-1] + 1, device=a.device, dtype=a.dtype)
        # The mean of the n best carriers and the power falls as long as the next carrier is below it: its least is the level.
        levels = (torch.cumsum(torch.sort(b, dim=-1).values, dim=-1) + power[..., None]) / rank
        nu = levels.amin(dim=-1, keepdim=True)
        p = torch.clamp(nu - b, min=0)
        wet = p > 0
        count = wet.sum(dim=-1, keepdim=True).clamp(min=1)
        # One Newton step takes out what the running sum has lost.
        p = torch.where(wet, p + (power[..., None] - p.sum(dim=-1, keepdim=True)) / count, p).clamp(min=0)
        ctx.save_for_backward(wet)
        return p, (least + nu)[..., 0], wet.sum(dim=-1)

    @staticmethod
    def backward(ctx: Any, of_power: torch.Tensor, of_level: torch.Tensor, _: Any) -> tuple[torch.Tensor, torch.Tensor]:
        (wet,) = ctx.saved_tensors
        count = wet.sum(dim=-1, keepdim=True).clamp(min=1)
        inside = torch.where(wet, of_power, 0)
        mean = inside.sum(dim=-1, keepdim=True) / count
        share = torch.where(wet, of_level[..., None] / count, 0)
        return torch.where(wet, mean - inside, 0) + share, mean[..., 0] + of_level / count[..., 0]


def waterfill_tensor(noise: torch.Tensor, power: Any, *, axis: int = -1) -> WaterfillResult:
    """`waterfill` of tensors: sorting, O(N log N); differentiable in `noise` and `power` where no carrier is at the level."""
    if not noise.is_floating_point() or noise.ndim == 0 or noise.shape[axis] == 0:
        raise ValueError(
            f"noise must be floats with one carrier at least, got {noise.dtype} of shape {tuple(noise.shape)}"
        )
    a = noise.movedim(axis, -1)
    budget = torch.as_tensor(power, dtype=noise.dtype, device=noise.device).broadcast_to(a.shape[:-1])
    wrong = ~((a > 0) & torch.isfinite(a))
    if wrong.any():
        place = [int(i) for i in wrong.nonzero()[0]]
        raise ValueError(f"noise{place} must be positive and finite, got {a[tuple(place)].item()!r}")
    off = ~((budget == 0) | ((budget >= LEAST_POWER) & torch.isfinite(budget)))
    if off.any():
        raise ValueError(f"power must be 0, or finite and at least {LEAST_POWER:g}, got {budget[off][0].item()!r}")
    p, level, n_active = _Waterfill.apply(a, budget)
    return WaterfillResult(p.movedim(-1, axis), level, n_active, torch.ones_like(n_active))
