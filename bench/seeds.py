"""Named random streams: what a consumer draws depends on the seed and its own name only, so adding one shifts no other.

`stream` gives one NumPy generator for a name. `uniforms` is counter-based: the number for (seed, name, rank, draw) is a
hash of the four, so a million ranks draw at once and none depends on another (the idea of Salmon et al., "Parallel
random numbers: as easy as 1, 2, 3", SC'11; the mixing function is SplitMix64's, Steele et al., OOPSLA'14).
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The generator of the stream named by `seed` and `names`."""
    return np.random.Generator(np.random.PCG64(_digest(seed, names)))


def uniforms(seed: int, *names: str | int, ranks: ArrayLike, draws: ArrayLike = 0) -> NDArray[np.float64]:
    """Uniform numbers in the open interval (0, 1), one for each (rank, draw); `ranks` and `draws` broadcast."""
    key = np.uint64(_digest(seed, names) & 0xFFFFFFFFFFFFFFFF)
    bits = _mix(key + np.atleast_1d(np.asarray(ranks, np.uint64)) * _GOLDEN)
    bits = _mix(bits + np.asarray(draws, np.uint64) * _GOLDEN)
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _mix(z: NDArray[Any]) -> NDArray[Any]:
    """SplitMix64's finaliser: every output bit depends on every input bit."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _digest(seed: int, names: tuple[str | int, ...]) -> int:
    text = repr((int(seed), *names)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:16], "little")
