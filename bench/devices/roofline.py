"""Seconds of one training step from a device's data sheet (Williams, Waterman & Patterson, "Roofline", CACM 2009)."""

import numpy as np
from numpy.typing import NDArray

from bench.devices.fleet import Fleet

Floats = NDArray[np.float64]


def step_seconds(fleet: Fleet, flops: float, nbytes: float) -> Floats:
    """Seconds for one step, (W,): the slower of arithmetic at the device's efficiency and of memory traffic."""
    arithmetic = flops / (fleet.peak * fleet.efficiency)
    traffic = nbytes / fleet.memory_bandwidth
    return np.maximum(arithmetic, traffic)


def jittered_steps(steps: int, jitter: float, normal: Floats) -> Floats:
    """How long `steps` steps take in units of one mean step, for standard normal draws `normal`.

    A step's seconds are log-normal with coefficient of variation `jitter`; the sum of several is taken log-normal with the
    sum's own mean and variance (Fenton, IRE Trans. Comm. Systems 1960), so one draw serves any number of steps.
    """
    variance = np.log1p(jitter**2 / steps)
    return steps * np.exp(np.sqrt(variance) * normal - variance / 2)
