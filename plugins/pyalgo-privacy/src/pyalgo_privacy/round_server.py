"""Counts of two-round protocols' reports by round and attribute, and frequencies with standard errors from them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo import Algorithm, SnapshotError, snapshot
from pyalgo.arrays import Column, Ragged, read_batch
from pyalgo.errors import at_row
from pyalgo_privacy.chains import GrrChain
from pyalgo_privacy.errors import InvalidReport, ProtocolMismatch
from pyalgo_privacy.estimate import FrequencyEstimate, estimate_of
from pyalgo_privacy.fields import refused
from pyalgo_privacy.grr import bayes_step
from pyalgo_privacy.longitudinal import LongitudinalOracle

__all__ = ["ROUND", "RoundServer"]

ROUND = {"round": ("int64?", "the round that the report counts in; 0 where the column is absent")}


class RoundServer(Algorithm):
    """Counts of reports by round, for one or more attributes that each have a `LongitudinalOracle`.

    What is kept of a round are the numbers of reports and the counts of all attributes: no report and no user.
    """

    def __init__(self, oracles: Sequence[LongitudinalOracle], digest: str, parties: str, *, insecure: bool) -> None:
        self._oracles, self._digest, self._parties, self._insecure = oracles, digest, parties, insecure
        self._starts = np.cumsum([0, *(oracle.chain.counters for oracle in oracles)])
        self._of_round: dict[int, NDArray[np.int64]] = {}  # the number of reports by attribute, then all counts
        self._lock = threading.Lock()

    @property
    def rounds(self) -> list[int]:
        """Those that have reports, in rising order."""
        with self._lock:
            return sorted(self._of_round)

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Reports taken in so far."""
        with self._lock:
            return int(sum(row[: len(self._oracles)].sum() for row in self._of_round.values()))

    @property
    def nbytes(self) -> int:
        """Memory of the counts, in bytes."""
        return 8 * self._width * len(self._of_round)

    @property
    def _width(self) -> int:
        return len(self._oracles) + int(self._starts[-1])

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        """Take in reports, a batch of the columns."""
        read = read_batch(self.columns, batch, columns)
        for row, digest in enumerate(read.get("digest", ())):
            try:
                self._refuse_foreign(digest, f"row {row}: the report has")
            except ProtocolMismatch as error:
                raise at_row(error, row) from None
        attribute = _numbers(read, "attribute")
        d = len(self._oracles)
        for row in np.flatnonzero((attribute < 0) | (attribute >= d))[:1]:
            raise refused(row, f"attribute must be {f'from 0 to {d - 1}' if d > 1 else 0}, got {attribute[row]}")
        order = np.argsort(attribute, kind="stable")
        groups = np.split(order, np.searchsorted(attribute[order], np.arange(1, d)))
        reports = [_checked(oracle, rows, read) for oracle, rows in zip(self._oracles, groups, strict=True)]
        rounds = _numbers(read, "round")
        counted = {}
        for round in np.unique(rounds):
            of_round = [rounds[rows] == round for rows in groups]
            parts = [_picked(part, at) for part, at in zip(reports, of_round, strict=True)]
            counted[int(round)] = self._counted(parts)
        self._add(counted)

    def _refuse_foreign(self, digest: str, whose: str) -> None:
        if digest != self._digest:
            raise ProtocolMismatch(
                f"{whose} digest {digest}, those of {self._parties} have {self._digest}: domains, budgets, protocol, "
                "calibration, or secret and seeded noise differ"
            )

    def _counted(self, reports: Sequence[Mapping[str, NDArray[Any]]]) -> NDArray[np.int64]:
        """Checked reports of one round, in compact form by attribute, as counts."""
        row = np.zeros(self._width, np.int64)
        counts = row[len(self._oracles) :]
        for r, (oracle, columns) in enumerate(zip(self._oracles, reports, strict=True)):
            row[r] = len(next(iter(columns.values()), ()))
            if row[r]:
                oracle.chain.count(columns, counts[self._starts[r] : self._starts[r + 1]])
        return row

    def _add(self, counted: Mapping[int, NDArray[np.int64]]) -> None:
        with self._lock:
            for round, row in counted.items():
                if round in self._of_round:
                    self._of_round[round] += row
                else:
                    self._of_round[round] = row.copy()

    def merge(self, other: RoundServer) -> None:
        """Add the counts of another server of equal parameters, which is unchanged."""
        if not isinstance(other, type(self)):
            raise TypeError(f"other must be of the class {type(self).__name__}, got {type(other).__name__}")
        self._refuse_foreign(other._digest, "the other server has")
        with other._lock:
            counted = {round: row.copy() for round, row in other._of_round.items()}
        self._add(counted)

    def _estimates(self, round: int | None, postprocess: str | None) -> tuple[int | None, list[FrequencyEstimate]]:
        """(round, every attribute's frequencies in it); of the latest round by default."""
        with self._lock:
            known = sorted(self._of_round)
            if round is None and known:
                round = known[-1]
            if round is not None and round not in self._of_round:
                raise KeyError(f"round {round} has no reports; {_listed(known)}")
            row = np.zeros(self._width, np.int64) if round is None else self._of_round[round].copy()
        d = len(self._oracles)
        parts = np.split(row[d:], self._starts[1:-1])
        return round, [self._estimated(r, parts[r], int(row[r]), postprocess) for r in range(d)]

    def _estimated(self, r: int, counts: NDArray[np.int64], n: int, postprocess: str | None) -> FrequencyEstimate:
        oracle = self._oracles[r]
        if postprocess == "ibu" and not isinstance(oracle.chain, GrrChain):
            raise ValueError(
                f"postprocess='ibu' needs the count of every possible report, and attribute {r} reports by "
                f"{oracle.protocol}, which has too many of them: use 'norm-sub'"
            )
        return estimate_of(
            *oracle.estimated(counts, n),
            n,
            postprocess,
            lambda f: bayes_step(oracle.p, oracle.q, f, counts, n),
            protocol=oracle.protocol,
            insecure=self._insecure,
        )

    def to_bytes(self) -> bytes:
        """Parameters and counts, by round."""
        with self._lock:
            known = sorted(self._of_round)
            rows = [np.concatenate([[round], self._of_round[round]]) for round in known]
        return snapshot.pack(self, np.array(rows, "<i8").tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> RoundServer:
        """The server that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls(**params)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot is refused: {error}") from None
        d, width = len(loaded._oracles), 1 + loaded._width
        if len(payload) % (8 * width):
            raise SnapshotError(f"payload of {len(payload)} bytes is no table of {width} numbers a round")
        table = np.frombuffer(payload, "<i8").astype(np.int64).reshape(-1, width)
        most = np.repeat(table[:, 1 : 1 + d], np.diff(loaded._starts), axis=1)
        rounds = table[:, 0]
        if np.any(table[:, 1:] < 0) or np.any(table[:, 1 + d :] > most) or np.any(rounds[1:] <= rounds[:-1]):
            raise SnapshotError("snapshot has counts below 0 or above the reports, or rounds out of order")
        loaded._of_round = {int(row[0]): row[1:].copy() for row in table}
        return loaded


def _numbers(read: Mapping[str, Column], name: str) -> NDArray[np.int64]:
    """A column of integers; zeros where it is absent."""
    if name in read:
        return np.asarray(read[name])
    rows = (len(c.offsets) - 1 if isinstance(c, Ragged) else len(c) for c in read.values())
    return np.zeros(next(rows, 0), np.int64)


def _checked(
    oracle: LongitudinalOracle, rows: NDArray[np.int64], read: Mapping[str, Column]
) -> dict[str, NDArray[Any]]:
    """The reports at `rows`, all of one attribute, in compact form, if its clients could have sent them."""
    if not len(rows):
        return {}
    fields = {field.name: field for field in oracle.chain.fields}
    for name in fields:
        if name not in read:
            raise refused(int(rows[0]), f"there is no column {name!r}, which reports by {oracle.protocol} have")
    for name in ("value", "bits", "hash", "chosen"):
        if name in read and name not in fields:
            _refuse_filled(name, _taken(read[name], rows), rows, oracle.protocol)
    try:
        columns = {name: field.compact(_taken(read[name], rows)) for name, field in fields.items()}
        oracle.chain.check(columns)
    except InvalidReport as error:  # it counts the rows of this attribute alone
        raise refused(int(rows[error.row]), str(error).partition(": ")[2]) from None  # type: ignore[attr-defined]
    return columns


def _refuse_filled(name: str, column: Column, rows: NDArray[np.int64], protocol: str) -> None:
    if isinstance(column, Ragged):
        blank, got = "empty", np.diff(column.offsets)
        filled = got != 0
    else:
        blank, got = "-1", np.asarray(column)
        filled = got != -1
    for at in np.flatnonzero(filled)[:1]:
        raise refused(int(rows[at]), f"{name} must be {blank}, for reports by {protocol} have none, got {got[at]}")


def _taken(column: Column, rows: NDArray[np.int64]) -> Column:
    if not isinstance(column, Ragged):
        return np.asarray(column)[rows]
    lengths = np.diff(column.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(column.offsets[rows] - offsets[:-1], lengths)
    return Ragged(offsets, np.asarray(column.values)[places])


def _picked(columns: Mapping[str, NDArray[Any]], at: NDArray[np.bool_]) -> Mapping[str, NDArray[Any]]:
    return columns if at.all() else {name: column[at] for name, column in columns.items()}


def _listed(rounds: list[int]) -> str:
    return f"those from {rounds[0]} to {rounds[-1]} may have" if rounds else "there are none at all"
