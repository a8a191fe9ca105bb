"""
Compiled core of pyalgo. Private: use the modules of pyalgo instead.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing
__all__: list[str] = ['DynamicMaximizer', 'Objective', 'Settings', 'coverage', 'facility_location', 'feature_based']
class Objective:
    """
    A monotone submodular function and its payload.
    """
    def add_known(self, keys: typing.Any, values: typing.Any) -> numpy.typing.NDArray[numpy.int64]:
        ...
    def prefix_gains(self, levels: collections.abc.Sequence[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]], ids: typing.Annotated[numpy.typing.ArrayLike, numpy.int64]) -> numpy.typing.NDArray[numpy.float64]:
        ...
    @property
    def n_known(self) -> int:
        """
        How many ids (0, 1, ...) it knows ahead of any update.
        """
    @property
    def name(self) -> str:
        ...
    @property
    def nbytes(self) -> int:
        ...
class Settings:
    def __init__(self, *, k: typing.SupportsInt | typing.SupportsIndex, eps: typing.SupportsFloat | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex, all_guesses: bool, refine_budget: typing.SupportsInt | typing.SupportsIndex) -> None:
        ...
class DynamicMaximizer:
    @staticmethod
    def load(fresh_objective: Objective, settings: Settings, data: bytes) -> DynamicMaximizer:
        ...
    def __init__(self, objective: Objective, settings: Settings) -> None:
        ...
    def audit(self) -> None:
        ...
    def query(self, refine: bool, certificate: bool) -> tuple[typing.Any, numpy.typing.NDArray[numpy.float64], float, float, float]:
        ...
    def save(self) -> bytes:
        ...
    def update(self, op: typing.Annotated[numpy.typing.ArrayLike, numpy.int8], ids: typing.Any, keys: typing.Any, values: typing.Any) -> None:
        ...
    @property
    def activations(self) -> int:
        ...
    @property
    def n_guesses(self) -> int:
        ...
    @property
    def n_live(self) -> int:
        ...
    @property
    def n_seen(self) -> int:
        ...
    @property
    def nbytes(self) -> int:
        ...
    @property
    def objective(self) -> Objective:
        ...
    @property
    def payload_nbytes(self) -> int:
        ...
    @property
    def queries(self) -> int:
        ...
def coverage(items: typing.Any, weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> Objective:
    ...
def facility_location() -> Objective:
    ...
def feature_based(concave: typing.SupportsInt | typing.SupportsIndex, cap: typing.SupportsFloat | typing.SupportsIndex, weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> Objective:
    ...
__version__: str = '0.1.0'
