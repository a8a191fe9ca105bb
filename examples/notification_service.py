"""Notifications to 200,000 people who tire of repeats: one small bandit each, which finds the kind that lasts.

There are four kinds of messages. Three of them a person opens gladly when they are new, and ever less the more of the last 30
messages were of that kind; the fourth, which one differs from person to person, is dull at first and becomes a habit. Who tries
kinds in turn never sees it at its best. A message that is ignored is a loss of 1. Four times a day messages go out; whether one
was opened is known at once, or one or two times later, and until then its person gets no other one.

    python examples/notification_service.py                      # 1,000 times: what is ignored, committed, proven; a minute
    python examples/notification_service.py --plot regret.svg    # complete policy regret of all policies; needs matplotlib

`pyalgo run examples/notification_service.toml --allow-python` keeps the fleet in a job with durable state: what people did goes
in, and the decisions come out. Kill it at any instant and run it again: the file of decisions ends up the same, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyalgo.bandits import (
    EXP3,
    UCB1,
    BatchedEXP3,
    Curves,
    EpsilonGreedy,
    Policy,
    RandomArm,
    SlidingWindowUCB,
    SuccessiveElimination,
    SuccessiveEliminationWTB,
    TallyingEnv,
    TallyingFleet,
    TallyingPlanner,
    ThompsonBeta,
    simulate,
)

PEOPLE, KINDS, MEMORY, HORIZON, DELTA = 200_000, 4, 30, 2000, 0.05
DECISIONS = "notification_service.jsonl"  # the sink of the job, which the service reads

Ints = NDArray[np.int64]


class Audience:
    """What people do with messages: they ignore them with a probability that depends on the last 30 they got."""

    def __init__(self, people: int) -> None:
        rng = np.random.default_rng(0)
        self.fresh = rng.uniform(0.3, 0.6, (people, KINDS))
        self.worn = rng.uniform(0.7, 0.95, (people, KINDS))
        everyone, habit = np.arange(people), rng.integers(KINDS, size=people)
        self.fresh[everyone, habit] = rng.uniform(0.75, 0.9, people)
        self.worn[everyone, habit] = rng.uniform(0.1, 0.25, people)
        self.habit = habit
        self._recent = np.full((people, MEMORY), -1, np.int8)
        self._time = 0
        # Of everyone: the time at which it will be known what became of the open message, and whether it was ignored.
        self._known = np.full(people, -1)
        self._ignored = np.zeros(people)

    def send(self, kinds: Ints, tokens: Ints) -> dict[str, NDArray[Any]]:
        """Once: everyone without an open message gets the next one. Returns what has become known by then."""
        rng = np.random.default_rng([1, self._time])
        people = np.flatnonzero(self._known < 0)
        sent = kinds[people]
        self._recent[people] = np.column_stack([sent, self._recent[people, :-1]])
        tally = (self._recent[people] == sent[:, np.newaxis]).mean(axis=1)
        fresh, worn = self.fresh[people, sent], self.worn[people, sent]
        self._ignored[people] = rng.random(len(people)) < fresh + (worn - fresh) * tally
        self._known[people] = self._time + rng.choice(3, len(people), p=[0.6, 0.3, 0.1])
        back = np.flatnonzero(self._known == self._time)
        self._known[back] = -1
        self._time += 1
        return {"id": back, "arm": kinds[back], "token": tokens[back], "loss": self._ignored[back].copy()}

    def environment(self, person: int) -> TallyingEnv:
        """One person, as simulation has it."""
        return TallyingEnv(Curves.linear(self.fresh[person], self.worn[person]), np.ones(MEMORY), seed=person)


def new_fleet(people: int) -> TallyingFleet:
    return TallyingFleet(people, KINDS, MEMORY, HORIZON, delta=DELTA)


# --- In a job


def feedback(people: int = PEOPLE, times: int = 30) -> Iterator[dict[str, NDArray[Any]]]:
    """The service around `pyalgo run`: yields what people did, and finds in the job's output what to send them next.

    The queue delivers a loss twice now and then, as queues do. The job refuses the second one by its token, and lists it.
    """
    audience, decisions = Audience(people), read_decisions()
    kinds, tokens = np.zeros(people, np.int64), np.zeros(people, np.int64)  # everyone begins with kind 0
    for _ in range(times):
        rows = audience.send(kinds, tokens)
        again = {name: column[:1] for name, column in rows.items()}
        yield {name: np.concatenate([column, again[name]]) for name, column in rows.items()}
        wanted = len(rows["id"])
        while wanted > 0:
            entry = next(decisions)
            kinds[entry["id"]], tokens[entry["id"]] = entry["arm"], entry["token"]
            wanted -= len(entry["id"])


def few() -> Iterator[dict[str, NDArray[Any]]]:
    """The same with 500 people."""
    return feedback(500, 60)


def read_decisions() -> Iterator[dict[str, Any]]:
    """The job's emissions, one after the other; each is in the file before the job asks for more rows."""
    place = 0
    while True:
        with open(DECISIONS, "rb") as file:
            file.seek(place)
            line = file.readline()
            place = file.tell()
        entry = json.loads(line)
        if "emission" in entry:
            yield entry["emission"]


# --- In Python


def course(people: int, times: int, every: int = 100) -> Iterator[dict[str, float]]:
    """What is ignored, who is committed to the right kind, and what the fleet itself says, along the time."""
    audience, fleet = Audience(people), new_fleet(people)
    kinds, tokens = fleet.select(fleet.ids).astype(np.int64), np.zeros(people, np.int64)
    ignored = messages = 0.0
    for time_ in range(1, times + 1):
        rows = audience.send(kinds, tokens)
        decisions = fleet.update(rows)
        kinds[decisions.id], tokens[decisions.id] = decisions.arm, decisions.token
        ignored += rows["loss"].sum()
        messages += len(rows["loss"])
        if time_ == times // 2:  # the service is restarted
            fleet = TallyingFleet.from_bytes(fleet.to_bytes())
        if time_ % every == 0:
            state, committed = fleet.query(), fleet.state(fleet.ids)["committed"]
            yield {
                "time": time_,
                "ignored": ignored / messages,
                "committed": state.n_committed / people,
                "wrong": int(((committed >= 0) & (committed != audience.habit)).sum()),
                "wrong at most": state.wrong_bound,
            }
            ignored = messages = 0.0


POLICIES: dict[str, Callable[[TallyingEnv, int], Policy]] = {
    "SuccessiveEliminationWTB": lambda env, seed: SuccessiveEliminationWTB(KINDS, MEMORY, HORIZON, delta=DELTA),
    "SuccessiveElimination": lambda env, seed: SuccessiveElimination(KINDS, HORIZON, delta=DELTA),
    "UCB1": lambda env, seed: UCB1(KINDS),
    "SlidingWindowUCB": lambda env, seed: SlidingWindowUCB(KINDS, 10 * MEMORY),
    "EXP3": lambda env, seed: EXP3(KINDS, HORIZON, seed=seed),
    "BatchedEXP3": lambda env, seed: BatchedEXP3(KINDS, MEMORY + 1, HORIZON, seed=seed),
    "EpsilonGreedy": lambda env, seed: EpsilonGreedy(KINDS, seed=seed),
    "ThompsonBeta": lambda env, seed: ThompsonBeta(KINDS, seed=seed),
    "RandomArm": lambda env, seed: RandomArm(KINDS, seed=seed),
    "TallyingPlanner": lambda env, seed: TallyingPlanner(env, HORIZON),
}


def regrets(people: int = 200) -> tuple[Ints, dict[str, NDArray[np.float64]]]:
    """Complete policy regret along the messages of a person, the mean over some people.

    The optimum takes 4^29 states, so it is against T h*, which is at most the start of a habit (some 10 messages) too large.
    """
    audience, found = Audience(people), {}
    environments = [audience.environment(person) for person in range(people)]
    messages = np.empty(0, np.int64)
    for name, make in POLICIES.items():
        curves = []
        for person, env in enumerate(environments):
            result = simulate(lambda seed, m=make, e=env: m(e, seed), env, HORIZON, seed=person, stride=20)
            curves.append(result.cpr[0])
            messages = result.checkpoints
        found[name] = np.mean(curves, axis=0)
    return messages, found


def draw(path: str, messages: Ints, found: dict[str, NDArray[np.float64]]) -> None:
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for name, curve in sorted(found.items(), key=lambda item: -item[1][-1]):
        ours = name == "SuccessiveEliminationWTB"
        axes.plot(messages, curve, color="#0b6e99" if ours else None, linewidth=2.6 if ours else 1.4, label=name)
    axes.set(xlabel="messages", ylabel="complete policy regret: messages ignored in excess")
    axes.grid(color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--plot", metavar="FILE", help="regret of all policies, 200 people: .svg, .png or .pdf")
    arguments = parser.parse_args()
    if arguments.plot:
        messages, found = regrets()
        print(f"complete policy regret after {HORIZON} messages")
        for name, curve in sorted(found.items(), key=lambda item: item[1][-1]):
            print(f"{name:26} {curve[-1]:7.1f}")
        draw(arguments.plot, messages, found)
        return
    began = time.process_time()
    print("    time   ignored   committed   to the wrong kind   proven (mean) at most")
    for row in course(arguments.people, arguments.times):
        print(
            f"{row['time']:8}   {row['ignored']:7.1%}   {row['committed']:9.1%}"
            f"   {row['wrong']:17,}   {row['wrong at most']:21,.0f}"
        )
    print(f"{arguments.people:,} people, {time.process_time() - began:.0f} s of CPU time")


if __name__ == "__main__":
    main()
