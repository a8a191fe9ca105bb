"""Draws docs/algorithms/bandits.svg: complete policy regret over time, over the horizon and over the memory bound.

``python bench/plot_bandits.py`` measures (a minute or two), writes the figures to docs/algorithms/bandits.json, draws them, and
puts them as tables between the marks of docs/algorithms/bandits.md. ``--draw`` does the last two from the file.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from bandit_studies import POLICIES, TABLE, Setting, runs
from gate import slope
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from plot_submodular import FOLDER, put, tidy

COLUMNS = ["UCB1", "EXP3", "ThompsonBeta", "EpsilonGreedy", "no burn-in, n0=1", "burn-in, n0=1", "default"]
HORIZONS = [20_000, 100_000, 400_000]
MEMORIES = [1, 2, 3, 5, 10, 20, 50]
SHORT = ["UCB1", "ThompsonBeta", "default"]
BOUNDS = [50, 100, 200, 400, 800]
COURSE = Setting(10, 50, 50, 100_000)
COLOURS = {
    "default": "#0b6e99",
    "burn-in, n0=1": "#69a8c4",
    "no burn-in, n0=1": "#3a7d44",
    "UCB1": "#d1495b",
    "SlidingWindowUCB": "#e89aa4",
    "EXP3": "#b8860b",
    "BatchedEXP3": "#d9b766",
    "EpsilonGreedy": "#7b5ea7",
    "ThompsonBeta": "#444444",
}


def mean_and_error(values: Any) -> list[float]:
    return [float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))]


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {"table": {}, "course": {}, "growth": {}, "bounds": {}, "lost": {}, "memory": {}}
    for setting in TABLE:
        row = {}
        for name in COLUMNS:
            found = runs(name, setting, range(50))
            row[name] = [*mean_and_error(found.final), int(found.lost.sum())]
        figures["table"][str(setting)] = row
        print(setting, {name: round(values[0]) for name, values in row.items()}, flush=True)
    for name in POLICIES:
        found = runs(name, COURSE, range(20), points=100)
        figures["course"]["plays"] = found.checkpoints.tolist()
        figures["course"][name] = np.round(found.regret.mean(axis=0), 1).tolist()
        print(name, found, flush=True)
    for name in ("UCB1", "EXP3", "default"):
        means = [mean_and_error(runs(name, Setting(10, 50, 50, T), range(20)).final) for T in HORIZONS]
        figures["growth"][name] = means
        print(name, means, "slope", slope(HORIZONS, [mean for mean, _ in means]), flush=True)
    figures["bounds"] = [mean_and_error(runs("default", Setting(10, 50, M, 400_000), range(20)).final) for M in BOUNDS]
    print("by M", figures["bounds"], flush=True)
    for name in SHORT:
        figures["memory"][name] = [
            [
                *mean_and_error((found := runs(name, Setting(10, m, m, 100_000), range(50))).final),
                float(np.median(found.final)),
            ]
            for m in MEMORIES
        ]
        print("by m", name, figures["memory"][name], flush=True)
    for name in ("default", "no burn-in, n0=1"):
        figures["lost"][name] = int(runs(name, Setting(4, 1000, 1000, 100_000), range(200)).lost.sum())
    print("best arm lost", figures["lost"], flush=True)
    return figures


def draw_course(axes: Axes, found: dict[str, Any]) -> None:
    for name, colour in COLOURS.items():
        style = "-" if name == "default" else "--" if "burn-in" in name else "-."
        axes.plot(
            found["plays"], found[name], style, color=colour, linewidth=2.4 if name == "default" else 1.4, label=name
        )
    axes.set(yscale="log", xlabel="plays", ylabel="regret")
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower right")
    tidy(axes, f"K, m, M = {COURSE.arms}, {COURSE.memory}, {COURSE.bound}: regret along {COURSE.horizon:,} plays")


def draw_growth(axes: Axes, found: dict[str, Any]) -> None:
    for name, means in found.items():
        axes.errorbar(HORIZONS, [m for m, _ in means], [e for _, e in means], fmt="o-", color=COLOURS[name], label=name)
    axes.set(xscale="log", yscale="log", xlabel="horizon", ylabel="regret")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, fontsize=9)
    tidy(axes, "K, m, M = 10, 50, 50")


def draw_bounds(axes: Axes, found: list[list[float]]) -> None:
    axes.errorbar(BOUNDS, [m for m, _ in found], [e for _, e in found], fmt="o-", color=COLOURS["default"])
    axes.set(xlabel="memory bound M", ylabel="regret", ylim=(0, None))
    tidy(axes, "K, m = 10, 50, 400,000 plays: the price of caution")


def draw(figures: dict[str, Any]) -> None:
    settings = {"svg.fonttype": "none", "svg.hashsalt": "bandits", "font.family": "sans-serif", "font.size": 10}
    plt.rcParams.update(settings)
    picture, (left, middle, right) = plt.subplots(1, 3, figsize=(16, 4.8), width_ratios=[1.5, 1, 1])
    draw_course(left, figures["course"])
    draw_growth(middle, figures["growth"])
    draw_bounds(right, figures["bounds"])
    picture.tight_layout()
    picture.savefig(FOLDER / "bandits.svg", metadata={"Date": None}, facecolor="white")


def regret_table(figures: dict[str, Any]) -> str:
    rows = ["| K, m, M, T | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for setting, row in figures["table"].items():
        least = min(row, key=lambda name: row[name][0])
        cells = []
        for name in COLUMNS:
            mean, error, lost = row[name]
            text = f"{mean:,.0f} ± {error:,.0f}"
            cells.append((f"**{text}**" if name == least else text) + (f" ({lost})" if lost else ""))
        rows.append(f"| {setting} | " + " | ".join(cells) + " |")
    note = (
        "Mean regret and its standard error over 50 seeds, each with an environment of its own; in brackets in how many runs the "
        "last play is not of the best arm. The least is bold."
    )
    return "\n".join(rows) + f"\n\n{note}\n"


def sweep_text(figures: dict[str, Any]) -> str:
    rows = ["| | T = 20,000 | T = 100,000 | T = 400,000 | slope |", "|---|---|---|---|---|"]
    for name, means in figures["growth"].items():
        cells = " | ".join(f"{m:,.0f} ± {e:,.0f}" for m, e in means)
        rows.append(f"| {name} | {cells} | {slope(HORIZONS, [m for m, _ in means]):.2f} |")
    by_bound = {M: m for M, (m, _) in zip(BOUNDS, figures["bounds"], strict=True)}
    each = (by_bound[800] - by_bound[200]) / 600
    cells = ", ".join(f"{m:,.0f} (M = {M})" for M, m in by_bound.items())
    lost = figures["lost"]
    return "\n".join(rows) + (
        f"\n\nK = 10, m = M = 50, 20 seeds; the slope is on log-log axes. With M too large, at T = 400,000: {cells}, "
        f"{each:.1f} for each play of M between 200 and 800. Of 200 runs with K = 4, m = M = 1,000 the best arm is lost in "
        f"{lost['default']}, without burn-in in {lost['no burn-in, n0=1']}.\n"
    )


def memory_table(figures: dict[str, Any]) -> str:
    rows = ["| m = M | " + " | ".join(map(str, MEMORIES)) + " |", "|---" * (len(MEMORIES) + 1) + "|"]
    for name, means in figures["memory"].items():
        rows.append(
            f"| {name} | " + " | ".join(f"{m:,.0f} ± {e:,.0f} ({median:,.0f})" for m, e, median in means) + " |"
        )
    note = "K = 10, T = 100,000, 50 seeds: mean regret, its standard error, and in brackets the median."
    return "\n".join(rows) + f"\n\n{note}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="from the figures on file, without measuring")
    path = FOLDER / "bandits.json"
    if not parser.parse_args().draw:
        path.write_text(json.dumps(measure(), indent=1) + "\n")
    figures = json.loads(path.read_text())
    draw(figures)
    page = FOLDER / "bandits.md"
    if page.exists():
        text = page.read_text()
        for mark, table in {
            "regret": regret_table(figures),
            "sweeps": sweep_text(figures),
            "memory": memory_table(figures),
        }.items():
            text = put(text, mark, table)
            print(table)
        page.write_text(text)


if __name__ == "__main__":
    main()
