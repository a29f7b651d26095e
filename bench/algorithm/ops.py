"""The words an algorithm can yield. Each interpreter gives them its own meaning: when (Simulator) or what (Trainer)."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.replicas import Part, Replicas


@dataclass(frozen=True)
class Train:
    """Every worker takes `steps` local optimizer steps, each on a batch of its own. Answers nothing."""

    steps: int


@dataclass(frozen=True)
class Forward:
    """The forward pass of one batch, or of the share of the model that `part` is: a third of a step. Answers nothing.

    Once all of it is done, Backward follows.
    """

    part: Part | None = None


@dataclass(frozen=True)
class Backward:
    """Every worker computes the gradient of one batch and takes no step. Answers gradients, (W, P).

    After a Forward it is the other two thirds of a step, or the share of these that `part` is, and answers the gradients of
    these columns, (W, n); all parts must follow. Where one batch stands for all workers, it answers that one's, (1, P).
    """

    part: Part | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """One step of a model that is cut into `stages`, which the workers are dealt to. Answers what Backward does.

    The batches of `stages` workers go through as `microbatches`: forward through all stages, then back. Activations, and their
    gradients, travel in `activation_bits` a number: 32 as they are, 16 as bfloat16, 8 as whole multiples of a 127th of the
    largest of their token. `schedule` says who does what when. gpipe: worker r of W is stage r // (W / stages) of a pipeline
    whose stages each go forward with all microbatches, then backward. 1f1b: as soon as it can, each goes backward with one
    before it goes forward with the next. routed: any peer of the next stage takes a microbatch, in proportion to its speed, and
    each does what comes first, backward before forward; every `rebalance_every` seconds a peer may move to a slower stage.
    """

    stages: int
    microbatches: int
    activation_bits: int
    schedule: str
    rebalance_every: float = float("inf")

    def __post_init__(self) -> None:
        for name in ("stages", "microbatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.activation_bits not in (8, 16, 32):
            raise ValueError(f"activation_bits must be 8, 16 or 32, got {self.activation_bits}")
        if self.schedule not in ("gpipe", "1f1b", "routed"):
            raise ValueError(f"schedule must be gpipe, 1f1b or routed, got '{self.schedule}'")
        if not self.rebalance_every > 0:
            raise ValueError(f"rebalance_every must be above 0 s, got {self.rebalance_every:g}")


@dataclass(frozen=True)
class AllReduce:
    """Every worker sends `payload`, (W, n) or (1, n), and gets the aggregate of those that counted. Answers (1, n).

    `part` says which columns of the parameters the payload is about, if not all; error feedback adds to a payload what the
    codec left out of the same columns before. With `encoded` false it travels as it is, whatever the codec. With `groups`,
    (W,), each worker's group, every group has an aggregate of its own: answers (W, n).
    """

    payload: Tensor
    part: Part | None = None
    encoded: bool = True
    groups: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class ReduceScatter:
    """As AllReduce, but each worker gets an equal share of the aggregate and no more. Answers all shares, (1, n)."""

    payload: Tensor
    part: Part | None = None
    encoded: bool = True


@dataclass(frozen=True)
class AllGather:
    """Each worker sends its equal share of `payload`, (1, n), and gets all of it, as it is. Answers it, (1, n)."""

    payload: Tensor


@dataclass(frozen=True)
class Exchange:
    """Gossip: worker i gets Σ_j weights[i, j] payload[j], where j's payload travels to i unless its weight is 0: (W, n).

    `weights`, (W, W), has rows that sum to 1. The weight of a neighbour that is not there goes to the worker itself, whose own
    payload, (W, n), does not travel.
    """

    payload: Tensor
    weights: NDArray[np.float64]
    part: Part | None = None


@dataclass(frozen=True)
class Pull:
    """Get what the server publishes when the answer leaves it. Answers (1, P), or the columns of `part`, (1, n).

    Only where each worker has its own program.
    """

    server: int = 0
    part: Part | None = None


@dataclass(frozen=True)
class Push:
    """Send `payload`, (1, n), to a server, which takes it in when it arrives. Answers nothing. As Pull.

    With `encoded` false it travels as it is, whatever the codec.
    """

    payload: Tensor
    part: Part | None = None
    server: int = 0
    encoded: bool = True


@dataclass(frozen=True)
class Average:
    """Average one's own parameters with those of the worker `peer`: both get the mean, at one moment. Answers nothing. As Pull.

    The peer's program goes on meanwhile, and finds its parameters changed; if it is not there, nothing happens.
    """

    peer: int


@dataclass(frozen=True)
class Receive:
    """A server publishes `params`, (1, P), until something arrives that was pushed to it. Answers an Arrival."""

    params: Tensor


@dataclass(frozen=True)
class Arrival:
    """What a server has received."""

    payload: Tensor  # (1, n), decoded
    part: Part | None
    sender: int  # rank; of another server, the number of workers plus its number
    steps: int  # local steps behind it
    staleness: int  # arrivals that the server took in since the sender's last Pull from it was taken
    server: int | None = None  # the sender's number, where it is another server


FORWARD = 1 / 3
"""The forward pass's share of a step: backward has two products for each of its (Kaplan et al., 2020, arXiv:2001.08361)."""

Transport = AllReduce | ReduceScatter | AllGather | Exchange | Pull | Push | Average
"""Words that move bytes."""

WORDS: dict[type[Transport], str] = {  # what they are called
    AllReduce: "all_reduce",
    ReduceScatter: "reduce_scatter",
    AllGather: "all_gather",
    Exchange: "exchange",
    Pull: "pull",
    Push: "push",
    Average: "average",
}


@dataclass(frozen=True)
class Start:
    """Begin `operation` on its payload as it is now, and go on computing meanwhile. Answers its handle, at once.

    An operation that is yielded by itself is started and waited for on the spot.
    """

    operation: Transport


class Handle:
    """Names one started operation; good for one Wait, in the program that started it."""


@dataclass(frozen=True)
class Wait:
    """Go on when the operation of `handle` is over. Answers what that operation answers.

    What was started last in a run may be left in the air: the run then ends when it is over, and its answer reaches nobody.
    """

    handle: Handle


Operation = Train | Forward | Backward | Pipeline | Transport | Receive | Start | Wait
Program = Generator[Operation, Any, None]


class Algorithm:
    """Settings, checked by the constructor, and programs that keep their state in their own locals."""

    lockstep: Literal["all", "groups", "none", "stages"] = "all"
    """Who moves in step. all: one program drives all workers, and each of its operations is of all of them. groups: one program
    drives all, but a worker waits only for those whom it exchanges something with. none: each worker has a program of its own,
    and whatever servers there are. stages: one program drives all, each of which has a stage of the model."""

    identical_replicas = False
    """True if all replicas are equal whenever a step begins: one copy then stands for all of them, exactly."""

    linear = True
    """True if, replicas being identical, what is reduced is a linear function of what Backward answered, such as a slice or a
    sum: the gradient of one joint batch then stands for the mean of all gradients, exactly."""

    needs_everybody = False
    """True if a worker holds what the others cannot go on without, so that nobody may drop out or be late."""

    def run(self, replicas: Replicas) -> Program:
        """The program of all workers, or of the one whose only row `replicas` holds.

        Of workers in step, that one yields what the program of all does, with its own row for the rows of all, and is answered
        with its row of what they are: how many workers there are is `replicas.workers`, never the number of rows.
        """
        raise NotImplementedError

    def server(self, number: int, params: Tensor) -> Program:
        """The program of a server, which begins with `params`, (1, P); of as many as `servers` says."""
        raise NotImplementedError

    def servers(self, workers: int) -> tuple[int, ...]:
        """The rank beside whom each server stands, on the same lines: messages between the two go out and come in by them."""
        return ()

    def state_share(self, workers: int) -> float:
        """The share of parameters, gradient and optimizer state that one worker holds."""
        return 1.0
