"""What the Simulator says of an emulation: the same program with payloads of the model that is really trained."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.devices import step_seconds
from bench.emulator.probed import Probed
from bench.errors import ConfError
from bench.network import Transport
from bench.pipelines import PipelineSimulator
from bench.run import SIMULATORS
from bench.setup import Setup
from bench.timeline import Span
from bench.units import TIME, parse
from bench.world import Conf

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Seconds of the virtual clock, and bytes of every worker's line."""

    seconds: float  # of the whole run
    spans: list[Span]
    sent: list[float]  # (W,) with headers
    received: list[float]  # (W,)
    step_seconds: list[float]  # (W,)
    host_seconds: float  # as bench.emulator.probed.Probed has them
    codec_bandwidth: float | None

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def emulated(conf: Conf) -> Conf:
    """`conf` as it is emulated: payloads are those of the model that is trained."""
    return {**conf, "timed_as": conf["model"]}


def paced(conf: Conf, step: str) -> Floats:
    """Seconds of each worker's step, (W,): those of `timed_as` on its device, or in proportion to them. Raises ConfError.

    `step` is scenario, measured, or the seconds of the fastest. Of measured ones only the proportions are known yet.
    """
    setup = Setup({**conf, "train": False})
    seconds = step_seconds(setup.scenario.fleet, setup.work(setup.timed.batch))
    if step in ("scenario", "measured"):
        return seconds
    try:
        fastest = parse(step, TIME)
    except ValueError as error:
        raise ConfError(f"emulate.step must be scenario, measured or seconds: {error}") from error
    if not 0 < fastest < np.inf:
        raise ConfError(f"emulate.step must be above 0 s and finite, got '{step}'")
    return seconds * (fastest / seconds.min())


def predict(setup: Setup, step: Floats, probed: Probed) -> Prediction:
    """The Simulator's answer for steps of so many seconds, (W,), on hosts of which that was `probed`."""
    scenario = setup.scenario
    transport: Transport = replace(scenario.paths.transport, message=probed.host_seconds)
    if transport.packet_bytes is None:  # frames have headers, whatever the scenario says
        transport = replace(transport, packet_bytes=1514.0, payload_bytes=1448.0)
    fleet = scenario.fleet
    if probed.codec_bandwidth is not None:
        fleet = replace(fleet, kinds=tuple(replace(kind, memory_bandwidth=probed.codec_bandwidth) for kind in fleet.kinds))
    scenario = replace(scenario, paths=replace(scenario.paths, transport=transport), fleet=fleet)
    shadow = setup.shadow()
    kind = SIMULATORS[setup.algorithm.lockstep]
    assert not issubclass(kind, PipelineSimulator), "a model in stages is not emulated"
    simulator = kind(
        scenario,
        setup.workload(shadow, step),
        setup.codec,
        setup.max_virtual,
        rule=setup.aggregator,
        feedback=setup.feedback,
        hostile=setup.hostile,
        spans=True,
    )
    timeline = simulator.run(setup.algorithm, shadow, setup.steps)
    return Prediction(
        seconds=timeline.virtual_seconds,
        spans=list(timeline.spans),
        sent=timeline.sent.tolist(),
        received=timeline.received.tolist(),
        step_seconds=step.tolist(),
        host_seconds=probed.host_seconds,
        codec_bandwidth=probed.codec_bandwidth,
    )
