"""The dynamic maximiser: pyalgo's contract around the compiled structure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core, snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.errors import SnapshotError, UnknownElementError, at_row
from pyalgo.submodular.constraints import CallableMatroid, Constraint, make_constraint
from pyalgo.submodular.objectives import OBJECTIVES, Objective, make_objective

__all__ = ["DynamicSubmodularMaximizer", "SolutionDelta", "SubmodularResult"]


@dataclass(frozen=True)
class SubmodularResult:
    """The best few elements now, and a proof of how good they are.

    Attributes
    ----------
    ids : array of int64 or of str, shape (at most k,)
        The chosen elements, in the order in which they were chosen.
    value : float
        f of them.
    gains : array of float64, same shape
        What each added to f over those before it.
    upper_bound : float
        No k elements of the data set (that the constraint allows) are worth more. Proven from the data at hand, at every query.
    ratio_lower_bound : float
        ``value / upper_bound`` (1 when there is nothing to gain): the answer is at least this share of the optimum.
    guess : float
        The guess of the optimum whose structure answered.
    oracle_calls : int
        Evaluations of f or of a marginal that all updates so far took; a pass that yields an element's marginals over all
        prefixes counts once. Queries do not add to it.
    """

    ids: NDArray[Any]
    value: float
    gains: NDArray[np.float64]
    upper_bound: float
    ratio_lower_bound: float
    guess: float
    oracle_calls: int

    def __str__(self) -> str:
        shown = ", ".join(str(i) for i in self.ids)
        return f"value {self.value:.6g} (at least {self.ratio_lower_bound:.0%} of the best possible): {shown}"


class SolutionDelta(NamedTuple):
    """What changed in the answer since it was asked for last; both in the order of the answers that hold them."""

    added: NDArray[Any]
    removed: NDArray[Any]


def _payload_columns(objective: Objective | type[Objective]) -> dict[str, tuple[str, str]]:
    return {
        name: (dtype.rstrip("?") + "?", f"{meaning} (objective {objective.name!r})")
        for name, (dtype, meaning) in objective.columns.items()
    }


_COLUMNS: dict[str, tuple[str, str]] = {
    "op": ("int8", "+1 insert, -1 delete"),
    "id": ("int64|str", "the element"),
    "part": ("int64|str?", "the element's part (constraint without part_of)"),
    **{name: column for objective in OBJECTIVES.values() for name, column in _payload_columns(objective).items()},
}


class DynamicSubmodularMaximizer(Algorithm):
    """Keeps a near-best set of at most k elements while elements are inserted and deleted.

    The objective f is monotone submodular: an element adds less to a larger set. At every time, whatever the random bits,
    the answer S satisfies ``f(S) >= (1 - eps) / (2 (1 + eps)) * OPT >= (1/2 - eps) * OPT``, and `query` proves at least that
    for the data at hand, usually far more. No algorithm with few queries per update can guarantee more than 1/2; in practice
    a refined answer is within a percent of greedy on the whole set.

    An update takes an expected amortised number of oracle queries polylogarithmic in the number of elements, against
    updates that do not depend on the random bits. Users who delete what they see published can make updates slower; the
    ratio holds all the same.

    Parameters
    ----------
    objective : Objective or mapping
        One of `pyalgo.submodular`'s objectives, or ``{"name": ..., **settings}`` ("coverage", "facility_location",
        "feature_based", "saturated_coverage", "log_det", "mixture"). An object is shared, not copied: elements added to it
        later can be inserted.
    k : int
        Size of the answer, 1 to 65534.
    eps : float
        Accuracy, 1e-4 to 0.5. Smaller is better and slower.
    method : {"levels", "param"}, optional
        The structure to keep. ``"param"`` guarantees ``f(S) >= OPT / (2 (1 + eps))``; an update takes an expected number of
        oracle queries that does not depend on the number of elements, O(k log(k)^2 / eps), more than the default ``"levels"``.
    constraint : Constraint, mapping, callable, or None
        What may be chosen together, besides at most k elements: a `PartitionMatroid`, `LaminarMatroid`, `UniformMatroid`, their
        ``{"name": ..., **settings}``, or a function of an array of ids that returns whether they are independent. It takes
        method ``"param"`` (then the default). The answer S is independent and ``f(S) >= OPT / (4 + eps)`` for the OPT among
        independent sets; an update takes O(k log(k) log(k/eps)^3) expected queries.
    seed : int
        Of the counter-based generator; equal seeds and updates give equal answers everywhere.
    refine : bool
        Whether `query` runs lazy greedy over the samples of all good guesses and the candidates that came nearest to them,
        and returns the better of the two answers. The guarantee holds either way.
    refine_budget : int, optional
        Further elements, drawn at random, that a refined query looks at.
    guess_grid : {"window", "all"}
        Guesses of the optimum that are kept: the few that prove the ratio after every update (faster), or all, as in the
        paper's amortised analysis.

    Raises
    ------
    ValueError, TypeError
        For parameters and batches out of range, naming the value and its row. The state is unchanged.
    UnknownElementError, DuplicateElementError
        (both ``KeyError``) For the deletion of an absent id, the insertion of a present or erased one, or an id without
        payload.
    NonMonotoneError
        (a ``ValueError``) When a `CallableObjective` falls where a set grows. Whatever a callable raises, the state is
        unchanged.

    Notes
    -----
    Memory is a number for each element and guess that may hold it, plus the payload of the elements in the set; the payload
    of a deleted element goes with the next rebuild or sweep that passes by, at once with `erase_forever`.

    The structure is a ladder of levels a guess of OPT: random samples of candidates whose marginals agree within 1 + eps,
    built again once the deleted elements of all samples are worth more than an eps share of them. Guesses are kept as far
    as they prove the ratio: an unfilled one bounds OPT from above, the best live answer from below.

    Banihashem, Biabani, Goudarzi, Hajiaghayi, Jabbarzade, Monemizadeh: "Dynamic Constrained Submodular Optimization with
    Polylogarithmic Update Time", ICML 2023.

    Examples
    --------
    >>> shelf = DynamicSubmodularMaximizer({"name": "coverage"}, k=2)
    >>> shelf.update(id=["a", "b", "c"], items=[["x", "y", "z"], ["x", "y"], ["w"]])
    >>> shelf.query().ids.tolist()
    ['a', 'c']
    >>> shelf.delete(["a"])
    >>> result = shelf.query()
    >>> result.ids.tolist(), result.value, result.upper_bound >= 3.0
    (['b', 'c'], 3.0, True)
    """

    name = "submodular"
    columns: ClassVar[dict[str, tuple[str, str]]] = _COLUMNS
    exempt: ClassVar[dict[str, str]] = {
        "merge": "what is merged in is inserted: the order may change the answer, within its guarantee"
    }

    def __init__(
        self,
        objective: Objective | Mapping[str, Any],
        k: int,
        *,
        eps: float = 0.2,
        method: str | None = None,
        constraint: Constraint | Mapping[str, Any] | Callable[[NDArray[Any]], bool] | None = None,
        seed: int = 0,
        refine: bool = True,
        refine_budget: int | None = None,
        guess_grid: str = "window",
    ) -> None:
        if isinstance(objective, Mapping):
            self._given: dict[str, Any] | Objective = dict(objective)
            self.objective = make_objective(objective)
        elif isinstance(objective, Objective):
            self._given = self.objective = objective
        else:
            raise TypeError(f"objective must be an Objective or a mapping with its name, got {objective!r}")
        self.k = _integer("k", k, 1, 65534)
        if isinstance(eps, bool) or not isinstance(eps, (int, float, np.floating)):
            raise TypeError(f"eps must be a number, got {eps!r}")
        if not 1e-4 <= eps <= 0.5:
            raise ValueError(f"eps must be from 0.0001 to 0.5, got {eps!r}")
        self.eps = float(eps)
        self.constraint = None if constraint is None else make_constraint(constraint)
        self.method = _choice("method", method or ("levels" if constraint is None else "param"), ("levels", "param"))
        if self.constraint is not None and self.method != "param":
            raise ValueError(f"method must be 'param' with a constraint, got {method!r}: leave it out")
        self.seed = _integer("seed", seed, 0, 2**64 - 1)
        self.refine = _flag("refine", refine)
        self.refine_budget = None if refine_budget is None else _integer("refine_budget", refine_budget, 0, 2**32 - 1)
        self.guess_grid = _choice("guess_grid", guess_grid, ("window", "all"))
        # Those that this objective takes, of all that the class may take.
        self.columns = {  # type: ignore[misc]
            **{name: _COLUMNS[name] for name in ("op", "id")},
            **({"part": _COLUMNS["part"]} if self.constraint is not None and self.constraint.needs_part else {}),
            **_payload_columns(self.objective),
        }
        self._core = _core.DynamicMaximizer(self.objective._core, self._settings())
        self._erased: set[str] = set()  # digests of the ids that may not come back
        self._told: list[Any] = []  # the answer as `solution_delta` told it last

    def _settings(self) -> _core.Settings:
        return _core.Settings(
            k=self.k,
            eps=self.eps,
            seed=self.seed,
            all_guesses=self.guess_grid == "all",
            refine_budget=self.refine_budget or 0,
            param=self.method == "param",
            constraint=None if self.constraint is None else self.constraint._core,
        )

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given; an objective object is itself, as it holds payload."""
        return {**self._scalars(), "objective": self._given}

    def _scalars(self) -> dict[str, Any]:
        names = ("k", "eps", "method", "constraint", "seed", "refine", "refine_budget", "guess_grid")
        return {name: getattr(self, name) for name in names}

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        """Insert and delete elements, in the order of the rows, as one atomic batch.

        Parameters
        ----------
        batch : mapping or Arrow record batch, optional
            The columns; or give them as keywords.
        id : int64 or str
            The elements; one kind for the whole data set.
        op : int8, optional
            +1 insert (default), -1 delete.
        items, weights, neighbours, similarities, features : lists
            The payload columns of the objective, see its class; ignored for deletions. Without them the ids must be ones
            of the objective's `add_items`.
        part : int64 or str
            The elements' parts, where the constraint has no `part_of`; ignored for deletions.
        """
        read = read_batch(self.columns, batch, columns)
        op, ids, part = read.pop("op"), read.pop("id"), read.pop("part", None)
        assert isinstance(op, np.ndarray)
        groups = self.constraint._groups(ids, op > 0, part) if self.constraint else np.empty(0, dtype=np.uint32)
        if self._erased:
            self._refuse_erased(key if inserted else None for key, inserted in zip(ids, op > 0, strict=True))
        self._core.update(op, ids, self.objective._payload(read, ids), groups)

    def insert(self, ids: Any, **payload: Any) -> None:
        """Insert elements: ``update`` with op = +1."""
        self.update(id=ids, **payload)

    def delete(self, ids: Any) -> None:
        """Delete elements: ``update`` with op = -1."""
        self.update(id=ids, op=np.full(len(ids), -1, dtype=np.int8))

    def erase_forever(self, ids: Any) -> None:
        """Delete elements for good: nothing about them stays, and their ids may never be inserted again.

        Their payload leaves the structure and the objective at once, and with it that of all elements deleted before, which
        may linger otherwise. What is kept of an id is a keyed hash. Ids need not be in the set.

        Notes
        -----
        Costs a pass over all elements. Other maximisers that share the objective keep what they hold themselves, and
        snapshots made before hold what they held. The ids leave `solution_delta` untold.
        """
        keys = read_batch({"ids": ("int64|str", "the elements")}, None, {"ids": ids})["ids"]
        self._core.erase_forever(keys)
        self._erased |= {self._digest(key) for key in keys}
        self._told = [key for key in self._told if self._digest(key) not in self._erased]

    def merge(self, other: DynamicSubmodularMaximizer) -> None:
        """Insert what is live in `other`, with its payload, as one atomic batch; `other` is unchanged.

        Raises
        ------
        ValueError
            If the parameters differ.
        DuplicateElementError, UnknownElementError
            (both ``KeyError``) If an id is in both, or was erased for good in one of them.
        """
        if not isinstance(other, DynamicSubmodularMaximizer):
            raise TypeError(f"only another DynamicSubmodularMaximizer can be merged in, got {other!r}")
        ours, theirs = ({**it._scalars(), "objective": it.objective.params} for it in (self, other))
        for name, value in ours.items():
            if theirs[name] != value:
                raise ValueError(f"{name} is {value!r} here and {theirs[name]!r} there: only equal ones can be merged")
        if self._erased:
            self._refuse_erased(other.live_ids())
        if other._erased:
            other._refuse_erased(self.live_ids())
        self._core.merge(other._core)
        self._erased |= other._erased

    def live_ids(self) -> NDArray[Any]:
        """The elements that are in the set now, ascending."""
        return _array(self._core.live())

    def _digest(self, key: Any) -> str:
        kind, text = ("s", key) if isinstance(key, str) else ("i", str(int(key)))
        salt = self.seed.to_bytes(8, "little")
        return hashlib.blake2b((kind + text).encode(), key=salt, digest_size=16).hexdigest()

    def _refuse_erased(self, keys: Iterable[Any]) -> None:
        for row, key in enumerate(keys):
            if key is not None and self._digest(key) in self._erased:
                shown = repr(str(key)) if isinstance(key, str) else str(key)
                message = f"row {row}: id {shown} was erased for good: choose another id"
                raise at_row(UnknownElementError(message), row)

    def query(self, *, refine: bool | None = None, certificate: bool = False) -> SubmodularResult:
        """The present answer with its certificate.

        Parameters
        ----------
        refine : bool, optional
            Overrides the constructor's `refine`.
        certificate : bool
            Spend one pass over all elements on a tighter `upper_bound`.
        """
        chosen = self.refine if refine is None else _flag("refine", refine)
        ids, gains, value, upper_bound, guess = self._core.query(chosen, _flag("certificate", certificate))
        return SubmodularResult(
            ids=_array(ids),
            value=value,
            gains=gains,
            upper_bound=upper_bound,
            ratio_lower_bound=value / upper_bound if upper_bound > 0 else 1.0,
            guess=guess,
            oracle_calls=self._core.queries,
        )

    def value(self) -> float:
        """f of the present answer."""
        return self.query().value

    def solution_delta(self) -> SolutionDelta:
        """Which elements joined and left the answer since the last call; at first, all of it joined.

        What it told is part of the state. Elements erased for good are not told of: who erases them knows.
        """
        now = self.query().ids
        before = self._told
        self._told = now.tolist()
        known, left = set(before), set(self._told)
        return SolutionDelta(
            added=now[np.array([key not in known for key in self._told], dtype=bool)],
            removed=np.array([key for key in before if key not in left], dtype=now.dtype),
        )

    def stats(self) -> dict[str, int]:
        """Counts of live elements, guesses kept, guesses built, oracle calls, and bytes (all, and of payload)."""
        return {
            "live": self._core.n_live,
            "guesses": self._core.n_guesses,
            "activations": self._core.activations,
            "oracle_calls": self._core.queries,
            "nbytes": self._core.nbytes,
            "payload_bytes": self._core.payload_nbytes,
        }

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Insertions and deletions taken in so far."""
        return self._core.n_seen

    @property
    def nbytes(self) -> int:
        """Memory of the state, payload included."""
        return self._core.nbytes

    def freeze(self) -> Callable[[], bytes]:
        """The state as of now; calling it makes the snapshot."""
        kept = {name: value for name, value in (("erased", sorted(self._erased)), ("told", self._told)) if value}
        return snapshot.sealing(self, self._core.save(json.dumps(kept, separators=(",", ":")) if kept else ""))

    def to_bytes(self) -> bytes:
        """Everything, the objective and its payload included; `from_bytes` needs nothing else, unless f is a callable."""
        return self.freeze()()

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        objective: Objective | None = None,
        constraint: CallableMatroid | Callable[[NDArray[Any]], bool] | None = None,
    ) -> DynamicSubmodularMaximizer:
        """The maximiser that `data` is a snapshot of, with an objective of its own.

        Parameters
        ----------
        objective : Objective, optional
            Equal to the one in the snapshot; needed only where that holds a `CallableObjective`, as no snapshot holds code.
            Its elements are not used.
        constraint : callable, optional
            The function that was the constraint; needed only where there was one.
        """
        params, payload = snapshot.unpack(cls, data)
        if params.get("constraint") == {"name": CallableMatroid.name}:
            if constraint is None:
                raise SnapshotError(
                    "snapshot's constraint is a function: give it again, from_bytes(data, constraint=f)"
                )
            params["constraint"] = constraint
        elif constraint is not None:
            raise ValueError("constraint is given, but the snapshot needs none: leave it out")
        try:
            given = params.pop("objective", None)
            fresh = make_objective(given) if objective is None else _same(objective, given)
            loaded = cls(fresh, **params)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot's parameters are refused: {error}") from None
        loaded._core, annex = _core.DynamicMaximizer.load(fresh._core, loaded._settings(), payload)
        if fresh.n_known == 0 and objective is None:
            loaded._given = given
        try:
            kept = json.loads(annex) if annex else {}
            loaded._erased = {str(digest) for digest in kept.get("erased", [])}
            loaded._told = [key if isinstance(key, str) else int(key) for key in kept.get("told", [])]
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise SnapshotError(f"snapshot's list of erased or told elements cannot be read: {error}") from None
        return loaded

    def clone(self) -> DynamicSubmodularMaximizer:
        """An independent copy: same state, same future, nothing shared (but functions that are objective or constraint)."""
        objective = self.objective._empty() if self.objective.needs_object else None
        constraint = self.constraint if isinstance(self.constraint, CallableMatroid) else None
        return type(self).from_bytes(self.to_bytes(), objective=objective, constraint=constraint)

    def _samples(self) -> list[tuple[int, list[list[int | str]]]]:
        """Of every guess its index and the elements sampled at each level."""
        return [(index, [list(sample) for sample in samples]) for index, samples in self._core.ladders()]

    def _check(self) -> None:
        """Hold every invariant of the structure against its definition; slow."""
        self._core.audit()


def _same(objective: Objective, params: Any) -> Objective:
    """A fresh objective equal to the given one, which must be the one that `params` describes."""
    if objective.params != params:
        raise ValueError(f"the snapshot is of objective {params!r}, got {objective.params!r}")
    return objective._empty()


def _array(ids: Any) -> NDArray[Any]:
    return ids if isinstance(ids, np.ndarray) else np.array(ids, dtype=object)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {value!r}")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return str(value)
