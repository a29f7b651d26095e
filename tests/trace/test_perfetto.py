"""Traces as viewers read them: strict JSON, a process a worker, threads without two things at once."""

import json
from itertools import pairwise

import pytest
from apart import Ahead, Async, Grouped
from overlapped import DelayedDiLoCo
from worlds import Scripted, scenario, simulate

from bench.algorithm.local_sgd import LocalSGD
from bench.failures import Failures
from bench.tape import Tape
from bench.trace.air import flights, lanes
from bench.trace.perfetto import perfetto


def traced(algorithm, world, steps, **more):
    return simulate(algorithm, world, steps, spans=True, tape=Tape(workers=world.workers), **more)


def strictly(text):
    def refuse(constant):
        raise AssertionError(f"JSON has no {constant}")

    return json.loads(text, parse_constant=refuse)


def read(timeline, **more):
    names = [f"card_{rank}" for rank in range(len(timeline.intervals.of))]
    return strictly(perfetto(timeline, names, {"key": "k"}, **more).text)


def events(trace, phase):
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def test_two_workers_and_one_all_reduce_by_hand():
    # Three steps of 1 and of 2 s, then a ring of 4 s: in microseconds.
    trace = read(traced(LocalSGD(sync_every=3), scenario(2, speeds=(1.0, 2.0)), 3))
    assert (trace["displayTimeUnit"], trace["otherData"]["virtual_seconds"]) == ("ms", 10.0)
    assert [(one["pid"], one["tid"], one["name"], one["ts"], one["dur"]) for one in events(trace, "X")] == [
        (1, 1, "compute", 0, 3e6),
        (2, 1, "compute", 0, 6e6),
        (1, 1, "straggler_wait", 3e6, 3e6),
        (1, 1, "bandwidth", 6e6, 4e6),
        (1, 2, "all_reduce", 6e6, 4e6),
        (2, 1, "bandwidth", 6e6, 4e6),
        (2, 2, "all_reduce", 6e6, 4e6),
    ]
    assert [one["args"] for one in events(trace, "X") if one["tid"] == 2] == 2 * [{"bytes": 4000.0, "index": 0}]
    named = {(one["pid"], one["tid"]): one["args"].get("name") for one in events(trace, "M") if "name" in one["args"]}
    assert named == {
        (1, 0): "worker 0: card_0",
        (1, 1): "work",
        (1, 2): "network",
        (2, 0): "worker 1: card_1",
        (2, 1): "work",
        (2, 2): "network",
    }


def test_each_thread_does_one_thing_at_a_time_and_work_has_no_gaps():
    world = scenario(3, speeds=(1.0, 2.0), jitter=0.3, last_mile=0.01, churn=Scripted({2: [9.0, 2.0]}))
    for algorithm in (DelayedDiLoCo(sync_every=2), Async(), Ahead(), Grouped(((0, 0, 1), (1, 0, 0)))):
        trace = read(traced(algorithm, world, 6))
        threads = {}
        for one in events(trace, "X"):
            threads.setdefault((one["pid"], one["tid"]), []).append(one)
        assert {thread for _, thread in threads} >= {1, 2}
        for (_, thread), line in threads.items():
            for one, other in pairwise(line):
                gap = other["ts"] - (one["ts"] + one["dur"])
                assert gap == pytest.approx(0, abs=2e-3) if thread == 1 else gap >= -2e-3  # nanoseconds, in microseconds


def test_what_overlaps_in_the_air_gets_another_lane():
    class Flown:
        def __init__(self, begin, end):
            self.begin, self.end = begin, end

    first, second, third, fourth = Flown(0, 4), Flown(1, 2), Flown(2, 5), Flown(4, 6)
    assert lanes([first, second, third, fourth]) == [[first, fourth], [second, third]]


def test_who_drops_out_in_the_air_is_in_it_until_then_and_who_comes_back_is_in_what_begins_later():
    # Rank 2 leaves the ring of 1 s at 3 s; it is up at 3.5 s and has its 8000 bytes at 11.5 s. The others begin anew and are
    # done at 7 s; their next ring flies from 8 to 12 s, without it. From 12 s on it is there: a ring of three takes 4 / 3 of
    # 4 s, from 13 to 13 + 16 / 3 s.
    found = flights(traced(LocalSGD(sync_every=1), scenario(3, churn=Scripted({2: [3.0, 0.5]})), 3))
    assert [(one.begin, one.end) for one in found[0]] == [(1, 7), (8, 12), (13, pytest.approx(13 + 16 / 3))]
    assert [(one.begin, one.end) for one in found[2]] == [(1, 3), (13, pytest.approx(13 + 16 / 3))]


def test_who_is_left_alone_in_the_air_is_shown_there():
    # Rank 1 leaves the ring of 1 to 5 s at 3 s: nobody is left to send to, and rank 0 is done.
    found = flights(traced(LocalSGD(sync_every=1), scenario(2, churn=Scripted({1: [3.0]})), 1))
    assert [[(one.begin, one.end) for one in own] for own in found] == [[(1, 3)], [(1, 3)]]


def test_groups_are_in_the_air_of_their_members():
    # Pairs (0, 2) and (1, 3), of steps of 1, 1, 2 and 2 s.
    found = flights(traced(Grouped(((1, 0, 1, 0),)), scenario(4, speeds=(1.0, 1.0, 2.0, 2.0)), 1))
    assert [[(one.span.node, one.begin, one.end) for one in own] for own in found] == [
        [(0, 2, 6)],
        [(1, 2, 6)],
        [(0, 2, 6)],
        [(1, 2, 6)],
    ]


def test_drops_returns_and_failures_are_instants():
    trace = read(traced(Async(), scenario(2, churn=Scripted({1: [3.0, 2.0]})), 2))
    assert [(one["name"], one["pid"], one["ts"], one["s"]) for one in events(trace, "i")] == [
        ("drop", 2, 3e6, "p"),
        ("return", 2, 13e6, "p"),
    ]
    failures = Failures(device_mttf=20.0, detection=1.0, restart=4.0, checkpoint=0.5)
    timeline = traced(LocalSGD(sync_every=1), scenario(2, failures=failures), 20)
    assert timeline.failures > 0
    assert {(one["name"], one["s"]) for one in events(read(timeline), "i")} == {("failure", "g")}


def test_a_trace_of_too_many_events_ends_and_says_where():
    timeline = traced(LocalSGD(sync_every=1), scenario(2), 20)
    trace = read(timeline, most=30)
    until = trace["otherData"]["until_virtual_second"]
    found = events(trace, "X")
    assert len(found) == 30
    assert 0 < until < timeline.virtual_seconds == trace["otherData"]["virtual_seconds"]
    assert max(one["ts"] + one["dur"] for one in found) == pytest.approx(until * 1e6)
