"""The server's side of one attribute that is reported again and again, by any protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyalgo_privacy.estimate import FrequencyEstimate
from pyalgo_privacy.fields import DIGEST
from pyalgo_privacy.longitudinal import LongitudinalOracle
from pyalgo_privacy.round_server import ROUND, RoundServer

__all__ = ["LongitudinalServer", "RoundEstimate"]


@dataclass(frozen=True)
class RoundEstimate(FrequencyEstimate):
    """The frequencies of all values in one round, with all that a `FrequencyEstimate` has.

    Attributes
    ----------
    round : int or None
        Which one; None where there were no reports at all.
    """

    round: int | None = None


class LongitudinalServer(RoundServer):
    """Counts the reports of `LongitudinalClient` devices by round, in any order and on any number of machines.

    What is kept of a round are counts, 8 bytes a value of the domain (dBitFlipPM: 16 a bucket): no report and no user. So a
    late report counts in its own round, and one that comes twice counts twice. The round is what the collector puts on a
    report, not the device: every new one takes memory.

    Parameters
    ----------
    k, eps_perm, eps_first, protocol, calibration, buckets, bits
        As of `LongitudinalOracle`, equal to the devices'. ``"auto"`` becomes the protocol that it chose.

    Raises
    ------
    InvalidReport
        For a report that no device could have sent, naming its row. The state is unchanged, as after every error.
    ProtocolMismatch
        For reports and servers of other parameters.

    Notes
    -----
    A report of LOLOHA takes about prime / g steps, where the hash is inverted, prime being the smallest of at least k and 8 g;
    all others take a few a value at most. `query` takes O(k).

    Examples
    --------
    >>> from pyalgo_privacy import LongitudinalOracle
    >>> oracle = LongitudinalOracle(k=100, eps_perm=4.0, eps_first=2.0, protocol="LOLOHA")
    >>> server = oracle.aggregator()  # privacy.longitudinal in jobs
    >>> for user in range(200):
    ...     row = oracle.client().report(user % 3).row(round=7)
    ...     server.update({name: [entry] for name, entry in row.items()})
    >>> estimate = server.query()
    >>> estimate.round, estimate.n, len(estimate.freq), estimate.protocol
    (7, 200, 100, 'LOLOHA')
    """

    name = "privacy.longitudinal"
    columns = {  # noqa: RUF012
        **ROUND,
        "attribute": ("int64?", "0, as there is one alone"),
        "value": ("int64?", "the reported value of L-GRR, or hash of LOLOHA; else -1"),
        "bits": ("list[uint8]?", "the reported bits, eight a byte, lowest first, of all others; else empty"),
        "hash": ("int64?", "of LOLOHA: the function that the device has drawn; else -1"),
        "chosen": ("list[uint8]?", "of dBitFlipPM: a bit a bucket, set where the device tells of it; else empty"),
        **DIGEST,
    }

    def __init__(
        self,
        *,
        k: int,
        eps_perm: float,
        eps_first: float,
        protocol: str = "auto",
        calibration: str = "exact",
        buckets: int | None = None,
        bits: int | None = None,
    ) -> None:
        self.oracle = LongitudinalOracle(k, eps_perm, eps_first, protocol, calibration, buckets=buckets, bits=bits)
        super().__init__((self.oracle,), self.oracle.digest, repr(self.oracle), insecure=False)

    @property
    def params(self) -> dict[str, Any]:
        """What an equal server is made from."""
        return self.oracle.params

    def query(self, *, round: int | None = None, postprocess: str | None = None) -> RoundEstimate:
        """All frequencies in a round, the latest by default (of dBitFlipPM those of the buckets).

        They are unbiased unless a `postprocess` is asked for. Rounds are estimated apart, and not put together: their first
        rounds of noise are the same.
        """
        which, (estimate,) = self._estimates(round, postprocess)
        return RoundEstimate(**vars(estimate), round=which)
