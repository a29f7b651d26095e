"""Mixtures: values dealt to workers by share, as exactly as their number allows, the order drawn from the seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.seeds import stream


def deal(mixture: Mapping[Any, float], workers: int, seed: int, *stream_name: str, name: str) -> NDArray[Any]:
    """One value of the mixture {value: share} for each worker, (W,).

    Worker w gets the value at the quantile (place(w) + 1/2) / W of the cumulated shares, where `place` is a permutation drawn
    from the named stream: eight workers of a 75/25 mixture are six and two, not a lucky draw. Mixtures dealt from one
    stream go together. Raises ValueError unless the shares are >= 0 and sum to 1.
    """
    for share in mixture.values():
        if not isinstance(share, int | float):
            raise ValueError(f"{name} must have numbers as shares, got {share!r}")
    shares = np.array(list(mixture.values()), float)
    if not (len(shares) and np.all(shares >= 0) and abs(shares.sum() - 1) < 1e-6):
        raise ValueError(f"{name} must have shares that are >= 0 and sum to 1, got {list(mixture.values())}")
    place = stream(seed, *stream_name).permutation(workers)
    # The last edge is 1 exactly: a sum of shares a rounding below 1 must not leave the last worker without a value.
    edges = np.append(np.cumsum(shares)[:-1], 1.0)
    return np.array(list(mixture))[np.searchsorted(edges, (place + 0.5) / workers, side="right")]
