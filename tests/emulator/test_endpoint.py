"""The settings of a host's TCP on its line."""

import numpy as np

from bench.emulator.endpoint import Endpoint
from bench.emulator.lines import Lines


def endpoint(host=0, *, up=(12.5e6, 2.5e6), delay=0.0, loss=0.0, **others):
    pair = (2, 2)
    rates = np.array(up)
    return Endpoint.of(Lines(up=rates, down=rates, delay=np.full(pair, delay), loss=np.full(pair, loss), **others), host)


def test_a_shaper_gets_half_a_burst_at_once_and_a_connection_keeps_it_full():
    # 2 ms at 12.5 MB/s are 25,000 bytes: 8 frames of 1514 in a half. A burst and two frames wait before it at most.
    fast, slow = endpoint(0), endpoint(1)
    assert fast.segments == 8 and dict(fast.sysctls)["tcp_limit_output_bytes"] == "28028"
    # 5,000 bytes at 2.5 MB/s.
    assert slow.segments == 1 and dict(slow.sysctls)["tcp_limit_output_bytes"] == "8028"


def test_where_frames_are_lost_they_travel_one_by_one_and_the_start_is_slow():
    assert endpoint(loss=0.01).segments == 1
    assert "initcwnd 10 " in endpoint(loss=0.01).route
    assert "initcwnd 100000 " in endpoint().route


def test_a_slow_start_comes_back_after_a_pause_only_where_there_is_one():
    assert dict(endpoint().sysctls)["tcp_slow_start_after_idle"] == "0"
    slow = endpoint(initial_window=4)
    assert dict(slow.sysctls)["tcp_slow_start_after_idle"] == "1"
    assert "initcwnd 4 initrwnd 4" in slow.route


def test_buffers_hold_four_times_what_is_on_its_way():
    # 12.5 MB/s over 2 × 0.5 s are 12.5 MB.
    assert dict(endpoint(delay=0.5).sysctls)["tcp_rmem"] == "4096 50000000 50000000"
    assert dict(endpoint(delay=0.5).sysctls)["tcp_wmem"].endswith(" 50000000")


def test_a_window_is_the_largest_of_its_scale():
    assert endpoint(window=2**20).route.endswith(" window 1048560")  # 65535 × 16
    assert "window" not in endpoint().route
