"""Random words in bulk: secret ones of the operating system, or the repeatable ones of a seed."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

__all__ = ["WordSource", "for_users"]

_BATCH = 1 << 14  # words at a time: they stay in the second cache
_ZEROS = bytes(4 * _BATCH)  # what a stream cipher turns into its key stream


class WordSource:
    """32-bit words as int64 numbers.

    Secret words are the key stream of ChaCha20 under a key that the operating system gives for each call, so that nothing is
    kept which a forked process or another thread could repeat. Seeded ones are those of Philox, on every platform the same.
    """

    def __init__(self, seed: int | None) -> None:
        self._philox = None if seed is None else np.random.Philox(seed)

    def take(self, n: int) -> NDArray[np.int64]:
        """The next `n` words."""
        words = np.empty(n, np.int64)
        self.fill(words, bytearray(4 * n))
        return words

    def fill(self, words: NDArray[np.int64], scratch: bytearray) -> None:
        """The next words into `words`; `scratch` has room for 4 bytes each."""
        if self._philox is not None:
            words[:] = self._philox.random_raw((len(words) + 1) // 2).astype("<u8").view("<u4")[: len(words)]
            return
        stream = Cipher(algorithms.ChaCha20(os.urandom(32), bytes(16)), mode=None).encryptor()
        for begin in range(0, len(words), _BATCH):
            part = words[begin : begin + _BATCH]
            stream.update_into(memoryview(_ZEROS)[: 4 * len(part)], scratch)
            part[:] = np.frombuffer(scratch, "<u4", count=len(part))


def for_users(
    kernel: Callable[[NDArray[np.int64], int], tuple[int, int]], users: int, words_each: int, source: WordSource
) -> None:
    """Run ``kernel(words, first user) -> (next user, words used)`` until all users are done.

    A kernel stops at the first user for whom its words do not suffice. That user is begun again with the same words and more
    behind them, so that what is drawn is a function of the sequence of words, however it is cut. Buffers are made once:
    fresh memory would take longer than the words.
    """
    begin = kept = 0
    room, scratch = np.empty(0, np.int64), bytearray()
    while begin < users:
        wanted = min((users - begin) * words_each, _BATCH) + 64
        fresh = max(wanted - kept, wanted // 2)
        fresh += fresh & 1  # a seeded source makes words in pairs, and would lose half of the last one
        if len(room) < kept + fresh:
            room, old = np.empty(kept + fresh, np.int64), room
            room[:kept] = old[:kept]
            scratch = bytearray(4 * min(len(room), _BATCH))
        words = room[: kept + fresh]
        source.fill(words[kept:], scratch)
        begin, used = kernel(words, begin)
        kept = len(words) - used
        room[:kept] = words[used:].copy()
