"""What becomes of payloads between workers: attack → encode → decode → aggregate. The Trainer's side; knows no time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.algorithm import AllReduce, ReduceScatter
from bench.codec import Codec
from bench.feedback import Feedback, Memory
from bench.replicas import Layout, Part
from bench.seeds import stream


class Delivery:
    """The reductions of one run, one after the other."""

    def __init__(
        self,
        codec: Codec,
        feedback: Feedback,
        aggregator: Aggregator,
        adversary: Adversary,
        seed: int,
        workers: int,
        layout: Layout,
    ) -> None:
        self._codec, self._aggregator, self._adversary, self._seed = codec, aggregator, adversary, seed
        self._layout = layout
        self.bad: NDArray[np.bool_] = adversary.members(seed, workers)  # (W,)
        self._last: dict[int, Tensor] = {}  # payload's size: the last aggregate of such payloads that arrived, (1, P)
        self._memory, self._server_memory = (
            None if codec.exact else feedback.memory(senders, layout.columns) for senders in (workers, 1)
        )

    @property
    def plain(self) -> bool:
        """True if what everybody gets is the weighted mean of what everybody computed."""
        return self._codec.exact and self._aggregator.linear and not self.bad.any()

    def attacking(self, step: int) -> NDArray[np.bool_]:
        """Who does not do at program step `step` what it should, (W,)."""
        return self.bad & (step >= self._adversary.start)

    def idle(self, step: int) -> NDArray[np.bool_]:
        """Who computes nothing at program step `step`, (W,)."""
        return self.attacking(step) & (not self._adversary.computes)

    def mislabelled(self, step: int) -> NDArray[np.bool_]:
        """Who trains on wrong targets at program step `step`, (W,)."""
        return self.attacking(step) & self._adversary.flips_labels

    def deliver(
        self, operation: AllReduce | ReduceScatter, ranks: list[int], weights: Tensor, index: int, steps: int
    ) -> Tensor:
        """What everybody receives in the reduction `index`, (1, n), after `steps` program steps.

        The payload of `operation`, (W, n), is what all should send, and `weights`, (m,), the sequences behind that of each of
        the m `ranks` that counted. An attack is on, if the last of the steps is one at which they attack.
        """
        draw = int(stream(self._seed, "reduction", index).integers(2**63))
        sent = self._attacked(operation.payload, ranks, steps, draw)
        if not operation.encoded:
            return self._aggregator.aggregate(sent, weights, draw)
        received = self._coded(sent, ranks, operation.part, self._memory, draw)
        aggregate = self._aggregator.aggregate(received, weights, draw)
        if isinstance(operation, AllReduce) and self._encoded_again:
            again = int(stream(draw, "aggregate").integers(2**63))
            return self._coded(aggregate, [0], operation.part, self._server_memory, again)
        return aggregate

    def arrived(self, aggregate: Tensor) -> None:
        """Everybody has received `aggregate`, (1, P), and may send it again."""
        if self.bad.any():
            self._last[aggregate.shape[1]] = aggregate.clone()  # an algorithm may change what it was handed

    def forget(self, ranks: list[int]) -> None:
        """`ranks` come back, and have lost what they owed."""
        if self._memory is not None:
            self._memory.forget(ranks)

    def _attacked(self, payload: Tensor, ranks: list[int], steps: int, draw: int) -> Tensor:
        """What `ranks` send of the `payload`, (W, n), of all: (m, n)."""
        sent = payload[ranks]
        bad = self.attacking(steps - 1)[ranks]
        if not bad.any():
            return sent
        return self._adversary.attack(sent, torch.from_numpy(bad).to(sent.device), self._last.get(payload.shape[1]), draw)

    def _coded(self, rows: Tensor, senders: list[int], part: Part | None, memory: Memory | None, draw: int) -> Tensor:
        """What is received of the `rows`, (m, n), about `part`, that `senders` send, with what they owe: (m, n)."""
        layout = self._layout.about(part, rows.shape[1])
        owed = rows if memory is None else memory.add(rows, senders, part)
        received = self._codec.decode(self._codec.encode(owed, draw, layout), draw, layout)
        if memory is not None:
            memory.keep(owed - received, senders, part)
        return received

    @property
    def _encoded_again(self) -> bool:
        """Whether an aggregate passes through the codec on its way to everybody, too."""
        if self._aggregator.linear:
            return self._codec.traffic == "sharded"
        return self._aggregator.traffic == "sharded" and self._codec.traffic != "all_reduce"
