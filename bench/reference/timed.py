"""A program on the clock alone: devices of which nothing is known but the seconds of a step, and links."""

import numpy as np
import torch

from bench.algorithm import Algorithm
from bench.churn import AlwaysOn
from bench.codec import Codec
from bench.devices import Device, Work, fleet
from bench.failures import NoFailures
from bench.jitter import NoJitter
from bench.network import Collective, Paths
from bench.optimizer import SGD, LearningRateSchedule
from bench.pace import Workload
from bench.participation import WaitForAll
from bench.recovery import FromServer
from bench.replicas import Layout, Replicas
from bench.scenario import Scenario
from bench.simulator import Simulator
from bench.split import Uniform
from bench.timeline import Timeline
from bench.verification import NoVerification

_PEAK = 1e30  # FLOP/s of devices that take no time but for their steps


def timed(
    algorithm: Algorithm, codec: Codec, layout: Layout, steps: int, *, step_seconds: float, paths: Paths, collective: Collective
) -> Timeline:
    """The timeline of at least so many `steps` of `step_seconds` of a model of fp32 parameters as `layout` has them.

    Everybody is there, all are equally fast, and codecs take no time.
    """
    workers = paths.network.workers
    device = Device(peak=_PEAK, memory=1.0, memory_bandwidth=np.inf, efficiency=1.0, source="", verified=True)
    scenario = Scenario(
        paths=paths,
        collective=collective,
        changes=None,
        fleet=fleet({"unit": device}, workers, seed=0, list=["unit"]),
        jitter=NoJitter(),
        churn=AlwaysOn(),
        failures=NoFailures(),
        recovery=FromServer(),
        participation=WaitForAll(),
        split=Uniform(),
        verification=NoVerification(),
        seed=0,
    )
    workload = Workload(work=lambda _: Work(flops=step_seconds * _PEAK), sequences=1, state_bytes=1.0, resident_bytes=1.0)
    replicas = 1 if algorithm.identical_replicas else workers
    schedule = LearningRateSchedule(warmup=0, final=1.0, steps=steps)
    params = torch.empty((replicas, layout.columns), device="meta")
    shadow = Replicas(params, SGD(lr=1.0, momentum=0.0), schedule, layout)
    return Simulator(scenario, workload, codec, max_virtual=np.inf).run(algorithm, shadow, steps)
