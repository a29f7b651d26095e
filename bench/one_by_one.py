"""What becomes of payloads that are sent one by one: attack → encode → decode. The Replay's side of `bench.delivery`."""

import torch
from torch import Tensor

from bench.adversary import Adversary
from bench.aggregator import Aggregator
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
        self._sent = 0

    def send(self, payload: Tensor, sender: int, step: int, encoded: bool) -> Tensor:
        """What a server will get of a payload, (1, n), that leaves `sender` at the program step `step`."""
        payload = payload.clone()
        index, self._sent = self._sent, self._sent + 1
        if sender < len(self.bad) and self.attacking(step)[sender]:
            draw = int(stream(self._seed, "reduction", index).integers(2**63))
            everybody = torch.ones(1, dtype=torch.bool, device=payload.device)
            payload = self._adversary.attack(payload, everybody, self._last.get(payload.shape[1]), draw)
        return self._codec.decode(self._codec.encode(payload)) if encoded else payload
