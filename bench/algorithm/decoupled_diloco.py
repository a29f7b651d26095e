"""Decoupled DiLoCo for Resilient Distributed Pre-training (Douillard et al., 2026, arXiv:2604.21428)."""

from itertools import cycle

import torch
from torch import Tensor

from bench.algorithm.ops import Algorithm, Handle, Program, Pull, Push, Receive, Start, Train, Wait
from bench.errors import SkipError
from bench.optimizer import Nesterov
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Part, Replicas


class DecoupledDiLoCo(Algorithm):
    """Learners that never stop send their parameters to a synchroniser, fragment by fragment, and take over what it makes.

    Every `sync_every` / `fragments` steps it is the turn of the next fragment. It travels until the turn after, and what the
    synchroniser then has of it until the one after that, when it replaces the learner's own; if nothing has become of it, the
    learner keeps its own. That is the paper's overlap τ of two steps, where a turn is one step.

    The synchroniser merges a fragment once `quorum` learners have sent theirs, and lets `grace` more arrivals, of any fragment,
    pass before, for others to join: it has no clock to measure the paper's window with. Learners weigh as much as their tokens
    times their tokens a step, which is as their local steps, their batches being equal. If `radial`, directions and lengths of
    outer gradients are averaged apart (the paper's RDA, here over a fragment as a whole, and the embeddings' too), so that
    the length of the outer step does not depend on how many learners there are.
    """

    lockstep = "none"

    def __init__(
        self,
        *,
        sync_every: int,
        fragments: int,
        quorum: int,
        grace: int,
        radial: bool,
        outer_lr: float,
        outer_momentum: float,
    ) -> None:
        for name, value in {"sync_every": sync_every, "fragments": fragments, "quorum": quorum}.items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        if sync_every % fragments:
            raise ValueError(f"sync_every must be a multiple of fragments = {fragments}, got {sync_every}")
        if grace < 0:
            raise ValueError(f"grace must be >= 0, got {grace}")
        check_positive(outer_lr=outer_lr)
        check_share(outer_momentum=outer_momentum)
        self.sync_every, self.fragments, self.quorum, self.grace = sync_every, fragments, quorum, grace
        self.radial, self.outer_lr, self.outer_momentum = radial, outer_lr, outer_momentum

    def servers(self, workers: int) -> tuple[int, ...]:
        if workers < self.quorum:
            raise SkipError(f"a quorum of {self.quorum} learners is more than there are workers, {workers}")
        return (0,)

    def run(self, replicas: Replicas) -> Program:
        params, known = replicas.params, replicas.params.clone()  # (1, P) each; as fetched last
        sending: tuple[Part, Handle] | None = None
        fetching: tuple[Part, Handle] | None = None
        for part in cycle(replicas.layout.parts(self.fragments, strided=True)):
            yield Train(self.sync_every // self.fragments)
            if fetching:
                fragment, handle = fetching
                merged = yield Wait(handle)  # (1, n)
                is_new = (merged != fragment.of(known)).any()
                fragment.put(params, torch.where(is_new, merged, fragment.of(params)))
                fragment.put(known, merged)
            if sending:
                fragment, handle = sending
                yield Wait(handle)
                fetching = fragment, (yield Start(Pull(part=fragment)))
            sending = part, (yield Start(Push(part.of(params), part)))

    def server(self, number: int, params: Tensor) -> Program:
        outer: dict[Part, Nesterov] = {}
        sent: dict[Part, dict[int, tuple[Tensor, int]]] = {}  # fragment: learner: parameters (1, n), local steps behind them
        waited: dict[Part, int] = {}  # fragments that have their quorum: arrivals since
        while True:
            arrival = yield Receive(params)
            assert arrival.part is not None
            sent.setdefault(arrival.part, {})[arrival.sender] = arrival.payload, arrival.steps
            waited = {part: waited.get(part, -1) + 1 for part, theirs in sent.items() if len(theirs) >= self.quorum}
            for part in [part for part, arrivals in waited.items() if arrivals >= self.grace]:
                optimizer = outer.setdefault(part, Nesterov(lr=self.outer_lr, momentum=self.outer_momentum))
                fragment = part.of(params)  # (1, n)
                gradient = self._merged(fragment, list(sent.pop(part).values()))
                params = params.clone()
                part.put(params, optimizer.step(fragment, gradient))
                del waited[part]

    def _merged(self, fragment: Tensor, theirs: list[tuple[Tensor, int]]) -> Tensor:
        """The outer gradient, (1, n), of those learners' parameters and weights."""
        gradients = torch.cat([fragment - params for params, _ in theirs])  # (m, n)
        weights = torch.tensor([[float(steps)] for _, steps in theirs], device=fragment.device)  # (m, 1)
        weights = weights / weights.sum()
        mean = (weights * gradients).sum(0, keepdim=True)
        if not self.radial:
            return mean
        lengths = gradients.norm(dim=1, keepdim=True)  # (m, 1)
        direction = (weights * gradients / lengths.clamp_min(1e-30)).sum(0, keepdim=True)
        return (weights * lengths).sum() * direction / direction.norm().clamp_min(1e-30)
