"""Snapshots of released formats stay readable, and equal seeds give equal bits on every platform.

``python tests/unit/test_golden.py`` writes what is missing; files of released formats are never rewritten.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pyalgo
from pyalgo.submodular import DynamicSubmodularMaximizer

GOLDEN = Path(__file__).parents[1] / "golden"
OBJECTIVES = ("coverage", "facility_location", "feature_based")


def build(kind: str, steps: int = 400) -> DynamicSubmodularMaximizer:
    """A stream from integer arithmetic alone, so that it is the same everywhere: a window of 60 elements."""
    f = DynamicSubmodularMaximizer({"name": kind}, 7, eps=0.2, seed=2023)
    state = 1
    for i in range(steps):
        numbers = []
        for _ in range(6):
            state = state * 6364136223846793005 % 2**64 + 1442695040888963407
            numbers.append(state >> 33)
        payload = {
            "coverage": {"items": [[f"item {x % 97}" for x in numbers]]},
            "facility_location": {
                "neighbours": [sorted({x % 50 for x in numbers})],
                "similarities": [[x % 1000 / 1024 for x in numbers[: len({x % 50 for x in numbers})]]],
            },
            "feature_based": {"features": [[x % 1000 / 1024 for x in numbers]]},
        }[kind]
        f.insert([f"e{i}"], **payload)
        if i >= 60:
            f.delete([f"e{i - 60}"])
    return f


def answers(f: DynamicSubmodularMaximizer) -> dict:
    result = f.query(certificate=True)
    return {
        "ids": result.ids.tolist(),
        "value": result.value.hex(),
        "upper_bound": result.upper_bound.hex(),
        "oracle_calls": result.oracle_calls,
        "n_seen": f.n_seen,
    }


@pytest.mark.claim("submodular.10", "submodular.11")
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.snapshot")), ids=lambda path: path.stem)
def test_released_snapshots_are_read_and_go_on(path):
    f = pyalgo.load(path)
    assert answers(f) == json.loads(path.with_suffix(".json").read_text())
    f._check()
    f.delete(f.query().ids[:2])
    f._check()


@pytest.mark.claim("submodular.11")
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_equal_seeds_give_the_answers_on_file(kind):
    assert answers(build(kind)) == json.loads((GOLDEN / f"submodular-{kind}-1.json").read_text())


if __name__ == "__main__":
    for kind in OBJECTIVES:
        target = GOLDEN / f"submodular-{kind}-1.snapshot"
        if not target.exists():
            f = build(kind)
            target.write_bytes(f.to_bytes())
            target.with_suffix(".json").write_text(json.dumps(answers(f), indent=1) + "\n")
