"""Reads an algorithm's program word by word, and puts to an interpreter what each word asks."""

from typing import Protocol, TypeVar
from weakref import WeakSet

from torch import Tensor

from bench.algorithm import AllReduce, Backward, Handle, Program, Start, Train, Wait

Started = TypeVar("Started")


class Interpreter(Protocol[Started]):
    """What a lockstep interpreter, one that drives all workers with one program, gives a meaning to.

    A *segment* is the compute between one start and the next: what that next one sends. A *round* ends before the compute
    that opens a segment, if a result was handed out since the last round ended: where a program begins to repeat itself.
    """

    def compute(self, operation: Train | Backward) -> Tensor | None:
        """What `operation` answers."""
        ...

    def start(self, operation: AllReduce) -> Started:
        """Begin `operation` at the end of a segment."""
        ...

    def wait(self, started: Started) -> Tensor:
        """What the operation that was `started` answers."""
        ...

    def end_round(self, steps: int) -> bool:
        """A round ends, after `steps` program steps from the start; true if it is the last."""
        ...


def play(program: Program, interpreter: Interpreter[Started]) -> None:
    """Run `program` to the end of the round that `interpreter` calls the last, then wait for what is still in the air.

    Raises ValueError where a program waits for what it may not, starts what cannot be, or ends by itself.
    """
    under_way: dict[Handle, Started] = {}
    over: WeakSet[Handle] = WeakSet()
    steps = 0  # program steps so far
    opens = True  # the next compute opens a segment
    handed_out = False  # a result, in this round
    answer: Tensor | Handle | None = None
    while True:
        try:
            operation = program.send(answer)
        except StopIteration:
            raise ValueError(f"a program must go on until it is closed; this one ended after {steps} steps") from None
        match operation:
            case Train() | Backward():
                if opens and handed_out:
                    if interpreter.end_round(steps):
                        break
                    handed_out = False
                answer = interpreter.compute(operation)
                steps += operation.steps if isinstance(operation, Train) else 1
                opens = False
            case AllReduce():
                answer = interpreter.wait(interpreter.start(operation))
                opens = handed_out = True
            case Start(operation=AllReduce() as started):
                answer = Handle()
                under_way[answer] = interpreter.start(started)
                opens = True
            case Wait(handle=Handle() as handle) if handle in under_way:
                answer = interpreter.wait(under_way.pop(handle))
                over.add(handle)
                handed_out = True
            case Wait(handle=Handle() as handle) if handle in over:
                raise ValueError("Wait must be given a handle once; got one that was waited for before")
            case Wait():
                raise ValueError(f"Wait must be given a handle that Start answered in this program, got {operation.handle!r}")
            case Start():
                raise ValueError(f"Start must be given an AllReduce, got {operation.operation!r}")
            case _:
                raise ValueError(f"a program must yield operations, got {operation!r}")
    program.close()
    for left in under_way.values():
        interpreter.wait(left)
