"""What becomes of payloads that are sent one by one: attack → encode → decode. The Replay's side of `bench.delivery`."""

import torch
from torch import Tensor

from bench.algorithm import Push
from bench.delivery import Delivery
from bench.errors import SkipError
from bench.seeds import stream


class OneByOne(Delivery):
    """The pushes of one run.

    A free rider that sends what it got sends the last payload about the same part that any server took in from a worker.
    """

    _pushes = 0  # so far

    def check(self) -> None:
        """Raises SkipError for a rule or an attack that needs several payloads at once."""
        if not self._aggregator.linear:
            raise SkipError("a server takes payloads in one by one, and this aggregator compares several")
        if self._adversary.fraction and self._adversary.sees_others:
            raise SkipError("payloads are sent one by one, and this adversary looks at those of others to make its own")

    def check_averages(self) -> None:
        """Raises SkipError where two workers that average their parameters would not see what they are."""
        if self.bad.any() and not self._adversary.flips_labels:
            raise SkipError("two workers average their parameters as they are, and this adversary sends others")

    def send(self, push: Push, sender: int, step: int) -> Tensor:
        """What a server will get of a payload, (1, n), that leaves the node `sender` at the program step `step`."""
        payload, is_worker = push.payload.clone(), sender < len(self.bad)
        index, self._pushes = self._pushes, self._pushes + 1
        draw = int(stream(self._seed, "reduction", index).integers(2**63))
        if is_worker and self.attacking(step)[sender]:
            everybody = torch.ones(1, dtype=torch.bool, device=payload.device)
            payload = self._adversary.attack(payload, everybody, self._last.get((push.part, payload.shape[1])), draw)
        if not push.encoded:
            return payload
        return self._coded(payload, [sender], push.part, self._memory if is_worker else None, draw)
