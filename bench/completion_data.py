"""The matrices on which completion is measured: low rank with uniform cells, ratings, and MovieLens where a user has it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Cells(NamedTuple):
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    values: NDArray[np.float64]

    def part(self, which: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Cells:
        return Cells(self.rows[which], self.cols[which], self.values[which])


class Split(NamedTuple):
    """An m x n matrix: cells to learn from, and others to predict."""

    shape: tuple[int, int]
    train: Cells
    test: Cells


def distinct(rng: np.random.Generator, m: int, n: int, count: int, row_weights=None, col_weights=None):
    """Rows and columns of `count` different cells in random order: uniform, or in proportion to a row's and a column's weight."""
    found = np.empty(0, np.int64)
    while len(found) < count:
        more = count - len(found) + count // 10 + 10
        if row_weights is None:
            drawn = rng.integers(m * n, size=more)
        else:
            drawn = n * rng.choice(m, more, p=row_weights) + rng.choice(n, more, p=col_weights)
        found = np.sort(np.concatenate([found, drawn]))  # np.unique would take 70 times as long
        found = found[np.concatenate([[True], found[1:] != found[:-1]])]
    chosen = rng.permutation(found)[:count]
    return chosen // n, chosen % n


def low_rank(
    m: int = 10_000, n: int = 8_000, count: int = 2_000_000, *, rank: int = 10, noise: float = 0.0, seed: int = 0
) -> Split:
    """Uniform cells of a Gaussian matrix of low rank with entries of variance 1, `noise` on those to learn from.

    Held out is a twentieth as many again. By default the set of the exact recovery: 2M cells, rank 10, no noise.
    """
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(m, rank)) / np.sqrt(rank), rng.normal(size=(n, rank))
    rows, cols = distinct(rng, m, n, count + count // 20)
    values = np.einsum("ij,ij->i", u[rows], v[cols])
    values[:count] += noise * rng.normal(size=count)
    cells = Cells(rows, cols, values)
    return Split((m, n), cells.part(slice(count)), cells.part(slice(count, None)))


def ratings(
    m: int = 1_000, n: int = 1_700, count: int = 80_000, *, rank: int = 10, noise: float = 0.9, seed: int = 0
) -> Split:
    """Synthetic ratings 1..5: power laws of how many a user gives and a film gets, biases, rank 10, noise, rounding.

    Held out is a quarter as many again, drawn alike. The sizes by default are those of MovieLens-100K.
    """
    rng = np.random.default_rng(seed)
    row_weights = rng.permutation((np.arange(m) + 20.0) ** -0.8)
    col_weights = rng.permutation((np.arange(n) + 40.0) ** -1.2)
    rows, cols = distinct(
        rng, m, n, count + count // 4, row_weights / row_weights.sum(), col_weights / col_weights.sum()
    )
    u, v = rng.normal(size=(m, rank)), rng.normal(size=(n, rank))
    taste = 0.5 * np.einsum("ij,ij->i", u[rows], v[cols]) / np.sqrt(rank)
    mean = 3.5 + 0.4 * rng.normal(size=m)[rows] + 0.5 * rng.normal(size=n)[cols]
    values = np.clip(np.rint(mean + taste + noise * rng.normal(size=len(rows))), 1, 5)
    cells = Cells(rows, cols, values)
    return Split((m, n), cells.part(slice(count)), cells.part(slice(count, None)))


def movielens_folder() -> Path | None:
    """The folder with u1.base ... u5.test of MovieLens-100K, from PYALGO_MOVIELENS: its licence forbids passing it on."""
    folder = os.environ.get("PYALGO_MOVIELENS")
    return Path(folder) if folder else None


def movielens(folder: Path, fold: int) -> Split:
    """A fold, 1 to 5, of MovieLens-100K: 80,000 ratings to learn from and 20,000 to predict."""
    parts = []
    for name in (f"u{fold}.base", f"u{fold}.test"):
        table = np.loadtxt(folder / name, dtype=np.int64)
        parts.append(Cells(table[:, 0] - 1, table[:, 1] - 1, table[:, 2].astype(np.float64)))
    return Split((943, 1682), *parts)
