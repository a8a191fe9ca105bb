"""Compiled loops: randomizers over many users, and counters over many reports.

The randomizers are the very functions that run on a device (`words` and the oracles' modules), compiled. Compiled code is
cached next to the package, so that only the first process on a machine pays for it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from pyalgo_privacy import grr, hadamard, hashing, projective, unary, words

sample_grr = register_jitable(grr.sample_grr)
sample_unary = register_jitable(unary.sample_unary)
sample_hadamard = register_jitable(hadamard.sample_hadamard)
sample_hashed = register_jitable(hashing.sample_hashed)
sample_projective = register_jitable(projective.sample_projective)
inverse = register_jitable(projective.inverse)
for _part in (words.flip, words.below, words.biased_word, projective.vector_of, projective.point_of):
    register_jitable(_part)


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
def hadamard_users(words, begin, x, index_bits, high, low, out):
    at = 0
    for i in range(begin, len(x)):
        index, after = sample_hadamard(words, at, x[i], index_bits, high, low)
        if after < 0:
            return i, at
        out[i] = index
        at = after
    return len(x), at


@njit(cache=True)
def hashed_users(words, begin, x, prime, prime_bits, g, high, low, a, b, values):
    at = 0
    for i in range(begin, len(x)):
        slope, offset, value, after = sample_hashed(words, at, x[i], prime, prime_bits, g, high, low)
        if after < 0:
            return i, at
        a[i], b[i], values[i] = slope, offset, value
        at = after
    return len(x), at


@njit(cache=True)
def projective_users(words, begin, x, q, t, digit_bits, high, low, out):
    at = 0
    for i in range(begin, len(x)):
        point, after = sample_projective(words, at, x[i], q, t, digit_bits, high, low)
        if after < 0:
            return i, at
        out[i] = point
        at = after
    return len(x), at


@njit(cache=True)
def count_hashed(a, b, values, prime, g, counts):
    """Add to counts[v] how many of the reports have v in their bucket.

    The numbers r = value, value + g, ... below the prime are hashed to the bucket, and r = a v + b is solved for v: the
    first by an inverse, each next one by adding g / a.
    """
    k = len(counts)
    for i in range(len(a)):
        if a[i] == 0:
            if b[i] % g == values[i]:
                counts += 1
            continue
        unit = inverse(a[i], prime)
        step = g * unit % prime
        v = (values[i] + prime - b[i]) * unit % prime
        for _ in range(values[i], prime, g):
            if v < k:
                counts[v] += 1
            v += step
            if v >= prime:
                v -= prime


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
def count_chosen(bits, chosen, counts):
    """Add to counts[b] in how many rows b is the i-th set bit of `chosen` and bit i of `bits` is set."""
    for row in range(len(chosen)):
        i = 0
        for b in range(len(counts)):
            if chosen[row, b >> 5] >> np.uint32(b & 31) & np.uint32(1):
                counts[b] += bits[row, i >> 5] >> np.uint32(i & 31) & np.uint32(1)
                i += 1


@njit(cache=True)
def ones_of(rows):
    """How many bits of each row are set."""
    ones = np.zeros(len(rows), np.int64)
    for row in range(len(rows)):
        for word in rows[row]:
            while word:
                word &= word - np.uint32(1)
                ones[row] += 1
    return ones


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
