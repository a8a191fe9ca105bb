"""Blocks of JSON lines by pyarrow: ten times as fast as line by line, for blocks that are beyond doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from pyalgo.stream.source import Batch, may_be_absent

__all__ = ["BlockParser"]

_TYPES = {
    "bool": pa.bool_(),
    "str": pa.string(),
    **{name: getattr(pa, name)() for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")},
    "float32": pa.float64(),  # narrowed by who reads the batch, without loss or not at all
    "float64": pa.float64(),
}


class BlockParser:
    """Reads a block as an Arrow record batch, or returns None: then the block is to be read line by line.

    Whatever the two ways could see differently makes it return None: lines that do not begin with { and end with } (so that
    n objects on n lines are one a line), bytes that are not UTF-8, values that do not have the type of their column, and
    required columns that are null throughout.
    """

    def __init__(self, schema: Mapping[str, tuple[str, str]], columns: dict[str, str] | None) -> None:
        self._schema = schema
        self._fields = columns

    def __call__(self, block: bytes) -> Batch | None:
        if not _one_object_a_line(block):
            return None
        types = self._types(block)
        if types is None:
            return None
        options = pa.json.ParseOptions(
            explicit_schema=pa.schema(types), unexpected_field_behavior="ignore" if self._fields else "infer"
        )
        try:
            str(block, "utf-8")
            table = pa.json.read_json(
                pa.BufferReader(block),
                read_options=pa.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
                parse_options=options,
            )
        except (pa.ArrowException, UnicodeDecodeError):
            return None
        if table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")):
            return None
        fields = self._fields or {name: name for name in table.column_names}
        columns = {}
        for name, field in fields.items():
            column = table.column(field).combine_chunks()
            if column.null_count < len(column) or name not in self._schema:
                columns[name] = column
            elif not may_be_absent(self._schema, name):
                return None
        return Batch(pa.RecordBatch.from_pydict(columns), table.num_rows)

    def _types(self, block: bytes) -> list[tuple[str, Any]] | None:
        """The type of each field; ids may be integers or strings, which the first line tells."""
        try:
            first = json.loads(block[: block.find(b"\n") + 1 or len(block)])
        except (ValueError, RecursionError):
            return None
        fields = self._fields or {name: name for name in self._schema}
        types: dict[str, Any] = {}
        for name, field in fields.items():
            dtype = self._schema.get(name, ("",))[0].removesuffix("?")
            element = dtype.removeprefix("list[").removesuffix("]")
            if element == "int64|str":
                value = first.get(field)
                while isinstance(value, list):
                    value = value[0] if value else None
                element = "str" if isinstance(value, str) else "int64"
            if element not in _TYPES or field in types:
                return None
            types[field] = pa.list_(_TYPES[element]) if dtype.startswith("list[") else _TYPES[element]
        return list(types.items())


def _one_object_a_line(block: bytes) -> bool:
    if not (block.startswith(b"{") and block.endswith((b"}\n", b"}"))) or b"\r" in block:
        return False
    text = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(text[:-1] == ord("\n"))
    return bool(np.all(text[ends - 1] == ord("}")) and np.all(text[ends + 1] == ord("{")))
