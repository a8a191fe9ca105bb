"""Greedy and Sieve-Streaming, for data that do not change or only arrive; the dynamic maximiser is measured against them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.arrays import read_batch
from pyalgo.errors import DuplicateElementError, at_row
from pyalgo.submodular.maximizer import SubmodularResult, _choice, _integer
from pyalgo.submodular.objectives import CallableObjective, Objective

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
        With elements that it knows, from `Objective.add_items` or ``from_...``; or a `CallableObjective`.
    ids : array of int64 (of a `CallableObjective`, or of str), or None
        The elements to choose from; None for all that the objective knows.
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
    known = _Known(objective)
    if ids is None and known.names is not None:
        raise ValueError("ids of a CallableObjective must be given: every id is one of its elements")
    k = _integer("k", k, 1, 65534)
    _choice("algorithm", algorithm, ("lazy", "naive", "stochastic"))
    eps = _number("eps", eps, 1e-9, 0.5)
    seed = _integer("seed", seed, 0, 2**64 - 1)
    candidates = np.arange(objective.n_known, dtype=np.int64) if ids is None else known.numbers(ids, in_order=True)
    try:
        if algorithm == "stochastic":
            return known.result(*_core.stochastic_greedy(known.core, candidates, k, eps, seed))
        run = _core.lazy_greedy if algorithm == "lazy" else _core.naive_greedy
        return known.result(*run(known.core, candidates, k))
    except DuplicateElementError as error:
        raise known.named(error, ids) from None


class SieveStreaming:
    """One pass over elements that only arrive: the answer is worth ``(1/2 - eps) * OPT`` at every time.

    An element costs O(log(k) / eps) evaluations of f, and at most k elements are kept for each of as many guesses of OPT.
    It cannot forget an element: `DynamicSubmodularMaximizer` can.

    Parameters
    ----------
    objective : Objective
        With elements that it knows, from `Objective.add_items` or ``from_...``, and more may be added at any time; or a
        `CallableObjective`.
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
        self._known = _Known(objective)
        self.objective = objective
        self.k = _integer("k", k, 1, 65534)
        self.eps = _number("eps", eps, 1e-4, 0.5)
        self._core = _core.SieveStreaming(self._known.core, self.k, self.eps)

    def insert(self, ids: ArrayLike) -> None:
        """Take in elements by their ids in the objective, in this order; each once, as one atomic batch.

        Raises
        ------
        UnknownElementError, DuplicateElementError
            (both ``KeyError``) For an id that the objective does not know, or that came before.
        """
        try:
            self._core.insert(self._known.numbers(ids))
        except DuplicateElementError as error:
            raise self._known.named(error, ids) from None

    def query(self) -> SubmodularResult:
        """The present answer with its certificate: `guess` is the guess of OPT whose set it is."""
        return self._known.result(*self._core.query())

    @property
    def n_seen(self) -> int:
        """Elements taken in so far."""
        return self._core.n_seen

    def __repr__(self) -> str:
        return f"SieveStreaming({self.objective!r}, {self.k}, eps={self.eps})"


class _Known:
    """The numbers of ids in a compiled objective: the ids themselves, or those of a function of ids, learnt as they come."""

    def __init__(self, objective: Objective) -> None:
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective, got {objective!r}")
        self.objective = objective
        self.names: dict[Any, int] | None = None
        self.core = objective._core
        if isinstance(objective, CallableObjective):
            self.names = {}
            self.core = objective._empty()._core

    def numbers(self, ids: Any, in_order: bool = False) -> NDArray[np.int64]:
        """The numbers of ids; new ones are learnt `in_order` of the ids where ties go to the lowest."""
        if self.names is not None:
            given = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
            new = [name for name in dict.fromkeys(given) if name not in self.names]
            if new:
                column = read_batch({"ids": ("int64|str", "elements")}, None, {"ids": new})["ids"]
                if in_order:
                    column = np.sort(column) if isinstance(column, np.ndarray) else sorted(column)  # type: ignore[arg-type]
                    new.sort()
                numbers = self.core.add_known(self.objective._payload({}, column))
                self.names.update(zip(new, numbers.tolist(), strict=True))
            return np.array([self.names[name] for name in given], dtype=np.int64)
        array = np.asarray(ids)
        if array.size == 0:
            return np.empty(0, dtype=np.int64)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise TypeError(f"ids must be a list of integers, got shape {array.shape} of dtype {array.dtype}")
        return array.astype(np.int64, copy=False)

    def named(self, error: DuplicateElementError, ids: Any) -> DuplicateElementError:
        """The error of a batch of numbers as one of the ids."""
        if self.names is None:
            return error
        row: int = error.row  # type: ignore[attr-defined]
        return at_row(DuplicateElementError(f"row {row}: id {ids[row]!r} is given twice"), row)

    def result(
        self,
        numbers: NDArray[np.int64],
        gains: NDArray[np.float64],
        value: float,
        upper_bound: float,
        guess: float,
        calls: int,
    ) -> SubmodularResult:
        ids: NDArray[Any] = numbers
        if self.names is not None:
            names = list(self.names)
            kind = object if names and isinstance(names[0], str) else np.int64
            ids = np.array([names[number] for number in numbers], dtype=kind)
        return SubmodularResult(
            ids=ids,
            value=value,
            gains=gains,
            upper_bound=upper_bound,
            ratio_lower_bound=value / upper_bound if upper_bound > 0 else 1.0,
            guess=guess,
            oracle_calls=calls,
        )


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value!r}")
    return float(value)
