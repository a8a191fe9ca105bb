"""The interface of all policies: select an arm, give its loss by token or by arm, at once or later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core, snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.bandits.settings import read_scale
from pyalgo.errors import SnapshotError
from pyalgo.parameters import read_flag, read_integer

__all__ = ["Decisions", "Policy", "PolicyState", "Selection"]

_P = TypeVar("_P", bound="Policy")


class Selection(NamedTuple):
    """An arm to play, and the token by which its loss is given."""

    arm: int
    token: int


class Decisions(NamedTuple):
    """What the losses of a batch settled: ``arm[i]`` is to be played after row i."""

    arm: NDArray[np.int64]


@dataclass(frozen=True)
class PolicyState:
    """What a policy knows of the arms.

    Attributes
    ----------
    means : array of shape (K,)
        Mean loss (or reward) of each arm over the losses that count; NaN where there is none.
    counts : array of shape (K,)
        How many those are.
    recommended : int
        The arm of the best mean.
    n_open : int
        Plays whose loss has not arrived.
    """

    means: NDArray[np.float64]
    counts: NDArray[np.int64]
    recommended: int
    n_open: int


class Policy(Algorithm):
    """Base class of the policies; not made by itself.

    A policy is asked by ``select()``, which makes a play and gives its token, and told by ``update(token=..., loss=...)``: in
    any order, and late. Who plays and is told at once may leave out both: ``update(arm=..., loss=...)`` is the next play with
    its loss, where no play is open, and else the loss of the oldest open play. Another arm is refused, or taken as the user's
    own play, which tells nothing, with ``strict=False``.

    In a job (`pyalgo run`) the column `arm` or `token` and the column `loss` go in, and with ``emit = true`` the arms to be
    played come out.
    """

    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "arm": ("int64?", "the arm that was played; or else its token"),
        "token": ("int64?", "the token of the play, of select()"),
        "loss": ("float64", "its loss, or its reward if the policy takes rewards"),
    }
    exempt: ClassVar[dict[str, str]] = {}
    n_arms: int

    def _begin(self, n_arms: Any, loss_range: Any, reward: Any, strict: Any) -> _core.LossScale:
        self.n_arms = read_integer("n_arms", n_arms, 1, 2**20)
        self.loss_range, self.reward, scale = read_scale(loss_range, reward)
        self.strict = read_flag("strict", strict)
        return scale

    _core: _core.BanditDesk

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given, as JSON values."""
        given = super().params
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def select(self) -> Selection:
        """Make the next play: its arm, and the token by which its loss is given."""
        return Selection(*self._core.select())

    @property
    def next_arm(self) -> int:
        """The arm that `select` would name now; nothing is played."""
        return self._core.choose()

    def update(self, batch: Any = None, /, **columns: Any) -> Decisions | None:
        """Take in the losses of plays, by `token` or by `arm`; single values or columns.

        Returns
        -------
        Decisions or None
            For columns the arms to play after each row; for single values None.

        Raises
        ------
        FeedbackError
            (a ``KeyError``) For a token that was not given out or had its loss, and for an arm that is not the one selected.
        ValueError, TypeError
            For losses out of range and columns that do not fit. In every case nothing has changed.
        """
        loss = columns.get("loss")
        if batch is None and len(columns) == 2 and isinstance(loss, float | int | np.floating | np.integer):
            name = "token" if "token" in columns else "arm"
            self._core.update_one(read_integer(name, columns.get(name), 0, 2**63 - 1), name == "token", float(loss))
            self._look_around()
            return None
        if isinstance(batch, np.ndarray) and batch.dtype.names:  # a structured array
            batch = {name: batch[name] for name in batch.dtype.names}
        read: Mapping[str, Any] = read_batch(self.columns, batch, columns)
        if ("arm" in read) == ("token" in read):
            raise ValueError("plays are given by one of the columns arm and token, got " + ", ".join(read))
        next_arms = self._core.update(read.get("token"), read.get("arm"), read["loss"])
        self._look_around()
        return Decisions(next_arms)

    def _look_around(self) -> None:
        """After losses were taken in."""

    def observe_play(self, arm: int) -> None:
        """Tell that the user played `arm` by himself: what he is used to now, a policy with memory has to know."""
        self._core.observe(read_integer("arm", arm, 0, self.n_arms - 1))

    def recommend(self) -> int:
        """The arm of the best mean."""
        return self._core.recommend()

    def query(self) -> Any:
        """Means and counts of the arms, as a `PolicyState`."""
        means, counts, n_open = self._core.statistics()
        return PolicyState(means, counts, self._core.recommend(), n_open)

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Losses taken in so far."""
        return self._core.n_seen

    @property
    def nbytes(self) -> int:
        """Memory of the state, in bytes."""
        return self._core.nbytes

    def to_bytes(self) -> bytes:
        """Parameters, sums, counts, the place in the schedule, and the plays that are open."""
        return snapshot.pack(self, self._core.save())

    @classmethod
    def from_bytes(cls: type[_P], data: bytes) -> _P:
        """The policy that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls(**params)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot's parameters are refused: {error}") from None
        loaded._core.load(payload)
        return loaded
