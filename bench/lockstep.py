"""Reads a program of all workers word by word, and puts to an interpreter what each word asks."""

from typing import Protocol, TypeVar
from weakref import WeakSet

from torch import Tensor

from bench.algorithm import (
    AllGather,
    AllReduce,
    Backward,
    Exchange,
    Forward,
    Handle,
    Pipeline,
    Program,
    ReduceScatter,
    Start,
    Train,
    Wait,
)

Compute = Train | Forward | Backward | Pipeline
Shared = AllReduce | ReduceScatter | AllGather | Exchange
"""Transports between all workers, or groups of them."""

Started = TypeVar("Started")


class Interpreter(Protocol[Started]):
    """What an interpreter that drives all workers with one program gives a meaning to.

    A *segment* is the compute between one start and the next: what that next one sends. A *round* ends before the program step
    that opens a segment, if a result was handed out since the last round ended: where a program begins to repeat itself.
    What is handed out before the first step belongs to the first round.
    """

    def compute(self, operation: Compute, opens: bool) -> Tensor | None:
        """What `operation` answers; `opens` says whether it begins a program step, rather than going on with one."""
        ...

    def start(self, operation: Shared) -> Started:
        """Begin `operation` at the end of a segment."""
        ...

    def wait(self, started: Started) -> Tensor:
        """What the operation that was `started` answers."""
        ...

    def end_round(self, steps: int) -> bool:
        """A round ends, after `steps` program steps from the start; true if it is the last."""
        ...


def play(program: Program, interpreter: Interpreter[Started], columns: int) -> None:
    """Run `program` to the end of the round that `interpreter` calls the last, then wait for what is still in the air.

    The model has so many `columns`. Raises ValueError where a program waits for what it may not, starts what cannot be, goes
    over a step's columns other than once each, or ends by itself.
    """
    under_way: dict[Handle, Started] = {}
    over: WeakSet[Handle] = WeakSet()
    steps = 0  # program steps so far
    step = Step(columns)
    opens_segment = True  # the next compute does
    handed_out = False  # a result, in this round
    answer: Tensor | Handle | None = None
    while True:
        try:
            operation = program.send(answer)
        except StopIteration:
            raise ValueError(f"a program must go on until it is closed; this one ended after {steps} steps") from None
        match operation:
            case Train() | Forward() | Backward() | Pipeline():
                begins = step.begins(operation)
                if begins and opens_segment and handed_out and steps:
                    if interpreter.end_round(steps):
                        break
                    handed_out = False
                answer = interpreter.compute(operation, begins)
                if begins:
                    steps += operation.steps if isinstance(operation, Train) else 1
                opens_segment = False
            case AllReduce() | ReduceScatter() | AllGather() | Exchange():
                answer = interpreter.wait(interpreter.start(operation))
                opens_segment = handed_out = True
            case Start(operation=(AllReduce() | ReduceScatter() | AllGather() | Exchange()) as started):
                answer = Handle()
                under_way[answer] = interpreter.start(started)
                opens_segment = True
            case Wait(handle=Handle() as handle) if handle in under_way:
                answer = interpreter.wait(under_way.pop(handle))
                over.add(handle)
                handed_out = True
            case Wait(handle=Handle() as handle) if handle in over:
                raise ValueError("Wait must be given a handle once; got one that was waited for before")
            case Wait():
                raise ValueError(f"Wait must be given a handle that Start answered in this program, got {operation.handle!r}")
            case Start():
                raise ValueError(f"Start must be given what moves bytes between workers, got {operation.operation!r}")
            case _:
                raise ValueError(f"a program of all workers must yield operations between them, got {operation!r}")
    program.close()
    for left in under_way.values():
        interpreter.wait(left)


class Step:
    """How far the program step under way has come: forward, then backward, each of all columns."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._forward = self._backward = 0  # columns that were done, in a step that is open

    @property
    def is_open(self) -> bool:
        """Whether a step is under way, of which parts are missing."""
        return self._forward > 0

    def begins(self, operation: Compute) -> bool:
        """Whether `operation` begins a step. Raises ValueError where another is under way, of which it is no part."""
        part = None if isinstance(operation, Train | Pipeline) else operation.part
        size = self._columns if part is None else part.size
        match operation:
            case Forward() if not self._backward and self._forward + size <= self._columns:
                self._forward += size
                return self._forward == size
            case Backward() if self._forward == self._columns and self._backward + size <= self._columns:
                self._backward += size
                if self._backward == self._columns:
                    self._forward = self._backward = 0
                return False
            case Train() | Backward(part=None) | Pipeline() if not self.is_open:
                return True
        done = f"{self._forward} columns forward and {self._backward} backward of {self._columns}"
        raise ValueError(f"a step must go forward, then backward, over each column once; after {done}, got {operation!r}")
