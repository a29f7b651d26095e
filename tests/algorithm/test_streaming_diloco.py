"""Streaming DiLoCo against the update rule written out, step by step."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from loops import SHAPE, STEPS, distance, initial, put, rows, train, trained, workers
from plain import PlainGPT
from worlds import scenario, simulate

from bench.algorithm.diloco import DiLoCo
from bench.algorithm.streaming_diloco import StreamingDiLoCo

OUTER = {"outer_lr": 0.7, "outer_momentum": 0.9}
PLAIN = {"fragments": 1, "delay": 0, "mixing": 0.0}


def columns(fragments, strided):
    """The columns of each fragment: blocks in turn (embeddings, layers, last norm), or equal consecutive shares."""
    total = len(initial())
    if not strided:
        cuts = [total * number // fragments for number in range(fragments + 1)]
        return [torch.arange(first, last) for first, last in pairwise(cuts)]
    sizes = [p.numel() for p in PlainGPT(SHAPE).vector()]
    blocks = [sum(sizes[:2]), *[sum(sizes[2 + 8 * k : 10 + 8 * k]) for k in range(SHAPE.layers)], sum(sizes[-2:])]
    parts = torch.arange(total).split(blocks)
    return [torch.cat(parts[start::fragments]) for start in range(fragments)]


@pytest.mark.parametrize(
    ("every", "fragments", "delay", "mixing", "strided"),
    [(10, 2, 0, 0.0, True), (10, 2, 3, 0.5, True), (10, 4, 2, 0.25, True), (6, 3, 5, 0.0, False), (5, 5, 1, 0.5, False)],
)
def test_each_fragment_has_an_outer_step_of_its_own_delayed_and_mixed(every, fragments, delay, mixing, strided):
    everybody = workers()
    parts = columns(fragments, strided)
    outer, velocity = initial(), torch.zeros_like(initial())
    # Fragment p of n is sent after the steps (p + 1) H / n, rounded down, of each H; what was sent at t lands at t + delay.
    offsets = [math.floor((number + 1) * every / fragments) for number in range(fragments)]
    in_the_air = []
    for number in range(1, STEPS + 1):
        train(everybody, number - 1, 1)
        for p, offset in enumerate(offsets):
            if number >= offset and (number - offset) % every == 0:
                in_the_air.append((number + delay, p, (outer - rows(everybody)).mean(0)[parts[p]]))
        while in_the_air and in_the_air[0][0] == number:
            _, p, g = in_the_air.pop(0)
            part = parts[p]
            velocity[part] = 0.9 * velocity[part] + g
            outer[part] = outer[part] - 0.7 * (g + 0.9 * velocity[part])
            theta = rows(everybody)
            theta[:, part] = mixing * theta[:, part] + (1 - mixing) * outer[part]
            put(everybody, theta)
    streaming = StreamingDiLoCo(sync_every=every, fragments=fragments, delay=delay, mixing=mixing, strided=strided, **OUTER)
    assert distance(trained(streaming), rows(everybody)) <= 1e-5


@pytest.mark.parametrize("strided", [True, False])
def test_one_fragment_at_once_and_unmixed_is_diloco(strided):
    streaming = StreamingDiLoCo(sync_every=5, strided=strided, **PLAIN, **OUTER)
    diloco = DiLoCo(sync_every=5, **OUTER)
    assert torch.equal(trained(streaming), trained(diloco))
    world = {"speeds": [1, 2], "jitter": 0.3, "last_mile": 0.1}
    ours, theirs = (simulate(algorithm, scenario(4, **world), steps=20) for algorithm in (streaming, diloco))
    np.testing.assert_array_equal(ours.round_end, theirs.round_end)
    np.testing.assert_array_equal(ours.sent, theirs.sent)


def test_a_delay_hides_what_is_sent():
    streaming = StreamingDiLoCo(sync_every=10, fragments=1, delay=7, mixing=0.0, **OUTER)
    # Sent at 10 s, over at 16 and applied at 17; sent again at 20, and there the run of 20 steps waits for it until 26 s.
    timeline = simulate(streaming, scenario(4), steps=17)
    assert timeline.schedule.steps == [10, 10]
    assert timeline.virtual_seconds == pytest.approx(26)


def test_a_fragment_is_sent_in_turn():
    streaming = StreamingDiLoCo(sync_every=10, fragments=4, delay=1, mixing=0.5, **OUTER)
    timeline = simulate(streaming, scenario(4), steps=20)
    # (p + 1) 10 / 4, rounded down: after 2, 5, 7 and 10 steps of each ten.
    assert np.cumsum(timeline.schedule.steps).tolist()[:8] == [2, 5, 7, 10, 12, 15, 17, 20]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sync_every": 0}, "sync_every must be >= 1, got 0"),
        ({"fragments": 0}, "fragments must be >= 1, got 0"),
        ({"fragments": 6}, "fragments must be at most sync_every = 5, got 6"),
        ({"delay": 5}, r"delay must be in \[0, sync_every = 5\), got 5"),
        ({"mixing": 1.0}, r"mixing must be in \[0, 1\), got 1"),
        ({"outer_lr": math.inf}, "outer_lr must be above 0 and finite, got inf"),
        ({"outer_momentum": -0.1}, r"outer_momentum must be in \[0, 1\), got -0.1"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        StreamingDiLoCo(**({"sync_every": 5, **PLAIN, **OUTER} | settings))
