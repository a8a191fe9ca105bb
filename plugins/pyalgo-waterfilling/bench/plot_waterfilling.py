"""Draws docs/*.svg of this pack: water over carriers, convergence against the predicted rates, and speed.

``python bench/plot_waterfilling.py`` from the pack's folder (the repository's bench/ on PYTHONPATH) writes docs/figures.json,
draws, and puts the table of figures between the marks of README.md; ``--draw`` draws what was measured before.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from pyalgo_waterfilling.game import Asynchrony, InterferenceGame
from pyalgo_waterfilling.operator import waterfill

matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "pyalgo"})
PACK = Path(__file__).parents[1]
DOCS = PACK / "docs"
WATER, GROUND, RED, GREEN, GREY = "#5aa9d6", "#c9b79c", "#d1495b", "#3a7d44", "#8a8a8a"
SIZES = [64, 256, 1024, 10_000, 100_000]


def tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(DOCS / name, metadata={"Date": None})
    plt.close(figure)


# --- Water over carriers


def draw_water() -> None:
    """Two users of a game: what each meets on its carriers, and how high its water stands."""
    rng = np.random.default_rng(4)
    n, k = 24, np.arange(24)
    gains = np.empty((2, 2, n))
    for i in range(2):
        gains[i, i] = 1.1 + np.sin(2 * np.pi * (k / n + 0.45 * i)) * 0.7 + 0.1 * rng.random(n)
        gains[i, 1 - i] = 0.12 * rng.exponential(size=n)
    game = InterferenceGame(gains, np.full((2, n), 0.35), np.array([8.0, 8.0]))
    result = game.solve()
    heard = game.interference(result.power)
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
    for i, plot in enumerate(axes):
        own = game.links.noise[i]
        plot.bar(k, own, width=1, color=GROUND, label="noise over gain")
        plot.bar(k, heard[i], bottom=own, width=1, color=RED, alpha=0.55, label="interference over gain")
        plot.bar(k, result.power[i], bottom=own + heard[i], width=1, color=WATER, label="power")
        plot.axhline(result.level[i], color="#1b4f72", linewidth=1, linestyle="--")
        plot.text(
            n - 0.6, result.level[i] + 0.02, f"level {result.level[i]:.2f}", ha="right", va="bottom", color="#1b4f72"
        )
        plot.set(xlabel="carrier", xlim=(-0.5, n - 0.5), ylim=(0, 1.6))
        plot.set_title(f"user {i + 1}: {result.rates[i]:.1f} bits per symbol", fontsize=10)
        tidy(plot)
    axes[0].set_ylabel("power, over the own gain")
    axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    save(figure, "water.svg")


# --- Convergence


def symmetric(rho: float, q: int = 6, n: int = 32) -> InterferenceGame:
    rng = np.random.default_rng(0)
    s = rng.random((q, q))
    s = s + s.T
    np.fill_diagonal(s, 0)
    s *= rho / np.abs(np.linalg.eigvals(s)).max()
    np.fill_diagonal(s, 1)
    return InterferenceGame(np.repeat(s[:, :, None], n, 2), rng.uniform(0.1, 1, (q, n)), np.full(q, 10.0))


def rayleigh(q: int = 8, n: int = 64) -> InterferenceGame:
    rng = np.random.default_rng(0)
    gains = rng.exponential(size=(q, q, n)) * 0.02
    gains[np.arange(q), np.arange(q)] = np.maximum(rng.exponential(size=(q, n)), 0.05)
    return InterferenceGame(gains, rng.uniform(0.1, 1, (q, n)), np.full(q, 10.0))


def error(game: InterferenceGame, schedule: str, weights: Any, **options: Any) -> tuple[Any, Any]:
    exact = game.solve("sequential", tol=1e-13, max_iter=500).power
    run = game.solve(schedule, tol=1e-11, record=True, **options)
    e = np.linalg.norm(run.history.power - exact, axis=2) / weights
    return e.max(axis=1), run


def draw_convergence() -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
    game = symmetric(0.7)
    c = game.certificate()
    clocks = Asynchrony(delays=4, update_prob=0.6)
    for schedule, colour, options in (
        ("simultaneous", "#0b6e99", {}),
        ("sequential", GREEN, {}),
        ("asynchronous", RED, {"asynchrony": clocks}),
    ):
        e, run = error(game, schedule, c.perron, **options)
        steps = np.arange(len(e))
        left.semilogy(steps, np.maximum(e, 1e-12), color=colour, label=schedule, linewidth=1.8)
        bound = e[0] * c.rate**steps
        if schedule == "sequential":
            bound = e[0] * c.sequential_rho**steps
        if schedule == "asynchronous":
            bound = e[0] * c.rate ** np.concatenate([[0], run.history.macro_cycles])
        left.semilogy(steps, bound, "--", color=colour, linewidth=0.9)
    left.set(xlabel="step", ylabel="error, weighted by Perron's vector", ylim=(1e-11, 1e2), xlim=(0, 110))
    left.set_title(f"flat channels, rho(S) = {c.rho_upper:.2f}: error, and its bound (dashed)", fontsize=10)
    faded = rayleigh()
    c = faded.certificate()
    for schedule, colour in (("simultaneous", "#0b6e99"), ("sequential", GREEN)):
        e, run = error(faded, schedule, 1.0)
        right.semilogy(np.arange(len(e)), np.maximum(e, 1e-12), color=colour, label=schedule, linewidth=1.8)
    rate = faded.local_rate(run.power)
    steps = np.arange(20)
    right.semilogy(steps, e[0] * rate**steps, ":", color=GREY, label=f"local rate {rate:.2f}")
    right.set(xlabel="step", xlim=(0, 20))
    right.set_title(f"Rayleigh fading, rho(S) = {c.rho_upper:.1f}: no certificate, and no trouble", fontsize=10)
    for plot in (left, right):
        plot.legend(frameon=False, fontsize=9)
        plot.grid(color="#ececec")
        tidy(plot)
    save(figure, "convergence.svg")


# --- Speed


def measure() -> dict[str, Any]:
    """Million carriers a second, the best of seven calls in turn."""
    from gate import laps
    from waterfilling_peers import POWER, by_brentq, by_hand, by_numpy, by_std_sort, noise

    found: dict[str, Any] = {"sizes": SIZES}
    for n in SIZES:
        a = noise(n, max(2, 32_768 // n))
        out, levels, counts = np.empty_like(a), np.zeros(len(a)), np.arange(1.0, n + 1)
        changed = a * (1 + 0.02 * np.random.default_rng(1).normal(size=a.shape))
        start, few = waterfill(a, POWER).level, a[: max(1, 2000 // n)].copy()
        works = {
            "cold": (lambda a=a, out=out: waterfill(a, POWER, out=out), a.size),
            "warm start": (lambda a=changed, out=out, start=start: waterfill(a, POWER, level0=start, out=out), a.size),
            "C++, AVX2 by hand": (lambda a=a, out=out, levels=levels: by_hand(a, out, levels), a.size),
            "C++, std::sort": (lambda a=a, out=out, levels=levels: by_std_sort(a, out, levels), a.size),
            "numpy": (lambda a=a, counts=counts: by_numpy(a, counts), a.size),
            "scipy, brentq": (lambda a=few: by_brentq(a), few.size),
        }
        repeat = max(1, 200_000 // (2 * a.size))
        seconds = laps([lambda w=w, r=repeat: [w() for _ in range(r)] for w, _ in works.values()], rounds=7).min(axis=0)
        for (name, (_, size)), t in zip(works.items(), seconds, strict=True):
            found.setdefault(name, []).append(round(size * repeat / t / 1e6, 1))
    return found


def draw_speed(found: dict[str, Any]) -> None:
    figure, plot = plt.subplots(figsize=(7.5, 4.2))
    colours = ["#0b6e99", WATER, GREY, "#b8860b", RED, "#7b5ea7"]
    for (name, rates), colour in zip(list(found.items())[1:], colours, strict=True):
        plot.loglog(found["sizes"], rates, "o-", color=colour, linewidth=1.8, markersize=4, label=name)
    plot.set(xlabel="carriers", ylabel="million carriers a second, one thread")
    plot.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    plot.grid(color="#ececec")
    tidy(plot)
    save(figure, "speed.svg")


def table(found: dict[str, Any]) -> str:
    names = list(found)[1:]
    lines = ["| million carriers a second | " + " | ".join(f"N = {n:,}" for n in found["sizes"]) + " |"]
    lines.append("|---" * (1 + len(found["sizes"])) + "|")
    for name in names:
        label = f"**{name}**" if name in ("cold", "warm start") else name
        lines.append(
            f"| {label} | "
            + " | ".join(f"{rate:,.3g}" if rate < 100 else f"{rate:,.0f}" for rate in found[name])
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="draw from docs/figures.json")
    DOCS.mkdir(exist_ok=True)
    path = DOCS / "figures.json"
    if not parser.parse_args().draw:
        path.write_text(json.dumps(measure(), indent=1) + "\n")
    found = json.loads(path.read_text())
    draw_water()
    draw_convergence()
    draw_speed(found)
    readme = PACK / "README.md"
    text = re.sub(
        r"(<!-- figures -->\n).*?(<!-- /figures -->)",
        lambda m: f"{m[1]}{table(found)}\n{m[2]}",
        readme.read_text(),
        flags=re.S,
    )
    readme.write_text(text)


if __name__ == "__main__":
    main()
