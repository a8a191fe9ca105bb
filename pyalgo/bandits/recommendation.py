"""Which policy fits, and why, in words and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyalgo.bandits.settings import LONGEST
from pyalgo.parameters import read_integer

__all__ = ["Recommendation", "recommend_policy"]

#: Up to so many plays of memory UCB1 is recommended: it was better by twofold, and lost the best arm in no run.
SHORT_MEMORY = 2

#: Mean regret by m = M for K = 10, T = 100,000, of docs/algorithms/bandits.json.
MEASURED = {
    "UCB1": {1: 433, 2: 529, 3: 576, 5: 611, 10: 682, 20: 5874, 50: 22647},
    "ThompsonBeta": {1: 70, 2: 648, 3: 10782, 5: 21813, 10: 31900, 20: 33890, 50: 33820},
    "default": {1: 1119, 2: 1159, 3: 1142, 5: 1180, 10: 1224, 20: 1350, 50: 1712},
}


@dataclass(frozen=True)
class Recommendation:
    """A policy by the name of its class, the parameters to make it with, and why.

    Attributes
    ----------
    policy : str
        "UCB1", "SuccessiveEliminationWTB", "TallyingFleet" or "BatchedEXP3".
    params : dict
        Arguments of the class.
    reason : str
        Sentences with the numbers of this setting.
    burn_in_share : float
        The share of the horizon that the burn-in of the first round takes, K M / T.
    first_test : int
        The play after which an arm can be dropped for the first time.
    """

    policy: str
    params: dict[str, int | None]
    reason: str
    burn_in_share: float
    first_test: int


def recommend_policy(
    n_arms: int, memory_bound: int, horizon: int | None = None, *, n_bandits: int = 1, reo: bool = True
) -> Recommendation:
    """Say which policy to take.

    Parameters
    ----------
    n_arms : int
        K.
    memory_bound : int
        M: losses depend on no plays that are longer ago. 0 if arms do not remember.
    horizon : int, optional
        T, plays of one bandit.
    n_bandits : int
        How many bandits there are, one a user for example.
    reo : bool
        Whether some arm can be trusted to be best when it is played for ever.

    Returns
    -------
    Recommendation

    Examples
    --------
    >>> recommend_policy(n_arms=10, memory_bound=2, horizon=100_000).reason[-94:]
    'Measured for K=10, T=100,000, m=2: regret 529 of UCB1 against 1,159 of successive elimination.'
    >>> recommend_policy(n_arms=10, memory_bound=50, horizon=100_000).policy
    'SuccessiveEliminationWTB'
    """
    arms = read_integer("n_arms", n_arms, 1, 2**20)
    memory = read_integer("memory_bound", memory_bound, 0, 2**31)
    bandits = read_integer("n_bandits", n_bandits, 1, 2**32 - 2)
    plays = None if horizon is None else read_integer("horizon", horizon, 1, LONGEST)
    assumed = plays or max(2 * arms * memory, 1000)
    log_term = math.log(2 * arms * (math.ceil(math.log2(assumed)) + 1) * assumed)
    first_test = arms * (memory + max(math.ceil(2 * log_term), memory))
    share = arms * memory / assumed

    def found(policy: str, params: dict[str, int | None], reason: str) -> Recommendation:
        return Recommendation(policy, params, reason, share, first_test)

    if not reo:
        return found(
            "BatchedEXP3",
            {"n_arms": arms, "batch": memory + 1, "horizon": plays},
            "No arm can be trusted to be best when it is played for ever, so nothing can be dropped for good, and the best "
            f"sequence is hard to find (up to {arms}^{max(memory - 1, 0)} states). BatchedEXP3 plays {memory + 1} times in a "
            "row and has policy regret of order T^(2/3) against the best single arm.",
        )
    if memory <= SHORT_MEMORY and bandits == 1:
        m = max(memory, 1)
        reason = (
            f"Arms remember no more than {m} play{'s' if m > 1 else ''}: UCB1 has nearly the losses of arms that do not "
            f"remember, and needs no burn-in. {_measured(m, 'UCB1', 'default')}."
        )
        if m == 1:
            reason += (
                f" If really nothing but the present play counts, ThompsonBeta had {MEASURED['ThompsonBeta'][1]:,}."
            )
        return found("UCB1", {"n_arms": arms}, reason)
    if plays is not None and first_test > plays:
        why = (
            f"The first test comes after K (M + n_0) = {first_test:,} plays, beyond the horizon of {plays:,}: nothing would "
            "be dropped. Fewer arms, a smaller memory_bound, a delta larger than 1/T or radius_scale < 1 bring it forward; "
            "otherwise every policy does little better than chance."
        )
    else:
        why = (
            f"Arms remember up to {memory:,} plays. Policies that switch arms see them unsettled and take the best one for "
            "bad. Blocks with a burn-in see every arm settled: the first arm can be dropped after K (M + n_0) = "
            f"{first_test:,} plays, and the burn-in of a round costs at most K M = {arms * memory:,} plays ({share:.2%} of "
            f"{assumed:,}). {_measured(50, 'default', 'UCB1')}."
        )
        if memory <= 10:
            why += (
                f" At a memory this short UCB1 was better all the same ({_measured(10, 'UCB1', 'default')}), but nothing "
                f"bounds its regret, and it breaks down soon ({MEASURED['UCB1'][20]:,} at m=20)."
            )
    if bandits > 1:
        small = 9 * arms + 19
        return found(
            "TallyingFleet",
            {"n_bandits": bandits, "n_arms": arms, "memory_bound": memory, "horizon": plays},
            f"{why} For {bandits:,} bandits a fleet takes at most {small} bytes each, {bandits * small / 1e6:,.0f} MB in all"
            + ("; it needs a horizon." if plays is None else "."),
        )
    return found("SuccessiveEliminationWTB", {"n_arms": arms, "memory_bound": memory, "horizon": plays}, why)


def _measured(memory: int, better: str, worse: str) -> str:
    names = {"default": "successive elimination"}
    first, second = (f"{MEASURED[name][memory]:,} of {names.get(name, name)}" for name in (better, worse))
    return f"Measured for K=10, T=100,000, m={memory}: regret {first} against {second}"
