"""Token streams cut into batches."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import DataError
from bench.seeds import uniforms


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

    def batch(self, seed: int, rank: int, step: int, sequences: int, context: int) -> Tensor:
        """The batch named (seed, rank, step): `sequences` windows of the training tokens, (B, T+1)."""
        draws = step * sequences + np.arange(sequences)
        return self._windows(self.train, uniforms(seed, "data", ranks=rank, draws=draws), context)

    def evaluation(self, sequences: int, context: int) -> Tensor:
        """Windows of the held-out tokens, evenly spaced and always the same, (B, T+1)."""
        return self._windows(self.held_out, (np.arange(sequences) + 0.5) / sequences, context)

    def _windows(self, tokens: NDArray[np.uint8], places: NDArray[np.float64], context: int) -> Tensor:
        starts = len(tokens) - context  # a window of T+1 tokens can begin at any of these
        if starts < 1:
            raise DataError(f"the text is too short: {len(tokens)} tokens, model.context = {context} needs {context + 1}")
        begin = (places * starts).astype(np.int64)
        return torch.from_numpy(tokens[begin[:, None] + np.arange(context + 1)].astype(np.int64))
