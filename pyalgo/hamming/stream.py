"""A pattern held against a text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pyalgo import _core, snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.errors import SnapshotError, at_row
from pyalgo.hamming.plan import read_count, read_k, read_method
from pyalgo.hamming.symbols import Symbols, code_points, read_pattern, read_symbols, read_wildcard

__all__ = ["HammingChunk", "HammingStream", "HammingStreamStats"]


class HammingChunk(NamedTuple):
    """What an update settled, for good.

    Without k, ``distances[i]`` is that of alignment ``start + i``. With k, only the alignments within k are listed, those at
    `positions`; `start` is then the first alignment that was looked at.
    """

    start: int
    distances: NDArray[np.int32]
    positions: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class HammingStreamStats:
    """Symbols seen, alignments settled, the least distance so far (with k: of those within k) and where it first occurred."""

    n_seen: int
    n_emitted: int
    best_distance: int | None
    best_position: int | None
    n_within_k: int


class HammingStream(Algorithm):
    """Exact Hamming distances of a pattern to a text that arrives in pieces of any sizes, in memory that does not grow with it.

    Every alignment is settled exactly once, by the update that brings its last symbol: after each update
    ``n_emitted == max(0, n_seen - m + 1)`` (with `latency`, up to so many fewer). The concatenated chunks are what
    `hamming_distances` gives for the whole text, whatever the pieces were.

    Parameters
    ----------
    pattern : str, bytes or one-dimensional array of integers
        m symbols, at least one.
    dtype : str or NumPy integer dtype, optional
        What the text consists of: ``"str"`` (code points) or an integer type; by default what the pattern is. With
        ``dtype="uint8"`` the pattern ``"ACGT"`` is held against bytes, such as those of a FASTA file.
    k : int, optional
        Settle the alignments with at most k mismatches only: chunks then have `positions`.
    latency : int
        Alignments are settled latency + 1 at a time, so that up to so many wait; small pieces then cost less. `flush` settles
        those that wait.
    wildcard, text_wildcard : symbol, optional
        A symbol of the pattern, or of the text, that matches everything; such pairs do not count.
    keep_head : bool
        Keep the first m - 1 symbols, so that this stream can be merged behind another one.
    method : str
        As for `HammingPlan`; the results do not depend on it.

    Raises
    ------
    ValueError, TypeError
        For parameters and batches out of range, naming the value and its row. The state is unchanged.

    Notes
    -----
    One symbol costs at most m byte comparisons (m / 32 vector operations); larger pieces what `explain` says. Memory does not
    grow with the text: the last m - 1 symbols, a piece of 2**15, and what the methods in use keep, which for transforms of up
    to four letters is at most 384 KiB and 60 bytes a pattern symbol, and for any alphabet at most 64 MiB beside the pattern's
    own transforms. T. M. Chan, C. Jin, V. Vassilevska Williams, Y. Xu: "Faster Algorithms for Text-to-Pattern Hamming
    Distances", FOCS 2023.

    Examples
    --------
    >>> stream = HammingStream("TAC")
    >>> [stream.update(piece).distances.tolist() for piece in ("GAT", "T", "ACA")]
    [[2], [3], [2, 0, 3]]
    >>> stream.query().best_position
    3
    """

    name = "hamming"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "symbol": ("int64|str", "the symbols of the text that come next; a str of length 1 or an integer each")
    }
    exempt: ClassVar[dict[str, str]] = {
        "merge": "texts follow one another in one order only; merging is associative, and equals feeding the text in one"
    }

    def __init__(
        self,
        pattern: Any,
        *,
        dtype: DTypeLike | None = None,
        k: int | None = None,
        latency: int = 0,
        wildcard: Any = None,
        text_wildcard: Any = None,
        keep_head: bool = False,
        method: str = "auto",
    ) -> None:
        self.pattern, self._dtype = _typed(pattern, dtype)
        self.dtype = "str" if self._dtype is None else self._dtype.name
        self.k = read_k(k)
        self.latency = read_count("latency", latency) or 0
        if not isinstance(keep_head, bool | np.bool_):
            raise TypeError(f"keep_head must be True or False, got {keep_head!r}")
        self.keep_head = bool(keep_head)
        self.method = read_method(method)
        from_str = isinstance(pattern, str)
        self.wildcard = self._symbol("wildcard", wildcard, from_str)
        self.text_wildcard = self._symbol("text_wildcard", text_wildcard, from_str)
        array, mask, is_str = read_pattern(self.pattern, self.wildcard)
        value = read_wildcard("text_wildcard", self.text_wildcard, is_str=is_str)
        self._core = _core.HammingStream(
            pattern=array,
            counts=mask,
            text_wildcard=None if value is None else value % 2**64,
            type=np.empty(0, dtype=np.uint32 if self._dtype is None else self._dtype),
            is_str=is_str,
            k=self.k,
            latency=self.latency,
            keep_head=self.keep_head,
            method=self.method,
            chunk=HammingChunk,
        )

    def _symbol(self, name: str, given: Any, from_str: bool) -> Any:
        """A wildcard in the form that snapshots can hold: a str for text, else an integer."""
        if self._dtype is not None and isinstance(given, str):
            given = read_wildcard(name, given, is_str=from_str)
        value = read_wildcard(name, given, is_str=self._dtype is None)
        return value if value is None or self._dtype is not None else chr(value)

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given, as JSON values."""
        names = ("dtype", "k", "latency", "wildcard", "text_wildcard", "keep_head", "method")
        pattern = self.pattern if isinstance(self.pattern, str) else self.pattern.tolist()
        return {"pattern": pattern, **{name: getattr(self, name) for name in names}}

    def update(self, batch: Any = None, /, **columns: Any) -> HammingChunk:
        """Take in the symbols that come next, and settle the alignments that they complete.

        Parameters
        ----------
        batch : str, bytes, array of integers, mapping or Arrow record batch
            The symbols, bare or as the column `symbol`.
        """
        chunk: HammingChunk | None = None if columns else self._core.update(batch)
        if chunk is None:
            chunk = self._core.update(self._read(batch, columns))
        assert chunk is not None
        return chunk

    def _read(self, batch: Any, columns: Mapping[str, Any]) -> Symbols:
        if batch is None or isinstance(batch, Mapping) or hasattr(batch, "__arrow_c_array__"):
            given = {**batch, **columns} if isinstance(batch, Mapping) else dict(columns)
            bare = given.get("symbol")
            if not (set(given) == {"symbol"} and isinstance(bare, np.ndarray | bytes | bytearray)):
                bare = read_batch(self.columns, batch, columns)["symbol"]
                if isinstance(bare, list):
                    bare = _joined(bare)
        elif columns:
            raise TypeError(f"symbols are given twice: as a batch and as {', '.join(columns)}")
        else:
            bare = batch
        return self._cast(read_symbols("symbol", bare))

    def _cast(self, symbols: Symbols) -> Symbols:
        if not len(symbols):
            return "" if self._dtype is None else np.empty(0, dtype=self._dtype)
        if isinstance(symbols, str) != (self._dtype is None):
            given = "a str" if isinstance(symbols, str) else f"of dtype {symbols.dtype}"
            cure = "dtype='str'" if isinstance(symbols, str) else f"dtype={str(getattr(symbols, 'dtype', ''))!r}"
            raise TypeError(
                f"symbol is {given}, and this stream is of {self.dtype}: make it with {cure}, or convert the symbols"
            )
        if isinstance(symbols, str) or self._dtype is None or symbols.dtype == self._dtype:
            return symbols
        return _fitting("symbol", symbols, self._dtype)

    def flush(self) -> HammingChunk:
        """Settle what `latency` holds back."""
        chunk: HammingChunk = self._core.flush()
        return chunk

    def merge(self, other: HammingStream) -> HammingChunk:
        """Put the stream over the text that follows behind this one, which then is the stream over both.

        Parameters
        ----------
        other : HammingStream
            With equal parameters, and made with ``keep_head=True``. It is unchanged.

        Returns
        -------
        HammingChunk
            The alignments between the two texts (and those that `latency` held back here).
        """
        if not isinstance(other, HammingStream):
            raise TypeError(f"other must be a HammingStream, got {type(other).__name__}")
        mine, theirs = self.params, other.params
        for name in mine:
            if name != "keep_head" and mine[name] != theirs[name]:
                raise ValueError(
                    f"other has {name}={theirs[name]!r}, not {mine[name]!r}: merge streams of equal parameters"
                )
        if not other.keep_head:
            raise ValueError("other does not have the symbols it began with: make it with keep_head=True")
        chunk: HammingChunk = self._core.merge(other.clone()._core if other is self else other._core)
        return chunk

    def reset(self) -> None:
        """Forget the text: the stream is as when it was made."""
        self._core = type(self)(**self.params)._core

    def query(self) -> HammingStreamStats:
        """How far the stream is, and the best alignment so far."""
        return HammingStreamStats(*self._core.stats())

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Symbols taken in so far."""
        return int(self._core.stats()[0])

    @property
    def nbytes(self) -> int:
        """Memory of the state, in bytes."""
        return self._core.nbytes

    def to_bytes(self) -> bytes:
        """Pattern, parameters, the last symbols and the counters; never what can be computed from them."""
        return snapshot.pack(self, self._core.save())

    @classmethod
    def from_bytes(cls, data: bytes) -> HammingStream:
        """The stream that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            loaded = cls(**params)
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"snapshot's parameters are refused: {error}") from None
        loaded._core.load(payload)
        return loaded


def _typed(pattern: Any, dtype: DTypeLike | None) -> tuple[Symbols, np.dtype[Any] | None]:
    """The pattern in the type of the text, and that type (None: str)."""
    read = read_symbols("pattern", pattern)
    wanted_str = isinstance(read, str) if dtype is None else dtype is str or (isinstance(dtype, str) and dtype == "str")
    if wanted_str:
        return (read if isinstance(read, str) else "".join(map(_char, read.tolist()))), None
    if dtype is None:
        assert not isinstance(read, str)
        return read, read.dtype
    wanted = np.dtype(dtype)
    if wanted.kind == "b":
        wanted = np.dtype(np.uint8)
    if wanted.kind not in "iu":
        raise TypeError(f'dtype must be "str" or an integer type, got {dtype!r}')
    array = code_points(read) if isinstance(read, str) else read
    return _fitting("pattern", array, wanted), wanted


def _char(value: int) -> str:
    if not 0 <= value < 0x110000:
        raise ValueError(f"pattern holds {value}, which is no code point: give dtype as an integer type")
    return chr(value)


def _joined(symbols: list[str]) -> str:
    for row, symbol in enumerate(symbols):
        if len(symbol) != 1:
            raise at_row(ValueError(f"row {row}: symbol must be a single character, got {symbol!r}"), row)
    return "".join(symbols)


def _fitting(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """`array` in another integer type, if that changes no value."""
    limits = np.iinfo(dtype)
    outside = np.flatnonzero((array < limits.min) | (array > limits.max))
    if len(outside):
        row = int(outside[0])
        message = f"row {row}: {name} {array[row]} does not fit in {dtype}, from {limits.min} to {limits.max}"
        raise at_row(ValueError(message), row)
    return array.astype(dtype)
