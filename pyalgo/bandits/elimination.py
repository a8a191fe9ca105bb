"""Successive elimination over blocks of plays, for arms that remember."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pyalgo import _core
from pyalgo.bandits.policy import Policy
from pyalgo.bandits.settings import MemoryWarning, elimination_settings

__all__ = ["BanditState", "SuccessiveElimination", "SuccessiveEliminationWTB"]

_PHASES: tuple[Literal["exploring", "waiting", "committed", "over"], ...] = (
    "exploring",
    "waiting",
    "committed",
    "over",
)


@dataclass(frozen=True)
class BanditState:
    """What successive elimination knows, and what is proven of it.

    Attributes
    ----------
    active : array of bool, (K,)
        The arms that may still be the best.
    means, counts : arrays, (K,)
        Mean loss (or reward) of each arm over the losses that count, and how many those are.
    radii : array, (K,)
        The radius of a test at those counts; infinite where there are none.
    lower, upper : arrays, (K,)
        What all tests so far leave for the mean of each arm when it is played for ever, the intersection of their intervals.
    epoch : int
        Tests made.
    n_counted : int
        Losses that count, of all arms.
    n_plays, n_open : int
        Plays, and those of them whose loss has not arrived.
    committed_arm : int or None
        The arm that is left.
    recommended : int
        The arm of the best mean.
    phase : str
        "exploring", "waiting" (for losses, playing the last arm), "committed", or "over": the horizon is reached with several
        arms left, and the best of them is played.
    confidence : float
        The probability, at least, with which all intervals hold: then every arm that was dropped is worse than one that is
        left, and the committed arm is the best of all to play for ever.
    regret_bound : float
        With that probability the complete policy regret of the plays so far is at most this, in units of the losses.
    drifting : array of bool, (K,)
        Arms whose losses drift within blocks: the memory bound is too small, and nothing above is proven.
    """

    active: NDArray[np.bool_]
    means: NDArray[np.float64]
    counts: NDArray[np.int64]
    radii: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    epoch: int
    n_counted: int
    n_plays: int
    n_open: int
    committed_arm: int | None
    recommended: int
    phase: Literal["exploring", "waiting", "committed", "over"]
    confidence: float
    regret_bound: float
    drifting: NDArray[np.bool_]


class SuccessiveEliminationWTB(Policy):
    """Finds the arm that is best when it is played for ever, where losses depend on how often an arm was played of late.

    Each arm in turn is played in a block: M plays whose losses are left out, until what the arm remembers is nothing but
    itself, then n plays that count. After a round arms that are worse than another one beyond doubt are dropped, and n doubles.
    The arm that was played last goes first in the next round, and needs no burn-in.

    Setting: at time t the arm a_t that is played has the tally y_t = sum_{j<m} w_j [a_{t-j} = a_t] and a loss of mean
    h_{a_t}(y_t), with m, w >= 0 and h unknown. Let W = sum w. The guarantee needs m <= M, and repeated exposure optimality
    (REO): some arm x* has h_{x*}(W) <= h_a(y) for all a and y, that is, played for ever it is best in the end.

    Parameters
    ----------
    n_arms : int
        K.
    memory_bound : int
        M, in plays: no loss depends on plays that are longer ago. 0 is the classical bandit.
    horizon : int, optional
        T, how many plays there will be. By default it is not known, and doubles from max(2 K M, 1000).
    delta : float, optional
        The probability that the best arm may be dropped with; by default 1/T.
    loss_range : pair of numbers
        Where losses lie.
    radius : "hoeffding" or "bernstein"
        Intervals from the range of losses, or from their variance.
    radius_scale : float
        Narrower intervals (below 1) drop sooner, with the confidence that `query` states.
    n0 : "auto" or int
        Losses that count in the first block; by default ceil(max(2 L, M)), before which nothing can be dropped.
    burn_in : int, optional
        Losses left out after a change of arm, by default M.
    max_missing : float
        Share of the losses of each arm without which a round may end; else it waits for every one of them, and meanwhile plays
        the last arm.
    reward : bool
        The column `loss` holds rewards: more is better.
    strict : bool
        Refuse losses of arms that were not selected, and horizons shorter than K (M + 1). False takes the former as plays of
        the user's own, and for the latter cuts M down with a `HorizonWarning`.

    Warns
    -----
    MemoryWarning
        When the first and second halves of an arm's blocks differ by more than chance has it (probability delta over all arms
        and rounds): the arm remembers more than M plays. The update that finds it has taken its batch in.

    Notes
    -----
    **Confidence.** Round s tests at radius r_s = sqrt(L / 2 N_s), where N_s counts an arm's losses and L = ln(2 K S / delta)
    with S = ceil(log2 T) + 1. A loss counts only if the M >= m plays before it were of the same arm, so its tally is all of W:
    the losses that count are independent with mean h_a(W). By Hoeffding's inequality an interval misses with probability
    2 exp(-L) = delta / (K S) at most. There are at most K S of them, since N_S >= 2^S - 1 >= T. So with probability 1 - delta
    none misses, the event G; at ``radius_scale`` c the miss is 2 K S exp(-c^2 L). On G x* is never dropped: its lower end is
    below h_{x*}(W) <= h_b(W), which is below every upper end. If T is not known, round s uses the T in which it falls, and
    S (S + 1) in place of S, since sum_s 1/((s+1)(s+2)) = 1. Bernstein's radius sqrt(2 V L / N) + 3 L / N (Audibert, Munos,
    Szepesvari 2009) has 3 in the place of 2. Losses that never arrive do no harm if which ones they are has nothing to do with
    what they say.

    **Regret.** Played for ever, x* costs h* = h_{x*}(W) a play but for the first m, and no sequence of T plays costs less than
    T h* (REO). So complete policy regret is at most sum_t (h_{a_t}(y_t) - h*). On G, h* >= low := min over arms left of their
    lower end; a play of arm a with tally W costs at most upper_a - low, and nothing once a alone is left; any other play, the
    burn-in and the user's own, at most 1 - low. `regret_bound` is the sum of these over the plays that were made.

    **Rate.** An arm with gap D = h_a(W) - h* is left while D <= 4 r_s. So regret is O(sqrt(K T L) + (m + M) K log T): M costs
    an addend, where policies without burn-in pay the regret of playing the wrong arm, or of never letting the right one settle.

    A play costs O(1), a test O(K). State: 15 words an arm, and the open plays.

    D. Malik, C. Igoe, Y. Li, A. Singh: "Weighted Tallying Bandits: Overcoming Intractability via Repeated Exposure
    Optimality", ICML 2023; the schedule and its constants are our own.

    Examples
    --------
    Two exercises; the second is dull at first, and better from the third time on.

    >>> policy = SuccessiveEliminationWTB(n_arms=2, memory_bound=3, horizon=2000, delta=0.05)
    >>> last, run = None, 0
    >>> for _ in range(500):
    ...     arm, token = policy.select()
    ...     last, run = arm, run + 1 if arm == last else 1
    ...     policy.update(token=token, loss=0.6 if arm == 0 else (0.9 if run < 3 else 0.1))
    >>> state = policy.query()
    >>> state.committed_arm, state.confidence, round(state.regret_bound)
    (1, 0.95, 89)
    """

    name = "tallying"
    exempt: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        n_arms: int,
        memory_bound: int,
        horizon: int | None = None,
        *,
        delta: float | None = None,
        loss_range: tuple[float, float] = (0.0, 1.0),
        radius: Literal["hoeffding", "bernstein"] = "hoeffding",
        radius_scale: float = 1.0,
        n0: int | Literal["auto"] = "auto",
        burn_in: int | None = None,
        max_missing: float = 0.0,
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        read, settings = elimination_settings(
            {
                "n_arms": n_arms,
                "memory_bound": memory_bound,
                "horizon": horizon,
                "delta": delta,
                "radius": radius,
                "radius_scale": radius_scale,
                "n0": n0,
                "burn_in": burn_in,
                "max_missing": max_missing,
                "strict": strict,
            }
        )
        for name, value in read.items():
            setattr(self, name, value)
        self._core = _core.BanditDesk.elimination(settings, scale, self.strict)

    def _look_around(self) -> None:
        alarm = self._core.take_alarm()
        if alarm is not None:
            arm, epoch = alarm
            warnings.warn(
                f"losses of arm {arm} drift within its blocks up to round {epoch}: it seems to remember more than "
                f"memory_bound={self.memory_bound} plays; take a larger one",  # type: ignore[attr-defined]
                MemoryWarning,
                stacklevel=3,
            )

    def query(self) -> BanditState:
        """What is known of the arms, which are left, and what is proven of the committed one and of the regret so far."""
        report = self._core.report()
        means, counts, n_open = self._core.statistics()
        low, high = self.loss_range
        width, active = high - low, report["active"]
        ends = [low + width * report["lower"], low + width * report["upper"]]
        if self.reward:
            ends = [high - width * report["upper"], high - width * report["lower"]]
        return BanditState(
            active=active,
            means=means,
            counts=counts,
            radii=width * report["radii"],
            lower=ends[0],
            upper=ends[1],
            epoch=report["epoch"],
            n_counted=int(counts.sum()),
            n_plays=report["plays"],
            n_open=n_open,
            committed_arm=int(np.flatnonzero(active)[0]) if active.sum() == 1 else None,
            recommended=self.recommend(),
            phase=_PHASES[report["phase"]],
            confidence=1.0 - report["failure"],
            regret_bound=width * report["regret_bound"],
            drifting=report["drifting"],
        )


class SuccessiveElimination(SuccessiveEliminationWTB):
    """Successive elimination for the classical bandit, whose arms remember nothing: M = 0.

    Even-Dar, Mannor, Mansour: "Action Elimination and Stopping Conditions for the Multi-Armed Bandit and Reinforcement Learning
    Problems", JMLR 2006, over doubling rounds. Parameters, result and guarantees are those of `SuccessiveEliminationWTB`.

    Examples
    --------
    >>> policy = SuccessiveElimination(n_arms=3, horizon=1000)
    >>> [policy.select().arm for _ in range(3)]
    [0, 0, 0]
    """

    name = "bandits.successive-elimination"

    def __init__(
        self,
        n_arms: int,
        horizon: int | None = None,
        *,
        delta: float | None = None,
        loss_range: tuple[float, float] = (0.0, 1.0),
        radius: Literal["hoeffding", "bernstein"] = "hoeffding",
        radius_scale: float = 1.0,
        n0: int | Literal["auto"] = "auto",
        max_missing: float = 0.0,
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        super().__init__(
            n_arms,
            0,
            horizon,
            delta=delta,
            loss_range=loss_range,
            radius=radius,
            radius_scale=radius_scale,
            n0=n0,
            max_missing=max_missing,
            reward=reward,
            strict=strict,
        )
