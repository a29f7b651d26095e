"""Work of asynchronous workers, which is put off until a result is needed: then all that has begun is computed in stacks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from bench.lanes import Lanes
from bench.optimizer import LearningRateSchedule, Optimizer, State
from bench.schedule import Kind, Order
from bench.stacked import Stacked


@dataclass
class Work:
    """Local steps of one worker, or one gradient, from what its replica was when they began.

    Each local step has a point of the learning-rate schedule, counted in program steps; a gradient has one and takes no step.
    """

    rank: int
    params: Tensor  # (1, P), its own copy
    state: State  # of its optimizer, a row each; only where it steps
    batch: int  # number of its first batch
    sequences: int  # of each batch
    points: list[float]
    flips: list[bool]  # whether it trains on wrong targets, for each point
    steps: bool  # True for local steps, False for a gradient
    result: Tensor | None = None  # (1, P) parameters, or gradient
    state_after: State = field(default_factory=dict)


class Pending:
    """Work that has begun and will end, in stacks of up to `size` workers, each stack in a lane.

    The numbers depend on what is computed together only through the order of sums. Who has fewer local steps than others of
    its stack leaves it early.
    """

    def __init__(self, stacked: Stacked, optimizer: Optimizer, schedule: LearningRateSchedule, lanes: Lanes, size: int) -> None:
        self._stacked, self._optimizer, self._schedule, self._lanes, self._size = stacked, optimizer, schedule, lanes, size
        self._works: list[Work] = []

    def add(self, work: Work) -> None:
        """`work` has begun; its result will be needed."""
        self._works.append(work)

    def result(self, work: Work) -> Tensor:
        """The parameters after the local steps of `work`, or its gradient, (1, P)."""
        if work.result is None:
            stacks = [stack for works in _alike(self._works) for stack in _stacks(works, self._size)]
            stacks.sort(key=lambda stack: len(stack[0].points), reverse=True)  # the longest first
            self._works = []
            self._lanes.run(self._compute, stacks)
        assert work.result is not None, "its lane was stopped"
        return work.result

    def _compute(self, works: list[Work]) -> None:
        """The results of a stack, those with the most local steps first."""
        params = torch.cat([work.params for work in works])  # (n, P)
        state = {name: torch.cat([work.state[name] for work in works]) for name in works[0].state}
        for step in range(len(works[0].points)):
            if self._lanes.stopping:
                return
            active = [work for work in works if step < len(work.points)]  # m of them, the first ones
            tokens = torch.stack([self._stacked.batch(work.rank, work.batch + step, work.sequences) for work in active])
            targets = self._stacked.targets(tokens, torch.tensor([work.flips[step] for work in active]))
            gradient = self._stacked.gradient(params[: len(active)], tokens, targets)  # (m, P)
            if not works[0].steps:
                params = gradient
                break
            for row, work in enumerate(active):  # each at a point of its own
                one = slice(row, row + 1)
                mine = {name: tensor[one] for name, tensor in state.items()}
                scale = self._schedule.scale(work.points[step])
                self._optimizer.step(params[one], gradient[one], mine, scale, self._stacked.shapes)
        for row, work in enumerate(works):
            one = slice(row, row + 1)
            work.result, work.state_after = params[one], {name: tensor[one] for name, tensor in state.items()}


class Ends:
    """What lies ahead in an order: which operations end, in which of a node's lives."""

    def __init__(self, order: Order) -> None:
        self._life = dict.fromkeys(range(order.workers), 0)
        self._ended: set[tuple[int, int, int]] = set()
        self.absent: set[int] = set()  # who is not there at the start: joins before it ever drops out
        life = dict(self._life)
        for kind, node, number in order:
            if kind == Kind.DONE:
                self._ended.add((node, life.get(node, 0), number))
            elif kind in (Kind.DROP, Kind.JOIN):
                if kind == Kind.JOIN and life[node] == 0:
                    self.absent.add(node)
                life[node] += 1

    def has(self, node: int, number: int) -> bool:
        """Whether the operation of that `number` of the node's life under way ends."""
        return (node, self._life.get(node, 0), number) in self._ended

    def next_life(self, rank: int) -> None:
        """`rank` drops out or comes back."""
        self._life[rank] += 1


def _alike(works: Iterable[Work]) -> list[list[Work]]:
    """Works that can be stacked: of the same kind, with batches of the same shape; in each list, those of many steps first."""
    groups: dict[tuple[bool, int], list[Work]] = {}
    for work in sorted(works, key=lambda work: len(work.points), reverse=True):
        groups.setdefault((work.steps, work.sequences), []).append(work)
    return list(groups.values())


def _stacks(works: list[Work], size: int) -> list[list[Work]]:
    """`works` in consecutive stacks of at most `size`, as equal as can be; an even number of them, for lanes are seldom odd."""
    count = -(-len(works) // size)
    count = min(len(works), count + count % 2)
    cuts = [len(works) * number // count for number in range(count + 1)]
    return [works[first:last] for first, last in pairwise(cuts)]
