"""The command line."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

import pyalgo
from pyalgo import registry, snapshot
from pyalgo.errors import PluginError, SnapshotError, UnknownAlgorithmError
from pyalgo.stream import runner
from pyalgo.stream.job import JobError, StateError, UsageError, parse_job, read_job, to_toml, toml_module
from pyalgo.stream.sink import read_answers, to_json
from pyalgo.stream.store import SavedRun, is_state, read_state

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
        help="a .csv, .jsonl, .ndjson, .fa#RECORD or .bin file (also .gz, .zst), .parquet or .arrow, a folder or 'pattern*', "
        "python:module:callable, or - for JSON lines or Arrow IPC on standard input",
    )  # fmt: skip
    run.add_argument(
        "--column", action="append", default=[], metavar="NAME=FIELD",
        help="take column NAME from this field of the source; once given, other fields are left out",
    )  # fmt: skip
    run.add_argument("--batch-rows", type=int, metavar="N", help="rows a batch (default 10000)")
    run.add_argument("--query-every", metavar="N|Ts", help="write an answer every N rows, or every T seconds (2s)")
    run.add_argument(
        "--sink",
        metavar="URL",
        help="a .jsonl file, a .parquet folder, sqlite:PATH#table, or - for standard output (default)",
    )
    run.add_argument(
        "--emit",
        action="store_true",
        default=None,
        help="write also what the updates settle for good, as it is settled",
    )
    run.add_argument("--state", metavar="PATH", help="keep the state in this file, and go on from it")
    run.add_argument(
        "--checkpoint", metavar="N|Ts", help="save the state every N rows, or every T seconds (default 1s)"
    )
    run.add_argument("--follow", action="store_true", default=None, help="wait for more at the end of a file or folder")
    run.add_argument(
        "--on-error", choices=("stop", "skip"),
        help="what a bad row does: stop the run (default), or go to a side file with the reason",
    )  # fmt: skip
    run.add_argument("--rejects", metavar="PATH", help="the side file of --on-error skip (default SINK.rejects.jsonl)")
    run.add_argument("--fresh", action="store_true", help="forget the state and overwrite the sink")
    run.set_defaults(command=_run)

    resume = commands.add_parser(
        "resume", help="go on with the job of a state", description="Go on with the job that a state was written by.",
        epilog=_EXIT_CODES, formatter_class=raw,
    )  # fmt: skip
    resume.add_argument("state", metavar="STATE", help="the state's file")
    resume.set_defaults(command=_resume, fresh=False)

    for command in (run, resume):
        command.add_argument("--max-rows", type=int, metavar="N", help="stop after N rows since the job's beginning")
        command.add_argument("--allow-python", action="store_true", help="allow sources that run code (python:...)")
        command.add_argument("--quiet", action="store_true", help="show nothing but errors")

    inspect = commands.add_parser(
        "inspect", help="what a state or snapshot holds", description="Show what a state or snapshot file holds."
    )
    inspect.add_argument("file", metavar="FILE")
    inspect.set_defaults(command=_inspect)

    merge = commands.add_parser(
        "merge", help="combine states or snapshots into one snapshot", description=_merge.__doc__
    )
    merge.add_argument("files", nargs="+", metavar="FILE", help="two or more states or snapshots of one algorithm")
    merge.add_argument("-o", "--output", required=True, metavar="PATH", help="the snapshot to write")
    merge.set_defaults(command=_merge)

    report = commands.add_parser(
        "report", help="a page with plots of a run", description="Write one self-contained HTML page about a run."
    )
    report.add_argument("state", metavar="STATE", help="the state's file; the answers are read from the job's sink")
    report.add_argument("-o", "--output", required=True, metavar="PATH", help="the page to write")
    report.set_defaults(command=_report)

    completion = commands.add_parser(
        "completion", help="a script that completes pyalgo's words in a shell", description=_completion.__doc__
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(command=_completion)

    for command in (listing, info, doctor, run, resume, inspect, merge, report):
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
    return _feed(_tables(options), options)


def _resume(options: argparse.Namespace) -> int:
    return _feed(read_state(options.state).job, options)


def _feed(tables: dict[str, Any], options: argparse.Namespace) -> int:
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
    if shows:
        _say_the_end(tables, summary)
    return 0


def _say_the_end(tables: dict[str, Any], summary: runner.RunSummary) -> None:
    sink, state = tables.get("sink", {}).get("url", "-"), tables.get("state", {}).get("path")
    where = f" in {sink}" if sink != "-" else ""
    written = _count(summary.seq, "line" if tables.get("sink", {}).get("emit") else "answer")
    print(f"done: {_count(summary.rows, 'row')}, {written}{where}", file=sys.stderr)
    if state is not None and where:
        print(f"see them: pyalgo report {shlex.quote(state)} -o run.html", file=sys.stderr)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _inspect(options: argparse.Namespace) -> int:
    path = options.file
    facts: dict[str, Any] = {"file": path}
    data, saved = _snapshot(path)
    if saved is not None:
        facts.update(
            kind="state", rows=saved.checkpoint.rows, answers=saved.checkpoint.seq, finished=saved.checkpoint.finished,
            rejected=saved.checkpoint.rejected, offset=saved.checkpoint.offset, received=saved.received, held_by=saved.holder,
            job=saved.job, versions=saved.versions,
        )  # fmt: skip
    try:
        envelope = snapshot.read(data)
    except SnapshotError as error:
        raise StateError(f"{path}: {error}") from None
    facts.setdefault("kind", "snapshot")
    facts.update(
        algorithm=envelope.name, params=envelope.params, format=envelope.version, bytes=len(data), checksum="ok"
    )
    if saved is None:
        try:
            facts["rows"] = pyalgo.load(data).n_seen
        except (SnapshotError, UnknownAlgorithmError, PluginError) as error:
            facts["rows"] = f"unknown: {error}"
    if options.json:
        print(json.dumps(facts))
        return 0
    job = facts.pop("job", None)
    shown = {key: value for key, value in facts.items() if value not in (None, "")}
    _table([(key, json.dumps(value) if isinstance(value, dict) else value) for key, value in shown.items()])
    if job is not None:
        print(f"\nThe job:\n\n{to_toml(job)}", end="")
    return 0


def _snapshot(path: str) -> tuple[bytes, SavedRun | None]:
    """The snapshot in a file, and the state around it if it is one."""
    try:
        if is_state(path):
            saved = read_state(path)
            return saved.snapshot, saved
        with open(path, "rb") as file:
            return file.read(), None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from None


def _merge(options: argparse.Namespace) -> int:
    """Combine what several runs have seen: the result is as if one algorithm had been fed all of it."""
    merged: Any = None
    for path in options.files:
        try:
            part: Any = pyalgo.load(_snapshot(path)[0])
            if merged is None:
                merged = part
            elif not hasattr(merged, "merge"):
                raise JobError(f"algorithm {merged.name!r} cannot merge: its states do not combine")
            elif type(merged) is not type(part):
                raise JobError(
                    f"{path} is of {part.name!r}, {options.files[0]} of {merged.name!r}: merge one kind only"
                )
            else:
                merged.merge(part)
        except (ValueError, TypeError, KeyError, ImportError) as error:
            raise JobError(f"{path}: {error}") from None
    data = merged.to_bytes()
    _write(options.output, data)
    if options.json:
        print(
            json.dumps({"output": options.output, "algorithm": merged.name, "rows": merged.n_seen, "bytes": len(data)})
        )
    else:
        print(f"{options.output}: {merged.name}, {_count(merged.n_seen, 'row')}, {len(data):,} bytes")
    return 0


def _write(path: str, data: bytes) -> None:
    """The whole file or, if something goes wrong, what was there before."""
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "xb") as file:
            file.write(data)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise JobError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if os.path.exists(beside):
            os.remove(beside)


def _report(options: argparse.Namespace) -> int:
    from pyalgo.report import report

    run = read_state(options.state)
    answers: Any = read_answers(parse_job(run.job)) if run.job["sink"]["url"] != "-" else ()
    _write(options.output, report(run, answers).encode())
    if options.json:
        print(json.dumps({"output": options.output, "rows": run.checkpoint.rows, "answers": run.checkpoint.seq}))
    else:
        print(f"{options.output}: {_count(run.checkpoint.rows, 'row')}, {_count(run.checkpoint.seq, 'answer')}")
    return 0


def _completion(options: argparse.Namespace) -> int:
    """Print a completion script; for bash: eval "$(pyalgo completion bash)"."""
    try:
        import shtab
    except ImportError:
        raise UsageError('shell completion needs shtab: pip install "pyalgo[cli]"') from None
    print(shtab.complete(_parser(), shell=options.shell))
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
        ("source", "follow", options.follow),
        ("source", "on_error", options.on_error),
        ("source", "rejects", options.rejects),
        ("query", "every", options.query_every),
        ("sink", "url", options.sink),
        ("sink", "emit", options.emit),
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
