"""Compiled loops: randomizers over many users, and counters over many reports.

The randomizers are the very functions that run on a device (`words` and the oracles' modules), compiled. Compiled code is
cached next to the package, so that only the first process on a machine pays for it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from pyalgo_privacy import chains, grr, unary, words

for _draw in (words.flip, words.below, words.biased_word, grr.sample_grr, unary.sample_unary, chains.sample_twice):
    register_jitable(_draw)
sample_grr, sample_unary, sample_twice, below = (
    grr.sample_grr,
    unary.sample_unary,
    chains.sample_twice,
    words.below,
)


@njit(cache=True)
def grr_users(words, begin, x, k, high, low, bits, out):
    at = 0
    for i in range(begin, len(x)):
        value, after = sample_grr(words, at, x[i], k, high, low, bits)
        if after < 0:
            return i, at
        out[i] = value
        at = after
    return len(x), at


@njit(cache=True)
def unary_users(words, begin, x, k, true_high, true_low, high, low, depth, rows):
    at = 0
    for i in range(begin, len(x)):
        after = sample_unary(words, at, x[i], k, true_high, true_low, high, low, depth, rows[i])
        if after < 0:
            return i, at
        at = after
    return len(x), at


@njit(cache=True)
def twice_users(words, begin, memos, k, one_high, one_low, zero_high, zero_low, depth, rows):
    at = 0
    for i in range(begin, len(memos)):
        after = sample_twice(words, at, memos[i], k, one_high, one_low, zero_high, zero_low, depth, rows[i])
        if after < 0:
            return i, at
        at = after
    return len(memos), at


@njit(cache=True)
def uniform_users(words, begin, n, bits, out):
    at = 0
    for i in range(begin, len(out)):
        value, after = below(words, at, n, bits)
        if after < 0:
            return i, at
        out[i] = value
        at = after
    return len(out), at


@njit(cache=True)
def grr_memos(words, x, k, high, low, bits, out):
    """Of each user from words of its own; returns those whose words ran out."""
    short = []
    for i in range(len(x)):
        value, after = sample_grr(words[i], 0, x[i], k, high, low, bits)
        out[i] = value
        if after < 0:
            short.append(i)
    return np.array(short, dtype=np.int64)


@njit(cache=True)
def unary_memos(words, x, k, true_high, true_low, high, low, depth, rows):
    """As `grr_memos`."""
    short = []
    for i in range(len(x)):
        if sample_unary(words[i], 0, x[i], k, true_high, true_low, high, low, depth, rows[i]) < 0:
            short.append(i)
    return np.array(short, dtype=np.int64)


@njit(cache=True)
def count_bits(rows, counts):
    """Add to counts[b] how many rows have bit b: bit rows of 32-bit words, lowest bit first.

    Of eight shifts each adds four bits of a word as four bytes, which hold the sums of 255 rows before they are emptied.
    """
    n, width = rows.shape
    lanes = np.zeros((8, width), np.uint32)
    for begin in range(0, n, 255):
        lanes[:] = 0
        for i in range(begin, min(begin + 255, n)):
            for shift in range(8):
                for j in range(width):
                    lanes[shift, j] += (rows[i, j] >> np.uint32(shift)) & np.uint32(0x01010101)
        for b in range(len(counts)):
            counts[b] += (lanes[b & 7, b >> 5] >> np.uint32(b & 24)) & np.uint32(255)


@njit(cache=True)
def put_bits(rows, widths, begin, out):
    """Write the first widths[i] bits of rows[i], one after the other from bit `begin` on, into `out`, which is zero there."""
    at = begin
    for i in range(len(rows)):
        left = widths[i]
        for j in range(rows.shape[1]):
            take = min(left, 32)
            if take <= 0:
                break
            word = np.uint64(rows[i, j]) & ((np.uint64(1) << np.uint64(take)) - np.uint64(1))
            shifted = word << np.uint64(at & 31)
            out[at >> 5] |= np.uint32(shifted & np.uint64(0xFFFFFFFF))
            if (at & 31) + take > 32:
                out[(at >> 5) + 1] |= np.uint32(shifted >> np.uint64(32))
            at += take
            left -= take
    return at


@njit(cache=True)
def get_bits(data, begin, widths, rows):
    """The opposite of `put_bits`: rows are filled with the bits of `data` from `begin` on."""
    at = begin
    for i in range(len(rows)):
        left = widths[i]
        for j in range(rows.shape[1]):
            take = min(left, 32)
            if take <= 0:
                break
            word = np.uint64(data[at >> 5]) >> np.uint64(at & 31)
            if (at & 31) + take > 32:
                word |= np.uint64(data[(at >> 5) + 1]) << np.uint64(32 - (at & 31))
            rows[i, j] = np.uint32(word & ((np.uint64(1) << np.uint64(take)) - np.uint64(1)))
            at += take
            left -= take
    return at
