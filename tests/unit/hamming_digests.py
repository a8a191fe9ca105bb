"""Run by test_hamming_isa.py in processes of their own, one for each ISA level; prints as JSON what must be equal in all.

``python hamming_digests.py`` prints the level and digests of results of every kind. ``python hamming_digests.py FILE`` goes
on with the stream whose snapshot is in FILE, or starts it, through the next part of its text, and writes it back.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from hamming_oracle import METHODS, STRUCTURED, mutated, structured

from pyalgo.hamming import (
    HammingPlan,
    HammingStream,
    approx_hamming_distances,
    best_match,
    cpu_features,
    find_k_mismatch,
    hamming_distances,
    sumset_counts,
)

PART = 4000


def digest(*results):
    return hashlib.sha256(b"".join(np.asarray(result).tobytes() for result in results)).hexdigest()


def texts():
    """Name, text, pattern: small and wide alphabets, and lengths beside those of blocks and fields."""
    rng = np.random.default_rng(1)
    for sigma, dtype in (
        (2, np.uint8),
        (4, np.uint8),
        (20, np.uint8),
        (200, np.uint8),
        (5000, np.uint16),
        (2**40, np.int64),
    ):
        for m in (1, 30, 65, 240, 700, 2305) + ((4097, 12_289) if sigma <= 4 else ()):
            pattern = rng.integers(0, sigma, m).astype(dtype)
            text = rng.integers(0, sigma + 1, m + 6001).astype(dtype)
            text[2000 : 2000 + m] = mutated(pattern, 0.05, sigma, rng)
            yield f"{sigma} letters, m = {m}", text, pattern
    for name in STRUCTURED:
        text = structured(name, 5000, rng)
        yield name, text, text[1000:1900]


def results():
    found = {}
    for name, text, pattern in texts():
        letters = len(np.unique(pattern))
        for method in METHODS:
            if letters <= {"ntt": 200, "bitslice": 200, "fft": 24}.get(method, letters):
                options = dict(method=method, wildcard=pattern[-1], text_wildcard=text[7])
                plain = hamming_distances(text, pattern, method=method)
                found[f"{name}: {method}"] = digest(plain, hamming_distances(text, pattern, **options))
        hits = [find_k_mismatch(text, pattern, k) for k in (0, 8, len(pattern) // 2)]
        best = best_match(text, pattern, 30)
        found[f"{name}: k"] = digest(*(array for hit in (*hits, best) for array in (hit.positions, hit.distances)))
        if len(pattern) <= 1000:
            for method in ("auto", "sample", "project"):
                approx = approx_hamming_distances(text, pattern, eps=0.2, method=method, seed=3)
                found[f"{name}: approx, {method}"] = digest(approx.values, approx.exact_mask)
    return found


def states():
    found = {}
    _, text, _ = next(texts())
    for options in ({}, {"k": 30, "keep_head": True}, {"latency": 1000, "wildcard": 1}):
        for m in (50, 500, 3000):
            stream = HammingStream(text[:m], **options)
            for at in range(0, len(text), 777):
                stream.update(text[at : at + 777])
            found[f"snapshot, m = {m}, {options}"] = hashlib.sha256(stream.to_bytes()).hexdigest()
    plan = HammingPlan([text[:50], text[9:500], text[:3000]])
    found["plan"] = digest(*plan.distances(text))
    x = np.random.default_rng(2).choice(4000, 300, replace=False)
    values, counts, info = sumset_counts(x, np.arange(0, 4000, 13), seed=1, p0=3, return_info=True)
    found["sumset"] = digest(values, counts, info.primes)
    return found


def relay(path):
    """One more part of a stream of which each is taken by another process."""
    rng = np.random.default_rng(4)
    pattern = rng.integers(0, 4, 2500).astype(np.uint8)
    text = np.concatenate([mutated(pattern, rate, 5, rng) for rate in (0.5, 0.0, 0.1, 0.01, 0.3, 0.0, 0.9, 0.2)])
    stream = HammingStream.from_bytes(path.read_bytes()) if path.exists() else HammingStream(pattern, method="ntt")
    part, emitted = text[stream.n_seen :][:PART], []
    for at in range(0, len(part), 999):
        emitted += stream.update(part[at : at + 999]).distances.tolist()
    path.write_bytes(stream.to_bytes())
    return {"emitted": emitted, "expected": hamming_distances(text, pattern, method="compare").tolist()}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(relay(Path(sys.argv[1]))))
    else:
        print(json.dumps({"isa": cpu_features()["isa"], "digests": {**results(), **states()}}))
