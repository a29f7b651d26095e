"""Programs that compute while they send: for tests, not shipped."""

from dataclasses import dataclass

import torch

from bench.algorithm import Algorithm, AllReduce, Backward, Start, Train, Wait
from bench.optimizer import Nesterov


@dataclass(frozen=True)
class DelayedDiLoCo(Algorithm):
    """DiLoCo whose outer step is one round late: the workers go on meanwhile, and keep what they did since.

    With outer_lr = 1 and no momentum this is local SGD with a delayed average.
    """

    sync_every: int
    outer_lr: float = 1.0
    outer_momentum: float = 0.0

    def run(self, replicas):
        anchor = replicas.params[:1].clone()  # (1, P)
        outer = Nesterov(lr=self.outer_lr, momentum=self.outer_momentum)
        yield Train(self.sync_every)
        while True:
            pseudo_gradient = anchor - replicas.params  # (W, P)
            handle = yield Start(AllReduce(pseudo_gradient))
            yield Train(self.sync_every)
            average = yield Wait(handle)
            sent = anchor - pseudo_gradient
            anchor = outer.step(anchor, average)
            replicas.params += anchor - sent


@dataclass(frozen=True)
class BucketedDDP(Algorithm):
    """DDP that sends its gradients in two parts, both at once."""

    first: float = 0.5  # share of the parameters in the first part
    identical_replicas = True

    def run(self, replicas):
        cut = int(self.first * replicas.params.shape[1])
        while True:
            gradients = yield Backward()
            one = yield Start(AllReduce(gradients[:, :cut]))
            two = yield Start(AllReduce(gradients[:, cut:]))
            replicas.step(torch.cat([(yield Wait(one)), (yield Wait(two))], dim=1))


@dataclass(frozen=True)
class InTurns(Algorithm):
    """Two halves of the parameters are averaged in turn; while one is in the air the other is started."""

    sync_every: int

    def run(self, replicas):
        half = replicas.params.shape[1] // 2
        parts = [replicas.params[:, :half], replicas.params[:, half:]]
        in_the_air = []
        while True:
            for part in parts:
                yield Train(self.sync_every)
                sent = part.clone()
                in_the_air.append((part, sent, (yield Start(AllReduce(sent)))))
                if len(in_the_air) == 2:
                    earlier, sent, handle = in_the_air.pop(0)
                    earlier += (yield Wait(handle)) - sent


@dataclass(frozen=True)
class Words(Algorithm):
    """A program by script, over and over: a number trains so many steps, "s" starts, "w" waits for the first that is in the
    air, "l" for the last, "a" is an all-reduce; where nothing is in the air, or three are, the word is left out."""

    script: tuple[int | str, ...]

    def run(self, replicas):
        in_the_air = []
        sizes = [replicas.params.shape[1] // share for share in (1, 2, 5)]
        started = 0
        while True:
            for word in self.script:
                match word:
                    case "s" if len(in_the_air) < 3:
                        started += 1
                        in_the_air.append((yield Start(AllReduce(replicas.params[:, : sizes[started % 3]]))))
                    case "w" | "l" if in_the_air:
                        yield Wait(in_the_air.pop(0 if word == "w" else -1))
                    case "a":
                        replicas.params[:] = yield AllReduce(replicas.params)
                    case int():
                        yield Train(word)
