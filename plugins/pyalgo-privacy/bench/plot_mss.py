"""The picture of the choice of moduli, and the reproduction of the paper's errors; both go into docs/mss.md.

    python plot_mss.py pareto     docs/mss_pareto.svg: error, bits and time of all plans that no other one beats
    python plot_mss.py tables     the tables of plans and of attacks
    python plot_mss.py study      the table of mean squared errors, 100 trials of 10,000 users each; about ten minutes

Run it where `pyalgo_privacy` is installed with matplotlib. Everything is seeded, so that a run gives the same table.
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import numpy as np
from pyalgo_privacy import MSS, SS, choose_moduli
from pyalgo_privacy.covariance import predicted_mse
from pyalgo_privacy.moduli import pick

DOCS = Path(__file__).parents[1] / "docs"
USERS, TRIALS = 10_000, 100
SIZES, EPSILONS = (1024, 22_000), (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


def zipf(k: int) -> np.ndarray:
    """Frequencies that fall as rank^-1.1."""
    freq = 1 / np.arange(1, k + 1) ** 1.1
    return freq / freq.sum()


def spike(k: int) -> np.ndarray:
    """One value that all users have."""
    freq = np.zeros(k)
    freq[k // 3] = 1.0
    return freq


def squared_error(oracle, freq: np.ndarray, seed: int) -> float:
    """Mean over values and trials."""
    rng, total = np.random.default_rng(seed), 0.0
    for _ in range(TRIALS):
        aggregator = oracle.aggregator()
        aggregator.update(oracle.randomize(rng.choice(len(freq), USERS, p=freq)))
        total += float(np.mean((aggregator.query().freq - freq) ** 2))
    return total / TRIALS


def study() -> str:
    rows = [
        "| k | eps | users | moduli | bits / SS | MSE / SS, predicted | MSE / SS, measured | MSE / trace | MSE / exact |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for k in SIZES:
        for eps in EPSILONS:
            moduli = pick(choose_moduli(k, eps), k).moduli
            plain, ours = SS(k, eps, seed=1), MSS(k, eps, moduli, seed=2)
            trace, plain_mean = predicted_mse(ours, USERS), plain.variance(1 / k, USERS)
            for shape in (zipf, spike):
                freq = shape(k)
                theirs, mine = squared_error(plain, freq, 3), squared_error(ours, freq, 4)
                exact = ours.variance(freq, USERS).mean()
                rows.append(
                    f"| {k} | {eps:g} | {shape.__name__} | {len(moduli)} | {ours.message_bits() / plain.message_bits():.3f} "
                    f"| {trace / plain_mean:.3f} | {mine / theirs:.3f} | {mine / trace:.3f} | {mine / exact:.3f} |"
                )
                print(rows[-1], flush=True)
    return "\n".join(rows)


def write_between(marker: str, text: str) -> None:
    """Put `text` between the comments <!-- marker --> and <!-- /marker --> of docs/mss.md."""
    path = DOCS / "mss.md"
    block = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    page, changed = block.subn(lambda match: f"{match[1]}{text}\n{match[2]}", path.read_text(encoding="utf-8"))
    if changed != 1:
        raise SystemExit(f"{path} has no comments <!-- {marker} --> and <!-- /{marker} -->")
    path.write_text(page, encoding="utf-8")


def pareto() -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "mss", "font.size": 9})
    from matplotlib import pyplot
    from matplotlib.colors import LogNorm

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for ax, k in zip(axes, SIZES, strict=True):
        plans, longest = choose_moduli(k, 1.0, target_ratio=math.inf), SS(k, 1.0).message_bits()
        x, y = [plan.bits / longest for plan in plans], [plan.ratio for plan in plans]
        milliseconds = [1000 * plan.seconds for plan in plans]
        dots = ax.scatter(x, y, c=milliseconds, s=14, norm=LogNorm(), cmap="viridis")
        figure.colorbar(dots, ax=ax, label="a query, ms (estimated)")
        best = pick([plan for plan in plans if plan.ratio <= 1.3], k)
        ax.plot(best.bits / longest, best.ratio, "r*", markersize=11, label=f"auto: {len(best.moduli)} moduli")
        ax.axhline(1.3, color="grey", linewidth=0.8, linestyle=":", label="target_ratio = 1.3")
        ax.plot(1, 1, "ks", markersize=5, label="subset selection")
        ax.set(title=f"k = {k}, eps = 1", xlabel="bits / those of subset selection", ylim=(0.95, 2.5), xlim=(0.2, 1.03))
        ax.legend(loc="upper right")
    axes[0].set_ylabel("mean squared error / that of subset selection")
    figure.savefig(DOCS / "mss_pareto.svg", metadata={"Date": None})


def choice() -> str:
    rows = [
        "| k | MSE / SS at most | moduli | bits / SS | MSE / SS | condition | a query, estimated |",
        "|---|---|---|---|---|---|---|",
    ]
    for k in SIZES:
        plans, longest = choose_moduli(k, 1.0, target_ratio=math.inf), SS(k, 1.0).message_bits()
        for most in (1.05, 1.1, 1.2, 1.3, 1.5):
            plan = pick([plan for plan in plans if plan.ratio <= most], k)
            rows.append(
                f"| {k} | {most} | {len(plan.moduli)} | {plan.bits / longest:.3f} | {plan.ratio:.3f} | {plan.kappa:.3g} "
                f"| {1000 * plan.seconds:.2g} ms |"
            )
    return "\n".join(rows)


def attack() -> str:
    rows = ["| k | eps | SS | MSS, best attacker | MSS, as printed in the paper |", "|---|---|---|---|---|"]
    for k in SIZES:
        for eps in (0.5, 1.0, 2.0, 4.0):
            ours = MSS(k, eps)
            rows.append(
                f"| {k} | {eps:g} | {SS(k, eps).attack_success():.3e} | {ours.attack_success():.3e} "
                f"| {ours.attack_success('paper'):.3e} |"
            )
    return "\n".join(rows)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pareto"]:
            pareto()
        case ["tables"]:
            write_between("choice", choice())
            write_between("attack", attack())
        case ["study"]:
            write_between("study", study())
        case _:
            raise SystemExit(__doc__)
