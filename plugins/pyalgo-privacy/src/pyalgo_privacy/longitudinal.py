"""Frequency oracles for the same value asked again and again: two rounds, of which the first one is remembered.

Standard library only, so that it runs on a device; `LongitudinalOracle.variance` takes arrays as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.bitflip import FlippedBits
from pyalgo_privacy.chains import Budget, Chain, GrrChain, Output, UnaryChain
from pyalgo_privacy.errors import InfeasibleBudget, SpentBudget, TamperedState
from pyalgo_privacy.loloha import HashChain
from pyalgo_privacy.memo import Memo, checked_secret, memo_of, new_secret, open_state, seal_state
from pyalgo_privacy.oracle import Coded, Pure, integer
from pyalgo_privacy.words import SecretWords

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.longitudinal_server import LongitudinalServer

__all__ = ["CALIBRATIONS", "PROTOCOLS", "LongitudinalClient", "LongitudinalOracle", "Report"]

CALIBRATIONS = ("exact", "paper")


def _unary(first: bool, second: bool) -> Callable[[int, Budget, str], Chain]:
    return lambda k, budget, calibration: UnaryChain(k, budget, optimised=(first, second))


#: The chain of two rounds that each name stands for.
PROTOCOLS: dict[str, Callable[[int, Budget, str], Chain]] = {
    "L-GRR": GrrChain,
    "L-OSUE": _unary(True, False),
    "L-SUE": _unary(False, False),
    "L-OUE": _unary(True, True),
    "L-SOUE": _unary(False, True),
    "LOLOHA": HashChain,
    "BiLOLOHA": partial(HashChain, g=2),
    "dBitFlipPM": FlippedBits,
}


class LongitudinalOracle(Coded, Pure):
    """A randomizer for one value of [k] that is reported many times, at most `eps_perm` in all and `eps_first` at first.

    What a device sends is a second round of noise over a first one that it draws once a value and remembers, so that
    averaging over reports shows the first round alone, which is eps_perm-private. Each *different* value takes eps_perm anew.
    What a value was, and has become, is protected so; that it has changed, and when, is not hidden from who sees many
    reports, for a first round that changes shows.

    Parameters
    ----------
    k : int
        Size of the domain, at least 2; values are 0 to k - 1.
    eps_perm : float
        Budget of all reports of one value together.
    eps_first : float
        Budget of the first report, below `eps_perm` (equal for dBitFlipPM, which has no second round).
    protocol : str
        One of `PROTOCOLS`; ``"auto"`` is L-GRR or L-OSUE, whichever has less variance: with exact calibration L-GRR up to
        k = 3 e^eps_first + 2. ``"LOLOHA"`` hashes to the best number of values, ``"BiLOLOHA"`` to two.
    calibration : str
        ``"exact"`` spends all of eps_first. ``"paper"`` is L-GRR (and LOLOHA) as published, for comparison: it adds more
        noise than its budget asks for, up to thousands of times the variance.
    buckets, bits : int, optional
        Of dBitFlipPM alone: values fall into so many buckets (k), of which a device tells so many bits (all).

    Raises
    ------
    ValueError
        For parameters out of range; `InfeasibleBudget` where the protocol cannot reach `eps_first`, with what it can.

    Notes
    -----
    A report supports the true value with probability `p` and any other with `q`; the estimate is (share - q) / (p - q), its
    variance g (1 - g) / (n (p - q)^2) with g = q + f (p - q). At f = 0, times n, exact L-GRR has the
    (e^eps_first + k - 2) / (e^eps_first - 1)^2 of GRR, and L-OSUE the 4 e^eps_first / (e^eps_first - 1)^2 of OUE: neither
    depends on eps_perm, and no unary chain has less. Arcolezi, Couchot, Al Bouna, Xiao: "Improving the Utility of Locally
    Differentially Private Protocols for Longitudinal and Multidimensional Frequency Estimates", Digital Communications and
    Networks 2022, with its Equations 10, 12, 13 and 16 put right.

    Examples
    --------
    >>> from pyalgo_privacy import LongitudinalOracle
    >>> oracle = LongitudinalOracle(k=4, eps_perm=2.0, eps_first=1.0)
    >>> oracle.protocol, [round(oracle.privacy_after(t), 3) for t in (1, 2, 3, 1000)]
    ('L-GRR', [1.0, 1.678, 1.923, 2.0])
    """

    def __init__(
        self,
        k: int,
        eps_perm: float,
        eps_first: float,
        protocol: str = "auto",
        calibration: str = "exact",
        *,
        buckets: int | None = None,
        bits: int | None = None,
    ) -> None:
        self.k = integer("k", k, 2, 2**31 - 1)
        self.eps_perm, self.eps_first = _budget("eps_perm", eps_perm), _budget("eps_first", eps_first)
        if protocol not in ("auto", *PROTOCOLS):
            raise ValueError(f"protocol must be 'auto' or one of {', '.join(PROTOCOLS)}, got {protocol!r}")
        if calibration not in CALIBRATIONS:
            raise ValueError(f"calibration must be 'exact' or 'paper', got {calibration!r}")
        self.calibration = calibration
        self.buckets, self.bits = buckets, bits
        budget = self._checked_budget(protocol)
        if protocol == "auto":
            grr, unary = (PROTOCOLS[name](self.k, budget, calibration) for name in ("L-GRR", "L-OSUE"))
            protocol = "L-GRR" if _variance(grr) <= _variance(unary) else "L-OSUE"
            self.chain = grr if protocol == "L-GRR" else unary
        elif protocol == "dBitFlipPM":
            self.chain = FlippedBits(self.k, budget, calibration, buckets=buckets, bits=bits)
        else:
            self.chain = PROTOCOLS[protocol](self.k, budget, calibration)
        self.protocol = protocol
        self.p, self.q = self.chain.p, self.chain.q
        self.fields = self.chain.fields

    def _checked_budget(self, protocol: str) -> Budget:
        if protocol == "dBitFlipPM":
            if self.eps_first != self.eps_perm:
                raise InfeasibleBudget(
                    f"dBitFlipPM reports what it remembers as it stands, so its first report takes all of "
                    f"eps_perm={self.eps_perm}: give eps_first={self.eps_perm}, got {self.eps_first}"
                )
        elif self.buckets is not None or self.bits is not None:
            raise ValueError(f"buckets and bits are parameters of dBitFlipPM; {protocol} has none")
        elif not self.eps_first < self.eps_perm:
            raise ValueError(
                f"eps_first must be below eps_perm={self.eps_perm}, the budget of all reports, got {self.eps_first}"
            )
        return Budget(self.eps_perm, self.eps_first)

    @property
    def params(self) -> dict[str, Any]:
        """What an equal oracle is made from; JSON values, with the protocol that ``"auto"`` has become."""
        names = ("k", "eps_perm", "eps_first", "protocol", "calibration", "buckets", "bits")
        return {name: getattr(self, name) for name in names}

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for the parameters."""
        return digest_of({"oracle": "longitudinal", **self.params})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"

    @property
    def probabilities(self) -> tuple[float, float, float, float]:
        """(p1, q1, p2, q2): the chances that either round supports what it was given, or any other value."""
        return self.chain.probabilities

    def variance(self, f: Any = 0.0, n: Any = 1) -> Any:
        """Variance of the estimate of a value with frequency `f` from `n` reports; numbers or arrays."""
        return super().variance(f, n * self.chain.share)

    def privacy_after(self, t: int) -> float:
        """The budget that t reports of one unchanged value take in all: eps_first for t = 1, and never above eps_perm."""
        t = integer("t", t, 0, 2**62)
        return self.chain.privacy_after(t) if t else 0.0

    def channel(self) -> NDArray[Any]:
        """f64[k, outputs]: the probabilities of all first reports, by the thresholds as they are. For small domains."""
        return self.chain.channel()

    def message_bits(self) -> int:
        """Bits of a report."""
        return self.chain.message_bits()

    def estimated(self, counts: NDArray[Any], n: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """(frequencies, standard errors) from a server's counts of `n` reports; NaN and infinite of what nobody told."""
        import numpy as np

        supports, seen = self.chain.told(counts, n)
        with np.errstate(invalid="ignore", divide="ignore"):
            freq = (supports / seen - self.q) / (self.p - self.q)
            stderr = np.where(seen > 0, super().variance(freq.clip(0, 1), seen) ** 0.5, np.inf)
        return freq, stderr

    def aggregator(self) -> LongitudinalServer:
        """An empty server for the reports of this oracle's clients."""
        from pyalgo_privacy.longitudinal_server import LongitudinalServer

        return LongitudinalServer(**self.params)

    def client(self, **options: Any) -> LongitudinalClient:
        """A new device: ``LongitudinalClient(self, **options)``."""
        return LongitudinalClient(self, **options)


def _variance(chain: Chain) -> float:
    return chain.q * (1 - chain.q) / (chain.p - chain.q) ** 2


def _budget(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 40:
        raise ValueError(f"{name} must be a number above 0 and at most 40, got {value!r}")
    return float(value)


def digest_of(identity: dict[str, Any]) -> str:
    """16 hexadecimal digits that stand for JSON values."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Report:
    """What a device sends in one round.

    Attributes
    ----------
    attribute : int
        Of which attribute it tells.
    payload : int or bytes
        A value, or bits packed eight a byte, lowest first.
    protocol : str
    digest : str
        Of the parameters it was made with.
    identity : int or bytes, optional
        What the device has drawn once and for ever and the server must know: the hash function of LOLOHA, the buckets of
        dBitFlipPM.
    """

    attribute: int
    payload: Output
    protocol: str
    digest: str
    identity: Output | None = None

    def row(self, round: int = 0) -> dict[str, Any]:
        """The report as a row for `LongitudinalServer.update` or `AllomfreeServer.update`."""
        unary = isinstance(self.payload, bytes)
        row = {
            "round": round,
            "attribute": self.attribute,
            "value": -1 if unary else self.payload,
            "bits": list(self.payload) if isinstance(self.payload, bytes) else [],
            "digest": self.digest,
        }
        if isinstance(self.identity, bytes):
            row["chosen"] = list(self.identity)
        elif self.identity is not None:
            row["hash"] = self.identity
        return row


class LongitudinalClient:
    """A device that reports one attribute again and again, and keeps book of what that has taken.

    Parameters
    ----------
    oracle : LongitudinalOracle
    secret : bytes, optional
        At least 16 bytes that nobody can guess; drawn from the operating system by default. Keep it apart from `to_bytes`,
        as `secret`: a device with the same secret and memo gives the same first rounds.
    max_values : int, optional
        How many different values may be reported, each of which takes eps_perm.
    when_spent : str
        What becomes of a further value: ``"error"`` raises `SpentBudget`; ``"suppress"`` reports the last value again in its
        place, for silence would tell that the value is new.
    memo : str or Memo
        ``"derived"`` from the secret by HMAC-SHA256, so that nothing but the ledger must survive; or ``"kept"``: drawn from
        the operating system and kept in `to_bytes`, which must be stored before a report leaves.
    attribute : int
        Which one, where there are several.
    digest : str, optional
        Of what the reports are part of; the oracle's own by default.
    """

    def __init__(
        self,
        oracle: LongitudinalOracle,
        *,
        secret: bytes | None = None,
        max_values: int | None = None,
        when_spent: str = "error",
        memo: str | Memo = "derived",
        attribute: int = 0,
        digest: str | None = None,
    ) -> None:
        if max_values is not None:
            max_values = integer("max_values", max_values, 1, 2**31 - 1)
        if when_spent not in ("error", "suppress"):
            raise ValueError(f"when_spent must be 'error' or 'suppress', got {when_spent!r}")
        self.oracle = oracle
        self.secret = new_secret() if secret is None else checked_secret(secret)
        self.max_values, self.when_spent = max_values, when_spent
        self.attribute = integer("attribute", attribute, 0, 2**31 - 1)
        self._digest = oracle.digest if digest is None else digest
        self._memo = memo if isinstance(memo, Memo) else memo_of(memo)(self.secret)
        self._reported: list[int] = []  # what was given to the first round, in the order in which it first came
        self._last: int | None = None

    def _recall(self, what: str, draw: Callable[[Sequence[int]], Any]) -> Any:
        return self._memo.recall(f"{self._digest}/{self.attribute}/{what}", draw)

    @property
    def identity(self) -> Output | None:
        """What the device has drawn once and for ever beside its first rounds; None for most protocols."""
        chain = self.oracle.chain
        return self._recall("identity", chain.identity) if chain.has_identity else None

    def report(self, x: int, *, words: Sequence[int] | None = None) -> Report:
        """This round's report, the value being `x`; the second round from secret words where none are given."""
        x = integer("x", x, 0, self.oracle.k - 1)
        chain, identity = self.oracle.chain, self.identity
        value = self._permitted(chain.memoized(identity, x))
        memo = self._recall(str(value), lambda drawn: chain.permanent(drawn, identity, value))
        payload = chain.instant(SecretWords() if words is None else words, memo)
        if value not in self._reported:
            self._reported.append(value)
        self._last = value
        return Report(self.attribute, payload, self.oracle.protocol, self._digest, identity)

    def _permitted(self, value: int) -> int:
        if self.max_values is None or value in self._reported or len(self._reported) < self.max_values:
            return value
        if self.when_spent == "suppress":
            assert self._last is not None
            return self._last
        raise SpentBudget(
            f"{len(self._reported)} different values have been reported, of max_values={self.max_values}: a further one would "
            f"take {self.oracle.eps_perm} more than the {self.spent()} that are spent"
        )

    def spent(self) -> float:
        """The budget taken so far: eps_perm for each different value, of which there are at most k (LOLOHA: g) to tell.

        It holds between histories that change at the same times; that a value has changed is not hidden by it. With
        ``max_values=1`` and ``when_spent="suppress"`` nothing changes, and it holds between any.
        """
        return self.oracle.eps_perm * len(self._reported)

    def to_bytes(self) -> bytes:
        """Memo and ledger, sealed with the secret, which is not in it. An older state seals as well: keep the last one."""
        return seal_state(self.secret, self.state())

    def state(self) -> dict[str, Any]:
        """What `to_bytes` seals, as a JSON value."""
        return {
            "oracle": self.oracle.params,
            "attribute": self.attribute,
            "digest": self._digest,
            "max_values": self.max_values,
            "when_spent": self.when_spent,
            "memo": self._memo.kind,
            "kept": self._memo.state(),
            "reported": self._reported,
            "last": self._last,
        }

    @classmethod
    def from_bytes(cls, data: bytes, secret: bytes) -> LongitudinalClient:
        """The device that had this state; `TamperedState` if none with this secret had."""
        return cls.restored(open_state(secret, data), secret)

    @classmethod
    def restored(cls, state: Any, secret: bytes) -> LongitudinalClient:
        """The opposite of `state`."""
        try:
            client = cls(
                LongitudinalOracle(**state["oracle"]),
                secret=secret,
                max_values=state["max_values"],
                when_spent=state["when_spent"],
                memo=memo_of(state["memo"]).restored(secret, state["kept"]),
                attribute=state["attribute"],
                digest=state["digest"],
            )
            client._reported = [
                integer("reported", value, 0, client.oracle.chain.inputs - 1) for value in state["reported"]
            ]
            client._last = state["last"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TamperedState(f"state is not one of a client: {error}") from None
        return client
