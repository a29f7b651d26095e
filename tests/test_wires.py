"""Messages on the links between stages: one after the other on each link, at its full rate."""

import numpy as np
import pytest
from worlds import scenario

from bench.network import Tier, Transport
from bench.pipelines.wires import Wires


def wires(workers=4, transport=None, **links):
    return Wires(scenario(workers, transport=transport, **links).paths)


def test_a_message_takes_its_bytes_over_the_slowest_link_and_the_latency():
    # 200 bytes at 100 bytes/s up and 1000 down; 0.5 s from each host to the middle.
    message = wires(uplink=100.0, last_mile=0.5).send(0, 1, 200.0, 3.0)
    assert message.arrival == pytest.approx(3.0 + 2.0 + 1.0)
    assert message.latency == pytest.approx(1.0)


def test_two_messages_of_one_sender_go_one_after_the_other():
    links = wires(uplink=100.0)
    first, second = links.send(0, 1, 200.0, 0.0), links.send(0, 2, 200.0, 1.0)
    assert (first.arrival, second.arrival) == (pytest.approx(2.0), pytest.approx(4.0))


def test_two_messages_to_one_receiver_share_its_line():
    # Each could be there after 2 s; the line takes both in 4.
    links = wires(uplink=100.0, downlink=100.0)
    assert [links.send(sender, 2, 200.0, 0.0).arrival for sender in (0, 1)] == [pytest.approx(2.0), pytest.approx(4.0)]


def test_a_fast_receiver_hears_several_slow_senders_at_once():
    links = wires(uplink=100.0, downlink=200.0)
    assert [links.send(sender, 3, 200.0, 0.0).arrival for sender in (0, 1)] == [pytest.approx(2.0), pytest.approx(2.0)]


def test_a_connection_held_back_by_its_window_leaves_the_line_to_others():
    # A window of 10 bytes over a round trip of 0.4 s: 25 bytes/s on a line of 100.
    links = wires(transport=Transport(window=10.0), uplink=100.0, last_mile=0.1)
    held, same, other = (links.send(0, target, 100.0, 0.0) for target in (1, 1, 2))
    assert held.arrival == pytest.approx(4.0 + 0.2)
    assert same.arrival == pytest.approx(8.0 + 0.2)
    assert other.arrival == pytest.approx(4.0 + 0.2)


def test_peers_of_a_site_share_its_exit():
    site = Tier(name="site", groups=2, uplink=100.0, downlink=1000.0)
    links = wires(tiers=[site])
    assert [links.send(rank, rank + 2, 200.0, 0.0).arrival for rank in (0, 1)] == [pytest.approx(2.0), pytest.approx(4.0)]
    # Inside the site: no exit.
    assert links.send(0, 1, 200.0, 0.0).arrival < 2.0


def test_bytes_are_counted_on_every_link_as_far_as_they_came():
    links = wires(transport=Transport(packet_bytes=100.0, payload_bytes=50.0), uplink=100.0)
    message = links.send(0, 1, 200.0, 0.0)  # 400 bytes with headers: 4 s
    assert message.arrival == pytest.approx(4.0)
    links.carry(message, 1.0)
    np.testing.assert_allclose(links.carried[[0, 1, 4, 5]], [100.0, 0.0, 0.0, 100.0])
    links.carry(links.send(0, 1, 200.0, 4.0), 9.0)
    np.testing.assert_allclose(links.carried[[0, 1, 4, 5]], [500.0, 0.0, 0.0, 500.0])


def test_links_without_limits_take_no_time():
    links = wires(uplink=np.inf, downlink=np.inf)
    message = links.send(0, 1, 200.0, 1.0)
    links.carry(message, 1.0)
    assert message.arrival == 1.0
    assert links.carried[0] == 200.0
