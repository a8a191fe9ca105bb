"""The contract suite catches what it is there to catch, and nothing else."""

from __future__ import annotations

import json
import os
import pickle
from copy import copy, deepcopy
from dataclasses import dataclass

import numpy as np
import pytest

from pyalgo import snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.testing import LAWS, ContractError, check_algorithm


@dataclass(frozen=True)
class Total:
    total: float
    keys: np.ndarray


class Sums(Algorithm):
    """A correct toy: sums by key, with deletions."""

    name = "sums"
    columns = {  # noqa: RUF012 (as plugin authors write it)
        "op": ("int8", "+1 adds, -1 takes away"),
        "key": ("int64", "of what"),
        "value": ("float64", "how much, not negative"),
    }

    def __init__(self, *, scale: float = 1.0, seed: int = 0) -> None:
        self.scale = scale
        self.seed = seed
        self.sums: dict[int, float] = {}
        self.n_seen = 0

    def update(self, batch=None, /, **columns):
        read = read_batch(self.columns, batch, columns)
        if (read["value"] < 0).any():
            raise ValueError("value must not be negative")
        self._add(read["op"].tolist(), read["key"].tolist(), read["value"].tolist())

    def _add(self, ops, keys, values):
        for op, key, value in zip(ops, keys, values, strict=True):
            self.sums[key] = self.sums.get(key, 0.0) + op * self.scale * value
            self.n_seen += 1

    def query(self):
        return Total(sum(self.sums.values()), np.array(sorted(self.sums), dtype=np.int64))

    def to_bytes(self):
        return snapshot.pack(self, json.dumps([sorted(self.sums.items()), self.n_seen]).encode())

    @classmethod
    def from_bytes(cls, data):
        params, payload = snapshot.unpack(cls, data)
        loaded = cls(**params)
        sums, loaded.n_seen = json.loads(payload)
        loaded.sums = dict(map(tuple, sums))
        return loaded

    def merge(self, other):
        for key, value in other.sums.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.n_seen += other.n_seen


class Plain(Sums):
    """The same, written without pyalgo's helpers."""

    def update(self, batch=None, /, **columns):
        given = dict(batch or {}, **columns)
        given.setdefault("op", np.ones(len(given.get("key", ())), dtype=np.int64))
        if set(given) != {"op", "key", "value"}:
            raise ValueError(f"columns must be op, key, value; got {sorted(given)}")
        ops, keys = (np.asarray(given[name], dtype=np.int64) for name in ("op", "key"))
        values = np.asarray(given["value"], dtype=np.float64)
        if not len(ops) == len(keys) == len(values):
            raise ValueError("columns differ in length")
        self._add(ops.tolist(), keys.tolist(), values.tolist())


class NotAtomic(Sums):
    def update(self, batch=None, /, **columns):
        read = read_batch(self.columns, batch, columns)
        for op, key, value in zip(read["op"], read["key"], read["value"], strict=True):
            if value < 0:
                raise ValueError(f"value must not be negative, got {value}")
            self._add([int(op)], [int(key)], [float(value)])


class CountsBatches(Sums):
    def update(self, batch=None, /, **columns):
        super().update(batch, **columns)
        self.sums[-1] = self.sums.get(-1, 0.0) + 1


class Undetermined(Sums):
    def _add(self, ops, keys, values):
        super()._add(ops, keys, [value + os.urandom(1)[0] for value in values])


class Forgetful(Sums):
    def to_bytes(self):
        return snapshot.pack(self, json.dumps([sorted(self.sums.items())[:1], self.n_seen]).encode())


class Unchecked(Sums):
    """Takes altered bytes: only their length is checked."""

    def to_bytes(self):
        payload = pickle.dumps([sorted(self.sums.items()), self.n_seen])
        return len(payload).to_bytes(8, "little") + payload

    @classmethod
    def from_bytes(cls, data):
        if len(data) < 8 or int.from_bytes(data[:8], "little") != len(data) - 8:
            raise snapshot.SnapshotError("length")
        loaded = cls()
        sums, loaded.n_seen = pickle.loads(data[8:])
        loaded.sums = dict(sums)
        return loaded


class Truncatable(Sums):
    """Repairs what is cut short, instead of refusing it."""

    @classmethod
    def from_bytes(cls, data):
        if len(data) < 60:
            return cls()
        return super().from_bytes(data)


class CountsQueries(Sums):
    def query(self):
        self.n_seen += 1
        return super().query()


class LastMergeWins(Sums):
    def merge(self, other):
        self.sums |= other.sums


class WrongError(Sums):
    def update(self, batch=None, /, **columns):
        try:
            super().update(batch, **columns)
        except ValueError as error:
            raise RuntimeError(str(error)) from error


class SharedClone(Sums):
    def clone(self):
        return copy(self)

    def __copy__(self):
        twin = type(self)(**self.params)
        twin.sums, twin.n_seen = self.sums, self.n_seen
        return twin


BATCHES = [
    {"key": [1, 2, 1], "value": [1.0, 0.5, 2.0]},
    {"op": [1, -1], "key": [2, 1], "value": [4.0, 2.0]},
    {"key": [3, 3, 2, 1], "value": [1.0, 1.0, 3.0, 0.25]},
]


@pytest.mark.parametrize("toy", [Sums, Plain])
def test_a_correct_class_passes(toy):
    given = deepcopy(BATCHES)
    check_algorithm(lambda: toy(scale=2.0), given)
    assert given == BATCHES
    check_algorithm(toy, [])
    check_algorithm(toy, BATCHES[:1])


@pytest.mark.parametrize(
    ("toy", "law", "rows"),
    [
        (NotAtomic, "atomicity", 2),
        (CountsBatches, "batch_split", 0),
        (Undetermined, "determinism", 1),
        (Forgetful, "snapshot_state", 2),
        (Unchecked, "snapshot_flipped_byte", 0),
        (Truncatable, "snapshot_truncation", 0),
        (CountsQueries, "query_mutates", 0),
        (LastMergeWins, "merge", 2),
        (WrongError, "error_type", 0),
        (SharedClone, "clone", 1),
    ],
)
def test_each_law_is_caught_with_its_smallest_batch(toy, law, rows):
    with pytest.raises(ContractError) as caught:
        check_algorithm(toy, BATCHES)
    assert caught.value.law == law
    text = str(caught.value)
    assert text.startswith(f"{law}: {LAWS[law]}")
    shown = text.partition("Smallest batch that shows it: ")[2]
    batches = [] if shown == "none" else [eval(batch) for batch in shown.split(" then ")]
    assert sum(len(batch["key"]) for batch in batches) == rows, shown


def test_exemptions_need_a_law_and_a_reason():
    class Exempt(CountsBatches):
        exempt = {"batch_split": "counts batches; the sums of all other keys do not depend on them"}  # noqa: RUF012

    check_algorithm(Exempt, BATCHES)
    Exempt.exempt = {"batch_split": ""}
    with pytest.raises(ValueError, match="without a reason"):
        check_algorithm(Exempt, BATCHES)
    Exempt.exempt = {"batchsplit": "typo"}
    with pytest.raises(ValueError, match="no law: the laws are determinism, query_mutates"):
        check_algorithm(Exempt, BATCHES)


def test_copies_and_pickles_go_through_the_snapshot():
    original = Sums(scale=3.0)
    original.update(BATCHES[0])
    for twin in (copy(original), deepcopy(original), pickle.loads(pickle.dumps(original))):
        assert twin.to_bytes() == original.to_bytes()
        twin.update(BATCHES[1])
        assert twin.to_bytes() != original.to_bytes()
    assert repr(original) == "Sums(scale=3.0, seed=0)"
    assert original.nbytes == len(original.to_bytes())
