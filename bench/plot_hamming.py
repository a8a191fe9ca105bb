"""Draws docs/algorithms/hamming.svg: ns a text position over the length of the pattern, every method and every peer.

``python bench/plot_hamming.py`` measures (a few minutes), writes the figures to docs/algorithms/hamming.json, draws them, and
puts them as a table between the ``measured`` marks of docs/algorithms/hamming.md. ``--draw`` does the last two from the file.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
import peers
from gate import cpu_seconds
from matplotlib.axes import Axes

FOLDER = Path(__file__).parent.parent / "docs" / "algorithms"
LENGTHS = [2**i for i in range(3, 17)]
TABLED = [16, 64, 256, 1024, 4096, 16384, 65536]
N = 1 << 20
SECONDS = 0.5  # of CPU time a measurement may take; texts are shortened for whatever would take longer
PATIENCE = 20_000.0  # ns a position: what is slower is not followed to longer patterns
OURS, OTHERS = "#0b6e99", "#8a8a8a"
COLOURS = ["#d1495b", "#e08e45", "#3a7d44", "#7b5ea7", "#2a9d8f", "#8d6b4a", "#c2559d"]
MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)

Plan = Callable[[np.ndarray, np.ndarray], Callable[[], object]]


def ours(method: str) -> Plan:
    from pyalgo.hamming import hamming_distances

    def plan(text: np.ndarray, pattern: np.ndarray) -> Callable[[], object]:
        out = np.empty(len(text) - len(pattern) + 1, np.int32)
        return lambda: hamming_distances(text, pattern, method=method, out=out)

    return plan


def engines() -> dict[str, Plan]:
    from pyalgo.hamming.plan import METHODS

    return {method: ours(method) for method in METHODS}


def cost(plan: Plan, m: int, expected: float) -> float:
    """ns a position on DNA. What finishes fast is measured more often; the median counts."""
    n = max(2 * m, min(N, int(SECONDS / 3 * 1e9 / expected)))
    rng = np.random.default_rng(m)
    text, pattern = rng.integers(0, 4, n, dtype=np.uint8), rng.integers(0, 4, m, dtype=np.uint8)
    pattern[:4] = range(4)
    run = plan(text, pattern)
    positions = n if n == N else n - m + 1
    spent = [cpu_seconds(run)]
    while len(spent) < 4 or (sum(spent) < SECONDS and len(spent) < 12):
        if spent[0] > SECONDS:
            break
        spent.append(cpu_seconds(run))
    return float(np.median(spent[1:] or spent)) / positions * 1e9


def measure(plans: dict[str, Plan]) -> dict[str, dict[str, float]]:
    """By name and length. The lengths are the outer loop, so that a disturbance hits neighbours alike."""
    found: dict[str, dict[str, float]] = {name: {} for name in plans}
    for m in LENGTHS:
        for name, plan in plans.items():
            before = list(found[name].values())
            if before and before[-1] > PATIENCE:
                continue
            found[name][str(m)] = round(cost(plan, m, 2 * before[-1] if before else 50.0), 3)
        print(
            f"m = {m}: " + ", ".join(f"{name} {by[str(m)]:.2f}" for name, by in found.items() if str(m) in by),
            flush=True,
        )
    return found


def lines(axes: Axes, curves: dict[str, dict[str, float]], colours: dict[str, str]) -> None:
    """Each curve with its name at its end, the names moved apart."""
    ends = []
    for name, by in curves.items():
        bold = name.startswith("auto")
        x, y = [int(m) for m in by], list(by.values())
        axes.plot(x, y, color=colours[name], linewidth=2.6 if bold else 1.4, zorder=3 if bold else 2)
        ends.append([np.log(y[-1]), x[-1], y[-1], name])
    step, last = 0.36, -np.inf
    for end in sorted(ends, key=lambda end: end[0]):
        last = max(end[0], last + step)
        place = {"xytext": (max(LENGTHS) * 1.35, np.exp(last)), "textcoords": "data", "va": "center", "fontsize": 9}
        line = {"arrowstyle": "-", "color": colours[end[3]], "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(end[3], (end[1], end[2]), color=colours[end[3]], arrowprops=line, annotation_clip=False, **place)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(TABLED, [str(m) for m in TABLED])
    axes.minorticks_off()
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("length of the pattern m")


def draw(figures: dict) -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "hamming", "font.family": "sans-serif", "font.size": 10}
    )
    methods, others = figures["methods"], figures["peers"]
    picture, (left, right) = plt.subplots(1, 2, figsize=(13, 5.6), sharey=True)
    names = [name for name in methods if name != "auto"]
    lines(left, methods, {"auto": OURS} | dict(zip(names, COLOURS, strict=True)))
    grey = dict.fromkeys(others, OTHERS) | {"pyfftw overlap-save f32": "#444444"}
    lines(right, {"auto (pyalgo)": methods["auto"]} | others, {"auto (pyalgo)": OURS} | grey)
    everything = [value for by in (*methods.values(), *others.values()) for value in by.values()]
    left.set_ylim(min(everything) / 1.5, min(max(everything) * 1.5, 4 * PATIENCE))
    left.set_ylabel("ns a text position (CPU time, one thread)")
    left.tick_params(labelleft=True)
    left.set_title("Every method, and the one chosen", loc="left", fontsize=11)
    right.set_title("Against what others would use", loc="left", fontsize=11)
    picture.subplots_adjust(left=0.06, right=0.86, top=0.92, bottom=0.1, wspace=0.32)
    picture.savefig(FOLDER / "hamming.svg", metadata={"Date": None}, facecolor="white")


def table(figures: dict) -> str:
    def row(name: str, by: dict[str, float]) -> str:
        values = [by.get(str(m), np.nan) for m in TABLED]
        return (
            f"| {name} | " + " | ".join("" if v != v else f"{v:.3g}" if v < 100 else f"{v:,.0f}" for v in values) + " |"
        )

    rows = ["| ns a position, m = | " + " | ".join(map(str, TABLED)) + " |", "|---" * (len(TABLED) + 1) + "|"]
    rows += [row(f'`method="{name}"`', by) for name, by in figures["methods"].items()]
    rows += [row(name, by) for name, by in figures["peers"].items()]
    return "\n".join(rows) + f"\n\nDNA, n = 2^20, one thread, CPU time, {figures['machine']}.\n"


def machine() -> str:
    from pyalgo.hamming import cpu_features

    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return f"{model[1] if model else platform.processor()}, {cpu_features()['isa']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="from the figures on file, without measuring")
    path = FOLDER / "hamming.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not parser.parse_args().draw:
        methods = engines()
        found = measure(methods | peers.PEERS)
        figures = {
            "machine": machine(),
            "methods": {name: found[name] for name in methods},
            "peers": {name: found[name] for name in peers.PEERS},
        }
        path.write_text(json.dumps(figures, indent=1) + "\n")
    figures = json.loads(path.read_text())
    draw(figures)
    page = FOLDER / "hamming.md"
    if page.exists():
        page.write_text(MARKED.sub(lambda match: match[1] + table(figures) + match[2], page.read_text()))
    print(table(figures))


if __name__ == "__main__":
    main()
