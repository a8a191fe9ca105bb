"""Text-to-pattern Hamming distances: exact, of any alphabet, in batch and as a stream."""

from __future__ import annotations

from pyalgo.hamming.approximate import ApproxDistances, approx_hamming_distances
from pyalgo.hamming.distances import best_match, explain, find_k_mismatch, hamming_distances
from pyalgo.hamming.machine import calibrate, cpu_features, use_calibration
from pyalgo.hamming.plan import Explanation, HammingPlan, KMismatches, Prediction
from pyalgo.hamming.stream import HammingChunk, HammingStream, HammingStreamStats
from pyalgo.hamming.sumset import SumsetInfo, sumset_counts

__all__ = [
    "ApproxDistances",
    "Explanation",
    "HammingChunk",
    "HammingPlan",
    "HammingStream",
    "HammingStreamStats",
    "KMismatches",
    "Prediction",
    "SumsetInfo",
    "approx_hamming_distances",
    "best_match",
    "calibrate",
    "cpu_features",
    "explain",
    "find_k_mismatch",
    "hamming_distances",
    "sumset_counts",
]

use_calibration()
