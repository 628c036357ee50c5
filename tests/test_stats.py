"""The statistics against values that were worked out independently, and against chance."""

import random
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from digest.stats.limits import usual_range, xmr
from digest.stats.proportions import beta_prior, gamma_prior, wilson
from digest.stats.ranks import midranks, spearman, spearman_interval, spearman_limits
from tests.databases import examples

POSTS = [(2, 40), (9, 60), (1, 15), (12, 220), (4, 80), (30, 300), (0, 20), (3, 50)]
WEEKS = [40, 52, 47, 39, 60, 44, 51, 48]

proportions = st.integers(1, 10_000).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.just(n)),
)
counts = st.lists(st.integers(0, 1_000_000), min_size=2, max_size=26)


# --- Wilson --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (4, 10, 0.1682, 0.6873),
        (300, 1000, 0.2724, 0.3291),
        (2, 2, 0.3424, 1),
        (0, 10, 0, 0.2775),
        (100, 101, 0.9460, None),
    ],
)
def test_wilson_gives_the_golden_intervals(
    successes: int, trials: int, low: float, high: float | None
) -> None:
    interval = wilson(successes, trials)
    assert interval.low == pytest.approx(low, abs=5e-5)
    if high is not None:
        assert interval.high == pytest.approx(high, abs=5e-5)


@given(proportions)
def test_wilson_holds_the_rate_it_is_about_and_stays_a_proportion(post: tuple[int, int]) -> None:
    successes, trials = post
    interval = wilson(successes, trials)
    assert 0 <= interval.low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= interval.high <= 1


@given(proportions)
def test_wilson_treats_yes_and_no_alike(post: tuple[int, int]) -> None:
    successes, trials = post
    yes, no = wilson(successes, trials), wilson(trials - successes, trials)
    assert yes.low == pytest.approx(1 - no.high, abs=1e-9)


@given(proportions)
def test_more_of_the_same_narrows_the_wilson_interval(post: tuple[int, int]) -> None:
    successes, trials = post
    few, many = wilson(successes, trials), wilson(10 * successes, 10 * trials)
    assert many.high - many.low < few.high - few.low


# --- beta-binomial -------------------------------------------------------------------------------


def test_the_beta_prior_and_its_scores_are_the_golden_ones() -> None:
    prior = beta_prior(POSTS)
    assert prior is not None
    assert prior.mean == pytest.approx(0.07771, abs=5e-6)
    assert prior.correlation == pytest.approx(0.007346, abs=5e-7)
    assert prior.weight == pytest.approx(135.13, abs=0.01)
    scores = [round(prior.shrink(k, n), 4) for k, n in POSTS]
    assert scores == [0.0714, 0.0999, 0.0766, 0.0634, 0.0674, 0.0931, 0.0677, 0.0729]


@pytest.mark.parametrize("posts", [[], [(3, 10)], [(1, 1), (0, 1)]])
def test_too_little_gives_no_beta_prior(posts: list[tuple[int, int]]) -> None:
    assert beta_prior(posts) is None


@pytest.mark.parametrize("rate", [0, 1])
def test_posts_that_are_all_alike_shrink_to_themselves(rate: int) -> None:
    """Nobody, or everybody, responded to every post: nothing is divided by zero."""
    prior = beta_prior([(rate * n, n) for n in (10, 20, 30)])
    assert prior is not None
    assert prior.shrink(rate * 10, 10) == pytest.approx(rate)


@given(st.lists(proportions, min_size=2, max_size=50), proportions)
def test_a_shrunk_rate_lies_between_the_raw_one_and_the_usual(
    posts: list[tuple[int, int]], post: tuple[int, int]
) -> None:
    prior = beta_prior(posts)
    if prior is None:
        return
    successes, trials = post
    low, high = sorted((successes / trials, prior.mean))
    assert low - 1e-9 <= prior.shrink(successes, trials) <= high + 1e-9
    assert 0.001 <= prior.correlation <= 0.5


# --- gamma-Poisson -------------------------------------------------------------------------------


def test_reactions_per_view_are_drawn_to_the_usual_more_where_views_are_few() -> None:
    prior = gamma_prior([(30, 1000), (90, 1000), (10, 500), (45, 500)])
    assert prior is not None
    usual = prior.shape / prior.views
    assert usual == pytest.approx(175 / 3000)
    few, many = prior.shrink(2, 10), prior.shrink(200, 1000)
    assert usual < few < many < 0.2


def test_the_gamma_prior_finds_the_spread_that_made_the_data() -> None:
    """Posts drawn from a gamma of mean 0.05 and shape 4: its weight is 80 views."""
    rng = random.Random(11)
    posts = []
    for _ in range(4000):
        views = rng.randint(200, 400)
        posts.append((_poisson(rng, rng.gammavariate(4, 0.05 / 4) * views), views))
    prior = gamma_prior(posts)
    assert prior is not None
    assert prior.shape == pytest.approx(4, rel=0.15)
    assert prior.views == pytest.approx(80, rel=0.15)


@pytest.mark.parametrize("posts", [[], [(3, 10)], [(0, 10), (0, 20)]])
def test_too_little_gives_no_gamma_prior(posts: list[tuple[int, int]]) -> None:
    assert gamma_prior(posts) is None


def test_posts_that_do_not_differ_are_pooled() -> None:
    prior = gamma_prior([(10, 100), (20, 200), (30, 300)])
    assert prior is not None
    assert prior.views == 600
    assert prior.shrink(0, 0) == pytest.approx(0.1)


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5000)), min_size=2, max_size=50),
    st.integers(0, 5000),
    st.integers(1, 5000),
)
def test_a_shrunk_count_lies_between_the_raw_rate_and_the_usual(
    posts: list[tuple[int, int]], reactions: int, views: int
) -> None:
    prior = gamma_prior(posts)
    if prior is None:
        return
    low, high = sorted((reactions / views, prior.shape / prior.views))
    assert low * (1 - 1e-9) <= prior.shrink(reactions, views) <= high * (1 + 1e-9)


# --- process behaviour (XmR) ---------------------------------------------------------------------


def test_xmr_gives_the_golden_limits() -> None:
    limits = xmr(WEEKS)
    assert limits.low == pytest.approx(20.265, abs=5e-4)
    assert limits.high == pytest.approx(74.985, abs=5e-4)


def test_the_usual_range_gives_the_golden_limits_on_square_roots() -> None:
    limits = usual_range(WEEKS)
    assert limits.low == pytest.approx(24.150, abs=5e-4)
    assert limits.high == pytest.approx(78.446, abs=5e-4)


def test_weeks_that_are_all_alike_have_a_range_of_one_number() -> None:
    for count in (*range(1, 301), 999_983, 99_999_989):
        for number in range(8, 27):
            limits = usual_range([count] * number)
            assert (limits.low, limits.high) == (count, count)


@given(counts)
def test_the_usual_range_is_never_negative_and_holds_the_mean_of_the_roots(
    weeks: list[int],
) -> None:
    limits = usual_range(weeks)
    centre = (sum(sqrt(week) for week in weeks) / len(weeks)) ** 2
    assert 0 <= limits.low <= centre * (1 + 1e-9) + 1e-9
    assert centre * (1 - 1e-9) - 1e-9 <= limits.high


@given(counts)
def test_the_usual_range_does_not_depend_on_the_direction_of_time(weeks: list[int]) -> None:
    forth, back = usual_range(weeks), usual_range(weeks[::-1])
    assert (forth.low, forth.high) == pytest.approx((back.low, back.high))


@pytest.mark.parametrize("mean", [10, 20, 50, 200])
@pytest.mark.parametrize("overdispersion", [1, 3, 10])
def test_an_unchanged_week_is_rarely_called_unusual(mean: int, overdispersion: int) -> None:
    """With 8 earlier weeks and nothing changed, the verdict errs in at most 5 % of weeks."""
    rng = random.Random(1924)
    trials = 1500
    errors = 0
    for _ in range(trials):
        *earlier, now = (_week(rng, mean, overdispersion) for _ in range(9))
        limits = usual_range(earlier)
        errors += not limits.low <= now <= limits.high
    assert errors / trials <= 0.05


def test_a_true_doubling_is_noticed_where_weeks_are_steady() -> None:
    rng = random.Random(1924)
    found = 0
    for _ in range(500):
        limits = usual_range([_week(rng, 100, 1) for _ in range(8)])
        found += _week(rng, 200, 1) > limits.high
    assert found / 500 > 0.95


def _week(rng: random.Random, mean: float, overdispersion: float) -> int:
    """A count with this mean and ``overdispersion`` times the variance of a Poisson count."""
    if overdispersion == 1:
        return _poisson(rng, mean)
    shape = mean / (overdispersion - 1)
    return _poisson(rng, rng.gammavariate(shape, mean / shape))


def _poisson(rng: random.Random, mean: float) -> int:
    """A Poisson count: how many exponential waiting times fit into ``mean``."""
    count, passed = 0, rng.expovariate(1)
    while passed < mean:
        count += 1
        passed += rng.expovariate(1)
    return count


# --- ranks ---------------------------------------------------------------------------------------

few = st.integers(0, 6)
"""Few different values, so that many are tied."""
pairs = st.lists(st.tuples(few, few), min_size=5, max_size=40)


@given(st.lists(few, min_size=1, max_size=40))
def test_midranks_are_those_of_scipy(values: list[int]) -> None:
    assert midranks(values) == pytest.approx(list(scipy_stats.rankdata(values)))


@given(pairs)
def test_the_rank_correlation_is_that_of_scipy(both: list[tuple[int, int]]) -> None:
    first, second = [a for a, _ in both], [b for _, b in both]
    rho = spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert rho is None
    else:
        assert rho == pytest.approx(scipy_stats.spearmanr(first, second).statistic, abs=1e-12)


@given(pairs, st.integers())
@settings(max_examples=examples(25))
def test_the_bootstrap_interval_is_that_of_resampling_outright(
    both: list[tuple[int, int]], seed: int
) -> None:
    """The product ranks once and counts draws; here every resample is ranked anew by scipy."""
    size, chance = len(both), random.Random(seed)
    resamples = [chance.choices(range(size), k=size) for _ in range(20)]
    found = []
    for places in resamples:
        first, second = [both[n][0] for n in places], [both[n][1] for n in places]
        varied = len(set(first)) > 1 and len(set(second)) > 1
        found.append(scipy_stats.spearmanr(first, second).statistic if varied else 0.0)
    interval = spearman_interval([a for a, _ in both], [b for _, b in both], resamples)
    low, high = scipy_stats.mstats.mquantiles(found, [0.025, 0.975], alphap=1, betap=1)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)


def test_the_quick_limits_of_a_rank_correlation_are_those_of_the_formula() -> None:
    """Bonett and Wright (2000), worked out by hand for ρ = 0.5 of 39 pairs: 0.5493 ± 0.1768."""
    limits = spearman_limits(0.5, 39, z=1)
    assert (limits.low, limits.high) == pytest.approx((0.3562, 0.6207), abs=5e-5)
    assert spearman_limits(1.0, 39, z=2).high <= 1


def test_the_bootstrap_interval_rarely_excludes_zero_where_nothing_goes_together() -> None:
    chance = random.Random(5)
    draws = [chance.choices(range(40), k=40) for _ in range(200)]
    wrong = 0
    for _ in range(200):
        first = [chance.choice((0, 0, 1, 2, 3)) for _ in range(40)]
        second = [int(chance.lognormvariate(3, 1)) for _ in range(40)]
        wrong += spearman_interval(first, second, draws).low > 0
    assert wrong <= 10  # of 200; five are expected on this side
