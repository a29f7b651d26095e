"""One run: join(Simulator → Timeline, Trainer → Curve) into the columns of a row."""

import math
import platform
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy
import torch

from bench import __version__
from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.algorithm import Algorithm
from bench.build import build
from bench.codec import Codec
from bench.data import Corpus, Source
from bench.devices import Matmul, Work
from bench.errors import ConfError, RecordError
from bench.events import EventSimulator
from bench.feedback import Feedback
from bench.lanes import Lanes, lanes_here
from bench.memory import keep_freed_memory
from bench.model import GPT, Shape
from bench.optimizer import LearningRateSchedule, Optimizer
from bench.pace import Activations, Workload
from bench.participation import Backup
from bench.pipelines import PipelineSimulator
from bench.progress import Progress
from bench.record import SCHEMA, Row, Store, digest
from bench.replay import Replay
from bench.replicas import Layout, Replicas
from bench.schedule import Order, Schedule
from bench.simulator import Simulator
from bench.timeline import Timeline
from bench.trainer import Curve, Evaluation, Trainer
from bench.units import TIME, parse
from bench.verification import Hostile
from bench.world import Conf, scenario, whole

TASK = ("model", "lr_schedule", "evaluation", "steps")
"""Settings that, with the text, say what is to be learnt; rows that share them can be compared."""

LEARNING = (*TASK, "optimizer", "seed", "algorithm", "codec", "feedback", "aggregator", "adversary")
"""Settings that, with the text and the schedule, decide a curve."""


SIMULATORS: dict[str, type[Simulator | EventSimulator | PipelineSimulator]] = {
    "all": Simulator,
    "groups": EventSimulator,
    "none": EventSimulator,
    "stages": PipelineSimulator,
}
"""Who gives time to an algorithm, by who moves in step."""


class Run:
    """What conf describes, built and checked before anything is computed."""

    def __init__(self, conf: Conf, store: Store, progress: Progress) -> None:
        self.conf, self.store, self.progress = conf, store, progress
        self.steps = whole(conf, "steps", 1)
        self.scenario = scenario(conf)
        self.shape: Shape = build(conf["model"], "model", Shape)
        self.timed: Shape = build(conf["timed_as"], "timed_as", Shape)
        self.algorithm: Algorithm = build(conf["algorithm"], "algorithm")
        self.codec: Codec = build(conf["codec"], "codec")
        self.feedback: Feedback = build(conf["feedback"], "feedback")
        self.aggregator: Aggregator = build(conf["aggregator"], "aggregator")
        self.adversary: Adversary = build(conf["adversary"], "adversary")
        self.optimizer: Optimizer = build(conf["optimizer"], "optimizer")
        self.lr_schedule = build(conf["lr_schedule"], "lr_schedule", LearningRateSchedule, steps=self.steps)
        self.evaluation = build(conf["evaluation"], "evaluation", Evaluation)
        self.device, self.threads = _device(conf["device"]), _threads(conf["threads"])
        try:
            self.max_virtual = parse(conf["max_virtual"], TIME)
        except ValueError as error:
            raise ConfError(f"max_virtual {error}") from error
        if not self.max_virtual > 0:
            raise ConfError(f"max_virtual must be above 0 s, got '{conf['max_virtual']}'")
        self._check_numbers()
        if type(conf["train"]) is not bool:
            raise ConfError(f"train must be true or false, got {conf['train']!r}")
        source: Source = build(conf["data"], "data")
        self.corpus = _corpus(source, source.fingerprint(), self.shape.vocabulary) if conf["train"] else None

    def _check_numbers(self) -> None:
        """Raises ConfError for settings that so few workers leave without a meaning."""
        workers, fraction, bucketing = self.scenario.workers, self.adversary.fraction, self.aggregator.bucketing
        if fraction and not self.adversary.members(self.conf["seed"], workers).any():
            raise ConfError(f"adversary.fraction must make at least one of {workers} workers bad, got {fraction:g}")
        if bucketing > 1 and bucketing >= workers:
            raise ConfError(f"aggregator.bucketing must be below the number of workers, {workers}, got {bucketing}")
        rule = self.scenario.participation
        if isinstance(rule, Backup) and rule.workers >= workers:
            raise ConfError(f"participation.workers must be below the number of workers, {workers}, got {rule.workers}")

    def facts(self) -> Row:
        """What is known before anything is computed."""
        task = {name: self.conf[name] for name in (*TASK, "timed_as")}
        return {
            "peak_flops": float(self.scenario.fleet.peak.sum()),
            "parameters": self.timed.parameters,
            "workload": digest(**task, tokens=self.corpus.digest if self.corpus else ""),
            "data_digest": self.corpus.digest if self.corpus else "",
        }

    def columns(self) -> Row:
        """Simulate, train, and say what came out, column by column."""
        timeline, ideal = self.simulate()
        tokens = timeline.counted_sequences * self.timed.context
        seconds = timeline.virtual_seconds
        row: Row = {
            "steps": timeline.schedule.total_steps,
            "rounds": len(timeline.round_end),
            "counted_steps": timeline.counted_steps,
            "tokens": tokens,
            "virtual_seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "ideal_tokens_per_second": ideal,
            "system_efficiency": tokens / seconds / ideal,
            "sent_bytes": float(timeline.sent.mean()),
            "received_bytes": float(timeline.received.mean()),
            "drops": timeline.drops,
            "failures": timeline.failures,
            "banned": timeline.banned,
            "staleness": timeline.staleness,
            "staleness_max": timeline.staleness_max,
            "ledger": timeline.ledger.shares(),
        }
        return row | self._learning(timeline) if self.corpus else row

    def simulate(self) -> tuple[Timeline, float]:
        """The timeline, and the tokens a second of the same devices if nothing ever held them up."""
        P, W = self.timed.parameters, self.scenario.workers
        keep_freed_memory()
        shadow = Replicas(torch.empty((W, P), device="meta"), self.optimizer, self.lr_schedule, Layout(GPT(self.timed).tensors))
        share = self.algorithm.state_share(W)
        workload = Workload(
            work=self.work,
            sequences=self.timed.batch,
            state_bytes=shadow.state_bytes,
            resident_bytes=share * (shadow.state_bytes + shadow.params[:1].nbytes),
            activations=Activations(self.timed.layers, self.timed.context, self.timed.width),
        )
        adversary = self.adversary
        hostile = Hostile(adversary.members(self.conf["seed"], W), adversary.start, adversary.computes)
        simulator = SIMULATORS[self.algorithm.lockstep](
            self.scenario,
            workload,
            self.codec,
            self.max_virtual,
            rule=self.aggregator,
            feedback=self.feedback,
            hostile=hostile if adversary.fraction else None,
        )
        with self.progress.steps("simulating", self.steps) as progress:
            timeline = simulator.run(self.algorithm, shadow, self.steps, progress)
        return timeline, float((self.timed.step_tokens / simulator.step_seconds).sum())

    def work(self, sequences: int) -> Work:
        """What a step of `sequences` sequences of the timed shape asks of a device."""
        demand = self.timed.demand(sequences)
        matmuls = tuple(Matmul(*product) for product in demand.products)
        return Work(matmuls, traffic_bytes=demand.traffic_bytes, kernels=demand.kernels)

    def _learning(self, timeline: Timeline) -> Row:
        assert self.corpus is not None
        name, curve = self.curve(timeline.schedule, self.corpus)
        diverged = not math.isfinite(curve.losses[-1])
        reason = f"the held-out loss is not finite after {curve.steps[-1]} steps" if diverged else ""
        return {
            "status": "diverged" if diverged else "done",
            "reason": reason,
            "initial_loss": curve.losses[0],
            "final_loss": curve.losses[-1],
            "source_entropy": self.corpus.entropy,
            "curve": {
                "steps": curve.steps,
                "virtual_seconds": [timeline.seconds_after(step) for step in curve.steps],
                "loss": curve.losses,
            },
            "curve_digest": name,
        }

    def curve(self, schedule: Schedule | Order, corpus: Corpus) -> tuple[str, Curve]:
        """The curve of a schedule and its name; trained only if no run with the same learning has been."""
        stack = stack_size(schedule.workers, self.device)
        name = digest(
            schema=SCHEMA,
            **{part: self.conf[part] for part in LEARNING},
            tokens=corpus.digest,
            schedule=schedule.digest(),
            versions=versions(),
            device=self.device,
            stack=stack,
        )
        with self.store.claim(name):
            try:
                found = self.store.read_curve(name)
            except RecordError as error:
                self.progress.say(f"{error}: trained again")
                found = None
            if found:
                self.progress.say(f"curve {name[:8]} found: the same learning was trained before")
                return name, Curve(*found)
            lanes = Lanes(self.threads if self.device == "cpu" else 1)
            try:
                with self.progress.steps("training", schedule.total_steps) as progress:
                    curve = self._train(schedule, corpus, lanes, progress)
            finally:
                lanes.close()
            self.store.write_curve(name, curve.steps, curve.losses)
            self.progress.say(f"curve {name[:8]} trained")
        return name, curve

    def _train(self, schedule: Schedule | Order, corpus: Corpus, lanes: Lanes, progress: Callable[[int], None]) -> Curve:
        """Train what follows a schedule, or replay the order in which things happened."""
        settings: dict[str, Any] = {
            "model": GPT(self.shape),
            "corpus": corpus,
            "optimizer": self.optimizer,
            "lr_schedule": self.lr_schedule,
            "codec": self.codec,
            "feedback": self.feedback,
            "aggregator": self.aggregator,
            "adversary": self.adversary,
            "evaluation": self.evaluation,
            "seed": self.conf["seed"],
            "stack": stack_size(schedule.workers, self.device),
            "lanes": lanes,
            "device": self.device,
        }
        if isinstance(schedule, Schedule):
            return Trainer(**settings).run(self.algorithm, schedule, progress)
        return Replay(**settings).run(self.algorithm, schedule, progress)


def versions() -> dict[str, str]:
    """Of what decides the bits of a result."""
    return {
        "farbench": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


@lru_cache(maxsize=1)
def _corpus(source: Source, fingerprint: str, vocabulary: int) -> Corpus:
    """The text of a source; the jobs of a sweep in one process read an unchanged one once."""
    return source.corpus(vocabulary)


def stack_size(workers: int, device: str) -> int:
    """Workers in one stack: all of them on a GPU; on CPU half of them, at most 4, where more gains nothing."""
    return workers if device != "cpu" else min(4, max(1, workers // 2))


def _device(setting: str) -> str:
    if setting not in ("auto", "cpu", "cuda"):
        raise ConfError(f"device must be auto, cpu or cuda, got '{setting}'")
    available = torch.cuda.is_available()
    if setting == "cuda" and not available:
        raise ConfError("device must be one that is here, got 'cuda', and torch finds none")
    return "cuda" if available and setting != "cpu" else "cpu"


def _threads(setting: Any) -> int:
    if setting == "auto":
        return lanes_here()
    if type(setting) is not int or setting < 1:
        raise ConfError(f"threads must be auto or a whole number >= 1, got {setting!r}")
    return setting
