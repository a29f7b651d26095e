"""Links that vary: when they change, by how much, and that time always goes on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import star

from bench.build import build
from bench.errors import ConfError
from bench.network import Changes, Steady
from bench.network.variation import Diurnal, Jitter, Trace

DAY = 86400.0
STAIRS = [[0, 1.0], [10, 0.5], [40, 2.0]]


def diurnal(**changes):
    return Diurnal(**({"depth": 0.4, "busiest_hour": 21, "step": 1800.0} | changes))


def trace(**changes):
    return Trace(**({"trace": STAIRS, "period": 100.0} | changes))


def test_what_is_steady_never_changes():
    assert Steady().next_change(5.0) == math.inf
    assert Steady().factors(5.0, 3, seed=0).tolist() == [1, 1, 1]


def test_both_directions_of_a_host_change_together_and_what_is_shared_does_not():
    network = star(3, region_rate=[[7.0]], regions=["a"], region_latency=[[0.0]])
    changes = Changes(network, Jitter(sigma=0.5, period=60.0), seed=1)
    factors = Jitter(sigma=0.5, period=60.0).factors(90.0, 3, seed=1)
    np.testing.assert_allclose(changes.capacity(90.0), [*(1e6 * factors), *(1e6 * factors), 7.0])
    assert network.capacity.tolist() == [1e6] * 6 + [7.0]  # the network itself is left alone
    assert changes.next_change(90.0) == 120.0


VARIATIONS = {
    "diurnal": diurnal(),
    "diurnal, odd step": diurnal(step=0.1),
    "jitter": Jitter(sigma=0.2, period=60.0),
    "jitter, odd period": Jitter(sigma=0.2, period=1 / 3),
    "trace": trace(),
    "trace, odd": trace(trace=[[0, 1.0], [0.1, 2.0], [0.7, 0.5]], period=1.1),
    "trace, staggered": trace(stagger=True),
}


@pytest.mark.parametrize("name", VARIATIONS)
@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1e9))
def test_the_next_change_is_strictly_later(name, now):
    variation = VARIATIONS[name]
    then = variation.next_change(now)
    assert then > now
    assert (variation.factors(now, 5, seed=0) > 0).all()


@pytest.mark.parametrize("name", VARIATIONS)
@pytest.mark.parametrize("start", [0.0, 12345.678, 1e8])
def test_going_from_change_to_change_skips_none_and_never_stands_still(name, start):
    variation = VARIATIONS[name]
    regular = {"diurnal": 1800, "diurnal, odd step": 0.1, "jitter": 60, "jitter, odd period": 1 / 3, "trace, staggered": 10}
    now, seen = variation.next_change(start), 0
    for _ in range(3000):
        then = variation.next_change(now)
        assert then > now
        if name in regular:
            assert then - now == pytest.approx(regular[name], rel=1e-5)
        now, seen = then, seen + 1
    # A trace of three pieces changes three times a period.
    if name in ("trace", "trace, odd"):
        assert now - start == pytest.approx(seen / 3 * variation.period, abs=2 * variation.period)


@pytest.mark.parametrize("name", [name for name in VARIATIONS if "staggered" not in name])
@pytest.mark.parametrize("start", [0.0, 12345.678, 1e7])
def test_factors_hold_until_the_next_change_and_are_new_from_then_on(name, start):
    variation, now = VARIATIONS[name], start
    for _ in range(200):
        then = variation.next_change(now)
        during = variation.factors(now, 3, seed=4)
        for part in (0.25, 0.5, 0.99):
            assert variation.factors(now + part * (then - now), 3, seed=4).tolist() == during.tolist()
        assert variation.factors(then, 3, seed=4).tolist() != during.tolist() or name.startswith("diurnal")
        now = then


def test_an_evening_is_slowest_at_its_busiest_hour():
    # Steps are one value each, that of their middle: half an hour around 21 has 21:00 in the middle of 20:45 … 21:15.
    at = np.arange(0, DAY, 60.0)
    factors = np.array([diurnal(step=60.0).factors(second, 1, seed=0)[0] for second in at])
    assert at[np.argmin(factors)] / 3600 == pytest.approx(21, abs=0.02)
    assert at[np.argmax(factors)] / 3600 == pytest.approx(9, abs=0.02)
    assert (factors.min(), factors.max()) == (pytest.approx(0.6, abs=1e-5), pytest.approx(1.0, abs=1e-5))
    # A cosine: on average half of the depth is lost.
    assert factors.mean() == pytest.approx(0.8)


def test_a_day_is_like_the_next_and_zones_are_hours_ahead():
    assert diurnal().factors(5000.0, 1, seed=0)[0] == pytest.approx(diurnal().factors(5000.0 + 3 * DAY, 1, seed=0)[0])
    here, ahead = diurnal(zones=[0, 6]).factors(0.0, 4, seed=0)[[0, 2]]
    assert ahead == pytest.approx(diurnal().factors(6 * 3600.0, 1, seed=0)[0])
    assert here == pytest.approx(diurnal().factors(0.0, 1, seed=0)[0])
    assert (
        diurnal(zones=[0, 6, 12]).factors(0.0, 6, seed=0).round(6).tolist()
        == np.repeat(diurnal(zones=[0, 6, 12]).factors(0.0, 3, seed=0).round(6), 2).tolist()
    )


def test_jitter_has_mean_one_and_the_deviation_it_is_given():
    jitter = Jitter(sigma=0.3, period=60.0)
    factors = np.concatenate([jitter.factors(60.0 * draw, 20_000, seed=1) for draw in range(10)])
    # 200,000 draws of deviation 0.31: the mean is within 0.0007 of 1 two times out of three.
    assert factors.mean() == pytest.approx(1, abs=0.003)
    assert np.log(factors).std() == pytest.approx(0.3, abs=0.003)
    assert np.log(factors).mean() == pytest.approx(-0.045, abs=0.003)


def test_jitter_is_the_seeds_and_a_hosts_own():
    jitter = Jitter(sigma=0.3, period=60.0)
    few, many = jitter.factors(0.0, 3, seed=1), jitter.factors(0.0, 100, seed=1)
    assert many[:3].tolist() == few.tolist()
    assert len(set(many.tolist())) == 100
    assert jitter.factors(0.0, 3, seed=2).tolist() != few.tolist()
    assert jitter.factors(60.0, 3, seed=1).tolist() != few.tolist()


def test_no_jitter_is_none():
    assert Jitter(sigma=0.0, period=60.0).next_change(0.0) == math.inf
    assert Jitter(sigma=0.0, period=60.0).factors(100.0, 2, seed=0).tolist() == [1, 1]


def test_a_trace_is_played_and_repeats():
    seconds = [0, 9.99, 10, 39, 40, 99, 100, 110, 1e4 + 10, 1e6 * 100 + 40]
    expected = [1, 1, 0.5, 0.5, 2, 2, 1, 0.5, 0.5, 2]
    assert [trace().factors(at, 2, seed=0)[1] for at in seconds] == expected
    assert [trace().next_change(at) for at in [0, 5, 10, 41, 100, 139]] == [10, 10, 40, 100, 110, 140]


def test_a_staggered_trace_begins_for_each_host_at_a_moment_of_its_own():
    hosts, staggered = 20_000, trace(stagger=True)
    # At any second each host is somewhere in the trace: 10, 30 and 60 of 100 s have the factors 1, 0.5 and 2.
    for at in (0.0, 37.0, 12345.0):
        factors = staggered.factors(at, hosts, seed=3)
        assert [(factors == value).mean() for value in (1.0, 0.5, 2.0)] == pytest.approx([0.1, 0.3, 0.6], abs=0.015)
    # Each follows the trace from its own beginning: its factor now is that of the plain trace some seconds on.
    at = np.arange(0, 100, 0.5)
    courses = np.array([staggered.factors(second, 5, seed=3) for second in at])  # (seconds, hosts)
    plain = np.array([trace().factors(second, 1, seed=0)[0] for second in at])
    for course in courses.T:
        assert any(np.array_equal(course, np.roll(plain, -shift)) for shift in range(len(at)))
    assert staggered.factors(0.0, 5, seed=3).tolist() == staggered.factors(0.0, 50, seed=3)[:5].tolist()


def test_a_staggered_trace_is_looked_at_as_often_as_its_shortest_piece():
    # Pieces of 10, 30 and 60 s: every 10 s. So a host's change is seen up to 10 s late, 5 s on average, and never missed.
    staggered, now, late = trace(stagger=True), 0.0, []
    before = staggered.factors(0.0, 200, seed=0)
    for _ in range(30):
        then = staggered.next_change(now)
        assert then - now == pytest.approx(10)
        fine = np.array([staggered.factors(second, 200, seed=0) for second in np.linspace(now, then, 101)])
        changes = (fine[1:] != fine[:-1]).sum(0)
        assert changes.max() <= 1  # no piece begins and ends between two looks
        for host in np.flatnonzero(changes):
            late.append(10 - 0.1 * (np.flatnonzero(fine[1:, host] != fine[:-1, host])[0] + 1))
        assert (fine[0] == before).all()
        now, before = then, fine[-1]
    assert np.mean(late) == pytest.approx(5, abs=0.5)


BAD = [
    (Diurnal, {"depth": 1.0, "busiest_hour": 21, "step": 1.0}, "depth must be >= 0 and below 1, got 1"),
    (Diurnal, {"depth": -0.1, "busiest_hour": 21, "step": 1.0}, "depth must be >= 0 and below 1, got -0.1"),
    (Diurnal, {"depth": 0.1, "busiest_hour": 24, "step": 1.0}, "busiest_hour must be >= 0 and below 24, got 24"),
    (Diurnal, {"depth": 0.1, "busiest_hour": 21, "step": 0.0}, "step must be above 0 s and at most a day, got 0 s"),
    (Diurnal, {"depth": 0.1, "busiest_hour": 21, "step": 1e5}, "step must be above 0 s and at most a day, got 100000 s"),
    (Diurnal, {"depth": 0.1, "busiest_hour": 21, "step": 1.0, "zones": []}, "zones must not be empty"),
    (Diurnal, {"depth": 0.1, "busiest_hour": 21, "step": 1.0, "zones": [0, math.inf]}, "zones must be finite, got inf"),
    (Jitter, {"sigma": -0.1, "period": 1.0}, "sigma must be in 0 … 3, got -0.1"),
    (Jitter, {"sigma": 3.1, "period": 1.0}, "sigma must be in 0 … 3, got 3.1"),
    (Jitter, {"sigma": 0.1, "period": 0.0}, "period must be above 0 s and finite, got 0 s"),
    (Trace, {"trace": [], "period": 1.0}, "trace must have rows of seconds and factor"),
    (Trace, {"trace": [1.0, 2.0], "period": 1.0}, "trace must have rows of seconds and factor"),
    (Trace, {"trace": [[0, 1.0], [1.0]], "period": 9.0}, "trace must have rows of seconds and factor"),
    (Trace, {"trace": [[0, 1.0, 2.0]], "period": 9.0}, "trace must have rows of seconds and factor"),
    (Trace, {"trace": [[1, 1.0]], "period": 9.0}, "trace must begin at second 0"),
    (Trace, {"trace": [[0, 1.0], [5, 1.0], [5, 2.0]], "period": 9.0}, "trace must begin at second 0, its seconds rising"),
    (Trace, {"trace": [[0, 1.0], [math.nan, 1.0]], "period": 9.0}, "trace must begin at second 0, its seconds rising"),
    (Trace, {"trace": [[0, 0.0]], "period": 9.0}, "trace must have factors above 0: a link that is down is churn"),
    (Trace, {"trace": [[0, math.inf]], "period": 9.0}, "trace must have factors above 0"),
    (
        Trace,
        {"trace": [[0, 1.0], [9, 1.0]], "period": 9.0},
        "period must be above the trace's last second, 9, and finite, got 9 s",
    ),
    (
        Trace,
        {"trace": [[0, 1.0]], "period": math.inf},
        "period must be above the trace's last second, 0, and finite, got inf s",
    ),
]


@pytest.mark.parametrize(("kind", "settings", "message"), BAD)
def test_bad_variations_are_refused_by_name(kind, settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        kind(**settings)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (
            "Diurnal",
            {"depth": 0.1, "busiest_hour": "21", "step": "30 min"},
            "variation.busiest_hour must be a number, got '21'",
        ),
        ("Diurnal", {"depth": 0.1, "busiest_hour": 21, "step": 30}, "variation.step must be a time with its unit"),
        ("Diurnal", {"depth": 0.1, "busiest_hour": 21, "step": "1 h", "zones": 3}, "variation.zones must be a list, got 3"),
        ("Diurnal", {"depth": 0.1, "busiest_hour": 21, "step": "1 h", "zones": ["a"]}, "variation.zones[0] must be a number"),
        ("Jitter", {"sigma": 0.1}, "variation.period is missing"),
        ("Jitter", {"sigma": 0.1, "period": "0 s"}, "variation.period must be above 0 s and finite, got 0 s"),
        ("Trace", {"trace": "link.txt", "period": "1 h"}, "variation.trace must be a list, got 'link.txt'"),
        ("Trace", {"trace": [0, 1], "period": "1 h"}, "variation.trace[0] must be a list, got 0"),
        ("Trace", {"trace": [["0 s", 1]], "period": "1 h"}, "variation.trace[0][0] must be a number, got '0 s'"),
        ("Trace", {"trace": [[0, 1], [1]], "period": "1 h"}, "variation.trace must have rows of seconds and factor"),
        ("Trace", {"trace": [[0, 1]], "period": "1 h", "stagger": 1}, "variation.stagger must be true or false, got 1"),
    ],
)
def test_a_slip_in_conf_is_told_with_field_rule_and_value(kind, settings, message):
    with pytest.raises(ConfError) as caught:
        build({"_target_": f"bench.network.variation.{kind}"} | settings, "variation")
    assert str(caught.value).startswith(message)
