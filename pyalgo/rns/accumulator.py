"""Exact sums of a stream of signed integers, slot by slot."""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from pyalgo import snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.errors import SnapshotError, at_row
from pyalgo.rns.array import RnsArray, residues_of
from pyalgo.rns.basis import RnsBasis
from pyalgo.rns.coprime import within

__all__ = ["RnsAccumulator", "RnsTotal"]

_HEADER = struct.Struct("<QI")  # n_seen, bytes of the bound


@dataclass(frozen=True)
class RnsTotal:
    """The sums, and what is proven of them.

    Attributes
    ----------
    values : array of shape `shape`
        The sums as signed integers (int64, or Python integers where M takes more), modulo M.
    exact : bool
        Whether they are proven to be the sums themselves, and not only modulo M: `bound` is within the signed range.
    bound : int
        No sum is larger in size: what was added and subtracted, in size, all told.
    n_seen : int
        Values taken in.
    """

    values: NDArray[Any]
    exact: bool
    bound: int
    n_seen: int


class RnsAccumulator(Algorithm):
    """Sums of integers that come and go, in residues: exact in any order, on any machine, and merged by adding.

    Parts of a stream can be summed apart and brought together: `merge` is commutative and associative, and a deletion adds the
    negative.

    Parameters
    ----------
    basis : RnsBasis, mapping or sequence of int
        Without redundant moduli; a mapping has its parameters, a sequence its moduli.
    shape : int or sequence of int
        Of the sums; ``()`` for a single one.

    Raises
    ------
    ValueError, TypeError
        For parameters and batches out of range, naming the value and its row. The state is unchanged.

    Notes
    -----
    A value costs O(l). The state is l residues a slot, whatever was added.

    Examples
    --------
    >>> sums = RnsAccumulator(RnsBasis.primes(bits=31, count=4), shape=3)
    >>> sums.update(slot=[0, 2, 2], value=[5, -7, 2**62])
    >>> sums.update(op=[-1], slot=[2], value=[2**62])
    >>> total = sums.query()
    >>> total.values.tolist(), total.exact
    ([5, 0, -7], True)
    """

    name = "rns"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "op": ("int8", "+1 add, -1 subtract"),
        "slot": ("int64", "which sum, counted in C order of the shape"),
        "value": ("int64", "what is added to it"),
    }

    def __init__(self, basis: RnsBasis | Mapping[str, Any] | Sequence[int], shape: int | Sequence[int] = ()) -> None:
        if not isinstance(basis, RnsBasis):
            basis = RnsBasis(**basis) if isinstance(basis, Mapping) else RnsBasis(basis)
        if basis.redundant:
            raise ValueError(
                f"basis must be without redundant moduli, got {basis!r}: sums may leave its range for a while"
            )
        axes = [shape] if isinstance(shape, int | np.integer) else shape
        self.basis = basis
        self.shape = tuple(within("shape", n, 0, 2**40) for n in axes)
        within("the number of sums", math.prod(self.shape), 0, 2**40)
        self.n_seen = 0
        self._bound = 0
        self._lock = threading.Lock()  # the core works without the interpreter's
        self._sums = RnsArray(np.zeros((len(basis), *self.shape), basis.dtype), basis)

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given."""
        return {"basis": self.basis, "shape": list(self.shape)}

    def update(self, batch: Any = None, /, **columns: Any) -> None:
        """Take in one batch of the columns `op`, `slot` and `value`."""
        read = cast("dict[str, NDArray[Any]]", read_batch(self.columns, batch, columns))
        slots, values, op = read["slot"], read["value"], read["op"]
        outside = np.flatnonzero((slots < 0) | (slots >= self._sums.size))
        if len(outside):
            row = int(outside[0])
            raise at_row(ValueError(f"row {row}: slot must be from 0 to {self._sums.size - 1}, got {slots[row]}"), row)
        residues = self.basis.encode(values, wrap=True)
        size = _total_size(values)
        with self._lock:
            self.basis._core.scatter_add(residues._lanes(), slots, op, self._sums._lanes())
            self._count(len(slots), size)

    def add(self, x: Any) -> None:
        """Add integers of any size, or an `RnsArray` of signed values, to all sums at once; of the sums' shape."""
        self._add_all(x, "add")

    def subtract(self, x: Any) -> None:
        """Take integers, or an `RnsArray` of signed values, from all sums at once."""
        self._add_all(x, "subtract")

    def _add_all(self, x: Any, verb: str) -> None:
        array = x if isinstance(x, RnsArray) else self.basis.encode(x, signed=True)
        if array.basis != self.basis or array.shape != self.shape:
            raise ValueError(f"x must be of {self.basis!r} and shape {self.shape}, got {array!r}")
        signed = self.basis.decode(array, signed=True, dtype="object")
        size = max((abs(value) for value in signed.flat), default=0)
        with self._lock:
            getattr(self._sums, verb)(array, out=self._sums)
            self._count(array.size, size)

    def _count(self, values: int, size: int) -> None:
        self.n_seen += values
        self._bound += size

    def merge(self, other: RnsAccumulator) -> None:
        """Add the sums of another accumulator of equal parameters, which is unchanged."""
        if not isinstance(other, RnsAccumulator):
            raise TypeError(f"other must be an RnsAccumulator, got {type(other).__name__}")
        if (other.basis, other.shape) != (self.basis, self.shape):
            raise ValueError(f"other is {other!r}, not {self!r}: merge accumulators of equal parameters")
        with other._lock:
            sums, seen, bound = other._sums[...], other.n_seen, other._bound
        with self._lock:
            self._sums.add(sums, out=self._sums)
            self._count(seen, bound)

    def query(self) -> RnsTotal:
        """The sums as signed integers, and whether they are proven not to have wrapped."""
        with self._lock:
            values, bound, seen = self.basis.decode(self._sums, signed=True), self._bound, self.n_seen
        return RnsTotal(values, bound <= self.basis.signed_range[1], bound, seen)

    @property
    def residues(self) -> NDArray[Any]:
        """The sums in residues, read-only, (l, *shape)."""
        return self._sums.residues

    @property
    def nbytes(self) -> int:
        """Memory of the state, in bytes."""
        return self._sums.nbytes

    def to_bytes(self) -> bytes:
        """Parameters, counters and residues."""
        with self._lock:
            bound = self._bound.to_bytes((self._bound.bit_length() + 7) // 8, "little")
            little = self._sums.residues.astype(self.basis.dtype.newbyteorder("<"), copy=False)
            payload = _HEADER.pack(self.n_seen, len(bound)) + bound + little.tobytes()
        return snapshot.pack(self, payload)

    @classmethod
    def from_bytes(cls, data: bytes) -> RnsAccumulator:
        """The accumulator that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls.__new__(cls)
            loaded._load(params, payload)
        except (TypeError, ValueError, KeyError, struct.error) as error:
            raise SnapshotError(f"snapshot is refused: {error}") from None
        return loaded

    def _load(self, params: Mapping[str, Any], payload: bytes) -> None:
        basis, shape = RnsBasis(**params["basis"]), tuple(within("shape", n, 0, 2**40) for n in params["shape"])
        n_seen, size = _HEADER.unpack_from(payload)
        begin = _HEADER.size + size
        residues = residues_of(payload[begin:], basis, (len(basis), *shape))  # before anything is allocated
        RnsAccumulator.__init__(self, basis, shape)
        self._sums = RnsArray(residues, basis)
        self.n_seen = n_seen
        self._bound = int.from_bytes(payload[_HEADER.size : begin], "little")


def _total_size(values: NDArray[np.int64]) -> int:
    """The sum of absolute values, without overflow: by the halves of each."""
    sizes = np.where(values < 0, np.negative(values), values).view(np.uint64)  # -2^63 becomes 2^63
    return (int((sizes >> np.uint64(32)).sum()) << 32) + int((sizes & np.uint64(0xFFFFFFFF)).sum())
