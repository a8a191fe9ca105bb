"""Batches in every form they come in, and every way they can be wrong."""

from __future__ import annotations

import array
import gc

import numpy as np
import pyarrow as pa
import pytest

from pyalgo.arrays import read_batch

SCHEMA = {
    "op": ("int8", ""),
    "id": ("int64|str", ""),
    "items": ("list[int64|str]?", ""),
    "weights": ("list[float64]?", ""),
    "score": ("float64?", ""),
    "flag": ("bool?", ""),
    "name": ("str?", ""),
}


def read(batch=None, **columns):
    return read_batch(SCHEMA, batch, columns)


class Dlpack:
    """Nothing but DLPack, as a tensor of another library."""

    def __init__(self, values) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __dlpack__(self, **options):
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


@pytest.mark.parametrize(
    "ids",
    [
        [3, 1, 2],
        (3.0, 1, 2),
        np.array([3, 1, 2], dtype=np.uint16),
        np.array([3, 9, 1, 9, 2, 9], dtype=">i4")[::2],
        np.array([3.0, 1.0, 2.0]),
        np.array([3, 1, 2], dtype=object),
        array.array("q", [3, 1, 2]),
        memoryview(np.array([3, 1, 2])),
        Dlpack(np.array([3, 1, 2])),
        pa.array([3, 1, 2], pa.int32()),
        pa.array([9, 3, 1, 2, 9], pa.uint8())[1:4],
        pa.array([3, 1, 2]).dictionary_encode(),
    ],
)
def test_integers_from_anywhere(ids):
    got = read(id=ids)["id"]
    assert got.dtype == np.int64
    assert got.flags.c_contiguous
    assert got.tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    "ids",
    [
        ["a", "ü", ""],
        np.array(["a", "ü", ""]),
        np.array(["a", "ü", ""], dtype=object),
        pa.array(["a", "ü", ""]),
        pa.array(["x", "a", "ü", "", "x"], pa.large_string())[1:4],
        pa.array(["a", "ü", ""]).dictionary_encode(),
    ],
)
def test_strings_from_anywhere(ids):
    assert read(id=ids)["id"] == ["a", "ü", ""]


@pytest.mark.parametrize(
    "items",
    [
        [[1, 2], [], [3]],
        [np.array([1, 2]), np.array([], dtype=np.int64), np.array([3])],
        np.array([[1, 2], [], [3]], dtype=object),
        pa.array([[1, 2], [], [3]]),
        pa.array([[7], [1, 2], [], [3], [8]], pa.large_list(pa.int16()))[1:4],
    ],
)
def test_lists_from_anywhere(items):
    got = read(id=[1, 2, 3], items=items)["items"]
    assert got.offsets.tolist() == [0, 2, 2, 3]
    assert got.values.tolist() == [1, 2, 3]


def test_matrices_and_fixed_size_lists():
    for weights in (np.arange(6.0).reshape(3, 2), pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0)), 2)[:3]):
        got = read(id=[1, 2, 3], weights=weights)["weights"]
        assert got.offsets.tolist() == [0, 2, 4, 6]
        assert got.values.tolist() == [0, 1, 2, 3, 4, 5]


def test_record_batches_are_read_without_a_copy_and_outlive_their_producer():
    n = 1000
    batch = pa.record_batch({"id": pa.array(np.arange(n)), "flag": [i % 3 == 0 for i in range(n)]}).slice(10, 900)
    got = read(batch)
    assert np.shares_memory(got["id"], batch.column("id").to_numpy())
    del batch
    gc.collect()
    assert got["id"].tolist() == list(range(10, 910))
    assert got["flag"].tolist() == [i % 3 == 0 for i in range(10, 910)]
    assert got["op"].tolist() == [1] * 900


def test_deletions_need_no_payload():
    rows = {"op": [1, -1, 1], "id": ["a", "b", "c"]}
    for items, score, name in (
        ([["x"], None, ["y"]], [1.0, None, 2.0], ["n", None, "m"]),
        (pa.array([["x"], None, ["y"]]), pa.array([1.0, None, 2.0]), pa.array(["n", None, "m"])),
        ([["x"], [], ["y"]], np.ma.array([1.0, 5.0, 2.0], mask=[False, True, False]), ["n", "", "m"]),
    ):
        got = read(rows, items=items, score=score, name=name)
        assert got["items"].values == ["x", "y"]
        assert got["items"].offsets.tolist() == [0, 1, 1, 2]
        assert got["score"].tolist() == [1.0, 0.0, 2.0]
        assert got["name"] == ["n", "", "m"]


BAD = [
    (dict(id=[1], extra=[1]), ValueError, "unknown column 'extra': the columns are op, id, items", None),
    (dict(score=[1.0]), ValueError, "column 'id' is missing: given were score", None),
    (dict(id=[1, 2], score=[1.0]), ValueError, "equally long, but id has 2, score has 1", None),
    (dict(id=[1, 2], op=[1, 3]), ValueError, "row 1: op must be", 1),
    (dict(id=[1, 2.5]), ValueError, "row 1: id must be an integer.*got 2.5", 1),
    (dict(id=[1, float("nan")]), ValueError, "row 1: id must be an integer", 1),
    (dict(id=[1, "a"]), TypeError, "row 1: id must be an integer like the others, or all strings, got 'a'", 1),
    (dict(id=["a", 1]), TypeError, "row 1: id must be a string like the others, got 1", 1),
    (dict(id=["a", b"b"]), TypeError, "decode it first", 1),
    (dict(id=[1, None]), ValueError, "row 1: id is null", 1),
    (dict(id=pa.array([1, None])), ValueError, "row 1: id is null", 1),
    (dict(id=[True]), TypeError, "id must be an integer", 0),
    (dict(id=[2, True]), TypeError, "row 1: id must be an integer.*got True", 1),
    (dict(id=np.array([True])), TypeError, "id must be an integer", 0),
    (dict(id=[5, 2**63]), ValueError, "row 1: id must be an integer.*got 9223372036854775808", 1),
    (dict(id=np.array([5, 2**63], dtype=np.uint64)), ValueError, "row 1: id.*9223372036854775808", 1),
    (dict(id=np.array([5, 2.0**63])), ValueError, "row 1: id", 1),
    (dict(id=np.array([[1, 2]])), TypeError, "single values", None),
    (dict(id=[[1, 2]]), TypeError, "row 0: id must be an integer", 0),
    (dict(id="abc"), TypeError, "column 'id' must be a sequence", None),
    (dict(id=7), TypeError, "column 'id' must be a sequence", None),
    (dict(id=pa.array([1.5])), ValueError, "got 1.5", 0),
    (dict(id=[1, 2], items=[["a"], "bc"]), TypeError, "row 1: items must be a list, got 'bc'", 1),
    (dict(id=[1, 2], items=[["a"], None]), ValueError, "row 1: items is null", 1),
    (dict(id=[1, 2], items=[["a"], ["b", 7]]), TypeError, "row 1: items at position 1 must be a string", 1),
    (dict(id=[1, 2], items=[[1], [2, None]]), ValueError, "row 1: items at position 1 is null", 1),
    (dict(id=[1], items=[5]), TypeError, "row 0: items must be a list", 0),
    (dict(id=[1], items=pa.array([5])), TypeError, "must hold lists", None),
    (dict(id=[1], items=np.array([5])), TypeError, "must hold lists", None),
    (dict(id=[1], weights=[["x"]]), TypeError, "row 0: weights at position 0 must be a number, got 'x'", 0),
    (dict(id=[1], score=[2**53 + 1]), ValueError, "score must be a number, got 9007199254740993", 0),
    (dict(id=[1], flag=[1]), TypeError, "flag must be true or false", 0),
    (dict(id=pa.array([1], pa.decimal128(5, 2))), TypeError, "Arrow type.*not supported: cast it", None),
]


@pytest.mark.parametrize(("columns", "error", "text", "row"), BAD)
def test_errors_name_column_row_and_value(columns, error, text, row):
    with pytest.raises(error, match=text) as caught:
        read(columns)
    assert getattr(caught.value, "row", None) == row


def test_what_is_no_batch():
    with pytest.raises(TypeError, match="got list"):
        read([1, 2])
    with pytest.raises(TypeError, match="record batches one by one"):
        read(pa.table({"id": [1]}))
    with pytest.raises(ValueError, match="given twice"):
        read({"id": [1]}, id=[1])
    with pytest.raises(ValueError, match="two columns 'id'"):
        read(pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"]))


def test_floats_keep_what_has_no_equal():
    assert np.isnan(read(id=[1, 2], score=np.array([np.nan, 1.0], dtype=np.float32))["score"][0])
    assert read(id=[1], score=[3])["score"].dtype == np.float64
