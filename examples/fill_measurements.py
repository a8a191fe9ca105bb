"""Gaps in 30 measurements of 569 biopsies, filled in: by low rank, by like biopsies, by the means of the columns.

scikit-learn's breast cancer data: an instrument measured ten properties of all cell nuclei in an image, and gave the mean,
the standard error and the worst of each, three panels of ten. Here every panel was lost for a sixth of the biopsies, and
of what is left every tenth number. All of it is known, so that we can tell how far off each way of filling is: in
standard deviations of the column, after a power transform, as measurements that cannot be below 0 are skewed. The
low-rank model says itself how far off it may be, number by number.

    python examples/fill_measurements.py                     # needs scikit-learn
    python examples/fill_measurements.py --plot gaps.svg     # and matplotlib
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.impute import KNNImputer
from sklearn.preprocessing import PowerTransformer

from pyalgo.completion import MatrixCompletion

WIDTH_OF_90 = 1.645  # standard deviations to either side


def measurements(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """The truth, and what is lost of it: with whole panels, and single numbers."""
    raw = load_breast_cancer().data
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(raw))
    panels = np.zeros(raw.shape, bool)
    for panel in range(3):  # of no biopsy more than one
        panels[order[panel::6], 10 * panel : 10 * panel + 10] = True
    singles = ~panels & (rng.random(raw.shape) < 0.1)
    scale = PowerTransformer().fit(np.where(panels | singles, np.nan, raw))  # knows only what is left
    return scale.transform(raw), panels, singles


def fill() -> tuple[dict[str, NDArray[np.float64]], MatrixCompletion, tuple[NDArray[Any], ...]]:
    """The matrix as each method fills it, the model, and the truth with its gaps."""
    truth, panels, singles = measurements()
    seen = np.where(panels | singles, np.nan, truth)
    model = MatrixCompletion("auto", reg="auto", validation=0.1, tol=1e-4).fit(seen)
    filled = {
        "means of the columns": np.where(np.isnan(seen), np.nanmean(seen, axis=0), seen),
        "ten like biopsies": KNNImputer(n_neighbors=10).fit_transform(seen),
        "low rank": model.complete(),
    }
    return filled, model, (truth, panels, singles)


def rmse(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def draw(path: str, predicted: NDArray[Any], spread: NDArray[Any], truth: NDArray[Any]) -> None:
    """What was lost against what was filled in, with the 90 % intervals, for one number in fifteen."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 6))
    some = slice(None, None, 15)
    inside = np.abs(predicted - truth) <= WIDTH_OF_90 * spread
    for which, colour, label in ((inside, "#0b6e99", "inside its interval"), (~inside, "#d1495b", "outside")):
        at = np.flatnonzero(which)[some]
        bars = WIDTH_OF_90 * spread[at]
        axes.errorbar(truth[at], predicted[at], bars, fmt="o", ms=2.5, lw=0.5, color=colour, label=label)
    axes.axline((0, 0), slope=1, color="#444444", linewidth=1)
    axes.set(xlabel="what was measured (standard deviations)", ylabel="what is filled in, with 90 % intervals")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg, .png or .pdf")
    arguments = parser.parse_args()
    filled, model, (truth, panels, singles) = fill()
    print(f"{truth.shape[0]} biopsies x {truth.shape[1]} measurements, {np.mean(panels | singles):.0%} of them lost.")
    print(f"Chosen on held-out numbers: rank {model.rank_}, reg {model.reg_:.3g}.\n")
    print(f"{'RMSE, standard deviations':<26}  single numbers   whole panels")
    for name, matrix in filled.items():
        errors = matrix - truth
        print(f"{name:<26}  {rmse(errors[singles]):14.3f}   {rmse(errors[panels]):12.3f}")
    print()
    for name, lost in (("single numbers", singles), ("whole panels", panels)):
        predicted, spread = model.predict(*np.nonzero(lost), return_std=True)
        inside = np.abs(predicted - truth[lost]) <= WIDTH_OF_90 * spread
        print(f"{name}: {inside.mean():.1%} of {lost.sum():,} within their 90 % interval")
    if arguments.plot:
        lost = panels | singles
        draw(arguments.plot, *model.predict(*np.nonzero(lost), return_std=True), truth[lost])


if __name__ == "__main__":
    main()
