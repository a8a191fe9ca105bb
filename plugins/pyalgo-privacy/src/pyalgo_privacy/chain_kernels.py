"""Compiled loops over the users of two rounds; as `kernels`, of the functions that run on a device."""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import register_jitable

from pyalgo_privacy import chains, words
from pyalgo_privacy.kernels import sample_grr, sample_unary

flipped = register_jitable(chains.flipped)
below = register_jitable(words.below)


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
def flipped_users(words, begin, users, k, high, low, depth, memos, rows):
    """Of bit rows that stand one behind the other, for a view of each row would take longer than to draw it."""
    width, at = (k + 31) >> 5, 0
    for i in range(begin, users):
        after = at
        for j in range(i * width, (i + 1) * width):
            word, after = flipped(words, after, memos[j], high, low, depth)
            if after < 0:
                return i, at
            rows[j] = word
        rows[(i + 1) * width - 1] &= 0xFFFFFFFF >> (-k & 31)
        at = after
    return users, at


@njit(cache=True)
def fill_blocks(users, attribute, values, blocks):
    """Rows of four words for each user: user, value, attribute, and a counter from 0 on."""
    each = len(blocks) // max(len(users), 1)
    for i in range(len(users)):
        for j in range(each):
            row = blocks[i * each + j]
            row[0], row[1], row[2], row[3] = users[i], values[i], attribute, j


# Of each user from words of its own; they return those whose words ran out.


@njit(cache=True)
def grr_memos(words, x, k, high, low, bits, out):
    short = []
    mine = np.empty(words.shape[1], np.int64)
    for i in range(len(x)):
        mine[:] = words[i]
        value, after = sample_grr(mine, 0, x[i], k, high, low, bits)
        out[i] = value
        if after < 0:
            short.append(i)
    return np.array(short, dtype=np.int64)


@njit(cache=True)
def unary_memos(words, x, k, true_high, true_low, high, low, depth, rows):
    short = []
    mine = np.empty(words.shape[1], np.int64)
    for i in range(len(x)):
        mine[:] = words[i]
        if sample_unary(mine, 0, x[i], k, true_high, true_low, high, low, depth, rows[i]) < 0:
            short.append(i)
    return np.array(short, dtype=np.int64)
