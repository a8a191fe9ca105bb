"""The (1 + eps) approximation: no alignment may ever be further off, whatever its distance and wherever its mismatches stand."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pyalgo.hamming import approx_hamming_distances

from .hamming_oracle import mutated, naive

DELTA = 1e-6
ALGORITHMS = ("auto", "sample", "project")


@cache
def instances():
    """Texts whose distances cover all of 0..m, each with its exact distances."""
    rng = np.random.default_rng(1)
    m = 300
    found = {}
    ramp = (rng.random(3 * m) < np.linspace(0, 1, 3 * m)).astype(np.uint8)
    steps = np.concatenate([np.zeros(m + 40), np.ones(m), np.zeros(m), np.tile([0, 1], 150)]).astype(np.uint8)
    # One pair of letters carries all mismatches: of 0..m in steps of one, and by rising density.
    found["one pair of letters, steps"] = steps, np.zeros(m, np.uint8)
    found["one pair of letters, ramp"] = ramp, np.zeros(m, np.uint8)
    pattern = rng.integers(0, 20, m).astype(np.uint8)
    copies = [mutated(pattern, rate, 20, rng) for rate in (0, 0.002, 0.01, 0.05, 0.3, 0.8)]
    found["mutated copies, 20 letters"] = np.concatenate(copies), pattern
    wide = rng.permutation(60_000)[:m].astype(np.uint16)
    found["all letters different"] = (
        np.concatenate([wide, np.where(rng.random(m) < 0.5, 60_000, wide), wide[::-1]]),
        wide,
    )
    late = np.zeros(m, np.uint8)
    late[-30:] = 1  # all mismatches with a text of zeros stand at the end of the pattern
    found["mismatches at one end"] = np.zeros(m + 700, np.uint8), late
    return {name: (text.astype(p.dtype), p, naive(text, p)) for name, (text, p) in found.items()}


def check(result, distances, eps, *where):
    values, exact = result.values, result.exact_mask
    assert (values.dtype, exact.dtype) == (np.float64, np.bool_)
    assert values.shape == exact.shape == distances.shape
    assert (result.eps, result.delta) == (eps, DELTA)
    off = np.abs(values - distances) > eps * distances + 1e-9
    if off.any():
        at = int(np.flatnonzero(off)[0])
        pytest.fail(f"{where}: alignment {at} has distance {distances[at]}, reported {values[at]}, eps {eps}")
    assert np.array_equal(values[exact], distances[exact]), where
    assert np.all(values[distances == 0] == 0), where


@pytest.mark.claim("hamming.10")
@pytest.mark.parametrize("method", ALGORITHMS)
@pytest.mark.parametrize("eps", [0.05, 0.1, 0.3])
def test_no_alignment_is_further_off_than_eps(method, eps):
    """200 seeds over the instances. By the guarantee alone the 1800 runs of this test could fail with probability 1.8e-3 for
    fresh seeds; they are fixed, so a verdict stands."""
    given = list(instances().items())
    for seed in range(200):
        name, (text, pattern, distances) = given[seed % len(given)]
        result = approx_hamming_distances(text, pattern, eps=eps, delta=DELTA, method=method, seed=seed)
        check(result, distances, eps, name, seed)
        if method == "project":
            assert np.all(result.values <= distances), (name, seed)


@pytest.mark.claim("hamming.10")
@pytest.mark.parametrize("method", ALGORITHMS)
def test_long_patterns(method):
    """Long enough that a sample may stop before the whole pattern is read."""
    rng = np.random.default_rng(2)
    m = 20_000
    pattern = rng.integers(0, 4, m).astype(np.uint8)
    text = np.concatenate([mutated(pattern, rate, 4, rng) for rate in (0.0, 0.001, 0.2)])[: m + 2000]
    text[m + 1000 :] = pattern[:1000]
    result = approx_hamming_distances(text, pattern, eps=0.3, delta=DELTA, method=method, seed=1)
    check(result, naive(text, pattern), 0.3, m)


@pytest.mark.claim("hamming.10")
@pytest.mark.parametrize("method", ALGORITHMS)
def test_same_seed_gives_the_same_bytes(method):
    for name, (text, pattern, _) in instances().items():
        runs = [approx_hamming_distances(text, pattern, eps=0.1, method=method, seed=7) for _ in range(3)]
        assert len({run.values.tobytes() + run.exact_mask.tobytes() for run in runs}) == 1, name
        assert len({run.method for run in runs}) == 1


@pytest.mark.claim("hamming.10")
def test_projection_is_one_sided_and_does_depend_on_the_seed():
    """By its bound the estimate falls below (1 - eps) d with probability under 1e-6 a call; it never exceeds d at all."""
    text, pattern, distances = instances()["mutated copies, 20 letters"]
    seen = set()
    for seed in range(20):
        result = approx_hamming_distances(text, pattern, eps=0.3, delta=0.5, method="project", seed=seed)
        assert np.all(result.values <= distances)
        seen.add(result.values.tobytes())
    assert len(seen) > 1


@pytest.mark.claim("hamming.10")
def test_what_is_exact_says_so():
    """Few letters: counting exactly is cheaper than any estimate."""
    text, pattern, distances = instances()["one pair of letters, ramp"]
    result = approx_hamming_distances(text, pattern, eps=0.1)
    assert result.exact_mask.all()
    assert np.array_equal(result.values, distances)
    assert isinstance(result.method, str)
    assert result.method not in ("", "auto")


@pytest.mark.claim("hamming.10")
def test_symbols_of_every_kind():
    rng = np.random.default_rng(3)
    indices = rng.integers(0, 3, 900)
    kinds = {
        "bytes": bytes(b"abc"[i] for i in indices),
        "str": "".join("a\u4e2d\U0001f600"[i] for i in indices),
        "int64": np.array([1, 1 + 2**32, -1])[indices],
        "strided": np.repeat(indices.astype(np.int16), 2)[::2],
    }
    for name, text in kinds.items():
        for method in ALGORITHMS:
            result = approx_hamming_distances(text, text[200:500], eps=0.2, delta=DELTA, method=method)
            check(result, naive(indices, indices[200:500]), 0.2, name, method)
