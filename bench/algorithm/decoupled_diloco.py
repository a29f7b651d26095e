"""Decoupled DiLoCo for Resilient Distributed Pre-training (Douillard et al., 2026, arXiv:2604.21428)."""

from itertools import cycle

import torch
from torch import Tensor

from bench.algorithm.ops import Algorithm, Program, Pull, Push, Receive, Start, Train, Wait
from bench.errors import SkipError
from bench.optimizer import Nesterov
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Part, Replicas


class DecoupledDiLoCo(Algorithm):
    """Learners that do not wait for each other send their parameters to a synchroniser and take over what it makes of all.

    Every `sync_every` / `fragments` steps another fragment is sent. It has `overlap` steps to arrive, and as many to come back
    merged, when it replaces the learner's own: these steps are lost to it. If nothing has become of it, the learner keeps its
    own. (The paper's synchroniser sends fragments out by itself; here learners fetch them.)

    The synchroniser merges a fragment once `quorum` learners have sent theirs, and lets `grace` more arrivals, of any fragment,
    pass before, for others to join: it has no clock to measure the paper's window with. Learners weigh as much as their tokens
    times their tokens a step, which is as their local steps where batches are equal. If `radial`, directions and lengths of
    outer gradients are averaged apart (the paper's RDA, but over a fragment as a whole, and over the embeddings too), so that
    the length of the outer step does not depend on how many learners there are.
    """

    lockstep = "none"

    def __init__(
        self,
        *,
        sync_every: int,
        fragments: int,
        overlap: int,
        quorum: int,
        grace: int,
        radial: bool,
        outer_lr: float,
        outer_momentum: float,
    ) -> None:
        for name, value in {"sync_every": sync_every, "fragments": fragments, "overlap": overlap, "quorum": quorum}.items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        if sync_every % fragments:
            raise ValueError(f"sync_every must be a multiple of fragments = {fragments}, got {sync_every}")
        if 2 * overlap > sync_every // fragments:
            raise ValueError(
                f"overlap must be at most half of sync_every / fragments = {sync_every // fragments}, got {overlap}"
            )
        if grace < 0:
            raise ValueError(f"grace must be >= 0, got {grace}")
        check_positive(outer_lr=outer_lr)
        check_share(outer_momentum=outer_momentum)
        self.sync_every, self.fragments, self.overlap = sync_every, fragments, overlap
        self.quorum, self.grace, self.radial = quorum, grace, radial
        self.outer_lr, self.outer_momentum = outer_lr, outer_momentum

    def servers(self, workers: int) -> tuple[int, ...]:
        if workers < self.quorum:
            raise SkipError(f"a quorum of {self.quorum} learners is more than there are workers, {workers}")
        return (0,)

    def run(self, replicas: Replicas) -> Program:
        params, known = replicas.params, replicas.params.clone()  # (1, P) each; what was fetched last
        alone = self.sync_every // self.fragments - 2 * self.overlap  # steps with nothing in the air
        for part in cycle(replicas.layout.parts(self.fragments, strided=True)):
            if alone:
                yield Train(alone)
            sending = yield Start(Push(part.of(params), part))
            yield Train(self.overlap)
            yield Wait(sending)
            fetching = yield Start(Pull(part=part))
            yield Train(self.overlap)
            merged = yield Wait(fetching)  # (1, n)
            is_new = (merged != part.of(known)).any()
            part.put(params, torch.where(is_new, merged, part.of(params)))
            part.put(known, merged)

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
        # Who sends before its first step weighs as one step.
        weights = torch.tensor([[max(1.0, steps)] for _, steps in theirs], device=fragment.device)  # (m, 1)
        weights = weights / weights.sum()
        mean = (weights * gradients).sum(0, keepdim=True)
        if not self.radial:
            return mean
        lengths = gradients.norm(dim=1, keepdim=True)  # (m, 1)
        direction = (weights * gradients / lengths.clamp_min(1e-30)).sum(0, keepdim=True)
        return (weights * lengths).sum() * direction / direction.norm().clamp_min(1e-30)
