"""What becomes of payloads that are sent one by one: attack → encode → decode. The Replay's side of `bench.delivery`."""

import torch
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
from bench.algorithm import Push
from bench.codec import Codec
from bench.delivery import Delivery
from bench.errors import SkipError
from bench.seeds import stream


class OneByOne(Delivery):
    """The pushes of one run. Raises SkipError for a rule or an attack that needs several payloads at once.

    A free rider that sends what it got sends the last payload of that size that any server took in.
    """

    def __init__(self, codec: Codec, aggregator: Aggregator, adversary: Adversary, seed: int, workers: int) -> None:
        super().__init__(codec, aggregator, adversary, seed, workers)
        if not aggregator.linear:
            raise SkipError("a server takes payloads in one by one, and this aggregator compares several")
        if adversary.fraction and adversary.sees_others:
            raise SkipError("payloads are sent one by one, and this adversary looks at those of others to make its own")
        self._pushes = 0

    def send(self, push: Push, sender: int, step: int) -> Tensor:
        """What a server will get of the payload of `push`, (1, n), that leaves `sender` at the program step `step`."""
        payload = push.payload.clone()
        index, self._pushes = self._pushes, self._pushes + 1
        draw = int(stream(self._seed, "reduction", index).integers(2**63))
        if sender < len(self.bad) and self.attacking(step)[sender]:
            everybody = torch.ones(1, dtype=torch.bool, device=payload.device)
            payload = self._adversary.attack(payload, everybody, self._last.get(payload.shape[1]), draw)
        return self._codec.decode(self._codec.encode(payload)) if push.encoded else payload
