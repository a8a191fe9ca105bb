"""Which moduli: the trade between error, bits and server time, by the exact error of each set of moduli.

What decides is the shape: how many moduli there are, their mean share of k, the share of subset selection's bits that is
sent, and how far they lie apart. Shapes are tried at a small k, where a set costs less than a millisecond; those that no other
beats are then made of coprime integers at k itself, and scored there.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyalgo.rns import is_pairwise_coprime
from pyalgo_privacy.combinadic import subset_bits
from pyalgo_privacy.errors import InfeasibleBudget
from pyalgo_privacy.fields import bits_of
from pyalgo_privacy.oracle import integer
from pyalgo_privacy.residues import NormalSystem, rank, trace
from pyalgo_privacy.subset import mean_variance, subset_size

__all__ = ["ModuliPlan", "choose_moduli", "pick"]

COUNTS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 24)
SHARES = (0.25, 0.275, 0.3, 0.325, 0.35, 0.375, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9)
SPREADS = (0.15, 0.3, 0.45, 0.6)  # moduli from (1 - spread) to (1 + spread) times their mean
SHAPE_DRAWS, DRAWS = 3, 3
SHAPE_K = 1024
ROUGH, ROUGH_STEPS = 1e-4, 250  # a set that takes more steps is left out: it is no use to a server
STEP_SECONDS = (
    0.8e-9  # of one step of the solver, a value and a modulus, on one core of 2023: for comparison, not for clocks
)
FAST = 1.5e-6  # seconds a value that `pick` lets a query take: 33 ms at k = 22000


@dataclass(frozen=True)
class ModuliPlan:
    """One set of moduli, and what it costs.

    Attributes
    ----------
    moduli : tuple of int
    ratio : float
        Mean squared error over that of subset selection where no value is common, from the trace of the covariance.
    kappa : float
        Condition number of the server's system.
    bits : float
        Of a report, in expectation.
    bits_per_block : tuple of int
    seconds : float
        Of the two solutions in a query on one core, estimated from the steps that the solver takes. Exact standard errors, up
        to k = 1024, take some milliseconds more.
    """

    moduli: tuple[int, ...]
    ratio: float
    kappa: float
    bits: float
    bits_per_block: tuple[int, ...]
    seconds: float


def choose_moduli(
    k: int,
    eps: float,
    l: int | None = None,  # noqa: E741 - the letter of the paper
    target_ratio: float = 1.3,
    bits_budget: float | None = None,
    seed: int = 0,
    cache: bool = True,
) -> list[ModuliPlan]:
    """Sets of moduli of which none is better in error, bits and server time at once; fewest bits first.

    Parameters
    ----------
    k, eps
        As of `MSS`.
    l : int, optional
        How many moduli; if left out, several numbers are tried. One modulus is subset selection itself.
    target_ratio : float
        Plans with a larger ratio are left out; ``math.inf`` shows the whole trade.
    bits_budget : float, optional
        Plans with more bits a report are left out.
    seed : int
        Of the sets that are tried. Equal arguments give equal plans, on machines that round sums alike.
    cache : bool
        Keep the plans in the user's folder of caches (``PYALGO_CACHE``, else ``XDG_CACHE_HOME`` or its like), and take them from
        there. What is read is checked first; what does not hold is made anew.

    Raises
    ------
    InfeasibleBudget
        (a ``ValueError``) If no plan is left, naming the nearest.

    Notes
    -----
    About 1,500 sets at k = 1024, then some hundred at k: O(k l) a solver's step.

    Examples
    --------
    >>> plans = choose_moduli(64, 1.0, cache=False)
    >>> max(plan.ratio for plan in plans) <= 1.3, plans == choose_moduli(64, 1.0, cache=False)
    (True, True)
    """
    k, seed = integer("k", k, 2, 2**31 - 1), integer("seed", seed, 0, 2**63 - 1)
    counts = COUNTS if l is None else (integer("l", l, 1, 1024),)
    if not 0 < eps <= 40:
        raise ValueError(f"eps must be a number above 0 and at most 40, got {eps!r}")
    path = cache_path(k, eps, l, seed)
    plans = read_plans(path, k, eps) if cache else None
    if plans is None:
        plans = _pareto(_searched(k, float(eps), counts, seed))
        if cache:
            _write_plans(path, plans)
    left = [p for p in plans if p.ratio <= target_ratio and (bits_budget is None or p.bits <= bits_budget)]
    if not left:
        raise InfeasibleBudget(_nearest(plans, target_ratio, bits_budget))
    return left


def pick(plans: Sequence[ModuliPlan], k: int) -> ModuliPlan:
    """What ``MSS(moduli="auto")`` takes: the fewest bits among plans whose query takes at most 1.5 us a value, or the fastest."""
    fast = [plan for plan in plans if plan.seconds <= FAST * k]
    return min(fast, key=lambda plan: plan.bits) if fast else min(plans, key=lambda plan: plan.seconds)


def _nearest(plans: Sequence[ModuliPlan], target_ratio: float, bits_budget: float | None) -> str:
    wanted = f"a ratio of at most {target_ratio}" + ("" if bits_budget is None else f" with at most {bits_budget} bits")
    if not plans:
        return f"no moduli reach {wanted}: none of those tried determine all frequencies at a reasonable cost"
    within = [plan for plan in plans if bits_budget is None or plan.bits <= bits_budget] or plans
    nearest = min(within, key=lambda plan: plan.ratio)
    return f"no moduli reach {wanted}: the nearest have ratio {nearest.ratio:.4g} and {nearest.bits:.5g} bits"


# The search


def _searched(k: int, eps: float, counts: Iterable[int], seed: int) -> list[ModuliPlan]:
    """Plans at k of the shapes that are best at a small k."""
    rng = random.Random(seed)
    small = min(k, SHAPE_K)
    scored = []
    for l in counts:  # noqa: E741
        for shape in _shapes(l, rng):
            moduli = coprime_near([share * small for share in shape])
            if moduli and (found := _score(small, moduli)):
                scored.append((found[0], sum(moduli) / small / l + bits_of(l) / small, l * found[1], shape))
    kept = _undominated(scored)
    tried: dict[tuple[int, ...], ModuliPlan] = {}
    for *_, shape in kept:
        for draw in range(DRAWS):
            shift = [1.0 + (0.01 * rng.uniform(-1, 1) if draw else 0.0) for _ in shape]
            moduli = coprime_near([share * k * by for share, by in zip(shape, shift, strict=True)])
            if moduli and moduli not in tried and (plan := plan_of(k, eps, moduli, ROUGH, ROUGH_STEPS)):
                tried[moduli] = plan
    best = _pareto(tried.values())
    return [plan for rough in best if (plan := plan_of(k, eps, rough.moduli))]


def _shapes(l: int, rng: random.Random) -> Iterable[list[float]]:  # noqa: E741
    if l == 1:
        yield [1.0]
        return
    for share in SHARES:
        for spread in SPREADS:
            for _ in range(SHAPE_DRAWS):
                steps = [2 * (i + rng.random()) / l - 1 for i in range(l)]
                yield [share * (1 + spread * step) for step in steps]


def coprime_near(targets: Sequence[float]) -> tuple[int, ...] | None:
    """Pairwise coprime integers, each the nearest to its target that has no factor in common with those before it."""
    product, moduli = 1, []
    for target in targets:
        middle = max(2, round(target))
        near = (m for step in range(middle) for m in (middle + step, middle - step) if m >= 2)
        m = next((m for m in near if math.gcd(m, product) == 1), None)
        if m is None:
            return None
        product *= m
        moduli.append(m)
    return tuple(sorted(moduli))


def _score(k: int, moduli: Sequence[int]) -> tuple[float, int] | None:
    """(error at equal weights, steps of the solver), roughly; None where it takes too many."""
    if rank(moduli, k) < k:
        return None
    y = NormalSystem(k, np.array(moduli, np.int64), np.full(len(moduli), 1 / len(moduli))).first_column(
        ROUGH, ROUGH_STEPS
    )
    return (trace(y.x) / k, y.iterations) if y.residual <= ROUGH else None


def plan_of(
    k: int, eps: float, moduli: Sequence[int], tolerance: float = 1e-10, most: int = 10_000
) -> ModuliPlan | None:
    """The plan of given moduli; None where the solver takes more than `most` steps, or they do not determine k frequencies."""
    if rank(moduli, k) < k:
        return None
    sizes = [subset_size(m, eps) for m in moduli]
    information = [1 / mean_variance(m, size, eps) / len(moduli) for m, size in zip(moduli, sizes, strict=True)]
    y = NormalSystem(k, np.array(moduli, np.int64), np.array(information)).first_column(tolerance, most)
    if y.residual > tolerance:
        return None
    ours, theirs = trace(y.x) / k, mean_variance(k, subset_size(k, eps), eps)
    bits = bits_per_block(moduli, eps)
    seconds = 2 * STEP_SECONDS * y.iterations * k * len(moduli)
    return ModuliPlan(tuple(moduli), ours / theirs, y.kappa, math.fsum(bits) / len(bits), bits, seconds)


def bits_per_block(moduli: Sequence[int], eps: float) -> tuple[int, ...]:
    """ceil(log2 l) + ceil(log2 C(m_j, omega_j))."""
    return tuple(bits_of(len(moduli)) + subset_bits(m, subset_size(m, eps)) for m in moduli)


def _undominated(scored: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Those of which no other has the first three entries at most so large: error and bits to 1/2 %, time to 10 %.

    The least product goes first, so that of several which hardly differ one stays.
    """
    slack = np.array([1.005, 1.005, 1.1])
    kept: list[tuple[Any, ...]] = []
    values = np.empty((len(scored), 3))
    for row in sorted(scored, key=lambda row: (row[0] * row[1] * row[2], row[:3])):
        if not (values[: len(kept)] <= slack * row[:3]).all(axis=1).any():
            values[len(kept)] = row[:3]
            kept.append(row)
    return kept


def _pareto(plans: Iterable[ModuliPlan]) -> list[ModuliPlan]:
    rows = [(plan.ratio, plan.bits, plan.seconds, plan) for plan in plans]
    return sorted((row[3] for row in _undominated(rows)), key=lambda plan: (plan.bits, plan.ratio, plan.seconds))


# The cache


def cache_path(k: int, eps: float, l: int | None, seed: int) -> Path:  # noqa: E741
    """Where the plans of these arguments are kept; a new version of the search takes a new name."""
    return cache_folder() / f"moduli-2-{k}-{float(eps).hex()}-{l or 'any'}-{seed}.json"


def cache_folder() -> Path:
    """``PYALGO_CACHE``, or the folder `pyalgo` in the place that the system has for what can be made anew."""
    if chosen := os.environ.get("PYALGO_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pyalgo"


def read_plans(path: Path, k: int, eps: float) -> list[ModuliPlan] | None:
    """The plans of a file, or None if it is not there or does not hold plans for k and eps.

    A file of the user's cache is not believed: moduli must be coprime and determine k frequencies, and bits must be theirs.
    Of the first and the last plan the ratio is made anew.
    """
    try:
        plans = [_read_plan(entry, k, eps) for entry in json.loads(path.read_text(encoding="utf-8"))]
        last = plans[-1]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    for plan in (plans[0], last):
        exact = plan_of(k, eps, plan.moduli, ROUGH, ROUGH_STEPS * 10)
        if exact is None or not math.isclose(exact.ratio, plan.ratio, rel_tol=0.01):
            return None
    return plans


def _read_plan(entry: dict[str, Any], k: int, eps: float) -> ModuliPlan:
    moduli = tuple(integer("moduli", m, 2, 2**31 - 1) for m in entry["moduli"])
    if not 1 <= len(moduli) <= 1024 or not is_pairwise_coprime(moduli) or rank(moduli, k) < k:
        raise ValueError(f"moduli {moduli} are not coprime or do not determine {k} frequencies")
    numbers = [float(entry[name]) for name in ("ratio", "kappa", "seconds")]
    if not all(0 < number < math.inf for number in numbers):
        raise ValueError(f"plan has numbers out of range: {numbers}")
    ratio, kappa, seconds = numbers
    bits = bits_per_block(moduli, eps)
    return ModuliPlan(moduli, ratio, kappa, math.fsum(bits) / len(bits), bits, seconds)


def _write_plans(path: Path, plans: Sequence[ModuliPlan]) -> None:
    """At once or not at all; a cache that cannot be written costs time alone, and is no error."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=path.stem, suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
            json.dump([asdict(plan) for plan in plans], file)
        try:
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
