"""The bandwidth that Streaming DiLoCo's paper says its methods need (Douillard et al., arXiv:2501.18512, table 4).

The table is itself a simulation, of three models and five methods: the Gbit/s between two replicas at which computing takes 50,
80, 90, 95 or 99 % of the time. All its cells, in streaming.csv, lie on one grid of fifty bandwidths, each 1.21 times the one
before. A cell is met if Farbench's is the same point of that grid, or one next to it: the grid's resolution, chosen before any
was predicted. Farbench's cell is the least point at which the Simulator says that the utilisation is reached.

From the paper are: layers and seconds a step; H = 100; fragments of three strided layers, so 8, 16 and 36; a reduction a layer,
as soon as its backward pass is over, and before its next forward pass (section 3.1, figures 3 and 14); with overlap one step
later (tau = 1, its main experiments'); 4 bits a number in FP4; bandwidth and no latency. That forward is a third of a step, and
what an all-reduce sends, is in its first author's own page (arthurdouillard.com/diloco).

Not published, and settled with the table in view: parameters are 1, 10 and 100 billion as the models are named, all in equal
layers; numbers are bf16 where they are not FP4 (the paper's table 1: 400 times fewer bits, which is H times 16 / 4); a fragment
goes every 100 / 8, 16 or 36 steps on average (the text says "every 11, 5, and 2 steps"). So 74 of the 75 cells are met; with
two steps of overlap 68, with these 11, 5 and 2 steps 62, with consecutive layers in a fragment 61, with the parameters that
layers and embeddings of a known width add up to (1.34 and 9.93 billion) 49, in fp32 15 (tests/reference/test_streaming.py).
Most of Farbench's cells are the point above the published one: the table reads as if it held the last bandwidth at which the
utilisation is not reached. Read so, it is met whole, 61 cells exactly.

`own` is what DDP in buckets, DiLoCo and Streaming DiLoCo of bench/algorithm need, and is not judged. These two send when a step
is over, not while its backward pass goes on, and wait for all of a fragment at the end of a step.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bench.algorithm import Algorithm
from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.streaming_diloco import StreamingDiLoCo
from bench.codec import BF16, Codec
from bench.codec.base import Cost
from bench.network import Paths, Topology, Transport
from bench.network.collectives import Ring
from bench.reference.layerwise import Layerwise
from bench.reference.timed import timed
from bench.replicas import Layout

PUBLISHED = Path(__file__).parent / "streaming.csv"
GRID = np.logspace(-1, 3, 50)  # Gbit/s
PARAMETERS = {"1B": 1_000_000_000, "10B": 10_000_000_000, "100B": 100_000_000_000}
SYNC_EVERY, FRAGMENT_LAYERS, OVERLAP, REPLICAS = 100, 3, 1, 2


class FourBits(Codec):
    """Two numbers in a byte, and nothing else: as the paper simulates E3M0, without the scales that the codec e3m0 sends."""

    encoding = decoding = Cost(reads=0.0)

    def encode(self, payload: Tensor, draw: int, layout: Layout) -> tuple[Tensor, ...]:
        return (torch.empty((len(payload), math.ceil(payload.shape[1] / 2)), dtype=torch.uint8, device="meta"),)


def compared() -> pd.DataFrame:
    """The rows of streaming.csv with what Farbench says.

    `measured` and `predicted` are Gbit/s, `cells` the points of the grid between them, `error` relative, `tolerance` that of
    one point; `within` is yes or no. `own` is what Farbench's own algorithms need, and `own_cells` how far off that is.
    """
    frame = pd.read_csv(PUBLISHED)
    published = np.abs(np.log(GRID / frame["measured"].to_numpy()[:, None])).argmin(1)  # (75,) points of the grid
    cells = published
    for column, layerwise in (("predicted", True), ("own", False)):
        guesses, cells = cells, np.zeros_like(cells)
        for _, rows in frame.groupby(["model", "method"], sort=False):
            levels = dict(zip(rows["utilisation"], guesses[rows.index], strict=True))
            cells[rows.index] = needed(rows.iloc[0].to_dict(), levels, layerwise)
        frame[column] = GRID[cells]
        frame["cells" if layerwise else "own_cells"] = cells - published
    frame["source"] = "arXiv:2501.18512"
    frame["error"] = frame["predicted"] / frame["measured"] - 1
    frame["tolerance"] = GRID[1] / GRID[0] - 1
    frame["within"] = np.where(frame["cells"].abs() <= 1, "yes", "no")
    return frame


def needed(row: Mapping[str, object], levels: Mapping[float, int], layerwise: bool) -> list[int]:
    """The least points of the grid at which one method reaches each of the utilisations that `levels` has.

    The search for each begins at the point that `levels` gives, and ends at the same one wherever it begins: more bandwidth
    is never less utilisation.
    """
    known: dict[int, float] = {}

    def reaches(point: int, level: float) -> bool:
        if point not in known:
            known[point] = utilisation(row, float(GRID[point]), layerwise)
        return known[point] >= level

    answers = []
    for level, point in levels.items():
        while not reaches(point, level):
            point += 1
        while point > 0 and reaches(point - 1, level):
            point -= 1
        answers.append(point)
    return answers


def utilisation(row: Mapping[str, object], gbit: float, layerwise: bool) -> float:
    """The share of the time that two replicas with `gbit` Gbit/s each way between them compute, once a method repeats itself.

    From the end of the first round, when every method is in its stride, over one period: H steps, or one of data parallelism.
    """
    algorithm, codec = programs(row, layerwise)
    period = 1 if row["method"] == "data parallel" else SYNC_EVERY
    # Layer by layer a round ends before each first layer's reduction, else before each fragment's.
    steps = 3 * period if layerwise else period + 2 * math.ceil(period / fragments(row))
    layers, seconds = int(str(row["layers"])), float(str(row["step_seconds"]))
    layer = PARAMETERS[str(row["model"])] // layers
    layout = Layout({f"{number}.weight": (layer,) for number in range(layers)})
    rate = gbit * 1e9 / 8
    paths = Paths(Topology(uplink=rate, downlink=rate, last_mile=0.0).network(REPLICAS, seed=0), Transport())
    timeline = timed(algorithm, codec, layout, steps, step_seconds=seconds, paths=paths, collective=Ring())
    ends = dict(zip(timeline.round_steps.tolist(), timeline.round_end.tolist(), strict=True))
    first = min(ends)
    assert first + period in list(ends)[:-1], "the last round also waits for what nobody needs any more"
    return period * seconds / (ends[first + period] - ends[first])


def fragments(row: Mapping[str, object]) -> int:
    """In how many fragments the model of a row is sent."""
    return int(str(row["layers"])) // FRAGMENT_LAYERS if str(row["method"]).startswith("Streaming") else 1


def programs(row: Mapping[str, object], layerwise: bool) -> tuple[Algorithm, Codec]:
    """The program of one row, layer by layer as the paper simulates it or of Farbench's algorithms; and what it sends."""
    method, layers = str(row["method"]), int(str(row["layers"]))
    codec: Codec = FourBits() if method.endswith("FP4") else BF16()
    delay = OVERLAP if "overlapped" in method else 0
    if layerwise:
        every = 1 if method == "data parallel" else SYNC_EVERY
        return Layerwise(layers=layers, sync_every=every, fragments=fragments(row), delay=delay), codec
    if method == "data parallel":
        return DDP(buckets=layers), codec
    lr, momentum = 0.4, 0.9  # which move no clock
    if method == "DiLoCo":
        return DiLoCo(sync_every=SYNC_EVERY, outer_lr=lr, outer_momentum=momentum), codec
    own = StreamingDiLoCo(
        sync_every=SYNC_EVERY, fragments=fragments(row), delay=delay, mixing=0.5, outer_lr=lr, outer_momentum=momentum
    )
    return own, codec
