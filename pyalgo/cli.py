"""The command line."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

import pyalgo
from pyalgo import registry
from pyalgo.errors import PluginError, UnknownAlgorithmError
from pyalgo.stream import runner
from pyalgo.stream.job import JobError, UsageError, read_job, toml_module
from pyalgo.stream.sink import to_json

__all__ = ["main"]

_EXIT_CODES = """\
exit codes:
  0    done
  1    the job failed: bad data, a bad parameter, a state that cannot be used
  2    wrong usage
  130  interrupted by Ctrl-C (143: by SIGTERM) after a checkpoint; run the same command again to go on"""

_RUN_EPILOG = f"""\
examples:
  pyalgo run job.toml
  pyalgo run --algorithm submodular --set objective.name=coverage --set k=20 \\
             --source items.jsonl --query-every 1000 --sink answers.jsonl --state items.state

The job file has the tables [algorithm], [source], [query], [sink] and [state]; flags override it. Paths are
relative to the working directory. With a state the run goes on where it was, after a crash too.

{_EXIT_CODES}"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\nsee {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except JobError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return error.exit_code
    except runner.Interrupted as stop:
        how = (
            f"run the same command again to go on from {stop.state}"
            if stop.state
            else "there is no state to go on from"
        )
        print(f"stopped after {stop.rows} rows: {how}", file=sys.stderr)
        return 128 + stop.signum
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 1


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 2000 else text[:1997] + "..."


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="pyalgo",
        description="Feed it a changing data set; it keeps the answer up to date, and says how good the answer is.",
        epilog=f"Begin with: pyalgo list\n\n{_EXIT_CODES}",
        formatter_class=raw,
    )
    parser.add_argument("--version", action="version", version=f"pyalgo {pyalgo.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(command=lambda options: print(parser.format_help(), end="") or 0)

    listing = commands.add_parser(
        "list", help="the algorithms that are installed", description="List what is installed."
    )
    listing.set_defaults(command=_list)

    info = commands.add_parser(
        "info", help="what an algorithm does, its parameters and columns", description=_info.__doc__
    )
    info.add_argument("name", metavar="NAME", help="a name that pyalgo list shows")
    info.set_defaults(command=_info)

    doctor = commands.add_parser("doctor", help="check every installed plugin", description=_doctor.__doc__)
    doctor.set_defaults(command=_doctor)

    run = commands.add_parser(
        "run",
        help="feed a source to an algorithm and write its answers",
        description="Feed a source to an algorithm and write its answers, with durable state.",
        epilog=_RUN_EPILOG,
        formatter_class=raw,
    )
    run.add_argument("job", nargs="?", metavar="JOB.toml", help="the job file; without it the flags say everything")
    run.add_argument("--algorithm", metavar="NAME", help="the algorithm (pyalgo list)")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="a parameter of the algorithm, a TOML value or a bare word; dotted keys nest",
    )  # fmt: skip
    run.add_argument(
        "--source", metavar="URL",
        help=".csv, .jsonl, .ndjson or .parquet file, python:module:callable, or - for JSON lines on standard input",
    )  # fmt: skip
    run.add_argument(
        "--column", action="append", default=[], metavar="NAME=FIELD",
        help="take column NAME from this field of the source; once given, other fields are left out",
    )  # fmt: skip
    run.add_argument("--batch-rows", type=int, metavar="N", help="rows a batch (default 10000)")
    run.add_argument("--query-every", metavar="N|Ts", help="write an answer every N rows, or every T seconds (2s)")
    run.add_argument("--sink", metavar="URL", help="a .jsonl file, or - for standard output (default)")
    run.add_argument("--state", metavar="PATH", help="keep the state in this file, and go on from it")
    run.add_argument(
        "--checkpoint", metavar="N|Ts", help="save the state every N rows, or every T seconds (default 1s)"
    )
    run.add_argument("--max-rows", type=int, metavar="N", help="stop after N rows since the job's beginning")
    run.add_argument("--fresh", action="store_true", help="forget the state and overwrite the sink")
    run.add_argument("--allow-python", action="store_true", help="allow sources that run code (python:...)")
    run.add_argument("--quiet", action="store_true", help="show nothing but errors")
    run.set_defaults(command=_run)

    for command in (listing, info, doctor, run):
        command.add_argument("--json", action="store_true", help="print one JSON value for machines")
    return parser


def _list(options: argparse.Namespace) -> int:
    known = registry.algorithms()
    if options.json:
        print(json.dumps([dataclasses.asdict(entry) for entry in known.values()]))
    else:
        width = max(map(len, known), default=0)
        for entry in known.values():
            print(f"{entry.name:<{width}}  {entry.distribution} {entry.version}")
    return 0


def _info(options: argparse.Namespace) -> int:
    """Show what an algorithm does, its parameters with their defaults, the columns it is fed, and the laws it is exempt from."""
    try:
        cls = registry.find(options.name)
    except (UnknownAlgorithmError, PluginError) as error:
        raise UsageError(str(error)) from None
    entry = registry.algorithms()[options.name]
    parameters = {
        p.name: "required" if p.default is p.empty else p.default for p in inspect.signature(cls).parameters.values()
    }
    doc = inspect.getdoc(cls) or ""
    if options.json:
        described = {
            **dataclasses.asdict(entry),
            "doc": doc,
            "parameters": {name: to_json(default) for name, default in parameters.items()},
            "columns": {name: {"dtype": dtype, "meaning": meaning} for name, (dtype, meaning) in cls.columns.items()},
            "exempt": cls.exempt,
            "mergeable": hasattr(cls, "merge"),
        }
        print(json.dumps(described))
        return 0
    print(f"{entry.name}   {entry.distribution} {entry.version}\n\n{doc}\n\nParameters of a job's [algorithm]:")
    _table(
        [(name, default if default == "required" else f"default {default!r}") for name, default in parameters.items()]
    )
    print("\nColumns of a batch (? may be absent):")
    _table([(name, dtype, meaning) for name, (dtype, meaning) in cls.columns.items()])
    if cls.exempt:
        print("\nLaws of the contract that do not apply:")
        _table(list(cls.exempt.items()))
    return 0


def _table(rows: Sequence[Sequence[Any]]) -> None:
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _doctor(options: argparse.Namespace) -> int:
    """Import every installed algorithm and explain each failure; exits with 1 when there is one."""
    diagnoses = registry.check()
    if options.json:
        print(json.dumps([dataclasses.asdict(diagnosis) for diagnosis in diagnoses]))
    else:
        for diagnosis in diagnoses:
            print(f"{'ok  ' if diagnosis.ok else 'FAIL'}  {diagnosis.name}  ({diagnosis.distribution})")
            if not diagnosis.ok:
                print(f"      {diagnosis.problem}")
    return 0 if all(diagnosis.ok for diagnosis in diagnoses) else 1


def _run(options: argparse.Namespace) -> int:
    tables = _tables(options)
    shows = sys.stderr.isatty() and not options.quiet and not options.json
    if shows:
        from pyalgo.stream.progress import Progress

        progress: Any = Progress()
    else:
        progress = nullcontext()
    with progress:
        summary = runner.run(
            tables,
            fresh=options.fresh,
            allow_python=options.allow_python,
            max_rows=options.max_rows,
            watch=progress.watch if shows else None,
            say=None if options.quiet else lambda text: print(text, file=sys.stderr),
        )
    if options.json:
        print(json.dumps(to_json(summary)))
    return 0


def _tables(options: argparse.Namespace) -> dict[str, Any]:
    """The tables of the job file, with the flags laid over them."""
    if options.job is None and options.algorithm is None and options.source is None:
        raise UsageError("nothing to run: give a job file, or --algorithm and --source (see pyalgo run --help)")
    tables: dict[str, Any] = read_job(options.job) if options.job is not None else {}
    for table, key, value in (
        ("algorithm", "name", options.algorithm),
        ("source", "url", options.source),
        ("source", "batch_rows", options.batch_rows),
        ("query", "every", options.query_every),
        ("sink", "url", options.sink),
        ("state", "path", options.state),
        ("state", "checkpoint", options.checkpoint),
    ):
        if value is not None:
            _put(tables, [table, key], value, f"--{key}")
    for setting in options.set:
        key, equals, text = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise UsageError(f"--set {setting!r} must read key=value, such as k=20 or objective.name=coverage")
        _put(tables, ["algorithm", *key.split(".")], _value(text), f"--set {setting}")
    for setting in options.column:
        name, equals, field = setting.partition("=")
        if not equals or not name or not field:
            raise UsageError(f"--column {setting!r} must read name=field")
        _put(tables, ["source", "columns", name], field, f"--column {setting}")
    return tables


def _put(tables: dict[str, Any], path: list[str], value: Any, flag: str) -> None:
    for key in path[:-1]:
        tables = tables.setdefault(key, {})
        if not isinstance(tables, dict):
            raise UsageError(f"{flag}: {key} is not a table in the job file")
    tables[path[-1]] = value


def _value(text: str) -> Any:
    """A TOML value; what is none is a bare word, and so a string."""
    toml = toml_module()
    try:
        return toml.loads(f"value = {text}")["value"]
    except ValueError:
        return text
