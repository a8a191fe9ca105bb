"""What a device remembers: every draw that is made once and for ever; standard library only.

A memo answers the same label with the same output for ever. Without it two rounds of randomized response are a toy: t reports
of one value would take t times the budget of the first.
"""

from __future__ import annotations

import hmac
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from pyalgo_privacy.errors import TamperedState
from pyalgo_privacy.words import SecretWords

__all__ = ["DerivedMemo", "DerivedWords", "KeptMemo", "Memo", "memo_of", "new_secret", "open_state", "seal_state"]

_Output = TypeVar("_Output", int, bytes)
_LEAST = 16  # bytes of a secret
_MAGIC = b"\x89ldp\x01"  # with the version of the format
_TAG = 32


def new_secret() -> bytes:
    """32 bytes of the operating system."""
    return secrets.token_bytes(32)


def checked_secret(secret: bytes) -> bytes:
    """`secret`, if it is one."""
    if not isinstance(secret, bytes) or len(secret) < _LEAST:
        given = f"{len(secret)} of them" if isinstance(secret, bytes) else type(secret).__name__
        raise ValueError(f"secret must be at least {_LEAST} bytes that nobody can guess, got {given}: see new_secret()")
    return secret


class DerivedWords(Sequence[int]):
    """The endless sequence of 32-bit words that a secret and a label stand for.

    Words 8 i to 8 i + 7 are HMAC-SHA256(secret, label || i), a pseudo-random function: without the secret they cannot be
    told from random ones.
    """

    def __init__(self, secret: bytes, label: bytes) -> None:
        self._secret, self._label = secret, label
        self._made: list[int] = []

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, at: int) -> int:  # type: ignore[override]
        while at >= len(self._made):
            counter = (len(self._made) // 8).to_bytes(8, "little")
            block = hmac.digest(self._secret, b"memo\0" + self._label + b"\0" + counter, "sha256")
            self._made += [int.from_bytes(block[i : i + 4], "little") for i in range(0, 32, 4)]
        return self._made[at]


class Memo(ABC):
    """Draws by label, each made once."""

    kind: ClassVar[str]

    @abstractmethod
    def __init__(self, secret: bytes) -> None: ...

    @abstractmethod
    def recall(self, label: str, draw: Callable[[Sequence[int]], _Output]) -> _Output:
        """What ``draw(words)`` gave when `label` was new; labels are ASCII without NUL."""

    @abstractmethod
    def state(self) -> Any:
        """What must be kept across restarts, as a JSON value."""

    @classmethod
    @abstractmethod
    def restored(cls, secret: bytes, state: Any) -> Memo:
        """The memo that had this state; ValueError, TypeError or KeyError if none can have had it."""


class DerivedMemo(Memo):
    """Keeps nothing: every draw is made anew from the words that the secret and the label stand for."""

    kind = "derived"

    def __init__(self, secret: bytes) -> None:
        self._secret = checked_secret(secret)

    def recall(self, label: str, draw: Callable[[Sequence[int]], _Output]) -> _Output:
        return draw(DerivedWords(self._secret, label.encode("ascii")))

    def state(self) -> Any:
        return None

    @classmethod
    def restored(cls, secret: bytes, state: Any) -> DerivedMemo:
        return cls(secret)


class KeptMemo(Memo):
    """Keeps every output, drawn from the operating system: no computation ever finds out what was not reported.

    Whoever loses it draws anew, and spends anew: keep `state` before the report leaves the device.
    """

    kind = "kept"

    def __init__(self, secret: bytes) -> None:
        checked_secret(secret)  # the state is sealed with it
        self._outputs: dict[str, int | bytes] = {}

    def recall(self, label: str, draw: Callable[[Sequence[int]], _Output]) -> _Output:
        if label not in self._outputs:
            self._outputs[label] = draw(SecretWords())
        return self._outputs[label]  # type: ignore[return-value]

    def state(self) -> Any:
        return {label: kept.hex() if isinstance(kept, bytes) else kept for label, kept in self._outputs.items()}

    @classmethod
    def restored(cls, secret: bytes, state: Any) -> KeptMemo:
        memo = cls(secret)
        for label, kept in dict(state).items():
            memo._outputs[str(label)] = bytes.fromhex(kept) if isinstance(kept, str) else int(kept)
        return memo


_KINDS: dict[str, type[Memo]] = {memo.kind: memo for memo in (DerivedMemo, KeptMemo)}


def memo_of(kind: str) -> type[Memo]:
    """The class called ``"derived"`` or ``"kept"``."""
    if kind not in _KINDS:
        raise ValueError(f"memo must be {' or '.join(map(repr, _KINDS))}, got {kind!r}")
    return _KINDS[kind]


def seal_state(secret: bytes, state: Any) -> bytes:
    """`state`, a JSON value, as bytes that only this secret can have made: magic and version, JSON, HMAC-SHA256."""
    body = _MAGIC + json.dumps(state, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
    return body + hmac.digest(secret, b"state\0" + body, "sha256")


def open_state(secret: bytes, data: bytes) -> Any:
    """The opposite of `seal_state`. Nothing of `data` is read before its seal was found to be true.

    Raises
    ------
    TamperedState
        If the bytes are cut short, continue, were altered, or were sealed with another secret.
    """
    checked_secret(secret)
    data = bytes(data)
    body, seal = data[:-_TAG], data[-_TAG:]
    if len(data) < len(_MAGIC) + _TAG or data[:4] != _MAGIC[:4]:
        raise TamperedState(f"no state of a client: it begins with {data[:5]!r} instead of {_MAGIC!r}, or is cut short")
    if not hmac.compare_digest(hmac.digest(secret, b"state\0" + body, "sha256"), seal):
        raise TamperedState("state was altered, cut short, or sealed with another secret")
    if data[4] != _MAGIC[4]:
        raise TamperedState(f"state has format version {data[4]}, this pyalgo-privacy reads version 1: upgrade it")
    try:
        return json.loads(body[len(_MAGIC) :])
    except (ValueError, RecursionError) as error:
        raise TamperedState(f"state cannot be read: {error}") from None
