"""Draws docs/oracles.svg, and writes the table of docs/oracles.md: variance, bits, time and attack of every oracle.

``python bench/plot_oracles.py`` measures for a minute. Times are CPU seconds of one core, medians of five.
"""

from __future__ import annotations

import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from pyalgo_privacy import GRR, HR, MSS, OLH, OUE, PGR, SS, SUE

DOCS = Path(__file__).parents[1] / "docs"
K, N, EPS = 1024, 100_000, (1.0, 3.0)
LARGE, LARGE_EPS = 22_000, (1.0, 2.0, 3.0, 4.0, 4.5, 5.0)
GRID = np.arange(0.5, 5.01, 0.25)
ORACLES = {"GRR": GRR, "SUE": SUE, "OUE": OUE, "OLH": OLH, "HR": HR, "PGR": PGR, "SS": SS, "MSS": MSS}
COLOURS = dict(
    zip(ORACLES, ["#8a8a8a", "#c2559d", "#e08e45", "#3a7d44", "#7b5ea7", "#d1495b", "#2a9d8f", "#0b6e99"], strict=True)
)
MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)


def seconds(work: Callable[[], object]) -> float:
    laps = []
    for _ in range(5):
        begin = time.process_time_ns()
        work()
        laps.append((time.process_time_ns() - begin) / 1e9)
    return statistics.median(laps)


def measured(name: str, k: int, eps: float, n: int = N) -> dict[str, float]:
    oracle = ORACLES[name](k, eps)
    x = np.random.default_rng(0).integers(0, k, n)
    reports = oracle.randomize(x)
    server = oracle.aggregator()
    server.update(reports)
    return {
        "variance": float(oracle.variance()),
        "bits": float(oracle.message_bits()),
        "attack": float(oracle.attack_success()),
        "randomize": seconds(lambda: oracle.randomize(x)) / n,
        "update": seconds(lambda: server.update(reports)) / n,
        "query": seconds(server.query),
    }


def main() -> None:
    rows = {f"{name} {eps:g}": measured(name, K, eps) for eps in EPS for name in ORACLES}
    large = {eps: {name: measured(name, LARGE, eps, 2000) for name in ("SS", "MSS", "PGR")} for eps in LARGE_EPS}
    curves = {
        name: [(float(o.variance()), float(o.message_bits())) for o in (cls(K, float(eps)) for eps in GRID)]
        for name, cls in ORACLES.items()
    }
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    (DOCS / "oracles.json").write_text(json.dumps({"machine": machine, "rows": rows, "large": large}, indent=1) + "\n")
    write_tables(rows, large, machine)
    draw(curves)


Row = dict[str, float]


def write_tables(rows: dict[str, Row], large: dict[float, dict[str, Row]], machine: str) -> None:
    lines = [
        f"k = {K}; {machine}.",
        "",
        "| oracle | eps | variance x n | bits | best attack | device side, batch | server, a report | server, an answer |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, row in rows.items():
        name, eps = key.split()
        lines.append(
            f"| `{name}` | {eps} | {row['variance']:.3g} | {row['bits']:.4g} | {row['attack']:.2%} | "
            f"{row['randomize'] * 1e6:.2g} us | {row['update'] * 1e9:.3g} ns | {row['query'] * 1e3:.2g} ms |"
        )
    lines += [
        "",
        f"k = {LARGE}: variance in units of `SS`'s, bits of a report, and an answer of the server.",
        "",
        "| eps | `SS` | `MSS` | `PGR` |",
        "|---|---|---|---|",
    ]
    for eps, of in large.items():
        cells = [
            f"{row['variance'] / of['SS']['variance']:.2f}, {row['bits']:.0f} bits, {row['query'] * 1e3:.3g} ms"
            for row in of.values()
        ]
        lines.append(f"| {eps:g} | {' | '.join(cells)} |")
    page = DOCS / "oracles.md"
    text = "\n".join(lines) + "\n"
    page.write_text(MARKED.sub(lambda match: match[1] + text + match[2], page.read_text()))


def draw(curves: dict[str, list[tuple[float, float]]]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), sharex=True)
    for name, curve in curves.items():
        variance, bits = zip(*curve, strict=True)
        style = {"color": COLOURS[name], "label": name, "linewidth": 2.2 if name == "MSS" else 1.4}
        left.plot(GRID, variance, **style)
        right.plot(GRID, bits, **style)
    left.set(yscale="log", ylim=(0.02, 60), xlabel="eps", ylabel="variance of a rare value, times n", title="error")
    right.set(yscale="log", xlabel="eps", ylabel="bits of a report", title="length")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*left.get_legend_handles_labels(), ncols=8, loc="lower center", frameon=False)
    figure.suptitle(f"one report each, k = {K}")
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(DOCS / "oracles.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
