"""What policies refuse, by name and place, changing nothing; and that they refuse nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyalgo.bandits import (
    EXP3,
    BatchedEXP3,
    EpsilonGreedy,
    FeedbackError,
    FixedArm,
    HorizonWarning,
    SlidingWindowUCB,
    SuccessiveEliminationWTB,
    TallyingPlanner,
    plain,
)


@pytest.mark.claim("bandits.10")
def test_parameters_out_of_range_are_refused_by_name():
    for act, error, message in [
        (lambda: SuccessiveEliminationWTB(0, 1), ValueError, "n_arms must be from 1"),
        (lambda: SuccessiveEliminationWTB(2, -1), ValueError, "memory_bound must be from 0"),
        (lambda: SuccessiveEliminationWTB(3, 9, 29), ValueError, r"n_arms \* \(memory_bound \+ 1\) = 30, got 29"),
        (lambda: SuccessiveEliminationWTB(2, 1.5), TypeError, "memory_bound must be an integer"),
        (lambda: SuccessiveEliminationWTB(2, True), TypeError, "memory_bound must be an integer"),
        (lambda: SuccessiveEliminationWTB(2, 1, delta=0), ValueError, "delta must be above 0"),
        (lambda: SuccessiveEliminationWTB(2, 1, delta="x"), TypeError, "delta must be a number"),
        (lambda: SuccessiveEliminationWTB(2, 1, radius="gauss"), ValueError, "radius must be one of"),
        (lambda: SuccessiveEliminationWTB(2, 1, radius_scale=0), ValueError, "radius_scale must be above 0"),
        (lambda: SuccessiveEliminationWTB(2, 1, n0=0), ValueError, "n0 must be from 1"),
        (lambda: SuccessiveEliminationWTB(2, 1, burn_in=-1), ValueError, "burn_in must be from 0"),
        (lambda: SuccessiveEliminationWTB(2, 1, max_missing=1), ValueError, "max_missing must be from 0 to below 1"),
        (lambda: SuccessiveEliminationWTB(2, 1, loss_range=(1, 1)), ValueError, "loss_range must rise"),
        (lambda: SuccessiveEliminationWTB(2, 1, loss_range=(0, math.inf)), ValueError, "loss_range must be two finite"),
        (lambda: SuccessiveEliminationWTB(2, 1, loss_range=3), TypeError, "loss_range must be"),
        (lambda: SuccessiveEliminationWTB(2, 1, strict=1), TypeError, "strict must be True or False"),
        (lambda: SlidingWindowUCB(2, 0), ValueError, "window must be from 1"),
        (lambda: BatchedEXP3(2, 0), ValueError, "batch must be from 1"),
        (lambda: EXP3(2, 0), ValueError, "horizon must be from 1"),
        (lambda: EXP3(2, seed=-1), ValueError, "seed must be from 0"),
        (lambda: EpsilonGreedy(2, 1.5), ValueError, "epsilon must be above 0 and at most 1"),
        (lambda: FixedArm(2, 2), ValueError, "arm must be from 0 to 1, got 2"),
        (lambda: TallyingPlanner(plain(2), 0), ValueError, "horizon must be from 1"),
    ]:
        with pytest.raises(error, match=message):
            act()


@pytest.mark.claim("bandits.10")
def test_losses_that_do_not_fit_are_refused_and_change_nothing():
    policy = SuccessiveEliminationWTB(3, 2, 1000)
    policy.update(arm=[0, 0, 0], loss=[1.0, 0.0, 1.0])
    tokens = [policy.select().token for _ in range(3)]
    policy.update(token=tokens[1], loss=1.0)
    before = policy.to_bytes()
    for given_columns, error, message in [
        ({"token": tokens[1], "loss": 1.0}, FeedbackError, f"token {tokens[1]} had its loss before"),
        ({"token": 99, "loss": 1.0}, FeedbackError, "token 99 was never given out"),
        ({"token": [tokens[0], tokens[0]], "loss": [0.0, 0.0]}, FeedbackError, "row 1: token 3 had its loss before"),
        ({"arm": 1, "loss": 1.0}, FeedbackError, "arm 1 is not the one selected, 0"),
        ({"arm": 3, "loss": 1.0}, ValueError, "arm must be from 0 to 2, got 3"),
        ({"arm": -1, "loss": 1.0}, ValueError, "arm must be from 0"),
        ({"arm": 0, "loss": 1.5}, ValueError, "loss must be from 0.0.* to 1.0.*, got 1.5"),
        ({"arm": 0, "loss": math.nan}, ValueError, "got nan"),
        ({"arm": [0, 0], "loss": [0.5, -0.1]}, ValueError, "row 1: loss must be from"),
        ({"arm": [0], "token": [0], "loss": [0.5]}, ValueError, "one of the columns arm and token"),
        ({"loss": [0.5]}, ValueError, "one of the columns arm and token"),
        ({"arm": [0]}, ValueError, "column 'loss' is missing"),
        ({"arm": [0, 0], "loss": [0.5]}, ValueError, "equally long"),
    ]:
        with pytest.raises(error, match=message):
            policy.update(**given_columns)
        assert policy.to_bytes() == before
    for arm in (-1, 3):
        with pytest.raises(ValueError, match="arm must be from 0 to 2"):
            policy.observe_play(arm)
    assert not hasattr(policy, "merge")  # a sequence of plays is one sequence


@pytest.mark.claim("bandits.10")
def test_too_short_a_horizon_cuts_the_memory_down_when_asked():
    with pytest.warns(HorizonWarning, match="horizon 29 is below n_arms"):
        policy = SuccessiveEliminationWTB(3, 9, 29, strict=False)
    assert policy.memory_bound == 9
    plays = [policy.select().arm for _ in range(29)]
    assert plays[0] == 0
    with pytest.warns(HorizonWarning):
        assert type(policy).from_bytes(policy.to_bytes()).to_bytes() == policy.to_bytes()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("select"), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 10**6)),
        st.tuples(st.just("observe"), st.integers(0, 3)),
        st.tuples(st.just("both"), st.integers(0, 4)),
        st.tuples(st.just("many"), st.integers(1, 200)),
    ),
    max_size=60,
)


@pytest.mark.claim("bandits.10")
@settings(deadline=None, max_examples=150)
@given(
    arms=st.integers(1, 4),
    memory=st.integers(0, 4),
    horizon=st.one_of(st.none(), st.integers(20, 300)),
    actions=ACTIONS,
)
def test_no_valid_calls_raise_or_play_an_arm_that_was_dropped(arms, memory, horizon, actions):
    policy, open_plays = SuccessiveEliminationWTB(arms, memory, horizon, n0=2, radius_scale=0.3), {}

    def select():
        active = policy.query().active
        arm, token = policy.select()
        assert active[arm]
        assert token not in open_plays
        open_plays[token] = arm

    def answer(number):
        token = sorted(open_plays)[number % len(open_plays)]
        policy.update(token=token, loss=[1.0, 0.5, 0.25, 0.75][open_plays.pop(token)])

    for action, number in actions:
        if action == "select":
            select()
        elif action == "answer" and open_plays:
            answer(number)
        elif action == "observe" and number < arms:
            policy.observe_play(number)
        elif action == "both":
            select()
            answer(number)
        elif action == "many":
            for _ in range(number):
                select()
                answer(number)
    state = policy.query()
    assert state.active.any()
    assert 0 <= state.regret_bound <= state.n_plays + 1e-9
    assert (state.lower <= state.upper + 1).all()
    assert type(policy).from_bytes(policy.to_bytes()).to_bytes() == policy.to_bytes()
