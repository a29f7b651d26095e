"""The devices of a world: one a worker, dealt from a mixture of the catalogue's."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.devices.catalogue import Device
from bench.errors import did_you_mean
from bench.mixture import deal

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fleet:
    """The devices of W workers, column by column."""

    names: NDArray[np.str_]  # (W,)
    peak: Floats  # (W,) FLOP/s
    memory: Floats  # (W,) bytes
    memory_bandwidth: Floats  # (W,) bytes/s
    efficiency: Floats  # (W,)
    jitter: float  # coefficient of variation of one step's seconds


def fleet(mix: Mapping[str, float], jitter: float, catalogue: Mapping[str, Device], workers: int, seed: int) -> Fleet:
    """Deals `mix` {device name: share} to `workers` from the stream (seed, "devices").

    `jitter` is the coefficient of variation of a step's seconds. Raises ValueError for an unknown device or bad shares.
    """
    for name in mix:
        if name not in catalogue:
            raise ValueError(f"mix must name devices of the catalogue, got '{name}'{did_you_mean(name, catalogue)}")
    if not 0 <= jitter < 10:
        raise ValueError(f"jitter must be in [0, 10), got {jitter:g}")
    names = deal(mix, workers, seed, "devices", name="mix")

    def column(field: str) -> Floats:
        value = {name: getattr(catalogue[name], field) for name in mix}
        return np.array([value[name] for name in names], float)

    return Fleet(
        names=names,
        peak=column("peak"),
        memory=column("memory"),
        memory_bandwidth=column("memory_bandwidth"),
        efficiency=column("efficiency"),
        jitter=jitter,
    )
