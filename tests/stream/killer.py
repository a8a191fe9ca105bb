"""Runs a job again and again, kills it at random instants, and holds what it leaves against a run that nobody disturbed.

python killer.py FOLDER KILLS SEED SOURCE SINK [BREAK] prints the number of kills; it exits with 1 and a sentence when the
results differ. BREAK names a deliberate mistake, by which a test shows that this program would see one.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pyarrow.json
import pyarrow.parquet

from pyalgo.stream import runner, sink, store
from pyalgo.stream.job import parse_job

STATE = "s.state"


def job(source: str, target: str) -> dict:
    if source != "-" and not source.endswith(".jsonl"):  # of symbols
        return {
            "algorithm": {"name": "toy.matches", "pattern": "GATTACA", "k": 3},
            "source": {"url": source, "batch_rows": 170},
            "query": {"every": 100},
            "sink": {"url": target, "emit": True},
            "state": {"path": STATE, "checkpoint": 300},
        }
    return {
        "algorithm": {"name": "submodular", "objective": {"name": "coverage"}, "k": 5},
        "source": {"url": source, "batch_rows": 170, "on_error": "skip", "rejects": "rejects.jsonl"},
        "query": {"every": 100},
        "sink": {"url": target},
        "state": {"path": STATE, "checkpoint": 300},
    }


def received() -> int:
    """Bytes of standard input that the state has."""
    if not os.path.exists(STATE):
        return 0
    with sqlite3.connect(f"file:{STATE}?mode=ro", uri=True) as db:
        try:
            row = db.execute("SELECT position, data FROM log ORDER BY position DESC LIMIT 1").fetchone()
        except sqlite3.OperationalError:  # killed before the tables were there
            return 0
    return row[0] + len(row[1]) if row else 0


def child(tables: dict) -> int:
    """A process that runs the job; it reads what is left of the source from its standard input if the job says so."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if tables["source"]["url"] == "-":
            rest = os.open("in.jsonl", os.O_RDONLY)
            os.lseek(rest, received(), os.SEEK_SET)
            os.dup2(rest, 0)
            sys.stdin = os.fdopen(0)
        runner.run(tables)
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


def clean(source: str) -> None:
    for path in Path().iterdir():
        if path.name not in ("in.jsonl", source.partition("#")[0]):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def left(target: str) -> dict:
    """What the run left: the bytes of its files, the rows of its table."""
    if target.startswith("sqlite:"):
        with sqlite3.connect("out.db") as db:
            found = {"table": db.execute("SELECT * FROM answers ORDER BY job, seq").fetchall()}
    elif target.endswith(".parquet"):
        # Which answers share a part depends on when checkpoints were due; the rows do not.
        parts = sorted(Path(target).glob("part-*"))
        found = {"rows": [row for part in parts for row in pyarrow.parquet.read_table(part).to_pylist()]}
    else:
        found = {"bytes": content(target)}
    return {**found, "rejects": content("rejects.jsonl")}


def content(path: str) -> bytes | None:
    return Path(path).read_bytes() if os.path.exists(path) else None


def broken(mistake: str) -> None:
    """Commit first and write behind it, as late as a slow disk would: the wrong order of the two."""
    if mistake == "order":
        waiting: list = []
        write, begin = sink.JsonlSink.write, store.Store.begin

        def late_write(self, entry):
            waiting.append((self, entry))

        def early_commit(self, checkpoint, frozen, before):
            begin(self, checkpoint, frozen, lambda: None)
            self.wait()
            time.sleep(0.005)
            for held, entry in waiting:
                write(held, entry)
            waiting.clear()

        sink.JsonlSink.write, store.Store.begin = late_write, early_commit
    elif mistake:
        raise SystemExit(f"unknown mistake {mistake}")


def main() -> None:
    folder, kills_wanted, seed, source, target, mistake = [*sys.argv[1:], ""][:6]
    os.chdir(folder)
    tables = job(source, target)
    parse_job(tables)
    begun = time.monotonic()
    os.waitpid(child(tables), 0)
    duration = time.monotonic() - begun
    expected = left(target)
    broken(mistake)
    rng = random.Random(int(seed))
    kills = 0
    while kills < int(kills_wanted):
        clean(source)
        for attempt in range(1000):  # far more than it takes
            pid = child(tables)
            # Ever longer, as the machine may have become slower than it was when the time was taken.
            time.sleep(rng.random() * (0.7 + 0.02 * attempt) * duration)
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if os.WIFSIGNALED(status):
                kills += 1
            elif os.WEXITSTATUS(status):
                sys.exit("a resumed run failed")
            else:
                break
            if os.path.exists(STATE):
                with sqlite3.connect(STATE) as db:
                    if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                        sys.exit("the state is damaged")
        if left(target) != expected:
            sys.exit(f"after {kills} kills the results differ")
    print(kills)


if __name__ == "__main__":
    main()
