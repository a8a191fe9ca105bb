"""The derivative, by torch's own check, and the tensor path against the array path."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from pyalgo_waterfilling.operator import waterfill

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")


@pytest.mark.claim("waterfilling.11")
def test_gradients_away_from_kinks():
    import torch

    rng = np.random.default_rng(0)
    for _ in range(20):
        noise = rng.permuted(np.tile(np.arange(1, 9) * 0.7 + 0.3, (3, 1)), axis=1)  # no two alike, none at the level
        a = torch.tensor(noise, requires_grad=True)
        power = torch.tensor(rng.uniform(0.5, 20, 3), requires_grad=True)
        level = waterfill(a, power).level
        if (torch.abs(a - level[:, None]) < 1e-3).any():
            continue
        assert torch.autograd.gradcheck(lambda x, y: waterfill(x, y)[:2], (a, power))
    a = torch.tensor([1.0, 4.0, 6.0, 3.0], dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda x: waterfill(x, 10.0).power, a)
    active = torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    expected = -(torch.diag(active) - torch.outer(active, active) / 3)
    torch.testing.assert_close(jacobian, expected)


@pytest.mark.claim("waterfilling.11")
def test_tensors_and_arrays_agree():
    import torch

    rng = np.random.default_rng(1)
    for _ in range(100):
        a = 10 ** rng.uniform(-15, 15) / rng.exponential(size=(4, int(rng.integers(1, 300))))
        power = 10 ** rng.uniform(-12, 12, 4)
        ours, theirs = waterfill(a, power), waterfill(torch.tensor(a), torch.tensor(power))
        scale = power[:, np.newaxis]
        np.testing.assert_allclose(theirs.power.numpy() / scale, ours.power / scale, rtol=0, atol=1e-13)
        np.testing.assert_allclose(theirs.level.numpy(), ours.level, rtol=1e-14)
    half = waterfill(torch.ones(3, dtype=torch.float32), 1.5)
    assert half.power.dtype == torch.float32
    assert waterfill(torch.ones(2, 3), 0.0, axis=0).power.sum() == 0


def test_what_tensors_cannot_have():
    import torch

    with pytest.raises(ValueError, match=r"noise\[1\] must be positive and finite, got -1.0"):
        waterfill(torch.tensor([1.0, -1.0]), 1.0)
    with pytest.raises(ValueError, match="power must be 0, or finite"):
        waterfill(torch.ones(2), -1.0)
    with pytest.raises(ValueError, match="mask cannot be given with torch tensors"):
        waterfill(torch.ones(2), 1.0, mask=np.ones(2))
    with pytest.raises(ValueError, match="method must be 'auto' or 'sort'"):
        waterfill(torch.ones(2), 1.0, method="newton")
