"""Error feedback: what a codec left out is sent later (Seide et al., 2014; Karimireddy et al., ICML 2019, arXiv:1901.09847)."""

from bench.feedback.memory import Memory


class ErrorFeedback:
    """A worker encodes x = `decay` e + payload, and remembers e = x - what its receivers see of it.

    With a decay of 1 nothing is lost. SparseLoCo (arXiv:2508.15706) has 0.95, and DeMo (arXiv:2411.19870), whose decoupled
    momentum is this memory, 0.999. Where an aggregate is encoded again, who does so remembers what that leaves out, too
    (DoubleSqueeze, Tang et al., ICML 2019, arXiv:1905.05957), with the same decay.
    """

    on = True

    def __init__(self, *, decay: float) -> None:
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be in (0, 1], got {decay:g}")
        self.decay = decay

    def memory(self, senders: int, columns: int) -> Memory:
        return Memory(self.decay, senders, columns)
