"""What a codec makes of each payload of a run, as far as the clock is concerned."""

from torch import Tensor

from bench.codec import Codec
from bench.codec.base import Cost
from bench.feedback import Feedback
from bench.pace import Coding, Load
from bench.replicas import Layout, Part


class Codings:
    """The codings of one run; those of payloads that are alike are found out once."""

    def __init__(self, codec: Codec, feedback: Feedback | None) -> None:
        self._codec, self._remembers = codec, feedback is not None and feedback.on
        self._known: dict[tuple[Part | None, int], Coding] = {}  # by what a payload is about, and its columns

    @property
    def exact(self) -> bool:
        """Whether all payloads travel as they are."""
        return self._codec.exact

    def of(self, row: Tensor, part: Part | None, layout: Layout) -> Coding | None:
        """How one worker's payload, (1, n), about `part` of a model of that `layout` is encoded; None if it is not."""
        if self._codec.exact:
            return None
        key = part, row.shape[1]
        if key not in self._known:
            codec = self._codec
            wire = sum(tensor.nbytes for tensor in codec.encode(row, 0, layout.about(part, row.shape[1])))

            def load(cost: Cost) -> Load:
                return Load(cost.reads * row.nbytes + wire, cost.flops * row.shape[1])

            encode, decode = load(codec.encoding), load(codec.decoding)
            # The memory is read and written, and what was sent decoded, to know what it leaves out.
            first = encode + decode + Load(2.0 * row.nbytes, 2.0 * row.shape[1]) if self._remembers else encode
            self._known[key] = Coding(wire, codec.traffic, codec.rounds, first, encode, decode)
        return self._known[key]
