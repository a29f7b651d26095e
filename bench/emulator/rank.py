"""One emulated worker of an algorithm whose workers move together: the program on its own row, reductions on real links."""

import math
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.algorithm import WORDS, AllGather, AllReduce, Exchange, Pipeline, Train
from bench.emulator.channel import Channel
from bench.emulator.communicator import Communicator
from bench.emulator.learner import Learner
from bench.emulator.mesh import PeerLost
from bench.emulator.pacer import Pacer
from bench.emulator.payloads import KEPT, Payloads
from bench.emulator.throttle import Throttle
from bench.lockstep import Compute, Shared, play
from bench.setup import Setup


@dataclass
class Operation:
    """One reduction, as this rank saw it; seconds of the machine's clock."""

    index: int
    word: str
    node: int  # of a group, its smallest rank; of an exchange, this one; else -1, as in bench.timeline.Span
    steps: int  # of the program since the one before began
    ready: float  # when this rank had done what it sends
    began: float = 0.0  # when those before it were over, too
    over: float = 0.0
    counted: tuple[int, ...] = ()  # whose payloads it carried


@dataclass(frozen=True)
class Past:
    """What a returner takes over from a worker that stayed: with it the program can be gone through again up to here."""

    answers: list[Tensor]  # of all reductions so far, (1, n) each
    state: list[Tensor]  # of the optimizer, (1, …) each
    params: Tensor  # (1, P)
    round: int  # in which it begins to take part


class Rank:
    """Interprets a program for one worker. Reductions follow each other in a thread of their own, as in one communicator.

    Where workers may drop out, who takes part is settled by the hub before each round, and anew when a reduction has broken:
    those that have its answer already hand it to the others, who else begin it again without whoever is gone.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        learner: Learner,
        payloads: Payloads,
        pacer: Pacer,
        wires: Communicator,
        rounds: Channel,
        breaks: Channel,
        members: list[int],
        generation: int,
        changing: bool,
        throttle: Throttle | None = None,
        past: Past | None = None,
    ) -> None:
        self._setup, self._learner, self._payloads, self._pacer, self._wires = setup, learner, payloads, pacer, wires
        self._hub_of_rounds, self._hub_of_breaks, self._throttle = rounds, breaks, throttle
        self._members, self._changing, self._past = members, changing, past
        self._generation = generation
        self._gone: set[int] = set()  # who dropped out and came back, and may still be a member from before
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reductions")
        self._begun, self._opened, self._segment_steps, self._round = 0, -1, 0, 0
        self._since = time.monotonic()  # when the program last got an answer that took time
        self._joined_at: int | None = None  # the first reduction of one that comes back
        self._answers: dict[int, Tensor] = {}  # of all reductions, where workers may drop out and come back
        self._counted: dict[int, tuple[int, ...]] = {}  # whose payloads they carry, of those that are the same for all
        self._own: dict[int, tuple[Shared, Tensor, int]] = {}  # the last others, which it may have to do again for some
        self.operations: list[Operation] = []
        self.round_end: list[tuple[int, float]] = []  # program steps, second

    def run(self) -> None:
        """Go through the program up to the last step."""
        try:
            play(self._setup.algorithm.run(self._learner.replicas), self, self._learner.replicas.params.shape[1])
        finally:
            self._thread.shutdown(cancel_futures=True)

    def compute(self, operation: Compute, opens: bool) -> Tensor | None:
        if opens and self._opened != self._begun:
            self._opened = self._begun
            self._learner.behind[:] = 0
        assert not isinstance(operation, Pipeline), "a model in stages is not emulated"
        answer = self._learner.compute(operation, opens, idle=self._past is not None)
        if opens:
            self._segment_steps += operation.steps if isinstance(operation, Train) else 1
        if self._past is None:
            # What the program did between operations takes no time in the Simulator: it is part of what is stretched.
            self._pacer.ask(operation, opens, self._since)
        return answer

    def start(self, operation: Shared) -> "Future[Tensor]":
        index, self._begun = self._begun, self._begun + 1
        if self._past is not None and index < len(self._past.answers):
            over: Future[Tensor] = Future()
            over.set_result(self._past.answers[index])
            self._answers[index], self._segment_steps = self._past.answers[index], 0
            return over
        self._pacer.before_start()
        entry = Operation(index, WORDS[type(operation)], self._node(operation), self._segment_steps, time.monotonic())
        self._segment_steps = 0
        self.operations.append(entry)
        weights = torch.from_numpy(self._learner.behind.copy())
        sent = replace(operation, payload=operation.payload.clone())  # it goes on computing on what that is a view of
        started = self._thread.submit(self._deliver, sent, weights, entry, int(self._learner.taken))
        self._since = time.monotonic()
        return started

    def wait(self, started: "Future[Tensor]") -> Tensor:
        self._pacer.before_wait()
        answer = started.result()
        self._since = time.monotonic()
        return answer.clone() if self._changing else answer  # a program may change what it is handed

    def end_round(self, steps: int) -> bool:
        self._round += 1
        if self._past is not None:
            if self._round == self._past.round:
                self._take_over(self._past)
            return False
        self.round_end.append((steps, time.monotonic()))
        self._hub_of_rounds.send({"steps": steps})
        if steps >= self._setup.steps:
            return True
        if self._changing:
            self._settle_round()
        return False

    def broken(self, rank: int) -> None:
        """`rank` is back already, and this one may not have noticed that it was gone; from any thread."""
        self._gone.add(rank)

    def report(self) -> tuple[Mapping[str, Any], list[Tensor]]:
        """What came of it: also the replica, and answers that others may lack if somebody drops out at the very end."""
        last = self._last_answers(self._begun)
        answers = [[index, *self._counted[index]] for index in last]
        seen = {"operations": [asdict(entry) for entry in self.operations], "rounds": self.round_end}
        report = {**seen, "answers": answers, "joined_at": self._joined_at, **self._pacer.report()}
        return report, [self._learner.replicas.params, *last.values()]

    def _last_answers(self, before: int) -> dict[int, Tensor]:
        """Of the last reductions before that one."""
        kept = range(max(0, before - KEPT), before)
        return {index: self._answers[index] for index in kept if index in self._counted}

    def _deliver(self, operation: Shared, weights: Tensor, entry: Operation, steps: int) -> Tensor:
        """The answer of one reduction, which is tried until it is there."""
        entry.began = time.monotonic()
        self._wires.wind()
        answer: Tensor | None = None
        while answer is None:
            entry.counted = tuple(self._members)
            try:
                if not self._gone.isdisjoint(self._members):
                    raise PeerLost(min(self._gone.intersection(self._members)))
                answer = self._payloads.deliver(operation, self._wires, self._members, weights, entry.index, steps)
            except PeerLost:
                answer = self._mend(entry)
        entry.over = time.monotonic()
        if not math.isnan(self._wires.over_seconds):  # what is encoded before, or decoded after, is no part of it
            entry.began, entry.over = self._wires.began_seconds, self._wires.over_seconds
        if self._throttle is not None:
            end = entry.began + self._throttle.seconds(operation, list(entry.counted))
            time.sleep(max(0.0, end - time.monotonic()))
            entry.over = time.monotonic()
        self._payloads.arrived(operation, answer)
        if not self._changing:
            return answer
        self._answers[entry.index] = answer
        if isinstance(operation, AllGather) or (isinstance(operation, AllReduce) and operation.groups is None):
            self._counted[entry.index] = entry.counted
        else:
            self._own[entry.index] = operation, weights, steps
            self._own.pop(entry.index - KEPT, None)
        return answer

    def _mend(self, entry: Operation) -> Tensor | None:
        """Settle with the hub and the others who is left; the answer of this reduction, if one of them has it."""
        index, kept = entry.index, self._last_answers(entry.index)
        report = {"broken": index, "has": [[other, *self._counted[other]] for other in kept]}
        self._hub_of_breaks.send(report, list(kept.values()))
        while True:
            message, tensors = self._hub_of_breaks.receive()
            self._members, self._generation = message["members"], message["generation"]
            try:
                self._wires.form(self._members, self._generation)
                for other in range(message["first"], index):
                    if other in self._own:  # some still lack what it sends
                        again, weights, steps = self._own[other]
                        self._payloads.deliver(again, self._wires, self._members, weights, other, steps)
            except PeerLost:
                self._hub_of_breaks.send(report, list(kept.values()))
                continue
            for (other, *counted), answer in zip(message["has"], tensors, strict=True):
                if other == index:
                    entry.counted = tuple(counted)
                    return answer
            return None

    def _node(self, operation: Shared) -> int:
        """Who counts as the one whose operation it is."""
        rank = self._learner.replicas.rank
        match operation:
            case Exchange():
                return rank
            case AllReduce(groups=groups) if groups is not None:
                return int(np.flatnonzero(groups == groups[rank])[0])
        return -1

    def _settle_round(self) -> None:
        """Ask the hub who takes part in the round that begins, and give who comes back what it needs, if that falls to it."""
        self._hub_of_rounds.send({"round": self._round})
        message, _ = self._hub_of_rounds.receive()
        if message["generation"] == self._generation:
            return
        if message["hand_over"]:
            self._thread.submit(lambda: None).result()  # all reductions that were started are over
            answers = [self._answers[index] for index in range(self._begun)]
            replicas = self._learner.replicas
            past = {"round": self._round, "answers": len(answers), "to": message["hand_over"]}
            self._hub_of_rounds.send(past, [*answers, replicas.params, *replicas.state.values()])
        self._thread.submit(self._form, message["members"], message["generation"], message["joined"])

    def _form(self, members: list[int], generation: int, joined: list[int]) -> None:
        """Those who take part from now on meet."""
        self._members, self._generation = members, generation
        self._gone -= set(joined)
        with suppress(PeerLost):  # the next reduction finds out, and mends it
            self._wires.form(members, generation)

    def _take_over(self, past: Past) -> None:
        """The program has come to the round in which this rank takes part again."""
        replicas = self._learner.replicas
        for mine, theirs in zip(replicas.state.values(), past.state, strict=True):
            mine.copy_(theirs)
        replicas.params.copy_(past.params)
        self._past, self._joined_at, self._since = None, self._begun, time.monotonic()
        self._thread.submit(self._form, self._members, self._generation, [])
