"""The information of a set about a Gaussian process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyalgo import _core
from pyalgo.arrays import Column
from pyalgo.submodular.objectives.base import Objective, Payload, pair
from pyalgo.submodular.objectives.similarity import add_elements, as_matrix

__all__ = ["LogDet"]

_KERNELS = ("rbf", "linear", "precomputed")
_COLUMNS = {
    "features": ("list[float64]", "the element's features, each from -1e50 to 1e50, equally many for all elements")
}


class LogDet(Objective):
    """f(S) = 1/2 log det(I + K_SS / noise^2): what noisy observations of S tell of a Gaussian process of covariance K.

    Sets of elements that differ from one another are worth the most. A marginal costs O(|S|^2) and |S| covariances, and
    one pass yields the marginals over all prefixes. The exponential of ``"rbf"`` is the C library's, so its results may
    differ in the last bit between platforms.

    Parameters
    ----------
    kernel : {"rbf", "linear", "precomputed"}
        K of two elements: exp(-distance^2 / (2 bandwidth^2)) or the inner product of their features, or given as a matrix
        by `from_kernel`.
    bandwidth : float
        Of ``"rbf"``, 1e-50 to 1e50.
    noise : float
        Standard deviation of an observation's noise, 1e-50 to 1e50.

    Examples
    --------
    >>> f = LogDet(kernel="linear")
    >>> f.add_items(features=[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    array([0, 1, 2])
    >>> f.gains([1, 2], given=[0]).round(4).tolist()
    [0.3466, 0.2027]
    """

    name = "log_det"
    columns = _COLUMNS

    def __init__(self, *, kernel: str = "rbf", bandwidth: float = 1.0, noise: float = 1.0) -> None:
        if kernel not in _KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(_KERNELS)}, got {kernel!r}")
        self.kernel = kernel
        self.bandwidth = _scale("bandwidth", bandwidth)
        self.noise = _scale("noise", noise)
        self.columns = {} if kernel == "precomputed" else _COLUMNS
        self._core = _core.log_det(_KERNELS.index(kernel), self.bandwidth, self.noise)

    @property
    def params(self) -> dict[str, Any]:
        bandwidth = {"bandwidth": self.bandwidth} if self.kernel == "rbf" else {}
        return {"name": self.name, "kernel": self.kernel, **bandwidth, "noise": self.noise}

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        return None, pair(columns.get("features"))

    @classmethod
    def from_features(
        cls,
        X: ArrayLike,  # noqa: N803 (the field's name)
        *,
        kernel: str = "rbf",
        bandwidth: float | None = None,
        noise: float = 1.0,
    ) -> LogDet:
        """Element i, id i, has the features ``X[i]``; the default bandwidth is sqrt(features / 2)."""
        features = as_matrix("X", X, "elements x features")
        width = float(np.sqrt(features.shape[1] / 2)) if bandwidth is None else bandwidth
        objective = cls(kernel=kernel, bandwidth=width, noise=noise)
        add_elements(objective._core, features)
        return objective

    @classmethod
    def from_kernel(cls, K: ArrayLike, *, noise: float = 1.0) -> LogDet:  # noqa: N803 (the field's name)
        """Elements i and j, ids i and j, have the covariance ``K[i, j]``, of entries from -1e50 to 1e50.

        `K` must be symmetric and positive semidefinite, else f would not be submodular: one factorisation checks it.
        """
        matrix = np.ascontiguousarray(as_matrix("K", K, "elements x elements"), dtype=np.float64)
        if len(matrix) != matrix.shape[1] or not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
            raise ValueError(f"K must be a symmetric matrix of finite numbers, got shape {matrix.shape}")
        scale = matrix.diagonal().max()
        try:
            np.linalg.cholesky(matrix + np.eye(len(matrix)) * (1e-8 * scale))
        except np.linalg.LinAlgError:
            raise ValueError(
                f"K must be positive semidefinite; its lowest eigenvalue is below -{1e-8 * scale:.3g}"
            ) from None
        objective = cls(kernel="precomputed", noise=noise)
        offsets = np.arange(len(matrix) + 1, dtype=np.int64) * len(matrix)
        objective._core.add_known((None, (offsets, matrix.reshape(-1))))
        return objective


def _scale(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 1e-50 <= value <= 1e50:
        raise ValueError(f"{name} must be from 1e-50 to 1e50, got {value!r}")
    return float(value)
