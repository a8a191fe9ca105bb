"""Greedy and Sieve-Streaming, for data that do not change or only arrive; the dynamic maximiser is measured against them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.submodular.maximizer import SubmodularResult, _choice, _integer
from pyalgo.submodular.objectives import Objective

__all__ = ["SieveStreaming", "greedy"]


def greedy(
    objective: Objective,
    ids: ArrayLike | None,
    k: int,
    *,
    algorithm: str = "lazy",
    eps: float = 0.1,
    seed: int = 0,
) -> SubmodularResult:
    """Greedy's choice of k elements: k times the one that adds most to f, of equals the one with the lowest id.

    It is worth at least ``1 - (1 - 1/k)^k >= 63 %`` of the best k elements, more by the certificate that comes with it, and
    no efficient algorithm can guarantee more.

    Parameters
    ----------
    objective : Objective
        With elements that it knows, from `Objective.add_items` or ``from_...``.
    ids : array of int64, or None
        The elements to choose from; None for all.
    k : int
        How many, 1 to 65534. Fewer are chosen when no other adds anything.
    algorithm : {"lazy", "naive", "stochastic"}
        ``"lazy"`` and ``"naive"`` choose the same (where rounding does not decide), lazily with far fewer evaluations of f;
        ``"stochastic"`` looks at a random n/k log(1/eps) of the elements in each step: log(1/eps) n evaluations in all, for
        an expected ``1 - 1/e - eps`` of the best.
    eps : float
        Of ``"stochastic"``, 1e-9 to 0.5.
    seed : int
        Of ``"stochastic"``; equal seeds give equal answers everywhere.

    Returns
    -------
    SubmodularResult
        Its `upper_bound` is the lesser of ``value / (1 - (1 - 1/k)^k)`` (not for ``"stochastic"``) and f(S) plus the k
        largest bounds on what any other element adds to it; `guess` is nan. `oracle_calls` counts this call's, f of each
        element by itself included.

    Raises
    ------
    ValueError, TypeError
        For a parameter out of range, naming the value.
    UnknownElementError, DuplicateElementError
        (both ``KeyError``) For an id that the objective does not know, or that is given twice.

    Notes
    -----
    Minoux: "Accelerated greedy algorithms for maximizing submodular set functions", 1978. Mirzasoleiman, Badanidiyuru,
    Karbasi, Vondrak, Krause: "Lazier Than Lazy Greedy", AAAI 2015.

    Examples
    --------
    >>> from pyalgo.submodular import WeightedCoverage
    >>> f = WeightedCoverage.from_sets([["x", "y", "z"], ["x", "y"], ["w"]])
    >>> result = greedy(f, None, k=2)
    >>> result.ids.tolist(), result.value, result.upper_bound
    ([0, 2], 4.0, 4.0)
    """
    core = _core_of(objective)
    candidates = np.arange(objective.n_known, dtype=np.int64) if ids is None else _ids(ids)
    k = _integer("k", k, 1, 65534)
    _choice("algorithm", algorithm, ("lazy", "naive", "stochastic"))
    eps = _number("eps", eps, 1e-9, 0.5)
    seed = _integer("seed", seed, 0, 2**64 - 1)
    if algorithm == "stochastic":
        return _result(*_core.stochastic_greedy(core, candidates, k, eps, seed))
    run = _core.lazy_greedy if algorithm == "lazy" else _core.naive_greedy
    return _result(*run(core, candidates, k))


class SieveStreaming:
    """One pass over elements that only arrive: the answer is worth ``(1/2 - eps) * OPT`` at every time.

    An element costs O(log(k) / eps) evaluations of f, and at most k elements are kept for each of as many guesses of OPT.
    It cannot forget an element: `DynamicSubmodularMaximizer` can.

    Parameters
    ----------
    objective : Objective
        With elements that it knows, from `Objective.add_items` or ``from_...``; more may be added at any time.
    k : int
        Size of the answer, 1 to 65534.
    eps : float
        Accuracy, 1e-4 to 0.5.

    Notes
    -----
    Badanidiyuru, Mirzasoleiman, Karbasi, Krause: "Streaming Submodular Maximization: Massive Data Summarization on the Fly",
    KDD 2014.

    Examples
    --------
    >>> from pyalgo.submodular import WeightedCoverage
    >>> f = WeightedCoverage.from_sets([["x", "y", "z"], ["x", "y"], ["w"]])
    >>> sieve = SieveStreaming(f, 2, eps=0.1)
    >>> sieve.insert([0, 1, 2])
    >>> sieve.query().value
    4.0
    """

    def __init__(self, objective: Objective, k: int, *, eps: float = 0.1) -> None:
        core = _core_of(objective)
        self.objective = objective
        self.k = _integer("k", k, 1, 65534)
        self.eps = _number("eps", eps, 1e-4, 0.5)
        self._core = _core.SieveStreaming(core, self.k, self.eps)

    def insert(self, ids: ArrayLike) -> None:
        """Take in elements by their ids in the objective, in this order; each once, as one atomic batch.

        Raises
        ------
        UnknownElementError, DuplicateElementError
            (both ``KeyError``) For an id that the objective does not know, or that came before.
        """
        self._core.insert(_ids(ids))

    def query(self) -> SubmodularResult:
        """The present answer with its certificate: `guess` is the guess of OPT whose set it is."""
        return _result(*self._core.query())

    @property
    def n_seen(self) -> int:
        """Elements taken in so far."""
        return self._core.n_seen

    def __repr__(self) -> str:
        return f"SieveStreaming({self.objective!r}, {self.k}, eps={self.eps})"


def _core_of(objective: Objective) -> _core.Objective:
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective, got {objective!r}")
    return objective._core


def _ids(ids: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(ids)
    if given.size == 0:
        return np.empty(0, dtype=np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise TypeError(f"ids must be a list of integers, got shape {given.shape} of dtype {given.dtype}")
    return given.astype(np.int64, copy=False)


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value!r}")
    return float(value)


def _result(
    ids: NDArray[np.int64], gains: NDArray[np.float64], value: float, upper_bound: float, guess: float, calls: int
) -> SubmodularResult:
    return SubmodularResult(
        ids=ids,
        value=value,
        gains=gains,
        upper_bound=upper_bound,
        ratio_lower_bound=value / upper_bound if upper_bound > 0 else 1.0,
        guess=guess,
        oracle_calls=calls,
    )
