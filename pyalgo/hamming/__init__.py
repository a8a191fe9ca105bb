"""Text-to-pattern Hamming distances: exact, of any alphabet, in batch and as a stream."""

from __future__ import annotations

from pyalgo.hamming.distances import best_match, explain, find_k_mismatch, hamming_distances
from pyalgo.hamming.plan import Explanation, HammingPlan, KMismatches, Prediction
from pyalgo.hamming.stream import HammingChunk, HammingStream, HammingStreamStats

__all__ = [
    "Explanation",
    "HammingChunk",
    "HammingPlan",
    "HammingStream",
    "HammingStreamStats",
    "KMismatches",
    "Prediction",
    "best_match",
    "explain",
    "find_k_mismatch",
    "hamming_distances",
]
