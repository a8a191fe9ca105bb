"""Sums in residues: the contract, exactness and its certificate."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest

import pyalgo
from pyalgo.rns import RnsAccumulator, RnsArray, RnsBasis
from pyalgo.testing import check_algorithm

BASIS = RnsBasis.primes(bits=31, count=3)
BATCHES = [
    {"slot": [0, 1, 1, 2], "value": [5, -3, 2**63 - 1, -(2**63)]},
    {"op": [1, -1, -1], "slot": [2, 1, 0], "value": [7, 2**63 - 1, -(2**62)]},
    {"slot": [2], "value": [-1]},
]


@pytest.mark.claim("rns.9")
@pytest.mark.parametrize("basis", [BASIS, RnsBasis([251, 253, 255, 256]), RnsBasis([2**61 - 1, 2**50])])
def test_contract(basis):
    check_algorithm(lambda: RnsAccumulator(basis, shape=3), BATCHES)


@pytest.mark.claim("rns.9")
def test_contract_of_a_single_sum():
    check_algorithm(
        lambda: RnsAccumulator([101, 103]), [{"slot": [0, 0], "value": [10, -4]}, {"slot": [0], "value": [1]}]
    )


def test_sums_are_those_of_integers_in_any_order():
    rng = random.Random(0)
    rows = [(rng.choice([1, -1]), rng.randrange(6), rng.randrange(-(2**63), 2**63)) for _ in range(5000)]
    expected = [sum(op * value for op, slot, value in rows if slot == s) for s in range(6)]
    parts = []
    for _ in range(3):
        rng.shuffle(rows)
        op, slot, value = zip(*rows, strict=True)
        part = RnsAccumulator(BASIS, shape=(2, 3))
        part.update(op=list(op[:2000]), slot=list(slot[:2000]), value=list(value[:2000]))
        other = RnsAccumulator(BASIS, shape=(2, 3))
        other.update(op=list(op[2000:]), slot=list(slot[2000:]), value=list(value[2000:]))
        part.merge(other)
        parts.append(part)
    assert {part.to_bytes() for part in parts} == {parts[0].to_bytes()}
    total = parts[0].query()
    assert total.values.ravel().tolist() == expected
    assert total.values.shape == (2, 3)
    assert (total.exact, total.n_seen) == (True, 5000)
    assert total.bound == sum(abs(value) for _, _, value in rows)


def test_certificate_says_when_a_sum_may_have_wrapped():
    sums = RnsAccumulator([101, 103], shape=2)  # range 10403, signed up to 5201
    sums.update(slot=[0, 1], value=[5200, 1])
    assert sums.query().exact
    sums.update(slot=[0], value=[1])
    total = sums.query()
    assert (total.exact, total.bound) == (False, 5202)
    assert total.values.tolist() == [5201, 1]  # still right, but no longer proven
    sums.update(slot=[0], value=[1])
    assert sums.query().values.tolist() == [5202 - 10403, 1]


def test_whole_arrays_are_added_and_withdrawn():
    sums = RnsAccumulator(BASIS, shape=(2,))
    sums.add([2**80, -5])
    sums.add(BASIS.encode([1, -1], signed=True, layout="interleaved"))
    sums.subtract([2**80, 0])
    total = sums.query()
    assert total.values.tolist() == [1, -6]
    assert (total.bound, total.n_seen) == (2**81 + 1, 6)
    before = sums.to_bytes()
    for bad, error in (
        ([1, 2, 3], ValueError),
        ([2**93, 0], OverflowError),
        (RnsBasis([5]).encode([1, 2]), ValueError),
    ):
        with pytest.raises(error):
            sums.add(bad)
    assert sums.to_bytes() == before


def test_errors_name_the_row_and_change_nothing():
    sums = RnsAccumulator(BASIS, shape=2)
    before = sums.to_bytes()
    for batch, message in (
        ({"slot": [0, 2], "value": [1, 1]}, "row 1: slot must be from 0 to 1, got 2"),
        ({"slot": [-1], "value": [1]}, "row 0: slot must be from 0 to 1, got -1"),
        ({"slot": [0], "value": [1], "op": [0]}, r"row 0: op must be \+1"),
        ({"slot": [0]}, "column 'value' is missing"),
        ({"slot": [0], "value": [2**63]}, "row 0: value must be an integer from"),
    ):
        with pytest.raises(ValueError, match=message):
            sums.update(batch)
        assert sums.to_bytes() == before
    other = RnsAccumulator(BASIS, shape=3)
    with pytest.raises(ValueError, match="merge accumulators of equal parameters"):
        sums.merge(other)
    with pytest.raises(TypeError, match="other must be an RnsAccumulator"):
        sums.merge(BASIS)


def test_registry_clone_and_pickle():
    made = pyalgo.create("rns", basis={"moduli": [101, 103]}, shape=2)
    made.update(slot=[1], value=[7])
    for copy in (made.clone(), pickle.loads(pickle.dumps(made)), pyalgo.load(made.to_bytes())):
        assert isinstance(copy, RnsAccumulator)
        assert copy.query().values.tolist() == [0, 7]
    assert made.merge(made) is None
    assert made.query().values.tolist() == [0, 14]
    assert repr(made) == "RnsAccumulator(basis=RnsBasis([101, 103]), shape=[2])"
    assert isinstance(pickle.loads(pickle.dumps(BASIS)), RnsBasis)
    array = BASIS.encode([1, 2])
    assert np.array_equal(pickle.loads(pickle.dumps(array)).residues, array.residues)
    assert isinstance(array, RnsArray)


def test_updates_and_queries_from_several_threads():
    from concurrent.futures import ThreadPoolExecutor

    sums = RnsAccumulator(BASIS, shape=2)
    slot, value = np.zeros(5000, np.int64), np.full(5000, 3)

    def work(i):
        if i % 4 == 3:
            total = sums.query()
            assert total.values[0] == total.bound == 3 * total.n_seen  # never half a batch
        else:
            sums.update(slot=slot, value=value)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(200)))
    assert sums.query().values.tolist() == [150 * 15_000, 0]
