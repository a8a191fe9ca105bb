"""Every objective against its definition in numpy, its payload's rules, and inside a maximiser."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyalgo
from pyalgo.submodular import (
    CallableObjective,
    DynamicSubmodularMaximizer,
    FacilityLocation,
    FeatureBased,
    LogDet,
    Mixture,
    SaturatedCoverage,
    WeightedCoverage,
)
from pyalgo.submodular.objectives import make_objective
from pyalgo.testing import check_algorithm

N = 10
CONCAVE = {"sqrt": np.sqrt, "log1p": np.log1p, "inverse": lambda x: x / (1 + x), "min": lambda x: np.minimum(x, 1.5)}


@dataclass
class Case:
    """An objective by its parameters, the payload of N elements, and f by definition, of a sorted list of elements."""

    params: dict[str, Any]
    payload: list[dict[str, list]]
    f: Callable[[list[int]], float]

    def columns(self) -> dict[str, list]:
        return {name: [row[name] for row in self.payload] for name in self.payload[0]}

    def of(self, ids: Set[int]) -> float:
        return float(self.f(sorted(ids))) if ids else 0.0


def named(rows: np.ndarray, keys: str, values: str) -> list[dict[str, list]]:
    """Sparse payload: the nonzero entries of every row, columns by name."""
    return [{keys: [f"u{j}" for j in np.flatnonzero(row)], values: row[row > 0].tolist()} for row in rows]


def case(kind: str, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(N, 11)) * (rng.random((N, 11)) < 0.6) * 10.0 ** rng.integers(-2, 3)
    x[3] = x[4]  # an element twice
    x[5] = 0  # worth nothing
    weights = rng.exponential(size=11)
    caps = 0.4 * x.sum(axis=0)
    layout, _, rule = kind.partition(" ")
    dense = {
        "features": [{"features": row.tolist()} for row in x],
        "similarities": [{"similarities": row.tolist()} for row in x],
    }
    names = [f"u{j}" for j in range(11)]
    if kind == "coverage":
        payload = [
            {"items": row["u"], "weights": [weights[int(u[1:])] for u in row["u"]]} for row in named(x, "u", "x")
        ]
        return Case({"name": "coverage"}, payload, lambda s: (x[s] > 0).any(axis=0) @ weights)
    if rule == "best":
        params, f = {"name": "facility_location"}, lambda s: x[s].max(axis=0).sum()
        if layout == "dense":
            return Case({**params, "customers": 11}, dense["similarities"], f)
        return Case(params, named(x, "neighbours", "similarities"), f)
    if rule == "saturated":
        params, f = {"name": "saturated_coverage"}, lambda s: np.minimum(caps, x[s].sum(axis=0)).sum()
        if layout == "dense":
            return Case({**params, "caps": caps.tolist()}, dense["similarities"], f)
        return Case(
            {**params, "caps": dict(zip(names, caps.tolist(), strict=True))}, named(x, "neighbours", "similarities"), f
        )
    if rule in CONCAVE:
        params = {"name": "feature_based", "concave": rule, "cap": 1.5}
        f = lambda s: CONCAVE[rule](x[s].sum(axis=0)) @ weights  # noqa: E731
        if layout == "dense":
            return Case({**params, "weights": weights.tolist()}, dense["features"], f)
        params = {**params, "weights": dict(zip(names, weights.tolist(), strict=True)), "sparse": True}
        return Case(params, named(x, "dimensions", "features"), f)
    if kind.startswith("log_det"):
        x = rng.normal(size=(N, 11))
        x[3] = x[4]
        squared = ((x[:, None] - x[None]) ** 2).sum(axis=2)
        kernel = np.exp(-squared / (2 * 3.0**2)) if rule == "rbf" else x @ x.T

        def information(s):
            return 0.5 * np.linalg.slogdet(np.eye(len(s)) + kernel[np.ix_(s, s)] / 0.25)[1]

        params = {"name": "log_det", "kernel": rule, "noise": 0.5, "bandwidth": 3.0}
        return Case(params, [{"features": row.tolist()} for row in x], information)
    assert kind == "mixture"
    parts = [case(name, seed + i) for i, name in enumerate(("sparse best", "dense sqrt", "dense best", "log_det rbf"))]
    payload = []
    for rows in zip(*(part.payload for part in parts), strict=True):
        payload.append(
            {
                "neighbours": rows[0]["neighbours"],
                "similarities_0": rows[0]["similarities"],
                "features_1": rows[1]["features"],
                "similarities_2": rows[2]["similarities"],
                "features_3": rows[3]["features"],
            }
        )
    shares = [1.0, 0.5, 2.0, 0.25]
    params = {"name": "mixture", "objectives": [part.params for part in parts], "weights": shares}
    return Case(params, payload, lambda s: sum(w * part.f(s) for w, part in zip(shares, parts, strict=True)))


SEPARABLE = [f"{layout} {rule}" for layout in ("sparse", "dense") for rule in ("best", "saturated", *CONCAVE)]
KINDS = ["coverage", *SEPARABLE, "log_det rbf", "log_det linear", "mixture"]


def check_prefix_gains(objective, given: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = [rng.choice(N, size=size, replace=False).tolist() for size in (1, 3, 0, 2, 4)]
    gains = objective.prefix_gains(range(N), levels)
    assert gains.shape == (N, 6)
    for level, i in itertools.product(range(6), range(N)):
        prefix = {e for group in levels[:level] for e in group}
        naive = given.of(prefix | {i}) - given.of(prefix)
        scale = given.of(prefix | {i})  # what the naive difference is rounded by
        assert gains[i, level] == pytest.approx(naive, rel=1e-10, abs=1e-13 * scale + 1e-300)
    assert objective.value([2, 6, 2]) == pytest.approx(given.of({2, 6}), rel=1e-10)
    np.testing.assert_allclose(
        objective.gains([1, 8], given=levels[0]), gains[[1, 8], 1], rtol=1e-12, atol=1e-12 * scale
    )


@pytest.mark.claim("submodular.4")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_prefix_gains_equal_naive_evaluation(kind, seed):
    given = case(kind, seed)
    objective = make_objective(given.params)
    assert objective.add_items(**given.columns()).tolist() == list(range(N))
    assert objective.n_known == N
    assert objective.nbytes > 0
    check_prefix_gains(objective, given, seed)


@pytest.mark.claim("submodular.4")
@pytest.mark.parametrize("with_gains", [False, True])
def test_prefix_gains_of_callables(with_gains):
    given = case("dense sqrt", 3)

    def batch_gain(ids, prefix):
        return [given.of({*prefix.tolist(), i}) - given.of(set(prefix.tolist())) for i in ids.tolist()]

    f = CallableObjective(lambda ids: given.of(set(ids.tolist())), batch_gain if with_gains else None)
    check_prefix_gains(f, given, 3)
    mixed = Mixture([f, WeightedCoverage.from_sets([[i // 2] for i in range(N)])], [2.0, 1.0])
    both = Case({}, [], lambda s: 2 * given.f(s) + len({i // 2 for i in s}))
    check_prefix_gains(mixed, both, 4)


@pytest.mark.claim("submodular.4")
@pytest.mark.parametrize("kind", KINDS)
def test_marginals_after_lazy_deletions(kind):
    """The maximiser's own audit holds marginals over prefixes with deleted elements against chains built afresh."""
    given = case(kind, 5)
    f = DynamicSubmodularMaximizer(given.params, 4, eps=0.3, seed=2)
    rng = np.random.default_rng(1)
    live: set[int] = set()
    for _ in range(60):
        i = int(rng.integers(N))
        op = -1 if i in live else 1
        f.update({"op": [op], "id": [i], **{name: [column] for name, column in given.payload[i].items()}})
        live ^= {i}
        f._check()
        result = f.query(certificate=True)
        assert set(result.ids.tolist()) <= live
        assert result.value == pytest.approx(given.of(set(result.ids.tolist())), rel=1e-9)
        best = max(given.of(set(s)) for s in itertools.combinations(sorted(live), min(4, len(live))))
        assert 0.7 / 2.6 * best * (1 - 1e-9) <= result.value <= best * (1 + 1e-9)
        assert result.upper_bound >= best * (1 - 1e-9)


@pytest.mark.claim("submodular.10")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [False, True])
def test_snapshots_carry_every_objective(kind, known):
    given = case(kind, 2)
    columns = given.columns()
    objective = make_objective(given.params)
    if known:
        objective.add_items(**columns)
    f = DynamicSubmodularMaximizer(objective if known else given.params, 3, seed=1)

    def insert(algorithm, ids):
        algorithm.insert(ids, **({} if known else {name: [column[i] for i in ids] for name, column in columns.items()}))

    insert(f, [0, 1, 2, 3, 4])
    f.delete([1, 3])
    restored = DynamicSubmodularMaximizer.from_bytes(f.to_bytes())
    for algorithm in (f, restored):
        insert(algorithm, [1, 5, 6, 7])
        algorithm.delete([0])
        algorithm._check()
    assert restored.to_bytes() == f.to_bytes()
    assert restored.query().ids.tolist() == f.query().ids.tolist()
    assert restored.query().value.hex() == f.query().value.hex()


@pytest.mark.claim("submodular.10")
@pytest.mark.parametrize("kind", ["sparse saturated", "dense best", "sparse sqrt", "log_det rbf", "mixture"])
def test_contract(kind):
    given = case(kind, 1)
    batches = [
        {
            "op": op,
            "id": ids,
            **{
                name: [c[i] if o > 0 else [] for o, i in zip(op, ids, strict=True)]
                for name, c in given.columns().items()
            },
        }
        for op, ids in (([1, 1, 1], [0, 1, 2]), ([-1, 1, 1], [1, 3, 1]), ([1, -1, -1], [4, 0, 3]))
    ]
    check_algorithm(lambda: DynamicSubmodularMaximizer(given.params, 2, eps=0.3, seed=9), batches)


@pytest.mark.claim("submodular.11")
@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
def test_all_instruction_sets_give_the_same_bits(isa, tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_submodular_objectives import KINDS, case, make_objective
for kind in KINDS:
    given = case(kind, 1)
    f = make_objective(given.params)
    f.add_items(**given.columns())
    print(f.prefix_gains(range(10), [[1, 2], [7], [0, 4]]).tobytes().hex())
"""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PYALGO_ISA": level},
            capture_output=True,
            text=True,
        )
        for level in (isa, "")
    ]
    if f"PYALGO_ISA={isa}: this machine" in outputs[0].stderr:
        pytest.skip(f"this machine has no {isa}")
    assert outputs[0].stdout.count("\n") == len(KINDS), outputs[0].stderr
    assert outputs[0].stdout == outputs[1].stdout


def scipy_like(matrix):
    sparse = pytest.importorskip("scipy.sparse")
    return sparse.csr_matrix(matrix)


def test_matrices_of_similarities():
    rng = np.random.default_rng(0)
    matrix = rng.random((7, 5)) * (rng.random((7, 5)) < 0.5)
    chosen = [1, 3, 4]
    caps = 0.3 * matrix.sum(axis=1)
    best, saturated = matrix[:, chosen].max(axis=1).sum(), np.minimum(caps, matrix[:, chosen].sum(axis=1)).sum()
    for form in (matrix, np.asfortranarray(matrix), matrix.tolist(), scipy_like(matrix), scipy_like(matrix).tocsc()):
        assert FacilityLocation.from_similarity(form).value(chosen) == pytest.approx(best, rel=1e-12)
        assert SaturatedCoverage.from_similarity(form, alpha=0.3).value(chosen) == pytest.approx(saturated, rel=1e-12)
    assert FacilityLocation.from_similarity(matrix).params == {"name": "facility_location", "customers": 7}
    assert FacilityLocation.from_similarity(scipy_like(matrix)).params == {"name": "facility_location"}


def test_sparse_and_dense_features_are_one_function():
    rng = np.random.default_rng(1)
    X = rng.exponential(size=(6, 9)) * (rng.random((6, 9)) < 0.4)  # noqa: N806
    for concave in CONCAVE:
        dense = FeatureBased.from_features(X, concave=concave, cap=0.7)
        sparse = FeatureBased.from_features(scipy_like(X), concave=concave, cap=0.7)
        assert sparse.sparse
        np.testing.assert_allclose(
            sparse.prefix_gains(range(6), [[0, 2], [4]]),
            dense.prefix_gains(range(6), [[0, 2], [4]]),
            rtol=1e-12,
            atol=1e-14,
        )
    weighted = FeatureBased.from_features(scipy_like(X), weights={3: 5.0})
    assert weighted.value([0, 1]) == pytest.approx(np.sqrt(X[0] + X[1]) @ [1, 1, 1, 5, 1, 1, 1, 1, 1], rel=1e-12)


def test_logarithms_are_exact_to_the_last_bit_or_so():
    x = np.concatenate(
        [[0.0, 0.4142, 0.4143, 1.0, 2.0**53, 1e-17], 10 ** np.random.default_rng(5).uniform(-100, 100, 5000)]
    )
    f = FeatureBased.from_features(x[:, None], concave="log1p")
    np.testing.assert_array_max_ulp(f.gains(range(len(x))), np.log1p(x), maxulp=2)


@pytest.mark.parametrize("metric", ["rbf", "cosine", "euclidean"])
def test_similarities_of_features(metric):
    X = np.random.default_rng(2).normal(size=(40, 3))  # noqa: N806
    X[7] = 0
    distance = np.linalg.norm(X[:, None] - X[None], axis=2)
    lengths = np.linalg.norm(X, axis=1)
    cosine = np.maximum(0, X @ X.T / np.maximum(np.outer(lengths, lengths), 1e-300))
    similarity = {"rbf": np.exp(-(distance**2) / 8), "cosine": cosine, "euclidean": 1 / (1 + distance)}[metric]
    chosen = [3, 7, 20]
    dense = FacilityLocation.from_features(X, metric=metric, bandwidth=2.0)
    assert dense.value(chosen) == pytest.approx(similarity[:, chosen].max(axis=1).sum(), rel=1e-6)
    pytest.importorskip("sklearn")
    sparse = FacilityLocation.from_features(X, metric=metric, bandwidth=2.0, n_neighbors=40)
    assert sparse.value(chosen) == pytest.approx(dense.value(chosen), rel=1e-6)
    near = FacilityLocation.from_features(X, metric=metric, bandwidth=2.0, n_neighbors=4)
    assert 0 < near.value(chosen) < dense.value(chosen)


def test_precomputed_kernels():
    X = np.random.default_rng(3).normal(size=(8, 3))  # noqa: N806
    given, computed = LogDet.from_kernel(X @ X.T, noise=0.5), LogDet.from_features(X, kernel="linear", noise=0.5)
    levels = [[0, 3], [5]]
    np.testing.assert_allclose(
        given.prefix_gains(range(8), levels), computed.prefix_gains(range(8), levels), rtol=1e-12
    )
    f = DynamicSubmodularMaximizer(given, 3)
    f.insert(np.arange(8))
    again = DynamicSubmodularMaximizer.from_bytes(f.to_bytes())
    assert again.query().value.hex() == f.query().value.hex()
    with pytest.raises(ValueError, match="give it whole to LogDet.from_kernel"):
        given.add_items()


def test_dense_rows_come_and_go():
    """Payload of deleted elements goes with them, chunk by chunk."""
    f = DynamicSubmodularMaximizer({"name": "facility_location", "customers": 1000}, 2)
    rng = np.random.default_rng(0)
    f.insert(np.arange(300), similarities=rng.random((300, 1000)))
    full = f.stats()["payload_bytes"]
    assert 300 * 8000 <= full < 1.2 * 300 * 8000
    f.delete(np.arange(300))
    assert f.stats()["payload_bytes"] < 0.1 * full
    f.insert([7], similarities=[np.full(1000, 0.5)])
    assert f.query().value == 500.0


@pytest.mark.parametrize(
    ("objective", "columns", "error", "text"),
    [
        (
            {"name": "facility_location", "customers": 2},
            {"similarities": [[1.0]]},
            ValueError,
            "has 1 entries, expected 2",
        ),
        (
            {"name": "facility_location", "customers": 1},
            {"similarities": [[-1.0]]},
            ValueError,
            "must be 0 or from 1e-100",
        ),
        (
            {"name": "facility_location", "customers": 1},
            {"neighbours": [["a"]]},
            ValueError,
            "unknown column 'neighbours'",
        ),
        ({"name": "facility_location"}, {"neighbours": [["a"]]}, ValueError, "'similarities' beside 'neighbours'"),
        (
            {"name": "facility_location"},
            {"neighbours": [["a", "a"]], "similarities": [[1.0, 2.0]]},
            ValueError,
            "names 'a' twice",
        ),
        (
            {"name": "saturated_coverage", "caps": {"a": 1.0}},
            {"neighbours": [["b"]], "similarities": [[1.0]]},
            ValueError,
            "'b', which has no cap: name it in 'caps'",
        ),
        (
            {"name": "feature_based", "weights": [1.0, 2.0]},
            {"features": [[1.0]]},
            ValueError,
            "has 1 entries, expected 2",
        ),
        ({"name": "feature_based", "sparse": True}, {"features": [[1.0]]}, ValueError, "need the column 'dimensions'"),
        ({"name": "log_det"}, {"features": [[1e51]]}, ValueError, "must be from -1e\\+50 to 1e\\+50"),
        ({"name": "log_det"}, {"features": [[float("nan")]]}, ValueError, "has nan"),
        ({"name": "log_det", "kernel": "precomputed"}, {"features": [[1.0]]}, ValueError, "columns"),
        (
            {"name": "mixture", "objectives": [{"name": "coverage"}, {"name": "feature_based"}]},
            {"items": [["x"]]},
            ValueError,
            "objective 1 \\(feature_based\\): inserts need the column 'features'",
        ),
    ],
)
def test_wrong_payload(objective, columns, error, text):
    f = DynamicSubmodularMaximizer(objective, 2)
    before = f.to_bytes()
    with pytest.raises(error, match=text):
        f.insert(["e"], **columns)
    assert f.to_bytes() == before


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: FacilityLocation(customers=0), ValueError, "customers must be from 1 to 2147483647, got 0"),
        (lambda: FacilityLocation(customers=2.0), TypeError, "customers must be an integer, got 2.0"),
        (lambda: FacilityLocation.from_similarity([1.0]), ValueError, r"shape \(1,\): give a matrix of customers"),
        (lambda: FacilityLocation.from_similarity([["a"]]), TypeError, "must hold numbers"),
        (lambda: FacilityLocation.from_similarity([[1.0, np.nan]]), ValueError, "element 1: 'similarities' has nan"),
        (lambda: FacilityLocation.from_features([[1.0]], metric="l2"), ValueError, "metric must be one of rbf, cosine"),
        (
            lambda: FacilityLocation.from_features([[1.0]], n_neighbors=2),
            ValueError,
            "from 1 to the 1 rows of X, got 2",
        ),
        (lambda: FacilityLocation.from_features([[1.0]], bandwidth=0.0), ValueError, "bandwidth must be positive"),
        (lambda: FacilityLocation.from_features([[np.inf]]), ValueError, r"X\[0, 0\] must be finite, got inf"),
        (lambda: SaturatedCoverage(caps=[]), ValueError, "caps must have at least one entry"),
        (lambda: SaturatedCoverage(caps={}), ValueError, "caps must name at least one customer"),
        (lambda: SaturatedCoverage(caps=-1.0), ValueError, "caps must be 0 or from 1e-100 to 1e100, got -1.0"),
        (lambda: SaturatedCoverage(caps="a"), TypeError, "caps must be a number, got 'a'"),
        (lambda: SaturatedCoverage(caps={"a": 1.0, 2: 1.0}), TypeError, "all integers or all strings"),
        (lambda: FeatureBased(weights={"a": 1.0}), ValueError, "weights by name are for sparse=True"),
        (lambda: FeatureBased(sparse=1), TypeError, "sparse must be True or False, got 1"),
        (
            lambda: FeatureBased(concave="exp"),
            ValueError,
            "concave must be one of sqrt, log1p, inverse, min, got 'exp'",
        ),
        (lambda: LogDet(kernel="poly"), ValueError, "kernel must be one of rbf, linear, precomputed, got 'poly'"),
        (lambda: LogDet(noise=0.0), ValueError, "noise must be from 1e-50 to 1e50, got 0.0"),
        (lambda: LogDet(bandwidth="1"), TypeError, "bandwidth must be a number, got '1'"),
        (
            lambda: LogDet.from_kernel([[1.0, 0.5]]),
            ValueError,
            r"symmetric matrix of finite numbers, got shape \(1, 2\)",
        ),
        (lambda: LogDet.from_kernel([[1.0, 2.0], [2.0, 1.0]]), ValueError, "K must be positive semidefinite"),
        (lambda: Mixture([]), ValueError, "at least one objective"),
        (lambda: Mixture(["coverage"]), TypeError, r"objectives\[0\] must be an Objective"),
        (lambda: Mixture([{"name": "coverage"}], [0.0]), ValueError, r"weights\[0\] must be positive"),
        (lambda: Mixture([{"name": "coverage"}], [1.0, 1.0]), ValueError, "weights has 2 entries for 1 objectives"),
        (
            lambda: Mixture([WeightedCoverage.from_sets([["a"]]), FeatureBased()]),
            ValueError,
            "coverage knows 1 and feature_based 0",
        ),
        (lambda: CallableObjective(3), TypeError, "f must be callable, got 3"),
        (lambda: CallableObjective(len, 3), TypeError, "batch_gain must be callable or None, got 3"),
        (lambda: CallableObjective(len).add_items(), ValueError, "no payload to add"),
        (lambda: WeightedCoverage.from_sets([["a"]]).value([1]), pyalgo.UnknownElementError, "none of the 1 that"),
        (lambda: WeightedCoverage.from_sets([["a"]]).gains([0.5]), ValueError, "0.5"),
    ],
)
def test_wrong_arguments(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_mixtures_hold_known_elements_and_functions_of_ids():
    rng = np.random.default_rng(4)
    features = rng.exponential(size=(12, 3))
    mixed = Mixture(
        [FacilityLocation.from_features(features), FeatureBased.from_features(features), CallableObjective(len)],
        [1.0, 2.0, 0.5],
    )
    assert mixed.n_known == 12
    assert mixed.needs_object
    f = DynamicSubmodularMaximizer(mixed, 3)
    f.insert(np.arange(12))
    f._check()
    result = f.query()
    assert result.value == pytest.approx(mixed.value(result.ids), rel=1e-12)
    assert list(Mixture([FeatureBased(), LogDet(), WeightedCoverage()]).columns) == [
        "features_0",
        "features_1",
        "items",
        "weights",
    ]


def test_objectives_describe_themselves():
    for kind in KINDS:
        params = case(kind, 0).params
        objective = make_objective(params)
        assert make_objective(objective.params).params == objective.params
        assert repr(objective).startswith(type(objective).__name__ + "(")
