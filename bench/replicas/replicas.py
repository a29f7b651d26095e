"""The model copies of all workers as one flat tensor, with the state of their inner optimizers."""

from copy import copy

from torch import Tensor

from bench.optimizer import LearningRateSchedule, Optimizer, State
from bench.replicas.layout import Layout


class Replicas:
    """R copies of a model: `params`, (R, P), and optimizer state with R rows.

    R is the number of workers, or 1 where an algorithm keeps all replicas identical, or where the others' are elsewhere. `rank`
    is that of the first row, and `workers` the number in the run, R unless it is given. `layout` says which columns are which
    tensor. `step_index` is the program step under way, which sets the learning rate: the interpreter moves it. On the meta
    device this is a shadow: shapes and bytes without numbers. A worker's own program gets `one` row of all.
    """

    def __init__(
        self,
        params: Tensor,
        optimizer: Optimizer,
        schedule: LearningRateSchedule,
        layout: Layout | None = None,
        *,
        rank: int = 0,
        workers: int | None = None,
    ) -> None:
        all_workers = len(params) if workers is None else workers
        if not 0 <= rank <= all_workers - len(params):
            raise ValueError(f"rank must be that of the first of {len(params)} rows of {all_workers} workers, got {rank}")
        self.params = params
        self.layout = layout or Layout.plain(params.shape[1])
        self.state: State = optimizer.state(params, self.layout.shapes)
        self.step_index: float = 0
        self.rank, self.workers = rank, all_workers
        self._optimizer, self._schedule = optimizer, schedule

    def one(self, rank: int) -> "Replicas":
        """The replica of the worker `rank` alone, as a view with a step index of its own."""
        row = copy(self)
        row.params = self.params[rank : rank + 1]  # (1, P)
        row.state = {name: tensor[rank : rank + 1] for name, tensor in self.state.items()}
        row.rank = rank
        return row

    def step(self, gradient: Tensor) -> None:
        """One optimizer step of every replica along `gradient`, (R, P) or (1, P)."""
        if not self.params.is_meta:
            self.step_rows(slice(None), gradient.expand_as(self.params), self.step_index)

    def step_rows(self, rows: slice, gradient: Tensor, step_index: float) -> None:
        """One optimizer step of the replicas `rows` along `gradient`, (n, P), at the program step `step_index`."""
        state = {name: tensor[rows] for name, tensor in self.state.items()}
        self._optimizer.step(self.params[rows], gradient, state, self._schedule.scale(step_index), self.layout.shapes)

    def forget_state(self) -> None:
        """Every replica's optimizer is as if it had never stepped."""
        for tensor in self.state.values():
            tensor.zero_()

    def keep(self, name: str, rows: Tensor) -> Tensor:
        """Hold `rows`, (R, n), that an algorithm changes in place: state of a worker, who downloads it with the rest."""
        if name in self.state:
            raise ValueError(f"name must not be one of {', '.join(self.state)}, got '{name}'")
        self.state[name] = rows
        return rows

    def copy_state(self, source: int, targets: list[int]) -> None:
        """Give `targets` the optimizer state of `source`, as a worker does that downloads state."""
        for tensor in self.state.values():
            tensor[targets] = tensor[source].clone()

    @property
    def lr_scale(self) -> float:
        """The learning-rate schedule's factor at the program step under way, for what steps without the optimizer."""
        return self._schedule.scale(self.step_index)

    @property
    def state_bytes(self) -> int:
        """Bytes of one worker's parameters and optimizer state."""
        return sum(tensor[:1].nbytes for tensor in (self.params, *self.state.values()))

    def consensus(self, ranks: list[int] | None = None) -> Tensor:
        """The mean of all replicas, or of those of `ranks`, (1, P): the model that is evaluated."""
        if len(self.params) == 1:
            return self.params
        return self.params.mean(0, keepdim=True) if ranks is None else self.params[ranks].mean(0, keepdim=True)
