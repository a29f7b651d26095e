"""Ranks on real processes end with the Trainer's parameters, whatever travels between them and how."""

import pytest
from emulations import CONF, Emulated, conf_of

from bench.emulator.launcher import Launcher
from bench.emulator.lines import Lines
from bench.errors import SkipError
from bench.setup import Setup

NEAR = 1e-5  # relative: fp32 sums in another order are 1e-7 off, and 20 steps carry that on
DILOCO = ("algorithm=diloco", "algorithm.sync_every=5")
UNEQUAL = "network.uplink={10 Mbit/s: 0.5, 70 Mbit/s: 0.5}"


@pytest.fixture(scope="module")
def launcher():
    """A hub for all of this file."""
    with Launcher(shaped=False) as launcher:
        yield launcher


def check(launcher, *overrides):
    """Emulate it, and compare each rank; returns what was emulated."""
    emulated = Emulated(launcher, conf_of(*overrides))
    workers = emulated.setup.scenario.workers
    assert emulated.schedule.total_steps == 20
    assert all(emulated.schedule[index].counted.all() for index in range(len(emulated.schedule)))
    differences = emulated.differences()
    assert sorted(differences) == list(range(workers))
    assert max(differences.values()) <= NEAR, differences
    return emulated


def apart(emulated):
    """How far the ranks are from the first of them, at most, relative."""
    first = emulated.params[0]
    return max(float((mine - first).norm() / first.norm()) for mine in emulated.params)


def test_gradients_averaged_by_three_workers(launcher):
    # A third of each is no power of two: nothing is exact by chance.
    emulated = check(launcher, "algorithm=ddp", "workers=3")
    assert apart(emulated) == 0  # a ring hands everybody the same sums


def test_pseudo_gradients_averaged_by_four_workers(launcher):
    assert apart(check(launcher, *DILOCO)) == 0


def test_fragments_that_travel_while_workers_go_on(launcher):
    emulated = check(launcher, "algorithm=streaming_diloco", "algorithm.sync_every=4", "algorithm.delay=1")
    assert len(emulated.schedule) > 20 / 4  # each of the fragments has reductions of its own
    assert apart(emulated) > 1e-4  # who mixes in half of an old mean is not where the others are


def test_neighbours_that_average_in_pairs(launcher):
    assert apart(check(launcher, "algorithm=gossip")) > 1e-4


def test_encodings_reduced_in_shards(launcher):
    check(launcher, *DILOCO, "codec=int8", "codec.block=64")


def test_encodings_that_everybody_gets_with_what_they_left_out_sent_later(launcher):
    check(launcher, *DILOCO, "codec=int8", "codec.traffic=all_gather", "feedback=error_feedback")


def test_shards_of_unequal_size_in_a_butterfly(launcher):
    emulated = check(launcher, *DILOCO, "collective=butterfly", UNEQUAL)
    assert len(set(Lines.of(emulated.setup.scenario).up)) == 2  # and shards are as unequal


def test_encoded_shards_of_unequal_size_in_a_butterfly(launcher):
    check(launcher, *DILOCO, "collective=butterfly", UNEQUAL, "codec=int8", "codec.block=64")


def test_a_worker_that_lies_and_a_mean_that_cuts_off_the_extremes(launcher):
    lie = ("adversary=sign_flip", "adversary.fraction=0.25")
    rule = ("aggregator=trimmed_mean", "aggregator.trim=0.25", "aggregator.traffic=all_gather")
    emulated = check(launcher, "algorithm=local_sgd", "algorithm.sync_every=5", *lie, *rule)
    assert emulated.setup.adversary.members(0, 4).sum() == 1


def test_sums_in_bfloat16_are_off_by_its_roundings(launcher):
    # gloo adds four quarters, exact ones, as bfloat16, the Trainer as float32. Each of three additions rounds to 8 bits: it is
    # off by 2^-9 of a partial sum at most, and no partial sum of nearly equal parameters is larger than their mean, nearly.
    overrides = ("algorithm=local_sgd", "algorithm.sync_every=20", "codec=bf16")
    emulated = Emulated(launcher, conf_of(*overrides))
    assert len(emulated.schedule) == 1
    differences = emulated.differences().values()
    assert NEAR < max(differences) <= 3 * 2**-9


def test_shards_of_a_model_are_not_trained(launcher):
    with pytest.raises(SkipError, match="holds a share: emulated with train=false only"):
        Emulated(launcher, conf_of("algorithm=fsdp"))


def test_a_hub_serves_on_after_something_that_it_does_not_emulate(launcher):
    with pytest.raises(SkipError, match="looks at what others send before it sends"):
        Emulated(launcher, conf_of(*DILOCO, "adversary=alie", "adversary.fraction=0.25"))
    check(launcher, *DILOCO, "workers=2")


ABOVE = {"ddp", "diloco", "streaming_diloco", "gossip"}
SKIPPED = {
    "fsdp": "emulated with train=false only",
    "one_bit_adam": "with feedback, codec.traffic must be all_gather",
}
OTHERS = [path.stem for path in sorted((CONF / "algorithm").glob("*.yaml")) if path.stem not in ABOVE]


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_algorithm_whose_workers_move_together(launcher, name):
    conf = conf_of(f"algorithm={name}")
    if Setup(conf).algorithm.lockstep not in ("all", "groups"):
        pytest.skip("its workers do not move together")
    if name in SKIPPED:
        with pytest.raises(SkipError, match=SKIPPED[name]):
            Emulated(launcher, conf)
        return
    check(launcher, f"algorithm={name}", *(["algorithm.sync_every=5"] if "sync_every" in conf["algorithm"] else []))
