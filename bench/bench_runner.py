"""What the runner costs: against the bare algorithm, by itself, at a checkpoint, and at the start."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gate import compare, cpu_seconds

import pyalgo
from pyalgo.stream.store import read_state

TOYS = '''
from dataclasses import dataclass
import numpy as np
from pyalgo import Algorithm, snapshot

@dataclass(frozen=True)
class Rows:
    rows: int

class Noop(Algorithm):
    """Counts rows."""
    name = "bench.noop"
    columns = {"x": ("int64", "anything")}
    def __init__(self):
        self.n_seen = 0
    def update(self, batch=None, /, **columns):
        self.n_seen += batch.num_rows if hasattr(batch, "num_rows") else len(batch["x"])
    def query(self):
        return Rows(self.n_seen)
    def to_bytes(self):
        return snapshot.pack(self, self.n_seen.to_bytes(8, "little"))
    @classmethod
    def from_bytes(cls, data):
        loaded = cls()
        loaded.n_seen = int.from_bytes(snapshot.unpack(cls, data)[1], "little")
        return loaded

class Large(Noop):
    """Counts rows, and has a state of 64 MiB."""
    name = "bench.large"
    def __init__(self):
        super().__init__()
        self.state = np.arange(2**23)
    def freeze(self):
        return snapshot.sealing(self, self.state.tobytes())
    def to_bytes(self):
        return self.freeze()()
'''


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """Two algorithms that do next to nothing, registered."""
    info = tmp_path / "toys-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pyalgo.algorithms]\nbench.noop = toys:Noop\nbench.large = toys:Large\n")
    (tmp_path / "toys.py").write_text(TOYS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def job(algorithm: dict, source: str, **more) -> dict:
    return {
        "algorithm": algorithm,
        "source": {"url": source},
        "sink": {"url": "out.jsonl"},
        "state": {"path": "s"},
        **more,
    }


@pytest.mark.claim("runner.2")
def test_the_runner_adds_little_to_the_algorithm(figure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    n, window = 600_000, 20_000
    ids = np.stack([np.arange(n), np.arange(n) - window], axis=1).reshape(-1)
    op = np.tile(np.array([1, -1], dtype=np.int8), n)[ids >= 0]
    sizes = np.where(op > 0, 5, 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    items = np.floor(20_000 * np.random.default_rng(0).random(5 * n) ** 2).astype(np.int64)
    table = pa.table({"id": ids[ids >= 0], "op": op, "items": pa.ListArray.from_arrays(offsets, items)})
    pq.write_table(table, "in.parquet", row_group_size=50_000)
    algorithm = {"name": "submodular", "objective": {"name": "coverage"}, "k": 20}

    def bare():
        f = pyalgo.create("submodular", objective={"name": "coverage"}, k=20)
        for batch in pq.ParquetFile("in.parquet").iter_batches(10_000):
            f.update(batch)
        return f

    ratio = compare(lambda: pyalgo.run(job(algorithm, "in.parquet"), fresh=True), bare, pairs=5)
    figure("runner.2", f"{ratio.median:.2f}x the rows/s of bare updates", met=ratio.median >= 0.9)
    assert ratio.median >= 0.75


@pytest.mark.claim("runner.3", "runner.4")
@pytest.mark.usefixtures("toys")
def test_rows_a_second_through_the_runner_alone(figure):
    cases = [("runner.3", "in.parquet", 20_000_000, 5e6, 2e6), ("runner.4", "in.jsonl", 2_000_000, 1e6, 4e5)]
    for number, source, n, target, gate in cases:
        values = np.random.default_rng(1).integers(0, 10**6, n)
        if source == "in.parquet":
            pq.write_table(pa.table({"x": values}), source)
        else:
            Path(source).write_text("".join(f'{{"x": {x}}}\n' for x in values.tolist()))
        tables = job({"name": "bench.noop"}, source)
        runs = [cpu_seconds(lambda tables=tables: pyalgo.run(tables, fresh=True)) for _ in range(3)]
        rate = n / sorted(runs)[1]
        figure(number, f"{rate / 1e6:.1f} M rows/s", met=rate >= target)
        assert rate >= gate


@pytest.mark.claim("runner.7")
@pytest.mark.usefixtures("toys")
def test_symbols_a_second_through_the_runner_alone(figure):
    lines = np.full((1_400_000, 71), ord("\n"), dtype=np.uint8)
    lines[:, :70] = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(2).integers(0, 4, (1_400_000, 70))]
    Path("in.bin").write_bytes(lines[:, :70].tobytes())
    Path("in.fa").write_bytes(b">letters\n" + lines.tobytes())
    rates = {}
    for source in ("in.bin", "in.fa"):
        tables = job({"name": "bench.noop"}, source)
        tables["source"]["columns"] = {"x": "symbol"}
        runs = [cpu_seconds(lambda tables=tables: pyalgo.run(tables, fresh=True)) for _ in range(3)]
        rates[source] = 70 * len(lines) / sorted(runs)[1] / 1e6
    worst = min(rates.values())
    figure(
        "runner.7", f"{rates['in.bin']:.0f} M symbols/s from .bin, {rates['in.fa']:.0f} from FASTA", met=worst >= 100
    )
    assert worst >= 40


@pytest.mark.claim("runner.5")
@pytest.mark.usefixtures("toys")
def test_a_checkpoint_of_64_mib_hardly_stalls_the_loop(figure):
    with pq.ParquetWriter("in.parquet", pa.schema({"x": pa.int64()})) as writer:
        for _ in range(30):
            writer.write_table(pa.table({"x": np.zeros(10_000_000, dtype=np.int64)}))
    gaps, last = [], [0.0]

    def watch(status):
        now = time.perf_counter()
        gaps.append(now - last[0])
        last[0] = now

    tables = job({"name": "bench.large"}, "in.parquet", state={"path": "s", "checkpoint": "0.1s"})
    last[0] = time.perf_counter()
    pyalgo.run(tables, fresh=True, watch=watch)
    stalls = [row.stall_seconds for row in read_state("s").history[:-1]]  # the last one waits for the disk
    worst = max(stalls) * 1e3
    figure(
        "runner.5",
        f"{worst:.0f} ms at most over {len(stalls)} checkpoints; longest time between two batches {max(gaps[1:]) * 1e3:.0f} ms",
        met=worst <= 50,
    )
    assert len(stalls) >= 2
    assert worst <= 150


@pytest.mark.claim("runner.6")
def test_the_first_row_comes_soon(figure, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": 1, "items": [1]}) + "\n")
    command = [str(Path(sys.executable).parent / "pyalgo"), "run", "--algorithm", "submodular", "--set", "k=1"]
    command += ["--set", "objective.name=coverage", "--source", "in.jsonl", "--sink", "-"]
    took = []
    for _ in range(7):
        begun = time.perf_counter()
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        took.append(time.perf_counter() - begun)
    median = sorted(took)[3]
    figure("runner.6", f"{median:.2f} s from the command to its end, with one row", met=median <= 0.5)
    assert median <= 1.5
