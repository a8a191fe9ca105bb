"""Compiled loops over subsets: the sampler of `subset` over many users, and lists, ranks and checks of many reports."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import NDArray

from pyalgo_privacy import kernels, mss, subset  # noqa: F401 - kernels registers the draws that samplers are made of
from pyalgo_privacy.combinadic import rank, subset_bits, unrank
from pyalgo_privacy.errors import InvalidReport

for _draw in (subset.count_ones, subset.sample_subset, mss.sample_mss):
    register_jitable(_draw)
sample_mss, sample_subset, count_ones = mss.sample_mss, subset.sample_subset, subset.count_ones

LARGEST_TABLE = (
    1 << 26
)  # bytes of binomials kept for a code; a longer code takes Python's long integers, report by report


@njit(cache=True)
def subset_users(words, begin, x, m, omega, high, low, digits, depth, bits, rows):
    at = 0
    for i in range(begin, len(x)):
        after = sample_subset(words, at, x[i], m, omega, high, low, digits, depth, bits, rows[i])
        if after < 0:
            return i, at
        at = after
    return len(x), at


@njit(cache=True)
def mss_users(words, begin, x, table, blocks, rows):
    at = 0
    for i in range(begin, len(x)):
        block, after = sample_mss(words, at, x[i], table, rows[i])
        if after < 0:
            return i, at
        blocks[i] = block
        at = after
    return len(x), at


@njit(cache=True)
def set_bits(offsets, values, stops, rows):
    """Set the listed bits; the first list that does not rise strictly from 0 to below its stop, or -1."""
    for i in range(len(rows)):
        last = -1
        for j in range(offsets[i], offsets[i + 1]):
            value = values[j]
            if value <= last or value >= stops[i]:
                return i
            rows[i, value >> 5] |= np.uint32(1 << (value & 31))
            last = value
    return -1


@njit(cache=True)
def first_wrong(rows, m, omega):
    """The first row that has not omega bits set, all among the first m; or -1."""
    width = (m + 31) >> 5
    for i in range(len(rows)):
        row = rows[i]
        beyond = (row[width - 1] >> np.uint32(m & 31)) if m & 31 else np.uint32(0)
        for j in range(width, len(row)):
            beyond |= row[j]
        if beyond != 0 or count_ones(row, width) != omega:
            return i
    return -1


def ranks(rows: NDArray[np.uint32], m: int, omega: int) -> NDArray[np.uint32]:
    """Ranks of subsets, as rows of 32-bit words, lowest first."""
    width = _width(m, omega)
    if not _has_table(m, omega):
        numbers = (rank(np.flatnonzero(bits).tolist()) for bits in _unpacked(rows))
        data = b"".join(number.to_bytes(4 * width, "little") for number in numbers)
        return np.frombuffer(data, "<u4").reshape(len(rows), width).astype(np.uint32)
    out = np.zeros((len(rows), width), np.uint32)
    _add_binomials(rows, m, _binomials(m, omega), out)
    return out


def subsets(numbers: NDArray[np.uint32], m: int, omega: int) -> NDArray[np.uint32]:
    """The opposite of `ranks`; `InvalidReport` for a number that is no rank."""
    rows = np.zeros((len(numbers), (m + 31) // 32), np.uint32)
    if not _has_table(m, omega):
        for i, number in enumerate(numbers):
            chosen = unrank(int.from_bytes(number.astype("<u4").tobytes(), "little"), m, omega)
            np.bitwise_or.at(rows[i], np.array(chosen) >> 5, np.uint32(1) << (np.array(chosen) & 31).astype(np.uint32))
        return rows
    wrong = _take_binomials(numbers.copy(), m, omega, _binomials(m, omega), rows)
    if wrong >= 0:
        raise InvalidReport(f"report {wrong} has a rank of C({m}, {omega}) or more: it stands for no subset")
    return rows


def _unpacked(rows: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.unpackbits(rows.astype("<u4", copy=False).view("u1"), axis=1, bitorder="little")


def _width(m: int, omega: int) -> int:
    return max(1, (subset_bits(m, omega) + 31) // 32)


def _has_table(m: int, omega: int) -> bool:
    return 4 * m * omega * _width(m, omega) <= LARGEST_TABLE


@lru_cache(maxsize=4)  # a table takes milliseconds to make, and many of them much memory
def _binomials(m: int, omega: int) -> NDArray[np.uint32]:
    """C(c, i) for i = 1 ... omega and c < m, as 32-bit words, lowest first; all below C(m, omega), as omega is at most
    (m + 1) / 2."""
    table = np.zeros((omega, m, _width(m, omega)), np.uint32)
    _pascal(table)
    return table


@njit(cache=True)
def _pascal(table):
    omega, m, width = table.shape
    for c in range(m):
        value = np.uint64(c)
        table[0, c, 0] = np.uint32(value)
    for i in range(1, omega):
        for c in range(1, m):
            carry = np.uint64(0)
            for j in range(width):
                carry += np.uint64(table[i, c - 1, j]) + np.uint64(table[i - 1, c - 1, j])
                table[i, c, j] = np.uint32(carry & np.uint64(0xFFFFFFFF))
                carry >>= np.uint64(32)


@njit(cache=True)
def _add_binomials(rows, m, table, out):
    """Sums without carrying first: omega is below 2^32."""
    omega, _, width = table.shape
    total = np.empty(width, np.uint64)
    for r in range(len(rows)):
        total[:] = 0
        taken = 0
        for c in range(m):
            if (rows[r, c >> 5] >> np.uint32(c & 31)) & np.uint32(1):
                for j in range(width):
                    total[j] += np.uint64(table[taken, c, j])
                taken += 1
                if taken == omega:
                    break
        carry = np.uint64(0)
        for j in range(width):
            carry += total[j]
            out[r, j] = np.uint32(carry & np.uint64(0xFFFFFFFF))
            carry >>= np.uint64(32)


@njit(cache=True)
def _take_binomials(numbers, m, omega, table, rows):
    """Takes the largest binomial off that is not above what is left, for i = omega ... 1; -1, or the first row left over."""
    width = table.shape[2]
    for r in range(len(rows)):
        left = numbers[r]
        i = omega - 1
        for c in range(m - 1, -1, -1):
            if i < 0:
                break
            j = width - 1
            while j > 0 and left[j] == table[i, c, j]:
                j -= 1
            if left[j] >= table[i, c, j]:
                borrow = np.int64(0)
                for t in range(width):
                    d = np.int64(left[t]) - np.int64(table[i, c, t]) - borrow
                    borrow = np.int64(1) if d < 0 else np.int64(0)
                    left[t] = np.uint32(d & 0xFFFFFFFF)
                rows[r, c >> 5] |= np.uint32(1 << (c & 31))
                i -= 1
        for j in range(width):
            if left[j] != 0:
                return r
    return -1
