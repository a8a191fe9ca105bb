"""What a job is: an algorithm, a source, when to ask, a sink, and where the state is kept."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePath
from typing import Any, NamedTuple

__all__ = [
    "BadRowError",
    "DataError",
    "Interval",
    "Job",
    "JobError",
    "StateError",
    "UsageError",
    "check_files",
    "parse_job",
    "read_job",
    "to_toml",
]


class JobError(Exception):
    """A job that cannot run as it is described: a parameter out of range, a value of the wrong type, a missing file."""

    exit_code = 1


class UsageError(JobError):
    """A command or job file that says something pyalgo does not know."""

    exit_code = 2


class DataError(JobError):
    """A row of the source that cannot be taken; the text begins with its place."""


class BadRowError(DataError):
    """A row that cannot be read, behind which reading can go on."""

    def __init__(self, place: str, reason: str, text: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason
        self.text = text  # of the row
        self.skip: Callable[[], None] = _nowhere  # makes the source go on behind the row


def _nowhere() -> None:
    raise RuntimeError("a source that reports a bad row must say how to go on behind it")


class StateError(JobError):
    """A state that does not belong to the job, is in use, or cannot be read or written."""


@dataclass(frozen=True)
class Interval:
    """Every so many rows, or every so many seconds."""

    rows: int | None = None
    seconds: float | None = None

    def value(self) -> int | str:
        """As a job file has it."""
        return self.rows if self.rows is not None else f"{self.seconds:g}s"


@dataclass(frozen=True)
class Job:
    """A parsed job; see docs/runner.md for the job file."""

    algorithm: str
    params: dict[str, Any]
    source: str
    batch_rows: int = 10_000
    follow: bool = False
    on_error: str = "stop"
    rejects: str | None = None
    columns: dict[str, str] | None = None
    every: Interval | None = None
    options: dict[str, Any] = field(default_factory=dict)
    sink: str = "-"
    emit: bool = False
    state: str | None = None
    checkpoint: Interval = Interval(seconds=1.0)

    def identity(self) -> dict[str, Any]:
        """What makes it this job: everything the output depends on, by key of the job file."""
        return {
            "algorithm": {"name": self.algorithm, **self.params},
            "source": {"url": self.source, "batch_rows": self.batch_rows, "columns": self.columns},
            "query": {"every": None if self.every is None else self.every.value(), "options": self.options},
            "sink": {"url": self.sink, "emit": self.emit},
        }

    def tables(self) -> dict[str, Any]:
        """The job as the tables of a job file."""
        source = {"url": self.source, "batch_rows": self.batch_rows, "columns": self.columns, "follow": self.follow}
        return {
            "algorithm": {"name": self.algorithm, **self.params},
            "source": _given({**source, "on_error": self.on_error, "rejects": self.rejects}),
            "query": _given({"every": None if self.every is None else self.every.value(), "options": self.options}),
            "sink": {"url": self.sink, "emit": self.emit},
            "state": _given({"path": self.state, "checkpoint": self.checkpoint.value()}),
        }

    def sink_path(self) -> str | None:
        """The file or folder of the answers; None for standard output."""
        return None if self.sink == "-" else self.sink.removeprefix("sqlite:").partition("#")[0]

    def rejects_path(self) -> str:
        """The file of the rows left out: beside the sink, unless the job says where."""
        if self.rejects is not None:
            return self.rejects
        return os.path.splitext(self.sink_path() or self.state or "pyalgo")[0] + ".rejects.jsonl"

    def digest(self) -> str:
        try:
            return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()
        except TypeError as error:  # an object of Python, or a date of TOML
            raise JobError(f"a job that is kept needs values that JSON has: {error}") from None


def check_files(job: Job) -> None:
    """Refuse a job that would write over what it reads, or write two things into one file."""
    written = {"sink": job.sink_path(), "state": job.state}
    if job.on_error == "skip":
        written["rejects"] = job.rejects_path()
    source = os.path.realpath(job.source)
    taken = {source: "source"} if os.path.exists(source) else {}
    for use, path in written.items():
        if path is None:
            continue
        here = os.path.realpath(path)
        if here in taken:
            raise UsageError(f"{use} {path} is the {taken[here]} as well: give it a file of its own")
        taken[here] = use
        inside = os.path.dirname(here) == source if os.path.isdir(source) else PurePath(here).match(source)
        if inside:
            raise UsageError(f"{use} {path} would be read as part of the source {job.source}: put it elsewhere")


def _given(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


class Key(NamedTuple):
    """A key of a job file."""

    kind: Any
    default: str
    meaning: str


#: The tables of a job file. [algorithm] takes a name and whatever parameters the algorithm has.
KEYS: dict[str, dict[str, Key]] = {
    "algorithm": {},
    "source": {
        "url": Key(str, "required", "where the rows come from"),
        "batch_rows": Key(int, "10000", "rows a batch, at most"),
        "columns": Key(Mapping, "all fields", "column = field; other fields are left out"),
        "follow": Key(bool, "false", "wait for more at the end of a text file, a folder or a pattern"),
        "on_error": Key(str, '"stop"', "what a bad row does: stop the run, or skip: it goes to the file of rejects"),
        "rejects": Key(str, "SINK.rejects.jsonl", "the file of rejects, one JSON line a row: place, reason, row"),
    },
    "query": {
        "every": Key((int, str), "at the end only", 'rows, or seconds as "2s"'),
        "options": Key(Mapping, "none", "what the algorithm's query takes"),
    },
    "sink": {
        "url": Key(str, '"-"', "where the answers go"),
        "emit": Key(bool, "false", "write also what the updates settle for good, as it is settled"),
    },
    "state": {
        "path": Key(str, "no state", "the file that keeps the state; the job goes on from it"),
        "checkpoint": Key((int, str), '"1s"', "how often the state is saved: rows, or seconds"),
    },
}


def read_job(path: str | PathLike[str]) -> dict[str, Any]:
    """The tables of a job file, not yet checked."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"job file {path}: {_reason(error)}") from None
    try:
        tables: dict[str, Any] = toml_module().loads(text)
    except ValueError as error:
        raise JobError(f"job file {path} is not valid TOML: {error}") from None
    return tables


def toml_module() -> Any:
    """The TOML reader: in the standard library from Python 3.11 on."""
    try:
        return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise JobError('reading TOML on Python 3.10 needs tomli: pip install "pyalgo[cli]"') from None


def parse_job(tables: Mapping[str, Any]) -> Job:
    """Check the tables of a job, key by key.

    Raises
    ------
    UsageError
        For an unknown table or key, listing the known ones.
    JobError
        For a missing key or a value of the wrong type.
    """
    for table, content in tables.items():
        if table not in KEYS:
            raise UsageError(f"unknown table [{table}] in the job: the tables are {', '.join(KEYS)}")
        if not isinstance(content, Mapping):
            raise JobError(f"[{table}] in the job must be a table, got {content!r}")
        known = KEYS[table]
        if table == "algorithm":
            continue
        for key, value in content.items():
            if key not in known:
                raise UsageError(f"unknown key {key!r} in [{table}] of the job: the keys are {', '.join(known)}")
            kind = known[key].kind
            if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
                raise JobError(f"{table}.{key} in the job must be {type_name(kind)}, got {value!r}")
    algorithm = dict(tables.get("algorithm", {}))
    name = algorithm.pop("name", None)
    if not isinstance(name, str):
        raise UsageError(
            "the job names no algorithm: give [algorithm] name, or --algorithm NAME (pyalgo list shows them)"
        )
    source = tables.get("source", {})
    if "url" not in source:
        raise UsageError("the job has no source: give [source] url, or --source URL")
    query, state = tables.get("query", {}), tables.get("state", {})
    columns = source.get("columns")
    if columns is not None and not all(isinstance(value, str) for value in columns.values()):
        raise JobError(f"source.columns in the job must map columns to the names of fields, got {dict(columns)!r}")
    settings: dict[str, Any] = {
        "algorithm": name,
        "params": algorithm,
        "source": source["url"],
        "columns": None if columns is None else dict(columns),
        "options": dict(query.get("options", {})),
        "state": state.get("path"),
    }
    if "batch_rows" in source:
        settings["batch_rows"] = _positive("source.batch_rows", source["batch_rows"])
    settings["follow"] = source.get("follow", False)
    settings["on_error"] = source.get("on_error", "stop")
    settings["rejects"] = source.get("rejects")
    if settings["on_error"] not in ("stop", "skip"):
        raise JobError(f"source.on_error in the job must be stop or skip, got {settings['on_error']!r}")
    if "every" in query:
        settings["every"] = parse_interval("query.every", query["every"])
    if "url" in tables.get("sink", {}):
        settings["sink"] = tables["sink"]["url"]
    settings["emit"] = tables.get("sink", {}).get("emit", False)
    if "checkpoint" in state:
        settings["checkpoint"] = parse_interval("state.checkpoint", state["checkpoint"])
    return Job(**settings)


def parse_interval(key: str, value: int | str) -> Interval:
    """``1000`` (rows) or ``"1.5s"`` (seconds)."""
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)s", value)
        if match and float(match[1]) > 0:
            return Interval(seconds=float(match[1]))
        if not re.fullmatch(r"\d+", value):
            raise JobError(f'{key} must be a number of rows such as 1000, or of seconds such as "1s", got {value!r}')
    return Interval(rows=_positive(key, int(value)))


def _positive(key: str, value: int) -> int:
    if value <= 0:
        raise JobError(f"{key} must be at least 1, got {value}")
    return value


def type_name(kind: Any) -> str:
    """The kind of a key in words."""
    names: dict[Any, str] = {
        str: "a string",
        int: "an integer",
        bool: "true or false",
        Mapping: "a table",
        (int, str): 'an integer or a string such as "1s"',
    }
    return names[kind]


def to_toml(tables: Mapping[str, Any], prefix: str = "") -> str:
    """Tables as a job file has them."""
    lines = [
        f"{_toml_key(key)} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in tables.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in tables.items():
        if isinstance(value, Mapping) and (inner := to_toml(value, f"{prefix}{_toml_key(key)}.")):
            lines.append(f"\n[{prefix}{_toml_key(key)}]\n{inner}")
    return "".join(lines) if prefix else "".join(lines).strip() + "\n"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
