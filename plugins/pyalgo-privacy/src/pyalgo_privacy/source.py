"""Random words in bulk: secret ones of the operating system, or the repeatable ones of a seed."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

__all__ = ["WordSource", "for_users"]

_BATCH = 12 << 10  # words at a time: arrays below 128 KB, beyond which the C library maps fresh pages for each


class WordSource:
    """32-bit words as int64 numbers.

    Secret words are the key stream of ChaCha20 under a key that the operating system gives for each call, so that nothing is
    kept which a forked process or another thread could repeat. Seeded ones are those of Philox, on every platform the same.
    """

    def __init__(self, seed: int | None) -> None:
        self._philox = None if seed is None else np.random.Philox(seed)

    def take(self, n: int) -> NDArray[np.int64]:
        """The next `n` words."""
        if self._philox is not None:
            raw = self._philox.random_raw((n + 1) // 2).astype("<u8").view("<u4")[:n]
        else:
            stream = Cipher(algorithms.ChaCha20(os.urandom(32), bytes(16)), mode=None).encryptor()
            raw = np.frombuffer(stream.update(bytes(4 * n)), dtype="<u4")
        return raw.astype(np.int64)


def for_users(
    kernel: Callable[[NDArray[np.int64], int], tuple[int, int]], users: int, words_each: int, source: WordSource
) -> None:
    """Run ``kernel(words, first user) -> (next user, words used)`` until all users are done.

    A kernel stops at the first user for whom its words do not suffice. That user is begun again with the same words and more
    behind them, so that what is drawn is a function of the sequence of words, however it is cut.
    """
    begin, words = 0, np.empty(0, np.int64)
    while begin < users:
        wanted = min((users - begin) * words_each, _BATCH) + 64
        words = np.concatenate([words, source.take(max(wanted - len(words), wanted // 2))])
        begin, used = kernel(words, begin)
        words = words[used:]
