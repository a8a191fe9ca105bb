"""Exemplars of scikit-learn's digits: the 12 images that are most like all the others (facility location).

An image serves the 30 images nearest to it, as well as it resembles them. All 1,797 images arrive; then ten of them are
deleted, the first of each digit.

Run as a script it prints the same rows as JSON lines, for a pipe:

    python -m examples.digits_exemplars | pyalgo run --algorithm submodular \\
        --set objective.name=facility_location --set k=12 --source - --query-every 500
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors


def updates() -> Iterator[dict[str, Any]]:
    """Insertions and deletions, one a row."""
    images, digits = load_digits(return_X_y=True)
    distances, neighbours = NearestNeighbors(n_neighbors=30).fit(images).kneighbors(images)
    similarities = np.round(np.exp(-((distances / 25.0) ** 2)), 6)  # two images of one digit are about 25 apart
    for i in range(len(images)):
        yield {"op": 1, "id": i, "neighbours": neighbours[i].tolist(), "similarities": similarities[i].tolist()}
    for digit in range(10):
        yield {"op": -1, "id": int(np.flatnonzero(digits == digit)[0])}


if __name__ == "__main__":
    for row in updates():
        json.dump(row, sys.stdout)
        print()
