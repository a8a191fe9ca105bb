"""Games against their certificates: what is promised holds at every step, and what is not promised is said."""

from __future__ import annotations

import numpy as np
import pytest
from games import flat, random_game
from pyalgo_waterfilling.certificate import (
    certify,
    gauss_seidel,
    max_users,
    scale_to_certify,
    spectral_bounds,
)
from pyalgo_waterfilling.game import Asynchrony, InterferenceGame
from pyalgo_waterfilling.operator import waterfill


def errors(powers: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of each step and user, the distance from `at`."""
    return np.linalg.norm(powers - at, axis=-1)


def observed_rate(change: np.ndarray) -> float:
    sizes = np.linalg.norm(change, axis=1)
    end = np.flatnonzero(sizes > 1e-10 * sizes.max())[-1]
    begin = end // 2
    return float((sizes[end] / sizes[begin]) ** (1 / (end - begin)))


def test_a_step_is_water_filling_against_the_others():
    game = random_game(3)
    rng = np.random.default_rng(0)
    links, q = game.links, game.n_users
    p = rng.random((q, game.n_carriers))
    gains = np.zeros((q, q, game.n_carriers))
    for i in range(q):
        for e in range(links.begin[i], links.begin[i + 1]):
            gains[i, links.source[e]] = links.gain[e]
    a = links.noise + np.einsum("ijk,jk->ik", gains, p)
    change, level = game.residual(p)
    for i in range(q):
        cap = links.cap[i] if len(links.cap) else None
        best = waterfill(a[i], float(game.budgets[i]), mask=cap)
        assert level[i] == pytest.approx(best.level, rel=1e-12)
        assert change[i] == pytest.approx(np.linalg.norm(best.power - p[i]), rel=1e-12)
    np.testing.assert_allclose(game.rates(p), np.log2(1 + p / a).sum(axis=1))


def test_links_are_the_gains_that_there_are():
    rng = np.random.default_rng(1)
    q, n = 9, 20
    gains = rng.exponential(size=(q, q, n)) * (rng.random((q, q, 1)) < 0.4) * 0.1
    gains[np.arange(q), np.arange(q)] = 1.0
    noise, budgets = rng.random((q, n)) + 0.1, np.ones(q)
    i, j = np.nonzero(gains[:, :, 0])
    dense = InterferenceGame(gains, noise, budgets, gap=2.0)
    sparse = InterferenceGame((i, j, gains[i, j]), noise, budgets, gap=2.0)
    assert np.array_equal(dense.coupling, sparse.coupling)
    np.testing.assert_allclose(dense.solve().power, sparse.solve().power, atol=1e-8)
    single = InterferenceGame(gains.astype(np.float32), noise, budgets, gap=2.0)
    np.testing.assert_allclose(dense.solve().power, single.solve(tol=1e-6).power, atol=1e-5)


# --- Certificates


@pytest.mark.claim("waterfilling.7")
def test_bounds_enclose_the_spectral_radius():
    rng = np.random.default_rng(2)
    for trial in range(300):
        q = int(rng.integers(1, 25))
        s = rng.random((q, q)) * (rng.random((q, q)) < rng.choice([0.05, 0.3, 1.0])) * 10 ** rng.uniform(-6, 6)
        if trial % 5 == 0:
            s = np.triu(s, 1)  # nilpotent: rho is 0
        np.fill_diagonal(s, 0.0)
        low, high = spectral_bounds(s)
        radius = float(np.abs(np.linalg.eigvals(s)).max()) if trial % 5 else 0.0
        assert low <= high
        assert low <= radius * (1 + 1e-6) + 1e-300  # eigvals is off by more where eigenvalues are defective
        assert high >= radius * (1 - 1e-6)
        assert high - low <= 1e-9 * high
    ring = np.roll(np.eye(6), 1, axis=1)  # periodic: the bare power method does not converge
    assert spectral_bounds(ring) == pytest.approx((1.0, 1.0), abs=1e-12)
    close = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1e-9], [0.0, 1e-9, 0.0]])
    assert spectral_bounds(close) == pytest.approx((1.0, 1.0), abs=1e-8)


@pytest.mark.claim("waterfilling.7")
def test_dominance_implies_c1_and_sequential_is_no_slower():
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(300):
        q = int(rng.integers(2, 15))
        s = rng.random((q, q)) * rng.uniform(0.2, 2.5) / q
        np.fill_diagonal(s, 0.0)
        c = certify(s, weights=rng.uniform(0.5, 2, q), order=rng.permutation(q))
        if c.row_dominance < 1 or c.col_dominance < 1:
            seen += 1
            assert c.holds
        if c.holds:
            assert c.sequential_rho <= c.rho_upper * (1 + 1e-9)
        direct = np.linalg.solve(np.eye(q) - np.tril(s), np.triu(s))
        np.testing.assert_allclose(gauss_seidel(s), direct, atol=1e-12)
        assert certify(s, weights=c.perron).row_dominance == pytest.approx(c.rho_upper, rel=1e-9)
        assert spectral_bounds(scale_to_certify(s) * s)[1] == pytest.approx(1.0, abs=1e-9)
    assert seen > 50


@pytest.mark.claim("waterfilling.7")
@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
def test_the_bound_on_the_rate_is_met_on_flat_channels(rho):
    game = flat(rho)
    result = game.solve(tol=1e-10, record=True)
    assert result.status == "certified"
    assert game.certificate().rho_upper == pytest.approx(rho, abs=1e-9)
    assert observed_rate(result.history.change) == pytest.approx(rho, abs=0.01)
    assert game.solve("sequential", tol=1e-10).iterations < result.iterations / 2


@pytest.mark.claim("waterfilling.7")
def test_no_certificate_is_contradicted_in_five_hundred_games():
    certified = 0
    for seed in range(500):
        game = random_game(seed)
        c = game.certificate()
        assert not ((c.row_dominance < 1 or c.col_dominance < 1) and not c.holds)
        if not c.holds:
            continue
        certified += 1
        exact = game.solve("sequential", tol=1e-12, max_iter=2000)  # some stop at round-off of the loudest before that
        p, size = exact.power, float(np.linalg.norm(game.budgets))
        assert exact.error_bound.max() <= 1e-11 * size
        start = np.random.default_rng(seed).random(p.shape) * game.budgets[:, np.newaxis] / 2
        alpha = 1.0 if seed % 3 else 0.6
        run = game.solve(tol=1e-9, start=start, alpha=alpha, record=True)
        assert run.status == "certified"
        e = errors(run.history.power, p)
        weighted = (e / c.perron).max(axis=1)
        rate = game.certificate(alpha=alpha).rate
        assert (weighted[1:] <= (rate + 1e-6) * weighted[:-1] + 1e-11 * size).all()
        assert (e[1:] <= (1 - alpha) * e[:-1] + alpha * e[:-1] @ c.coupling.T + 1e-11 * size).all()
        for at in (0, len(run.history.power) // 2, -1):
            bound = game.error_bound(run.history.power[at])
            assert (e[at] <= bound + 1e-11 * size).all()
        assert (e[-1] <= 1e-9 * game.budgets + 1e-11 * size).all()
        assert (e[-1] <= run.error_bound + 1e-11 * size).all()
        others = [("sequential", {"order": "random"}), ("partial", {"fraction": 0.4})]
        for schedule, options in others:
            other = game.solve(schedule, tol=1e-9, seed=seed, **options)
            assert other.status == "certified"
            assert (errors(other.power, p) <= other.error_bound + 1e-11 * size).all()
    assert certified > 200


@pytest.mark.claim("waterfilling.7")
def test_noise_stays_within_its_bound():
    """C6, at every step once what the start leaves has died out; the share that is used is told."""
    used = []
    for seed in range(20):
        game = random_game(seed, rho=0.7)
        s, q = game.coupling, game.n_users
        p = game.solve(tol=1e-12).power
        eps = np.random.default_rng(seed).uniform(0.001, 0.02, q)
        bound = np.linalg.solve(np.eye(q) - s, eps)
        run = game.solve(noise=eps, seed=seed, max_iter=300, start=p, record=True)
        e = errors(run.history.power, p)
        assert (e <= bound + 1e-9).all()
        used.append((e / bound).max())
        damped = game.solve(noise=eps, seed=seed, max_iter=600, start=p, alpha=lambda n: n**-0.7, record=True)
        late = errors(damped.history.power, p)[300:]
        assert late.mean() < 0.5 * e[100:].mean()
    assert 0.1 < max(used) <= 1


@pytest.mark.claim("waterfilling.7")
def test_uncertain_gains():
    game = flat(0.8)
    c = game.certificate()
    assert c.margin == pytest.approx(0.25)
    worst = game.certificate(uncertainty=0.01)
    assert worst.rho_upper > c.rho_upper
    assert np.array_equal(np.diag(worst.coupling), np.zeros(4))
    assert not game.certificate(uncertainty=0.2).holds


@pytest.mark.claim("waterfilling.7")
def test_rayleigh_fading_converges_where_the_certificate_is_silent():
    """The greatest gain over 64 carriers is far above what the carriers in use meet: C1 fails, and few steps are needed."""
    rng = np.random.default_rng(0)
    q, n = 8, 64
    gains = rng.exponential(size=(q, q, n)) * 0.02
    gains[np.arange(q), np.arange(q)] = np.maximum(rng.exponential(size=(q, n)), 0.05)
    game = InterferenceGame(gains, rng.uniform(0.1, 1, (q, n)), np.full(q, 10.0))
    result = game.solve()
    assert not game.certificate().holds
    assert result.status == "converged"
    assert result.error_bound is None
    assert result.iterations <= 30
    assert game.local_rate(result.power) < 0.5


# --- Stale values


@pytest.mark.claim("waterfilling.8")
def test_asynchronous_play_converges_and_keeps_its_bound():
    """C5 at every step of 100 games, delays up to 50 and updates as rare as one in twenty."""
    cycles = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        game = random_game(seed, rho=float(rng.uniform(0.2, 0.6)))
        clocks = Asynchrony(
            delays=int(rng.integers(0, 51)),
            law=("uniform", "geometric")[seed % 2],
            update_prob=0.05 if seed % 4 == 0 else float(rng.uniform(0.2, 1)),
            drop_prob=0.3 if seed % 3 == 0 else 0.0,
            periods=rng.integers(1, 4, game.n_users).tolist() if seed % 5 == 0 else None,
        )
        record = seed < 60
        run = game.solve("asynchronous", asynchrony=clocks, tol=1e-10, seed=seed, record=record)
        assert run.status == "certified"
        p = game.solve(tol=1e-12).power
        size = float(np.linalg.norm(game.budgets))
        assert (errors(run.power, p) <= run.error_bound + 1e-11 * size).all()
        if record:
            c = game.certificate()
            e = (errors(run.history.power, p) / c.perron).max(axis=1)
            assert (e[1:] <= c.rate**run.history.macro_cycles * e[0] * (1 + 1e-9) + 1e-9 * size).all()
            cycles.append(run.history.macro_cycles[-1])
    assert np.mean(cycles) > 2.5


@pytest.mark.claim("waterfilling.8")
def test_values_are_stale_indeed():
    """Without delays, everyone awake is all at once; with them it takes longer."""
    game = flat(0.5)
    late = Asynchrony(delays=8)
    plain = game.solve("asynchronous", tol=1e-10)
    slow = game.solve("asynchronous", asynchrony=late, tol=1e-10)
    jacobi = game.solve(tol=1e-10)
    assert abs(plain.iterations - jacobi.iterations) <= 4  # no delay, everyone awake: all at once
    assert slow.iterations > 2 * plain.iterations


@pytest.mark.claim("waterfilling.8")
@pytest.mark.parametrize("rho", [1.05, 1.5, 3.0])
def test_cycles_are_told_and_left(rho):
    game = flat(rho)
    cycle = game.solve(max_iter=200, fallback=False)
    assert cycle.status == "cycling"
    assert cycle.cycle_period == 2
    assert cycle.error_bound is None
    assert game.solve("sequential").status == "converged"
    rescued = game.solve()
    assert rescued.status == "converged"
    assert rescued.fallback == "damped"
    assert rescued.cycle_period == 2
    assert game.residual(rescued.power)[0].max() < 1e-7


@pytest.mark.claim("waterfilling.9")
def test_the_local_rate_is_what_is_seen():
    compared = 0
    for seed in range(400):
        game = random_game(seed, rho=float(np.random.default_rng(seed).uniform(0.3, 1.5)))
        result = game.solve(tol=1e-11, record=True, fallback=False, max_iter=3000)
        if result.status not in ("certified", "converged") or result.iterations < 12:
            continue
        predicted = game.local_rate(result.power)
        powers = result.history.power
        tail = powers[len(powers) // 2 :] > 0
        if predicted < 0.1 or (tail != tail[-1]).any():
            continue  # over in a few steps, or carriers still change hands
        assert observed_rate(result.history.change) == pytest.approx(predicted, abs=0.05)
        compared += 1
        if compared == 100:
            break
    assert compared == 100


# --- The rest


@pytest.mark.claim("waterfilling.12")
@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        ("simultaneous", {}),
        ("sequential", {"order": "random"}),
        ("partial", {"fraction": 0.3}),
        ("asynchronous", {"asynchrony": Asynchrony(delays=5, update_prob=0.5, drop_prob=0.2)}),
        ("simultaneous", {"noise": 0.01, "max_iter": 50}),
    ],
)
def test_a_seed_repeats_every_bit(schedule, options):
    game = random_game(11, rho=0.6)
    first, second, other = (game.solve(schedule, seed=seed, **options) for seed in (1, 1, 2))
    assert np.array_equal(first.power, second.power)
    assert first.iterations == second.iterations
    assert (schedule == "simultaneous" and not options) or not np.array_equal(first.power, other.power)


def test_helpers_for_planning():
    assert max_users(lambda d: d**-3.0, density=3e-3, link=10.0) > max_users(lambda d: d**-3.0, density=1e-2, link=10.0)
    n = max_users(lambda d: d**-3.0, density=2e-3, link=10.0)
    distance = np.sqrt(np.arange(1, n + 1) / (np.pi * 2e-3))
    total = np.cumsum((10.0 / distance) ** 3)
    assert total[n - 2] < 1 <= total[n - 1]
    assert max_users(lambda d: d**-4.0, density=1e-9, link=1.0, limit=50) == 50


@pytest.mark.claim("waterfilling.11")
def test_what_is_no_game_is_refused():
    gains, noise = np.ones((2, 2, 3)), np.ones((2, 3))
    broken = gains.copy()
    broken[1, 1, 2] = 0
    with pytest.raises(ValueError, match="user 1 carrier 2 has no direct gain"):
        InterferenceGame(broken, noise, [1, 1])
    InterferenceGame(broken, noise, [1, 1], mask=[[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    for arguments, match in (
        ((gains[:1], noise, [1, 1]), r"gains must have the shape \(Q, Q, N\)"),
        ((gains, noise[:, :2], [1, 1]), "gains do not fit noise"),
        ((-gains, noise, [1, 1]), r"gains\[0, 0\] must be at least 0"),
        ((gains, 0 * noise, [1, 1]), r"noise\[0, 0\] must be positive"),
        ((gains, noise, [1, -1]), r"budgets\[1\] must be 0, or finite"),
        ((gains, noise, [1]), r"budgets must have the shape \(2,\)"),
        (((np.array([0, 0]), np.array([0, 0]), np.ones((2, 3))), noise, [1, 1]), "each pair given once"),
    ):
        with pytest.raises(ValueError, match=match):
            InterferenceGame(*arguments)
    game = InterferenceGame(gains, noise, [1, 1])
    for options, match in (
        ({"schedule": "now"}, "schedule must be one of simultaneous"),
        ({"alpha": 0}, "alpha must be above 0"),
        ({"tol": 0}, "tol must be positive"),
        ({"fraction": 2}, "fraction must be above 0"),
        ({"order": [0, 0]}, "order must name each of the 2 users once"),
        ({"start": np.ones(3)}, r"start must have the shape \(2, 3\)"),
        ({"noise": -1.0}, r"noise\[0\] must be at least 0"),
        ({"asynchrony": Asynchrony()}, "asynchrony goes with schedule='asynchronous'"),
    ):
        with pytest.raises(ValueError, match=match):
            game.solve(**options)
    with pytest.raises(ValueError, match="update_prob must be above 0"):
        Asynchrony(update_prob=0)
    with pytest.raises(ValueError, match="alpha must be above 0"):
        game.certificate(alpha=2)
