"""The server's side of ALLOMFREE: counts by round and attribute, and every attribute's frequencies with standard errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo import Algorithm, SnapshotError, snapshot
from pyalgo.arrays import Column, Ragged, read_batch
from pyalgo.errors import at_row
from pyalgo_privacy.allomfree import AllomfreePlan
from pyalgo_privacy.errors import ProtocolMismatch
from pyalgo_privacy.estimate import FrequencyEstimate, iterated_bayes, postprocessed
from pyalgo_privacy.fields import BitsField, refused
from pyalgo_privacy.grr import bayes_step
from pyalgo_privacy.kernels import count_bits
from pyalgo_privacy.longitudinal import LongitudinalOracle
from pyalgo_privacy.simulator import AllomfreeReports

__all__ = ["AllomfreeEstimate", "AllomfreeServer"]


@dataclass(frozen=True)
class AllomfreeEstimate:
    """All attributes' frequencies in one round; ``estimate[r]`` is that of attribute r.

    Attributes
    ----------
    round : int or None
        Which one; None where there were no reports at all.
    attributes : tuple of FrequencyEstimate
        One an attribute, each with the number of reports that it rests on.
    """

    round: int | None
    attributes: tuple[FrequencyEstimate, ...]

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, attribute: int) -> FrequencyEstimate:
        return self.attributes[attribute]

    def __iter__(self) -> Iterator[FrequencyEstimate]:
        return iter(self.attributes)


class AllomfreeServer(Algorithm):
    """Counts reports of ALLOMFREE clients, in any order and on any number of machines, and estimates every attribute.

    What is kept of a round are counts, 8 (d + sum of domains) bytes: no report and no user. So a late report counts in its
    own round, whenever it comes; and a report that comes twice counts twice, for who has sent what is not known here: what
    transports reports must deliver each once (the runner does, by its offsets). Estimates are of the users who reported.
    The round is what the collector puts on a report, not the device: every new one takes memory.

    Parameters
    ----------
    domains : list of int
        Size of each attribute's domain.
    eps_perm, eps_first : float
        The clients' budgets, as of `LongitudinalOracle`.
    calibration : str
        ``"exact"`` or ``"paper"``, as the clients'.
    insecure : bool
        Whether the reports come from a seeded simulator, for tests: such reports are refused otherwise, and real ones here.

    Raises
    ------
    InvalidReport
        For a report that no client could have sent, naming its row. The state is unchanged, as after every error.
    ProtocolMismatch
        For reports and servers of other parameters.

    Examples
    --------
    >>> from pyalgo_privacy import AllomfreeClient, AllomfreeServer
    >>> settings = {"domains": [2, 3], "eps_perm": 4.0, "eps_first": 3.0}
    >>> server = AllomfreeServer(**settings)
    >>> for user in range(200):
    ...     row = AllomfreeClient(**settings).report([user % 2, 0]).row(round=1)
    ...     server.update({name: [entry] for name, entry in row.items()})
    >>> [(estimate.protocol, len(estimate.freq)) for estimate in server.query(round=1)]
    [('L-GRR', 2), ('L-GRR', 3)]
    """

    name = "privacy.allomfree"
    columns = {  # noqa: RUF012
        "round": ("int64?", "the round that the report counts in; 0 where the column is absent"),
        "attribute": ("int64", "which one it tells of"),
        "value": ("int64?", "the reported value where the attribute's protocol is L-GRR, else -1"),
        "bits": ("list[uint8]?", "the bits, eight a byte, lowest first, where it is L-OSUE, else empty"),
        "digest": ("str?", "of the parameters that the report was made with: foreign ones are refused"),
    }

    def __init__(
        self,
        *,
        domains: Sequence[int],
        eps_perm: float,
        eps_first: float,
        calibration: str = "exact",
        insecure: bool = False,
    ) -> None:
        self.plan = AllomfreePlan(domains, eps_perm, eps_first, calibration, insecure=insecure)
        self._starts = np.concatenate([[0], np.cumsum(self.plan.domains)])
        self._of_round: dict[int, NDArray[np.int64]] = {}  # the number of reports by attribute, then all counts
        self._lock = threading.Lock()

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given."""
        return self.plan.params

    @property
    def rounds(self) -> list[int]:
        """Those that have reports, in rising order."""
        with self._lock:
            return sorted(self._of_round)

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Reports taken in so far."""
        with self._lock:
            return int(sum(row[: len(self.plan.domains)].sum() for row in self._of_round.values()))

    @property
    def nbytes(self) -> int:
        """Memory of the counts, in bytes."""
        return 8 * self._width * len(self._of_round)

    @property
    def _width(self) -> int:
        return len(self.plan.domains) + int(self._starts[-1])

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        """Take in reports: `AllomfreeReports`, or a batch of the columns."""
        if isinstance(batch, AllomfreeReports):
            if columns:
                raise TypeError("a batch is either AllomfreeReports or columns, not both")
            self._refuse_foreign(batch.plan.digest, "reports have")
            counted = {batch.round: self._counted(batch.columns)} if len(batch) else {}
        else:
            counted = self._counted_rows(read_batch(self.columns, batch, columns))
        self._add(counted)

    def _refuse_foreign(self, digest: str, whose: str) -> None:
        if digest != self.plan.digest:
            raise ProtocolMismatch(
                f"{whose} digest {digest}, those of {self.plan!r} have {self.plan.digest}: domains, budgets, calibration, or "
                "secret and seeded noise differ"
            )

    def _add(self, counted: dict[int, NDArray[np.int64]]) -> None:
        with self._lock:
            for round, row in counted.items():
                if round in self._of_round:
                    self._of_round[round] += row
                else:
                    self._of_round[round] = row.copy()

    def _counted(self, columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Checked reports of one round, in compact form by attribute, as counts."""
        row = np.zeros(self._width, np.int64)
        counts = row[len(self.plan.domains) :]
        for r, (oracle, column) in enumerate(zip(self.plan.oracles, columns, strict=True)):
            mine = counts[self._starts[r] : self._starts[r + 1]]
            if oracle.chain.unary:
                count_bits(column, mine)
            else:
                mine += np.bincount(column, minlength=oracle.k)
            row[r] = len(column)
        return row

    def _counted_rows(self, read: dict[str, Column]) -> dict[int, NDArray[np.int64]]:
        for row, digest in enumerate(read.get("digest", ())):
            try:
                self._refuse_foreign(digest, f"row {row}: the report has")
            except ProtocolMismatch as error:
                raise at_row(error, row) from None
        attribute = read["attribute"]
        assert isinstance(attribute, np.ndarray)
        d = len(self.plan.domains)
        for row in np.flatnonzero((attribute < 0) | (attribute >= d))[:1]:
            raise refused(row, f"attribute must be from 0 to {d - 1}, got {attribute[row]}")
        groups = [np.flatnonzero(attribute == r) for r in range(d)]
        columns = [self._compact(oracle, rows, read) for oracle, rows in zip(self.plan.oracles, groups, strict=True)]
        rounds = np.asarray(read.get("round", np.zeros(len(attribute), np.int64)))
        return {
            int(round): self._counted([c[rounds[rows] == round] for c, rows in zip(columns, groups, strict=True)])
            for round in np.unique(rounds)
        }

    def _compact(self, oracle: LongitudinalOracle, rows: NDArray[np.int64], read: dict[str, Column]) -> NDArray[Any]:
        """The reports at `rows`, all of one attribute, if its clients could have sent them."""
        unary = oracle.chain.unary
        needed = "bits" if unary else "value"
        if len(rows) and needed not in read:
            what = f"attribute reports by {oracle.protocol}, and there is no column {needed!r}"
            raise refused(int(rows[0]), what)
        value, bits = read.get("value"), read.get("bits")
        if isinstance(value, np.ndarray):
            low, high = (-1, 0) if unary else (0, oracle.k)
            for row in rows[(value[rows] < low) | (value[rows] >= high)][:1]:
                wanted = "-1, for the attribute reports bits" if unary else f"from 0 to {oracle.k - 1}"
                raise refused(int(row), f"value must be {wanted}, got {value[row]}")
        field = BitsField("bits", oracle.k)
        if isinstance(bits, Ragged):
            lengths = np.diff(bits.offsets)[rows]
            for at in np.flatnonzero(lengths != (field.bytes if unary else 0))[:1]:
                wanted = f"{field.bytes} bytes" if unary else "empty, for the attribute reports a value"
                raise refused(int(rows[at]), f"bits must be {wanted}, got {lengths[at]}")
        if not unary:
            return value[rows] if isinstance(value, np.ndarray) else np.empty(0, np.int64)
        if not isinstance(bits, Ragged):
            return np.empty((0, (oracle.k + 31) // 32), np.uint32)
        taken = np.asarray(bits.values)[bits.offsets[rows][:, np.newaxis] + np.arange(field.bytes)]
        compact = field.compact(Ragged(np.arange(len(rows) + 1) * field.bytes, taken.reshape(-1)))
        for at in np.flatnonzero(compact[:, -1] >> (oracle.k - 1) % 32 >> 1)[:1]:
            raise refused(int(rows[at]), f"bits has one set beyond the first {oracle.k}")
        return compact

    def merge(self, other: AllomfreeServer) -> None:
        """Add the counts of another server of equal parameters, which is unchanged."""
        if not isinstance(other, AllomfreeServer):
            raise TypeError(f"other must be an AllomfreeServer, got {type(other).__name__}")
        self._refuse_foreign(other.plan.digest, "the other server has")
        with other._lock:
            counted = {round: row.copy() for round, row in other._of_round.items()}
        self._add(counted)

    def query(self, *, round: int | None = None, postprocess: str | None = None) -> AllomfreeEstimate:  # type: ignore[override]
        """All attributes' frequencies in a round, the latest by default; unbiased unless a `postprocess` is asked for.

        Rounds are estimated apart, and not put together: the first round's noise is the same in all of them, so their mean
        is not better by as much as its number of reports would say.
        """
        with self._lock:
            known = sorted(self._of_round)
            if round is None and known:
                round = known[-1]
            if round is not None and round not in self._of_round:
                raise KeyError(f"round {round} has no reports; {_listed(known)}")
            row = np.zeros(self._width, np.int64) if round is None else self._of_round[round].copy()
        d = len(self.plan.domains)
        parts = np.split(row[d:], self._starts[1:-1])
        return AllomfreeEstimate(
            round,
            tuple(
                _estimated(oracle, counts, int(n), postprocess, self.plan.insecure, r)
                for r, (oracle, counts, n) in enumerate(zip(self.plan.oracles, parts, row[:d], strict=True))
            ),
        )

    def to_bytes(self) -> bytes:
        """Parameters and counts, by round."""
        with self._lock:
            known = sorted(self._of_round)
            rows = [np.concatenate([[round], self._of_round[round]]) for round in known]
        return snapshot.pack(self, np.array(rows, "<i8").tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> AllomfreeServer:
        """The server that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls(**params)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot is refused: {error}") from None
        d, width = len(loaded.plan.domains), 1 + loaded._width
        if len(payload) % (8 * width):
            raise SnapshotError(f"payload of {len(payload)} bytes is no table of {width} numbers a round")
        table = np.frombuffer(payload, "<i8").astype(np.int64).reshape(-1, width)
        most = np.repeat(table[:, 1 : 1 + d], loaded.plan.domains, axis=1)
        rounds = table[:, 0]
        if np.any(table[:, 1:] < 0) or np.any(table[:, 1 + d :] > most) or np.any(rounds[1:] <= rounds[:-1]):
            raise SnapshotError("snapshot has counts below 0 or above the reports, or rounds out of order")
        loaded._of_round = {int(row[0]): row[1:].copy() for row in table}
        return loaded


def _listed(rounds: list[int]) -> str:
    return f"those from {rounds[0]} to {rounds[-1]} may have" if rounds else "there are none at all"


def _estimated(
    oracle: LongitudinalOracle,
    counts: NDArray[np.int64],
    n: int,
    postprocess: str | None,
    insecure: bool,
    attribute: int,
) -> FrequencyEstimate:
    iterations = 0
    if n:
        freq, stderr, *_ = oracle._estimate(counts, np.array([n]))
    else:
        freq, stderr = np.full(oracle.k, np.nan), np.full(oracle.k, np.inf)
    if postprocess == "ibu":
        if oracle.chain.unary:
            raise ValueError(
                f"postprocess='ibu' needs the count of every possible report, and attribute {attribute} reports by "
                f"{oracle.protocol}, which has 2^{oracle.k} of them: use 'norm-sub'"
            )
        if n:
            freq, iterations = iterated_bayes(lambda f: bayes_step(oracle.p, oracle.q, f, counts, n), oracle.k)
    elif postprocess is not None:
        freq = postprocessed(postprocess, freq)
    return FrequencyEstimate(
        freq,
        stderr,
        n,
        float(np.mean(stderr**2)),
        postprocess or "none",
        iterations,
        0.0,
        oracle.protocol,
        insecure,
    )
