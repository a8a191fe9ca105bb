"""Bandits whose arms remember how often they were played of late: single policies, fleets of millions, simulation."""

from __future__ import annotations

from pyalgo.bandits.classical import (
    EXP3,
    UCB1,
    BatchedEXP3,
    EpsilonGreedy,
    FixedArm,
    RandomArm,
    SlidingWindowUCB,
    ThompsonBeta,
)
from pyalgo.bandits.elimination import BanditState, SuccessiveElimination, SuccessiveEliminationWTB
from pyalgo.bandits.environments import Curves, Outcome, TallyingEnv, plain, reo_trap, uniform_weights
from pyalgo.bandits.fleet import FleetDecisions, FleetState, TallyingFleet
from pyalgo.bandits.planner import TallyingPlanner
from pyalgo.bandits.policy import Decisions, Policy, PolicyState, Selection
from pyalgo.bandits.recommendation import Recommendation, recommend_policy
from pyalgo.bandits.settings import HorizonWarning, MemoryWarning
from pyalgo.bandits.simulation import SimulationResult, simulate
from pyalgo.errors import FeedbackError

__all__ = [
    "EXP3",
    "UCB1",
    "BanditState",
    "BatchedEXP3",
    "Curves",
    "Decisions",
    "EpsilonGreedy",
    "FeedbackError",
    "FixedArm",
    "FleetDecisions",
    "FleetState",
    "HorizonWarning",
    "MemoryWarning",
    "Outcome",
    "Policy",
    "PolicyState",
    "RandomArm",
    "Recommendation",
    "Selection",
    "SimulationResult",
    "SlidingWindowUCB",
    "SuccessiveElimination",
    "SuccessiveEliminationWTB",
    "TallyingEnv",
    "TallyingFleet",
    "TallyingPlanner",
    "ThompsonBeta",
    "plain",
    "recommend_policy",
    "reo_trap",
    "simulate",
    "uniform_weights",
]
