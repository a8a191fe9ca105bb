"""ALLOMFREE: each user tells of one attribute, for ever, with the whole budget. Standard library only: it runs on a device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pyalgo_privacy.chains import drawn
from pyalgo_privacy.errors import TamperedState
from pyalgo_privacy.fields import bits_of
from pyalgo_privacy.longitudinal import LongitudinalClient, LongitudinalOracle, Report, digest_of
from pyalgo_privacy.memo import checked_secret, memo_of, new_secret, open_state, seal_state
from pyalgo_privacy.oracle import integer
from pyalgo_privacy.words import below

__all__ = ["SPL", "AllomfreeClient", "AllomfreePlan"]


class AllomfreePlan:
    """What clients and server must agree on: the attributes, the budgets, and so the protocol of each attribute.

    Parameters
    ----------
    domains : sequence of int
        Size of each attribute's domain, at least 2.
    eps_perm, eps_first : float
        Budgets of all reports of a value together, and of the first one, as of `LongitudinalOracle`.
    calibration : str
        ``"exact"`` or ``"paper"``.
    insecure : bool
        Whether the noise is seeded, for tests. It is part of the digest, so that such reports are never taken for real ones.

    Attributes
    ----------
    oracles : tuple of LongitudinalOracle
        One an attribute: L-GRR or L-OSUE, whichever has less variance.
    digest : str
        Of all of it.
    """

    def __init__(
        self,
        domains: Sequence[int],
        eps_perm: float,
        eps_first: float,
        calibration: str = "exact",
        *,
        insecure: bool = False,
    ) -> None:
        sizes = [integer(f"domains[{i}]", k, 2, 2**31 - 1) for i, k in enumerate(domains)]
        if not 1 <= len(sizes) <= 2**16:
            raise ValueError(f"domains must be the sizes of 1 to {2**16} attributes, got {len(sizes)} of them")
        if not isinstance(insecure, bool):
            raise ValueError(f"insecure must be True or False, got {insecure!r}")
        self.domains = tuple(sizes)
        self.insecure = insecure
        self.oracles = tuple(_oracle(k, eps_perm, eps_first, calibration) for k in sizes)
        first = self.oracles[0]
        self.eps_perm, self.eps_first, self.calibration = first.eps_perm, first.eps_first, first.calibration
        # The protocols follow from the rest; they are in the digest so that parties who disagree on them find out.
        protocols = [oracle.protocol for oracle in self.oracles]
        self.digest = digest_of({"oracle": "allomfree", "protocols": protocols, **self.params})

    @property
    def params(self) -> dict[str, Any]:
        """What an equal plan is made from; JSON values."""
        return {
            "domains": list(self.domains),
            "eps_perm": self.eps_perm,
            "eps_first": self.eps_first,
            "calibration": self.calibration,
            "insecure": self.insecure,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"


@lru_cache(maxsize=1024, typed=True)
def _oracle(k: int, eps_perm: float, eps_first: float, calibration: str) -> LongitudinalOracle:
    """Made once in a process: it never changes, and to find the thresholds takes a millisecond."""
    return LongitudinalOracle(k, eps_perm, eps_first, "auto", calibration)


class AllomfreeClient:
    """A device that draws one of its attributes, and tells of that one alone, round by round.

    Splitting a budget over d attributes has about d times the variance of drawing one of them. The draw must be made once and
    for ever: a device that draws anew each round would spend the budget on every attribute. Other parameters are another
    collection, with draws and a budget of its own, which comes on top.

    Parameters
    ----------
    domains, eps_perm, eps_first, calibration
        As of `AllomfreePlan`, equal to the server's.
    secret, max_values, when_spent, memo
        As of `LongitudinalClient`.

    Raises
    ------
    ValueError
        For parameters and values out of range; `SpentBudget` where `max_values` does not allow a further value.

    Examples
    --------
    >>> from pyalgo_privacy import AllomfreeClient
    >>> device = AllomfreeClient([3, 5, 40], eps_perm=2.0, eps_first=1.0, secret=b"thirty-two bytes of a keychain..")
    >>> device.attribute, device.report([2, 0, 17]).protocol, device.spent()
    (1, 'L-GRR', 2.0)
    >>> again = AllomfreeClient.from_bytes(device.to_bytes(), device.secret)
    >>> again.attribute, again.spent()
    (1, 2.0)
    """

    def __init__(
        self,
        domains: Sequence[int],
        eps_perm: float,
        eps_first: float,
        calibration: str = "exact",
        *,
        secret: bytes | None = None,
        max_values: int | None = None,
        when_spent: str = "error",
        memo: str = "derived",
    ) -> None:
        self.plan = AllomfreePlan(domains, eps_perm, eps_first, calibration)
        secret = new_secret() if secret is None else checked_secret(secret)
        kept = memo_of(memo)(secret)
        attribute = kept.recall(f"{self.plan.digest}/attribute", self._drawn_attribute)
        self._client = LongitudinalClient(
            self.plan.oracles[attribute],
            secret=secret,
            max_values=max_values,
            when_spent=when_spent,
            memo=kept,
            attribute=attribute,
            digest=self.plan.digest,
        )

    def _drawn_attribute(self, words: Sequence[int]) -> int:
        d = len(self.plan.domains)
        return drawn(*below(words, 0, d, bits_of(d))) if d > 1 else 0

    @property
    def attribute(self) -> int:
        """The one that the device tells of; nobody but the device need know why."""
        return self._client.attribute

    @property
    def secret(self) -> bytes:
        """What `from_bytes` needs beside the state."""
        return self._client.secret

    @property
    def oracle(self) -> LongitudinalOracle:
        """Of the attribute."""
        return self._client.oracle

    def report(self, values: Sequence[int], *, words: Sequence[int] | None = None) -> Report:
        """This round's report; of `values`, one an attribute, only the device's own one is read."""
        if len(values) != len(self.plan.domains):
            raise ValueError(f"values must be one for each of {len(self.plan.domains)} attributes, got {len(values)}")
        return self._client.report(values[self.attribute], words=words)

    def spent(self) -> float:
        """The budget taken so far, of eps_perm a different value: see `LongitudinalClient.spent`."""
        return self._client.spent()

    def to_bytes(self) -> bytes:
        """Attribute, memo and ledger, sealed with the secret, which is not in it."""
        return seal_state(self.secret, {"plan": self.plan.params, "client": self._client.state()})

    @classmethod
    def from_bytes(cls, data: bytes, secret: bytes) -> AllomfreeClient:
        """The device that had this state; `TamperedState` if none with this secret had."""
        state = open_state(secret, data)
        try:
            client = cls.__new__(cls)
            client.plan = AllomfreePlan(**state["plan"])
            client._client = LongitudinalClient.restored(state["client"], secret)
            if client.oracle.params != client.plan.oracles[client.attribute].params:
                raise ValueError("its attribute is not one of the plan")
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise TamperedState(f"state is not one of a client: {error}") from None
        return client


class SPL:
    """The solution that ALLOMFREE is better than, for comparison: a device tells of all d attributes, each with 1/d of the
    budgets.

    Its reports are those of `AllomfreeServer` with the split budgets, which are `plan.params`.

    Parameters
    ----------
    domains, eps_perm, eps_first, calibration, secret, max_values, when_spent, memo
        As of `AllomfreeClient`; the budgets are those of all attributes together.

    Examples
    --------
    >>> from pyalgo_privacy import SPL, LongitudinalOracle
    >>> split, drawn = SPL([8, 8, 8, 8], 2.0, 1.0), LongitudinalOracle(8, 2.0, 1.0)
    >>> float(round(split.plan.oracles[0].variance(0, 10_000) / drawn.variance(0, 2_500), 1))
    5.4
    """

    def __init__(
        self,
        domains: Sequence[int],
        eps_perm: float,
        eps_first: float,
        calibration: str = "exact",
        *,
        secret: bytes | None = None,
        max_values: int | None = None,
        when_spent: str = "error",
        memo: str = "derived",
    ) -> None:
        d = max(len(domains), 1)
        self.plan = AllomfreePlan(domains, eps_perm / d, eps_first / d, calibration)
        self.secret = new_secret() if secret is None else checked_secret(secret)
        kept = memo_of(memo)(self.secret)
        self._clients = [
            LongitudinalClient(
                oracle,
                secret=self.secret,
                max_values=max_values,
                when_spent=when_spent,
                memo=kept,
                attribute=attribute,
                digest=self.plan.digest,
            )
            for attribute, oracle in enumerate(self.plan.oracles)
        ]

    def report(self, values: Sequence[int]) -> tuple[Report, ...]:
        """This round's reports, one an attribute."""
        if len(values) != len(self._clients):
            raise ValueError(f"values must be one for each of {len(self._clients)} attributes, got {len(values)}")
        return tuple(client.report(value) for client, value in zip(self._clients, values, strict=True))

    def spent(self) -> float:
        """The budget taken so far, of all attributes together."""
        return sum(client.spent() for client in self._clients)
