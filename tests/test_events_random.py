"""Identities of workers out of step, in random worlds whose workers come and go."""

import numpy as np
import torch
from apart import Ahead, Async, Mixed, Neighbours, Pairs, Relayed, follow
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from worlds import P, Scripted, scenario, simulate

from bench.codec import BF16, NoCodec
from bench.errors import VirtualTimeout
from bench.network import Tier
from bench.network.collectives import Butterfly, ParameterServer, Ring
from bench.network.variation import Trace
from bench.optimizer import SGD, LearningRateSchedule
from bench.recovery import FromPeers, FromServer
from bench.replicas import Replicas
from bench.split import BySpeed, TimeBudget, Uniform

lengths = st.one_of(st.sampled_from([0.5, 1.0, 2.0, 5.5, 7.0, 20.0]), st.floats(0.01, 30))
worlds = st.fixed_dictionaries(
    {
        "workers": st.integers(2, 5),
        "speeds": st.sampled_from([(1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)]),
        "churn": st.builds(Scripted, st.dictionaries(st.integers(0, 4), st.lists(lengths, max_size=8), max_size=4)),
        "last_mile": st.sampled_from([0.0, 0.25]),
        "jitter": st.sampled_from([0, 0.5]),
        "collective": st.sampled_from([Ring(), Butterfly(), ParameterServer(sharded=False)]),
        "recovery": st.sampled_from([FromServer(), FromPeers(2)]),
        "split": st.sampled_from([Uniform(), BySpeed()]),
        "tiers": st.sampled_from([(), [Tier(name="site", groups=2, uplink=1500.0, downlink=1500.0)]]),
        "variation": st.sampled_from([None, Trace(trace=[[0, 1.0], [9, 0.3], [14, 2.0]], period=20.0)]),
    }
)
words = st.sampled_from(["x", "g", "a", "s", "S", "w", 1, 2, 3])
meeting = st.one_of(
    st.just(Neighbours()),
    st.builds(lambda some, last: Mixed((*some, 1, last)), st.lists(words, max_size=6), st.sampled_from("xga")),
)
apart = st.one_of(st.builds(Async, st.integers(1, 3)), st.just(Ahead()), st.just(Pairs()), st.just(Relayed()))
codecs = st.sampled_from([NoCodec(), BF16()])
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def simulated(algorithm, world, codec):
    """The timeline of six steps, which ends with a check that each ledger sums to its length."""
    try:
        return simulate(algorithm, scenario(**world), steps=6, codec=codec, limit=2000.0)
    except VirtualTimeout:
        assume(False)  # everybody is gone for good


def check(timeline):
    """What holds for both kinds of programs."""
    assert min(seconds.min() for seconds in timeline.ledger.seconds.values()) > -1e-9
    assert (np.diff(timeline.round_end) >= 0).all() and timeline.round_end[-1] == timeline.virtual_seconds
    assert timeline.schedule.total_steps == timeline.round_steps[-1] >= 6
    if not timeline.drops:
        assert np.isclose(timeline.received.sum(), timeline.sent.sum())  # what one sends another receives


@SETTINGS
@given(apart, worlds, codecs)
def test_programs_of_their_own(algorithm, world, codec):
    if isinstance(algorithm, Async):
        world = world | {"split": TimeBudget() if isinstance(world["split"], BySpeed) else Uniform()}
    if isinstance(algorithm, Pairs):
        codec = NoCodec()  # averages of two know no other
    timeline = simulated(algorithm, world, codec)
    check(timeline)
    # The order is all that another interpreter needs, and it finds the same rounds.
    workers = world["workers"]
    replicas = Replicas(
        torch.empty(workers, P, device="meta"), SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=6)
    )
    assert follow(timeline.schedule, algorithm, replicas) == timeline.round_steps.tolist()
    assert timeline.schedule.steps <= timeline.counted_steps / workers < timeline.schedule.steps + 1
    assert timeline.received.sum() >= timeline.sent.sum() * (1 - 1e-9)  # state may come from outside
    assert 0 <= timeline.staleness <= timeline.staleness_max
    again = simulated(algorithm, world, codec)
    assert again.schedule.digest() == timeline.schedule.digest()
    assert again.virtual_seconds == timeline.virtual_seconds


@SETTINGS
@given(meeting, worlds, codecs)
def test_one_program_out_of_step(algorithm, world, codec):
    timeline = simulated(algorithm, world, codec)
    check(timeline)
    schedule = timeline.schedule
    entries = [schedule[index] for index in range(len(schedule))]
    assert all(entry.counted.any() for entry in entries)
    assert timeline.counted_steps == sum(entry.steps * entry.counted.sum() for entry in entries)
    if not timeline.drops:
        assert all(entry.counted.all() for entry in entries)
        assert timeline.ledger.seconds["discarded"].max() < 1e-9
    again = simulated(algorithm, world, codec)
    assert again.schedule.digest() == schedule.digest()
    assert again.virtual_seconds == timeline.virtual_seconds
