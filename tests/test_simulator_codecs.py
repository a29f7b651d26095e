"""Seconds and bytes of codecs, derived by hand: 1000 numbers on links of 1000 bytes/s, a memory of 1e6 bytes/s, 1e6 FLOP/s."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_simulator import buckets
from worlds import P, Scripted, simulate
from worlds import scenario as any_scenario

from bench.aggregator import Cost
from bench.algorithm import Algorithm, AllReduce, Backward, ReduceScatter, Train
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.codec import Int8, PowerSGD, TopK2Bit
from bench.errors import VirtualTimeout
from bench.feedback import ErrorFeedback, NoFeedback
from bench.network.collectives import Butterfly, ParameterServer, Ring
from bench.participation import Quorum, WaitForAll
from bench.replicas import Part

INT8 = Int8(block=None)
"""1004 bytes. To encode: 2 * 4000 + 1004 bytes through memory, 4000 FLOPs; to decode: 4000 + 1004 bytes, 1000 FLOPs."""
ENCODE, DECODE = 0.009004, 0.005004

SPARSE = TopK2Bit(k=50, chunk=1000)
"""50 places of 10 bits, 50 codes of 2 bits and 8 bytes: 63 + 13 + 8 = 84. To encode: 2.1 * 4000 + 84 bytes, 8300 FLOPs.
To decode: 0.1 * 4000 + 84 bytes, 300 FLOPs."""
ENCODE_SPARSE, DECODE_SPARSE = 0.008484, 0.000484

RECODE = DECODE + ENCODE / 4
"""Each of four decodes a fourth of four payloads, and encodes a fourth of the aggregate."""


def scenario(*args, **settings):
    world = any_scenario(*args, **settings)
    world.fleet.peak[:] = 1e6  # of codecs; a step stays one second
    return world


@dataclass(frozen=True)
class Rule:
    """A robust rule that reads everything twice."""

    traffic: str = "sharded"
    linear: bool = False

    def cost(self, n):
        return Cost(reads=2, flops=0)


def check(timeline, *, bandwidth, codec, sent, **others):
    """One step of one second, and what became of it at rank 1."""
    assert buckets(timeline, 1) == {"compute": 1, "bandwidth": bandwidth, "codec": pytest.approx(codec, abs=1e-9), **others}
    np.testing.assert_allclose(timeline.sent[1], sent)


def test_a_sharded_codec_is_a_butterfly_of_encodings_with_one_more_encoding_in_between():
    timeline = simulate(DDP(), scenario(), steps=1, codec=INT8)
    # 3/4 of 1004 bytes out, and three times a fourth of it to the others.
    check(timeline, bandwidth=1.506, codec=ENCODE + RECODE + DECODE, sent=1506)
    assert timeline.virtual_seconds == pytest.approx(1 + 1.506 + ENCODE + RECODE + DECODE)


def test_all_wait_for_the_slowest_to_decode_and_encode_again():
    world = scenario()
    world.fleet.memory_bandwidth[2] = 1e5
    timeline = simulate(DDP(), world, steps=1, codec=INT8)
    # Rank 1 waits for rank 2 to encode, decodes and encodes again for as long as rank 2, and waits at the end of the run.
    waits = 9 * ENCODE + 9 * DECODE
    check(timeline, bandwidth=1.506, codec=ENCODE + 10 * RECODE + DECODE, sent=1506, straggler_wait=waits)


def test_arithmetic_may_take_longer_than_memory():
    world = scenario()
    world.fleet.peak[:] = 1e5
    # 40 ms to encode, 10 ms to decode.
    codec = 0.04 + (0.01 + 0.04 / 4) + 0.01
    check(simulate(DDP(), world, steps=1, codec=INT8), bandwidth=1.506, codec=codec, sent=1506)


def test_a_sparse_codec_is_gathered_and_everybody_decodes_everything():
    timeline = simulate(DDP(), scenario(), steps=1, codec=SPARSE)
    check(timeline, bandwidth=0.252, codec=ENCODE_SPARSE + 4 * DECODE_SPARSE, sent=3 * 84)


def test_a_setting_turns_one_into_the_other():
    gathered = simulate(DDP(), scenario(), steps=1, codec=Int8(block=None, traffic="all_gather"))
    check(gathered, bandwidth=3.012, codec=ENCODE + 4 * DECODE, sent=3012)
    sharded = simulate(DDP(), scenario(), steps=1, codec=TopK2Bit(k=50, chunk=1000, traffic="sharded"))
    recode = 0.000484 + 0.008484 / 4
    check(sharded, bandwidth=0.126, codec=ENCODE_SPARSE + recode + DECODE_SPARSE, sent=126)


def test_a_butterfly_and_sharded_servers_stay_what_they_are():
    world = scenario(collective=Butterfly())
    check(simulate(DDP(), world, steps=1, codec=INT8), bandwidth=1.506, codec=ENCODE + RECODE + DECODE, sent=1506)
    servers = scenario(collective=ParameterServer(sharded=True), last_mile=0.25)
    timeline = simulate(DDP(), servers, steps=1, codec=INT8)
    # Push ends before pull begins: the latency of both.
    check(timeline, bandwidth=1.506, codec=ENCODE + RECODE + DECODE, sent=1506, latency=1.0)


def test_one_server_decodes_everything_and_sends_the_aggregate_back_encoded():
    timeline = simulate(DDP(), scenario(collective=ParameterServer(sharded=False)), steps=1, codec=INT8)
    # 3 * 1004 bytes into the server, and out again.
    check(timeline, bandwidth=2 * 3.012, codec=ENCODE + 4 * DECODE + ENCODE + DECODE, sent=1004)


def test_one_server_hands_on_what_everybody_decodes():
    timeline = simulate(DDP(), scenario(collective=ParameterServer(sharded=False)), steps=1, codec=SPARSE)
    # 3 * 84 bytes in; 4 * 84 to each of three.
    check(timeline, bandwidth=0.252 + 1.008, codec=ENCODE_SPARSE + 4 * DECODE_SPARSE, sent=84)


def test_power_sgd_is_two_all_reduces_one_after_the_other():
    timeline = simulate(DDP(), scenario(last_mile=0.25), steps=1, codec=PowerSGD(rank=1))
    # Nothing of one vector is a matrix: 4000 bytes as they are, but 2 * 6 hops of half a second.
    assert buckets(timeline, 1)["bandwidth"] == 6
    assert buckets(timeline, 1)["latency"] == 6


def test_error_feedback_reads_and_writes_its_memory_and_decodes_what_it_sent():
    more = DECODE + 0.008
    timeline = simulate(DDP(), scenario(), steps=1, codec=INT8, feedback=ErrorFeedback(decay=1.0))
    check(timeline, bandwidth=1.506, codec=ENCODE + more + RECODE + DECODE, sent=1506)
    without = simulate(DDP(), scenario(), steps=1, codec=INT8, feedback=NoFeedback())
    check(without, bandwidth=1.506, codec=ENCODE + RECODE + DECODE, sent=1506)


def test_a_robust_rule_decides_how_encodings_travel():
    sharded = simulate(DDP(), scenario(), steps=1, codec=SPARSE, rule=Rule())
    recode = DECODE_SPARSE + ENCODE_SPARSE / 4
    check(sharded, bandwidth=0.126, codec=ENCODE_SPARSE + recode + DECODE_SPARSE, sent=126, aggregation=0.008)
    gathered = simulate(DDP(), scenario(), steps=1, codec=INT8, rule=Rule(traffic="all_gather"))
    check(gathered, bandwidth=3.012, codec=ENCODE + 4 * DECODE, sent=3012, aggregation=0.032)


class Scattered(Algorithm):
    """Each worker gets its share of a mean."""

    def run(self, replicas):
        while True:
            gradients = yield Backward()
            yield ReduceScatter(gradients)


@pytest.mark.parametrize("traffic", ["sharded", "all_gather"])
def test_half_an_all_reduce_is_half_a_butterfly_and_nothing_is_encoded_again(traffic):
    timeline = simulate(Scattered(), scenario(), steps=1, codec=Int8(block=None, traffic=traffic))
    check(timeline, bandwidth=0.753, codec=ENCODE + DECODE, sent=753)


class Mixed(Algorithm):
    """A fourth of the columns encoded, then half, and ten numbers as they are."""

    def run(self, replicas):
        while True:
            yield Train(1)
            for part in Part(((0, P // 4),)), Part(((0, P // 4), (P // 2, 3 * P // 4))):
                yield AllReduce(part.of(replicas.params), part=part)
            yield AllReduce(replicas.params[:, :10], encoded=False)


def test_a_part_has_the_bytes_of_a_part_and_what_is_not_encoded_its_own():
    timeline = simulate(Mixed(), scenario(), steps=1, codec=INT8)
    # 254 bytes by butterfly, then 504; then 40 by ring. To encode: 2000 + 254, 4000 + 504 bytes; half of that read to decode.
    encode, decode = 0.002254 + 0.004504, 0.001254 + 0.002504
    codec = encode + decode + encode / 4 + decode
    check(timeline, bandwidth=1.5 * 0.758 + 0.06, codec=codec, sent=1.5 * 798)


@pytest.mark.parametrize("algorithm", [DDP(), Scattered()], ids=["whole", "half"])
def test_who_is_alone_sends_nothing_and_encodes_nothing_again(algorithm):
    timeline = simulate(algorithm, scenario(1), steps=1, codec=INT8)
    assert buckets(timeline, 0) == {"compute": 1, "codec": pytest.approx(ENCODE + DECODE)}
    assert timeline.sent[0] == 0


def test_rounds_add_up():
    once = simulate(DiLoCo(sync_every=2, outer_lr=0.7, outer_momentum=0.9), scenario(), steps=2, codec=INT8)
    thrice = simulate(DiLoCo(sync_every=2, outer_lr=0.7, outer_momentum=0.9), scenario(), steps=6, codec=INT8)
    assert thrice.virtual_seconds == pytest.approx(3 * once.virtual_seconds)
    np.testing.assert_allclose(thrice.sent, 3 * once.sent)


@settings(max_examples=60, deadline=None)
@given(
    codec=st.sampled_from([INT8, SPARSE, Int8(block=64, traffic="all_gather"), PowerSGD(rank=1)]),
    feedback=st.sampled_from([NoFeedback(), ErrorFeedback(decay=1.0)]),
    collective=st.sampled_from([Ring(), Butterfly(), ParameterServer(sharded=False), ParameterServer(sharded=True)]),
    participation=st.sampled_from([WaitForAll(), Quorum(0.5)]),
    rule=st.sampled_from([None, Rule(), Rule(traffic="all_gather")]),
    algorithm=st.sampled_from([DDP(), Mixed(), Scattered()]),
    lengths=st.lists(st.lists(st.floats(0.5, 5.0), max_size=4), min_size=4, max_size=4),
)
def test_no_second_is_lost_or_counted_twice_when_workers_come_and_go(
    codec, feedback, collective, participation, rule, algorithm, lengths
):
    churn = Scripted(dict(enumerate(lengths)))
    world = scenario(speeds=[1, 2], churn=churn, collective=collective, participation=participation)
    world.fleet.memory_bandwidth[3] = 1e4  # so that some coding is long
    try:
        timeline = simulate(algorithm, world, 3, codec=codec, feedback=feedback, rule=rule, limit=1000.0)
    except VirtualTimeout:
        return
    # The Simulator has asserted that each worker's buckets add up.
    assert timeline.ledger.seconds["codec"].sum() > 0
    assert timeline.counted_steps >= 3
