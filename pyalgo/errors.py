"""Exceptions that pyalgo raises beyond the built-in ``ValueError`` and ``TypeError``."""

from __future__ import annotations

from typing import TypeVar

__all__ = [
    "DuplicateElementError",
    "FeedbackError",
    "NonMonotoneError",
    "PluginError",
    "PyalgoKeyError",
    "SnapshotError",
    "UnknownAlgorithmError",
    "UnknownElementError",
    "UnknownIndexError",
    "at_row",
]

_E = TypeVar("_E", bound=BaseException)


class SnapshotError(ValueError):
    """Bytes that are not a whole, unaltered snapshot of the class that reads them."""


class NonMonotoneError(ValueError):
    """A function of sets that falls where a set grows, though it was promised to be monotone."""


class PyalgoKeyError(KeyError):
    """A ``KeyError`` whose text reads as a sentence (the built-in one shows its argument's ``repr``)."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownElementError(PyalgoKeyError):
    """An id that is not in the data set now."""


class UnknownIndexError(PyalgoKeyError, IndexError):
    """A row or column beyond the shape of a matrix."""


class DuplicateElementError(PyalgoKeyError):
    """An id that is in the data set already."""


class FeedbackError(PyalgoKeyError):
    """A loss for a play that was not made, or has its loss already."""


class UnknownAlgorithmError(PyalgoKeyError):
    """A name that no installed distribution registers."""


class PluginError(ImportError):
    """A registered algorithm that cannot be used, because of what its distribution does."""


def at_row(error: _E, row: int) -> _E:
    """Mark `error` as caused by row `row` (0-based) of the batch; a runner turns it into a line of the input file."""
    error.row = row  # type: ignore[attr-defined]
    return error
