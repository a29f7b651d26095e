"""Rates that are kept up to date are those solved anew, with and without numba, which compiles what is tested here."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from transfers import Steps, finish, flow, incremental, networks, watch_fairness

from bench.network import Fluid, fluid
from bench.network.incremental import Incremental
from bench.network.levels import TOLERANCE


@settings(max_examples=200, deadline=None)
@given(networks())
def test_transfers_end_as_if_all_were_solved_anew(network):
    capacity, changes, arrivals = network
    made = incremental(capacity, changes)
    ends = finish(made, arrivals, watch_fairness(arrivals))
    exact = Fluid(capacity, changes)
    np.testing.assert_allclose(ends, finish(exact, arrivals), rtol=100 * TOLERANCE)
    np.testing.assert_allclose(made.carried, exact.carried, rtol=1e-12)


def star(hosts, flows, seed=0):
    """Flows of random size between random hosts of random speeds: half start at once, half over the next seconds."""
    draw = np.random.default_rng(seed)
    source, target = draw.integers(0, hosts, (2, flows))
    size, begin = draw.uniform(1, 10, flows), np.maximum(draw.uniform(-5, 5, flows), 0)
    arrivals = [
        (begin[k], flow(size[k], source[k], hosts + target[k], share=1 + k % 2, cap=1.0 if k % 7 == 0 else np.inf))
        for k in range(flows)
    ]
    return draw.uniform(1, 10, 2 * hosts), arrivals


def test_errors_do_not_add_up_over_hundreds_of_arrivals_and_departures():
    # More flows than there is room for at first, so that rows and entries are renumbered on the way.
    capacity, arrivals = star(hosts=40, flows=400)
    exact = finish(Fluid(capacity), arrivals)
    np.testing.assert_allclose(finish(incremental(capacity), arrivals), exact, rtol=100 * TOLERANCE)


def test_what_is_given_up_is_given_up_in_the_middle_too():
    capacity, arrivals = star(hosts=20, flows=100)
    left = []
    for made in (Fluid(capacity), incremental(capacity)):
        numbers = [made.start(transfer) for _, transfer in arrivals]
        made.advance(0.0)
        made.advance(made.next_event())
        for number in numbers[::3]:
            if number in made.rates():
                made.cancel(number)
        left.append((made.next_event(), made.carried))
    assert left[1][0] == pytest.approx(left[0][0], rel=100 * TOLERANCE)
    np.testing.assert_allclose(left[1][1], left[0][1], rtol=100 * TOLERANCE)


def test_a_long_chain_settles():
    # The parking lot whose each link waits for the one before (test_fairness), its first local flow leaving: all 60 change.
    links = 60
    capacity = np.array([2.0**k for k in range(links)])
    made = incremental(capacity)
    flows = [flow(1e30, k, k + 1) for k in range(links - 1)]
    first = made.start(flow(1e30, 0))
    numbers = [made.start(f) for f in flows]
    made.advance(0.0)
    # Link 0: two at 1/2. Link k: the one before has x, the next gets 2^k - x.
    expected = [0.5]
    for k in range(1, links - 1):
        expected.append(2.0**k - expected[-1])
    np.testing.assert_allclose([made.rates()[n] for n in numbers], expected, rtol=1e-8)
    made.cancel(first)
    expected = [(2 ** (k + 1) + (-1) ** k) / 3 for k in range(links - 1)]
    np.testing.assert_allclose([made.rates()[n] for n in numbers], expected, rtol=1e-8)


def test_links_may_be_down_or_unlimited():
    # Link 1 has no limit, link 0 of 10 is down from 1 s to 3 s: 5 each until then, and from then on.
    made = incremental(np.array([10.0, np.inf]), Steps([10, np.inf], (1, 0, 0), (3, 0, 10)))
    flows = [flow(10, 0, 1), flow(10, 0), flow(1e9, 1), flow(0, 0, latency=2.0)]
    assert finish(made, [(0, f) for f in flows]) == [4.0, 4.0, 0.0, 2.0]
    assert made.carried.tolist() == [20.0, 1e9 + 10]


def test_many_flows_are_handed_over_to_the_compiled_solver_while_under_way(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(fluid, "WORTH_COMPILING", 100_000)
    capacity, arrivals = star(hosts=30, flows=200)
    made = Fluid(capacity)
    ends = finish(made, arrivals)
    assert isinstance(made._solver, Incremental)
    monkeypatch.undo()
    np.testing.assert_allclose(ends, finish(Fluid(capacity), arrivals), rtol=100 * TOLERANCE)


def test_without_numba_numpy_goes_on(monkeypatch):
    monkeypatch.setattr(fluid, "WORTH_COMPILING", 0)
    monkeypatch.setitem(sys.modules, "numba", None)
    made = Fluid(np.array([10.0]))
    assert finish(made, [(0, flow(30, 0)), (1, flow(10, 0))]) == [4.0, 3.0]
    assert not isinstance(made._solver, Incremental)
