"""Token streams cut into batches."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.seeds import uniforms

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Corpus:
    """Tokens to train on and tokens held out for evaluation; `entropy` is the source's, in nats a token, where known."""

    train: NDArray[np.uint8]
    held_out: NDArray[np.uint8]
    entropy: float = float("nan")

    @cached_property
    def digest(self) -> str:
        """A name for exactly these tokens."""
        return hashlib.sha256(self.train.tobytes() + b"|" + self.held_out.tobytes()).hexdigest()

    def batch(self, seed: int, rank: int, step: int, sequences: int, context: int) -> "Tensor":
        """The batch named (seed, rank, step): `sequences` windows of the training tokens, (B, T+1)."""
        draws = step * sequences + np.arange(sequences)
        return _windows("training", self.train, uniforms(seed, "data", ranks=rank, draws=draws), context)

    def evaluation(self, sequences: int, context: int) -> "Tensor":
        """Windows of the held-out tokens, evenly spaced and always the same, (B, T+1)."""
        return _windows("held-out", self.held_out, (np.arange(sequences) + 0.5) / sequences, context)


def _windows(part: str, tokens: NDArray[np.uint8], places: NDArray[np.float64], context: int) -> "Tensor":
    """Windows of T+1 tokens that begin at `places`, in [0, 1), of the text, (B, T+1)."""
    import torch  # two seconds: not for a row that is found by the fingerprint of its text

    starts = len(tokens) - context
    if starts < 1:
        raise DataError(
            f"the text of data is too short: its {part} part has {len(tokens)} tokens, "
            f"model.context = {context} needs {context + 1}"
        )
    begin = (places * starts).astype(np.int64)
    return torch.from_numpy(tokens[begin[:, None] + np.arange(context + 1)].astype(np.int64))
