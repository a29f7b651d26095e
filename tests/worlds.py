"""Small worlds whose seconds can be derived by hand, and a small Trainer for their schedules."""

from dataclasses import dataclass, field

import numpy as np
import torch

from bench.adversary import NoAdversary
from bench.aggregator import Mean
from bench.churn import AlwaysOn
from bench.codec import NoCodec
from bench.devices import Device, Work, fleet
from bench.failures import NoFailures
from bench.jitter import LogNormal, NoJitter
from bench.lanes import Lanes
from bench.model.gpt import GPT
from bench.network import Changes, Paths, Topology, Transport
from bench.network.collectives import Ring
from bench.optimizer import SGD, AdamW, LearningRateSchedule
from bench.pace import Activations, Workload
from bench.participation import WaitForAll
from bench.recovery import FromServer
from bench.replay import Replay
from bench.replicas import Replicas
from bench.run import SIMULATORS
from bench.scenario import Scenario
from bench.split import Uniform
from bench.trainer import Evaluation, Trainer
from bench.verification import NoVerification, Recompute

P = 1000  # parameters: a payload of 4000 bytes
STATE = 8000.0  # bytes a returner downloads


@dataclass(frozen=True)
class Scripted:
    """Churn by script: rank → lengths of its up, down, up, … intervals; the last goes on for ever."""

    lengths: dict[int, list[float]] = field(default_factory=dict)
    availability: float = float("nan")

    def presence(self, seed, region):
        return Recited([[*self.lengths.get(rank, []), np.inf] for rank in range(len(region))])


class Recited:
    """The workers of a script; all begin up."""

    def __init__(self, lengths):
        self._lengths, self._interval = lengths, [0] * len(lengths)
        self.up = np.ones(len(lengths), bool)
        self.until = np.array([script[0] for script in lengths], float)

    def next(self, ranks):
        for rank in ranks:
            self._interval[rank] += 1
            self.up[rank] = not self.up[rank]
            self.until[rank] += self._lengths[rank][self._interval[rank]]


def scenario(
    workers=4,
    *,
    speeds=(1.0,),
    jitter=0.0,
    churn=None,
    participation=None,
    collective=None,
    transport=None,
    variation=None,
    failures=None,
    recovery=None,
    split=None,
    verification=0.0,
    seed=0,
    **links,
):
    """Workers whose step of one FLOP takes `speeds` seconds, in turn; links of 1000 bytes/s without latency.

    `jitter` is a coefficient of variation, or a jitter of its own.
    """
    topology = {"uplink": 1000.0, "downlink": 1000.0, "last_mile": 0.0} | links
    defaults = {"memory": 1e9, "memory_bandwidth": 1e6, "efficiency": 1.0, "source": "", "verified": True}
    catalogue = {
        "unit" + str(number or ""): Device(peak=1 / speed, **defaults) for number, speed in enumerate(speeds[:workers])
    }
    network = Topology(**topology).network(workers, seed)
    return Scenario(
        paths=Paths(network, transport or Transport(), seed),
        collective=collective or Ring(),
        changes=variation and Changes(network, variation, seed),
        fleet=fleet(catalogue, workers, seed, list=list(catalogue)),
        jitter=jitter if hasattr(jitter, "seconds") else LogNormal(variation=jitter) if jitter else NoJitter(),
        churn=churn or AlwaysOn(),
        failures=failures or NoFailures(),
        recovery=recovery or FromServer(),
        participation=participation or WaitForAll(),
        split=split or Uniform(),
        verification=Recompute(verification) if verification else NoVerification(),
        seed=seed,
    )


def simulate(
    algorithm,
    world,
    steps,
    *,
    codec=None,
    feedback=None,
    resident=1.0,
    limit=1e9,
    rule=None,
    hostile=None,
    sequences=1,
    width=10,
    spans=False,
    tape=None,
    **more,
):
    """The timeline of an algorithm with P parameters on a world; five tokens of `width` numbers a sequence between layers."""
    workload = Workload(
        work=lambda sequences: Work(flops=1.0),
        sequences=sequences,
        state_bytes=STATE,
        resident_bytes=resident,
        activations=Activations(layers=32, tokens=5, width=width),
    )
    shadow = Replicas(
        torch.empty((world.workers, P), device="meta"),
        SGD(lr=1.0, momentum=0.0),
        LearningRateSchedule(warmup=0, final=1.0, steps=steps),
    )
    simulator = SIMULATORS[algorithm.lockstep](
        world, workload, codec or NoCodec(), limit, rule=rule, feedback=feedback, hostile=hostile, spans=spans, tape=tape
    )
    return simulator.run(algorithm, shadow, steps, **more)


def small_trainer(corpus, shape, steps, **changes):
    """A Trainer of a small shape, AdamW unless `changes` say otherwise, warmed up over 5 of `steps`."""
    return Trainer(**small_settings(corpus, shape, steps, **changes))


def small_replay(corpus, shape, steps, **changes):
    """A Replay with the settings of `small_trainer`."""
    return Replay(**small_settings(corpus, shape, steps, **changes))


def small_settings(corpus, shape, steps, *, evaluation=20, sequences=64, lanes=2, **changes):
    """What small_trainer and small_replay are made of."""
    settings = {
        "optimizer": AdamW(lr=3e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1),
        "lr_schedule": LearningRateSchedule(warmup=5, final=0.1, steps=steps),
        "codec": NoCodec(),
        "aggregator": Mean(),
        "adversary": NoAdversary(),
        "seed": 0,
        "stack": 2,
    }
    learning = {"model": GPT(shape), "corpus": corpus, "evaluation": Evaluation(evaluation, sequences), "lanes": Lanes(lanes)}
    return settings | learning | changes
