"""What each knob does to a world whose seconds are derived by hand, and why it is left out of another."""

import numpy as np
import pytest
from prepared import BYTES, LATENCY, TOKENS, prepared

from bench.attribute import knobs, links
from bench.attribute.turned import Turned
from bench.attribute.variant import Variant
from bench.churn import AlwaysOn

FREE = ["network.uplink=unlimited", "network.downlink=unlimited", "network.last_mile=0 s"]


@pytest.fixture
def run(tmp_path):
    return lambda *overrides: prepared(tmp_path, "train=false", *overrides)


def clock(run):
    """The clock of a run as it is, and the seconds of a step of one of its equal workers."""
    clocked = Variant(run).clocked()
    return clocked, run.scenario.workers * TOKENS / clocked.ideal


def turned(knob, run):
    """The clock with the knob turned; the seconds a program step that this makes."""
    answer = knob(run)
    assert isinstance(answer, Turned), answer
    clocked = answer.variant.clocked()
    return clocked, clocked.virtual_seconds / clocked.schedule.total_steps


def test_twice_the_uplink_halves_the_seconds_of_the_bytes_and_nothing_else(run):
    # A step is compute + latency + bytes / rate: 1 GB/s binds, then 2 GB/s.
    slow = run()
    before, step = clock(slow)
    assert before.virtual_seconds / 4 == pytest.approx(step + LATENCY + BYTES / 1e9)
    assert turned(links.uplink, slow)[1] == pytest.approx(step + LATENCY + BYTES / 2e9)


def test_twice_the_downlink_does_nothing_where_the_uplink_binds(run):
    slow = run()
    assert turned(links.downlink, slow)[0].tokens_per_second == clock(slow)[0].tokens_per_second


def test_twice_the_downlink_halves_the_seconds_of_the_bytes_where_it_binds(run):
    narrow = run("network.downlink=250 MB/s")
    _, step = clock(narrow)
    assert turned(links.downlink, narrow)[1] == pytest.approx(step + LATENCY + BYTES / 5e8)


@pytest.mark.parametrize("knob", [links.uplink, links.downlink])
def test_unlimited_links_cannot_be_doubled(run, knob):
    assert "are unlimited" in knob(run(*FREE))


def test_twice_the_exits_halve_the_seconds_of_the_bytes_that_leave_a_site(run):
    # Each worker has a site of its own, whose exit carries 100 MB/s.
    tiers = "network.tiers=[{name: site, size: 1, uplink: 100 MB/s, downlink: 100 MB/s}]"
    sites = run(tiers)
    _, step = clock(sites)
    assert turned(links.shared_links, sites)[1] == pytest.approx(step + LATENCY + BYTES / 2e8)
    assert links.shared_links(sites).text == "double the exits"


@pytest.mark.parametrize("rate", ["region_rate", "pair_rate"])
def test_twice_the_links_between_regions_are_capacities_and_measured_rates(run, rate):
    far = run(
        "network.regions=[east, west]",
        "network.region_latency=[[0 s, 1 s], [1 s, 0 s]]",
        f"network.{rate}=[[unlimited, 50 MB/s], [50 MB/s, unlimited]]",
    )
    _, step = clock(far)
    # Two hops of a second more.
    assert turned(links.shared_links, far)[1] == pytest.approx(step + LATENCY + 2 + BYTES / 1e8)
    assert links.shared_links(far).text == "double the links between regions"


def test_the_line_of_a_server_outside_is_no_shared_link(run):
    assert links.shared_links(run("network.server=1 MB/s")) == "no two groups of workers have a shared link between them"
    tiers = "network.tiers=[{name: site, size: 1, uplink: 100 MB/s, downlink: 100 MB/s}]"
    scenario = links.shared_links(run("network.server=1 MB/s", tiers)).variant.run.scenario
    assert scenario.network.capacity.tolist() == [1e9, 1e9, 2e9, 2e9, 2e8, 2e8, 2e8, 2e8, 1e6]


def test_one_group_with_all_workers_has_no_shared_link(run):
    tiers = "network.tiers=[{name: site, size: 2, uplink: 100 MB/s, downlink: 100 MB/s}]"
    assert isinstance(links.shared_links(run(tiers)), str)


def test_half_the_round_trips_halve_the_latency_of_every_kind(run):
    tiers = "network.tiers=[{name: site, size: 1, uplink: 100 MB/s, downlink: 100 MB/s, latency: 3 ms}]"
    regions = ["network.regions=[east, west]", "network.region_latency=[[0 s, 50 ms], [50 ms, 0 s]]"]
    far = run(tiers, *regions, "transport.message=4 ms")
    _, step = clock(far)
    # A hop: two last miles of 10 ms, two exits of 3 ms, 50 ms between the regions, 4 ms for the message; two hops.
    hops = 2 * (0.02 + 0.006 + 0.05 + 0.004)
    assert clock(far)[0].virtual_seconds / 4 == pytest.approx(step + hops + BYTES / 1e8)
    assert turned(links.round_trips, far)[1] == pytest.approx(step + hops / 2 + BYTES / 1e8)


def test_half_the_round_trips_double_what_a_window_lets_through(run):
    # A window of 400 kB a round trip of 40 ms is 10 MB/s, far below the uplink; then 20 MB/s.
    windowed = run("transport.window=400 kB")
    _, step = clock(windowed)
    assert turned(links.round_trips, windowed)[1] == pytest.approx(step + LATENCY / 2 + BYTES / 2e7)


def test_a_world_without_latency_has_no_round_trips_to_halve(run):
    assert links.round_trips(run("network.last_mile=0 s")) == "nothing here has a latency"


def test_half_of_a_latency_that_nobody_waits_for_buys_exactly_nothing(run):
    # Regions that no worker of a run of one lies between.
    alone = run("workers=1", "network.last_mile=5 s")
    assert turned(links.round_trips, alone)[0].tokens_per_second == clock(alone)[0].tokens_per_second


def test_twice_the_connections_double_what_each_of_them_is_held_to(run):
    held = run("transport.connection_rate=10 MB/s")
    _, step = clock(held)
    assert turned(links.connections, held)[1] == pytest.approx(step + LATENCY + BYTES / 2e7)
    assert links.connections(held).text == "twice the connections (2)"
    granted = run("network.connection_rate=10 MB/s")
    assert turned(links.connections, granted)[1] == pytest.approx(step + LATENCY + BYTES / 2e7)


def test_connections_that_nothing_caps_are_not_doubled(run):
    assert links.connections(run()) == "nothing caps a connection"


@pytest.mark.parametrize("knob", [links.uplink, links.downlink, links.round_trips])
def test_links_that_vary_in_time_vary_around_the_changed_ones(run, knob):
    scenario = knob(run("variation=diurnal")).variant.run.scenario
    assert scenario.changes.network is scenario.network


MIXED = ["workers=4", "devices.mix=null", "devices.list=[h100_sxm, h100_sxm, v100_sxm_16gb, h100_sxm]"]


def test_without_the_slowest_device_the_others_go_at_their_own_speed(run):
    mixed = run(*MIXED, *FREE)
    three = run("workers=3", *FREE)
    # Links are free: a step takes as long as the slowest that is there, here the three of one kind.
    clocked, seconds = turned(knobs.slowest, mixed)
    assert seconds == pytest.approx(clock(three)[1])
    assert clocked.tokens == 3 * 4 * TOKENS
    assert knobs.slowest(mixed).text == "drop the slowest tenth (1 of 4)"


def test_the_slowest_is_it_by_its_links_too(run):
    uplinks = run("workers=3", "network.uplink=[1 GB/s, 1 MB/s, 1 GB/s]")
    seconds = knobs.round_seconds(uplinks)
    step = clock(uplinks)[1]
    # A ring of three sends 4/3 of the payload over each uplink and downlink.
    assert seconds == pytest.approx([step + 4 / 3 * BYTES * (1 / rate + 1 / 2e9) for rate in (1e9, 1e6, 1e9)])
    assert knobs.slowest(uplinks).variant.run.scenario.churn.absent == [1]


def test_a_worker_that_is_often_down_is_not_quicker_for_that(run):
    both, up = run("churn=exponential", "churn.up=1 s", "churn.down=1 s"), run()
    assert knobs.round_seconds(both) == pytest.approx(knobs.round_seconds(up))


def test_a_tenth_of_twenty_are_two(run):
    uplinks = [f"{rate} MB/s" for rate in (100, 1, *[100] * 17, 2)]
    many = run("workers=20", f"network.uplink=[{', '.join(uplinks)}]", "network.downlink=unlimited")
    assert knobs.slowest(many).variant.run.scenario.churn.absent == [1, 19]


def test_equal_workers_have_no_slowest(run):
    assert knobs.slowest(run()) == "no worker is slower than the others"
    assert knobs.slowest(run("workers=1")) == "there is only one worker"


@pytest.mark.parametrize(
    "settings", [[], ["codec=int8"], [*MIXED, "split=by_speed"], [*MIXED, "algorithm=local_sgd", "split=time_budget"]]
)
def test_devices_twice_as_fast_halve_all_that_is_computed(run, settings):
    # Links are free, so that everything is steps, and passing payloads through the codec.
    computing = run(*FREE, *settings)
    before = clock(computing)[0]
    after, _ = turned(knobs.devices, computing)
    assert after.virtual_seconds == pytest.approx(before.virtual_seconds / 2, rel=1e-12)
    assert after.ideal * knobs.devices(computing).ideal == pytest.approx(2 * before.ideal, rel=1e-12)
    assert after.schedule.digest() == before.schedule.digest()


def test_half_as_many_syncs_send_half_the_bytes_a_step(run):
    often = run("algorithm=diloco", "algorithm.sync_every=2", "steps=8")
    before, after = clock(often)[0], turned(knobs.sync_half, often)[0]
    assert (before.rounds, after.rounds) == (4, 2)
    assert after.sent == pytest.approx(before.sent / 2)
    assert knobs.sync_half(often).text == "sync half as often (every 4 steps)"


def test_twice_as_many_syncs_send_twice_the_bytes_a_step(run):
    seldom = run("algorithm=diloco", "algorithm.sync_every=2", "steps=8")
    assert turned(knobs.sync_twice, seldom)[0].sent == pytest.approx(2 * clock(seldom)[0].sent)
    assert knobs.sync_twice(seldom).text == "sync twice as often (every 1 step)"


def test_steps_between_syncs_are_fedavgs_local_steps_too(run):
    fedavg = run("algorithm=fedavg", "algorithm.local_steps=5")
    assert knobs.sync_twice(fedavg).variant.run.conf["algorithm"]["local_steps"] == 2
    assert fedavg.conf["algorithm"]["local_steps"] == 5


def test_an_algorithm_without_syncs_to_move_is_named(run):
    assert knobs.sync_half(run()) == "the algorithm has no sync_every"
    every_step = run("algorithm=local_sgd", "algorithm.sync_every=1")
    assert knobs.sync_twice(every_step) == "it syncs after every step"


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [("none", "bf16", 1 / 2), ("bf16", "int8", 1 / 2), ("fp16", "int8", 1 / 2), ("int8", "int4", 1 / 2)],
)
def test_half_the_bits_are_half_the_bytes_but_for_scales(run, before, after, share):
    coded = run(f"codec={before}")
    # A block of int8 is 2048 numbers and has a scale of 4 bytes more, one of int4 is 64 numbers of half a byte.
    turned_to = knobs.bits(coded)
    assert turned_to.text == f"half the bits ({after})"
    extra = {"bf16": 0.0, "int8": 4 / 2048, "int4": 8 / 64}[after]
    assert turned_to.variant.clocked().sent.mean() / clock(coded)[0].sent.mean() == pytest.approx(share * (1 + extra), rel=0.01)


def test_a_codec_without_a_successor_is_named(run):
    assert knobs.bits(run("codec=int4")) == "Int4 has no codec of half its bits here"
    assert knobs.bits(run("codec=sign")) == "Sign has no codec of half its bits here"


def test_dropouts_come_half_as_often(run):
    churn = knobs.dropouts(run("churn=exponential", "churn.up=3 h", "churn.down=1 h")).variant.run.scenario.churn
    assert (churn.up.mean, churn.down.mean) == (6 * 3600, 3600)


def test_a_recording_that_cannot_be_stretched_is_left_out_altogether(run):
    recorded = knobs.dropouts(run("churn=counts", "churn.counts=[[0, 2], [60, 1]]", "churn.fleet=2", "churn.period=1 h"))
    assert recorded.text == "nobody ever drops out"
    assert isinstance(recorded.variant.run.scenario.churn, AlwaysOn)


def test_devices_of_a_cluster_fail_half_as_often(run):
    failing = run("failures=llama3")
    after = knobs.dropouts(failing)
    assert after.text == "devices fail half as often"
    assert after.variant.run.scenario.failures.device_mttf == 2 * failing.scenario.failures.device_mttf
    assert knobs.dropouts(run()) == "nobody drops out"


def test_nobody_bad_keeps_the_rule_against_them(run):
    attacked = run("workers=4", "adversary=sign_flip", "adversary.fraction=0.25", "aggregator=median")
    after = knobs.honest(attacked).variant.run
    assert (attacked.adversary.fraction, after.adversary.fraction) == (0.25, 0)
    assert after.conf["aggregator"] == attacked.conf["aggregator"]
    assert knobs.honest(run()) == "nobody is bad"


def test_turning_a_knob_leaves_the_run_as_it_was(run):
    kept = run(*MIXED, "variation=diurnal", "churn=exponential")
    capacity, conf = kept.scenario.network.capacity.copy(), repr(kept.conf)
    before = Variant(kept).clocked()
    for knob in knobs.KNOBS:
        knob.turn(kept)
    assert np.array_equal(kept.scenario.network.capacity, capacity) and repr(kept.conf) == conf
    assert Variant(kept).clocked().virtual_seconds == before.virtual_seconds
