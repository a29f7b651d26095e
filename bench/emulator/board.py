"""Replicas of all workers, and what servers publish, in memory that the processes of an emulation share: beside the links."""

from copy import copy
from pathlib import Path

import torch
from torch import Tensor

from bench.optimizer import State
from bench.replicas import Replicas


class Board:
    """A row for each node: of a model of so many `columns`, and of optimizer states like `state`, one row of each.

    Whoever looks at another's row, or changes any, does so at a moment of the journal.
    """

    def __init__(self, folder: Path, columns: int, state: State) -> None:
        self._folder, self._columns, self._state = folder, columns, state
        self._rows: dict[int, Tensor] = {}

    def params(self, node: int) -> Tensor:
        """The parameters of a worker, or that a server publishes, (1, P)."""
        return self._row(node)[:, : self._columns]

    def state(self, rank: int) -> State:
        """The optimizer state of a worker, (1, …) each."""
        pieces = self._row(rank)[0, self._columns :].split([tensor.numel() for tensor in self._state.values()])
        return {name: piece.view(tensor.shape) for (name, tensor), piece in zip(self._state.items(), pieces, strict=True)}

    def replica(self, rank: int, like: Replicas) -> Replicas:
        """That of a worker, with all that `like` has but its numbers."""
        replica = copy(like)
        replica.params, replica.state = self.params(rank), self.state(rank)
        return replica

    def _row(self, node: int) -> Tensor:
        if node not in self._rows:
            size = self._columns + sum(tensor.numel() for tensor in self._state.values())
            path = str(self._folder / f"replica-{node}")
            self._rows[node] = torch.from_file(path, shared=True, size=size, dtype=torch.float32)[None]
        return self._rows[node]
