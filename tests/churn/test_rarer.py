"""Churns that are made rarer, or have some workers taken out."""

import numpy as np
import pytest

from bench.churn import AlwaysOn, Counts, Diurnal, Gamma, Intermittent, LogNormal, Outages, Spot, Trace, Weibull, exponential
from bench.churn.rarer import half_as_often
from bench.churn.without import Without

DOWN = exponential(1.0, 500.0).down


@pytest.mark.parametrize("up", [Weibull(0.5, 1000.0), LogNormal(6.0, 1.5), Gamma(0.4, 3000.0), exponential(1000.0, 1.0).up])
def test_intervals_of_any_shape_are_twice_as_long(up):
    rarer, u = half_as_often(Intermittent(up, DOWN)), np.linspace(0.05, 0.95, 7)
    assert rarer.up.sample(u) == pytest.approx(2 * up.sample(u))
    assert rarer.down == DOWN


def test_all_parts_of_a_churn_are_rarer():
    day = {"depth": 0.5, "on_hour": 8.0, "off_hour": 22.0}
    assert half_as_often(Diurnal(up=3600.0, down=1800.0, **day)) == Diurnal(up=7200.0, down=1800.0, **day)
    spot = {"down": 60.0, "batch": 1.5, "largest": 4, "pool": 8}
    assert half_as_often(Spot(life=3600.0, **spot)) == Spot(life=7200.0, **spot)
    after = half_as_often(Outages(exponential(100.0, 10.0), 1000.0, 50.0))
    assert (after.own.up.mean, after.between, after.duration) == (200.0, 2000.0, 50.0)


def test_what_has_no_mean_time_up_becomes_a_world_where_nobody_drops_out():
    recordings = Trace(intervals=[[0, 0, 4]], period=10.0), Counts(counts=[[0, 2], [60, 1]], fleet=2, period=100.0)
    for churn in (*recordings, AlwaysOn()):
        assert half_as_often(churn) == AlwaysOn()


def test_the_absent_never_come_and_the_others_are_as_they_were():
    churn, region = exponential(100.0, 100.0), np.full(6, -1)
    whole, part = churn.presence(0, region), Without(churn, [1, 4]).presence(0, region)
    others = np.array([0, 2, 3, 5])
    for _ in range(4):
        assert not part.up[[1, 4]].any() and np.isinf(part.until[[1, 4]]).all()
        assert (part.up[others] == whole.up[others]).all() and (part.until[others] == whole.until[others]).all()
        whole.next(others)
        part.next(others)
