"""The Bernoulli sampler and unmasking growth: theory section 9 against enumeration."""

from __future__ import annotations

from itertools import pairwise, product
from math import e, log

import bruteforce
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import comb, xlogy
from scipy.stats import binom

from theory import bernoulli, curves, divergences, growth, learned, odds_blocks
from theory.distributions import NoisyRepeatedBit, Parity, RandomPermutation

Floats = strategies.Floats

times = st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=2, max_size=6).map(sorted)
inner_times = st.sets(st.integers(1, 99), min_size=2, max_size=6).map(
    lambda percents: [percent / 100.0 for percent in sorted(percents)]
)
some = settings(max_examples=30)


def binomial_weights(n: int, t: Floats) -> Floats:
    """Shape (T, n + 1); scipy's overflow where n / t does."""
    j = np.arange(n + 1)
    return np.asarray(comb(n, j) * t[:, None] ** j * (1.0 - t[:, None]) ** (n - j))


falling = strategies.falling_curves().map(lambda curve: np.asarray(curve.conditional_entropy))


def odds(t: float) -> float:
    return t / (1.0 - t)


def subset_weight(n: int, subset: tuple[int, ...], t: float) -> float:
    """Probability that exactly these of n positions have a time below t."""
    return float(t ** len(subset) * (1.0 - t) ** (n - len(subset)))


def mean_correlation(table: Floats, p: float, q: float) -> float:
    """E TC(X_S | X_A), A the positions of time below p and S those between p and q."""
    n, total = table.ndim, 0.0
    for code in product(range(3), repeat=n):  # known, revealed now, left masked
        known = [i for i in range(n) if code[i] == 0]
        group = [i for i in range(n) if code[i] == 1]
        weight = p ** len(known) * (q - p) ** len(group) * (1 - q) ** (n - len(known) - len(group))
        alone = sum(bruteforce.conditional_entropy(table, i, known) for i in group)
        joint = bruteforce.entropy_on(table, known + group) - bruteforce.entropy_on(table, known)
        total += weight * (alone - joint)
    return total


@settings(max_examples=30)
@given(strategies.tables(max_n=4, max_entries=16), st.floats(0.0, 1.0))
def test_growth_is_the_mean_information_of_the_others(table: Floats, t: float) -> None:
    n, wanted = table.ndim, 0.0
    for i in range(n):
        others = [k for k in range(n) if k != i]
        for code in range(2 ** (n - 1)):
            known = tuple(k for b, k in enumerate(others) if code >> b & 1)
            information = bruteforce.entropy_on(table, [i])
            information -= bruteforce.conditional_entropy(table, i, known)
            wanted += subset_weight(n - 1, known, t) * information
    curve = curves.conditional_entropy_curve(table)
    assert growth.growth(curve, t) == pytest.approx(wanted, abs=1e-11)


@settings(max_examples=20)
@given(strategies.tables(max_n=4, max_entries=16), times)
def test_step_losses_are_mean_correlations(table: Floats, ends: list[float]) -> None:
    curve = curves.conditional_entropy_curve(table)
    wanted = [mean_correlation(table, p, q) for p, q in pairwise(ends)]
    assert_allclose(bernoulli.step_losses(curve, ends), wanted, atol=1e-11)


@some
@given(falling, times)
def test_steps_cost_the_area_above_the_start(curve: Floats, ends: list[float]) -> None:
    # int_p^q (h(u) - h(p)) du = int_p^q (q - u) h'(u) du, both by quadrature.
    p, q = ends[0], ends[-1]
    found = bernoulli.step_losses(curve, [p, q])[0]
    start = float(growth.growth(curve, p))
    area, _ = quad(lambda u: float(growth.growth(curve, u)) - start, p, q)
    slope, _ = quad(lambda u: (q - u) * float(growth.growth_rate(curve, u)), p, q)
    assert found == pytest.approx(area, abs=1e-9)
    assert found == pytest.approx(slope, abs=1e-9)


@some
@given(falling)
def test_total_scalars_are_integrals_of_the_slope(curve: Floats) -> None:
    n, whole = len(curve), (0.0, 1.0)
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    (found_tc,) = growth.growth_integrals(curve, whole, known=0, masked=1)
    (found_dtc,) = growth.growth_integrals(curve, whole, known=1, masked=0)
    (complexity,) = growth.growth_complexity(curve, whole)
    by_card = curves.unmasking_growth_complexity(curve)
    assert found_tc == pytest.approx(tc, abs=1e-10)
    assert found_dtc == pytest.approx(dtc, abs=1e-10)
    assert complexity == pytest.approx(2.0 / (n + 1) * curves.tse_complexity(curve), abs=1e-10)
    assert complexity - 1e-10 <= by_card <= 2.0 * complexity + 1e-10
    assert bernoulli.bernoulli_kl(curve, []) == pytest.approx(tc, abs=1e-10)


@some
@given(falling, times)
def test_integrals_are_those_of_the_slope(curve: Floats, ends: list[float]) -> None:
    for known, masked in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 3)):
        wanted, _ = quad(
            lambda t, a=known, b=masked: t**a * (1 - t) ** b * float(growth.growth_rate(curve, t)),
            ends[0],
            ends[-1],
        )
        parts = growth.growth_integrals(curve, ends, known=known, masked=masked)
        assert parts.sum() == pytest.approx(wanted, abs=1e-8)
        assert np.all(parts >= 0.0)


@some
@given(falling)
def test_effective_total_correlation(curve: Floats) -> None:
    found = growth.effective_total_correlation(curve)
    (complexity,) = growth.growth_complexity(curve, (0.0, 1.0))

    def integrand(t: float) -> float:
        return t * min(1.0, -log(t)) * float(growth.growth_rate(curve, t))

    wanted = quad(integrand, 0.0, 1 / e)[0] + quad(integrand, 1 / e, 1.0)[0]
    assert found == pytest.approx(wanted, abs=1e-9)
    assert complexity - 1e-9 <= found <= e / (e - 1) * complexity + 1e-9
    assert (
        found <= min(curves.total_correlation(curve), curves.dual_total_correlation(curve)) + 1e-9
    )


@some
@given(falling, times)
def test_dividing_a_step_never_loses(curve: Floats, ends: list[float]) -> None:
    whole = bernoulli.step_losses(curve, [ends[0], ends[-1]])[0]
    assert bernoulli.step_losses(curve, ends).sum() <= whole + 1e-10
    assert bernoulli.bernoulli_kl(curve, ends) <= bernoulli.bernoulli_kl(curve, ends[1:]) + 1e-10


@settings(max_examples=50)
@given(strategies.tables(max_n=4, max_entries=27), times, st.integers(0, 2**16))
def test_loss_of_a_model_is_its_mean_cross_entropy(
    table: Floats, ends: list[float], seed: int
) -> None:
    # Wainwright's Theorem 1 with a learned denoiser, exactly: sum_t (q-p) sum_i E[-log m] - H.
    n, q = table.ndim, table.shape[0]
    answers = np.random.default_rng(seed).dirichlet(np.ones(q), size=(*(q + 1,) * n, n))
    curve = learned.cross_entropy_curve(table, learned.tabled_model(answers))
    starts = np.array([0.0, *ends])
    paid = n * (binomial_weights(n - 1, starts) @ curve)
    joint = -float(xlogy(table, table).sum())
    whole = float(paid @ np.diff(starts, append=1.0)) - joint
    excess = bernoulli.bernoulli_kl(curve, ends)
    assert whole == pytest.approx(excess + curve.sum() - joint, abs=1e-10)
    # Learning error: beta_j E sum_i KL(mu_i || m_i), beta_j = (t_{j+1} - t_j) / (1 - t_j).
    exact = curves.conditional_entropy_curve(table)
    masked = n - np.arange(n)
    weights = binomial_weights(n, starts)[:, :n] * masked
    beta = np.diff(starts, append=1.0) / np.maximum(1.0 - starts, 1e-300)
    error = float(beta @ (weights @ (curve - exact)))
    assert whole == pytest.approx(bernoulli.bernoulli_kl(exact, ends) + error, abs=1e-9)


@some
@given(falling, times)
def test_odds_bound_the_loss_of_a_step(curve: Floats, ends: list[float]) -> None:
    # Theorem 1, with its constant and with the sharp one
    losses = bernoulli.step_losses(curve, ends)
    stated = bernoulli.odds_bounds(curve, ends)
    sharp = bernoulli.odds_bounds(curve, ends, sharp=True)
    assert np.all(losses <= sharp + 1e-10)
    assert np.all(sharp <= stated + 1e-10)


@some
@given(inner_times)
def test_odds_constants(ends: list[float]) -> None:
    curve = np.array([2.0, 1.5, 0.0])
    complexity = growth.growth_complexity(curve, ends)
    for k, (p, q) in enumerate(pairwise(ends)):
        stated = odds(q) / odds(p) - 1.0
        assert bernoulli.odds_bounds(curve, ends)[k] == pytest.approx(
            stated * complexity[k], rel=1e-6
        )
        u = np.linspace(p, q, 50)
        largest = ((q - u) / (u * (1 - u))).max()
        sharp = bernoulli.odds_bounds(curve, ends, sharp=True)[k]
        assert sharp == pytest.approx(largest * complexity[k], rel=1e-6)


def test_the_sharp_constant_is_reached() -> None:
    # All growth near p: an early jump of a long curve.
    n, p, q = 200_000, 0.2, 0.6
    curve = np.where(np.arange(n) < 0.203 * n, 1.0, 0.0)
    loss = bernoulli.step_losses(curve, [p, q])[0]
    assert loss > 0.97 * bernoulli.odds_bounds(curve, [p, q], sharp=True)[0]
    assert loss < 0.6 * bernoulli.odds_bounds(curve, [p, q])[0]


@some
@given(falling, st.data())
def test_sharp_constant_of_steps_of_fixed_size(curve: Floats, data: st.DataObject) -> None:
    # n (s-1) / ((a+1) (n-a-1)) in place of psi(b/n) / psi((a+1)/n) - 1
    n = len(curve)
    a = data.draw(st.integers(0, n - 1))
    b = data.draw(st.integers(a + 1, n))
    fixed_size = [1] * a + [b - a] + [1] * (n - b)
    loss = divergences.expected_kl(curve, fixed_size)
    j = np.arange(a + 1, b)
    complexity = float((j * (n - j) / n) @ curves.increments(curve)[a : b - 1])
    if b - a == 1:
        assert loss == 0.0
        return
    sharp = n * (b - a - 1) / ((a + 1) * (n - a - 1))
    assert loss <= sharp * complexity + 1e-10
    assert b == n or sharp <= odds(b / n) / odds((a + 1) / n) - 1.0 + 1e-12


@some
@given(falling, inner_times, st.integers(0, 20))
def test_geometric_odds(curve: Floats, ends: list[float], extra: int) -> None:
    # Corollary 1
    first, last = ends[0], ends[-1]
    span = log(odds(last) / odds(first))
    steps = max(1, int(np.ceil(span))) + extra
    ladder = bernoulli.geometric_odds(first, last, steps)
    assert (ladder[0], ladder[-1]) == (first, last)
    factors = odds(ladder[1:]) / odds(ladder[:-1])
    assert_allclose(factors, np.exp(span / steps), rtol=1e-9)
    (complexity,) = growth.growth_complexity(curve, (first, last))
    loss = bernoulli.step_losses(curve, ladder).sum()
    assert loss <= 2.0 * complexity * span / steps + 1e-10


@some
@given(falling, st.floats(0.01, 0.97))
def test_growth_over_odds_that_double(curve: Floats, p: float) -> None:
    # Lemma 1: D <= H <= 2 D, D = (q-p) (h(q) - h(p)); and D bounds the loss of one step.
    q = 2.0 * p / (1.0 + p)
    assert odds(q) == pytest.approx(2.0 * odds(p))
    d = (q - p) * float(growth.growth(curve, q) - growth.growth(curve, p))
    (complexity,) = growth.growth_complexity(curve, (p, q))
    assert d - 1e-10 <= complexity <= 2.0 * d + 1e-10
    assert bernoulli.step_losses(curve, (p, q))[0] <= d + 1e-10


@some
@given(falling, inner_times, st.integers(0, 40))
def test_blocks(curve: Floats, ends: list[float], extra: int) -> None:
    # Proposition 1
    lengths = np.diff(np.log(odds(np.array(ends))))
    complexities = growth.growth_complexity(curve, ends)
    wanted = np.sqrt(lengths * complexities).sum() ** 2
    found = odds_blocks.block_complexity(ends, complexities)
    assert found == pytest.approx(wanted)
    steps = int(np.ceil(2 * (len(lengths) + 2 * lengths.sum()) + 1e-6)) + extra
    schedule = odds_blocks.block_times(ends, complexities, steps)
    assert (schedule[0], schedule[-1]) == (ends[0], ends[-1])
    assert len(schedule) - 1 <= steps
    assert set(ends) <= set(schedule)
    assert bernoulli.step_losses(curve, schedule).sum() <= 4.0 * found / steps + 1e-9


@some
@given(falling, inner_times)
def test_dividing_blocks_never_costs_and_stops_at_the_limit(
    curve: Floats, ends: list[float]
) -> None:
    # Theorem 3: inf_P C(P) = P_ugc
    outer = [ends[0], ends[-1]]
    one = odds_blocks.block_complexity(outer, growth.growth_complexity(curve, outer))
    some = odds_blocks.block_complexity(ends, growth.growth_complexity(curve, ends))
    fine = bernoulli.geometric_odds(*outer, 300)
    many = odds_blocks.block_complexity(fine, growth.growth_complexity(curve, fine))
    limit = growth.limit_complexity(curve, *outer)
    assert some <= one + 1e-9
    assert limit - 1e-7 <= min(some, many)
    assert many <= 1.01 * limit + 1e-7


@some
@given(falling, inner_times, st.integers(1, 7))
def test_best_blocks_are_the_least_of_all(curve: Floats, cells: list[float], blocks: int) -> None:
    complexities = growth.growth_complexity(curve, cells)
    m = len(complexities)

    def complexity(chosen: tuple[int, ...]) -> float:
        joined = np.add.reduceat(complexities, chosen[:-1])
        return odds_blocks.block_complexity(np.array(cells)[list(chosen)], joined)

    choices = [
        (0, *(int(c) for c in np.cumsum(sizes)))
        for k in range(1, min(blocks, m) + 1)
        for sizes in bruteforce.compositions(m, k)
    ]
    chosen = odds_blocks.best_blocks(cells, complexities, blocks)
    assert chosen in choices
    assert complexity(chosen) == pytest.approx(min(map(complexity, choices)), abs=1e-9)


def test_limit_is_what_many_steps_lose() -> None:
    # Theorem 3: the best N steps lose P_ugc / (2N), steps of equal sqrt(q) mass.
    curve = NoisyRepeatedBit(40, 0.1).conditional_entropy_curve()
    fine = np.linspace(0.0, 1.0, 20001)
    mass = np.append(0.0, np.cumsum(np.sqrt(growth.growth_rate(curve, fine[1:]))))
    limit = growth.limit_complexity(curve)
    assert (mass[-1] / 20000) ** 2 == pytest.approx(limit, rel=1e-3)
    for steps in (50, 200):
        schedule = np.interp(np.linspace(0.0, mass[-1], steps + 1), mass, fine)
        loss = bernoulli.step_losses(curve, schedule).sum()
        assert loss == pytest.approx(limit / (2 * steps), rel=8.0 / steps)


@pytest.mark.parametrize(("eps", "ratio"), [(0.01, 4.51), (0.30, 2.16), (0.45, 1.65)])
def test_ratios_of_the_noisy_repeated_bit(eps: float, ratio: float) -> None:
    # Wainwright, Figure 1, d = 128
    curve = NoisyRepeatedBit(128, eps).conditional_entropy_curve()
    assert odds_blocks.complexity_ratio(curve) == pytest.approx(ratio, abs=0.005)


def test_copies_and_parity_mirror_each_other() -> None:
    # Wainwright, Figure 5: q_rep = d (d-1) ln 2 r^2 (1-r)^d, and q_parity of -lambda
    d = 64
    log_odds = np.linspace(-6.0, 6.0, 25)
    r = 1.0 / (1.0 + np.exp(-log_odds))
    copies = growth.odds_density(NoisyRepeatedBit(d, 0.0).conditional_entropy_curve(), log_odds)
    parity = growth.odds_density(Parity(d).conditional_entropy_curve(), log_odds)
    assert_allclose(copies, d * (d - 1) * log(2) * r**2 * (1 - r) ** d, rtol=1e-9)
    assert_allclose(parity, copies[::-1], rtol=1e-9)


def random_code_curve(d: int, components: int, flip: float, draws: int) -> Floats:
    """Curve of one of many random prototypes with flips, mean over prototypes, by sampling.

    Given j positions the true prototype has a binomial number of mismatches; all others agree
    with a fair coin, so how many have k mismatches, and how many of those say 1 next, are
    multinomial and binomial.
    """
    rng, curve = np.random.default_rng(0), np.empty(d)
    for j in range(d):
        mismatches = np.arange(j + 1)
        others = rng.multinomial(components - 1, binom.pmf(mismatches, j, 0.5), size=draws)
        ones = rng.binomial(others, 0.5)
        likelihood = flip**mismatches * (1 - flip) ** (j - mismatches)
        true = likelihood[rng.binomial(j, flip, size=draws)]
        one = (true + ones @ likelihood) / (true + others @ likelihood)
        p = one * (1 - flip) + (1 - one) * flip
        curve[j] = -(xlogy(p, p) + xlogy(1 - p, 1 - p)).mean()
    return curves.without_rounding(curve)


@pytest.mark.parametrize(("d", "ratio"), [(32, 2.19), (48, 3.13), (64, 3.85)])
def test_ratios_of_random_mixtures(d: int, ratio: float) -> None:
    # Wainwright, Figure 2; prototypes are not given there, so the mean over them is near it.
    curve = random_code_curve(d, 2 ** (d // 4), 0.02, draws=600)
    assert odds_blocks.complexity_ratio(curve) == pytest.approx(ratio, rel=0.05)
    if d < 64:
        return
    # Figure 4: 65.0 for one block, 23.5 for three, 16.9 in the limit.
    cells = bernoulli.geometric_odds(1 / d, 1 - 1 / d, 120)
    complexities = growth.growth_complexity(curve, cells)
    three = odds_blocks.best_blocks(cells, complexities, 3)
    found = odds_blocks.block_complexity(
        cells[list(three)], np.add.reduceat(complexities, three[:-1])
    )
    one = odds_blocks.block_complexity(cells[[0, -1]], [complexities.sum()])
    limit = growth.limit_complexity(curve, cells[0], cells[-1])
    assert (one, found, limit) == pytest.approx((65.0, 23.5, 16.9), rel=0.1)


def test_thousands_of_positions() -> None:
    # Cancellation would show: every integral of a permutation's growth is known to full digits.
    curve = RandomPermutation(4096).conditional_entropy_curve()
    ends = bernoulli.geometric_odds(1e-4, 1.0 - 1e-4, 20)
    tc = curves.total_correlation(curve)
    assert bernoulli.bernoulli_kl(curve, []) == pytest.approx(tc, rel=1e-12)
    parts = growth.growth_complexity(curve, np.concatenate([[0.0], ends, [1.0]]))
    by_card = curves.unmasking_growth_complexity(curve) * 4096 / 4097
    assert parts.sum() == pytest.approx(by_card, rel=1e-12)
    loss = bernoulli.bernoulli_kl(curve, ends.tolist())
    assert 0.0 < loss < tc
    step = growth.growth(curve, 0.5 + 1e-3) - growth.growth(curve, 0.5)
    assert step == pytest.approx(1e-3 * growth.growth_rate(curve, 0.5 + 5e-4), rel=1e-6)


def test_vanishing_times_are_zero() -> None:
    curve = RandomPermutation(4096).conditional_entropy_curve()
    for t in (5e-324, 2.2e-308, 1e-305, 1e-289):
        assert growth.growth(curve, t) == pytest.approx(0.0, abs=1e-280)
        assert growth.growth_rate(curve, t) == pytest.approx(growth.growth_rate(curve, 0.0))


def test_one_position_has_nothing_to_grow() -> None:
    assert growth.growth([1.5], [0.0, 0.5, 1.0]).tolist() == [0.0] * 3
    assert growth.growth_rate([1.5], [0.5]).tolist() == [0.0]
    assert bernoulli.bernoulli_kl([1.5], [0.3]) == 0.0
    assert growth.effective_total_correlation([1.5]) == 0.0
    assert growth.limit_complexity([1.5]) == 0.0


def test_free_steps_are_bounded_by_zero() -> None:
    free = bernoulli.odds_bounds([1.0, 1.0, 1.0], [0.0, 0.5, 1.0])
    assert free.tolist() == [0.0, 0.0]
    bounds = bernoulli.odds_bounds([2.0, 1.5, 0.0], [0.0, 0.5, 1.0], sharp=True)
    assert bounds[0] == np.inf
    assert np.isfinite(bounds[1])


@pytest.mark.parametrize(
    "ends", [[0.5], [[0.1, 0.2]], [0.2, 0.1], [-0.1, 0.5], [0.5, 1.1], [0.5, float("nan")]]
)
def test_times_that_fall_or_leave_the_interval_are_refused(ends: list[float]) -> None:
    for refused in (bernoulli.step_losses, growth.growth_complexity, bernoulli.odds_bounds):
        with pytest.raises(ValueError, match="inclusion probabilities"):
            refused([1.0, 0.5, 0.0], ends)


@pytest.mark.parametrize("t", [-0.1, 1.1, float("nan")])
def test_growth_outside_the_interval_is_refused(t: float) -> None:
    for refused in (growth.growth, growth.growth_rate):
        for curve in ([1.0, 0.5, 0.0], [1.0]):
            with pytest.raises(ValueError, match=r"need inclusion probabilities in \[0, 1\]"):
                refused(curve, [0.5, t])


@pytest.mark.parametrize("arguments", [(0.0, 0.5, 3), (0.5, 1.0, 3), (0.6, 0.5, 3), (0.1, 0.5, 0)])
def test_odds_that_are_no_ladder_are_refused(arguments: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="need 0 < first <= last < 1, steps >= 1, got"):
        bernoulli.geometric_odds(*arguments)


def test_blocks_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need boundaries that rise inside \(0, 1\)"):
        odds_blocks.block_complexity([0.0, 0.5], [1.0])
    for complexities in ([1.0, 1.0], [-1.0], [float("nan")]):
        with pytest.raises(ValueError, match="need 1 complexities >= 0 for 2 boundaries"):
            odds_blocks.block_complexity([0.2, 0.5], complexities)
    with pytest.raises(ValueError, match="need at least one block, got 0"):
        odds_blocks.best_blocks([0.2, 0.5], [1.0], 0)
    with pytest.raises(ValueError, match="need boundaries that rise strictly"):
        odds_blocks.block_times([0.2, 0.2, 0.5], [0.0, 1.0], 100)
    with pytest.raises(ValueError, match=r"need at least \d+ steps for 1 blocks, got 2"):
        odds_blocks.block_times([0.2, 0.5], [1.0], 2)


def test_curves_without_a_ratio_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 positions, got 2"):
        odds_blocks.complexity_ratio([1.0, 0.0])
    with pytest.raises(ValueError, match="the curve is constant"):
        odds_blocks.complexity_ratio([1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="the curve rises: fit a nonincreasing one"):
        growth.limit_complexity([0.5, 1.0])
