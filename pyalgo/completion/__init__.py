"""Low-rank matrix completion: a few cells of a matrix, the rest of it, and how far off that may be."""

from __future__ import annotations

from pyalgo.completion.model import MatrixCompletion
from pyalgo.completion.result import Candidate, CompletionState, CompletionWarning, Recommendations
from pyalgo.completion.sweeps import Sweep

__all__ = ["Candidate", "CompletionState", "CompletionWarning", "MatrixCompletion", "Recommendations", "Sweep"]
