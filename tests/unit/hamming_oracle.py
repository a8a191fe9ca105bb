"""What the tests of Hamming share: distances by their definition, and the texts that are hard in one way each.

Imports nothing but NumPy, so that it can also be imported by a script that lies beside it.
"""

from __future__ import annotations

import numpy as np

METHODS = ("auto", "compare", "bitslice", "ntt", "fft", "split", "periodic", "sumset")

# Lengths at which registers, counters, blocks, transforms and fields of the engines begin, end and overflow.
EDGES = (
    *(1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 239, 240, 241, 254, 255, 256, 257, 511, 512, 513),
    *(2047, 2048, 2049, 2303, 2304, 2305, 4095, 4096, 4097, 12287, 12288, 12289, 65535, 65536, 65537),
)


def naive(text, pattern, wildcard=None, text_wildcard=None):
    """D[i] = #{j : text[i + j] != pattern[j], neither a wildcard of its side}; along the shorter loop."""

    def differ(symbols, others):
        unequal = symbols != others
        if wildcard is not None:
            unequal &= others != wildcard
        if text_wildcard is not None:
            unequal &= symbols != text_wildcard
        return unequal

    n, m = max(0, len(text) - len(pattern) + 1), len(pattern)
    distances = np.zeros(n, np.int32)
    if m < n:
        for j in range(m):
            distances += differ(text[j : j + n], pattern[j])
    else:
        for i in range(n):
            distances[i] = np.count_nonzero(differ(text[i : i + m], pattern))
    return distances.astype(np.int64)


def mutated(symbols, rate, sigma, rng):
    """`symbols` with each replaced at the given rate (one, or one a place) by a random one of 0..sigma-1."""
    replaced = rng.random(len(symbols)) < rate
    return np.where(replaced, rng.integers(0, sigma, len(symbols)), symbols).astype(symbols.dtype)


def fibonacci(n):
    a, b = b"\1", b"\1\0"
    while len(b) < n:
        a, b = b, b + a
    return np.frombuffer(b[:n], np.uint8)


def thue_morse(n):
    bits = np.zeros(1, np.uint8)
    while len(bits) < n:
        bits = np.concatenate([bits, 1 - bits])
    return bits[:n]


def de_bruijn(sigma, order):
    """The cyclic sequence that holds every word of `order` letters once (Lyndon words, in lexicographic order)."""
    word, sequence = [-1], []
    while word:
        word[-1] += 1
        if order % len(word) == 0:
            sequence += word
        word = (word * order)[:order]
        while word and word[-1] == sigma - 1:
            word.pop()
    return np.array(sequence, np.uint8)


def m_sequence(degree):
    """One period, 2^degree - 1 bits, of a shift register with a primitive polynomial."""
    taps = {3: (3, 2), 7: (7, 6), 10: (10, 7), 13: (13, 4, 3, 1), 16: (16, 15, 13, 4)}[degree]
    bits = [1] * degree
    while len(bits) < 2**degree - 1:
        bits.append(sum(bits[-tap] for tap in taps) % 2)
    return np.array(bits, np.uint8)


def periodic(n, period, breaks, sigma, rng):
    """A random word over and over, with a symbol changed at `breaks` places."""
    symbols = np.resize(rng.integers(0, sigma, period), n).astype(np.uint8)
    places = rng.choice(n, min(breaks, n), replace=False)
    symbols[places] = (symbols[places] + 1) % sigma
    return symbols


def structured(name, n, rng):
    """A text of n symbols (uint8) of one of the kinds in `STRUCTURED`."""
    if name == "all equal":
        return np.full(n, 7, np.uint8)
    if name == "all different":  # to their neighbours, as far as a byte goes
        return (np.arange(n) % 256).astype(np.uint8)
    if name == "alternating":
        return (np.arange(n) % 2).astype(np.uint8)
    if name == "fibonacci":
        return fibonacci(n)
    if name == "thue-morse":
        return thue_morse(n)
    if name == "de bruijn":
        return np.resize(de_bruijn(4, 6), n)
    if name == "runs":  # poly-A tails and the like
        return np.repeat(rng.integers(0, 4, n), rng.geometric(0.02, n))[:n].astype(np.uint8)
    if name == "period 7 with breaks":
        return periodic(n, 7, n // 100, 4, rng)
    if name == "one rare letter":
        return (rng.random(n) < 0.01).astype(np.uint8)
    raise ValueError(name)


STRUCTURED = (
    *("all equal", "all different", "alternating", "fibonacci", "thue-morse", "de bruijn"),
    *("runs", "period 7 with breaks", "one rare letter"),
)
