"""Equilibria of a game whose channels, budgets and users change."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import Algorithm, SnapshotError, UnknownElementError, snapshot
from pyalgo.arrays import read_batch
from pyalgo.errors import at_row
from pyalgo_waterfilling import settling
from pyalgo_waterfilling.certificate import certify, error_bound
from pyalgo_waterfilling.game import InterferenceGame
from pyalgo_waterfilling.operator import LEAST_POWER

__all__ = ["StreamingResult", "StreamingWaterfilling"]

Matrix = NDArray[np.float64]
Id = int | str
_HEAD = struct.Struct("<QQQQQ")  # rows, updates, users, carriers, bytes of the ids


@dataclass(frozen=True)
class StreamingResult:
    """The equilibrium of the channels as they are now.

    Attributes
    ----------
    users : tuple of int or str
        In the order in which they came; all arrays have one row a user.
    power, level, rates :
        As of `GameResult`; the level of a user without a carrier is infinite.
    error_bound : array (Q,) or None
        No user's power is further than this from the only equilibrium's; None where C1 does not hold.
    status : {"certified", "converged", "max_iter"}
        Within `tol` of the only equilibrium; an equilibrium within `tol`, of which there may be others; neither.
    rho_lower, rho_upper : float
        Bounds on the spectral radius of the coupling matrix; below 1 there is one equilibrium.
    updates : int
        Times that a user filled water so far, this query's included.
    """

    users: tuple[Id, ...]
    power: Matrix
    level: Matrix
    rates: Matrix
    error_bound: Matrix | None
    status: str
    rho_lower: float
    rho_upper: float
    updates: int


class StreamingWaterfilling(Algorithm):
    """Iterative water-filling over channels that change, from one equilibrium to the next.

    A row sets what it has columns for: the `gain` from `transmitter` to `user` on `carrier` (its own without a transmitter), the
    `noise` of `user` there, its `budget`. A user comes with its first row and goes with ``op = -1``. A carrier on which a user
    has no gain of its own, or 0, is one that it does not use.

    Guarantee
    ---------
    Behind every `settle_every` rows, and in every query, users fill water until each is within ``tol`` of its budget of the
    equilibrium, by a bound computed from what is left to change (``status = "certified"``), where the spectral radius of the
    coupling matrix is below 1; else until nobody would move by more than that (``"converged"``), or gives up
    (``"max_iter"``). Who has most to gain goes first, so that a change costs about what it changes. Where this happens follows
    from the rows alone: fed whole or in pieces, the state is the same.

    Parameters
    ----------
    carriers : int
        N, at least 1.
    gap : float
        SNR gap to capacity, at least 1.
    noise, budget : float
        Of a user where none was given.
    tol : float
        Error, or change, over the budget.
    settle_every : int
        Rows. Fewer means less to do in a query, and more in updates.
    max_sweeps : int
        Updates a user, on average, at which to give up.

    Complexity
    ----------
    A row O(1), a user's update O(Q N), memory O(Q^2 N). The certificate costs O(Q^2 N + Q^3) each time.

    Examples
    --------
    >>> stream = StreamingWaterfilling(carriers=2)
    >>> stream.update(user=["a", "a", "b", "b"], carrier=[0, 1, 0, 1], gain=[1.0, 2.0, 2.0, 1.0])
    >>> stream.update(user=["a"], transmitter=["b"], carrier=[1], gain=[0.1])
    >>> result = stream.query()
    >>> result.status, result.power.round(3).tolist()
    ('certified', [[0.256, 0.744], [0.75, 0.25]])
    """

    name = "waterfilling.waterfilling"
    columns = {  # noqa: RUF012
        "op": ("int8", "+1 set, -1 remove the user"),
        "user": ("int64|str", "who receives"),
        "carrier": ("int64?", "0 ... carriers - 1"),
        "gain": ("float64?", "power gain |h|^2 on the carrier, linear, at least 0"),
        "noise": ("float64?", "noise power of the user on the carrier, positive"),
        "budget": ("float64?", "total power of the user, at least 0"),
        "transmitter": ("int64|str?", "whose signal the gain is of; the user itself where the column is absent"),
    }

    def __init__(
        self,
        *,
        carriers: int,
        gap: float = 1.0,
        noise: float = 1.0,
        budget: float = 1.0,
        tol: float = 1e-9,
        settle_every: int = 4096,
        max_sweeps: int = 1000,
    ) -> None:
        for label, count in (("carriers", carriers), ("settle_every", settle_every), ("max_sweeps", max_sweeps)):
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"{label} must be an integer of at least 1, got {count!r}")
        if not 1 <= gap < np.inf:
            raise ValueError(f"gap must be at least 1 and finite, got {gap}")
        if not (0 < noise < np.inf and 0 < tol < 1):
            raise ValueError(f"noise must be positive and finite, and tol between 0 and 1, got {noise} and {tol}")
        if not (budget == 0 or LEAST_POWER <= budget < np.inf):
            raise ValueError(f"budget must be 0, or finite and at least {LEAST_POWER:g}, got {budget}")
        self.carriers, self.gap, self.noise, self.budget = carriers, gap, noise, budget
        self.tol, self.settle_every, self.max_sweeps = tol, settle_every, max_sweeps
        self.n_seen = 0
        self._place: dict[Id, int] = {}
        self._state = _State(0, carriers)
        self._answer: StreamingResult | None = None

    # --- Changes

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        read: dict[str, Any] = dict(read_batch(self.columns, batch, columns))
        self._check(read)
        self._answer = None
        for begin, end in self._pieces(read["op"]):
            if read["op"][begin] < 0:
                self._remove(read["user"][begin])
            else:
                self._set({name: column[begin:end] for name, column in read.items() if name != "op"})
            self.n_seen += end - begin
            if self.n_seen % self.settle_every == 0:
                self._settle(self._state)

    def add_user(self, user: Id, gains: ArrayLike, noise: ArrayLike, budget: float) -> None:
        """A new user, or new channels of one: its own gain and the noise on each carrier."""
        shape = (self.carriers,)
        values = [np.broadcast_to(np.asarray(x, float), shape) for x in (gains, noise, budget)]
        self.update(
            user=[user] * self.carriers,
            carrier=np.arange(self.carriers),
            gain=values[0],
            noise=values[1],
            budget=values[2],
        )

    def remove_user(self, user: Id) -> None:
        self.update(op=[-1], user=[user])

    def _check(self, read: dict[str, Any]) -> None:
        """Everything that can be wrong, before anything is changed."""
        kept = read["op"] > 0
        if kept.any() and not {"gain", "noise", "budget"} & read.keys():
            raise ValueError("rows that set something need a column gain, noise or budget")
        if {"gain", "noise"} & read.keys() and "carrier" not in read:
            raise ValueError("gain and noise need the column carrier")
        if "transmitter" in read and "gain" not in read:
            raise ValueError("transmitter needs the column gain")
        for name, wrong, allowed in (
            ("carrier", lambda x: (x < 0) | (x >= self.carriers), f"from 0 to {self.carriers - 1}"),
            ("gain", lambda x: ~((x >= 0) & (x < np.inf)), "at least 0 and finite"),
            ("noise", lambda x: ~((x > 0) & (x < np.inf)), "positive and finite"),
            ("budget", lambda x: ~((x == 0) | ((x >= LEAST_POWER) & (x < np.inf))), f"0, or at least {LEAST_POWER:g}"),
        ):
            if name in read:
                bad = np.flatnonzero(wrong(read[name]) & kept)
                if len(bad):
                    row = int(bad[0])
                    raise at_row(
                        ValueError(f"row {row}: {name} must be {allowed}, got {read[name][row].item()!r}"), row
                    )
        known = set(self._place)
        senders = _ids(read["transmitter"]) if "transmitter" in read else None
        if kept.all() and (senders is None or set(senders) <= known):
            return
        for row, (op, user) in enumerate(zip(read["op"].tolist(), _ids(read["user"]), strict=True)):
            if op < 0:
                if user not in known:
                    raise at_row(UnknownElementError(f"row {row}: there is no user {user!r} to remove"), row)
                known.remove(user)
            elif senders is not None and senders[row] != user and senders[row] not in known:
                raise at_row(
                    UnknownElementError(
                        f"row {row}: transmitter {senders[row]!r} is no user yet: give its own gain first"
                    ),
                    row,
                )
            else:
                known.add(user)

    def _pieces(self, op: NDArray[np.int8]) -> Iterator[tuple[int, int]]:
        """Rows that are taken in at once: up to a removal, a settling, or the end."""
        begin = 0
        while begin < len(op):
            end = min(len(op), begin + self.settle_every - (self.n_seen % self.settle_every))
            removals = np.flatnonzero(op[begin:end] < 0)
            if len(removals):
                end = begin + max(1, int(removals[0]))
            yield begin, end
            begin = end

    def _set(self, read: dict[str, Any]) -> None:
        users = _ids(read["user"])
        new = [user for user in dict.fromkeys(users) if user not in self._place]
        if new:
            self._state.grow(len(new), self.noise, self.budget)
            for user in new:
                self._place[user] = len(self._place)
        receiver = np.array([self._place[user] for user in users], np.int64)
        x = self._state
        if "gain" in read:
            sender = receiver
            if "transmitter" in read:
                sender = np.array([self._place[user] for user in _ids(read["transmitter"])], np.int64)
            carrier, gain = np.array(read["carrier"]), np.array(read["gain"])
            settling.set_gains(receiver, sender, carrier, gain, x.gains, x.power, x.heard)
        if "noise" in read:
            x.noise[receiver, read["carrier"]] = read["noise"]
        if "budget" in read:
            changed = x.budget[receiver] != read["budget"]
            x.budget[receiver] = read["budget"]
            x.stale[receiver[changed]] = np.inf
        settling.measure(np.unique(receiver), x.gains, x.noise, x.heard, self.gap, x.filled, x.stale)

    def _remove(self, user: Id) -> None:
        at = self._place.pop(user if isinstance(user, str) else int(user))
        self._place = {other: place - (place > at) for other, place in self._place.items()}
        self._state = self._state.without(at, self.gap)

    # --- Answers

    def query(self) -> StreamingResult:
        if self._answer is None:
            self._answer = self._settle(self._state.copy())
        return self._answer

    def game(self) -> InterferenceGame:
        """The game of this moment."""
        own = np.einsum("iik->ik", self._state.gains)
        x = self._state
        return InterferenceGame(x.gains, x.noise, x.budget, gap=self.gap, mask=own > 0)

    def _settle(self, x: _State) -> StreamingResult:
        """Bring `x` to the equilibrium, in place."""
        q = len(x.budget)
        if q == 0:
            empty = np.empty(0)
            return StreamingResult((), x.power, empty, empty, empty, "certified", 0.0, 0.0, x.updates)
        s = np.empty((q, q))
        settling.couplings(x.gains, self.gap, s)
        c = certify(s)
        # max(stale / w) <= theta gives e <= (I - S)^-1 stale <= w theta / (1 - r): with this theta at most tol of any budget.
        r = float((s @ c.perron / c.perron).max())
        weight, allowed = x.budget.copy(), self.tol * x.budget
        weight[weight == 0] = 1.0
        if c.holds and r < 1:
            weight = c.perron
            paid = x.budget > 0
            theta = (1 - r) / 2 * self.tol * float((x.budget[paid] / weight[paid]).min()) if paid.any() else 0.0
            allowed = theta * weight
        most = self.max_sweeps * q
        before = x.updates
        x.updates = settling.settle(
            x.gains,
            x.noise,
            x.budget,
            self.gap,
            x.power,
            x.heard,
            x.level,
            x.filled,
            x.stale,
            weight,
            allowed,
            x.updates,
            most,
        )
        done = x.updates - before < most
        status = ("certified" if c.holds else "converged") if done else "max_iter"
        own = np.einsum("iik->ik", x.gains)
        sinr = np.divide(own * x.power, self.gap * (x.noise + np.maximum(x.heard, 0.0)))
        bound = error_bound(s, c, x.stale) if np.isfinite(x.stale).all() else None
        return StreamingResult(
            users=tuple(self._place),
            power=x.power.copy(),
            level=x.level.copy(),
            rates=np.log2(1 + sinr).sum(axis=1),
            error_bound=bound,
            status=status,
            rho_lower=c.rho_lower,
            rho_upper=c.rho_upper,
            updates=x.updates,
        )

    # --- Snapshots

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._state.arrays())

    def to_bytes(self) -> bytes:
        ids = json.dumps(list(self._place)).encode()
        x = self._state
        head = _HEAD.pack(self.n_seen, x.updates, len(x.budget), self.carriers, len(ids))
        return snapshot.pack(self, b"".join([head, ids, *(a.astype("<f8").tobytes() for a in x.arrays())]))

    @classmethod
    def from_bytes(cls, data: bytes) -> StreamingWaterfilling:
        params, payload = snapshot.unpack(cls, data)
        if len(payload) < _HEAD.size:
            raise SnapshotError(f"payload of {len(payload)} bytes does not hold its header")
        n_seen, updates, q, n, size = _HEAD.unpack_from(payload)
        if len(payload) != _HEAD.size + size + 8 * (q * q * n + 4 * q * n + 3 * q):
            raise SnapshotError(f"payload of {len(payload)} bytes does not fit {q} users on {n} carriers")
        try:
            loaded = cls(**params)
            ids = json.loads(payload[_HEAD.size : _HEAD.size + size])
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"parameters or users cannot be read: {error}") from None
        if (
            n != loaded.carriers
            or not isinstance(ids, list)
            or len(ids) != q
            or not all(type(i) in (int, str) for i in ids)
        ):
            raise SnapshotError("users or carriers do not fit the parameters")
        numbers = np.frombuffer(payload, "<f8", offset=_HEAD.size + size).astype(np.float64)
        loaded.n_seen, loaded._place = n_seen, {user: place for place, user in enumerate(ids)}
        loaded._state = _State(q, n)
        loaded._state.updates = updates
        at = 0
        for array in loaded._state.arrays():
            array[...] = numbers[at : at + array.size].reshape(array.shape)
            at += array.size
        if len(loaded._place) != q or not loaded._state.is_sound():
            raise SnapshotError("payload holds numbers that no state has")
        return loaded


class _State:
    """Channels, powers, and what everyone hears: one row a user."""

    def __init__(self, q: int, n: int) -> None:
        self.gains, self.noise, self.budget = np.zeros((q, q, n)), np.ones((q, n)), np.ones(q)
        self.power, self.heard, self.filled = np.zeros((q, n)), np.zeros((q, n)), np.zeros((q, n))
        self.level, self.stale = np.zeros(q), np.full(q, np.inf)
        self.updates = 0

    def arrays(self) -> tuple[Matrix, ...]:
        return self.gains, self.noise, self.power, self.heard, self.filled, self.budget, self.level, self.stale

    def is_sound(self) -> bool:
        amounts = all(((x >= 0) & (x < np.inf)).all() for x in (self.gains, self.power, self.budget))
        noise = ((self.noise > 0) & (self.noise < np.inf)).all()
        signed = np.isfinite(self.heard).all() and np.isfinite(self.filled).all()
        return bool(amounts and noise and signed and (self.level >= 0).all() and (self.stale >= 0).all())

    def copy(self) -> _State:
        """What settling writes is copied; the channels are shared, which nothing changes in place meanwhile."""
        twin = _State(0, self.noise.shape[1])
        twin.gains, twin.noise, twin.budget, twin.updates = self.gains, self.noise, self.budget, self.updates
        twin.power, twin.heard, twin.filled = self.power.copy(), self.heard.copy(), self.filled.copy()
        twin.level, twin.stale = self.level.copy(), self.stale.copy()
        return twin

    def grow(self, more: int, noise: float, budget: float) -> None:
        q = len(self.budget)
        fresh = _State(q + more, self.noise.shape[1])
        fresh.gains[:q, :q] = self.gains
        fresh.noise[q:], fresh.budget[q:] = noise, budget
        for new, old in zip(fresh.arrays()[1:], self.arrays()[1:], strict=True):
            new[:q] = old
        fresh.updates = self.updates
        self.__dict__ = fresh.__dict__

    def without(self, at: int, gap: float) -> _State:
        """User `at` is gone, and with it what the others heard of it."""
        settling.forget(at, self.gains, self.noise, self.power, self.heard, gap, self.filled, self.stale)
        rest = _State(0, self.noise.shape[1])
        rest.gains = np.ascontiguousarray(np.delete(np.delete(self.gains, at, 0), at, 1))
        names = ("noise", "power", "heard", "filled", "budget", "level", "stale")
        for name in names:
            setattr(rest, name, np.delete(getattr(self, name), at, 0))
        rest.updates = self.updates
        return rest


def _ids(column: Any) -> list[Id]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)
