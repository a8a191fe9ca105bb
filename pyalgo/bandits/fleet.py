"""One small bandit a user, for millions of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core, snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.bandits.settings import elimination_settings, read_scale
from pyalgo.errors import SnapshotError, at_row
from pyalgo.parameters import read_choice, read_flag, read_integer

__all__ = ["FleetDecisions", "FleetState", "TallyingFleet"]

MOST_ARMS = 250
LONGEST = 2**32 - 2  # a record has 32 bits for its plays


class FleetDecisions(NamedTuple):
    """What a batch settled, row by row: the arm that the bandit plays next, and the token by which that loss may be given."""

    id: NDArray[np.int64]
    arm: NDArray[np.uint16]
    token: NDArray[np.uint32]


@dataclass(frozen=True)
class FleetState:
    """How far a fleet is, and what is proven of it.

    Attributes
    ----------
    n_bandits, n_committed : int
        Bandits, and those with one arm left.
    n_plays, n_foreign : int
        Plays of all bandits, and those of arms that were not selected.
    committed_to, playing : arrays, (K,)
        Bandits by the arm that is left, and by the arm they play now.
    epochs : array
        Bandits by the number of tests made.
    confidence : float
        For each bandit the probability, at least, that its best arm is among those left: committed to, it is the best.
    wrong_bound : float
        No more bandits than that have dropped their best arm, in the mean.
    regret_bound : float
        Of all plays so far, summed over the bandits whose intervals hold.
    expected_regret_bound : float
        Of all plays so far in the mean over the noise, those of the other bandits included.
    """

    n_bandits: int
    n_committed: int
    n_plays: int
    n_foreign: int
    committed_to: NDArray[np.int64]
    playing: NDArray[np.int64]
    epochs: NDArray[np.int64]
    confidence: float
    wrong_bound: float
    regret_bound: float
    expected_regret_bound: float


class TallyingFleet(Algorithm):
    """A `SuccessiveEliminationWTB` for each of many ids: the same decisions, bit for bit, in at most 9 K + 19 bytes a bandit.

    `select` names the arm of each id and changes nothing; `update` takes the losses of plays. A play is known by its loss, so
    those of one id come in the order of its plays, each at any time. Until the loss of a play has come its id plays the same
    arm. With ``strict=True`` a row's arm must be the one selected; where losses are late, or users act by themselves, other arms
    occur, and ``strict=False`` takes their plays for what they are: burn-in begins again, and the loss tells nothing.

    Losses that may come twice are given with `token`: that of the id's next play is in what `update` returns, and in `state`.
    Then an id has one open play at a time, and a loss that comes again is refused.

    Parameters
    ----------
    n_bandits : int
        The ids 0 to n_bandits - 1 are there from the beginning.
    n_arms : int
        K, up to 250.
    memory_bound, horizon, delta, radius_scale, n0, loss_range, reward
        As for `SuccessiveEliminationWTB`, the same for all; the horizon is needed.
    dtype : "f64" or "f32"
        Of the sums; "f32" takes 5 K + 20 bytes a bandit, compensated within blocks.
    id_map : "dense" or "hash"
        Ids follow one another; or are any integers.
    strict : bool
        Refuse arms that were not selected, and horizons that are too short.
    threads : int
        Of updates with thousands of rows; the result does not depend on it.

    Raises
    ------
    UnknownElementError
        (a ``KeyError``) For ids that are not there.
    FeedbackError
        (a ``KeyError``) For an arm that is not the one selected, and a token that had its loss or was not given out.
    ValueError, TypeError
        For losses and arms out of range. In every case nothing has changed.

    Notes
    -----
    **Certificate.** For each bandit the event G that none of its intervals misses has probability 1 - delta, see
    `SuccessiveEliminationWTB`; so in the mean at most delta of the bandits drop their best arm. On G an arm that passed the
    test of round s - 1 has a gap of at most 4 r_{s-1}: its mean - r was no more than the best arm's mean + r. So a play of round
    s that counts costs at most min(1, 4 r_{s-1}), one of round 0 or a burn-in at most 1, and one after commitment nothing but
    its burn-in. Round s has at most K n_s plays that count and K M others; a play of the user's own costs at most 1, and the M
    of a new burn-in. `regret_bound` sums this; `expected_regret_bound` adds delta for every play, what the bandits without G
    may cost.

    Cost: O(1) a row, prefetched; O(K) a test. A bandit's rows are taken in their order on any number of threads, since those
    share out ids.

    Examples
    --------
    >>> fleet = TallyingFleet(n_bandits=3, n_arms=2, memory_bound=1, horizon=500)
    >>> fleet.select([2, 0]).tolist()
    [0, 0]
    >>> decisions = fleet.update(id=[0, 2, 0], arm=[0, 0, 0], loss=[0.5, 1.0, 0.25])
    >>> decisions.arm.tolist(), decisions.token.tolist()
    ([0, 0, 0], [1, 1, 2])
    >>> fleet.state([0])["counts"].tolist()      # the first play was burn-in
    [[1, 0]]
    """

    name = "tallying-fleet"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "id": ("int64", "the bandit"),
        "arm": ("int64?", "the arm that was played; without it the one selected"),
        "token": ("int64?", "the token of the play, against losses that come twice"),
        "loss": ("float64", "its loss, or its reward if the fleet takes rewards"),
    }
    exempt: ClassVar[dict[str, str]] = {
        "merge": "an id is in one fleet: those of different ids are merged, in any order, and others refused"
    }

    n_arms: int

    def __init__(
        self,
        n_bandits: int,
        n_arms: int,
        memory_bound: int,
        horizon: int,
        *,
        delta: float | None = None,
        loss_range: tuple[float, float] = (0.0, 1.0),
        radius_scale: float = 1.0,
        n0: int | Literal["auto"] = "auto",
        reward: bool = False,
        dtype: Literal["f64", "f32"] = "f64",
        id_map: Literal["dense", "hash"] = "dense",
        strict: bool = True,
        threads: int = 1,
    ) -> None:
        self.n_bandits = read_integer("n_bandits", n_bandits, 0, 2**32 - 2)
        read_integer("n_arms", n_arms, 1, MOST_ARMS)
        read_integer("horizon", horizon, 1, LONGEST)
        read, settings = elimination_settings(
            {
                "n_arms": n_arms,
                "memory_bound": memory_bound,
                "horizon": horizon,
                "delta": delta,
                "radius": "hoeffding",
                "radius_scale": radius_scale,
                "n0": n0,
                "burn_in": None,
                "max_missing": 0,
                "strict": strict,
            }
        )
        for name in ("n_arms", "memory_bound", "horizon", "delta", "radius_scale", "n0", "strict"):
            setattr(self, name, read[name])
        self.loss_range, self.reward, scale = read_scale(loss_range, reward)
        self.dtype = read_choice("dtype", dtype, ("f64", "f32"))
        self.id_map = read_choice("id_map", id_map, ("dense", "hash"))
        self.threads = read_integer("threads", threads, 1, 1024)
        self._core = _core.TallyingFleet(
            elimination=settings,
            scale=scale,
            single=self.dtype == "f32",
            strict=read_flag("strict", strict),
            hashed=self.id_map == "hash",
            bandits=self.n_bandits,
        )

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given, as JSON values."""
        given = super().params
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def select(self, ids: ArrayLike) -> NDArray[np.uint16]:
        """The arm that each of the ids plays now; nothing changes."""
        return self._core.select(_ids(ids), self.threads)

    def update(self, *args: Any, **columns: Any) -> FleetDecisions:
        """Take in the losses of plays: ``update(ids, arms, losses)``, a batch, or columns by keyword.

        Returns
        -------
        FleetDecisions
            What each row's bandit plays after it.
        """
        if len(args) not in (0, 1, 3):
            raise TypeError(f"update takes a batch, or ids, arms and losses; got {len(args)} arguments")
        batch = args[0] if len(args) == 1 else None
        if len(args) == 3:
            columns = {"id": args[0], "arm": args[1], "loss": args[2], **columns}
        arms, ids = columns.get("arm"), columns.get("id")
        if isinstance(arms, np.ndarray) and arms.dtype == np.uint16 and arms.shape == getattr(ids, "shape", None):
            del columns["arm"]  # nothing to look at
        read: Mapping[str, Any] = read_batch(self.columns, batch, _widened(columns))
        if "arm" in read:
            arms = self._narrow(read["arm"])
        next_arms, tokens = self._core.update(read["id"], arms, read.get("token"), read["loss"], self.threads)
        return FleetDecisions(read["id"], next_arms, tokens)

    def _narrow(self, arms: NDArray[np.int64]) -> NDArray[np.uint16]:
        wrong = np.flatnonzero((arms < 0) | (arms >= self.n_arms))
        if len(wrong):
            row = int(wrong[0])
            message = f"row {row}: arm must be from 0 to {self.n_arms - 1}, got {arms[row]}"
            raise at_row(ValueError(message), row)
        return arms.astype(np.uint16)

    def step(self, ids: ArrayLike, losses: ArrayLike) -> NDArray[np.uint16]:
        """The losses of the arms that were selected, and the arms to play after them: one pass for both."""
        return self.update(id=ids, loss=losses).arm

    def state(self, ids: ArrayLike) -> dict[str, NDArray[Any]]:
        """What is known of some bandits.

        Returns
        -------
        dict of arrays
            ``arm`` (to play now), ``epoch``, ``n_active``, ``committed`` (the arm that is left, or -1), ``token`` (of the next
            play), and with a row of K each ``sums``, ``counts`` and ``means`` of losses on the scale from 0 to 1. Of an arm that
            was dropped sum and count are gone, and the mean is as of then.
        """
        found: dict[str, NDArray[Any]] = self._core.states(_ids(ids))
        found["committed"] = np.where(found["n_active"] == 1, found["arm"], -1)
        return found

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids that are there."""
        return self._core.ids()

    def __len__(self) -> int:
        return self._core.size

    def committed_fraction(self) -> float:
        """The share of bandits with one arm left."""
        summary = self._core.summary()
        return float(summary["committed"] / max(summary["bandits"], 1))

    def add_bandits(self, ids: int | ArrayLike) -> NDArray[np.int64]:
        """Add so many bandits (dense ids), or bandits of these ids (hashed); returns their ids."""
        if self.id_map == "dense":
            if not isinstance(ids, int | np.integer):
                raise TypeError(
                    f'ids of a dense fleet follow one another: give how many, got {ids!r}; or id_map="hash"'
                )
            count = read_integer("ids", ids, 0, 2**32 - 2)
            first = self._core.add(count)
            return np.arange(first, first + count)
        if isinstance(ids, int | np.integer):
            raise TypeError(f"give the ids to add as a sequence, got {ids!r}")
        given = _ids(ids)
        self._core.add_ids(given)
        return given

    def remove_bandits(self, ids: ArrayLike) -> None:
        """Forget bandits; of a dense fleet their ids stay unused."""
        self._core.remove(_ids(ids))

    def reset(self, ids: ArrayLike) -> None:
        """Start bandits anew."""
        self._core.reset(_ids(ids))

    def merge(self, other: TallyingFleet) -> None:
        """Take over the bandits of another fleet of equal parameters and other ids, which is unchanged."""
        if not isinstance(other, TallyingFleet):
            raise TypeError(f"other must be a TallyingFleet, got {type(other).__name__}")
        mine, theirs = self.params, other.params
        for name in mine:
            if name not in ("n_bandits", "threads") and mine[name] != theirs[name]:
                raise ValueError(
                    f"other has {name}={theirs[name]!r}, not {mine[name]!r}: merge fleets of equal parameters"
                )
        self._core.merge(other._core)

    def query(self) -> FleetState:
        """How many bandits are committed to what, and what is proven of that and of the regret so far. O(n_bandits)."""
        found = self._core.summary()
        low, high = self.loss_range
        bound, failure = (high - low) * found["regret_bound"], found["failure"]
        return FleetState(
            n_bandits=found["bandits"],
            n_committed=found["committed"],
            n_plays=found["plays"],
            n_foreign=found["foreign"],
            committed_to=found["committed_to"].astype(np.int64),
            playing=found["playing"].astype(np.int64),
            epochs=found["epochs"].astype(np.int64),
            confidence=1.0 - failure,
            wrong_bound=failure * found["bandits"],
            regret_bound=bound,
            expected_regret_bound=bound + (high - low) * failure * found["plays"],
        )

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Losses taken in so far."""
        return self._core.n_seen

    @property
    def nbytes(self) -> int:
        """Memory of the state, in bytes."""
        return self._core.nbytes

    def to_bytes(self) -> bytes:
        """Parameters and records."""
        return snapshot.pack(self, self._core.save())

    @property
    def n_changes(self) -> int:
        """The number of the state: rows taken in, and ids added, removed, reset or merged."""
        return self._core.n_changes

    def changes_since(self, earlier: int) -> bytes:
        """What has changed since an earlier state, by its `n_changes`: the pages of 1,024 bandits that were touched.

        For snapshots often: ``to_bytes()`` once, and from then on these, each since the one before. A fleet that was read back
        takes them by `apply_changes`.

        Examples
        --------
        >>> fleet = TallyingFleet(n_bandits=100_000, n_arms=4, memory_bound=1, horizon=500)
        >>> base, state = fleet.to_bytes(), fleet.n_changes
        >>> _ = fleet.step([7, 70_000], [0.5, 1.0])
        >>> changes = fleet.changes_since(state)
        >>> len(changes) < len(base) / 10
        True
        >>> twin = TallyingFleet.from_bytes(base)
        >>> twin.apply_changes(changes)
        >>> twin.to_bytes() == fleet.to_bytes()
        True
        """
        return snapshot.pack(self, self._core.changes_since(read_integer("earlier", earlier, 0, self.n_changes)))

    def apply_changes(self, changes: bytes) -> None:
        """Go on to the state that `changes_since` was taken in; this fleet must be in the state since which it was."""
        params, payload = snapshot.unpack(type(self), changes)
        mine = self.params
        for name in mine:
            if name != "threads" and params.get(name) != mine[name]:
                raise ValueError(f"the changes are of a fleet with {name}={params.get(name)!r}, not {mine[name]!r}")
        self._core.apply_changes(payload)

    def freeze(self) -> Any:
        """A copy of the records now, and the rest of the snapshot later."""
        return snapshot.sealing(self, self._core.save())

    @classmethod
    def from_bytes(cls, data: bytes) -> TallyingFleet:
        """The fleet that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls(**{**params, "n_bandits": 0})
            loaded.n_bandits = read_integer("n_bandits", params["n_bandits"], 0, 2**32 - 2)
        except (TypeError, ValueError, KeyError) as error:
            raise SnapshotError(f"snapshot's parameters are refused: {error}") from None
        loaded._core.load(payload)
        return loaded


def _ids(ids: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(ids)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise TypeError(f"ids must be a sequence of integers, got {found.dtype} of shape {found.shape}")
    return np.ascontiguousarray(found, dtype=np.int64)


def _widened(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of narrower numbers as the columns are declared."""
    wider = {"arm": np.int64, "id": np.int64, "token": np.int64, "loss": np.float64}
    return {
        name: column.astype(wider[name], copy=False)
        if isinstance(column, np.ndarray) and name in wider and np.can_cast(column.dtype, wider[name])
        else column
        for name, column in columns.items()
    }
