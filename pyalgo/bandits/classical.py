"""Policies for bandits without memory, behind the same interface: what to hold the others against."""

from __future__ import annotations

from pyalgo import _core
from pyalgo.bandits.policy import Policy
from pyalgo.bandits.settings import LONGEST, read_real
from pyalgo.parameters import read_integer

__all__ = [
    "EXP3",
    "UCB1",
    "BatchedEXP3",
    "EpsilonGreedy",
    "FixedArm",
    "RandomArm",
    "SlidingWindowUCB",
    "ThompsonBeta",
]

_SEEDS = 2**64 - 1


class UCB1(Policy):
    """The arm of the least mean - sqrt(2 ln t / n_a), for losses in [0, 1] and t plays so far; every arm once first.

    The best choice where arms remember no more than a play or two. P. Auer, N. Cesa-Bianchi, P. Fischer: "Finite-time Analysis
    of the Multiarmed Bandit Problem", Machine Learning 47, 2002. O(K) a play.

    Examples
    --------
    >>> policy = UCB1(n_arms=2)
    >>> for _ in range(100):
    ...     arm, token = policy.select()
    ...     policy.update(token=token, loss=[0.9, 0.1][arm])
    >>> policy.query().counts.tolist()
    [8, 92]
    """

    name = "bandits.ucb1"

    def __init__(
        self,
        n_arms: int,
        *,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self._core = _core.BanditDesk.ucb1(self.n_arms, scale, self.strict)


class SlidingWindowUCB(Policy):
    """UCB1 over the last `window` losses alone, with ln min(t, window) for ln t: forgets what has changed.

    A. Garivier, E. Moulines: "On Upper-Confidence Bound Policies for Switching Bandit Problems", ALT 2011. O(K) a play, memory
    O(window).
    """

    name = "bandits.sliding-window-ucb"

    def __init__(
        self,
        n_arms: int,
        window: int,
        *,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.window = read_integer("window", window, 1, 2**31)
        self._core = _core.BanditDesk.sliding_window_ucb(self.n_arms, self.window, scale, self.strict)


class EXP3(Policy):
    """Exponential weights on estimates of rewards, for losses that an adversary chose beforehand.

    gamma = min(1, sqrt(K ln K / ((e - 1) T))); without a horizon T doubles from 1000, and the weights start anew. P. Auer,
    N. Cesa-Bianchi, Y. Freund, R. Schapire: "The Nonstochastic Multiarmed Bandit Problem", SIAM J. Computing 32, 2002. O(K) a
    play.
    """

    name = "bandits.exp3"
    batch = 1

    def __init__(
        self,
        n_arms: int,
        horizon: int | None = None,
        *,
        seed: int = 0,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.horizon = None if horizon is None else read_integer("horizon", horizon, 1, LONGEST)
        self.seed = read_integer("seed", seed, 0, _SEEDS)
        self._core = _core.BanditDesk.exp3(self.n_arms, self.horizon or 0, self.batch, self.seed, scale, self.strict)


class BatchedEXP3(Policy):
    """EXP3 whose every draw is played `batch` times in a row and judged by the mean: for adversaries that remember.

    Policy regret against an adversary of memory m is O(T^(2/3)) for batches of about T^(1/3) > m. R. Arora, O. Dekel,
    A. Tewari: "Online Bandit Learning against an Adaptive Adversary: from Regret to Policy Regret", ICML 2012.

    Parameters
    ----------
    n_arms, horizon
        As for `EXP3`.
    batch : int
        Plays a draw; M + 1 or more, where no loss depends on plays that are longer ago than M.
    """

    name = "bandits.batched-exp3"

    def __init__(
        self,
        n_arms: int,
        batch: int,
        horizon: int | None = None,
        *,
        seed: int = 0,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.batch = read_integer("batch", batch, 1, 2**31)
        self.horizon = None if horizon is None else read_integer("horizon", horizon, 1, LONGEST)
        self.seed = read_integer("seed", seed, 0, _SEEDS)
        self._core = _core.BanditDesk.exp3(self.n_arms, self.horizon or 0, self.batch, self.seed, scale, self.strict)


class EpsilonGreedy(Policy):
    """A random arm with probability `epsilon`, else that of the best mean. O(K) a play."""

    name = "bandits.epsilon-greedy"

    def __init__(
        self,
        n_arms: int,
        epsilon: float = 0.1,
        *,
        seed: int = 0,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.epsilon = 1.0 if epsilon == 1 else read_real("epsilon", epsilon, 0, 1, "above 0 and at most 1")
        self.seed = read_integer("seed", seed, 0, _SEEDS)
        self._core = _core.BanditDesk.epsilon_greedy(self.n_arms, self.epsilon, self.seed, scale, self.strict)


class ThompsonBeta(Policy):
    """The arm of the least draw from the posteriors Beta(1 + losses, 1 + gains); losses between 0 and 1 count on both sides.

    S. Agrawal, N. Goyal: "Analysis of Thompson Sampling for the Multi-armed Bandit Problem", COLT 2012. O(K) a play. Draws go
    through the C library's logarithm and cosine, whose last bits may differ between platforms.
    """

    name = "bandits.thompson-beta"

    def __init__(
        self,
        n_arms: int,
        *,
        seed: int = 0,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.seed = read_integer("seed", seed, 0, _SEEDS)
        self._core = _core.BanditDesk.thompson_beta(self.n_arms, self.seed, scale, self.strict)


class RandomArm(Policy):
    """Any arm, each as likely as the others."""

    name = "bandits.random-arm"

    def __init__(
        self,
        n_arms: int,
        *,
        seed: int = 0,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.seed = read_integer("seed", seed, 0, _SEEDS)
        self._core = _core.BanditDesk.random_arm(self.n_arms, self.seed, scale, self.strict)


class FixedArm(Policy):
    """One arm for ever."""

    name = "bandits.fixed-arm"

    def __init__(
        self,
        n_arms: int,
        arm: int,
        *,
        loss_range: tuple[float, float] = (0.0, 1.0),
        reward: bool = False,
        strict: bool = True,
    ) -> None:
        scale = self._begin(n_arms, loss_range, reward, strict)
        self.arm = read_integer("arm", arm, 0, self.n_arms - 1)
        self._core = _core.BanditDesk.sequence(self.n_arms, [self.arm], scale, self.strict)
