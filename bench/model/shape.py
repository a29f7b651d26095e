"""The arithmetic of a GPT: parameters, FLOPs and bytes from its shape alone."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A decoder-only transformer with pre-norm blocks, learned positions, a 4x MLP and tied embeddings."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    context: int  # tokens a sequence
    batch: int  # sequences a worker takes in one step

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "vocabulary", "context", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"heads must divide width = {self.width}, got {self.heads}")

    @property
    def parameters(self) -> int:
        """Embeddings, 12 D² and two norms a layer, and a final norm; no biases but the norms'."""
        embeddings = (self.vocabulary + self.context) * self.width
        layer = 12 * self.width**2 + 4 * self.width
        return embeddings + self.layers * layer + 2 * self.width

    @property
    def step_tokens(self) -> int:
        """Tokens a worker takes in one step."""
        return self.batch * self.context

    @property
    def step_flops(self) -> float:
        """Forward and backward of one worker's step (Chowdhery et al., PaLM, 2022, appendix B).

        6 a token for each parameter in a matrix product (the tied embedding once, as the output layer; a look-up and the
        norms take none), and 12 L D T for attention, not halved for causality.
        """
        matrices = 12 * self.layers * self.width**2 + self.vocabulary * self.width
        attention = 12 * self.layers * self.width * self.context
        return float((6 * matrices + attention) * self.step_tokens)

    @property
    def step_traffic(self) -> float:
        """Least bytes through memory in one step of mixed-precision AdamW, whatever the batch.

        A parameter is read in bf16 forward and backward (4), its fp32 gradient written and read (8); the optimizer reads and
        writes it and both moments in fp32 (24).
        """
        return 36.0 * self.parameters
