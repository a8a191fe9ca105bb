"""A hundred images to learn the digits from: chosen by facility location, against a hundred drawn at random.

1,200 of scikit-learn's digits arrive one after the other, unlabelled, and 300 of them are withdrawn again. What the
maximiser then holds as its answer is labelled, and classifiers learn from nothing else; so do they from as many images
drawn at random, 20 times. Both are tested on the 597 images that neither has seen.

    python examples/digits_coreset.py                       # needs scikit-learn
    python examples/digits_coreset.py --plot coreset.svg    # and matplotlib
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pyalgo.submodular import DynamicSubmodularMaximizer, FacilityLocation, SubmodularResult, greedy

CHOSEN, WITHDRAWN, DRAWS = 100, 300, 20
BANDWIDTH = 15.0  # of the similarity; images of one digit are about 36 apart (the median), of two about 50
CLASSIFIERS = {
    "nearest neighbour": KNeighborsClassifier(1),
    "logistic regression": make_pipeline(StandardScaler(with_std=False), LogisticRegression(C=0.01, max_iter=1000)),
}


def select(images: NDArray[Any], withdrawn: NDArray[np.int64]) -> tuple[SubmodularResult, float]:
    """The images that stand for all of them, after the insertion of all and the deletion of some; and greedy's value."""
    f = FacilityLocation.from_features(images, bandwidth=BANDWIDTH)
    maximiser = DynamicSubmodularMaximizer(f, CHOSEN, seed=0)
    maximiser.insert(np.arange(len(images)))
    maximiser.delete(withdrawn)
    return maximiser.query(certificate=True), greedy(f, maximiser.live_ids(), CHOSEN).value


def experiment() -> tuple[NDArray[Any], SubmodularResult, float, dict[str, tuple[float, NDArray[np.float64]]]]:
    """The images to choose from, the answer, greedy's value, and by classifier the accuracies: chosen, and of each draw."""
    images, digits = load_digits(return_X_y=True)
    images, unseen, digits, truth = train_test_split(images, digits, train_size=1200, stratify=digits, random_state=0)
    random = np.random.default_rng(0)
    withdrawn = np.sort(random.choice(len(images), WITHDRAWN, replace=False))
    answer, best = select(images, withdrawn)
    live = np.setdiff1d(np.arange(len(images)), withdrawn)
    draws = [random.choice(live, CHOSEN, replace=False) for _ in range(DRAWS)]
    accuracies = {}
    for name, classifier in CLASSIFIERS.items():
        chosen, *drawn = (classifier.fit(images[i], digits[i]).score(unseen, truth) for i in [answer.ids, *draws])
        accuracies[name] = (chosen, np.array(drawn))
    return images, answer, best, accuracies


def draw(path: str, images: NDArray[Any], answer: SubmodularResult, accuracies: dict[str, Any]) -> None:
    """The images chosen, the first of them first, and how well they teach."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), width_ratios=[1, 1.25])
    tiles = np.zeros((CHOSEN, 9, 9))
    tiles[: len(answer.ids), :8, :8] = images[answer.ids].reshape(-1, 8, 8)
    left.imshow(tiles.reshape(10, 10, 9, 9).transpose(0, 2, 1, 3).reshape(90, 90)[:-1, :-1], cmap="gray_r")
    left.set_axis_off()
    left.set_title(f"The {len(answer.ids)} images chosen", fontsize=11)
    for at, (chosen, drawn) in enumerate(accuracies.values()):
        spread = at + np.linspace(-0.12, 0.12, len(drawn))
        right.plot(100 * drawn, spread, "o", color="#8a8a8a", label=f"{len(drawn)} random draws" if at == 0 else None)
        right.plot(100 * chosen, at, "D", color="#0b6e99", markersize=10, label="chosen" if at == 0 else None)
    right.set_yticks(range(len(accuracies)), list(accuracies))
    right.set_ylim(len(accuracies) - 0.5, -0.5)
    right.set_xlabel("accuracy on images not seen, %")
    right.grid(axis="x", color="#e6e6e6")
    right.set_axisbelow(True)
    right.spines[["top", "right"]].set_visible(False)
    right.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg, .png or .pdf")
    arguments = parser.parse_args()
    images, answer, best, accuracies = experiment()
    print(f"{len(answer.ids)} of {len(images) - WITHDRAWN} images chosen, none of the {WITHDRAWN} withdrawn.")
    print(f"f(chosen) = {answer.value:.2f}: {answer.value / best:.1%} of what greedy reaches on all images at hand,")
    print(f"and at least {answer.ratio_lower_bound:.0%} of the best possible, proven.\n")
    print(f"{'accuracy':<20}  chosen   random: mean   worst    best   draws that do better")
    for name, (chosen, drawn) in accuracies.items():
        better = int((drawn > chosen).sum())
        print(
            f"{name:<20}  {chosen:6.1%}   {drawn.mean():12.1%}  {drawn.min():6.1%}  {drawn.max():6.1%}"
            f"   {better:>2} of {len(drawn)}"
        )
    if arguments.plot:
        draw(arguments.plot, images, answer, accuracies)


if __name__ == "__main__":
    main()
