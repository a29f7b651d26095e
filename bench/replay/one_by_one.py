"""What becomes of payloads that are sent one by one: attack → encode → decode. The Replay's side of `bench.delivery`."""

import torch
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.algorithm import Push
from bench.codec import Codec
from bench.delivery import Delivery
from bench.errors import SkipError
from bench.feedback import Feedback
from bench.replicas import Layout
from bench.seeds import stream


class OneByOne(Delivery):
    """The pushes of one run. Raises SkipError for a rule or an attack that needs several payloads at once.

    A free rider that sends what it got sends the last payload of that size that any server took in.
    """

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
        super().__init__(codec, feedback, aggregator, adversary, seed, workers, layout)
        if not aggregator.linear:
            raise SkipError("a server takes payloads in one by one, and this aggregator compares several")
        if adversary.fraction and adversary.sees_others:
            raise SkipError("payloads are sent one by one, and this adversary looks at those of others to make its own")
        self._pushes = 0

    def send(self, push: Push, sender: int, step: int) -> Tensor:
        """What a server will get of a payload, (1, n), that leaves the node `sender` at the program step `step`."""
        payload, is_worker = push.payload.clone(), sender < len(self.bad)
        index, self._pushes = self._pushes, self._pushes + 1
        draw = int(stream(self._seed, "reduction", index).integers(2**63))
        if is_worker and self.attacking(step)[sender]:
            everybody = torch.ones(1, dtype=torch.bool, device=payload.device)
            payload = self._adversary.attack(payload, everybody, self._last.get(payload.shape[1]), draw)
        if not push.encoded:
            return payload
        return self._coded(payload, [sender], push.part, self._memory if is_worker else None, draw)
