"""What becomes of payloads between workers: attack → encode → decode → aggregate. The Trainer's side; knows no time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.algorithm import AllReduce, Exchange, ReduceScatter
from bench.codec import Codec
from bench.errors import SkipError
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
        # By part and columns of a payload: the last aggregate of such payloads that arrived, (1, n) or (W, n).
        self._last: dict[tuple[Part | None, int], Tensor] = {}
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
        """What everybody receives in the reduction `index`, (1, n), after `steps` program steps; in groups, (W, n).

        The payload of `operation`, (W, n), is what all should send, and `weights`, (m,), the sequences behind that of each of
        the m `ranks` that counted. An attack is on, if the last of the steps is one at which they attack. A group of which
        nobody counted keeps its payload, and so does a worker that is a group by itself: nothing travels.
        """
        groups = operation.groups if isinstance(operation, AllReduce) else None
        if groups is None:
            return self._aggregate(operation, ranks, weights, steps, reduction_draw(self._seed, index), self._server_memory)
        answer, senders = operation.payload.clone(), np.array(ranks, np.int64)
        for group in np.unique(groups[senders]):
            members, own = np.flatnonzero(groups == group), np.flatnonzero(groups[senders] == group)
            if len(members) > 1:
                # Groups may be others each time: no server remembers what it owes them.
                draw = reduction_draw(self._seed, index, int(group))
                answer[members] = self._aggregate(operation, senders[own].tolist(), weights[own], steps, draw, None)
        return answer

    def exchange(self, operation: Exchange, ranks: list[int], index: int, steps: int) -> Tensor:
        """What each worker makes of gossip in the reduction `index`, (W, n), after `steps` program steps.

        Each of the `ranks` that counted gets Σ_j weights[i, j] payload[j] over all of them. Its own payload is what it is, and
        takes the weights of those that did not count; those keep theirs. Raises SkipError where payloads must be looked at
        together.
        """
        if not self._aggregator.linear:
            raise SkipError("gossip weighs each payload by its edge, which leaves nothing to this aggregator")
        if self._codec.rounds > 1:
            raise SkipError("in gossip each payload travels by itself, and this codec needs a mean of all first")
        payload = operation.payload
        among = operation.weights[np.ix_(ranks, ranks)]  # (m, m)
        np.fill_diagonal(among, 0)
        own = torch.from_numpy(1 - among.sum(1, keepdims=True)).to(payload)  # (m, 1)
        travels = among.any(0)
        answer, senders = payload.clone(), np.array(ranks, np.int64)[travels].tolist()
        answer[ranks] = own * payload[ranks]
        if senders:
            received = self._received(operation, senders, steps, reduction_draw(self._seed, index))
            answer[ranks] += torch.from_numpy(among[:, travels]).to(payload) @ received
        return answer

    def arrived(self, aggregate: Tensor, part: Part | None) -> None:
        """Everybody has received `aggregate`, (1, n), or its row of (W, n), about `part`, and may send it again."""
        if self.bad.any():
            self._last[part, aggregate.shape[1]] = aggregate.clone()  # an algorithm may change what it was handed

    def forget(self, ranks: list[int]) -> None:
        """`ranks` come back, and have lost what they owed."""
        if self._memory is not None:
            self._memory.forget(ranks)

    def _aggregate(
        self,
        operation: AllReduce | ReduceScatter,
        ranks: list[int],
        weights: Tensor,
        steps: int,
        draw: int,
        server_memory: Memory | None,
    ) -> Tensor:
        """What all of a reduction receive of what `ranks` send, (1, n)."""
        received = self._received(operation, ranks, steps, draw)
        aggregate = self._aggregator.aggregate(received, weights, draw)
        if operation.encoded and isinstance(operation, AllReduce) and self._encoded_again:
            return self._coded(aggregate, [0], operation.part, server_memory, aggregate_draw(draw))
        return aggregate

    def _received(self, operation: AllReduce | ReduceScatter | Exchange, ranks: list[int], steps: int, draw: int) -> Tensor:
        """What others see of the payloads that `ranks` send, (m, n)."""
        sent = operation.payload[ranks]
        bad = self.attacking(steps - 1)[ranks]
        if bad.any():
            last = self._last.get((operation.part, sent.shape[1]))
            heard = last if last is None or len(last) == 1 else last[np.array(ranks)[bad]]
            sent = self._adversary.attack(sent, torch.from_numpy(bad).to(sent.device), heard, draw)
        encoded = isinstance(operation, Exchange) or operation.encoded
        return self._coded(sent, ranks, operation.part, self._memory, draw) if encoded else sent

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


def reduction_draw(seed: int, index: int, *group: int) -> int:
    """What seeds all that is random in the reduction `index` of a run, or in that of a group."""
    return int(stream(seed, "reduction", index, *group).integers(2**63))


def aggregate_draw(draw: int) -> int:
    """What seeds the encoding of an aggregate in the reduction of that `draw`."""
    return int(stream(draw, "aggregate").integers(2**63))
