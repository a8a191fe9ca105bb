"""What a model knows: the core, what it was made with, and what was computed from it since it changed last."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np

from pyalgo import _core
from pyalgo.completion.result import Candidate, CompletionState, doubts
from pyalgo.completion.uncertainty import noise_level
from pyalgo.errors import SnapshotError

__all__ = ["State"]

_LENGTH = struct.Struct("<Q")  # of the JSON that stands before the core's bytes
_NOT_ASKED = (math.nan, math.nan, 0)


class State:
    """One value, replaced as a whole by a fit and saved as a whole.

    Attributes
    ----------
    core : _core.Completion
    settings : dict
        What it was made with; the parameters of the model may have gone on since.
    grows : bool
        Whether the shape follows the cells that come.
    path : tuple of Candidate
        How rank and regulariser were chosen.
    """

    def __init__(
        self, core: _core.Completion, settings: dict[str, Any], *, grows: bool, path: tuple[Candidate, ...] = ()
    ) -> None:
        self.core = core
        self.settings = settings
        self.grows = grows
        self.path = path
        self.changed()

    def changed(self) -> None:
        """Forget what was computed before. Called after every change, so that what a reader puts in meanwhile is old."""
        self._version = getattr(self, "_version", 0) + 1
        self._diagnosis: tuple[int, dict[str, Any]] | None = None
        self._noise: tuple[int, float] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.core.n_rows, self.core.n_cols

    def diagnose(self, threads: int) -> dict[str, Any]:
        """Errors and sampling, a pass over the cells."""
        version, kept = self._version, self._diagnosis
        if kept is None or kept[0] != version:
            kept = self._diagnosis = (version, self.core.diagnose(threads))
        return kept[1]

    def doubts(self, threads: int) -> tuple[str, ...]:
        """Why the cells do not determine the matrix, if they do not."""
        return doubts(self.diagnose(threads)["sampling"], self.settings["reg"])

    def noise(self, threads: int) -> float:
        """See `noise_level`."""
        version, kept = self._version, self._noise
        if kept is None or kept[0] != version:
            kept = self._noise = (version, noise_level(self.core, threads))
        return kept[1]

    def copy(self) -> State:
        """Nothing is shared."""
        core, _ = _core.Completion.load(_core.CompletionSettings(**self.settings), self.core.save(""))
        return State(core, self.settings, grows=self.grows, path=self.path)

    def merged(self, other: State, threads: int) -> State:
        """The union of the cells with the factors of this state, swept once."""
        for name, value in self.settings.items():
            if value != other.settings[name]:
                raise ValueError(
                    f"the fit used {name}={value!r} here and {other.settings[name]!r} there: only equal ones"
                )
        if self.shape != other.shape and not (self.grows and other.grows):
            raise ValueError(f"shape is {self.shape} here and {other.shape} there: add_rows and add_cols first")
        shape = [max(sides) for sides in zip(self.shape, other.shape, strict=True)]
        union, theirs = self.copy(), other.copy()  # so that an error in between changes nothing
        union.core.grow(*shape)
        theirs.core.grow(*shape)
        union.core.merge(theirs.core)
        if union.core.n_cells:
            union.core.sweep(threads)
        return union

    def answer(self, factors: bool, diagnostics: bool, threads: int) -> CompletionState:
        """The model and its certificate."""
        core, rank = self.core, self.settings["rank"]
        found = self.diagnose(threads) if diagnostics else None
        empty = np.empty((0, rank))
        u, v, row_bias, col_bias, mean = (
            core.factors() if factors else (empty, empty, empty[:, 0], empty[:, 0], math.nan)
        )
        for array in (u, v, row_bias, col_bias):
            array.flags.writeable = False
        train, valid, ahead = (found[name] if found else _NOT_ASKED for name in ("train", "valid", "ahead"))
        return CompletionState(
            U=u,
            V=v,
            row_bias=row_bias,
            col_bias=col_bias,
            mean=mean,
            train_rmse=train[0],
            train_rmse_se=train[1],
            valid_rmse=valid[0],
            valid_rmse_se=valid[1],
            ahead_rmse=ahead[0],
            ahead_rmse_se=ahead[1],
            n_obs=core.n_cells,
            n_validation=core.n_validation,
            sweeps=core.n_sweeps,
            staleness=min(core.n_changed / max(core.n_cells, 1), 1.0),
            sampling=dict(found["sampling"]) if found else {},
            warnings=self.doubts(threads) if found and core.n_cells else (),
            selection_path=self.path,
            shape=self.shape,
        )

    def encode(self) -> bytes:
        """Everything, as `decode` reads it: the length of a JSON text, the text, and the core's own bytes."""
        kept = {"settings": self.settings, "grows": self.grows, "path": self.path}
        head = json.dumps(kept, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
        return b"".join((_LENGTH.pack(len(head)), head, self.core.save("")))

    @classmethod
    def decode(cls, payload: bytes) -> State:
        try:
            (length,) = _LENGTH.unpack_from(payload)
            head, body = payload[_LENGTH.size : _LENGTH.size + length], payload[_LENGTH.size + length :]
            kept = json.loads(head)
            settings, grows = dict(kept["settings"]), bool(kept["grows"])
            path = tuple(Candidate(int(rank), float(reg), float(rmse)) for rank, reg, rmse in kept["path"])
            core, _ = _core.Completion.load(_core.CompletionSettings(**settings), body)
        except SnapshotError:
            raise
        except (struct.error, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise SnapshotError(f"snapshot's state cannot be read: {error}") from None
        return cls(core, settings, grows=grows, path=path)
