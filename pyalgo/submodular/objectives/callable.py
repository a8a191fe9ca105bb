"""Any monotone submodular function, as Python code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyalgo import _core
from pyalgo.arrays import Column, read_batch
from pyalgo.submodular.objectives.base import Objective, Payload

__all__ = ["CallableObjective"]


class CallableObjective(Objective):
    """f(S) = f(ids of S), by a Python function.

    The function must be submodular, which nothing can check, and must not fall when its set grows, which every answer is
    held against. Elements need no payload: any id may be inserted. f of nothing is 0 and never asked for. One marginal
    is one call; the interpreter is entered once for a batch of them.

    Parameters
    ----------
    f : callable
        ``f(ids) -> float``: ids are distinct, an array of int64 or of str objects, in the order in which they were chosen.
        It must not use the maximiser that asks.
    batch_gain : callable, optional
        ``batch_gain(ids, prefix) -> array of float``: for every one of `ids`, f(prefix + id) - f(prefix). Used instead of
        `f` when given, one call for many marginals.

    Raises
    ------
    NonMonotoneError
        (a ``ValueError``) By whatever asks for a marginal, when one is negative by more than rounding.
    ValueError, TypeError
        When the function returns what is not a finite number. What it raises itself is passed on.

    Notes
    -----
    A snapshot cannot hold the function: `from_bytes` takes an equal objective beside the bytes.

    Examples
    --------
    >>> f = CallableObjective(lambda ids: min(float(ids.sum()), 10.0))
    >>> f.value([3, 5, 7])
    10.0
    >>> f.gains([3, 5], given=[7]).tolist()
    [3.0, 3.0]
    """

    name = "callable"
    columns: Mapping[str, tuple[str, str]] = {}
    needs_object = True

    def __init__(
        self,
        f: Callable[[NDArray[Any]], float],
        batch_gain: Callable[[NDArray[Any], NDArray[Any]], ArrayLike] | None = None,
    ) -> None:
        if not callable(f):
            raise TypeError(f"f must be callable, got {f!r}")
        if batch_gain is not None and not callable(batch_gain):
            raise TypeError(f"batch_gain must be callable or None, got {batch_gain!r}")
        self.f = f
        self.batch_gain = batch_gain
        self._core = _core.callable(f, batch_gain)

    @property
    def params(self) -> dict[str, Any]:
        return {"name": self.name}

    def _empty(self) -> CallableObjective:
        return CallableObjective(self.f, self.batch_gain)

    def _payload(self, columns: Mapping[str, Column], ids: Column | None) -> Payload:
        return None if ids is None else (np.arange(len(ids) + 1, dtype=np.int64), ids), None

    def add_items(self, **payload: Any) -> NDArray[np.int64]:
        """Not needed: every id is known."""
        raise ValueError("elements of a CallableObjective have no payload to add: insert any ids")

    def value(self, ids: Sequence[Any] | NDArray[Any]) -> float:
        """f of a set of ids, by the marginals of one after the other."""
        core, numbers = self._knowing(ids)
        return core.value(numbers)

    def prefix_gains(self, ids: Any, levels: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
        """Marginals of `ids` over every prefix of a chain: entry (i, t) is f(levels[:t] + ids[i]) - f(levels[:t])."""
        asked = list(ids)
        core, numbers = self._knowing([*asked, *(i for level in levels for i in level)])
        chain, at = [], len(asked)
        for level in levels:
            chain.append(numbers[at : at + len(level)])
            at += len(level)
        return core.prefix_gains(chain, np.array(numbers[: len(asked)], dtype=np.int64))

    def _knowing(self, ids: Any) -> tuple[_core.Objective, list[int]]:
        """A compiled objective that knows all of `ids`, and their numbers there."""
        number = {key: i for i, key in enumerate(dict.fromkeys(ids))}
        core = _core.callable(self.f, self.batch_gain)
        column = read_batch({"ids": ("int64|str", "elements")}, None, {"ids": list(number)})["ids"]
        core.add_known(self._payload({}, column))
        return core, [number[key] for key in ids]
