"""The contract that every stateful algorithm keeps; `pyalgo.testing.check_algorithm` tests a class against it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

__all__ = ["Algorithm"]

_A = TypeVar("_A", bound="Algorithm")


class Algorithm:
    """Base class of everything that is fed a changing data set and keeps an answer up to date.

    A subclass gives the class variables `name` and `columns`, keyword constructor parameters that are kept as
    attributes of the same name (or its own `params`), `n_seen`, and the four methods `update`, `query`, `to_bytes` and
    `from_bytes`. Everything else follows from those. A class that can combine two states also has
    ``merge(other)``; where the mathematics does not allow it, the method does not exist.

    Laws
    ----
    - An update is atomic: whatever it raises, the state is byte for byte what it was.
    - A batch may be fed whole or in any pieces (law ``batch_split``).
    - Equal parameters (with a seed) and equal batches give equal states.
    - ``from_bytes(to_bytes())`` has the same future as the original; altered bytes raise `pyalgo.SnapshotError`.
    - `query` changes nothing. Clones share nothing. `merge` is associative and commutative.
    - Errors are ``ValueError``, ``TypeError`` or ``KeyError`` and name the offending value.

    Attributes
    ----------
    name : str
        Registry name.
    columns : dict of str to (dtype, meaning)
        The columns of a batch. A dtype is ``"int8"``, ``"int64"``, ``"float64"``, ``"bool"``, ``"str"``,
        ``"int64|str"`` or ``"list[...]"`` of one of those; a trailing ``"?"`` marks a column that may be absent.
        `op` (+1 insert, -1 delete) may always be absent and then means +1.
    exempt : dict of str to str
        Laws that do not apply to the class, each with the reason and what holds instead.
    n_seen : int
        Rows taken in so far.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, tuple[str, str]]]
    exempt: ClassVar[dict[str, str]] = {}
    n_seen: int

    @property
    def params(self) -> dict[str, Any]:
        """What the constructor was given; ``type(self)(**self.params)`` is an equal, empty algorithm."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def update(self, batch: Any = None, /, **columns: Any) -> Any:
        """Take in one batch: a mapping or Arrow record batch of equally long columns, or keywords.

        Returns what the batch settled for good (the emission: a named tuple or dataclass of arrays and numbers), where there
        is such a thing, else None. A class that may hold back some of it has ``flush()``, which returns that.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def query(self, *args: Any, **options: Any) -> Any:  # of any signature: what there is to ask differs
        """The present answer with its certificate, as a frozen dataclass. Never changes the state."""
        raise NotImplementedError(f"{type(self).__name__} does not define query")

    def to_bytes(self) -> bytes:
        """The whole state as a snapshot; see `pyalgo.snapshot` for the envelope."""
        raise NotImplementedError(f"{type(self).__name__} does not define to_bytes")

    def freeze(self) -> Callable[[], bytes]:
        """The state as of now, as a callable that makes the snapshot of it, later and on another thread.

        What a runner takes at a checkpoint while its stream waits. A class with large states defines it so that only copying
        the state is done at once (see `pyalgo.snapshot.sealing`); here it is `to_bytes`.
        """
        data = self.to_bytes()
        return lambda: data

    @classmethod
    def from_bytes(cls: type[_A], data: bytes) -> _A:
        """The algorithm that `data` is a snapshot of. Reading never executes code."""
        raise NotImplementedError(f"{cls.__name__} does not define from_bytes")

    @property
    def nbytes(self) -> int:
        """Memory that the state takes, in bytes."""
        return len(self.to_bytes())

    def clone(self: _A) -> _A:
        """An independent copy: same state, same future, nothing shared."""
        return type(self).from_bytes(self.to_bytes())

    def __copy__(self: _A) -> _A:
        return self.clone()

    def __deepcopy__(self: _A, memo: Mapping[int, Any]) -> _A:
        return self.clone()

    def __reduce__(self: _A) -> tuple[Callable[[bytes], _A], tuple[bytes]]:
        return type(self).from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.params.items())
        return f"{type(self).__name__}({settings})"
