"""The server's side of ALLOMFREE: counts by round and attribute, and every attribute's frequencies with standard errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyalgo_privacy.allomfree import AllomfreePlan
from pyalgo_privacy.estimate import FrequencyEstimate
from pyalgo_privacy.fields import DIGEST
from pyalgo_privacy.round_server import ROUND, RoundServer
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


class AllomfreeServer(RoundServer):
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
        **ROUND,
        "attribute": ("int64", "which one it tells of"),
        "value": ("int64?", "the reported value where the attribute's protocol is L-GRR, else -1"),
        "bits": ("list[uint8]?", "the bits, eight a byte, lowest first, where it is L-OSUE, else empty"),
        **DIGEST,
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
        super().__init__(self.plan.oracles, self.plan.digest, repr(self.plan), insecure=insecure)

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given."""
        return self.plan.params

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        """Take in reports: `AllomfreeReports`, or a batch of the columns."""
        if not isinstance(batch, AllomfreeReports):
            super().update(batch, **columns)
            return
        if columns:
            raise TypeError("a batch is either AllomfreeReports or columns, not both")
        self._refuse_foreign(batch.plan.digest, "reports have")
        if len(batch):
            named = zip(self.plan.oracles, batch.columns, strict=True)
            self._add({batch.round: self._counted([{o.chain.fields[0].name: column} for o, column in named])})

    def query(self, *, round: int | None = None, postprocess: str | None = None) -> AllomfreeEstimate:
        """All attributes' frequencies in a round, the latest by default; unbiased unless a `postprocess` is asked for.

        Rounds are estimated apart, and not put together: the first round's noise is the same in all of them, so their mean
        is not better by as much as its number of reports would say.
        """
        which, estimates = self._estimates(round, postprocess)
        return AllomfreeEstimate(which, tuple(estimates))
