"""The simulation that Streaming DiLoCo's paper describes, written out as a recursion over layers: none of it is Farbench's.

Units are Gbit, seconds and Gbit/s. A model has so many equal layers and one link; its steps go forward through the layers in a
third of their time and backward in the rest. What is sent goes over the link one after the other.
"""

from dataclasses import dataclass

import numpy as np

GRID = np.logspace(-1, 3, 50)


@dataclass(frozen=True)
class Reading:
    """How the paper is read, where it leaves something open."""

    bits: int = 16  # of a number that is not FP4's 4
    overlap: int = 1  # steps
    replicas: int = 2
    buckets: int | None = None  # in which the backward pass is cut, if it is not the layers
    by_layer: bool = True  # a reduction must be there before its layer's forward pass, or before the whole step
    rounded: bool = False  # a fragment every floor(100 / (fragments + 1)) steps: 11, 5, 2, as the text has it
    strided: bool = True
    parameters: tuple[float, float, float] = (1.0, 10.0, 100.0)  # billions


def sends(reading, method, layers, units, steps):
    """{step from 0 on: the numbers of what its backward pass sends}."""
    if method == "data parallel":
        return {step: list(range(units)) for step in range(steps)}
    if method == "DiLoCo":
        return {step: list(range(units)) for step in range(99, steps, 100)}
    count, plan = layers // 3, {}
    for sent in range(10**6):
        fragment = sent % count
        if reading.rounded:
            step = (sent + 1) * (100 // (count + 1)) - 1
        else:
            step = sent // count * 100 + (fragment + 1) * 100 // count - 1
        if step >= steps:
            return plan
        of = [unit * layers // units for unit in range(units)]  # the layer of each
        plan[step] = [unit for unit in range(units) if (of[unit] % count if reading.strided else of[unit] // 3) == fragment]
    raise AssertionError


def utilisation(reading, method, model, layers, seconds, bandwidth):
    """The share of the time in which replicas compute, (B,), for each `bandwidth`, (B,)."""
    units = reading.buckets or layers
    bits = 4 if method.endswith("FP4") else reading.bits
    ring = 2 * (1 - 1 / reading.replicas)
    billions = reading.parameters[["1B", "10B", "100B"].index(model)]
    one = ring * billions * bits / units / bandwidth  # seconds on the link
    delay = reading.overlap if "overlapped" in method else 0
    # A multiple of every period, to the step at which the first fragment is sent again; 11, 5 and 2 repeat with the fragments.
    rounded = reading.rounded and method.startswith("Streaming")
    period = 100 // (layers // 3 + 1) * (layers // 3) if rounded else 1 if method == "data parallel" else 100
    begin = 2 if method == "data parallel" else 100
    plan = sends(reading, method, layers, units, begin + period + 1)
    now, free = np.zeros_like(bandwidth), np.zeros_like(bandwidth)
    there, starts = {}, []
    for step in range(begin + period + 1):
        waits = there.pop(step, {})
        if not reading.by_layer:
            now = np.max([now, *waits.values()], axis=0)
            waits = {}
        starts.append(np.max([now, waits.get(0, now)], axis=0))
        passed = 0
        for unit in sorted(waits):
            now = np.maximum(now + (unit - passed) * seconds / 3 / units, waits[unit])
            passed = unit
        now = now + (units - passed) * seconds / 3 / units
        passed = units
        for unit in sorted(plan.get(step, []), reverse=True):
            now = now + (passed - unit) * 2 * seconds / 3 / units
            passed = unit
            free = np.maximum(now, free) + one
            there.setdefault(step + 1 + delay, {})[unit] = free
        now = now + passed * 2 * seconds / 3 / units
    return period * seconds / (starts[begin + period] - starts[begin])


def cells(reading, frame):
    """The least point of GRID at which each row's utilisation is reached, less the published one's."""
    off = []
    for (model, method, layers, seconds), rows in frame.groupby(["model", "method", "layers", "step_seconds"], sort=False):
        reached = utilisation(reading, method, model, layers, seconds, GRID)
        for level, measured in zip(rows["utilisation"], rows["measured"], strict=True):
            off.append(int(np.argmax(reached >= level)) - int(np.abs(np.log(GRID / measured)).argmin()))
    return np.array(off)
