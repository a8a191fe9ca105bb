"""Tallies, curves, the comparator, and simulation, against their definitions."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from pyalgo.bandits import (
    UCB1,
    Curves,
    FixedArm,
    RandomArm,
    SuccessiveEliminationWTB,
    TallyingEnv,
    TallyingPlanner,
    plain,
    recommend_policy,
    reo_trap,
    simulate,
    uniform_weights,
)
from pyalgo.bandits.recommendation import MEASURED

from . import bandits_oracle as oracle

WEIGHTS = {
    "ones": np.ones(7),
    "equal": np.full(5, 0.3),
    "geometric": np.exp(-np.arange(40) / 40),
    "short": [2.0],
    "any": [1, 0.6, 0.3, 0.1],
    "zeros": [0, 1, 0, 0, 2],
    "rising": [1, 2, 4, 8],
    "by arm": np.random.default_rng(0).random((4, 6)),
    "geometric by arm": np.array([[r**j for j in range(9)] for r in (0.5, 0.9, 0.99, 0.1)]),
    "longer than the plays": np.exp(-np.arange(300) / 100),
}


@pytest.mark.claim("bandits.2")
@pytest.mark.parametrize("kind", WEIGHTS)
def test_tallies_are_those_of_a_recount(kind):
    weights = np.array(WEIGHTS[kind], float)
    env = TallyingEnv(Curves.linear([0.1] * 4, [0.9] * 4), weights, noise=None)
    rng = np.random.default_rng(1)
    plays = np.repeat(rng.integers(4, size=100), rng.integers(1, 12, size=100))[:250].tolist()
    expected = [oracle.tally(plays[: t + 1], weights.tolist()) for t in range(len(plays))]
    np.testing.assert_allclose(env.tallies(plays), expected, rtol=0, atol=1e-12)
    stepped = [env.step(arm).tally for arm in plays]
    assert stepped == env.tallies(plays).tolist()


@pytest.mark.claim("bandits.2")
@pytest.mark.parametrize("kind", ["ones", "geometric", "any", "by arm"])
def test_tallies_of_a_hundred_thousand_plays(kind):
    """A recount by convolution: the indicator of each arm's plays with the weights."""
    weights = np.atleast_2d(np.array(WEIGHTS[kind], float))
    env = TallyingEnv(Curves.linear([0.1] * 4, [0.9] * 4), WEIGHTS[kind], noise=None)
    plays = np.random.default_rng(2).integers(4, size=100_000)
    expected = np.empty(len(plays))
    for arm in range(4):
        ys = np.convolve(plays == arm, weights[arm % len(weights)])[: len(plays)]
        expected[plays == arm] = ys[plays == arm]
    np.testing.assert_allclose(env.tallies(plays), expected, rtol=0, atol=1e-11)


@pytest.mark.claim("bandits.1")
def test_known_values_of_the_comparator():
    env = TallyingEnv(Curves.linear([0.9, 0.5, 0.7], [0.1, 0.6, 0.3]), [1, 0.6, 0.3, 0.1])
    np.testing.assert_allclose(env.optimal_value([10, 100, 1000]), [1.6, 10.6, 100.6], rtol=0, atol=1e-9)
    # Good at a tally of 2 alone: a and b in turn lose in the first two plays only, and no cycle of constant tallies is as good.
    table = [[1, 1, 0, 1], [1, 1, 0, 1]]
    env = TallyingEnv(table, [1, 1, 1])
    assert env.optimal_value(100) == 2
    assert not env.is_reo()


@pytest.mark.claim("bandits.1")
@pytest.mark.parametrize("seed", range(12))
def test_the_comparator_is_the_best_of_all_sequences(seed):
    rng = np.random.default_rng(seed)
    arms, memory = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    env = TallyingEnv(rng.random((arms, 5)), rng.random(memory) + 0.01, noise=None)
    weights = env.weights[0].tolist()
    for horizon in range(1, 8 if arms < 3 else 7):
        best = oracle.optimum(arms, horizon, weights, env.mean)
        assert env.optimal_value(horizon) == pytest.approx(best, abs=1e-12)
        plan = simulate(lambda seed, t=horizon: TallyingPlanner(env, t), env, horizon, record_arms=True)
        assert plan.arms.shape == (1, horizon)
        assert env.cpr(plan.arms[0]) == pytest.approx(0, abs=1e-12)


def test_plans_of_all_lengths_are_optimal():
    """Lengths around where the kept values of the program begin anew."""
    env = TallyingEnv(np.random.default_rng(5).random((2, 6)), np.ones(4), noise=None)
    for horizon in (*range(1, 40), 99, 100, 101, 400):
        plays = [TallyingPlanner(env, horizon)._core.choose()]
        result = simulate(lambda seed, t=horizon: TallyingPlanner(env, t), env, horizon, record_arms=True)
        assert result.arms[0, 0] == plays[0]
        assert env.cpr(result.arms[0]) == pytest.approx(0, abs=1e-9), horizon


def test_a_planner_without_the_program_plays_the_best_arm_for_ever():
    env = reo_trap(10, 50, seed=3)
    planner = TallyingPlanner(env, 1000)
    assert planner.next_arm == int(np.argmin(env.saturated))
    assert TallyingPlanner(**planner.params).params == planner.params
    with pytest.raises(ValueError, match="10\\^49 states"):
        TallyingPlanner(TallyingEnv(Curves.linear(np.linspace(0.1, 0.2, 10), 0.9), np.ones(50)), 1000)


def test_curves_at_their_ends_and_between():
    u = np.linspace(0, 1, 11)
    cases = [
        (Curves.linear(0.9, 0.1), 0.9 - 0.8 * u),
        (Curves.saturating(0.9, 0.1, 3.0), 0.1 + 0.8 * np.exp(-3 * u)),
        (Curves.hump(0.4, 0.2, 0.5), 0.4 - 0.2 * u + 2 * u * (1 - u)),
        (Curves.step(0.9, 0.1, 0.55), np.where(u < 0.55, 0.9, 0.1)),
        (Curves.grid([[0.9, 0.1, 0.5]]), np.interp(u, [0, 0.5, 1], [0.9, 0.1, 0.5])),
    ]
    for curves, expected in cases:
        env = TallyingEnv(curves, [2.0, 2.0])
        np.testing.assert_allclose([env.mean(0, 4 * x) for x in u], expected, atol=1e-12)


def test_reo_is_decided_on_the_tallies_that_can_be_reached():
    assert reo_trap(5, 10).is_reo()
    assert plain(4).is_reo()
    assert not TallyingEnv(Curves.linear([0.1, 0.5], [0.8, 0.5]), [1, 1]).is_reo()  # fresh is better than familiar
    # A dip at u = 1/4 counts with weights that reach it, and not with two equal ones, whose tallies are W/2 and W.
    dip = [[0.9, 0.0, 0.9, 0.9, 0.2], [0.5] * 5]
    assert TallyingEnv(dip, [1, 1]).is_reo()
    assert not TallyingEnv(dip, [1, 1, 1, 1]).is_reo()
    assert not TallyingEnv(dip, np.exp(-np.arange(30) / 8)).is_reo()


def test_bounds_without_the_program_hold_the_optimum():
    env = reo_trap(4, 6, seed=2)
    best = int(np.argmin(env.saturated))
    value = env.optimal_value(500)
    alone = float(env.means(np.full(500, best)).sum())
    assert 500 * env.saturated[best] <= value <= alone + 1e-9
    big = reo_trap(10, 50)
    low, high = big.optimal_bounds(1000)
    assert low == pytest.approx(1000 * big.saturated.min())
    assert low < high < low + 50
    with pytest.raises(ValueError, match=r"10\^49 states.*from (200|199.99)"):
        big.optimal_value(1000)
    with pytest.raises(ValueError, match="no bound"):
        TallyingEnv(Curves.linear(np.linspace(0.1, 0.2, 10), 0.9), np.ones(50)).optimal_value(10)


@pytest.mark.parametrize("noise", ["bernoulli", "uniform", "gaussian_clipped"])
def test_noise_keeps_the_mean(noise):
    """False alarm: 6 standard errors, below 1e-8."""
    for mean in (0.02, 0.5, 0.9):
        env = TallyingEnv(Curves.linear([mean], [mean]), [1], noise=noise, seed=3)
        losses = np.array([env.step(0).loss for _ in range(20_000)])
        assert ((losses >= 0) & (losses <= 1)).all()
        assert abs(losses.mean() - mean) < 6 * losses.std() / np.sqrt(len(losses))
        assert losses.std() > 0.01
        env.reset(0)
        assert [env.step(0).loss for _ in range(50)] == losses[:50].tolist()
        env.reset(1)
        assert [env.step(0).loss for _ in range(50)] != losses[:50].tolist()


def test_simulation_is_policy_and_environment_in_turn():
    env = reo_trap(4, 5, seed=1)
    result = simulate(
        lambda seed: SuccessiveEliminationWTB(4, 5, 3000), env, 3000, n_runs=3, stride=700, record_arms=True
    )
    assert result.checkpoints.tolist() == [700, 1400, 2100, 2800, 3000]
    for run in range(3):
        policy, total = SuccessiveEliminationWTB(4, 5, 3000), 0.0
        env.reset(run)
        for t in range(3000):
            arm, token = policy.select()
            assert arm == result.arms[run, t]
            outcome = env.step(arm)
            total += outcome.mean
            policy.update(token=token, loss=outcome.loss)
        assert result.reo_regret[run, -1] == pytest.approx(total - 3000 * env.saturated.min(), abs=1e-9)
        assert result.cpr[run, -1] == pytest.approx(env.cpr(result.arms[run]), abs=1e-9)
    assert result.comparator == "exact"
    threaded = simulate(lambda seed: SuccessiveEliminationWTB(4, 5, 3000), env, 3000, n_runs=3, stride=700, threads=3)
    assert (threaded.cpr == result.cpr).all()


def test_regret_of_known_plays():
    env = reo_trap(3, 4, seed=7)
    best = int(np.argmin(env.saturated))
    fixed = simulate(lambda seed: FixedArm(3, best), env, 2000, stride=500)
    assert np.ptp(fixed.reo_regret) < 1e-9  # nothing but the start
    assert (fixed.cpr <= fixed.reo_regret + 1e-9).all()
    wild = simulate(lambda seed: RandomArm(3, seed=seed), env, 2000, n_runs=2)
    assert (wild.cpr[:, -1] > 500).all()
    assert (wild.cpr[0] != wild.cpr[1]).any()
    big = simulate(lambda seed: UCB1(10), reo_trap(10, 50), 500)
    assert big.comparator == "bound"
    assert (big.cpr == big.reo_regret).all()


@pytest.mark.claim("bandits.10")
def test_environments_refuse_what_makes_no_sense():
    linear = Curves.linear([0.1, 0.2], [0.3, 0.4])
    for act, message in [
        (lambda: TallyingEnv([[0.1, 1.2]], [1]), "between 0 and 1"),
        (lambda: TallyingEnv([0.1, 0.2], [1]), "one row an arm"),
        (lambda: Curves.linear([0.1, 0.2], [0.3, 0.4, 0.5]), "one for each of 3"),
        (lambda: Curves.linear([0.1, 0.2], [0.3, -0.4]), "h1 must be from 0 to 1"),
        (lambda: TallyingEnv(linear, [1, -1]), "weights must be finite"),
        (lambda: TallyingEnv(linear, [0, 0]), "not be all 0"),
        (lambda: TallyingEnv(linear, np.ones((3, 4))), r"\(2, m\)"),
        (lambda: TallyingEnv(linear, [1], noise="normal"), "noise must be one of"),
        (lambda: TallyingEnv(linear, [1]).step(2), "arm must be from 0 to 1, got 2"),
        (lambda: TallyingEnv(linear, [1]).means([0, 1, 5]), "play 2: arm must be"),
        (lambda: TallyingEnv(linear, [1]).optimal_value(-1), "horizon must be 0 or more"),
        (lambda: simulate(lambda seed: UCB1(3), TallyingEnv(linear, [1]), 10), "3 arms, and the environment 2"),
        (lambda: simulate(lambda seed: UCB1(2), TallyingEnv(linear, [1]), 0), "horizon must be from 1"),
        (lambda: uniform_weights(0), "memory must be from 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            act()


def test_a_planner_goes_on_behind_a_snapshot():
    env = TallyingEnv(np.random.default_rng(1).random((3, 4)), [1, 0.5, 0.25], noise=None)
    planner = TallyingPlanner(env, 60)
    for _ in range(25):
        token = planner.select().token
        planner.update(token=token, loss=0.5)
    twin = TallyingPlanner.from_bytes(planner.to_bytes())
    assert [twin.select().arm for _ in range(40)] == [planner.select().arm for _ in range(40)]


def test_every_pair_of_plays_is_in_the_oracle():
    """The oracle's own arithmetic: two plays, by hand."""
    h = lambda arm, y: [0.5, 0.25][arm] * y  # noqa: E731
    costs = {plays: oracle.cost(plays, [1, 0.5], h) for plays in itertools.product(range(2), repeat=2)}
    assert costs == {(0, 0): 1.25, (0, 1): 0.75, (1, 0): 0.75, (1, 1): 0.625}


@pytest.mark.claim("bandits.5")
def test_what_is_recommended_is_what_was_measured():
    """The figures of the advice are those on file, and the side it takes is the side they take."""
    figures = json.loads((Path(__file__).parents[2] / "docs" / "algorithms" / "bandits.json").read_text())["memory"]
    for name, by_memory in MEASURED.items():
        assert [round(mean) for mean, _, _ in figures[name]] == list(by_memory.values())
    for memory in (1, 2, 3, 5, 10, 20, 50):
        advice = recommend_policy(10, memory, 100_000)
        assert advice.policy == ("UCB1" if memory <= 2 else "SuccessiveEliminationWTB")
        ours, ucb = MEASURED["default"][memory], MEASURED["UCB1"][memory]
        assert (ucb < ours) == (memory <= 10)
        if 2 < memory <= 10:
            assert "UCB1 was better all the same" in advice.reason
    advice = recommend_policy(4, 30, 2000, n_bandits=200_000)
    assert (advice.policy, advice.params["n_bandits"]) == ("TallyingFleet", 200_000)
    assert "11 MB in all" in advice.reason
    assert recommend_policy(4, 30, 200).first_test > 200
    assert "beyond the horizon" in recommend_policy(4, 30, 200).reason
    assert recommend_policy(3, 5, 1000, reo=False).policy == "BatchedEXP3"
    for given in ({"n_arms": 0}, {"memory_bound": -1}, {"horizon": 0}, {"n_bandits": 0}):
        with pytest.raises(ValueError, match=next(iter(given))):
            recommend_policy(**{"n_arms": 3, "memory_bound": 1, **given})
