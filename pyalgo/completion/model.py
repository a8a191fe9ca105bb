"""The model: pyalgo's contract around the compiled core."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from pyalgo import _core, snapshot
from pyalgo.algorithm import Algorithm
from pyalgo.arrays import read_batch
from pyalgo.completion.fitting import Fit, default_reg, fit_shape, starting_point, stopping
from pyalgo.completion.inputs import Cells, extent, read_cells, read_places, read_triple, too_large
from pyalgo.completion.predictor import Predictor
from pyalgo.completion.result import Candidate, CompletionState, CompletionWarning
from pyalgo.completion.settings import (
    check_rank,
    core_settings,
    left_open,
    read_fraction,
    read_parameters,
    read_shape,
    worker_count,
)
from pyalgo.completion.state import State
from pyalgo.completion.sweeps import Callback, Stopping, Sweep, sweep_until_settled
from pyalgo.errors import SnapshotError, at_row
from pyalgo.parameters import read_flag, read_integer

__all__ = ["MatrixCompletion"]


class MatrixCompletion(Predictor, Algorithm):
    """A low-rank model of a matrix of which few cells are known, kept up to date while cells come, change and go.

    Cell (i, j) is modelled as ``mean + row_bias[i] + col_bias[j] + U[i] @ V[j]``. Rows and columns are solved in turn, each
    with the other fixed, so that no half step raises the objective

        sum w_ij (M_ij - model_ij)^2 + reg * (sum_i d_i^a (|U_i|^2 + b_i^2) + sum_j d_j^a (|V_j|^2 + c_j^2))

    where row i has d_i cells. An update re-solves the rows and columns it touches; `refresh` sweeps over all. The number of
    threads never changes a bit, and ``refresh("full")`` ends where a fit of the same cells would, bit for bit.

    Parameters
    ----------
    rank : int or "auto"
        Columns of U and V. ``"auto"`` doubles it from 2 on as long as the validation error falls by more than one percent.
    method : {"als", "altmin"}
        ``"als"`` for data; ``"altmin"`` is the algorithm of the theorem: orthonormal factors, no biases, no centre, and a
        start whose spiky rows are clipped.
    solver : {"auto", "cholesky", "cg", "sketch"}
        How a row's regression is solved. For `rank` above about 64, ``"cg"`` and ``"sketch"`` cost less a sweep; ``"auto"``
        takes cholesky or cg, by a fixed table of costs and the steps that the rows before took.
    reg : float, "auto" or None
        Weight of the regulariser. None takes a default in the unit in which the cells have a standard deviation of 1, so that
        their unit does not matter (0 for altmin). ``"auto"`` tries a grid around it on the validation cells, together with the
        rank if that is ``"auto"`` too.
    reg_scaling : {"sqrt", "none", "count"}
        The exponent a: 1/2, 0 or 1.
    bias, center : bool, optional
        Whether rows and columns have biases, and the mean is taken off first; True for als, and not there for altmin.
    nonneg : bool
        Keep U and V at 0 or above.
    max_sweeps : int
        At most so many in a fit; 0 leaves the starting factors.
    tol : float
        A fit ends when the objective falls by a smaller share in a sweep; 0 never ends it. For altmin it also bounds the
        sweeps by ``ceil(log2(1 / tol)) + 2``.
    patience : int
        A fit ends when the validation error was not improved for so many sweeps. The factors of the best sweep are kept.
    inner_tol : "adaptive" or float
        Relative residual to which cg and sketch solve a row; adaptive follows the error of the fit.
    inner_steps : int, optional
        Fixes the number of their steps instead.
    init : {"spectral", "random"}
        Starting factors.
    incoherence : float, optional
        Rows of altmin's start are clipped by it; by default it is estimated.
    split : {"reuse", "independent"}
        Whether altmin uses all cells in every half step, or fresh ones in each, as the theorem has it.
    validation : float
        Share of the cells to hold out, chosen by a hash of the cell, so that those of a stream are too.
    local_rounds : int
        How often an update re-solves the touched rows and then columns, 0 to 5; 0 leaves that to `refresh`.
    sweep_at : float, optional
        An update ends with a sweep over all once this share of the cells has changed since the last one.
    shape : (int, int), optional
        Rows and columns. By default that of the first fit; a model that is only fed grows with what it is fed.
    dtype : {"float64", "float32"}
        Of the cells and factors in memory.
    threads : int
        0 for all cores.
    seed : int
        Of starting factors, validation cells and sketches.
    duplicates : {"error", "last", "mean", "sum"}
        What a fit makes of cells that are given twice. In updates the later one counts.

    Attributes
    ----------
    rank_, reg_ : int, float
        The rank and regulariser that the model works with.
    history : list of Sweep
        The sweeps of the last fit or refresh; not part of a snapshot.
    selection_path : tuple of Candidate
        What ``"auto"`` tried.

    Raises
    ------
    ValueError, TypeError, OverflowError
        For parameters and cells out of range, naming the value and its place. The state is unchanged.
    UnknownIndexError
        (a ``KeyError`` and an ``IndexError``) For a row or column beyond the shape.
    UnknownElementError
        (a ``KeyError``) For the deletion of a cell that is not there.

    Warns
    -----
    CompletionWarning
        When the cells of a fit do not determine the matrix: several components, or fewer cells than unknowns in a row or
        column that nothing regularises.

    Notes
    -----
    A sweep costs O(cells * rank^2 + (rows + columns) * rank^3) with cholesky, O(cells * rank) a step with cg and sketch. An
    update of one cell costs what its row and its column cost. Memory: two copies of the cells (by row and by column) and
    the factors.

    Gu, Song, Yin, Zhang: "Low Rank Matrix Completion via Robust Alternating Minimization in Nearly Linear Time", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40))
    >>> gaps = np.where(rng.random(truth.shape) < 0.5, truth, np.nan)
    >>> model = MatrixCompletion(rank=3, reg=1e-6, tol=1e-9).fit(gaps)
    >>> bool(np.abs(model.complete() - truth).max() < 1e-3)
    True
    >>> model.insert([0], [1], [2.5])  # a cell that came, or changed
    >>> model.query().n_obs - int(np.isfinite(gaps).sum()), bool(np.isnan(gaps[0, 1]))
    (1, True)
    """

    name = "completion"
    columns: ClassVar[dict[str, tuple[str, str]]] = {
        "op": ("int8", "+1 insert or overwrite, -1 delete"),
        "row": ("int64", "row of the cell, from 0"),
        "col": ("int64", "column of the cell, from 0"),
        "value": ("float64?", "what the cell holds; ignored for deletions"),
        "weight": ("float64?", "how much it counts, by default 1; ignored for deletions"),
    }
    exempt: ClassVar[dict[str, str]] = {
        "batch_split": "an update re-solves the rows and columns it touches once, however many cells it brings; the cells and "
        "counts are the same, all is with local_rounds=0 (and no sweep_at), and the factors are after refresh('full')",
        "merge": "the factors are those of the left model, swept once over the union of the cells; the cells are the same, and "
        "the factors are after refresh('full')",
    }

    def __init__(
        self,
        rank: int | str = 10,
        *,
        method: str = "als",
        solver: str = "auto",
        reg: float | str | None = None,
        reg_scaling: str = "sqrt",
        bias: bool | None = None,
        center: bool | None = None,
        nonneg: bool = False,
        max_sweeps: int = 50,
        tol: float = 1e-5,
        patience: int = 3,
        inner_tol: float | str = "adaptive",
        inner_steps: int | None = None,
        init: str = "spectral",
        incoherence: float | None = None,
        split: str = "reuse",
        validation: float = 0.0,
        local_rounds: int = 1,
        sweep_at: float | None = None,
        shape: tuple[int, int] | None = None,
        dtype: str = "float64",
        threads: int = 1,
        seed: int = 0,
        duplicates: str = "error",
    ) -> None:
        # As given: scikit-learn's clone compares them by identity. What they mean is read into `_read`.
        self.rank = rank
        self.method = method
        self.solver = solver
        self.reg = reg
        self.reg_scaling = reg_scaling
        self.bias = bias
        self.center = center
        self.nonneg = nonneg
        self.max_sweeps = max_sweeps
        self.tol = tol
        self.patience = patience
        self.inner_tol = inner_tol
        self.inner_steps = inner_steps
        self.init = init
        self.incoherence = incoherence
        self.split = split
        self.validation = validation
        self.local_rounds = local_rounds
        self.sweep_at = sweep_at
        self.shape = shape
        self.dtype = dtype
        self.threads = threads
        self.seed = seed
        self.duplicates = duplicates
        self._read = read_parameters(self.get_params())
        self.history: list[Sweep] = []
        self._state = self._unfed()

    def _unfed(self) -> State:
        read = self._read
        rank = 1 if read["rank"] == "auto" else read["rank"]  # stands in until one is chosen
        settings = core_settings(read, rank, default_reg(read), read["validation"])
        core = _core.Completion(_core.CompletionSettings(**settings))
        if read["shape"] is not None:
            core.grow(*read["shape"])
        return State(core, settings, grows=read["shape"] is None)

    # --- Parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as they were given."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> MatrixCompletion:
        """Change parameters.

        `max_sweeps`, `tol`, `patience`, `local_rounds`, `sweep_at`, `threads` and `duplicates` count at once. What a state is
        made with (rank, method, ...) counts from the next fit on; a model that was never fed takes it at once.
        """
        given = self.get_params()
        for name in params:
            if name not in given:
                raise ValueError(f"unknown parameter {name!r}: the parameters are {', '.join(given)}")
        read = read_parameters({**given, **params})
        for name, value in params.items():
            setattr(self, name, value)
        self._read = read
        if self.n_seen == 0:
            self._state = self._unfed()
        return self

    @property
    def params(self) -> dict[str, Any]:
        """The constructor's arguments, as plain numbers and strings."""
        return dict(self._read)

    @property
    def rank_(self) -> int:
        """The rank that the model works with."""
        self._refuse_unchosen()
        return int(self._state.settings["rank"])

    @property
    def reg_(self) -> float:
        """The weight of the factors' regulariser now, in the unit of `reg`."""
        self._refuse_unchosen()
        return self._state.core.reg

    @property
    def shape_(self) -> tuple[int, int]:
        """Rows and columns now."""
        return self._state.shape

    @property
    def selection_path(self) -> tuple[Candidate, ...]:
        """What ``"auto"`` tried, with the validation RMSE of each."""
        return self._state.path

    def __repr__(self) -> str:
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if repr(getattr(self, name)) != repr(parameter.default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _refuse_unchosen(self) -> None:
        auto = left_open(self._read)
        if auto and self.n_seen == 0:
            raise AttributeError(f"{auto[0]} is chosen by fit: call it first, or give a number instead of 'auto'")

    def _threads(self) -> int:
        return worker_count(self._read["threads"])

    # --- Fitting

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        *,
        shape: tuple[int, int] | None = None,
        weights: Any = None,
        validation: Any = None,
        init: tuple[Any, Any] | None = None,
        warm_start: bool = False,
        callback: Callback | None = None,
    ) -> MatrixCompletion:
        """Replace everything by a model of the cells in `X`.

        Parameters
        ----------
        X : sparse matrix, array or tuple (rows, cols, values)
            Every stored entry of a SciPy sparse matrix is a cell, explicit zeros too; of an array (or masked array) those that
            are not NaN (or masked).
        y : ignored
        shape : (int, int), optional
            Overrides the constructor's. By default that of `X`, of a triple the least that holds it.
        weights : array, optional
            Of the shape of an array `X`; in the order of a sparse matrix's ``data``; one for each cell of a triple.
        validation : float, sparse matrix, array or tuple, optional
            Overrides the constructor's share; or further cells to hold out.
        init : (array, array), optional
            Starting factors U and V of this fit.
        warm_start : bool
            Begin at the present factors.
        callback : callable, optional
            ``callback(sweep, train_rmse, valid_rmse, seconds)`` after every sweep; returning False ends the fit, which keeps
            the best factors. What it raises leaves the model as it was.
        """
        read = read_parameters(self.get_params())
        cells = read_cells("X", X, weights)
        if not len(cells.values):
            raise ValueError("X has no observed cells: there is nothing to fit")
        held, share = None, read["validation"]
        if isinstance(validation, int | float | np.number):
            share = read_fraction("validation", validation)
        elif validation is not None:
            held, share = read_cells("validation", validation), 0.0
        size = fit_shape(cells, read["shape"] if shape is None else read_shape(shape))
        start = starting_point(read, size, init, self._state if warm_start else None)
        core, settings, history, path = Fit(read, cells, size, held, share, start, callback).run()
        state = State(core, settings, grows=False, path=path)
        _warn(state.doubts(self._threads()))  # before it counts: a warning may be made an error
        self._read, self._state, self.history = read, state, history
        return self

    def refresh(self, sweeps: int | str = "full", *, callback: Callback | None = None) -> None:
        """Sweep over all cells.

        Parameters
        ----------
        sweeps : int or "full"
            So many sweeps from the present factors; or the starting factors anew and as many as a fit would take, which ends
            where a fit of these cells ends (with the rank and regulariser of `rank_` and `reg_`).
        callback : callable, optional
            As in `fit`; returning False ends the sweeps. What it raises leaves the model as it was.
        """
        full = isinstance(sweeps, str)
        if full and sweeps != "full":
            raise ValueError(f"sweeps must be a number or 'full', got {sweeps!r}")
        until = stopping(self._read) if full else Stopping(read_integer("sweeps", sweeps, 0, 10**6), 0.0, None)
        state, core, threads = self._state, self._state.core, self._threads()
        if core.n_cells == 0:
            raise ValueError("there are no cells to sweep over: feed some first")
        if full:
            check_rank(state.settings["rank"], state.shape)
        before = core.checkpoint()
        try:
            if full:
                core.restart(threads)
            history, _ = sweep_until_settled(core, until, threads, callback)
            state.changed()
            if full:
                _warn(state.doubts(threads))
        except BaseException:
            core.restore(before)
            state.changed()
            raise
        self.history = history

    # --- Streaming

    def update(self, batch: Any = None, /, *, refresh: str | None = None, **columns: Any) -> None:
        """Insert, overwrite and delete cells, in the order of the rows, as one atomic batch.

        Parameters
        ----------
        batch : mapping or Arrow record batch, optional
            The columns; or give them as keywords.
        row, col : int64
            The cells.
        value : float64
            What they hold; needed for insertions.
        weight : float64, optional
            How much they count.
        op : int8, optional
            +1 insert or overwrite (default), -1 delete.
        refresh : {"local", "none"}, optional
            Whether the touched rows and columns are solved again; by default as `local_rounds` says.
        """
        read = read_batch(self.columns, batch, columns)
        op, value = read["op"], read.get("value")
        assert isinstance(op, np.ndarray)
        if value is None:
            inserted = np.flatnonzero(op > 0)
            if len(inserted):
                row = int(inserted[0])
                raise at_row(ValueError(f"row {row}: value is missing, and an insertion needs one"), row)
            value = np.zeros(len(op))
        self._feed(op, read["row"], read["col"], value, read.get("weight"), refresh)

    def insert(self, rows: Any, cols: Any, values: Any, *, weights: Any = None, refresh: str | None = None) -> None:
        """Insert or overwrite cells: ``update`` with op = +1."""
        self._insert(read_triple(rows, cols, values, weights), refresh)

    def delete(self, rows: Any, cols: Any, *, refresh: str | None = None) -> None:
        """Delete cells: ``update`` with op = -1."""
        read = read_places(rows, cols)
        self._feed(np.full(len(read[0]), -1, np.int8), *read, np.zeros(len(read[0])), None, refresh)

    def partial_fit(self, X: Any, y: Any = None, *, weights: Any = None) -> MatrixCompletion:  # noqa: N803
        """Insert or overwrite the cells of `X`, which is as in `fit`; of a cell that is in it twice the later one counts."""
        cells = read_cells("X", X, weights)
        state = self._state
        if cells.shape is not None and not state.grows and not np.all(np.less_equal(cells.shape, state.shape)):
            raise ValueError(f"X is {cells.shape}, larger than the model's {state.shape}: add_rows and add_cols first")
        self._insert(cells, None)
        if state.grows:  # a matrix may end in rows and columns without cells
            state.core.grow(*(max(sides) for sides in zip(state.shape, extent(cells), strict=True)))
            state.changed()
        return self

    def _insert(self, cells: Cells, refresh: str | None) -> None:
        self._feed(np.ones(len(cells.rows), np.int8), *cells[:4], refresh)

    def _feed(self, op: Any, rows: Any, cols: Any, values: Any, weights: Any, refresh: str | None) -> None:
        if self.n_seen == 0 and left_open(self._read):
            raise ValueError(f"{left_open(self._read)[0]}='auto' is chosen by fit: call it first, or give a number")
        rounds = self._read["local_rounds"]
        if refresh is not None:
            if refresh not in ("local", "none"):
                raise ValueError(f"refresh must be 'local' or 'none', got {refresh!r}; refresh('full') is a method")
            rounds = max(rounds, 1) if refresh == "local" else 0
        core, threads, due = self._state.core, self._threads(), self._read["sweep_at"]
        try:
            core.update(op, rows, cols, values, weights, rounds, threads, self._state.grows)
            if due is not None and core.n_cells > 0 and core.n_changed >= due * core.n_cells:
                core.sweep(threads)
        except OverflowError:
            raise too_large(rows, cols) from None
        finally:
            self._state.changed()

    def add_rows(self, count: int) -> None:
        """Make room for `count` more rows, behind the others."""
        self._grow(read_integer("count", count, 0, 2**31 - 1), 0)

    def add_cols(self, count: int) -> None:
        """Make room for `count` more columns, behind the others."""
        self._grow(0, read_integer("count", count, 0, 2**31 - 1))

    def _grow(self, rows: int, cols: int) -> None:
        m, n = self.shape_
        self._state.core.grow(*read_shape((m + rows, n + cols)))
        self._state.changed()

    def merge(self, other: MatrixCompletion) -> None:
        """Take in the cells of `other`, then sweep once over all; `other` is unchanged.

        Raises
        ------
        ValueError
            If parameters or shapes differ, or a cell holds one value here and another there.
        """
        if not isinstance(other, MatrixCompletion):
            raise TypeError(f"only another MatrixCompletion can be merged in, got {type(other).__name__}")
        for name, value in self._read.items():
            if name != "threads" and value != other._read[name]:
                raise ValueError(
                    f"{name} is {value!r} here and {other._read[name]!r} there: only equal ones can be merged"
                )
        self._state = self._state.merged(other._state, self._threads())

    # --- Answers and state

    def query(self, *, factors: bool = True, diagnostics: bool = True) -> CompletionState:
        """The model and its certificate.

        Parameters
        ----------
        factors : bool
            Whether U, V, the biases and the mean are wanted; without them the answer is small.
        diagnostics : bool
            Whether errors and sampling are wanted, which take a pass over the cells.
        """
        wanted = read_flag("factors", factors), read_flag("diagnostics", diagnostics)
        return self._state.answer(*wanted, self._threads())

    @property
    def n_seen(self) -> int:  # type: ignore[override]
        """Rows of batches taken in so far."""
        return self._state.core.n_seen

    @property
    def nbytes(self) -> int:
        """Memory of the state, in bytes."""
        return self._state.core.nbytes

    def freeze(self) -> Callable[[], bytes]:
        """The state as of now; calling it makes the snapshot."""
        return snapshot.sealing(self, self._state.encode())

    def to_bytes(self) -> bytes:
        """Cells, factors and what the model works with; `from_bytes` needs nothing else."""
        return self.freeze()()

    @classmethod
    def from_bytes(cls, data: bytes) -> MatrixCompletion:
        """The model that `data` is a snapshot of."""
        params, payload = snapshot.unpack(cls, data)
        try:
            if isinstance(params.get("shape"), list):
                params["shape"] = tuple(params["shape"])
            loaded = cls(**params)
        except (TypeError, ValueError, OverflowError) as error:
            raise SnapshotError(f"snapshot's parameters are refused: {error}") from None
        loaded._state = State.decode(payload)
        return loaded


def _warn(found: tuple[str, ...]) -> None:
    for message in found:
        warnings.warn(message, CompletionWarning, stacklevel=3)
