"""A population of ALLOMFREE devices in arrays, each with an attribute and first rounds of its own that never change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from pyalgo_privacy.allomfree import AllomfreePlan
from pyalgo_privacy.chain_kernels import fill_blocks, flipped_users, grr_memos, unary_memos, uniform_users
from pyalgo_privacy.chains import Chain, GrrChain, UnaryChain
from pyalgo_privacy.fields import BitsField, bits_of
from pyalgo_privacy.kernels import grr_users
from pyalgo_privacy.source import WordSource, for_users

__all__ = ["AllomfreeReports", "AllomfreeSimulator", "KeyedWords"]

_CHUNK = 1 << 12  # users whose first rounds are drawn at a time


@dataclass(frozen=True)
class AllomfreeReports:
    """One round of reports, by attribute; what `AllomfreeServer.update` takes without a look at single rows.

    Attributes
    ----------
    plan : AllomfreePlan
    round : int
    users : tuple of array
        For each attribute the users who told of it.
    columns : tuple of array
        What they said, in the same order: values, or bits as rows of 32-bit words, lowest first.
    """

    plan: AllomfreePlan
    round: int
    users: tuple[NDArray[Any], ...]
    columns: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return sum(map(len, self.users))

    def batch(self) -> dict[str, list[Any]]:
        """The same reports as a batch of the server's columns, in the order of the users."""
        order = np.argsort(np.concatenate(self.users), kind="stable").tolist()
        attribute: list[int] = []
        value: list[int] = []
        bits: list[list[int]] = []
        for r, (oracle, column) in enumerate(zip(self.plan.oracles, self.columns, strict=True)):
            attribute += [r] * len(column)
            value += [-1] * len(column) if oracle.chain.unary else column.tolist()
            packed = BitsField("bits", oracle.k).expand(column).tolist() if oracle.chain.unary else None
            bits += [[]] * len(column) if packed is None else packed
        return {
            "round": [self.round] * len(order),
            "attribute": [attribute[i] for i in order],
            "value": [value[i] for i in order],
            "bits": [bits[i] for i in order],
            "digest": [self.plan.digest] * len(order),
        }


class KeyedWords:
    """For each (user, attribute, value) an endless sequence of 32-bit words, the same ones whenever it is asked for.

    They are AES-256 of the counters 0, 1, ... beside the three numbers: a pseudo-random permutation, of which no two inputs are
    equal. Without the key nobody can tell them from random words.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # of blocks that never repeat, as in counter mode
        self._plain: NDArray[np.uint32] | None = None
        self._secret = bytearray()

    def rows(self, users: NDArray[Any], attribute: int, values: NDArray[Any], blocks: int) -> NDArray[np.uint32]:
        """The first ``4 * blocks`` words of each user, a row each; a view of what the next call overwrites."""
        plain, secret = self._room(len(users) * blocks)
        fill_blocks(users, attribute, values, plain)
        self._cipher.encryptor().update_into(plain.view(np.uint8).reshape(-1), secret)
        return np.frombuffer(secret, "<u4", count=plain.size).reshape(len(users), 4 * blocks)

    def _room(self, blocks: int) -> tuple[NDArray[np.uint32], bytearray]:
        if self._plain is None or len(self._plain) < blocks:
            self._plain = np.empty((blocks, 4), "<u4")
            self._secret = bytearray(16 * blocks + 15)  # as much more as a cipher may want
        return self._plain[:blocks], self._secret


class AllomfreeSimulator:
    """What n devices would send, round by round: `fit` draws their attributes and first rounds, `round` their reports.

    First rounds are memoized as on a device: a value that comes back after others has the first round that it had. Those of
    the present values are held in arrays, and those of all others derived from a key when they come up.

    Parameters
    ----------
    domains, eps_perm, eps_first, calibration
        As of `AllomfreePlan`, equal to the server's.
    seed : int, optional
        For simulations that can be repeated; the reports are then marked insecure. By default all noise comes from the
        operating system.

    Notes
    -----
    Memory is 4 bytes a user, and of those with L-GRR 2 to 8 more, of those with L-OSUE 1 to 4 more and a bit a value of the
    domain, rounded up to 32. A round costs one pass over the users.

    Examples
    --------
    >>> import numpy as np
    >>> from pyalgo_privacy import AllomfreeServer, AllomfreeSimulator
    >>> people = np.random.default_rng(0).integers(0, [2, 40], (100_000, 2))
    >>> devices = AllomfreeSimulator([2, 40], 2.0, 1.0, seed=0).fit(people)
    >>> server = AllomfreeServer(**devices.plan.params)
    >>> server.update(devices.round(people))
    >>> estimate = server.query()[0]
    >>> estimate.freq.round(2).tolist(), estimate.n
    ([0.5, 0.5], 50133)
    """

    def __init__(
        self,
        domains: Sequence[int],
        eps_perm: float,
        eps_first: float,
        calibration: str = "exact",
        *,
        seed: int | None = None,
    ) -> None:
        self.plan = AllomfreePlan(domains, eps_perm, eps_first, calibration, insecure=seed is not None)
        self._words = WordSource(seed)
        self._memo_words = KeyedWords(_key(seed))
        self._users: tuple[NDArray[np.uint32], ...] = ()
        self._values: list[NDArray[Any]] = []
        self._memos: list[NDArray[Any]] = []
        self.n_rounds = 0

    def fit(self, x: Any) -> AllomfreeSimulator:
        """Begin with the users whose values are the rows of `x`, an int[n, d]: draw an attribute for each, once and for ever."""
        table = self._table(x)
        d = len(self.plan.domains)
        attribute = np.zeros(len(table), np.uint16)
        if d > 1:
            for_users(
                lambda words, begin: uniform_users(words, begin, d, bits_of(d), attribute), len(table), 2, self._words
            )
        order = np.argsort(attribute, kind="stable").astype(np.uint32)
        starts = np.cumsum(np.bincount(attribute, minlength=d))[:-1]
        users = tuple(group.copy() for group in np.split(order, starts))
        values = [self._column(table, r, group) for r, group in enumerate(users)]
        self._memos = [self._first_rounds(r, group, values[r]) for r, group in enumerate(users)]
        self._users, self._values = users, values
        self.n_rounds = 0
        return self

    def round(self, x: Any, present: Any = None) -> AllomfreeReports:
        """The next round's reports, the users' values being the rows of `x`; of those `present` (bool[n]) alone, if given."""
        table = self._table(x)
        n = sum(map(len, self._users))
        if len(table) != n:
            raise ValueError(f"x must have a row for each of the {n} users that were fitted, got {len(table)}")
        everyone: list[slice | NDArray[np.int64]] = [slice(None)] * len(self._users)
        picked = everyone if present is None else self._places(present, n)
        users = tuple(group[at] for group, at in zip(self._users, picked, strict=True))
        fresh = [
            self._column(table, r, group) for r, group in enumerate(users)
        ]  # all are checked before any is reported
        columns = [self._reports(r, at, values) for r, (at, values) in enumerate(zip(picked, fresh, strict=True))]
        self.n_rounds += 1
        return AllomfreeReports(self.plan, self.n_rounds - 1, users, tuple(columns))

    def _places(self, present: Any, n: int) -> list[slice | NDArray[np.int64]]:
        """Of each attribute's users, which are present."""
        there = np.asarray(present)
        if there.dtype != np.bool_ or there.shape != (n,):
            raise ValueError(f"present must be bool[{n}], got {there.dtype} of shape {there.shape}")
        return [np.flatnonzero(there[group]) for group in self._users]

    @property
    def attributes(self) -> NDArray[np.uint16]:
        """uint16[n]: which one each user tells of."""
        drawn = np.empty(sum(map(len, self._users)), np.uint16)
        for r, group in enumerate(self._users):
            drawn[group] = r
        return drawn

    @property
    def nbytes(self) -> int:
        """Memory of what is remembered of all users, in bytes."""
        return sum(array.nbytes for part in (self._users, self._values, self._memos) for array in part)

    def _table(self, x: Any) -> NDArray[Any]:
        table = np.asarray(x)
        d = len(self.plan.domains)
        if table.ndim != 2 or table.shape[1] != d or table.dtype.kind not in "iu":
            raise ValueError(f"x must be integers in {d} columns, got {table.dtype} of shape {table.shape}")
        return table

    def _column(self, table: NDArray[Any], attribute: int, users: NDArray[Any]) -> NDArray[Any]:
        values, k = table[users, attribute], self.plan.domains[attribute]
        wrong = np.flatnonzero((values < 0) | (values >= k))
        if len(wrong):
            raise ValueError(
                f"x[{users[wrong[0]]}, {attribute}] must be from 0 to {k - 1}, got {values[wrong[0]]}: that is what domains says"
            )
        narrow: NDArray[Any] = values.astype(np.min_scalar_type(k - 1))
        return narrow

    def _first_rounds(self, attribute: int, users: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        chain = self.plan.oracles[attribute].chain
        memos = _room(chain, len(users), values.dtype)
        for begin in range(0, len(users), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            memos[part] = self._drawn(chain, attribute, users[part], values[part].astype(np.int64))
        return memos

    def _drawn(
        self, chain: Chain, attribute: int, users: NDArray[Any], values: NDArray[np.int64], blocks: int = 0
    ) -> NDArray[Any]:
        """First rounds; those for which the words did not suffice are drawn again from the same ones and more behind them."""
        blocks = blocks or (1 + 2 * ((chain.k + 31) // 32) if isinstance(chain, UnaryChain) else 1)
        memos = _room(chain, len(users), np.dtype(np.int64))
        words = self._memo_words.rows(users, attribute, values, blocks)
        if isinstance(chain, UnaryChain):
            truth, others = chain.first
            short = unary_memos(words, values, chain.k, truth.high, truth.low, *others, memos)
        else:
            assert isinstance(chain, GrrChain)
            first = chain.first
            short = grr_memos(words, values, chain.k, first.high, first.low, (chain.k - 2).bit_length(), memos)
        if len(short):
            memos[short] = self._drawn(chain, attribute, users[short], values[short], 2 * blocks)
        return memos

    def _reports(self, attribute: int, at: slice | NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
        """Second rounds of the users at these places of an attribute, whose memos follow their values first."""
        users, chain, memos = self._users[attribute], self.plan.oracles[attribute].chain, self._memos[attribute]
        moved = np.flatnonzero(self._values[attribute][at] != values)
        if len(moved):
            places = moved if isinstance(at, slice) else at[moved]
            memos[places] = self._first_rounds(attribute, users[places], values[moved])
            self._values[attribute][places] = values[moved]
        present = memos[at]
        if isinstance(chain, UnaryChain):
            rows = np.empty_like(present)
            flips = (len(rows), chain.k, *chain.second[1], present.reshape(-1), rows.reshape(-1))
            for_users(
                lambda words, begin: flipped_users(words, begin, *flips), len(rows), 8 * rows.shape[1], self._words
            )
            return rows
        assert isinstance(chain, GrrChain)
        x, out, second = present.astype(np.int64), np.empty(len(present), np.int64), chain.second
        keeps = (chain.k, second.high, second.low, (chain.k - 2).bit_length(), out)
        for_users(lambda words, begin: grr_users(words, begin, x, *keeps), len(out), 3, self._words)
        return out


def _room(chain: Chain, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.empty((n, (chain.k + 31) // 32), np.uint32) if chain.unary else np.empty(n, dtype)


def _key(seed: int | None) -> bytes:
    return os.urandom(32) if seed is None else hashlib.sha256(f"memos of {seed}".encode()).digest()
