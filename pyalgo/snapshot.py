"""The envelope of every snapshot: who wrote it, with which parameters, and whether it is whole.

Layout, little-endian::

    8   magic            b"\\x89pyalgo\\n"
    2   format version   unsigned
    2   length of name   unsigned
    8   length of parameters, 8  length of payload     unsigned
    .   name (UTF-8), parameters (JSON, UTF-8), payload
    32  SHA-256 of everything before it

Nothing in it is executed when it is read, and no length is believed before it was held against the bytes at hand.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from pyalgo.algorithm import Algorithm
from pyalgo.errors import SnapshotError

__all__ = ["FORMAT_VERSION", "Envelope", "pack", "read", "sealing", "unpack"]

MAGIC = b"\x89pyalgo\n"
FORMAT_VERSION = 1
_HEADER = struct.Struct("<8sHHQQ")
_DIGEST_SIZE = 32


class Envelope(NamedTuple):
    """A checked snapshot, taken apart."""

    version: int
    name: str
    params: dict[str, Any]
    payload: bytes


def pack(algorithm: Algorithm, payload: bytes) -> bytes:
    """Wrap the state of `algorithm`, given as `payload`, into an envelope; parameters as those of `sealing`."""
    return sealing(algorithm, payload)()


def sealing(algorithm: Algorithm, payload: bytes) -> Callable[[], bytes]:
    """The second half of taking a snapshot, for `Algorithm.freeze`: what it returns makes the envelope, on any thread.

    Parameters
    ----------
    algorithm : Algorithm
        Its `name` and `params` go into the envelope; the parameters must be JSON values, or objects that have JSON
        `params` themselves, which then stand for them.
    payload : bytes
        Everything else that the state consists of, in a form that the class itself reads without executing it.
    """
    name = algorithm.name.encode()
    params = json.dumps(
        algorithm.params, separators=(",", ":"), sort_keys=True, allow_nan=False, default=lambda value: value.params
    ).encode()
    head = _HEADER.pack(MAGIC, FORMAT_VERSION, len(name), len(params), len(payload))

    def seal() -> bytes:
        digest = hashlib.sha256(head + name + params)
        digest.update(payload)
        return b"".join((head, name, params, payload, digest.digest()))

    return seal


def read(data: bytes) -> Envelope:
    """Check the envelope around `data` and take it apart, whatever algorithm it holds.

    Raises
    ------
    SnapshotError
        If the bytes are not a snapshot, are cut short, continue past its end, were altered, or come from a newer format.
    """
    data = bytes(data)
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise SnapshotError(f"not a pyalgo snapshot: it begins with {data[:8]!r} instead of {MAGIC!r}")
    if len(data) < _HEADER.size + _DIGEST_SIZE:
        raise SnapshotError(f"snapshot is cut short: {len(data)} bytes do not hold even its header")
    _, version, n_name, n_params, n_payload = _HEADER.unpack_from(data)
    if version > FORMAT_VERSION:
        raise SnapshotError(
            f"snapshot has format version {version}, this pyalgo reads up to {FORMAT_VERSION}: upgrade pyalgo to read it"
        )
    expected = _HEADER.size + n_name + n_params + n_payload + _DIGEST_SIZE
    if len(data) < expected:
        raise SnapshotError(f"snapshot is cut short: {len(data)} of {expected} bytes")
    if len(data) > expected:
        raise SnapshotError(f"snapshot continues past its end: {len(data) - expected} trailing bytes")
    body = memoryview(data)[:-_DIGEST_SIZE]
    if hashlib.sha256(body).digest() != data[-_DIGEST_SIZE:]:
        raise SnapshotError("snapshot was altered: its checksum does not match its content")
    at = _HEADER.size
    try:
        name = str(body[at : at + n_name], "utf-8")
        params = json.loads(str(body[at + n_name : at + n_name + n_params], "utf-8"))
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"snapshot's name or parameters cannot be read: {error}") from None
    if not isinstance(params, dict):
        raise SnapshotError(f"snapshot's parameters are a {type(params).__name__}, not a mapping")
    return Envelope(version, name, params, bytes(body[at + n_name + n_params :]))


def unpack(cls: type[Algorithm], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Check a snapshot of `cls` and return its parameters and payload, as `pack` was given them.

    Raises
    ------
    SnapshotError
        As `read` does, and if the snapshot is one of another algorithm.
    """
    envelope = read(data)
    if envelope.name != cls.name:
        raise SnapshotError(
            f"snapshot is of {envelope.name!r}, not of {cls.name!r}: read it with pyalgo.load, which finds the class"
        )
    return envelope.params, envelope.payload
