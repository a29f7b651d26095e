"""SPARTA: sparse parameter averaging (Beton et al., EXO Labs, 2025, openreview.net/forum?id=stFPf3gzq1)."""

from collections import deque

from bench.algorithm.ops import Algorithm, AllReduce, Handle, Program, Start, Train, Wait
from bench.optimizer import Nesterov
from bench.replicas import Layout, Part, Replicas
from bench.seeds import stream


class Sparta(Algorithm):
    """After every step a random `share` of the parameters is averaged, the same for all; inner optimizer states stay local.

    An average that is under way for `delay` steps is written over what the workers have by then. With `sync_every`, DiLoCo goes
    on top: an outer Nesterov step on all parameters. The authors draw each number by itself; we draw `blocks` blocks of
    consecutive ones, which leaves as many bytes to send and fewer places to know.
    """

    def __init__(
        self,
        *,
        share: float,
        blocks: int,
        delay: int,
        sync_every: int | None,
        outer_lr: float,
        outer_momentum: float,
        seed: int,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share:g}")
        if blocks < 1:
            raise ValueError(f"blocks must be >= 1, got {blocks}")
        if delay < 0:
            raise ValueError(f"delay must be >= 0, got {delay}")
        if sync_every is not None and sync_every < 1:
            raise ValueError(f"sync_every must be null or >= 1, got {sync_every}")
        if not 0 < outer_lr < float("inf"):
            raise ValueError(f"outer_lr must be above 0 and finite, got {outer_lr:g}")
        if not 0 <= outer_momentum < 1:
            raise ValueError(f"outer_momentum must be in [0, 1), got {outer_momentum:g}")
        self.share, self.blocks, self.delay, self.seed = share, blocks, delay, seed
        self.sync_every, self.outer_lr, self.outer_momentum = sync_every, outer_lr, outer_momentum

    def run(self, replicas: Replicas) -> Program:
        anchor = replicas.params[:1].clone()  # (1, P)
        outer = Nesterov(lr=self.outer_lr, momentum=self.outer_momentum)
        in_the_air: deque[tuple[Part, Handle]] = deque()
        step = 0
        while True:
            yield Train(1)
            step += 1
            part = self.part(replicas.layout, step)
            in_the_air.append((part, (yield Start(AllReduce(part.of(replicas.params), part)))))
            if len(in_the_air) > self.delay:
                part, handle = in_the_air.popleft()
                part.put(replicas.params, (yield Wait(handle)))
            if self.sync_every and step % self.sync_every == 0:
                pseudo_gradient = yield AllReduce(anchor - replicas.params)
                anchor = outer.step(anchor, pseudo_gradient)
                replicas.params[:] = anchor

    def part(self, layout: Layout, step: int) -> Part:
        """The columns that are averaged after a step: each block of them is as likely as any other."""
        pieces = layout.parts(max(1, round(self.blocks / self.share)))
        count = max(1, round(self.share * len(pieces)))  # fewer blocks where the model has fewer columns than pieces
        drawn = stream(self.seed, "sparta", step).choice(len(pieces), count, replace=False)
        return Part(tuple(pieces[number].spans[0] for number in sorted(drawn)))
