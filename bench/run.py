"""One run: join(Simulator → Timeline, Trainer → Curve) into the columns of a row."""

import math
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench import __version__
from bench.data import Corpus
from bench.errors import RecordError
from bench.events import EventSimulator
from bench.lanes import Lanes
from bench.memory import keep_freed_memory
from bench.model.gpt import GPT
from bench.pipelines import PipelineSimulator
from bench.progress import Progress
from bench.record import SCHEMA, Row, Store, digest
from bench.replay import Replay
from bench.schedule import Order, Schedule
from bench.setup import Setup
from bench.simulator import Simulator
from bench.tape import MOST_WORKERS, Tape
from bench.timeline import Timeline
from bench.trainer import Curve, Trainer
from bench.world import Conf

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


class Run(Setup):
    """What conf describes, with a folder for what comes of it."""

    def __init__(self, conf: Conf, store: Store, progress: Progress) -> None:
        super().__init__(conf)
        self.store, self.progress = store, progress
        self.timeline: Timeline | None = None  # that the columns come from, once they are there

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
        timeline, ideal = self.simulate(traced=self.conf["trace"])
        self.timeline = timeline
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

    def simulate(self, step_seconds: NDArray[np.float64] | None = None, *, traced: bool = False) -> tuple[Timeline, float]:
        """The timeline, and the tokens a second of the same devices if nothing ever held them up.

        `step_seconds`, (W,), stand in for those of the devices where they are given; `traced`, the timeline has
        the intervals of the first workers, and spans.
        """
        keep_freed_memory()
        shadow = self.shadow()
        simulator = SIMULATORS[self.algorithm.lockstep](
            self.scenario,
            self.workload(shadow, step_seconds),
            self.codec,
            self.max_virtual,
            rule=self.aggregator,
            feedback=self.feedback,
            hostile=self.hostile,
            spans=traced,
            tape=Tape(workers=min(self.scenario.workers, MOST_WORKERS)) if traced else None,
        )
        with self.progress.steps("simulating", self.steps) as progress:
            timeline = simulator.run(self.algorithm, shadow, self.steps, progress)
        return timeline, float((self.timed.step_tokens / simulator.step_seconds).sum())

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
        name = self.curve_name(schedule, corpus)
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

    def curve_name(self, schedule: Schedule | Order, corpus: Corpus) -> str:
        """The name of the curve of a schedule: that of all that the learning depends on."""
        return digest(
            schema=SCHEMA,
            **{part: self.conf[part] for part in LEARNING},
            tokens=corpus.digest,
            schedule=schedule.digest(),
            versions=versions(),
            device=self.device,
            stack=stack_size(schedule.workers, self.device),
        )

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
        "numpy": np.__version__,
    }


def stack_size(workers: int, device: str) -> int:
    """Workers in one stack: all of them on a GPU; on CPU half of them, at most 4, where more gains nothing."""
    return workers if device != "cpu" else min(4, max(1, workers // 2))
