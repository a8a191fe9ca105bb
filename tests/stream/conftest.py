from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def stream(n: int, seed: int = 0) -> list[dict]:
    """A valid stream of insertions and deletions of sets of items."""
    rng = random.Random(seed)
    live: list[int] = []
    rows = []
    for i in range(n):
        if live and rng.random() < 0.3:
            rows.append({"op": -1, "id": live.pop(rng.randrange(len(live)))})
        else:
            rows.append({"op": 1, "id": i, "items": rng.sample(range(300), 5)})
            live.append(i)
    return rows


class Workplace:
    """A working directory with the command line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_jsonl(self, name: str, rows: list) -> None:
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (self.path / name).write_text("".join(f"{line}\n" for line in lines))

    def pyalgo(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), cwd=self.path, capture_output=True, text=True, **options)

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [str(Path(sys.executable).parent / "pyalgo"), *arguments]

    def flags(self, source: str = "in.jsonl", **changed: str | None) -> list[str]:
        """The command line of the usual job, with some flags changed or (None) left out."""
        flags = {
            "algorithm": "submodular",
            "source": source,
            "query-every": "1000",
            "sink": "out.jsonl",
            "state": "s.state",
        }
        flags.update({name.replace("_", "-"): value for name, value in changed.items()})
        given = [part for name, value in flags.items() if value is not None for part in (f"--{name}", value)]
        return ["run", *given, "--set", "objective.name=coverage", "--set", "k=5"]

    def lines(self, name: str = "out.jsonl") -> list[dict]:
        return [json.loads(line) for line in (self.path / name).read_text().splitlines()]

    def files(self) -> set[str]:
        return {entry for entry in os.listdir(self.path) if entry != "__pycache__"}


@pytest.fixture
def work(tmp_path) -> Workplace:
    place = Workplace(tmp_path)
    place.write_jsonl("in.jsonl", stream(2500))
    return place


@pytest.fixture
def toys(tmp_path_factory, monkeypatch) -> None:
    """The algorithms of toys.py, registered here and in processes that are started."""
    path = tmp_path_factory.mktemp("toys")
    shutil.copy(Path(__file__).with_name("toys.py"), path / "stream_toys.py")
    info = path / "toys-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pyalgo.algorithms]\ntoy.matches = stream_toys:Matches\ntoy.holding = stream_toys:Holding\n"
    )
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", str(path))
