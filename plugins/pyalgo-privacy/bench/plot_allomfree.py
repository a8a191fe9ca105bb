"""Draws docs/allomfree.svg, and writes the tables of docs/allomfree.md: where published formulas are wrong, and the gains.

``python bench/plot_allomfree.py`` measures for a minute and writes the figures to docs/allomfree.json; ``--draw`` does the
rest from that file. Every formula stands beside what enumeration or simulation gives.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from allomfree_study import EPS_PERM, PUBLISHED, RATIOS, coverage, gains, supports
from matplotlib.axes import Axes
from numpy.typing import NDArray
from pyalgo_privacy import LongitudinalOracle

DOCS = Path(__file__).parents[1] / "docs"
OURS, THEIRS, SUE, OUE = "#0b6e99", "#d1495b", "#3a7d44", "#b8860b"


def loss(rows: NDArray[Any]) -> float:
    """The largest log ratio of an output's probabilities under two of the rows."""
    return float(np.log(rows.max(axis=0) / rows.min(axis=0)).max())


def grr(k: int, p: float) -> NDArray[Any]:
    return np.full((k, k), (1 - p) / (k - 1)) + np.eye(k) * (p - (1 - p) / (k - 1))


def calibrations() -> list[dict[str, Any]]:
    """Equations 12 and 13: the budget of a report by the product of the two rounds' matrices, and the variance for n = 10000."""
    rows = []
    for k, eps_perm, eps_first in [
        (2, 1.0, 0.5),
        (3, 0.5, 0.3),
        (8, 1.0, 0.5),
        (32, 1.0, 0.5),
        (1024, 1.0, 0.5),
        (32, 4.0, 2.4),
    ]:
        row: dict[str, Any] = {"k": k, "eps_perm": eps_perm, "eps_first": eps_first}
        for calibration in ("paper", "exact"):
            oracle = LongitudinalOracle(k, eps_perm, eps_first, "L-GRR", calibration)
            p1, _, p2, _ = oracle.probabilities
            row[calibration] = {"eps": loss(grr(k, p1) @ grr(k, p2)), "variance": oracle.variance(0, 10_000)}
        rows.append(row)
    return rows


def equation_10(oracle: LongitudinalOracle, f: float, n: int) -> float:
    p1, q1, p2, q2 = oracle.probabilities
    g = f * (2 * p1 * p2 - 2 * p1 * q2 + 2 * q2 - 1) + p2 * q1 + q2 * (1 - q1)
    return g * (1 - g) / (n * (p1 - q1) ** 2 * (p2 - q2) ** 2)


def variances(trials: int = 100_000, n: int = 2000) -> list[dict[str, float]]:
    """Equation 10: k = 5, eps_perm = 2, eps_first = 1; simulated users, `trials` times n of them."""
    oracle, share = LongitudinalOracle(5, 2.0, 1.0, "L-GRR"), np.array([0.5, 0.2, 0.2, 0.05, 0.05])
    rng = np.random.default_rng(0)
    counts = supports(oracle, rng.multinomial(n, share, trials), trials, rng)
    simulated = ((counts / n - oracle.q) / (oracle.p - oracle.q)).var(axis=0)
    return [
        {"f": f, "simulated": found, "ours": oracle.variance(f, n), "published": equation_10(oracle, f, n)}
        for f, found in zip(share[[0, 1, 3]].tolist(), simulated[[0, 1, 3]].tolist(), strict=True)
    ]


def equation_16(eps_perm: float, eps_first: float, t: int) -> float:
    return math.log((math.exp(eps_perm + t * eps_first) + 1) / (math.exp(eps_perm) + math.exp(t * eps_first)))


def enumerated(oracle: LongitudinalOracle, t: int) -> float:
    """The loss over all sequences of t reports; memos of unary encoding are pairs of bits, in which two values differ."""
    p1, q1, p2, q2 = oracle.probabilities
    if oracle.protocol == "L-GRR":
        first, second = grr(oracle.k, p1), grr(oracle.k, p2)
    else:
        bits = list(product((0, 1), repeat=2))
        first = np.array(
            [[abs(1 - a - p1) * abs(1 - b - q1) for a, b in bits], [abs(1 - a - q1) * abs(1 - b - p1) for a, b in bits]]
        )
        again = np.array([[1 - q2, q2], [1 - p2, p2]])
        second = np.kron(again, again)
    sequences = second
    for _ in range(t - 1):
        sequences = (sequences[:, :, np.newaxis] * second[:, np.newaxis, :]).reshape(len(second), -1)
    return loss(first @ sequences)


def losses(eps_perm: float = 2.0, eps_first: float = 1.0) -> list[dict[str, Any]]:
    """Equation 16, against the closed form and enumeration."""
    kinds = {"L-GRR, k = 2": ("L-GRR", 2, 10), "L-GRR, k = 4": ("L-GRR", 4, 7), "L-OSUE": ("L-OSUE", 9, 6)}
    rows = []
    for t in (1, 2, 3, 5, 10):
        row: dict[str, Any] = {"t": t, "published": equation_16(eps_perm, eps_first, t)}
        for name, (protocol, k, most) in kinds.items():
            oracle = LongitudinalOracle(k, eps_perm, eps_first, protocol)
            row[name] = {"ours": oracle.privacy_after(t), "enumerated": enumerated(oracle, t) if t <= most else None}
        rows.append(row)
    return rows


def changes(eps_perm: float = 2.0, eps_first: float = 1.0) -> list[dict[str, Any]]:
    """k = 2: t reports of one value and t of the other, against the opposite, and against 2 t reports of one value."""
    p1, q1, p2, q2 = LongitudinalOracle(2, eps_perm, eps_first, "L-GRR").probabilities
    rows = []
    for t in (1, 2, 3, 5, 10, 20):
        ones = np.arange(t + 1)
        like = np.array([p2**ones * q2 ** (t - ones), q2**ones * p2 ** (t - ones)])  # of a report sequence, by its memo
        after = np.array([p1 * like[0] + q1 * like[1], q1 * like[0] + p1 * like[1]])  # by the value
        constant = p1 * np.outer(like[0], like[0]) + q1 * np.outer(like[1], like[1])
        there, back = np.outer(after[0], after[1]), np.outer(after[1], after[0])
        rows.append({"t": t, "same": loss(np.array([there, back])), "changed": loss(np.array([constant, there]))})
    return rows


def intervals() -> list[dict[str, Any]]:
    cases = [(2, 2.0, 1.0, 10_000), (5, 2.0, 1.0, 1_000), (5, 2.0, 1.0, 10_000), (40, 2.0, 1.0, 10_000)]
    cases += [(20, 4.0, 3.0, 10_000), (100, 4.0, 3.0, 10_000), (1000, 4.0, 3.0, 10_000), (100, 8.0, 6.0, 1_000)]
    return [coverage(*case, trials=20_000 if case[0] < 1000 else 2_000) for case in cases]


def measure() -> dict[str, Any]:
    return {
        "calibrations": calibrations(),
        "variances": variances(),
        "losses": losses(),
        "changes": changes(),
        "intervals": intervals(),
        "clipped": gains(100, "clip-normalize"),
        "raw": gains(2000, None),
        "by k": [
            {
                "k": k,
                **{
                    name: LongitudinalOracle(k, 2.0, 1.0, protocol, calibration).variance(0, 10_000)
                    for name, protocol, calibration in (
                        ("published L-GRR", "L-GRR", "paper"),
                        ("exact L-GRR", "L-GRR", "exact"),
                        ("L-OSUE", "L-OSUE", "exact"),
                    )
                },
            }
            for k in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
        ],
    }


def rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [rounded(value) for value in figures]
    return float(f"{figures:.6g}") if isinstance(figures, float) else figures


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def tables(figures: dict[str, Any]) -> dict[str, str]:
    """The page's tables, by their marks."""
    makers = {
        "calibrations": table_of_calibrations,
        "variances": table_of_variances,
        "losses": table_of_losses,
        "changes": table_of_changes,
        "intervals": table_of_intervals,
        "gains": table_of_gains,
    }
    return {mark: table(*make(figures)) for mark, make in makers.items()}


Cells = tuple[list[str], list[list[str]]]  # the head, and the rows


def table_of_calibrations(figures: dict[str, Any]) -> Cells:
    head = ["k", "eps_perm", "eps_first", "its eps really is", "variance", "exact: eps", "variance", "wasted"]
    rows = []
    for row in figures["calibrations"]:
        paper, exact = row["paper"], row["exact"]
        cells = [str(row["k"]), f"{row['eps_perm']:g}", f"{row['eps_first']:g}"]
        for way in (paper, exact):
            cells += [f"{way['eps']:.3f}", f"{way['variance']:.4g}"]
        rows.append([*cells, f"{paper['variance'] / exact['variance']:,.1f}x"])
    return head, rows


def table_of_variances(figures: dict[str, Any]) -> Cells:
    return ["frequency", "simulated", "`variance(f, n)`", "Eq. 10"], [
        [f"{row['f']:g}", *(f"{row[of]:.6f}" for of in ("simulated", "ours", "published"))]
        for row in figures["variances"]
    ]


def table_of_losses(figures: dict[str, Any]) -> Cells:
    kinds = [name for name in figures["losses"][0] if name not in ("t", "published")]
    head = ["reports", "Eq. 16", *(cell for name in kinds for cell in (f"{name}: `privacy_after`", "enumerated"))]
    rows = []
    for row in figures["losses"]:
        found = [row[name][of] for name in kinds for of in ("ours", "enumerated")]
        cells = ["" if value is None else f"{value:.4f}" for value in found]
        rows.append([str(row["t"]), f"{row['published']:.4f}", *cells])
    return head, rows


def table_of_changes(figures: dict[str, Any]) -> Cells:
    head = [
        "reports of each value",
        "two histories that change at the same time",
        "one that changes, one that does not",
    ]
    return head, [[str(row["t"]), f"{row['same']:.3f}", f"{row['changed']:.3f}"] for row in figures["changes"]]


def table_of_intervals(figures: dict[str, Any]) -> Cells:
    rows = []
    for row in figures["intervals"]:
        held = [f"{100 * row[of]:.1f} %" for of in ("mean", "worst")]
        rows.append([str(row["k"]), row["protocol"], f"{row['eps_first']:g}", f"{row['n']:,}", *held])
    return ["k", "protocol", "eps_first", "reports", "held", "of the worst value"], rows


def table_of_gains(figures: dict[str, Any]) -> Cells:
    head = ["eps_first / eps_perm", "eps_perm"]
    for peer in ("L-SUE", "L-OUE"):
        head += [f"over {peer}: published", "its calibration, here", "exact", "exact, unclipped (predicted)"]
    rows = []
    for ratio, eps_perm in product(RATIOS, (0.5, 1.0, 2.0, 3.0, 4.0)):
        at, published = EPS_PERM.index(eps_perm), PUBLISHED.get((ratio, eps_perm))
        cells = [f"{ratio}", f"{eps_perm:g}"]
        for peer_at, peer in enumerate(("L-SUE", "L-OUE")):
            clipped = [figures["clipped"][f"{way}/{ratio}/{peer}"]["measured"][at] for way in ("paper", "exact")]
            raw = figures["raw"][f"exact/{ratio}/{peer}"]
            cells += [f"{published[peer_at]:.1f}" if published else "", *(f"{gain:.1f}" for gain in clipped)]
            cells.append(f"{raw['measured'][at]:.1f} ({raw['predicted'][at]:.1f})")
        rows.append(cells)
    return head, rows


def tidy(axes: Axes, title: str) -> None:
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=11)


def draw_variances(axes: Axes, rows: list[dict[str, float]]) -> None:
    colours = {"published L-GRR": THEIRS, "exact L-GRR": OURS, "L-OSUE": SUE}
    k = [row["k"] for row in rows]
    for name, colour in colours.items():
        axes.plot(k, [row[name] for row in rows], "o-", color=colour, markersize=3.5, linewidth=1.4)
    places = {
        "published L-GRR": (14, 3e-3, "right"),
        "exact L-GRR": (60, 1.5e-3, "left"),
        "L-OSUE": (60, 2.4e-4, "left"),
    }
    for name, (x, y, side) in places.items():
        axes.text(x, y, name, color=colours[name], ha=side)
    axes.set(xscale="log", yscale="log", xlabel="values k", ylabel="variance at f = 0, 10,000 reports")
    axes.set_xticks([2, 4, 8, 16, 32, 64, 128], ["2", "4", "8", "16", "32", "64", "128"])
    axes.minorticks_off()
    tidy(axes, "eps_perm 2, eps_first 1")


def draw_losses(axes: Axes, rows: list[dict[str, Any]]) -> None:
    t = np.arange(1, 11)
    oracle = LongitudinalOracle(4, 2.0, 1.0, "L-GRR")
    axes.axhline(2, color="#bbbbbb", linewidth=0.9)
    axes.text(10, 2.015, "eps_perm", color="#777777", ha="right", fontsize=9)
    exact = [(row["t"], row["L-GRR, k = 4"]["enumerated"]) for row in rows]
    found = [(t, value) for t, value in exact if value is not None]
    axes.plot(*zip(*found, strict=True), "s", color=OURS, markersize=6, fillstyle="none", label="by enumeration")
    axes.plot(t, [oracle.privacy_after(int(i)) for i in t], "-", color=OURS, linewidth=1.4, label="privacy_after(t)")
    published = [equation_16(2.0, 1.0, int(i)) for i in t]
    axes.plot(t, published, "o-", color=THEIRS, markersize=3.5, linewidth=1.4, label="Eq. 16")
    axes.legend(frameon=False, loc="center right")
    axes.set(xlabel="reports of one value", ylabel="budget taken", ylim=(0.6, 2.15))
    axes.set_xticks(t)
    tidy(axes, "L-GRR, k = 4, eps_perm 2, eps_first 1")


def draw_gains(axes: Axes, figures: dict[str, Any]) -> None:
    for peer_at, (peer, colour) in enumerate({"L-SUE": SUE, "L-OUE": OUE}.items()):
        for way, style in (("exact", "-"), ("paper", "--")):
            axes.plot(EPS_PERM, figures["clipped"][f"{way}/0.6/{peer}"]["measured"], style, color=colour, linewidth=1.5)
        marks = [(eps, both[peer_at]) for (ratio, eps), both in PUBLISHED.items() if ratio == 0.6]
        axes.plot(*zip(*marks, strict=True), "D", color=colour, markersize=6)
        axes.text(
            4.08, figures["clipped"][f"exact/0.6/{peer}"]["measured"][-1], f"over {peer}", color=colour, va="center"
        )
    axes.set(
        xlabel="eps_perm (eps_first is 0.6 of it)", ylabel="per cent of the error saved", xlim=(0.4, 5.0), ylim=(0, 80)
    )
    axes.set_xticks([0.5, 1, 2, 3, 4])
    axes.text(
        1.7,
        4,
        "solid: exact calibration\ndashed: the published one\ndiamonds: as published",
        fontsize=9,
        color="#555555",
    )
    tidy(axes, "ALLOMFREE on Nursery, clipped and normalised")


def draw(figures: dict[str, Any]) -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "allomfree", "font.family": "sans-serif", "font.size": 10}
    )
    picture, (left, middle, right) = plt.subplots(1, 3, figsize=(16, 4.8))
    draw_variances(left, figures["by k"])
    draw_losses(middle, figures["losses"])
    draw_gains(right, figures)
    picture.subplots_adjust(left=0.05, right=0.99, top=0.92, bottom=0.11, wspace=0.2)
    picture.savefig(DOCS / "allomfree.svg", metadata={"Date": None}, facecolor="white")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="from the figures on file, without measuring")
    path = DOCS / "allomfree.json"
    if not parser.parse_args().draw:
        path.write_text(json.dumps(rounded(measure()), indent=1) + "\n")
    figures = json.loads(path.read_text())
    draw(figures)
    page = DOCS / "allomfree.md"
    text = page.read_text()
    for mark, rows in tables(figures).items():
        marked = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
        text = marked.sub(lambda match, rows=rows: match[1] + rows + match[2], text)
        print(rows)
    page.write_text(text)


if __name__ == "__main__":
    main()
