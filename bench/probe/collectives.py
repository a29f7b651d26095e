"""All-reduces of several sizes, beside what the Simulator says of the network that was just described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bench.build import build
from bench.network import Paths, Topology, Transport, plan_seconds
from bench.network.collectives import Auto
from bench.probe.links import spread
from bench.probe.ranks import lost, timed_all_reduces
from bench.progress import Progress

SIZES = tuple(2**exponent for exponent in range(16, 27, 2))  # 64 KiB to 64 MiB
SMALL = 1024  # bytes, whose all-reduce is nothing but messages
_LEAST_REPEATS, _MOST_REPEATS = 4, 30  # of which the first is dropped


@dataclass(frozen=True)
class Timing:
    """An all-reduce of `nbytes`: median of its repeats, the slowest rank's each time, their spread, and the prediction."""

    nbytes: int
    seconds: float
    spread: float
    predicted: float = float("nan")

    @property
    def error(self) -> float:
        """Of the prediction, relative to what was measured."""
        return self.predicted / self.seconds - 1


def measure(group: Any, device: str, seconds: float, progress: Progress) -> tuple[Timing, list[Timing]]:
    """Times of SMALL, and of as many SIZES as fit into so many seconds; all ranks must call it, and get the same.

    `group` is gloo's, with `device` cpu, or NCCL's with cuda.
    """
    with lost("all-reduces"):
        small = _timing(group, device, SMALL, _MOST_REPEATS)
        timings: list[Timing] = []
        spent = 0.0  # the slowest rank's times: all ranks come to the same decisions
        with progress.steps("all-reduces", len(SIZES)) as done:
            for number, nbytes in enumerate(SIZES):
                expected = timings[-1].seconds * nbytes / timings[-1].nbytes if timings else 0.0
                if spent + expected * _LEAST_REPEATS > seconds and timings:
                    break
                share = (seconds - spent) / (len(SIZES) - number)
                repeats = int(min(max(_LEAST_REPEATS, share / expected), _MOST_REPEATS)) if expected else _LEAST_REPEATS
                timings.append(_timing(group, device, nbytes, repeats))
                spent += repeats * timings[-1].seconds
                done(number + 1)
    return small, timings


def message_seconds(network: Mapping[str, Any], workers: int, backend: str, small: Timing) -> float:
    """Seconds of hosts' time that, added to each message, make the Simulator's `small` all-reduce take what was measured.

    Zero where it takes as long without.
    """
    low, high = 0.0, small.seconds
    for _ in range(50):
        middle = (low + high) / 2
        over = predicted(network, {"message": f"{middle!r} s"}, workers, backend, small.nbytes) > small.seconds
        low, high = (low, middle) if over else (middle, high)
    return low


def beside(
    network: Mapping[str, Any], transport: Mapping[str, Any], workers: int, backend: str, timings: Sequence[Timing]
) -> list[Timing]:
    """The same timings with the Simulator's predictions."""
    return [replace(t, predicted=predicted(network, transport, workers, backend, t.nbytes)) for t in timings]


def predicted(network: Mapping[str, Any], transport: Mapping[str, Any], workers: int, backend: str, nbytes: int) -> float:
    """Seconds that an all-reduce takes on a network and transport as conf describes them."""
    links = build(network, "network", Topology).network(workers, 0)
    paths = Paths(links, build(transport, "transport", Transport))
    return plan_seconds(Auto(backend=backend).all_reduce(paths, np.arange(workers), float(nbytes)), links.capacity)


def _timing(group: Any, device: str, nbytes: int, repeats: int) -> Timing:
    seconds = timed_all_reduces(group, torch.zeros(nbytes // 4, device=device), repeats)[1:]
    return Timing(nbytes, float(np.median(seconds)), spread(seconds))
