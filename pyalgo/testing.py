"""The contract suite: holds any algorithm against every law of `pyalgo.Algorithm`, in one line of its tests.

>>> from pyalgo.submodular import DynamicSubmodularMaximizer
>>> from pyalgo.testing import check_algorithm
>>> batches = [{"id": [1, 2], "items": [[5, 6], [6]]}, {"op": [-1, 1], "id": [1, 3], "items": [[], [7]]}]
>>> check_algorithm(lambda: DynamicSubmodularMaximizer({"name": "coverage"}, k=2), batches)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from pyalgo.algorithm import Algorithm
from pyalgo.errors import SnapshotError

__all__ = ["LAWS", "ContractError", "check_algorithm"]

Batch = dict[str, Any]
Factory = Callable[[], Algorithm]

#: Every law, and what it says.
LAWS = {
    "determinism": "equal parameters and equal batches must give equal states",
    "query_mutates": "a query must not change the state",
    "batch_split": "a batch fed in pieces must give the state of the batch fed whole (batch-split invariance)",
    "snapshot_state": "what is read back from to_bytes must have the same answers and the same future",
    "snapshot_flipped_byte": "a snapshot with an altered byte must be refused with SnapshotError",
    "snapshot_truncation": "a snapshot that is cut short or continues past its end must be refused with SnapshotError",
    "clone": "a clone must share nothing with the original",
    "atomicity": "a batch that is refused must leave the state as it was",
    "error_type": "a bad batch must be refused with ValueError, TypeError or KeyError",
    "merge": "merge must be associative and commutative",
}


class ContractError(AssertionError):
    """A law of the contract that a class breaks.

    Attributes
    ----------
    law : str
        One of `LAWS`.
    detail : str
        What happened, with the smallest batch that shows it.
    """

    def __init__(self, law: str, detail: str) -> None:
        super().__init__(f"{law}: {LAWS[law]}; {detail}")
        self.law = law
        self.detail = detail


def check_algorithm(factory: Factory, batches: Sequence[Mapping[str, Any]]) -> None:
    """Hold the class that `factory` makes against every law.

    Parameters
    ----------
    factory : callable
        Returns a fresh instance, each time with the same parameters.
    batches : sequence of mappings
        Valid batches, fed in this order. Short ones are best: each law is tried again while the batches are shrunk.

    Raises
    ------
    ContractError
        At the first broken law. A law that the class lists in `exempt` is not held against it.
    ValueError
        If `exempt` names no law, or gives no reason.
    """
    given = [dict(batch) for batch in batches]
    exempt = type(factory()).exempt
    for law, reason in exempt.items():
        if law not in LAWS:
            raise ValueError(f"exempt names {law!r}, which is no law: the laws are {', '.join(LAWS)}")
        if not reason:
            raise ValueError(f"exempt names {law!r} without a reason")
    for law, broken in _CHECKS.items():
        if law in exempt or (law == "merge" and not hasattr(factory(), "merge")):
            continue
        what = broken(factory, given)
        if what is None:
            continue
        smallest, what = _shrink(partial(broken, factory), given, what)
        raise ContractError(law, f"{what}. Smallest batch that shows it: {_shown(smallest)}")


# What a law's check returns: a sentence if the batches show it broken, else None.
_Finding = str | None


def _determinism(factory: Factory, batches: list[Batch]) -> _Finding:
    first, second = _fed(factory, batches), _fed(factory, batches)
    return _difference(first, second, "two runs over the same batches differ")


def _query_mutates(factory: Factory, batches: list[Batch]) -> _Finding:
    asked, silent = factory(), factory()
    for batch in batches:
        _feed(asked, [batch])
        _feed(silent, [batch])
        before = asked.to_bytes()
        first = asked.query()
        if asked.to_bytes() != before:
            return "to_bytes() after a query differs from before"
        if not _equal(first, asked.query()):
            return "two queries in a row answer differently"
    return _difference(asked, silent, "a run with queries differs from one without")


def _batch_split(factory: Factory, batches: list[Batch]) -> _Finding:
    whole = _fed(factory, batches)
    for name, cut in (
        ("row by row", lambda n: range(n + 1)),
        ("in halves, with an empty piece", lambda n: (0, 0, n // 2, n)),
        ("with the last row apart", lambda n: (0, max(n - 1, 0), n)),
    ):
        pieces = []
        for batch in batches:
            bounds = list(cut(_rows(batch)))
            pieces += [_slice(batch, a, b) for a, b in pairwise(bounds)]
        split = _fed(factory, pieces)
        difference = _difference(whole, split, f"fed {name} it ends elsewhere than fed whole")
        if difference:
            return difference
    return None


def _snapshot_state(factory: Factory, batches: list[Batch]) -> _Finding:
    for at in range(len(batches) + 1):
        original = _fed(factory, batches[:at])
        try:
            restored = type(original).from_bytes(original.to_bytes())
        except Exception as error:
            return f"from_bytes refuses its own snapshot: {type(error).__name__}: {error}"
        difference = _difference(original, restored, "a restored snapshot differs from the original")
        if difference:
            return difference
        try:
            _feed(restored, batches[at:])
        except Exception as error:
            return f"a restored snapshot refuses what the original takes: {type(error).__name__}: {error}"
        _feed(original, batches[at:])
        difference = _difference(original, restored, "the future of a restored snapshot differs from the original's")
        if difference:
            return difference
    return None


def _positions(size: int) -> Iterator[int]:
    """All bytes of a small snapshot; of a large one its first 1,024, its last 64 and some in between."""
    if size <= 4096:
        yield from range(size)
    else:
        yield from range(1024)
        yield from range(1024, size - 64, max(1, (size - 1088) // 1024))
        yield from range(size - 64, size)


def _accepts(cls: type[Algorithm], data: bytes) -> _Finding:
    try:
        cls.from_bytes(data)
    except SnapshotError:
        return None
    except Exception as error:
        return f"is refused with {type(error).__name__} ({error}) instead of SnapshotError"
    return "is accepted"


def _snapshot_flipped_byte(factory: Factory, batches: list[Batch]) -> _Finding:
    original = _fed(factory, batches)
    data = original.to_bytes()
    for at in _positions(len(data)):
        finding = _accepts(type(original), data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        if finding:
            return f"a snapshot with byte {at} of {len(data)} flipped {finding}"
    return None


def _snapshot_truncation(factory: Factory, batches: list[Batch]) -> _Finding:
    original = _fed(factory, batches)
    data = original.to_bytes()
    for at in _positions(len(data)):
        finding = _accepts(type(original), data[:at])
        if finding:
            return f"the first {at} of {len(data)} bytes of a snapshot: this {finding}"
    for tail in (b"\0", data):
        finding = _accepts(type(original), data + tail)
        if finding:
            return f"a snapshot with {len(tail)} more bytes behind it {finding}"
    return None


def _clone(factory: Factory, batches: list[Batch]) -> _Finding:
    for at in range(len(batches)):
        original = _fed(factory, batches[:at])
        before, answer = original.to_bytes(), original.query()
        twin = original.clone()
        difference = _difference(original, twin, "a clone differs from the original")
        if difference:
            return difference
        _feed(twin, batches[at:])
        if original.to_bytes() != before or not _equal(original.query(), answer):
            return "an update of the clone changed the original"
        after = twin.to_bytes()
        _feed(original, batches[at:])
        if twin.to_bytes() != after:
            return "an update of the original changed the clone"
    return None


def _error_type(factory: Factory, batches: list[Batch]) -> _Finding:
    for algorithm, what, bad, must in _bad_updates(factory, batches):
        try:
            algorithm.update(bad)
        except (ValueError, TypeError, KeyError):
            continue
        except Exception as error:
            return f"{what} raises {type(error).__name__}: {error}"
        if must:
            return f"{what} is accepted"
    return None


def _atomicity(factory: Factory, batches: list[Batch]) -> _Finding:
    for algorithm, what, bad, _ in _bad_updates(factory, batches):
        before, answer = algorithm.to_bytes(), algorithm.query()
        seen = getattr(algorithm, "n_seen", None)
        try:
            algorithm.update(bad)
        except Exception as error:
            if (
                algorithm.to_bytes() != before
                or not _equal(algorithm.query(), answer)
                or getattr(algorithm, "n_seen", None) != seen
            ):
                return f"{what} raises {type(error).__name__} and changes the state all the same"
    return None


def _bad_updates(factory: Factory, batches: list[Batch]) -> Iterator[tuple[Algorithm, str, Batch, bool]]:
    """An algorithm that was fed the batches before, and a batch spoilt in one way; whether it must be refused."""
    for at, batch in enumerate(batches):
        for what, bad, must in _spoilt(type(factory()), batch, _rows(batch)):
            yield _fed(factory, batches[:at]), what, bad, must


def _spoilt(cls: type[Algorithm], batch: Batch, rows: int) -> Iterator[tuple[str, Batch, bool]]:
    declared = {name: cls.columns.get(name, ("", ""))[0] for name in batch}
    yield "a batch with an unknown column", {**batch, "no such column": [0] * rows}, True
    for name, dtype in declared.items():
        if name != "op" and not dtype.endswith("?"):
            yield f"a batch without column {name!r}", {k: v for k, v in batch.items() if k != name}, True
        if rows > 1 and len(batch) > 1:
            yield f"a batch with column {name!r} one row short", {**batch, name: list(batch[name])[:-1]}, True
    if not rows:
        return
    for name, dtype in declared.items():
        number = not dtype.startswith("list[") and "str" not in dtype and dtype != ""
        for row in dict.fromkeys((rows - 1, rows // 2)):
            for alien in (object(), None, "alien", float("nan"), -1, 3):
                spoilt = list(batch[name])
                spoilt[row] = alien
                must = number and type(alien) is object
                yield f"a batch with {alien!r} in row {row} of column {name!r}", {**batch, name: spoilt}, must
    twice = {name: [*list(column), list(column)[-1]] for name, column in batch.items()}
    yield "a batch with its last row twice", twice, False
    if "op" in cls.columns:
        yield "a batch of deletions only", {**batch, "op": [-1] * rows}, False
        yield "a batch that ends with a deletion", {**batch, "op": [*_ops(batch, rows)[:-1], -1]}, False


def _ops(batch: Batch, rows: int) -> list[Any]:
    return list(batch["op"]) if "op" in batch else [1] * rows


def _merge(factory: Factory, batches: list[Batch]) -> _Finding:
    if not batches:
        return None
    parts = _parts(factory, batches)

    def merged(*order: Any) -> Any:
        left: Any
        right: Any
        left, right = (merged(*part) if isinstance(part, tuple) else _fed(factory, [parts[part]]) for part in order)
        left.merge(right)
        return left

    for i, j in ((0, 1), (1, 2), (0, 2)):
        if not _equal(merged(i, j).query(), merged(j, i).query(), rtol=1e-9):
            return "a.merge(b) and b.merge(a) answer differently"
    if not _equal(merged((0, 1), 2).query(), merged(0, (1, 2)).query(), rtol=1e-9):
        return "(a.merge(b)).merge(c) and a.merge(b.merge(c)) answer differently"
    return None


def _parts(factory: Factory, batches: list[Batch]) -> list[Batch]:
    """Three pieces of the input, each valid alone (a deletion may need an insertion that stands in another piece)."""
    pieces = list(batches)
    if len(pieces) < 3:
        pieces = [_slice(batch, row, row + 1) for batch in batches for row in range(_rows(batch))]
    parts = []
    for piece in pieces:
        try:
            _fed(factory, [piece])
        except (ValueError, TypeError, KeyError):
            continue
        parts.append(piece)
    return (parts + 3 * [_slice(batches[0], 0, 0)])[:3]


_CHECKS: dict[str, Callable[[Factory, list[Batch]], _Finding]] = {
    "determinism": _determinism,
    "query_mutates": _query_mutates,
    "batch_split": _batch_split,
    "snapshot_state": _snapshot_state,
    "snapshot_flipped_byte": _snapshot_flipped_byte,
    "snapshot_truncation": _snapshot_truncation,
    "clone": _clone,
    "atomicity": _atomicity,
    "error_type": _error_type,
    "merge": _merge,
}


def _feed(algorithm: Algorithm, batches: Sequence[Batch]) -> None:
    for batch in batches:
        algorithm.update(copy.deepcopy(batch))


def _fed(factory: Factory, batches: Sequence[Batch]) -> Algorithm:
    algorithm = factory()
    _feed(algorithm, batches)
    return algorithm


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values()), ()))


def _slice(batch: Batch, begin: int, end: int) -> Batch:
    return {name: column[begin:end] for name, column in batch.items()}


def _difference(a: Algorithm, b: Algorithm, what: str) -> _Finding:
    if not _equal(a.query(), b.query()):
        return f"{what}: {_brief(a.query())} against {_brief(b.query())}"
    if a.to_bytes() != b.to_bytes():
        return f"{what}: equal answers, but unequal to_bytes()"
    return None


def _equal(a: Any, b: Any, rtol: float = 0.0) -> bool:
    if is_dataclass(a) and not isinstance(a, type):
        return type(a) is type(b) and all(_equal(getattr(a, f.name), getattr(b, f.name), rtol) for f in fields(a))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(a[key], b[key], rtol) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_equal(x, y, rtol) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            return False
        return bool(np.allclose(a, b, rtol, 0, equal_nan=True) if a.dtype.kind in "fc" else np.array_equal(a, b))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol, 0, equal_nan=True))
    return bool(a == b)


def _shrink(
    broken: Callable[[list[Batch]], _Finding], batches: list[Batch], what: str, evaluations: int = 400
) -> tuple[list[Batch], str]:
    """Leave out batches, then rows, as long as the law stays broken (delta debugging, ever smaller pieces)."""

    def attempt(smaller: list[Batch]) -> bool:
        nonlocal batches, what, evaluations
        if evaluations <= 0:
            return False
        evaluations -= 1
        try:
            finding = broken(smaller)
        except Exception:  # what is left is no valid input: not what is looked for
            return False
        if finding is not None:
            batches, what = smaller, finding
        return finding is not None

    at = len(batches)
    while at > 0:
        at -= 1
        attempt(batches[:at] + batches[at + 1 :])
    for at in range(len(batches)):
        size = _rows(batches[at])
        while size >= 1:
            begin = 0
            while begin < _rows(batches[at]):
                piece = {
                    name: [*list(column)[:begin], *list(column)[begin + size :]] for name, column in batches[at].items()
                }
                if not attempt([*batches[:at], piece, *batches[at + 1 :]]):
                    begin += size
            size //= 2
    return batches, what


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _shown(batches: list[Batch]) -> str:
    text = " then ".join(repr({name: list(column) for name, column in batch.items()}) for batch in batches) or "none"
    return text if len(text) <= 1000 else text[:997] + "..."
