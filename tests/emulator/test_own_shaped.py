"""Programs of their own behind links that are really slow: what each message cannot be faster than."""

import pytest
from test_own import ALGORITHMS, emulate

from bench.emulator.isolation import why_not
from bench.emulator.launcher import Launcher

pytestmark = pytest.mark.emulation

RATE, ONE_WAY = 20e6 / 8, 0.02  # bytes/s of frames, seconds
LINKS = ("network.uplink=20 Mbit/s", "network.downlink=20 Mbit/s", "network.last_mile=10 ms")  # twice a last mile is one way
BURST = 4e-3  # seconds of its rate that each of two shapers lets pass at once: 2 ms each
FRAME, PAYLOAD = 1514, 1448  # bytes


@pytest.fixture(scope="module")
def shaped():
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with Launcher(shaped=True) as launcher:
        yield launcher


def test_pulls_and_pushes_take_the_links_seconds_and_pushes_are_heard_of_one_way_later(shaped):
    setup, raw, _ = emulate(shaped, *ALGORITHMS["async_local_sgd"], *LINKS, "model.width=64", "train=false")
    bytes_seconds = 4 * setup.shape.parameters * FRAME / PAYLOAD / RATE - BURST
    operations = [one for report in raw["nodes"].values() for one in report["operations"]]
    assert {one["word"] for one in operations} == {"pull", "push"}
    for one in operations:
        if one["word"] == "pull":  # there, and back with the parameters
            assert one["over"] - one["began"] >= 2 * ONE_WAY + bytes_seconds
        else:
            assert one["arrived"] - one["began"] >= ONE_WAY + bytes_seconds
            assert one["over"] - one["arrived"] >= ONE_WAY
    # The server stands at worker 0's line: by it goes out what all pull, and comes in what all push.
    pulled = sum(one["word"] == "pull" for one in operations) * 4 * setup.shape.parameters
    pushed = sum(one["word"] == "push" for one in operations) * 4 * setup.shape.parameters
    assert raw["sent"][0] >= pulled
    assert raw["received"][0] >= pushed


def test_who_comes_back_on_slow_links_downloads_its_state_before_it_begins(shaped):
    away = "churn.intervals=[[0,0.0,100.0],[1,0.0,0.4],[1,0.7,100.0],[2,0.0,100.0]]"
    churn = ("churn=trace", "churn.period=100s", away, "steps=12")
    setup, raw, params = emulate(shaped, *ALGORITHMS["async_local_sgd"], *churn, *LINKS, "model.width=64", "train=false")
    state = (
        3 * 4 * setup.shape.parameters
    )  # parameters and AdamW's two moments, in halves from two workers; all by its downlink
    [joined] = [second - raw["start"] for kind, node, _, second in raw["events"] if (kind, node) == (3, 1)]  # JOIN
    assert joined >= 0.7 + 2 * ONE_WAY + state * FRAME / PAYLOAD / RATE - BURST
    assert 1 in params
