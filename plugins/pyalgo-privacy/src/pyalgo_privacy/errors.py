"""Exceptions of the pack; each is a ``ValueError``."""

from __future__ import annotations

__all__ = [
    "IdentifiabilityError",
    "InfeasibleBudget",
    "InvalidReport",
    "ProtocolMismatch",
    "SpentBudget",
    "TamperedState",
]


class InvalidReport(ValueError):  # noqa: N818
    """A report that no client of the protocol could have sent."""


class ProtocolMismatch(ValueError):  # noqa: N818
    """A report, snapshot or aggregate of other parameters; or one of test data where production data is expected."""


class IdentifiabilityError(ValueError):
    """Moduli from which the frequencies cannot be told, however many reports there are."""


class InfeasibleBudget(ValueError):  # noqa: N818
    """A pair of privacy budgets that the protocol cannot reach."""


class SpentBudget(ValueError):  # noqa: N818
    """A value that a client may not report any more: it has reported as many different ones as it was allowed."""


class TamperedState(ValueError):  # noqa: N818
    """Bytes that are no state of a client with this secret."""
