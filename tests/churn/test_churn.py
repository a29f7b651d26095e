"""Up and down intervals against their distributions."""

import numpy as np
import pytest
from scipy import stats

from bench.churn import AlwaysOn, Exponential, Weibull, exponential, weibull
from bench.seeds import uniforms

RANKS = np.arange(20_000)


@pytest.mark.parametrize(
    ("intervals", "reference"),
    [(Exponential(3.0), stats.expon(scale=3.0)), (Weibull(0.55, 35.3), stats.weibull_min(0.55, scale=35.3))],
)
def test_intervals_follow_their_distribution(intervals, reference):
    sample = intervals.sample(uniforms(1, "test", ranks=RANKS))
    assert stats.kstest(sample, reference.cdf).pvalue > 0.01
    assert intervals.mean == pytest.approx(reference.mean())


@pytest.mark.parametrize("intervals", [Exponential(3.0), Weibull(0.55, 35.3), Weibull(2.0, 1.0)])
def test_what_is_left_of_an_interval_has_the_density_of_renewal_theory(intervals):
    # The rest of an interval met at random has density P(length > t) / mean (Cox, Renewal Theory, 1962): compare its
    # distribution, by integrating the survival function of plain samples.
    rest = intervals.residual(uniforms(2, "u", ranks=RANKS), uniforms(2, "v", ranks=RANKS))
    shape, scale = (intervals.shape, intervals.scale) if isinstance(intervals, Weibull) else (1.0, intervals.mean)
    grid = np.concatenate([[0], np.geomspace(1e-6, 1e5, 400_000)]) * scale
    survival = np.exp(-((grid / scale) ** shape))
    cdf = np.concatenate([[0], np.cumsum((survival[1:] + survival[:-1]) / 2 * np.diff(grid))]) / intervals.mean
    assert stats.kstest(rest, lambda t: np.interp(t, grid, cdf)).pvalue > 0.01


def share_up(churn, horizon):
    """The share of worker-seconds up, over a long time, by walking through everybody's intervals."""
    ranks = np.arange(4000)
    up, now, total = churn.starts_up(5, ranks), np.zeros(len(ranks)), 0.0
    for interval in range(100_000):
        length = churn.seconds(5, ranks, up, np.full(len(ranks), interval))
        total += (np.minimum(now + length, horizon) - np.minimum(now, horizon))[up].sum()
        now, up = now + length, ~up
        if now.min() > horizon:
            return total / horizon / len(ranks)
    raise AssertionError("the horizon was not reached")


@pytest.mark.parametrize("churn", [exponential(3.0, 1.0), weibull(0.55, 35.3, 0.6, 9.34)])
def test_availability_is_the_closed_form_mean_from_the_first_second_on(churn):
    for horizon in (5.0, 500.0):
        assert share_up(churn, horizon) == pytest.approx(churn.availability, abs=0.015)


def test_the_fitted_office_desktops_are_up_four_fifths_of_the_time():
    # Means of the Weibull fits: 60.1 h up, 14.1 h down (Failure Trace Archive, microsoft99).
    churn = weibull(0.55, 35.30, 0.60, 9.34)
    assert churn.up.mean == pytest.approx(60.1, abs=0.1)
    assert churn.down.mean == pytest.approx(14.1, abs=0.1)


def test_a_rank_keeps_its_intervals_whoever_else_is_there():
    churn = weibull(0.55, 35.3, 0.6, 9.34)
    some = np.array([7, 3])
    everyone = churn.seconds(0, np.arange(10), np.ones(10, bool), np.zeros(10, int))
    np.testing.assert_array_equal(churn.seconds(0, some, np.ones(2, bool), np.zeros(2, int)), everyone[some])


def test_always_on_never_ends():
    assert AlwaysOn().starts_up(0, RANKS).all()
    assert np.isinf(AlwaysOn().seconds(0, RANKS, np.ones(len(RANKS), bool), np.zeros(len(RANKS), int))).all()


@pytest.mark.parametrize("shape", [0.0, -1.0, float("inf"), float("nan")])
def test_bad_shapes_are_refused_by_name(shape):
    with pytest.raises(ValueError, match="up_shape must be above 0"):
        weibull(shape, 1.0, 1.0, 1.0)
