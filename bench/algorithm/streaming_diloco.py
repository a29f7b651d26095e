"""Streaming DiLoCo with overlapping communication (Douillard et al., arXiv:2501.18512)."""

from collections import deque

from torch import Tensor

from bench.algorithm.ops import Algorithm, AllReduce, Handle, Program, Start, Train, Wait
from bench.optimizer import Nesterov
from bench.replicas import Part, Replicas


class StreamingDiLoCo(Algorithm):
    """DiLoCo fragment by fragment: each is sent every `sync_every` steps, in turn, and its outer step is `delay` steps late.

    The workers go on meanwhile. What they have then, θ, is mixed with what comes back: α θ + (1 - α) times the outer
    parameters, α being `mixing`. One fragment without delay or mixing is DiLoCo. The paper's 4-bit outer gradients are a codec.
    """

    def __init__(
        self,
        *,
        sync_every: int,
        fragments: int,
        delay: int,
        mixing: float,
        outer_lr: float,
        outer_momentum: float,
        strided: bool = True,
    ) -> None:
        for name, value in (("sync_every", sync_every), ("fragments", fragments)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        if fragments > sync_every:
            raise ValueError(f"fragments must be at most sync_every = {sync_every}, got {fragments}")
        if not 0 <= delay < sync_every:
            raise ValueError(f"delay must be in [0, sync_every = {sync_every}), got {delay}")
        if not 0 <= mixing < 1:
            raise ValueError(f"mixing must be in [0, 1), got {mixing:g}")
        if not 0 < outer_lr < float("inf"):
            raise ValueError(f"outer_lr must be above 0 and finite, got {outer_lr:g}")
        if not 0 <= outer_momentum < 1:
            raise ValueError(f"outer_momentum must be in [0, 1), got {outer_momentum:g}")
        self.sync_every, self.fragments, self.delay, self.mixing = sync_every, fragments, delay, mixing
        self.outer_lr, self.outer_momentum, self.strided = outer_lr, outer_momentum, strided

    def run(self, replicas: Replicas) -> Program:
        fragments = replicas.layout.parts(self.fragments, strided=self.strided)
        outers = [Nesterov(lr=self.outer_lr, momentum=self.outer_momentum) for _ in fragments]
        anchor = replicas.params[:1].clone()  # (1, P) outer parameters
        in_the_air: deque[tuple[int, int, Handle]] = deque()  # step at which it is waited for, fragment, handle
        step, sent = 0, 0
        while True:
            number = sent % len(fragments)
            start = sent // len(fragments) * self.sync_every + (number + 1) * self.sync_every // len(fragments)
            lands = in_the_air[0][0] if in_the_air else start + 1
            if min(start, lands) > step:
                yield Train(min(start, lands) - step)
                step = min(start, lands)
            if start <= lands:
                fragment = fragments[number]
                operation = AllReduce(fragment.of(anchor) - fragment.of(replicas.params), fragment)
                in_the_air.append((step + self.delay, number, (yield Start(operation))))
                sent += 1
            if in_the_air and in_the_air[0][0] <= step:
                _, number, handle = in_the_air.popleft()
                self._outer_step(replicas, anchor, fragments[number], outers[number], (yield Wait(handle)))

    def _outer_step(self, replicas: Replicas, anchor: Tensor, fragment: Part, outer: Nesterov, average: Tensor) -> None:
        """The outer step of one fragment along the averaged pseudo-gradient, (1, n), and what the workers make of it."""
        stepped = outer.step(fragment.of(anchor), average)
        fragment.put(anchor, stepped)
        fragment.put(replicas.params, self.mixing * fragment.of(replicas.params) + (1 - self.mixing) * stepped)
