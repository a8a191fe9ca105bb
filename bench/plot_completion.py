"""Draws docs/algorithms/completion.svg: what a sweep costs over the rank, and how soon fits come to which error.

``python bench/plot_completion.py`` measures (some minutes; the peers must be installed, and PYALGO_MOVIELENS may name the
folder of MovieLens-100K), writes the figures to docs/algorithms/completion.json, draws them, and puts them as tables between
the marks of docs/algorithms/completion.md. ``--draw`` does the last two from the file. CPU time, one thread.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from bench_completion import pyalgo_als
from completion_data import Split, low_rank, movielens, movielens_folder, ratings
from completion_peers import Fit, cmfrec_als, cornac_sgd, implicit_als, naive_als
from gate import cpu_seconds, laps
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator
from plot_hamming import machine
from plot_submodular import FOLDER, put, rounded, tidy

RANKS = [8, 16, 32, 64, 128]
RATED = {"bias": True, "center": True, "reg_scaling": "sqrt", "init": "spectral"}
OURS, OURS_CG, CMFREC, CMFREC_CG, CORNAC, IMPLICIT, NAIVE = (
    "#0b6e99",
    "#3a7d44",
    "#d1495b",
    "#e89aa4",
    "#b8860b",
    "#7b5ea7",
    "#8a8a8a",
)
SWEEPERS: dict[str, tuple[str, Callable[[Split, int], Fit]]] = {
    "pyalgo, cholesky": (OURS, lambda split, k: pyalgo_als(split, k, 1.0, solver="cholesky")),
    "pyalgo, cg": (OURS_CG, lambda split, k: pyalgo_als(split, k, 1.0, solver="cg", inner_steps=3)),
    "cmfrec, Cholesky": (CMFREC, lambda split, k: cmfrec_als(split, k, 1.0)),
    "cmfrec, CG": (CMFREC_CG, lambda split, k: cmfrec_als(split, k, 1.0, cg=True)),
    "implicit, CG": (IMPLICIT, lambda split, k: implicit_als(split, k, 1.0)),
    "plain C++ kernel": (NAIVE, lambda split, k: naive_als(split, k, 1.0)),
}
COLOURS = {"pyalgo": OURS, "cmfrec": CMFREC, "cornac": CORNAC}


def sweeps_over_ranks(rounds: int = 3) -> dict[str, Any]:
    """Milliseconds of a sweep, from fits of three and of one: the least of each, the methods in turn."""
    split = low_rank(5_000, 4_000, 500_000, noise=0.1)
    found: dict[str, Any] = {"ranks": RANKS, "cells": len(split.train.values), **{name: [] for name in SWEEPERS}}
    for k in RANKS:
        fits = [make(split, k) for _, make in SWEEPERS.values()]
        one, three = (laps([lambda fit=fit, n=n: fit(n) for fit in fits], rounds=rounds).min(axis=0) for n in (1, 3))
        for name, seconds in zip(SWEEPERS, (three - one) / 2, strict=True):
            found[name].append(1e3 * seconds)
        print(k, {name: round(found[name][-1], 1) for name in SWEEPERS}, flush=True)
    return found


def course(fit: Fit, split: Split, counts: Sequence[int]) -> dict[str, list[float]]:
    """Sweeps (or epochs), the CPU seconds of a fit of so many, and its RMSE on what was held out.

    The least of three fits; and what more sweeps have been seen to take, fewer take too.
    """
    fit(1)
    seconds = [min(cpu_seconds(lambda n=n: fit(n)) for _ in range(3)) for n in counts]
    seconds = [min(seconds[at:]) for at in range(len(seconds))]
    return {"sweeps": list(counts), "seconds": seconds, "rmse": [fit(n).rmse(split.test) for n in counts]}


def chosen(make: Callable[[Split, float], Fit], split: Split, grid: Sequence[float], sweeps: int) -> float:
    """The regulariser that predicts a tenth of the cells best from the others."""
    kept = np.random.default_rng(0).random(len(split.train.values)) >= 0.1
    part = Split(split.shape, split.train.part(kept), split.train.part(~kept))
    return min(grid, key=lambda reg: make(part, reg)(sweeps).rmse(part.test))


def errors_of_recovery() -> dict[str, Any]:
    split = low_rank()
    ours = pyalgo_als(split, 10, 0.0, init="spectral")
    return {
        "pyalgo": course(ours, split, [1, 2, 3, 4, 5, 6, 8, 10]),
        "cmfrec": course(cmfrec_als(split, 10, 0.0), split, [1, 2, 3, 4, 5, 6, 7, 8, 10]),
        "cornac": course(cornac_sgd(split, 10, rate=0.02, reg=0.0), split, [10, 20, 30, 40, 60]),
    }


def errors_of_ratings(split: Split) -> dict[str, Any]:
    """Rank 20 with biases; every regulariser chosen on a tenth of what there is to learn from."""
    methods: dict[str, tuple[Callable[[Split, float], Fit], list[float], int, list[int]]] = {
        "pyalgo": (
            lambda some, reg: pyalgo_als(some, 20, reg, **RATED),
            [0.7, 1.0, 1.4, 2.0, 2.8],
            10,
            [1, 2, 3, 4, 5, 7, 10, 15],
        ),
        "cmfrec": (
            lambda some, reg: cmfrec_als(some, 20, reg, bias=True),
            [6.0, 9.0, 12.0, 16.0, 20.0],
            10,
            [1, 2, 3, 5, 7, 10, 15],
        ),
        "cornac": (
            lambda some, reg: cornac_sgd(some, 20, reg=reg),
            [0.03, 0.045, 0.06, 0.08, 0.11],
            50,
            [5, 10, 15, 20, 30, 40, 50, 70],
        ),
    }
    found = {}
    for name, (make, grid, sweeps, counts) in methods.items():
        reg = chosen(make, split, grid, sweeps)
        found[name] = {"reg": reg, **course(make(split, reg), split, counts)}
        print(name, found[name], flush=True)
    return found


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {"machine": machine(), "sweeps": sweeps_over_ranks(), "recovery": errors_of_recovery()}
    figures["ratings"] = errors_of_ratings(ratings())
    folder = movielens_folder()
    if folder is not None:
        figures["movielens"] = errors_of_ratings(movielens(folder, 1))
    return rounded(figures)


def draw_sweeps(axes: Axes, found: dict[str, Any]) -> None:
    places, last = {}, -np.inf  # of the labels, moved apart
    for name in sorted(SWEEPERS, key=lambda name: found[name][-1]):
        last = max(last + 0.3, np.log(found[name][-1]))
        places[name] = np.exp(last)
    for name, (colour, _) in SWEEPERS.items():
        style = "o--" if name.startswith("implicit") else "o-"
        width = 2.4 if name.startswith("pyalgo") else 1.4
        axes.plot(found["ranks"], found[name], style, color=colour, markersize=4, linewidth=width)
        axes.text(found["ranks"][-1] * 1.15, places[name], name, color=colour, va="center", fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel="rank", ylabel="milliseconds a sweep (CPU time, one thread)")
    axes.set_xticks(found["ranks"], found["ranks"])
    axes.minorticks_off()
    tidy(axes, f"A sweep over {found['cells']:,} cells")


def draw_errors(axes: Axes, found: dict[str, Any], title: str, *, log: bool) -> None:
    for name, curve in found.items():
        axes.plot(curve["seconds"], curve["rmse"], "o-", color=COLOURS[name], markersize=4, label=name)
    axes.set(xscale="log", xlabel="CPU seconds of a fit", ylabel="RMSE on what was held out")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    if log:
        axes.set_yscale("log")
    else:
        least = min(min(curve["rmse"]) for curve in found.values())
        axes.set_ylim(least - 0.005, least + 0.09)
    axes.legend(frameon=False, fontsize=9)
    tidy(axes, title)


def draw(figures: dict[str, Any]) -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "completion", "font.family": "sans-serif", "font.size": 10}
    )
    picture, (left, middle, right) = plt.subplots(1, 3, figsize=(16, 4.8), width_ratios=[1.05, 1, 1])
    draw_sweeps(left, figures["sweeps"])
    draw_errors(middle, figures["recovery"], "2M cells of rank 10, no noise", log=True)
    title = "MovieLens-100K, u1" if "movielens" in figures else "Synthetic ratings, 80,000"
    draw_errors(right, figures.get("movielens", figures["ratings"]), title, log=False)
    picture.subplots_adjust(left=0.045, right=0.99, top=0.93, bottom=0.11, wspace=0.5)
    picture.savefig(FOLDER / "completion.svg", metadata={"Date": None}, facecolor="white")


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def sweep_table(figures: dict[str, Any]) -> str:
    found = figures["sweeps"]
    rows = ["| milliseconds a sweep | " + " | ".join(f"k = {k}" for k in found["ranks"]) + " |"]
    rows.append("|---" * (len(found["ranks"]) + 1) + "|")
    rows += [f"| {name} | " + " | ".join(map(number, found[name])) + " |" for name in SWEEPERS]
    note = f"{found['cells']:,} cells, 5,000 x 4,000, CPU time, one thread, {figures['machine']}; cg with 3 steps each."
    return "\n".join(rows) + f"\n\n{note}\n"


def error_table(figures: dict[str, Any]) -> str:
    rows = ["| data | | sweeps or epochs | CPU seconds | RMSE on what was held out |", "|---" * 5 + "|"]
    labels = {"recovery": "2M cells of rank 10, no noise", "ratings": "80,000 synthetic ratings"}
    labels["movielens"] = "MovieLens-100K, u1"
    for key, label in labels.items():
        for name, curve in figures.get(key, {}).items():
            at = len(curve["rmse"]) - 1 if key == "recovery" else int(np.argmin(curve["rmse"]))
            if key != "recovery":  # the number of sweeps of the choice: the best would be known from the test only
                at = curve["sweeps"].index(50 if name == "cornac" else 10)
            rows.append(
                f"| {label} | {name} | {curve['sweeps'][at]} | {curve['seconds'][at]:.3g} | {curve['rmse'][at]:.4g} |"
            )
    note = (
        "Whole fits, one thread. Ratings: rank 20 with biases, each method's regulariser chosen from five on a tenth of the "
        "training part."
    )
    return "\n".join(rows) + f"\n\n{note}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="from the figures on file, without measuring")
    path = FOLDER / "completion.json"
    warnings.simplefilter("ignore")  # films that nobody has rated yet
    if not parser.parse_args().draw:
        path.write_text(json.dumps(measure(), indent=1) + "\n")
    figures = json.loads(path.read_text())
    draw(figures)
    page = FOLDER / "completion.md"
    text = page.read_text()
    for mark, table in {"sweeps": sweep_table(figures), "errors": error_table(figures)}.items():
        text = put(text, mark, table)
        print(table)
    page.write_text(text)


if __name__ == "__main__":
    main()
