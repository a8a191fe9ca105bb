"""What completion is held against: data of known rank, least squares row by row, and alternating least squares in NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Known(NamedTuple):
    """A matrix of low rank, the cells of it that are seen, and others that are not."""

    left: np.ndarray
    right: np.ndarray
    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    unseen: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def cells(self):
        return self.rows, self.cols, self.values

    @property
    def shape(self):
        return len(self.left), len(self.right)

    def truth(self, rows, cols):
        return np.einsum("ik,ik->i", self.left[rows], self.right[cols])


def known(m, n, rank, count, *, seed=0, noise=0.0, unseen=5000):
    """Entries of variance 1 (and noise), `count` of them seen, all cells being equally likely."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(m, rank)) / np.sqrt(rank), rng.normal(size=(n, rank))
    unseen = min(unseen, m * n - count)
    drawn = rng.choice(m * n, count + unseen, replace=False)
    rows, cols = np.divmod(drawn, n)
    values = np.einsum("ik,ik->i", left[rows], right[cols])
    seen, rest = slice(count), slice(count, None)
    noisy = values[seen] + noise * rng.normal(size=count)
    return Known(left, right, rows[seen], cols[seen], noisy, (rows[rest], cols[rest], values[rest]))


class Ratings(NamedTuple):
    """Cells to learn from, cells to predict, and the errors there of who knows all, and all but the rows."""

    cells: tuple[np.ndarray, np.ndarray, np.ndarray]
    unseen: tuple[np.ndarray, np.ndarray, np.ndarray]
    of_noise: float
    of_known_columns: float


def ratings(m, n, count, *, seed=0):
    """Ratings from 1 to 5 with the degrees of popular and unpopular things: biases, rank 10, noise of 0.9, and rounding."""
    rng = np.random.default_rng(seed)
    users, films = (rng.permutation(1 / (5.0 + np.arange(size))) for size in (m, n))
    drawn = rng.choice(m, 4 * count, p=users / users.sum()) * n + rng.choice(n, 4 * count, p=films / films.sum())
    drawn = rng.permutation(np.unique(drawn))[: count + count // 10]
    rows, cols = np.divmod(drawn, n)
    left = np.hstack([rng.normal(size=(m, 10)) / np.sqrt(10), 0.4 * rng.normal(size=(m, 1))])
    right = np.hstack([0.5 * rng.normal(size=(n, 10)), np.ones((n, 1))])  # the last of a row is its bias
    base = 3.5 + 0.5 * rng.normal(size=n)[cols]
    truth = base + np.einsum("ik,ik->i", left[rows], right[cols])
    values = np.clip(np.round(truth + 0.9 * rng.normal(size=len(truth))), 1.0, 5.0)
    guess, noise = base.copy(), 0.9**2 + 1 / 12
    prior = noise * np.diag([10.0] * 10 + [1 / 0.16])
    for i in range(m):
        at, seen = np.flatnonzero(rows == i), np.flatnonzero(rows[:count] == i)
        x = right[cols[seen]]
        guess[at] += right[cols[at]] @ np.linalg.solve(x.T @ x + prior, x.T @ (values[seen] - base[seen]))
    errors = [np.sqrt(np.mean((np.clip(it, 1, 5) - values)[count:] ** 2)) for it in (truth, guess)]
    return Ratings((rows[:count], cols[:count], values[:count]), (rows[count:], cols[count:], values[count:]), *errors)


def solve_row(factors, values, reg, weights=None):
    """argmin sum w (y - V x)^2 + reg |x|^2, and of least norm, by a singular value decomposition."""
    k = factors.shape[1]
    root = np.ones(len(values)) if weights is None else np.sqrt(weights)
    above = np.vstack([factors * root[:, None], np.sqrt(reg) * np.eye(k)])
    return np.linalg.lstsq(above, np.concatenate([values * root, np.zeros(k)]), rcond=None)[0]


def als_sweep(cells, left, right, reg, power, *, mean=0.0, biases=None, weights=None):
    """One sweep of plain alternating least squares, rows first, in place; `biases` is (row biases, column biases)."""
    rows, cols, values = cells
    weights = np.ones(len(values)) if weights is None else weights
    for side, index, other in ((0, rows, cols), (1, cols, rows)):
        factors, fixed = (left, right) if side == 0 else (right, left)
        for i in range(len(factors)):
            at = np.flatnonzero(index == i)
            design, target = fixed[other[at]], values[at] - mean
            if biases is not None:
                target = target - biases[1 - side][other[at]]
                design = np.hstack([design, np.ones((len(at), 1))])
            solved = solve_row(design, target, reg * len(at) ** power, weights[at]) if len(at) else np.zeros(99)
            factors[i] = solved[: factors.shape[1]]
            if biases is not None:
                biases[side][i] = solved[factors.shape[1]]


def objective(cells, left, right, reg, power, *, mean=0.0, biases=None, weights=None):
    """What alternating least squares minimises, by its definition."""
    rows, cols, values = cells
    predicted = mean + np.einsum("ik,ik->i", left[rows], right[cols])
    sides = [(rows, left, np.zeros(len(left))), (cols, right, np.zeros(len(right)))]
    if biases is not None:
        predicted = predicted + biases[0][rows] + biases[1][cols]
        sides = [(index, factors, bias) for (index, factors, _), bias in zip(sides, biases, strict=True)]
    found = np.sum((1 if weights is None else weights) * (values - predicted) ** 2)
    for index, factors, bias in sides:
        degrees = np.bincount(index, minlength=len(factors))
        held = np.where(degrees > 0, degrees.astype(float) ** power, 0)
        found += reg * held @ ((factors**2).sum(axis=1) + bias**2)
    return found


def subspace_distance(one, other):
    """Sine of the largest angle between the spans of the columns."""
    q, _ = np.linalg.qr(one)
    p, _ = np.linalg.qr(other)
    return np.linalg.norm(q - p @ (p.T @ q), 2)
