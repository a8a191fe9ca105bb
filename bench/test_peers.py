"""The peers count right: a benchmark against a wrong program says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from peers import PEERS, brute_force, overlap_save, pyfftw_overlap_save, pyfftw_rfft, sassy_search

# Planned without trying: the sizes are too small for that to matter.
QUICK = PEERS | {"pyfftw overlap-save f32": lambda text, pattern: overlap_save(text, pattern, 8192, 1)}


def dna(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, n, dtype=np.uint8)


@pytest.mark.parametrize("peer", QUICK)
@pytest.mark.parametrize(("n", "m"), [(64, 64), (5000, 16), (5000, 47), (5000, 255), (20_000, 1000), (20_000, 4097)])
def test_every_peer_equals_the_definition(peer, n, m):
    text, pattern = dna(n, 1), dna(m, 2)
    run = QUICK[peer](text, pattern)
    for _ in range(2):  # planned once, run often
        np.testing.assert_array_equal(run(), brute_force(text, pattern))


@pytest.mark.parametrize("peer", [name for name in QUICK if "OpenCV" not in name])
def test_large_alphabets_and_one_letter(peer):
    text, pattern = np.random.default_rng(3).integers(0, 256, (2, 4096), dtype=np.uint8)
    pattern[:256] = np.arange(256)
    np.testing.assert_array_equal(QUICK[peer](text, pattern[:1000])(), brute_force(text, pattern[:1000]))
    ones = np.ones(3000, np.uint8)
    np.testing.assert_array_equal(QUICK[peer](ones, ones[:500])(), np.zeros(2501, np.int32))


def test_overlap_save_that_picks_its_plan():
    text, pattern = dna(30_000, 8), dna(300, 9)
    np.testing.assert_array_equal(pyfftw_overlap_save(text, pattern)(), brute_force(text, pattern))


@pytest.mark.parametrize("rows", [1, 3])
def test_overlap_save_at_any_plan(rows):
    text, pattern = dna(30_000, 4), dna(500, 5)
    np.testing.assert_array_equal(overlap_save(text, pattern, 2048, rows)(), brute_force(text, pattern))


def test_the_bare_transform_is_one():
    spectra = pyfftw_rfft(256, 2)()
    data = np.random.default_rng(0).integers(0, 2, (2, 256))
    np.testing.assert_allclose(spectra, np.fft.rfft(data), atol=1e-4)


def test_sassy_finds_what_was_planted():
    pytest.importorskip("sassy", reason="sassy-rs is not installed")
    text, pattern = dna(20_000, 6), dna(64, 7)
    text[5000:5064] = pattern
    text[5010] ^= 1
    found = sassy_search(text, pattern, 3)()
    assert any(match.text_start == 5000 and match.cost == 1 for match in found)
