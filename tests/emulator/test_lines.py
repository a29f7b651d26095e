"""What an emulation reads of a scenario, and what of it it cannot make."""

import numpy as np
import pytest
from worlds import scenario

from bench.emulator.lines import Lines
from bench.errors import SkipError
from bench.network import Tier, Transport
from bench.network.variation import Diurnal

WAN = {"packet_bytes": 1514.0, "payload_bytes": 1448.0}


def test_lines_are_those_of_the_network_and_its_transport():
    world = scenario(
        3,
        uplink=2e6,
        downlink=5e6,
        last_mile=1e-3,
        regions=["here", "there", "far"],
        region_latency=[[0.0, 0.010, 0.050], [0.020, 0.0, 0.004], [0.050, 0.004, 0.002]],
        transport=Transport(**WAN, loss=0.01, initial_window=14480.0),
    )
    lines = Lines.of(world)
    assert lines.up.tolist() == [2e6] * 3 and lines.down.tolist() == [5e6] * 3
    # Both last miles, and the way between the regions in this direction; the diagonal is for a node beside.
    assert lines.delay == pytest.approx(np.array([[2, 12, 52], [22, 2, 6], [52, 6, 4]]) * 1e-3)
    assert (lines.loss == 0.01).all()
    assert lines.initial_window == 10  # 14480 / 1448
    assert lines.window is None


def test_without_an_initial_window_there_is_no_slow_start():
    assert Lines.of(scenario(2)).initial_window is None


def test_a_tier_may_be_far_but_not_shared():
    far = Tier(name="rack", size=2, uplink=np.inf, downlink=np.inf, latency=0.005)
    # Two exits are crossed between racks, none inside.
    delay = Lines.of(scenario(4, tiers=[far])).delay
    assert delay[0, 1] == 0 and delay[0, 2] == pytest.approx(0.010)
    shared = Tier(name="rack", size=2, uplink=1e6, downlink=np.inf)
    with pytest.raises(SkipError, match="links that hosts share: the exits of tier 'rack'"):
        Lines.of(scenario(4, tiers=[shared]))
    assert Lines.of(scenario(2, tiers=[shared])).up.tolist() == [1000.0] * 2  # all in one rack


REGIONS = {"regions": ["a", "b"], "region_latency": [[0.0, 0.0], [0.0, 0.0]]}
INF = float("inf")


@pytest.mark.parametrize(
    ("links", "reason"),
    [
        ({**REGIONS, "region_rate": [[INF, 1e6], [INF, INF]]}, "links that hosts share: those between regions"),
        ({**REGIONS, "pair_rate": [[INF, 1e6], [1e6, INF]]}, "rates that were measured between pairs of hosts"),
        ({**REGIONS, "connection_rate": [[INF, 1e6], [1e6, INF]]}, "rates that are granted to a connection"),
        ({"connection_rate": 1e6}, "rates that are granted to a connection"),
        ({"transport": Transport(connection_rate=1e6)}, "rates that are granted to a connection"),
        ({"transport": Transport(connections=4)}, "4 connections between two hosts; it has one"),
        ({"transport": Transport(packet_bytes=9015.0, payload_bytes=8949.0)}, "packets of 9015 B, 8949 B of them payload"),
        ({"server": 1e6}, "the line of a server outside"),
        ({"variation": Diurnal(depth=0.5, busiest_hour=20, step=3600.0)}, "links that vary in time"),
    ],
)
def test_what_cannot_be_made_is_named(links, reason):
    with pytest.raises(SkipError, match=f"the emulator cannot make {reason}"):
        Lines.of(scenario(2, **links))


def test_a_window_is_made_where_it_holds_back_and_a_kernel_has_it():
    def lines(window, last_mile):
        return Lines.of(
            scenario(2, uplink=12.5e6, downlink=12.5e6, last_mile=last_mile, transport=Transport(**WAN, window=window))
        )

    # 12.5 MB/s over a round trip of 4 × 25 ms are 1.2 MB on their way.
    assert lines(2e6, 0.025).window is None
    assert lines(float(2**20), 0.025).window == 2**20
    with pytest.raises(SkipError, match=r"a window of 1e\+06 B, which would hold connections back here"):
        lines(1e6, 0.025)
    assert lines(1e6, 0.0).window is None  # over no distance none holds back
    # Nor on lines without a limit.
    assert Lines.of(scenario(2, uplink=INF, downlink=INF, transport=Transport(window=1e6))).window is None


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"up": np.zeros(2)}, "up must be above 0 B/s, got 0"),
        ({"down": np.ones(3)}, r"down must have the shape \(2,\), got \(3,\)"),
        ({"delay": np.full((2, 2), -1.0)}, "delay must be >= 0 s and finite"),
        ({"loss": np.ones((2, 2))}, "loss must be >= 0 and below 1"),
        ({"initial_window": 0}, "initial_window must be >= 1, got 0"),
        ({"window": 100_000}, "window must be 64 KiB times a power of two, got 100000"),
    ],
)
def test_lines_are_checked(change, rule):
    good = {"up": np.ones(2), "down": np.ones(2), "delay": np.zeros((2, 2)), "loss": np.zeros((2, 2))}
    Lines(**good)
    with pytest.raises(ValueError, match=rule):
        Lines(**(good | change))
