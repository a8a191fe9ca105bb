"""What others would use for text-to-pattern Hamming distances, each at its best on one thread.

A peer is a function ``peer(text, pattern) -> run``. Whatever can be planned, compiled or allocated ahead, transforms of the
pattern included, happens in the outer call; ``run()`` is what is timed: it takes the text as it is, uint8 symbols, and
returns the int32 distances of all alignments. All are exact on the sizes used here, which the benchmark checks.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numba
import numpy as np
import pyfftw
import scipy.signal
from gate import cpu_seconds
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Distances = NDArray[np.int32]
Run = Callable[[], Distances]
Peer = Callable[[Codes, Codes], Run]

PLAN = {"flags": ("FFTW_MEASURE", "FFTW_DESTROY_INPUT"), "threads": 1, "planning_timelimit": 2.0}  # seconds a transform

cv2.setNumThreads(1)


def brute_force(text: Codes, pattern: Codes) -> Distances:
    """The definition."""
    windows = np.lib.stride_tricks.sliding_window_view(text, len(pattern))
    return (windows != pattern).sum(axis=1, dtype=np.int32)


# --- Loops


@numba.njit(nogil=True)
def _rows(text, pattern, out):
    # One alignment after the other. The counter is a byte, so that the compiler compares 32 symbols an instruction; it
    # cannot wrap within 224 symbols.
    out[:] = 0
    for begin in range(0, pattern.size, 224):
        part = pattern[begin : begin + 224]
        for i in range(out.size):
            window = text[i + begin : i + begin + part.size]
            count = np.uint8(0)
            for j in range(part.size):
                count = np.uint8(count + np.uint8(window[j] != part[j]))
            out[i] += count


@numba.njit(nogil=True)
def _rows_short(text, pattern, out):
    for i in range(out.size):
        count = 0
        for j in range(pattern.size):
            count += text[i + j] != pattern[j]
        out[i] = count


def numba_naive(text: Codes, pattern: Codes) -> Run:
    """The double loop, compiled and vectorised along the pattern."""
    out = np.empty(len(text) - len(pattern) + 1, np.int32)
    loop = _rows_short if len(pattern) <= 48 else _rows  # each faster on its side
    loop(text[: len(pattern)], pattern, out[:1])

    def run() -> Distances:
        loop(text, pattern, out)
        return out

    return run


@numba.njit(nogil=True)
def _columns(text, pattern, out, counts):
    for begin in range(0, out.size, counts.size):
        block = out[begin : begin + counts.size]
        count = counts[: block.size]
        block[:] = 0
        for first in range(0, pattern.size, 255):
            count[:] = 0
            for j in range(first, min(pattern.size, first + 255)):
                symbol = pattern[j]
                window = text[begin + j : begin + j + block.size]
                for i in range(block.size):
                    count[i] += np.uint8(window[i] != symbol)
            for i in range(block.size):
                block[i] += count[i]


def numba_blocked(text: Codes, pattern: Codes) -> Run:
    """The double loop by one who knows vectors: a block of byte counters, vectorised along the text. Not naive any more."""
    out = np.empty(len(text) - len(pattern) + 1, np.int32)
    counts = np.empty(4096, np.uint8)
    _columns(text[: len(pattern)], pattern, out[:1], counts)

    def run() -> Distances:
        _columns(text, pattern, out, counts)
        return out

    return run


# --- Library calls, a convolution a letter


def _convolved_by_letter(convolve, text: Codes, pattern: Codes) -> Run:
    reverse = pattern[::-1].copy()
    mirrored = [(letter, (reverse == letter).astype(np.float32)) for letter in np.unique(pattern)]

    def run() -> Distances:
        matches = np.zeros(len(text) - len(pattern) + 1, np.float32)
        for letter, mask in mirrored:
            matches += convolve((text == letter).astype(np.float32), mask, mode="valid")
        return len(pattern) - np.rint(matches).astype(np.int32)

    return run


def scipy_oaconvolve(text: Codes, pattern: Codes) -> Run:
    """Overlap-add in single precision, one convolution a letter."""
    return _convolved_by_letter(scipy.signal.oaconvolve, text, pattern)


def scipy_fftconvolve(text: Codes, pattern: Codes) -> Run:
    """One transform of the whole text in single precision, one convolution a letter. For large alphabets: the per-letter FFT."""
    return _convolved_by_letter(scipy.signal.fftconvolve, text, pattern)


def opencv_match_template(text: Codes, pattern: Codes) -> Run:
    """Cross-correlation of an image whose channels are the letters; up to four letters."""
    letters = np.unique(pattern)
    if len(letters) > 4:
        raise ValueError("OpenCV correlates at most four channels")

    indicators = np.zeros((256, len(letters)), np.float32)
    indicators[letters, np.arange(len(letters))] = 1
    template = indicators[pattern][np.newaxis]
    image = np.empty((1, len(text), len(letters)), np.float32)

    def run() -> Distances:
        np.take(indicators, text, axis=0, out=image[0], mode="clip")
        matches = cv2.matchTemplate(image, template, cv2.TM_CCORR)[0]
        return len(pattern) - np.rint(matches).astype(np.int32)

    return run


# --- The expert's: overlap-save


@numba.njit(nogil=True, fastmath=True)
def _indicators(text, letter, begin, hop, planes):
    for row in range(planes.shape[0]):
        start = begin + row * hop
        known = max(0, min(planes.shape[1], text.size - start))
        window = text[start : start + known]
        plane = planes[row]
        for i in range(known):
            plane[i] = np.float32(window[i] == letter)
        plane[known:] = 0


@numba.njit(nogil=True, fastmath=True)
def _multiply(spectra, mask, total):
    for row in range(spectra.shape[0]):
        for k in range(spectra.shape[1]):
            total[row, k] = spectra[row, k] * mask[k]


@numba.njit(nogil=True, fastmath=True)
def _multiply_add(spectra, mask, total):
    for row in range(spectra.shape[0]):
        for k in range(spectra.shape[1]):
            total[row, k] += spectra[row, k] * mask[k]


@numba.njit(nogil=True, fastmath=True)
def _emit(matches, base, begin, hop, out):
    for row in range(matches.shape[0]):
        start = begin + row * hop
        count = max(0, min(hop, out.size - start))
        block, match = out[start : start + count], matches[row]
        for i in range(count):
            block[i] = base - np.int32(np.floor(match[i] + np.float32(0.5)))


def overlap_save(text: Codes, pattern: Codes, size: int, rows: int) -> Run:
    """Planned FFTW transforms of ``size``, ``rows`` at a time, in single precision; ours to beat.

    With letter 0 dropped, matches = count(0 in pattern) + sum over the other letters c of A_c * (B_c - B_0), where A and B are
    the indicators of text and pattern: one forward transform less a block. (Right only if the pattern has all letters of the
    text; else none is dropped.) The products are summed in the frequency domain and go back by one inverse. Spectra of the
    pattern are made ahead.
    """
    m, letters = len(pattern), np.unique(pattern)
    first = np.zeros(m)
    if np.isin(np.unique(text), letters).all():
        first[:] = pattern == letters[0]
        letters = letters[1:]
    hop = size - m + 1
    planes = pyfftw.zeros_aligned((rows, size), np.float32)
    spectra = pyfftw.zeros_aligned((rows, size // 2 + 1), np.complex64)
    total = pyfftw.zeros_aligned((rows, size // 2 + 1), np.complex64)
    forward = pyfftw.FFTW(planes, spectra, axes=(1,), **PLAN)
    inverse = pyfftw.FFTW(total, planes, axes=(1,), direction="FFTW_BACKWARD", **PLAN)
    masks = []
    for letter in letters:
        mask = np.conj(np.fft.rfft((pattern == letter) - first, size)) / size
        masks.append((letter, mask.astype(np.complex64)))
    base = np.int32(m - first.sum())
    out = np.empty(len(text) - m + 1, np.int32)

    def run() -> Distances:
        total[:] = 0  # also right for a pattern of one letter
        for begin in range(0, len(out), hop * rows):
            for i, (letter, mask) in enumerate(masks):
                _indicators(text, letter, begin, hop, planes)
                forward.execute()
                (_multiply_add if i else _multiply)(spectra, mask, total)
            inverse.execute()
            _emit(planes, base, begin, hop, out)
        return out

    return run


def pyfftw_overlap_save(text: Codes, pattern: Codes) -> Run:
    """``overlap_save`` at the plan that suits pattern and machine best, of those that may: found by trying them."""
    m = len(pattern)
    least = max(1024, 1 << (4 * m - 1).bit_length())
    sizes = [least, 2 * least] if m <= 16384 else [least]
    plans = [(size, rows) for size in sizes for rows in sorted({1, max(1, 16384 // size)})]
    if len(plans) == 1:
        return overlap_save(text, pattern, *plans[0])

    def cost(plan: tuple[int, int]) -> float:
        run = overlap_save(text[: m + (1 << 18)], pattern, *plan)
        run()
        return min(cpu_seconds(run) for _ in range(3))

    return overlap_save(text, pattern, *min(plans, key=cost))


def pyfftw_rfft(size: int = 4096, rows: int = 64) -> Callable[[], NDArray[np.complex64]]:
    """The bare forward transform, planned, for comparison with ours: ``rows`` transforms of ``size`` real numbers."""
    data = pyfftw.empty_aligned((rows, size), np.float32)
    spectra = pyfftw.empty_aligned((rows, size // 2 + 1), np.complex64)
    plan = pyfftw.FFTW(data, spectra, axes=(1,), **(PLAN | {"flags": ("FFTW_MEASURE",)}))  # keeps the data
    data[:] = np.random.default_rng(0).integers(0, 2, data.shape)

    def run() -> NDArray[np.complex64]:
        plan.execute()
        return spectra

    return run


# --- Search with at most k mismatches


def sassy_search(text: Codes, pattern: Codes, k: int) -> Callable[[], list]:
    """Search by edit distance with a bound, on the letters ACGT; what there is nearest to a search by Hamming distance."""
    from sassy import Searcher  # in no extra: its wheels are for few platforms

    letters = np.frombuffer(b"ACGT", np.uint8)
    query, sequence = letters[pattern].tobytes(), letters[text].tobytes()
    searcher = Searcher("dna", rc=False)
    return lambda: searcher.search(query, sequence, k)


GENERAL: dict[str, Peer] = {
    "numba naive": numba_naive,
    "scipy oaconvolve f32": scipy_oaconvolve,
    "scipy fftconvolve f32": scipy_fftconvolve,
    "OpenCV matchTemplate f32": opencv_match_template,
}
EXPERTS: dict[str, Peer] = {
    "numba, blocked by hand": numba_blocked,
    "pyfftw overlap-save f32": pyfftw_overlap_save,
}
PEERS: dict[str, Peer] = GENERAL | EXPERTS
