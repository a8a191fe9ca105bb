"""Matrix completion as a transformer of scikit-learn: fills the gaps of a table, in pipelines and cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from pyalgo.completion import MatrixCompletion

__all__ = ["CompletionImputer"]


class CompletionImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill the NaN of a table by a low-rank model of it; what is observed stays as it is.

    Each column is brought to mean 0 and variance 1 first, so that none outweighs the others. A row to transform, seen in the
    fit or not, is regressed on the columns' factors, so it depends on no other row.

    Parameters
    ----------
    rank : int or "auto"
        Of the model, at most: no more than both sides of the table allow is used. ``"auto"`` needs `validation`.
    reg : float or "auto"
        Regulariser, of columns of variance 1; less for tables with little noise. ``"auto"`` needs `validation`.
    scale : bool
        Whether each column is brought to mean 0 and variance 1; else all are divided by one number.
    validation : float
        Share of the observed cells to hold out: to choose by, and to stop by.
    max_sweeps : int
        At most so many sweeps.
    tol : float
        Relative drop of the objective at which a fit ends.
    keep_empty_features : bool
        Whether a column without any observed cell is filled with 0; else it is left out.
    n_jobs : int, optional
        Threads, -1 for all cores; the result is the same.
    random_state : int, RandomState or None
        Of starting factors and held-out cells.

    Attributes
    ----------
    model_ : MatrixCompletion
        The fitted model, of the scaled columns that were not empty.
    mean_, scale_ : arrays
        What is taken off each column, and what it is divided by.
    rank_ : int
        The rank used.
    n_features_in_ : int
    feature_names_in_ : array

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 8))
    >>> gaps = rng.random(table.shape) < 0.2
    >>> filled = CompletionImputer(rank=2, reg=0.01).fit_transform(np.where(gaps, np.nan, table))
    >>> bool(np.std((filled - table)[gaps]) < 0.02 * np.std(table[gaps]))
    True
    """

    def __init__(
        self,
        rank: int | str = 10,
        *,
        reg: float | str = 0.5,
        scale: bool = True,
        validation: float = 0.0,
        max_sweeps: int = 50,
        tol: float = 1e-5,
        keep_empty_features: bool = False,
        n_jobs: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.rank = rank
        self.reg = reg
        self.scale = scale
        self.validation = validation
        self.max_sweeps = max_sweeps
        self.tol = tol
        self.keep_empty_features = keep_empty_features
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> CompletionImputer:  # noqa: N803
        """Fit the model to the observed cells of `X` (rows, features)."""
        X = self._table(X, reset=True)  # noqa: N806
        observed = ~np.isnan(X)
        self._kept = observed.any(axis=0)
        counts = np.maximum(observed.sum(axis=0), 1)
        self.mean_ = np.where(observed, X, 0).sum(axis=0) / counts if self.scale else np.zeros(X.shape[1])
        spread = np.sqrt((np.where(observed, X - self.mean_, 0) ** 2).sum(axis=0) / counts)
        if not self.scale:
            spread = np.full(X.shape[1], X[observed].std() if observed.any() else 0.0)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        scaled = ((X - self.mean_) / self.scale_)[:, self._kept]
        rank = self.rank if isinstance(self.rank, str) else min(self.rank, *scaled.shape)
        self.model_ = MatrixCompletion(
            rank,
            reg=self.reg,
            validation=self.validation,
            max_sweeps=self.max_sweeps,
            tol=self.tol,
            threads=_threads(self.n_jobs),
            seed=int(check_random_state(self.random_state).randint(2**31)),
        ).fit(scaled)
        self.rank_ = self.model_.rank_
        return self

    def transform(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """`X` with its gaps filled."""
        check_is_fitted(self)
        X = self._table(X, reset=False)  # noqa: N806
        kept = self._kept
        scaled = ((X - self.mean_) / self.scale_)[:, kept]
        factors, biases = self.model_.solve_rows(scaled, return_bias=True)
        model = self.model_.query(diagnostics=False)
        predicted = model.mean + biases[:, None] + model.col_bias + factors @ model.V.T
        filled = np.zeros(X.shape)
        filled[:, kept] = predicted * self.scale_[kept] + self.mean_[kept]
        filled = np.where(np.isnan(X), filled, X).astype(X.dtype, copy=False)
        return filled if self.keep_empty_features else filled[:, kept]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns that `transform` returns."""
        names: NDArray[np.object_] = super().get_feature_names_out(input_features)
        return names if self.keep_empty_features else names[self._kept]

    def _table(self, X: Any, *, reset: bool) -> NDArray[Any]:  # noqa: N803
        table: NDArray[Any] = validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan", copy=False
        )
        return table

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _threads(n_jobs: int | None) -> int:
    if n_jobs is None:
        return 1
    return 0 if n_jobs == -1 else n_jobs
