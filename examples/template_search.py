"""A receiver's bits, in which every frame begins with the same 64: writes them to telemetry.bin for `template_search.toml`.

    python examples/template_search.py                  # 40 million bits, one a byte, as the letters 0 and 1
    pyalgo run examples/template_search.toml            # finds the frames, though one bit in twenty is wrong

The 64 bits are the marker that CCSDS 131.0-B puts before turbo-coded frames of rate 1/2. The receiver joins in the middle of
a frame. Of 700 markers one is missed because it has more than 9 wrong bits; that 64 other bits look like one by chance is to
be expected once in 560 million places. The bits are the same on every machine.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

MARKER = f"{0x034776C7272895B0:064b}"
FRAME = 8000  # bits, the marker included
JOINED = 5000  # the bit of the first frame at which the receiver joins
WRONG = 13  # of 256 bits


def received(frames: int) -> np.ndarray:
    """The bits of so many frames as the receiver has them."""
    source = random.Random(0)
    bits = np.unpackbits(np.frombuffer(source.randbytes(frames * FRAME // 8), np.uint8)).reshape(frames, FRAME)
    bits[:, : len(MARKER)] = [int(bit) for bit in MARKER]
    wrong = np.frombuffer(source.randbytes(frames * FRAME), np.uint8) < WRONG
    return (bits.ravel() ^ wrong)[JOINED:]


if __name__ == "__main__":
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    Path("telemetry.bin").write_bytes((received(frames) + ord("0")).tobytes())
