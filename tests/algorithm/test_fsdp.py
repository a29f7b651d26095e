"""FSDP: what it learns, what it sends, and its seconds, derived by hand."""

import numpy as np
import pytest
import torch
from loops import SCALES, STEPS, Inner, distance, mean_gradient, trained
from worlds import Scripted, scenario, simulate

from bench.algorithm import AllGather, Backward, Forward, Handle, ReduceScatter, Start, Wait
from bench.algorithm.ddp import DDP
from bench.algorithm.fsdp import FSDP
from bench.codec import BF16
from bench.errors import SkipError
from bench.optimizer import SGD, LearningRateSchedule
from bench.participation import Quorum
from bench.replicas import Replicas

FREE = {"uplink": 1e30, "downlink": 1e30}


def test_it_is_adamw_on_the_mean_gradient():
    inner = Inner()
    for number in range(STEPS):
        inner.step(mean_gradient(inner.params, number), SCALES[number])
    assert distance(trained(FSDP(units=3))[0], inner.params) <= 1e-5


@pytest.mark.parametrize("codec", [{}, {"codec": BF16()}])
@pytest.mark.parametrize("reshard", [True, False])
def test_it_learns_exactly_what_ddp_does(reshard, codec):
    ddp = trained(DDP(), **codec)
    for units in (1, 4):
        assert torch.equal(trained(FSDP(units=units, reshard_after_forward=reshard), **codec), ddp)


def sent(algorithm, steps):
    return simulate(algorithm, scenario(4), steps=steps).sent


def test_a_step_sends_three_halves_of_what_ddp_does():
    # Each of the passes over all parameters, two to gather and one to scatter, sends 3/4 of 4000 bytes; DDP has two passes.
    # A run ends when the first units of the next step are gathered: the difference of two runs is a step.
    for units in (1, 2, 5):
        np.testing.assert_allclose(sent(FSDP(units=units), 2) - sent(FSDP(units=units), 1), 3 * 3000)
    np.testing.assert_allclose(sent(DDP(), 2) - sent(DDP(), 1), 2 * 3000)


def test_a_step_without_resharding_sends_what_ddp_does():
    kept = FSDP(units=4, reshard_after_forward=False)
    np.testing.assert_allclose(sent(kept, 2) - sent(kept, 1), 2 * 3000)


def test_two_units_by_hand():
    timeline = simulate(FSDP(units=2), scenario(4), steps=2)
    # A unit of 2000 bytes: a ring of 1.5 s. A step of 1 s: 1/6 forward and 1/3 backward of each unit.
    # Gather 0 until 1.5 s; gather 1 until 3, while 0 goes forward; 1 goes forward until 3 + 1/6, and with nothing else to do
    # is gathered anew until 4 + 2/3; 0 until 6 + 1/6, while 1 goes backward. The gradient of 1 is scattered until 7 + 2/3,
    # that of 0, which is there at 6.5 s, until 9 + 1/6.
    step_seconds = 6 * 1.5 + 1 / 6
    # A round ends when the first unit of the next step is there; the run, when the second is.
    assert timeline.round_end == pytest.approx([step_seconds + 1.5, 2 * step_seconds + 3])
    assert timeline.round_steps.tolist() == [1, 2]
    ledger = {bucket: seconds[0] for bucket, seconds in timeline.ledger.seconds.items() if seconds[0] > 1e-9}
    assert ledger == pytest.approx({"compute": 2, "bandwidth": 2 * step_seconds + 3 - 2})


def test_two_units_that_stay_by_hand():
    timeline = simulate(FSDP(units=2, reshard_after_forward=False), scenario(4), steps=1)
    # Forward until 3 + 1/6 s as above; backward of 1 until 3.5 and of 0 until 3 + 5/6 s, and scattered until 5 and 6.5.
    assert timeline.virtual_seconds == pytest.approx(6.5 + 3)


def test_what_is_gathered_hides_behind_a_step_that_takes_longer():
    # Links 100 times as fast: 15 ms for a unit. What nothing hides: the first unit's gathering, the last's anew, and the
    # scattering of the first unit's gradient.
    fast = scenario(4, uplink=1e5, downlink=1e5)
    one, two = (simulate(FSDP(units=2), fast, steps=steps).virtual_seconds for steps in (1, 2))
    assert two - one == pytest.approx(1 + 3 * 0.015)


@pytest.mark.parametrize("units", [1, 3])
def test_over_free_links_it_takes_as_long_as_ddp(units):
    world = {"speeds": [1, 2, 3]}
    ours, ddp = (simulate(algorithm, scenario(4, **world, **FREE), steps=10) for algorithm in (FSDP(units=units), DDP()))
    np.testing.assert_allclose(ours.round_end, ddp.round_end)
    np.testing.assert_allclose(ours.ledger.seconds["straggler_wait"], ddp.ledger.seconds["straggler_wait"], atol=1e-9)


def test_alone_it_sends_nothing():
    timeline = simulate(FSDP(units=3), scenario(1), steps=5)
    assert timeline.virtual_seconds == pytest.approx(5)
    assert timeline.sent.sum() == 0


@pytest.mark.parametrize("world", [{"churn": Scripted({1: [100.0]})}, {"participation": Quorum(0.5)}])
def test_it_does_without_nobody(world):
    with pytest.raises(SkipError, match="each worker holds what the others cannot go on without"):
        simulate(FSDP(units=2), scenario(4, **world), steps=5)


def test_a_worker_holds_its_share():
    assert FSDP(units=2).state_share(8) == 1 / 8
    # Parameters are one of four equal vectors: they, the gradient and two moments.
    assert FSDP(units=2, reshard_after_forward=False).state_share(8) == pytest.approx((1 + 3 / 8) / 4)
    assert FSDP(units=2, reshard_after_forward=False).state_share(1) == 1


def test_a_bad_setting_is_refused_by_name():
    with pytest.raises(ValueError, match="units must be >= 1, got 0"):
        FSDP(units=0)


def test_each_unit_is_there_before_it_computes_and_the_next_is_on_its_way():
    optimizer, schedule = SGD(lr=1.0, momentum=0.0), LearningRateSchedule(warmup=0, final=1.0, steps=1)
    program = FSDP(units=3).run(Replicas(torch.arange(6.0)[None], optimizer, schedule))
    there, on_its_way, answer, seen = [], {}, None, []
    for _ in range(35):
        match program.send(answer):
            case Start(operation=AllGather(payload=payload)):
                answer = Handle()
                on_its_way[answer] = payload.flatten().tolist()
            case Start(operation=ReduceScatter(payload=payload)):
                answer = Handle()
                on_its_way[answer] = payload
            case Wait(handle=handle):
                answer = on_its_way.pop(handle)
                there.append(answer)
            case Forward(part=part) | Backward(part=part) as operation:
                assert there[-1] == list(map(float, range(*part.spans[0])))
                next_ = [unit for unit in on_its_way.values() if isinstance(unit, list)]
                seen.append((type(operation).__name__, part.spans[0][0], next_))
                answer = torch.zeros(1, part.size)
    # Units 0-1, 2-3 and 4-5; while one computes the one after it is gathered, and after the last forward the last anew.
    assert seen[:6] == [
        ("Forward", 0, [[2.0, 3.0]]),
        ("Forward", 2, [[4.0, 5.0]]),
        ("Forward", 4, []),
        ("Backward", 4, [[2.0, 3.0]]),
        ("Backward", 2, [[0.0, 1.0]]),
        ("Backward", 0, []),
    ]
