"""Draws docs/algorithms/submodular.svg: what an update costs against greedy anew, and how good the answers are.

``python bench/plot_submodular.py`` measures (about a minute), writes the figures to docs/algorithms/submodular.json, draws
them, and puts them as tables between the marks of docs/algorithms/submodular.md. ``--draw`` does the last two from the file.
CPU time, one thread.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from bench_submodular import powerlaw_cover
from gate import cpu_seconds
from matplotlib.axes import Axes
from numpy.typing import NDArray
from plot_hamming import machine

from pyalgo.submodular import DynamicSubmodularMaximizer, FacilityLocation, Objective, WeightedCoverage, greedy

FOLDER = Path(__file__).parent.parent / "docs" / "algorithms"
K, EPS, QUERIES = 50, 0.2, 25
COVER_SIZES = [10_000, 20_000, 40_000, 80_000, 160_000]  # live elements; twice as many arrive
DENSE_SIZES = [250, 500, 1000, 2000, 4000]
VARIANTS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "`eps=0.05`": {"eps": 0.05},
    "`eps=0.1`": {"eps": 0.1},
    "`eps=0.5`": {"eps": 0.5},
    "`refine_budget=1000`": {"refine_budget": 1000},
    '`guess_grid="all"`': {"guess_grid": "all"},
    '`method="param"`': {"method": "param"},
}
OURS, FIRST, GREEDY, PROVEN = "#0b6e99", "#3a7d44", "#d1495b", "#7b5ea7"


def cover(n: int) -> WeightedCoverage:
    return WeightedCoverage.from_csr(*powerlaw_cover(n, seed=1))


def dense(n: int) -> FacilityLocation:
    """n customers and 5/4 n elements, normal points in 16 dimensions: nearly all look alike, the hard case."""
    random = np.random.default_rng(n)
    customers, elements = random.normal(size=(n, 16)), random.normal(size=(5 * n // 4, 16))
    squares = (customers**2).sum(1)[:, None] + (elements**2).sum(1) - 2 * customers @ elements.T
    return FacilityLocation.from_similarity(np.exp(-np.maximum(squares, 0) / 32))


def slide(live: int, arrivals: int) -> NDArray[np.int64]:
    """Ids of `arrivals` insertions into a full window, each behind the deletion of the oldest."""
    return np.column_stack([np.arange(arrivals), np.arange(live, live + arrivals)]).ravel()


def ops(updates: int) -> NDArray[np.int8]:
    return np.tile(np.array([-1, 1], dtype=np.int8), updates // 2)


def cost(f: Objective, live: int, arrivals: int, **settings: Any) -> dict[str, float]:
    """Microseconds an update of a sliding window, a refined answer, and greedy on the window; and what the answers are worth."""
    ours = DynamicSubmodularMaximizer(f, K, **{"eps": EPS, "seed": 1, **settings})
    ours.insert(np.arange(live))
    ids, pieces = slide(live, arrivals), []
    before = ours.stats()["oracle_calls"]
    seconds, unrefined, answers, anew = 0.0, [], [], []
    for at in range(QUERIES):
        piece = ids[2 * (arrivals * at // QUERIES) : 2 * (arrivals * (at + 1) // QUERIES)]
        seconds += cpu_seconds(lambda piece=piece: ours.update(id=piece, op=ops(len(piece))))
        unrefined.append(cpu_seconds(lambda: ours.query(refine=False)))
        answers.append(cpu_seconds(ours.query))
        window = ours.live_ids()
        anew.append(cpu_seconds(lambda window=window: greedy(f, window, K)))
        plain, refined, best = ours.query(refine=False), ours.query(), greedy(f, window, K)
        proven = ours.query(certificate=True).ratio_lower_bound
        pieces.append((plain.value / best.value, refined.value / best.value, refined.ratio_lower_bound, proven))
    stats = ours.stats()
    worth = np.array(pieces)
    return {
        "live": live,
        "update": 1e6 * seconds / len(ids),
        "calls": (stats["oracle_calls"] - before) / len(ids),
        "unrefined": 1e6 * float(np.median(unrefined)),
        "answer": 1e6 * float(np.median(answers)),
        "greedy": 1e6 * float(np.median(anew)),
        "bytes": (stats["nbytes"] - stats["payload_bytes"]) / live,
        "plain": float(worth[:, 0].mean()),
        "refined": float(worth[:, 1].mean()),
        "least": float(worth[:, 1].min()),
        "proven": float(worth[:, 2].mean()),
        "certified": float(worth[:, 3].mean()),
    }


def drifting(updates: int, window: int) -> Iterator[tuple[int, list[int]]]:
    """+1 or -1, and the items of what arrives or the position of what leaves: topics wander, and one bursts in and out."""
    random = np.random.default_rng(3)
    live = 0
    for t in range(updates):
        bursting = 0.5 <= t / updates < 0.6
        ending = 0.6 <= t / updates < 0.7
        if live > 0 and random.random() < (0.1 if bursting else 0.9 if ending else 0.5 if live >= window else 0.2):
            yield -1, [live - 1 if ending else int(random.integers(live))]
            live -= 1
        else:
            size = int(min(3 / (1 - random.random()) ** 0.8, 200))
            centre = 90_000 if bursting else 40_000 * t / updates
            yield 1, np.unique(centre + 8_000 * random.random(size) ** 1.7).astype(np.int64).tolist()
            live += 1


def course(updates: int = 40_000, window: int = 5_000, every: int = 400) -> dict[str, list[float]]:
    """Along a drifting stream: the values of both answers over greedy's, and what is proven."""
    steps = list(drifting(updates, window))
    f = WeightedCoverage.from_sets([items for op, items in steps if op > 0])
    ours = DynamicSubmodularMaximizer(f, K, eps=EPS, seed=1)
    live: list[int] = []
    arrived, ids, signs = 0, [], []
    found: dict[str, list[float]] = {name: [] for name in ("at", "live", "plain", "refined", "proven", "certified")}
    for t, (op, what) in enumerate(steps, 1):
        signs.append(op)
        if op > 0:
            live.append(arrived)
            ids.append(arrived)
            arrived += 1
        else:
            ids.append(live.pop(what[0]))
        if t % every == 0:
            ours.update(id=np.array(ids), op=np.array(signs, dtype=np.int8))
            ids, signs = [], []
            best = greedy(f, np.array(live), K).value
            refined, certified = ours.query(), ours.query(certificate=True)
            plain = ours.query(refine=False).value
            row = (
                t,
                len(live),
                plain / best,
                refined.value / best,
                refined.ratio_lower_bound,
                certified.ratio_lower_bound,
            )
            for name, value in zip(found, row, strict=True):
                found[name].append(round(value, 5))
    return found


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {"machine": machine(), "cover": [], "dense": [], "variants": {}}
    for live in COVER_SIZES:
        figures["cover"].append(cost(cover(2 * live), live, live))
        print("coverage", figures["cover"][-1], flush=True)
    for live in DENSE_SIZES:
        figures["dense"].append(cost(dense(live), live, live // 4))
        print("dense", figures["dense"][-1], flush=True)
    for name, settings in VARIANTS.items():
        figures["variants"][name] = cost(cover(20_000), 10_000, 10_000, **settings)
        print(name, figures["variants"][name], flush=True)
    figures["course"] = course()
    return rounded(figures)


def rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [rounded(value) for value in figures]
    return float(f"{figures:.5g}") if isinstance(figures, float) else figures


def tidy(axes: Axes, title: str) -> None:
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=11)


def draw_costs(axes: Axes, rows: list[dict[str, float]], title: str) -> None:
    curves = {
        "greedy": ("greedy anew", GREEDY),
        "answer": ("a refined answer", PROVEN),
        "unrefined": ("an unrefined answer", FIRST),
        "update": ("an update", OURS),
    }
    live = [row["live"] for row in rows]
    last = -np.inf
    places = {}  # of the labels, moved apart
    for name in sorted(curves, key=lambda name: rows[-1][name]):
        last = max(last + 0.42, np.log(rows[-1][name]))
        places[name] = np.exp(last)
    for name, (label, colour) in curves.items():
        values = [row[name] for row in rows]
        axes.plot(live, values, "o-", color=colour, markersize=4, linewidth=2.4 if name == "update" else 1.4)
        axes.text(live[-1] * 1.12, places[name], label, color=colour, va="center", fontsize=9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(live, [f"{n:,}" for n in live])
    axes.minorticks_off()
    axes.set_xlabel("elements in the set")
    axes.set_ylabel("microseconds (CPU time, one thread)")
    tidy(axes, title)


def draw_course(axes: Axes, found: dict[str, list[float]]) -> None:
    curves = {
        "refined": ("refined answer, of greedy's value", OURS),
        "plain": ("unrefined answer, of greedy's value", FIRST),
        "certified": ("proven share of the optimum, with certificate=True", PROVEN),
        "proven": ("proven share of the optimum, at no cost", GREEDY),
    }
    for name, (label, colour) in curves.items():
        axes.plot(found["at"], found[name], color=colour, linewidth=2 if name == "refined" else 1.3, label=label)
    worst = (1 - EPS) / (2 * (1 + EPS))
    axes.axhline(worst, color="#444444", linewidth=1, linestyle="--", label="guaranteed, whatever happens")
    last = found["at"][-1]
    for begin, end, label in ((0.5, 0.6, "a burst\narrives"), (0.6, 0.7, "and\nleaves")):
        axes.axvspan(begin * last, end * last, color="#f3efe2" if begin == 0.5 else "#eaf1f4", zorder=0)
        axes.text((begin + end) / 2 * last, 0.06, label, ha="center", fontsize=9)
    axes.set_xlim(0, last)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("updates")
    axes.set_ylabel("share")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    tidy(axes, f"Quality while topics drift: up to {max(found['live']):,.0f} elements, k = {K}, eps = {EPS}")


def draw(figures: dict[str, Any]) -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "submodular", "font.family": "sans-serif", "font.size": 10}
    )
    picture = plt.figure(figsize=(13, 9))
    grid = picture.add_gridspec(2, 2, left=0.07, right=0.89, top=0.96, bottom=0.06, wspace=0.42, hspace=0.28)
    draw_costs(picture.add_subplot(grid[0, 0]), figures["cover"], f"Coverage (power law), k = {K}")
    draw_costs(picture.add_subplot(grid[0, 1]), figures["dense"], f"Dense facility location, k = {K}")
    below = picture.add_gridspec(2, 1, left=0.07, right=0.7, top=0.96, bottom=0.06, hspace=0.28)
    draw_course(picture.add_subplot(below[1, 0]), figures["course"])
    picture.savefig(FOLDER / "submodular.svg", metadata={"Date": None}, facecolor="white")


def number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def cost_table(figures: dict[str, Any]) -> str:
    rows = ["| objective | elements | an update | its oracle calls | unrefined answer | refined answer | greedy anew |"]
    rows.append("|---" * 7 + "|")
    for name, label in (("cover", "coverage"), ("dense", "dense facility location")):
        for row in figures[name]:
            values = [number(row[key]) for key in ("update", "calls", "unrefined", "answer", "greedy")]
            rows.append(f"| {label} | {row['live']:,} | " + " | ".join(values) + " |")
    note = f"Microseconds; k = {K}, eps = {EPS}, one thread, CPU time, {figures['machine']}."
    return "\n".join(rows) + f"\n\n{note}\n"


def variant_table(figures: dict[str, Any]) -> str:
    rows = [
        "| | an update | refined answer | unrefined / greedy | refined / greedy | proven | with certificate | bytes an element |",
        "|---" * 8 + "|",
    ]
    for name, row in figures["variants"].items():
        shares = [f"{row[key]:.1%}" for key in ("plain", "refined", "proven", "certified")]
        cells = [number(row["update"]), number(row["answer"]), *shares, number(row["bytes"])]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    note = (
        f"Coverage, 10,000 elements, k = {K}, eps = {EPS} by default: microseconds; the mean value of the answers as a share "
        "of greedy's; the share of\nthe optimum that is proven; memory without payload."
    )
    return "\n".join(rows) + f"\n\n{note}\n"


def put(page: str, mark: str, text: str) -> str:
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + text + match[2], page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="from the figures on file, without measuring")
    path = FOLDER / "submodular.json"
    if not parser.parse_args().draw:
        path.write_text(json.dumps(measure(), indent=1) + "\n")
    figures = json.loads(path.read_text())
    draw(figures)
    page = FOLDER / "submodular.md"
    tables = {"costs": cost_table(figures), "variants": variant_table(figures)}
    if page.exists():
        text = page.read_text()
        for mark, table in tables.items():
            text = put(text, mark, table)
        page.write_text(text)
    print(*tables.values(), sep="\n")


if __name__ == "__main__":
    main()
