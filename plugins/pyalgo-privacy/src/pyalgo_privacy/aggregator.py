"""The server's side of every oracle: counts of reports that merge, and frequencies with standard errors from them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pyalgo import Algorithm, SnapshotError, snapshot
from pyalgo.arrays import read_batch
from pyalgo.errors import at_row
from pyalgo_privacy.errors import ProtocolMismatch
from pyalgo_privacy.estimate import FrequencyEstimate, estimate_of
from pyalgo_privacy.fields import DIGEST
from pyalgo_privacy.grr import GRR
from pyalgo_privacy.hadamard import HR
from pyalgo_privacy.hashing import OLH
from pyalgo_privacy.mss import MSS
from pyalgo_privacy.oracle import FrequencyOracle
from pyalgo_privacy.projective import PGR
from pyalgo_privacy.reports import Reports
from pyalgo_privacy.subset import SS
from pyalgo_privacy.unary import OUE, SUE

__all__ = [
    "Aggregator",
    "GRRAggregator",
    "HRAggregator",
    "MSSAggregator",
    "OLHAggregator",
    "OUEAggregator",
    "PGRAggregator",
    "SSAggregator",
    "SUEAggregator",
    "aggregator_of",
]


class Aggregator(Algorithm):
    """Counts the reports of one oracle, in any order and on any number of machines, and estimates all frequencies.

    Reports are `Reports`, or rows with the oracle's columns. What is kept are counts alone: no report, no user.

    Parameters
    ----------
    k : int
        Size of the domain.
    eps : float
        Privacy budget of the clients.
    insecure : bool
        Whether the reports come from a seeded oracle, for tests: such reports are refused otherwise, and ordinary ones here.

    Raises
    ------
    InvalidReport
        For a report that no client could have sent, naming its row. The state is unchanged, as after every error.
    ProtocolMismatch
        For reports and aggregators of other parameters.
    """

    oracle_type: ClassVar[type[FrequencyOracle]]

    def __init__(self, *, k: int, eps: float, insecure: bool = False) -> None:
        self._start(self.oracle_type(k, eps), insecure)

    def _start(self, oracle: FrequencyOracle, insecure: bool) -> None:
        oracle.insecure = insecure
        self.oracle = oracle
        self._counts = np.zeros(oracle._counters, np.int64)
        self._n = np.zeros(oracle._blocks, np.int64)
        self._lock = threading.Lock()

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given."""
        return {**self.oracle.params, "insecure": self.oracle.insecure}

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Reports taken in so far."""
        return int(self._n.sum())

    @property
    def nbytes(self) -> int:
        """Memory of the counts, in bytes."""
        return self._counts.nbytes + self._n.nbytes

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        """Take in reports: a `Reports`, or a batch of the columns."""
        if isinstance(batch, Reports):
            if columns:
                raise TypeError("a batch is either Reports or columns, not both")
            self._refuse_foreign(batch.digest, "reports have")
            compact = batch.columns
        else:
            read = read_batch(self.columns, batch, columns)
            for row, digest in enumerate(read.pop("digest", ())):
                try:
                    self._refuse_foreign(digest, f"row {row}: the report has")
                except ProtocolMismatch as error:
                    raise at_row(error, row) from None
            compact = self.oracle._compact(read)
        self.oracle._check(compact)
        with self._lock:
            self.oracle._count(compact, self._counts, self._n)

    def _refuse_foreign(self, digest: str, whose: str) -> None:
        if digest != self.oracle.digest:
            raise ProtocolMismatch(
                f"{whose} digest {digest}, those of {self.oracle!r} have {self.oracle.digest}: "
                "the protocol, its parameters or secret and seeded noise differ"
            )

    def merge(self, other: Aggregator) -> None:
        """Add the counts of another aggregator of equal parameters, which is unchanged."""
        if not isinstance(other, Aggregator):
            raise TypeError(f"other must be an aggregator, got {type(other).__name__}")
        self._refuse_foreign(other.oracle.digest, "the other aggregator has")
        counts, n = other._state()
        with self._lock:
            self._counts += counts
            self._n += n

    def _state(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        with self._lock:
            return self._counts.copy(), self._n.copy()

    def query(self, *, postprocess: str | None = None) -> FrequencyEstimate:
        """All frequencies, unbiased unless a `postprocess` is asked for (see `estimate.POSTPROCESS`)."""
        counts, n = self._state()
        oracle, total = self.oracle, int(n.sum())
        if total:
            freq, stderr, iterations, residual = oracle._estimate(counts, n)
        else:
            freq, stderr, iterations, residual = np.full(oracle.k, np.nan), np.full(oracle.k, np.inf), 0, 0.0
        return estimate_of(
            freq,
            stderr,
            total,
            postprocess,
            lambda f: oracle._bayes_step(f, counts, total),
            protocol=oracle.name,
            insecure=oracle.insecure,
            iterations=iterations,
            residual=residual,
        )

    def to_bytes(self) -> bytes:
        """Parameters and counts."""
        counts, n = self._state()
        return snapshot.pack(self, np.concatenate([n, counts]).astype("<i8").tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Aggregator:
        """The aggregator that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls(**params)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot is refused: {error}") from None
        expected = 8 * (len(loaded._n) + len(loaded._counts))
        if len(payload) != expected:
            raise SnapshotError(f"snapshot has {len(payload)} bytes of counts, not {expected}")
        numbers = np.frombuffer(payload, "<i8").astype(np.int64)
        loaded._n, loaded._counts = np.split(numbers, [len(loaded._n)])
        if numbers.min() < 0 or loaded._counts.max() > loaded.n_seen:
            raise SnapshotError("snapshot has counts below 0 or above the number of reports")
        return loaded


class GRRAggregator(Aggregator):
    name = "privacy.grr"
    oracle_type = GRR
    columns = GRR.columns | DIGEST


class SUEAggregator(Aggregator):
    name = "privacy.sue"
    oracle_type = SUE
    columns = SUE.columns | DIGEST


class OUEAggregator(Aggregator):
    name = "privacy.oue"
    oracle_type = OUE
    columns = OUE.columns | DIGEST


class SSAggregator(Aggregator):
    __doc__ = (Aggregator.__doc__ or "").replace(
        "    insecure : bool", "    omega : str\n        As of `SS`.\n    insecure : bool"
    )
    name = "privacy.ss"
    oracle_type = SS
    columns = SS.columns | DIGEST

    def __init__(self, *, k: int, eps: float, omega: str = "least", insecure: bool = False) -> None:
        self._start(SS(k, eps, omega=omega), insecure)


class MSSAggregator(Aggregator):
    """Counts residues by block, and estimates all frequencies by weighted least squares; all else as of `Aggregator`.

    Parameters
    ----------
    k, eps, moduli, block_weights, ridge, omega
        As of `MSS`. ``moduli="auto"`` becomes the moduli that it chose.
    insecure : bool
        As of `Aggregator`.

    Raises
    ------
    IdentifiabilityError
        From `query`, where all blocks have reports and rounding would decide about the frequencies. While some have none, and
        the others do not tell all frequencies, they are NaN and their standard errors infinite.
    """

    name = "privacy.mss"
    oracle_type = MSS
    columns = MSS.columns | DIGEST

    def __init__(
        self,
        *,
        k: int,
        eps: float,
        moduli: Sequence[int] | str = "auto",
        block_weights: Sequence[float] | None = None,
        ridge: float = 0.0,
        omega: str = "least",
        insecure: bool = False,
    ) -> None:
        self._start(MSS(k, eps, moduli, block_weights=block_weights, ridge=ridge, omega=omega), insecure)

    def merge(self, other: Aggregator) -> None:
        if isinstance(other, MSSAggregator) and other.oracle.params["ridge"] != self.oracle.params["ridge"]:
            raise ProtocolMismatch(
                f"the other aggregator has ridge = {other.oracle.params['ridge']}, this one {self.oracle.params['ridge']}"
            )
        super().merge(other)


class OLHAggregator(Aggregator):
    name = "privacy.olh"
    oracle_type = OLH
    columns = OLH.columns | DIGEST


class HRAggregator(Aggregator):
    name = "privacy.hr"
    oracle_type = HR
    columns = HR.columns | DIGEST


class PGRAggregator(Aggregator):
    name = "privacy.pgr"
    oracle_type = PGR
    columns = PGR.columns | DIGEST


def aggregator_of(oracle: FrequencyOracle) -> Aggregator:
    """An empty aggregator for the reports of `oracle`."""
    for cls in Aggregator.__subclasses__():
        if cls.oracle_type is type(oracle):
            return cls(**oracle.params, insecure=oracle.insecure)
    raise TypeError(f"{type(oracle).__name__} has no aggregator")
