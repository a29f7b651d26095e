"""What becomes of payloads between workers: attack → encode → decode → aggregate. The Trainer's side; knows no time."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.codec import Codec
from bench.errors import SkipError
from bench.seeds import stream


class Delivery:
    """The reductions of one run, one after the other."""

    def __init__(self, codec: Codec, aggregator: Aggregator, adversary: Adversary, seed: int, workers: int) -> None:
        self._codec, self._aggregator, self._adversary, self._seed = codec, aggregator, adversary, seed
        self.bad: NDArray[np.bool_] = adversary.members(seed, workers)  # (W,)
        self._last: dict[int, Tensor] = {}  # payload's size: the last aggregate of such payloads that arrived, (1, P) or (W, P)

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

    def deliver(self, payload: Tensor, ranks: list[int], weights: Tensor, index: int, steps: int) -> Tensor:
        """What everybody receives in the reduction `index`, (1, P), after `steps` program steps.

        `payload`, (W, P), is what all should send, and `weights`, (n,), the sequences behind that of each of the n `ranks` that
        counted. An attack is on, if the last of the steps is one at which they attack.
        """
        sent = payload[ranks]  # (n, P)
        draw = int(stream(self._seed, "reduction", index).integers(2**63))
        bad = self.attacking(steps - 1)[ranks]
        if bad.any():
            last = self._heard(payload.shape[1], np.array(ranks)[bad])
            sent = self._adversary.attack(sent, torch.from_numpy(bad).to(sent.device), last, draw)
        received = self._codec.decode(self._codec.encode(sent))
        return self._aggregator.aggregate(received, weights, draw)

    def deliver_in_groups(
        self, payload: Tensor, groups: NDArray[np.int64], ranks: list[int], weights: Tensor, index: int, steps: int
    ) -> Tensor:
        """What each worker receives in the reduction `index`, (W, P), where each of `groups`, (W,), aggregates for itself.

        As `deliver`. All of a group receive the same. A group of which nobody counted keeps its payload, and so does a worker
        that is a group by itself: nothing travels.
        """
        travels = np.bincount(groups)[groups[ranks]] > 1
        senders = np.array(ranks, np.int64)[travels]  # (n,)
        received = self._received(payload, senders, groups[senders], index, steps)  # (n, P)
        weights = weights[torch.from_numpy(travels).to(weights.device)]
        answer = payload.clone()
        for group in np.unique(groups[senders]):
            own = np.flatnonzero(groups[senders] == group)
            draw = self._draw(index, int(group))
            answer[groups == group] = self._aggregator.aggregate(received[own], weights[own], draw)
        return answer

    def exchange(self, payload: Tensor, mixing: NDArray[np.float64], ranks: list[int], index: int, steps: int) -> Tensor:
        """What each worker makes of gossip in the reduction `index`, (W, P), after `steps` program steps.

        Each of the `ranks` that counted gets Σ_j mixing[i, j] payload[j] over all of them. Its own payload is what it is, and
        takes the weights of those that did not count; those keep theirs. Raises SkipError where the aggregator is no mean.
        """
        if not self._aggregator.linear:
            raise SkipError("gossip weighs each payload by its edge, which leaves nothing to this aggregator")
        among = mixing[np.ix_(ranks, ranks)]  # (n, n)
        np.fill_diagonal(among, 0)
        own = 1 - among.sum(1, keepdims=True)  # (n, 1)
        travels = among.any(0)
        senders = np.array(ranks, np.int64)[travels]  # (m,)
        received = self._received(payload, senders, np.zeros_like(senders), index, steps)  # (m, P)
        others = torch.from_numpy(among[:, travels]).to(payload)  # (n, m)
        answer = payload.clone()
        answer[ranks] = torch.from_numpy(own).to(payload) * payload[ranks] + others @ received
        return answer

    def _received(self, payload: Tensor, ranks: NDArray[np.int64], groups: NDArray[np.int64], index: int, steps: int) -> Tensor:
        """What others see of the payloads of `ranks`, (n, P); the bad ones of each of their `groups`, (n,), attack together."""
        sent = payload[ranks]  # (n, P)
        bad = self.attacking(steps - 1)[ranks]
        for group in np.unique(groups[bad]):
            own = np.flatnonzero(groups == group)
            last = self._heard(payload.shape[1], ranks[own][bad[own]])
            liars = torch.from_numpy(bad[own]).to(sent.device)
            sent[own] = self._adversary.attack(sent[own], liars, last, self._draw(index, int(group)))
        return self._codec.decode(self._codec.encode(sent)) if len(ranks) else sent

    def _draw(self, index: int, group: int) -> int:
        """What seeds the randomness of a group in the reduction `index`."""
        return int(stream(self._seed, "reduction", index, group).integers(2**63))

    def _heard(self, columns: int, ranks: NDArray[np.int64]) -> Tensor | None:
        """What each of `ranks` received last of so many columns, (n, P), or (1, P) where that was one for all."""
        last = self._last.get(columns)
        return last if last is None or len(last) == 1 else last[ranks]

    def arrived(self, aggregate: Tensor) -> None:
        """Everybody has received `aggregate`, (1, P), or its row of (W, P), and may send it again."""
        if self.bad.any():
            self._last[aggregate.shape[1]] = aggregate.clone()  # an algorithm may change what it was handed
