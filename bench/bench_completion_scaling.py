"""What matrix completion costs as ranks, cells and streams grow, which solver a row gets, and how much memory a fit takes.

CPU seconds of the sweeps of a fit, one thread, without biases.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_completion import ISA, PLAIN, REG, recovery, sweep_seconds
from completion_data import low_rank
from gate import Verdict, cpu_seconds, slope

from pyalgo.completion import MatrixCompletion

# Rows, columns, cells, ranks, and the target of the slope. A sketch needs 8 k cells of a row, and takes O(k^3) once a row: many
# more cells make that vanish. Their columns are too short for it, and solved by cg.
GROWTH = {
    "cg": (2_000, 1_600, 400_000, [16, 32, 64, 128, 256], 1.25),
    "sketch": (64, 40_000, 1_280_000, [8, 16, 32], 1.25),
    "cholesky": (800, 600, 150_000, [16, 32, 64, 128, 256], 2.1),
}


@pytest.mark.claim("completion.7")
@pytest.mark.parametrize("solver", GROWTH)
def test_a_sweep_as_the_rank_grows(figure, solver):
    m, n, count, ranks, target = GROWTH[solver]
    split, steps = low_rank(m, n, count, noise=0.1), 3 if solver != "cholesky" else None
    costs = [min(sweep_seconds(split, k, sweeps=3, reg=1.0, solver=solver, inner_steps=steps)) for k in ranks]
    print(solver, [round(1e3 * cost, 1) for cost in costs], "ms")
    verdict = Verdict(f"{ISA}, slope in the rank")
    verdict.at_most(f"{solver}, {ranks[0]} to {ranks[-1]},", slope(ranks, costs), target, gate=target + 0.25, unit="")
    verdict.close(figure, "completion.7")


@pytest.mark.claim("completion.7")
def test_a_sweep_as_the_cells_grow(figure):
    counts, verdict = [125_000, 250_000, 500_000, 1_000_000, 2_000_000], Verdict(f"{ISA}, slope in the cells")
    largest = low_rank(4_000, 3_000, counts[-1], noise=0.1)
    splits = [largest._replace(train=largest.train.part(slice(count))) for count in counts]
    for solver, steps in (("cholesky", None), ("cg", 3)):
        costs = [min(sweep_seconds(split, 10, reg=1.0, solver=solver, inner_steps=steps)) for split in splits]
        print(solver, [round(1e3 * cost, 1) for cost in costs], "ms")
        verdict.at_most(solver, slope(counts, costs), 1.1, gate=1.25, unit="")
    verdict.close(figure, "completion.7")


# By cells a row: rows, columns, cells, ranks. The data are of rank 10, so that the factors of most are ill-conditioned.
SHAPES = {
    50: (1_000, 1_000, 50_000, (8, 32, 128)),
    500: (300, 1_000, 150_000, (8, 32, 128)),
    5000: (66, 10_000, 330_000, (8, 32, 64)),
}


@pytest.mark.claim("completion.7")
def test_auto_is_never_far_from_the_best_solver(figure):
    """All rows and columns to the tolerance, from the factors of the sweep before; sketch where a row has cells enough for it."""
    ratios = {}
    for degree, (m, n, count, ranks) in SHAPES.items():
        split = low_rank(m, n, count, noise=0.1)
        for k in ranks:
            solvers = ["cholesky", "cg", "auto"] + ["sketch"] * (degree >= 8 * k)
            for tol in ("adaptive", 0.1, 1e-3):
                rounds = [
                    {
                        solver: sum(sweep_seconds(split, k, sweeps=3, reg=1.0, solver=solver, inner_tol=tol))
                        for solver in solvers
                    }
                    for _ in range(2)
                ]
                seconds = {solver: min(some[solver] for some in rounds) for solver in solvers}
                auto = seconds.pop("auto")
                ratios[degree, k, tol] = auto / min(seconds.values())
                shown = ", ".join(f"{solver} {1e3 * value:.1f}" for solver, value in seconds.items())
                print(f"  d={degree} k={k} tol={tol}: auto {1e3 * auto:.1f} ms; {shown}", flush=True)
    close = sum(ratio <= 1.25 for ratio in ratios.values()) / len(ratios)
    worst = max(ratios, key=ratios.__getitem__)
    verdict = Verdict(f"{ISA}, the choice of solvers")
    verdict.at_least("share within 1.25 of the best", close, 1, gate=0.6, unit="")
    verdict.at_most("the worst ({} cells a row, k={}, tol={})".format(*worst), ratios[worst], 1.25, gate=2.5)
    verdict.close(figure, "completion.7")


@pytest.mark.claim("completion.9")
def test_single_updates_of_the_large_set(figure):
    rng, (m, n) = np.random.default_rng(1), recovery().shape
    model = MatrixCompletion(10, reg=REG, max_sweeps=2, tol=0, **PLAIN).fit(recovery().train, shape=(m, n))
    rows, cols, values = recovery().train
    micros = []
    for i in range(1000):
        kind, at = i % 3, int(rng.integers(len(rows) // 2))
        if kind == 0:  # new (at first), overwritten, deleted
            batch = {"row": rng.integers(m, size=1), "col": rng.integers(n, size=1), "value": rng.normal(size=1)}
        elif kind == 1:
            batch = {"row": rows[at : at + 1], "col": cols[at : at + 1], "value": values[at : at + 1] + 1e-3}
        else:
            batch = {
                "row": rows[-i:][:1],
                "col": cols[-i:][:1],
                "value": values[-i:][:1],
                "op": np.array([-1], np.int8),
            }
        micros.append(1e6 * cpu_seconds(lambda batch=batch: model.update(batch)))
    verdict = Verdict(ISA)
    verdict.at_most("single updates: p50", float(np.quantile(micros, 0.5)), 60, gate=150, unit=" us")
    verdict.at_most("p99", float(np.quantile(micros, 0.99)), 1000, gate=3000, unit=" us")
    verdict.close(figure, "completion.9")


PEAK = """
import sys
import numpy as np
from pyalgo.completion import MatrixCompletion

def memory(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))

rows, cols, values = (np.load(f"{name}.npy") for name in ("rows", "cols", "values"))
MatrixCompletion(10).fit((rows[:1000] % 90, np.arange(1000), values[:1000]))  # what is loaded once
with open("/proc/self/clear_refs", "w") as setting_back:
    setting_back.write("5")
before = memory("VmRSS")
if sys.argv[1] == "control":
    np.ones(30_000_000)
else:
    MatrixCompletion(10, max_sweeps=3).fit((rows, cols, values), shape=(10_000, 8_000))
print(memory("VmHWM") - before)
"""


@pytest.mark.claim("completion.13")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs a peak of memory that can be set back")
def test_peak_memory_of_a_fit(figure, tmp_path):
    (m, n), cells = recovery().shape, recovery().train
    for name, column in zip(cells._fields, cells, strict=True):
        np.save(tmp_path / f"{name}.npy", column)

    def peak(what: str) -> int:
        command = [sys.executable, "-W", "ignore", "-c", PEAK, what]
        return int(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)

    assert 0.95 < peak("control") / 240e6 < 1.05
    both_orders = 2 * len(cells.values) * (8 + 4) + 8 * (m + n + 2)
    factors = 8 * 11 * (m + n)
    verdict = Verdict(ISA)
    verdict.at_most("peak memory of a fit, of CSR and CSC,", (peak("fit") - factors) / both_orders, 2.2, gate=2.5)
    verdict.close(figure, "completion.13")
