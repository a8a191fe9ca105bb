"""Sets of moduli, and the ways into and out of their residues."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core
from pyalgo.rns.array import RnsArray, read_layout, read_threads
from pyalgo.rns.coprime import as_int, cheapest_cover, primes_below, within
from pyalgo.rns.integers import Integers, read_integers, to_python

__all__ = ["Correction", "FastExtension", "RnsBasis"]

LARGEST = 2**62 - 1
DTYPES = ("auto", "uint64", "int64", "object", "limbs")


class FastExtension(NamedTuple):
    """Residues of x + a M, where 0 <= a <= `bound` is not known."""

    array: RnsArray
    bound: int


@dataclass(frozen=True)
class Correction:
    """What `RnsBasis.correct` did.

    Attributes
    ----------
    array : RnsArray
        The values, with as many residues put right as could be.
    lanes : array of bool, (l, *shape)
        Which residues were changed.
    failed : array of bool, shape
        Values that more residues are wrong of than can be corrected; they are left as they were.
    """

    array: RnsArray
    lanes: NDArray[np.bool_]
    failed: NDArray[np.bool_]


class RnsBasis:
    """Pairwise coprime moduli m_0, ..., m_(l-1): integers in [0, M), M their product, are known by their residues.

    Every conversion and every operation on residues is exact; where one would leave the range, it says so or reduces modulo M
    as asked, and never rounds. It is not constant in time: no primitive for secrets by itself.

    Parameters
    ----------
    moduli : sequence of int
        1 to 1024 of them, from 2 to 2^62 - 1, pairwise coprime; the order is kept. Residues are stored in uint16 if all moduli
        are up to 2^16, in uint32 if up to 2^31, else in uint64: kernels are fastest in this order, and below 2^50 faster than
        above.
    redundant : int
        The last so many moduli, larger than the others, only guard: the range is the product of the others. Up to `redundant`
        wrong residues of a value are noticed, up to half as many corrected.

    Attributes
    ----------
    moduli : tuple of int
    redundant : int
    range : int
        M, the product of the moduli that are not redundant.
    bits : int
        Of M.
    signed_range : (int, int)
        The least and the largest signed value, -floor(M/2) and ceil(M/2) - 1: x stands for x mod M.
    dtype : numpy dtype
        Of residues.

    Raises
    ------
    ValueError
        For moduli out of range or with a common factor, naming the pair and the factor.

    Notes
    -----
    The constants take O(l^2) words and as many operations; equal bases share them. `encode` costs O(l) a word, `decode` O(l^2)
    word operations a value. Garner: "The Residue Number System", IRE Trans. EC-8, 1959. Szabo, Tanaka: "Residue Arithmetic and
    its Applications to Computer Technology", 1967.

    Examples
    --------
    >>> basis = RnsBasis([251, 253, 255, 256])
    >>> x = basis.encode(123456789)
    >>> x.residues.tolist(), basis.mixed_radix(x).tolist()
    ([180, 126, 69, 21], [180, 27, 159, 7])
    >>> int(basis.decode(x * 3 - 1))
    370370366
    """

    def __init__(self, moduli: Sequence[int], *, redundant: int = 0) -> None:
        numbers = tuple(as_int(f"moduli[{i}]", m) for i, m in enumerate(moduli))
        for i, m in enumerate(numbers):
            within(f"moduli[{i}]", m, 2, LARGEST)
        self.moduli = numbers
        self.redundant = within("redundant", redundant, 0, max(0, len(numbers) - 1))
        self._core = _shared_core(numbers, self.redundant)
        self.range = math.prod(numbers[: len(numbers) - self.redundant])
        self.dtype: np.dtype[Any] = np.dtype(f"uint{8 * self._core.word_bytes}")

    @classmethod
    def primes(cls, bits: int, count: int) -> RnsBasis:
        """The `count` largest primes below 2^bits, the largest first.

        >>> RnsBasis.primes(bits=8, count=3).moduli
        (251, 241, 239)
        """
        return cls(_first_primes(bits, count, 1))

    @classmethod
    def ntt_primes(cls, bits: int, count: int, n: int) -> RnsBasis:
        """The `count` largest primes p = 1 modulo 2 n below 2^bits: those whose fields have the roots for transforms of length n.

        >>> RnsBasis.ntt_primes(bits=16, count=2, n=1024).moduli
        (61441, 59393)
        """
        return cls(_first_primes(bits, count, 2 * within("n", n, 1, 2**60)))

    @classmethod
    def balanced(cls, n: int) -> RnsBasis:
        """2^n - 1, 2^n and 2^n + 1, for n from 2 to 61.

        >>> RnsBasis.balanced(8).moduli
        (255, 256, 257)
        """
        n = within("n", n, 2, 61)
        return cls((2**n - 1, 2**n, 2**n + 1))

    @classmethod
    def cover(cls, range: int, count: int, lo: int, hi: int) -> RnsBasis:
        """`count` moduli from `lo` to `hi` of the smallest sum whose product reaches `range`; of equal sums the first in order.

        Found by branch and bound, whose time grows quickly with `count`: meant for a handful of moduli.

        >>> RnsBasis.cover(1000, 3, 2, 100).moduli
        (7, 11, 13)
        """
        lo, hi = within("lo", lo, 2, LARGEST), within("hi", hi, 2, LARGEST)
        found = cheapest_cover(as_int("range", range), within("count", count, 1, 64), lo, hi)
        if not found:
            raise ValueError(f"no {count} pairwise coprime moduli from {lo} to {hi} have a product of {range} or more")
        return cls(found)

    @property
    def params(self) -> dict[str, Any]:
        """``RnsBasis(**params)`` is an equal basis."""
        return {"moduli": list(self.moduli), "redundant": self.redundant}

    @property
    def bits(self) -> int:
        """Bits of M."""
        return self.range.bit_length()

    @property
    def signed_range(self) -> tuple[int, int]:
        """The least and the largest signed value, both included."""
        return -(self.range // 2), (self.range + 1) // 2 - 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RnsBasis):
            return NotImplemented
        return (
            self is other
            or self._core is other._core
            or (self.moduli, self.redundant) == (other.moduli, other.redundant)
        )

    def __hash__(self) -> int:
        return hash((self.moduli, self.redundant))

    def __len__(self) -> int:
        return len(self.moduli)

    def __repr__(self) -> str:
        shown = (
            [*map(str, self.moduli)]
            if len(self.moduli) <= 6
            else [*map(str, self.moduli[:3]), "...", str(self.moduli[-1])]
        )
        return f"RnsBasis([{', '.join(shown)}]{f', redundant={self.redundant}' if self.redundant else ''})"

    def __reduce__(self) -> tuple[Callable[[Any, int], RnsBasis], tuple[Any, int]]:
        return _rebuilt, (self.moduli, self.redundant)

    def _without(self, j: int) -> RnsBasis:
        if len(self.moduli) - self.redundant == 1:
            raise ValueError("a basis keeps at least one modulus that is not redundant")
        return RnsBasis(self.moduli[:j] + self.moduli[j + 1 :], redundant=self.redundant)

    # --- In

    def encode(
        self,
        x: Any,
        *,
        signed: bool = False,
        layout: str = "planar",
        wrap: bool = False,
        out: RnsArray | None = None,
        threads: int = 1,
    ) -> RnsArray:
        """The residues of integers.

        Parameters
        ----------
        x : int, array of integers, nested lists of ints, bytes
            Arrays and lists of any shape; objects are Python integers of any size. bytes are one little-endian integer, a list
            of them as many. A **uint64 array of two or more dimensions** holds big integers, little-endian limbs along its
            last axis (in two's complement if `signed`); a matrix of uint64 values is given as ``x[..., np.newaxis]``.
        signed : bool
            x is in `signed_range`, else in [0, M).
        layout : {"planar", "interleaved"}
            How residues lie, see `RnsArray`.
        wrap : bool
            Take any x modulo M, instead of refusing what is out of range.
        out : RnsArray, optional
            Filled and returned; of this basis and x's shape.
        threads : int
            The values are shared out; the result is the same.

        Raises
        ------
        OverflowError
            For an x out of range, naming it.
        TypeError
            For what is not an integer.
        """
        if wrap and self.redundant:
            raise ValueError("wrap=True would hide from the redundant moduli what they are to notice: reduce x first")
        integers = read_integers(x, signed=bool(signed))
        if not wrap:
            self._check_range(integers, bool(signed))
        if out is None:
            out = RnsArray._empty(self, integers.shape, read_layout(layout))
        elif out.basis != self or out.shape != integers.shape:
            raise ValueError(f"out must be of {self!r} and shape {integers.shape}, got {out!r}")
        encode = self._core.encode if integers.limbs.shape[1] == 1 else self._core.encode_limbs
        encode(integers.limbs, integers.is_signed, out._lanes(), read_threads(threads))
        return out

    def _check_range(self, x: Integers, signed: bool) -> None:
        low, high = self.signed_range if signed else (0, self.range - 1)
        row = None
        if x.limbs.size == 0:
            return
        if x.limbs.shape[1] == 1:
            words = x.limbs[:, 0].view(np.int64) if x.is_signed else x.limbs[:, 0]
            if words.min() < low:
                row = int(np.argmax(words < low))
            elif words.max() > high:
                row = int(np.argmax(words > high))
        elif x.is_signed and not signed and np.any(negative := x.limbs[:, -1] >> np.uint64(63)):
            row = int(np.argmax(negative))
        elif (first := self._core.first_outside(x.limbs, signed)) < len(x.limbs):
            row = first
        if row is not None:
            cure = "wrap=True takes it modulo M" if signed or x[row] >= 0 else "signed=True takes negative values"
            raise OverflowError(f"{x.place(row)} is {x[row]}, and must be from {low} to {high}: {cure}")

    # --- Out

    def decode(
        self, r: RnsArray, *, signed: bool = False, dtype: str = "auto", method: str = "crt", threads: int = 1
    ) -> NDArray[Any]:
        """The integers that have these residues.

        Parameters
        ----------
        r : RnsArray
        signed : bool
            In `signed_range`, else in [0, M).
        dtype : {"auto", "uint64", "int64", "object", "limbs"}
            ``"auto"`` is uint64 (int64 if signed) where M fits, else Python integers. ``"limbs"`` are uint64 along a further
            axis of length ceil(bits / 64), little-endian, in two's complement if signed.
        method : {"crt", "garner"}
            The Chinese remainder theorem, or mixed radix; the result is the same.

        Raises
        ------
        OverflowError
            For a value that does not fit in `dtype`, naming it.
        ValueError
            With redundant moduli, for a value that is not in the range or has wrong residues (see `correct`).
        """
        self._need_own(r)
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        if method not in ("crt", "garner"):
            raise ValueError(f'method must be "crt" or "garner", got {method!r}')
        signed = bool(signed)
        self._need_consistent(r, signed, threads)
        limbs = self._core.decode(r._lanes(), signed, method == "garner", read_threads(threads))
        if dtype == "auto":
            dtype = "object" if limbs.shape[1] > 1 else "int64" if signed else "uint64"
        if dtype == "limbs":
            return limbs.reshape(*r.shape, -1) if limbs.size else limbs.reshape(*r.shape, limbs.shape[1])
        if dtype == "object":
            return to_python(limbs, signed).reshape(r.shape)
        return _as_words(limbs, signed, dtype).reshape(r.shape)

    def decode_mod(self, r: RnsArray, q: int, *, signed: bool = False, threads: int = 1) -> NDArray[np.uint64]:
        """x mod q for q from 2 to 2^62 - 1, without big integers; of a signed x too, in [0, q)."""
        self._need_own(r)
        q = within("q", q, 2, LARGEST)
        self._need_consistent(r, bool(signed), threads)
        return self._core.decode_mod(r._lanes(), q, bool(signed), read_threads(threads)).reshape(r.shape)

    def mixed_radix(self, r: RnsArray, *, threads: int = 1) -> NDArray[np.uint64]:
        """The digits d_i < m_i of x = d_0 + m_0 (d_1 + m_1 (d_2 + ...)), shape ``(l, *shape)``.

        From the top they order values; those of redundant moduli are 0 where the residues are consistent.
        """
        self._need_own(r)
        return self._core.mixed_radix(r._lanes(), read_threads(threads)).reshape(len(self.moduli), *r.shape)

    # --- Other bases

    @overload
    def extend(
        self, r: RnsArray, other: RnsBasis, *, method: Literal["exact", "float", "shenoy"] = ..., threads: int = ...
    ) -> RnsArray: ...
    @overload
    def extend(self, r: RnsArray, other: RnsBasis, *, method: Literal["fast"], threads: int = ...) -> FastExtension: ...
    def extend(
        self, r: RnsArray, other: RnsBasis, *, method: str = "exact", threads: int = 1
    ) -> RnsArray | FastExtension:
        """The residues of the same x in [0, M) modulo other moduli, without leaving residues.

        Parameters
        ----------
        r : RnsArray
            Of this basis; redundant residues are not read (but the first one, by ``"shenoy"``).
        other : RnsBasis
            Any other; moduli may be common to both.
        method : {"exact", "float", "shenoy", "fast"}
            ``"exact"`` goes by mixed radix, O(l^2 + l l'). ``"float"`` finds the multiple of M in doubles (Halevi, Polyakov,
            Shoup 2019), O(l l'), and by ``"exact"`` wherever x is so near 0 or M that doubles cannot tell: it is never wrong.
            ``"shenoy"`` takes it from the first redundant modulus, which must exceed the number of others (Shenoy, Kumaresan
            1989). ``"fast"`` leaves it out (Bajard et al.): that is wrong by up to `bound` times M, and comes with the bound.
        """
        self._need_own(r)
        if not isinstance(other, RnsBasis):
            raise TypeError(f"other must be an RnsBasis, got {type(other).__name__}")
        if method not in ("exact", "float", "shenoy", "fast"):
            raise ValueError(f"method must be exact, float, shenoy or fast, got {method!r}")
        k = len(self.moduli) - self.redundant
        if method == "shenoy" and (self.redundant == 0 or self.moduli[k] <= k):
            raise ValueError(
                f'method "shenoy" takes a redundant modulus above {k}: make the basis with redundant=1 or more'
            )
        to = RnsArray._empty(other, r.shape, r.layout)
        self._core.extend(r._lanes(), other._core, method, to._lanes(), read_threads(threads))
        return FastExtension(to, k - 1) if method == "fast" else to

    # --- Redundant residues

    def check(self, r: RnsArray, *, signed: bool = False, threads: int = 1) -> NDArray[np.bool_]:
        """Whether each value's residues are those of an integer in the range: up to `redundant` wrong ones are always noticed.

        Sums and products that left the range are noticed too, unless by a multiple of what all moduli multiply to.
        """
        self._need_own(r)
        return self._core.consistent(r._lanes(), bool(signed), read_threads(threads)).reshape(r.shape)

    def correct(self, r: RnsArray, *, signed: bool = False, threads: int = 1) -> Correction:
        """Put up to floor(redundant / 2) wrong residues of each value right.

        With more wrong ones a value is noticed to be beyond correction, or (seldom: of about one in M_r / (l m) words, M_r the
        product of the redundant moduli) taken for another value. Time O(binomial(l, floor(redundant / 2)) l^2) a wrong value.

        >>> basis = RnsBasis([11, 13, 17, 19, 23], redundant=2)
        >>> damaged = RnsArray([[1], [1], [4], [1], [1]], basis)
        >>> fixed = basis.correct(damaged)
        >>> basis.decode(fixed.array).tolist(), fixed.lanes[:, 0].tolist()
        ([1], [False, False, True, False, False])
        """
        self._need_own(r)
        fixed = r.to_layout(r.layout)
        lanes, failed = self._core.correct(fixed._lanes(), bool(signed), read_threads(threads))
        return Correction(fixed, lanes.reshape(len(self.moduli), *r.shape), failed.reshape(r.shape))

    def _need_consistent(self, r: RnsArray, signed: bool, threads: int) -> None:
        if self.redundant == 0:
            return
        wrong = np.flatnonzero(~self.check(r, signed=signed, threads=threads).ravel())
        if len(wrong):
            raise ValueError(
                f"value {wrong[0]} is out of the range, or has wrong residues: correct() puts up to {self.redundant // 2} right"
            )

    def _need_own(self, r: RnsArray) -> None:
        if not isinstance(r, RnsArray):
            raise TypeError(f"r must be an RnsArray, got {type(r).__name__}: encode it first")
        if r.basis != self:
            raise ValueError(f"bases must be equal, got {r.basis!r} and {self!r}")


@lru_cache(maxsize=64)
def _shared_core(moduli: tuple[int, ...], redundant: int) -> _core.RnsBasis:
    return _core.RnsBasis(moduli, redundant)


def _rebuilt(moduli: Any, redundant: int) -> RnsBasis:
    return RnsBasis(moduli, redundant=redundant)


def _first_primes(bits: int, count: int, step: int) -> tuple[int, ...]:
    bits, count = within("bits", bits, 2, 62), within("count", count, 1, int(_core.RNS_MOST_MODULI))
    found = tuple(islice(primes_below(2**bits, step), count))
    if len(found) < count:
        raise ValueError(f"there are only {len(found)} primes p = 1 modulo {step} below 2^{bits}, got count={count}")
    return found


def _as_words(limbs: NDArray[np.uint64], signed: bool, dtype: str) -> NDArray[Any]:
    """Values as uint64 or int64, refused where they do not fit."""
    word, rest = limbs[:, 0], limbs[:, 1:]
    if rest.shape[1] == 0 and dtype == ("int64" if signed else "uint64"):
        return word.view(dtype)
    negative = limbs[:, -1] >> np.uint64(63) if signed else np.zeros(len(limbs), np.uint64)
    fill = np.uint64(0) - negative  # what the upper limbs are of a value that fits
    fits = (rest == fill[:, np.newaxis]).all(axis=1)
    top = word >> np.uint64(63)
    fits &= negative == 0 if dtype == "uint64" else top == negative
    if not fits.all():
        row = int(np.argmin(fits))
        value = int.from_bytes(limbs[row].astype("<u8").tobytes(), "little", signed=signed)
        raise OverflowError(f'value {row} is {value}, which {dtype} does not hold: ask for dtype="object" or "limbs"')
    return word.view(np.int64) if dtype == "int64" else np.ascontiguousarray(word)
