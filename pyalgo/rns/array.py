"""Arrays of integers in residues, and their arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import snapshot
from pyalgo.errors import SnapshotError
from pyalgo.rns.coprime import as_int, mod_inverse, within

if TYPE_CHECKING:
    from pyalgo.rns.basis import RnsBasis

__all__ = ["RnsArray"]

LAYOUTS = ("planar", "interleaved")


class RnsArray:
    """Integers modulo M by their residues: sums and products are exact modulo M, in one step a residue.

    Made by `RnsBasis.encode`, read by `RnsBasis.decode`. ``+ - *`` take arrays of the same basis and shape, or integers of any
    size; ``**`` an integer, ``/`` what has an inverse, ``==`` compares value by value, ``@`` is the matrix product.

    Parameters
    ----------
    residues : array of integers
        Shape ``(l, *shape)`` (planar: residues of one modulus lie side by side, as the kernels want them) or ``(*shape, l)``
        (interleaved).
    basis : RnsBasis
        Of l moduli.
    layout : {"planar", "interleaved"}
    reduce : bool
        Reduce the residues; without it one that is not in [0, m_i) is an error.

    Attributes
    ----------
    residues : array of uint16, uint32 or uint64
        A read-only view, in the narrowest type that the basis' kernels take.
    basis : RnsBasis
    layout : str
    shape : tuple of int
        Of the values.

    Raises
    ------
    ValueError
        For unequal bases or shapes, a residue out of range, and a value without inverse, naming it and its place.
    TypeError
        For operands that are no integers.

    Examples
    --------
    >>> from pyalgo.rns import RnsBasis
    >>> basis = RnsBasis([251, 253, 255, 256])
    >>> a, b = basis.encode([1, 2, 30000]), basis.encode([5, -6, 60000], signed=True)
    >>> basis.decode(a * b + 7, signed=True).tolist()
    [12, -5, 1800000007]
    """

    name: ClassVar[str] = "rns.array"  # in its snapshots
    __array_ufunc__ = None  # array + RnsArray is ours to answer
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, residues: ArrayLike, basis: RnsBasis, *, layout: str = "planar", reduce: bool = False) -> None:
        given = np.asarray(residues)
        if given.dtype.kind not in "iu":
            raise TypeError(f"residues have dtype {given.dtype}: give integers")
        axis = 0 if read_layout(layout) == "planar" else -1
        count = len(basis.moduli)
        if given.ndim < 1 or given.shape[axis] != count:
            raise ValueError(f"residues have shape {given.shape}: axis {axis} must be the {count} moduli of the basis")
        moduli = np.array(basis.moduli, np.uint64).reshape(
            [-1 if i == axis % given.ndim else 1 for i in range(given.ndim)]
        )
        if reduce:
            given = given % moduli.astype(np.int64) if given.dtype.kind == "i" else given % moduli
        else:
            check_reduced(given, moduli, axis)
        self._set(np.array(given, dtype=basis.dtype, order="C"), basis, layout)

    def _set(self, residues: NDArray[Any], basis: RnsBasis, layout: str) -> None:
        self._residues, self.basis, self.layout = residues, basis, layout
        count = len(basis.moduli)
        if layout == "planar":
            self.shape: tuple[int, ...] = residues.shape[1:]
            self._flat = residues.reshape(count, residues.size // count)
        else:
            self.shape = residues.shape[:-1]
            self._flat = residues.reshape(residues.size // count, count).T

    @classmethod
    def _empty(cls, basis: RnsBasis, shape: tuple[int, ...], layout: str) -> RnsArray:
        """Unset residues, to be filled by the core."""
        count = len(basis.moduli)
        made = cls.__new__(cls)
        made._set(np.empty((count, *shape) if layout == "planar" else (*shape, count), basis.dtype), basis, layout)
        return made

    def _like(self, shape: tuple[int, ...] | None = None) -> RnsArray:
        return self._empty(self.basis, self.shape if shape is None else shape, self.layout)

    def _lanes(self) -> NDArray[Any]:
        """All residues as (l, n), whatever the layout; a view."""
        return self._flat

    @property
    def residues(self) -> NDArray[Any]:
        """The residues, read-only: every one is below its modulus, and stays so."""
        view = self._residues.view()
        view.flags.writeable = False
        return view

    @property
    def ndim(self) -> int:
        """Axes of the values."""
        return self._residues.ndim - 1

    @property
    def size(self) -> int:
        """How many values."""
        return self._residues.size // len(self.basis.moduli)

    @property
    def nbytes(self) -> int:
        """Memory of the residues, in bytes."""
        return self._residues.nbytes

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single value has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"RnsArray(shape={self.shape}, {self.basis!r}, layout={self.layout!r})"

    def __getitem__(self, index: Any) -> RnsArray:
        """The values at an index, a copy; as NumPy's."""
        planar = self._residues if self.layout == "planar" else np.moveaxis(self._residues, -1, 0)
        chosen = planar[(slice(None), *(index if isinstance(index, tuple) else (index,)))]
        made = self._like(chosen.shape[1:])
        made._lanes()[...] = chosen.reshape(len(self.basis.moduli), made.size)
        return made

    def reshape(self, *shape: int) -> RnsArray:
        """The same values in another shape, a copy."""
        wanted = np.empty(self.shape, np.bool_).reshape(*shape).shape
        made = self._like(wanted)
        made._lanes()[...] = self._lanes()
        return made

    def to_layout(self, layout: str) -> RnsArray:
        """A copy in the layout `layout`."""
        made = self._empty(self.basis, self.shape, read_layout(layout))
        made._lanes()[...] = self._lanes()
        return made

    # --- Ring operations

    def add(self, other: Any, *, out: RnsArray | None = None, threads: int = 1) -> RnsArray:
        """``self + other``; `out`, of the same basis and shape, may be an operand."""
        if isinstance(other, RnsArray):
            return self._binary("add", other, out, threads)
        return self._affine(1, as_int("other", other), out, threads)

    def subtract(self, other: Any, *, out: RnsArray | None = None, threads: int = 1) -> RnsArray:
        """``self - other``."""
        if isinstance(other, RnsArray):
            return self._binary("subtract", other, out, threads)
        return self._affine(1, -as_int("other", other), out, threads)

    def multiply(self, other: Any, *, out: RnsArray | None = None, threads: int = 1) -> RnsArray:
        """``self * other``."""
        if isinstance(other, RnsArray):
            return self._binary("multiply", other, out, threads)
        return self._affine(as_int("other", other), 0, out, threads)

    def fma(self, b: RnsArray, c: RnsArray, *, out: RnsArray | None = None, threads: int = 1) -> RnsArray:
        """``self * b + c`` with one reduction."""
        self._need_same(b)
        self._need_same(c)
        to = self._target(out)
        self.basis._core.multiply_add(self._lanes(), b._lanes(), c._lanes(), to._lanes(), read_threads(threads))
        return to

    def inv(self, *, threads: int = 1) -> RnsArray:
        """1 / x of every value; a ``ValueError`` names the first one that has none."""
        to = self._like()
        self.basis._core.invert(self._lanes(), to._lanes(), read_threads(threads))
        return to

    def _binary(self, name: str, other: RnsArray, out: RnsArray | None, threads: int) -> RnsArray:
        self._need_same(other)
        to = self._target(out)
        getattr(self.basis._core, name)(self._lanes(), other._lanes(), to._lanes(), read_threads(threads))
        return to

    def _affine(self, factor: int, addend: int, out: RnsArray | None = None, threads: int = 1) -> RnsArray:
        return self._affine_by([factor] * len(self.basis.moduli), addend, out, threads)

    def _affine_by(self, factors: list[int], addend: int, out: RnsArray | None = None, threads: int = 1) -> RnsArray:
        to, moduli = self._target(out), self.basis.moduli
        reduced = np.array([factor % m for factor, m in zip(factors, moduli, strict=True)], np.uint64)
        added = np.array([addend % m for m in moduli], np.uint64)
        self.basis._core.affine(reduced, self._lanes(), added, to._lanes(), read_threads(threads))
        return to

    def _target(self, out: RnsArray | None) -> RnsArray:
        if out is None:
            return self._like()
        self._need_same(out)
        return out

    def _need_same(self, other: RnsArray) -> None:
        self._need_basis(other)
        if other.shape != self.shape:
            raise ValueError(f"shapes must be equal, got {self.shape} and {other.shape}")

    def _need_basis(self, other: RnsArray) -> None:
        if not isinstance(other, RnsArray):
            raise TypeError(f"must be an RnsArray, got {type(other).__name__}: encode it first")
        if other.basis != self.basis:
            raise ValueError(f"bases must be equal, got {self.basis!r} and {other.basis!r}: extend one to the other")

    def __add__(self, other: Any) -> RnsArray:
        return self.add(other) if _is_operand(other) else NotImplemented

    def __sub__(self, other: Any) -> RnsArray:
        return self.subtract(other) if _is_operand(other) else NotImplemented

    def __mul__(self, other: Any) -> RnsArray:
        return self.multiply(other) if _is_operand(other) else NotImplemented

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> RnsArray:
        return self._affine(-1, int(other)) if _is_operand(other) else NotImplemented

    def __iadd__(self, other: Any) -> RnsArray:
        return self.add(other, out=self) if _is_operand(other) else NotImplemented

    def __isub__(self, other: Any) -> RnsArray:
        return self.subtract(other, out=self) if _is_operand(other) else NotImplemented

    def __imul__(self, other: Any) -> RnsArray:
        return self.multiply(other, out=self) if _is_operand(other) else NotImplemented

    def __neg__(self) -> RnsArray:
        return self._affine(-1, 0)

    def __truediv__(self, other: Any) -> RnsArray:
        if isinstance(other, RnsArray):
            self._need_same(other)
            return self * other.inv()
        if not _is_operand(other):
            return NotImplemented
        return self._affine_by([mod_inverse(int(other), m) for m in self.basis.moduli], 0)

    def __rtruediv__(self, other: Any) -> RnsArray:
        return self.inv() * other if _is_operand(other) else NotImplemented

    def __pow__(self, exponent: Any) -> RnsArray:
        if not _is_operand(exponent) or isinstance(exponent, RnsArray):
            return NotImplemented
        power, square, bits = self._affine(0, 1), self.inv() if exponent < 0 else self, abs(int(exponent))
        while bits:
            if bits & 1:
                power.multiply(square, out=power)
            bits >>= 1
            if bits:
                square = square * square
        return power

    # --- Questions

    def __eq__(self, other: Any) -> NDArray[np.bool_]:  # type: ignore[override]
        if isinstance(other, RnsArray):
            self._need_same(other)
            return cast("NDArray[np.bool_]", self.basis._core.equal(self._lanes(), other._lanes()).reshape(self.shape))
        return (self - other).is_zero() if _is_operand(other) else NotImplemented

    def __ne__(self, other: Any) -> NDArray[np.bool_]:  # type: ignore[override]
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else ~equal

    def is_zero(self) -> NDArray[np.bool_]:
        """Whether each value is 0."""
        return cast("NDArray[np.bool_]", self.basis._core.is_zero(self._lanes()).reshape(self.shape))

    def sign(self, *, threads: int = 1) -> NDArray[np.int8]:
        """-1, 0 or 1 of each value as a signed one, in `RnsBasis.signed_range`."""
        answer = self.basis._core.sign(self._lanes(), read_threads(threads))
        return cast("NDArray[np.int8]", answer.reshape(self.shape))

    def compare(self, other: RnsArray, *, signed: bool = False, threads: int = 1) -> NDArray[np.int8]:
        """-1, 0 or 1 where a value is below, equal to or above that of `other`, without leaving the residues."""
        self._need_same(other)
        answer = self.basis._core.compare(self._lanes(), other._lanes(), bool(signed), read_threads(threads))
        return cast("NDArray[np.int8]", answer.reshape(self.shape))

    def argmax(self, *, signed: bool = False) -> int:
        """Where the largest value is, counted in C order; the first of equals."""
        if self.size == 0:
            raise ValueError("no value is the largest of none")
        return int(self.basis._core.argmax(self._lanes(), bool(signed)))

    # --- Reductions

    def sum(self, axis: int | None = None, *, threads: int = 1) -> RnsArray:
        """Of all values, or along an axis."""
        return self._fold("sum", axis, threads)

    def prod(self, axis: int | None = None, *, threads: int = 1) -> RnsArray:
        """Product of all values, or along an axis."""
        return self._fold("product", axis, threads)

    def _fold(self, name: str, axis: int | None, threads: int) -> RnsArray:
        length, lanes = self.size, self._lanes()
        shape: tuple[int, ...] = ()
        if axis is not None:
            at = within("axis", axis, -self.ndim, self.ndim - 1) % self.ndim
            length, shape = self.shape[at], self.shape[:at] + self.shape[at + 1 :]
            count = len(self.basis.moduli)
            lanes = np.moveaxis(lanes.reshape(count, *self.shape), at + 1, -1).reshape(count, self.size)
        to = self._like(shape)
        getattr(self.basis._core, name)(lanes, length, to._lanes(), read_threads(threads))
        return to

    def dot(self, other: RnsArray, *, threads: int = 1) -> RnsArray:
        """Inner product of vectors, matrix product of matrices; as ``@``.

        Products are summed unreduced as long as they fit, and nothing overflows, whatever the length.
        """
        self._need_basis(other)
        if not (1 <= self.ndim <= 2 and 1 <= other.ndim <= 2) or self.shape[-1] != other.shape[0]:
            raise ValueError(f"shapes {self.shape} and {other.shape} do not multiply: vectors and matrices do")
        rows, columns = self.shape[:-1], other.shape[1:]
        p, q, s = (rows or (1,))[0], self.shape[-1], (columns or (1,))[0]
        to = self._like(rows + columns)
        self.basis._core.matmul(self._lanes(), other._lanes(), p, q, s, to._lanes(), read_threads(threads))
        return to

    def __matmul__(self, other: Any) -> RnsArray:
        return self.dot(other) if isinstance(other, RnsArray) else NotImplemented

    def segment_sum(self, segments: ArrayLike, count: int) -> RnsArray:
        """Sums of the values by segment: value i goes into ``out[segments[i]]`` of `count` sums, as in a histogram."""
        ids = np.asarray(segments)
        if ids.dtype.kind not in "iu" and ids.size:
            raise TypeError(f"segments have dtype {ids.dtype}: give integers")
        if ids.shape != self.shape:
            raise ValueError(f"segments must have the values' shape {self.shape}, got {ids.shape}")
        count = within("count", count, 0, 2**48)
        outside = np.flatnonzero((ids < 0) | (ids >= count))
        if len(outside):
            raise ValueError(f"segments hold {ids.ravel()[outside[0]]} at {outside[0]}: must be from 0 to {count - 1}")
        to = self._like((count,))
        to._residues[...] = 0
        slots = np.ascontiguousarray(ids.ravel(), np.int64)
        self.basis._core.scatter_add(self._lanes(), slots, np.empty(0, np.int8), to._lanes())
        return to

    def scale_down(self, j: int, *, rounding: str = "floor", threads: int = 1) -> RnsArray:
        """x / m_j rounded, in the basis without modulus j: the residue number system's rescaling.

        ``rounding="floor"`` gives floor(x / m_j), of a signed x too; ``"nearest"`` floor((x + floor(m_j / 2)) / m_j), of which
        the uppermost values come out as M / m_j, which is 0 there.
        """
        j = within("j", j, 0, len(self.basis.moduli) - self.basis.redundant - 1)
        if rounding not in ("floor", "nearest"):
            raise ValueError(f'rounding must be "floor" or "nearest", got {rounding!r}')
        other = self.basis._without(j)
        to = self._empty(other, self.shape, self.layout)
        self.basis._core.scale_down(
            self._lanes(), j, rounding == "nearest", other._core, to._lanes(), read_threads(threads)
        )
        return to

    # --- Bytes

    @property
    def params(self) -> dict[str, Any]:
        """What the snapshot's header says."""
        return {"basis": self.basis.params, "layout": self.layout, "shape": list(self.shape)}

    def to_bytes(self) -> bytes:
        """Basis and residues, little-endian, in the envelope of `pyalgo.snapshot` with its checksum."""
        little = self._residues.astype(self._residues.dtype.newbyteorder("<"), copy=False)
        return snapshot.pack(cast(Any, self), little.tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> RnsArray:
        """What `to_bytes` wrote; anything else is refused with `pyalgo.SnapshotError`."""
        from pyalgo.rns.basis import RnsBasis

        params, payload = snapshot.unpack(cast(Any, cls), data)
        try:
            basis, layout = RnsBasis(**params["basis"]), read_layout(params["layout"])
            shape = tuple(within("shape", n, 0, 2**48) for n in params["shape"])
            count = len(basis.moduli)
            residues = residues_of(payload, basis, (count, *shape) if layout == "planar" else (*shape, count))
            return cls(residues, basis, layout=layout)
        except (TypeError, ValueError, KeyError) as error:
            raise SnapshotError(f"snapshot is refused: {error}") from None

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return type(self).from_bytes, (self.to_bytes(),)


def residues_of(payload: bytes, basis: RnsBasis, shape: tuple[int, ...]) -> NDArray[Any]:
    """Little-endian residues of a payload, whose length must be that of the shape."""
    size = basis.dtype.itemsize
    for n in shape:
        size *= n
    if len(payload) != size:
        raise ValueError(f"{len(payload)} bytes of residues, and {size} are expected")
    return np.frombuffer(payload, basis.dtype.newbyteorder("<")).reshape(shape)


def check_reduced(residues: NDArray[Any], moduli: NDArray[np.uint64], axis: int) -> None:
    """Refuse residues out of [0, m), by the first of them."""
    wrong = residues.astype(np.uint64) >= moduli  # negative ones are larger than any
    if wrong.any():
        index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        place, lane = ", ".join(str(int(i)) for i in index), int(index[axis])
        raise ValueError(
            f"residues[{place}] is {residues[index]}, and must be from 0 to {int(moduli.ravel()[lane]) - 1}: reduce=True "
            "reduces it"
        )


def read_layout(layout: str) -> str:
    """One of the two layouts."""
    if layout not in LAYOUTS:
        raise ValueError(f'layout must be "planar" or "interleaved", got {layout!r}')
    return layout


def read_threads(threads: int) -> int:
    """A number of threads."""
    return within("threads", threads, 1, 1024)


def _is_operand(value: Any) -> bool:
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return integer or isinstance(value, RnsArray)
