"""Lines that are made are as slow, as long and as lossy as they were ordered; measured with real processes on them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.emulator.fabric import Fabric
from bench.emulator.isolation import isolated, why_not

MISSING = why_not()
HERE = Path(__file__).parent

made = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def in_hub(check):
    """The figures of a check of in_hub.py."""
    command = isolated([sys.executable, str(HERE / "in_hub.py"), check])
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(HERE.parents[1])}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@made
@pytest.mark.emulation
def test_a_stream_takes_its_payload_over_the_rate_of_the_slower_line():
    for name, (seconds, full) in in_hub("rates").items():
        # Of 1514 bytes on the line 1448 are payload; the first 2 ms go at once.
        assert seconds == pytest.approx(full * 1514 / 1448, rel=0.03), name


@made
@pytest.mark.emulation
def test_lines_count_frames_and_a_node_beside_is_on_its_hosts_lines():
    apart, *beside = in_hub("counters")
    # A stream of 2 MB, opened with 300 kB more: 1514 bytes a 1448.
    frames = 2_300_000 * 1514 / 1448
    sent, received, _ = apart
    assert sent[0] == pytest.approx(frames, rel=0.02)
    assert received[1] == pytest.approx(frames, rel=0.02)
    assert 0 < sent[1] < 0.05 * frames and sent[1] == pytest.approx(received[0], abs=2000)  # acknowledgements
    assert sent[2] == received[2] == 0
    # Between host 0 and a node beside it, and between two such nodes: out by its uplink and in again by its downlink,
    # acknowledgements, too, and as fast as either.
    for sent, received, seconds in beside:
        assert frames <= sent[0] == pytest.approx(frames, rel=0.05)
        assert received[0] == pytest.approx(frames, rel=0.05)
        assert sent[1:] == received[1:] == [0, 0]
        assert seconds == pytest.approx(2_000_000 * 1514 / 1448 / 12.5e6, rel=0.05)


@made
@pytest.mark.emulation
def test_a_round_trip_takes_both_ways_of_its_pair_and_changes_live():
    measured = in_hub("delays")
    # 0-1: 5 + 10; 0-2: 20 + 40; 1-2 and 2-1: 2 + 3; a node beside host 0 is as far from 2 as that is: 60; from 0 itself 1 + 1.
    assert measured["round_trips"] == pytest.approx([0.015, 0.060, 0.005, 0.005, 0.060, 0.002], abs=1e-3)
    assert measured["changed"] == pytest.approx(0.120, abs=1e-3)
    assert measured["overruns"] == 0
    assert 0 <= measured["late"] < 5e-3


@made
@pytest.mark.emulation
def test_a_slower_line_holds_for_what_is_on_its_way():
    measured = in_hub("live")
    # What flowed before, at 12.5 MB/s, leaves the rest for 2.5 MB/s; 10 ms later it is there.
    before = measured["before"]
    frames = 6_000_000 * 1514 / 1448
    assert 0.01 < before < 0.45
    assert measured["seconds"] == pytest.approx(before + (frames - 12.5e6 * before) / 2.5e6 + 0.01, rel=0.1)


@made
@pytest.mark.emulation
def test_lost_frames_are_lost_one_by_one():
    there, back = in_hub("loss")["arrived"]
    # Binomial: 5 % of 4000 are 200, with a deviation of 14.
    assert 3800 - 5 * 14 < there < 3800 + 5 * 14
    assert back == 4000


@made
@pytest.mark.emulation
def test_without_a_c_compiler_the_slow_switch_does_the_same():
    measured = in_hub("slow")
    # 1 MB at 2.5 MB/s of frames, and 10 ms; there and back 20 ms; 200 of 4000 are lost, with a deviation of 14.
    assert measured["seconds"] == pytest.approx(1e6 * 1514 / 1448 / 2.5e6 + 0.01, rel=0.05)
    assert measured["round_trip"] == pytest.approx(0.020, abs=2e-3)
    assert measured["overruns"] == 0
    assert abs(measured["arrived"][0] - 3800) < 5 * 14
    assert measured["arrived"][1] == 4000


def test_hosts_are_checked():
    with pytest.raises(ValueError, match=r"hosts must be 2 … 254, those beside included, got 1"):
        Fabric(1)
    with pytest.raises(ValueError, match=r"beside must name hosts 0 … 1, got \[2\]"):
        Fabric(2, (2,))
