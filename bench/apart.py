"""Reads the program of one worker or server word by word, where each has a program of its own."""

from typing import Any, Generic, Protocol, TypeVar

from bench.algorithm import (
    Arrival,
    Average,
    Backward,
    Forward,
    Handle,
    Program,
    Pull,
    Push,
    Receive,
    Start,
    Train,
    Wait,
)

Lasting = Train | Forward | Backward | Pull | Push | Average
"""Operations that are not answered at once; the order of events counts them."""

Started = TypeVar("Started")
Begun = TypeVar("Begun", covariant=True)


class Interpreter(Protocol[Begun]):
    """What an interpreter of such programs gives a meaning to."""

    def start(self, node: int, operation: Lasting, number: int) -> Begun:
        """Begin `operation`, the lasting one of that `number`, from 0, of the program of `node`."""
        ...

    def receive(self, node: int, operation: Receive) -> Arrival | None:
        """The next arrival at a server; None if there is none yet."""
        ...


class Process(Generic[Started]):
    """The program of a node, and where it is. Nodes are ranks, or the number of workers plus that of a server."""

    def __init__(self, node: int, program: Program, interpreter: Interpreter[Started], is_server: bool) -> None:
        self._node, self._program, self._interpreter, self._is_server = node, program, interpreter, is_server
        self._begun = 0
        self._under_way: dict[int, Started] = {}
        self._answers: dict[int, Any] = {}  # of what is over and was not waited for
        self._handles: dict[Handle, int] = {}
        self._waits_for: int | None = None
        self.is_receiving = False

    def go_on(self, answer: Any = None) -> None:
        """Run the program, with the `answer` that it waits for, until it waits again.

        Raises ValueError where it waits for what it may not, yields what a worker or server cannot do, or ends by itself.
        """
        self.is_receiving = False
        while True:
            try:
                operation = self._program.send(answer)
            except StopIteration:
                raise ValueError(
                    f"a program must go on until it is closed; that of node {self._node} ended by itself"
                ) from None
            match operation:
                case Start(operation=(Pull() | Push() | Average()) as begun) if self._can(begun):
                    answer = Handle()
                    self._handles[answer] = self._start(begun)
                case Wait(handle=Handle() as handle) if handle in self._handles:
                    number = self._handles.pop(handle)
                    if number in self._under_way:
                        self._waits_for = number
                        return
                    answer = self._answers.pop(number)
                case Wait():
                    raise ValueError("Wait must be given a handle that Start answered in this program, once")
                case Receive() if self._is_server:
                    answer = self._interpreter.receive(self._node, operation)
                    if answer is None:
                        self.is_receiving = True
                        return
                case Train() | Forward() | Backward() | Pull() | Push() | Average() if self._can(operation):
                    self._waits_for = self._start(operation)
                    return
                case _:
                    raise ValueError(f"a program of its own must not yield {operation!r}; that of node {self._node} does")

    def under_way(self, number: int) -> Started:
        """What was started as the operation of that `number`. Raises ValueError if it was not, or is over."""
        if number not in self._under_way:
            raise ValueError(f"node {self._node} is not about an operation {number}: the order is not that of its program")
        return self._under_way[number]

    def end(self, number: int, answer: Any) -> None:
        """An operation is over; if the program waits for it, it goes on."""
        del self._under_way[number]
        if self._waits_for == number:
            self._waits_for = None
            self.go_on(answer)
        else:
            self._answers[number] = answer

    def close(self) -> None:
        """The program goes no further."""
        self._program.close()

    def _start(self, operation: Lasting) -> int:
        number, self._begun = self._begun, self._begun + 1
        self._under_way[number] = self._interpreter.start(self._node, operation, number)
        return number

    def _can(self, operation: Lasting) -> bool:
        """A server neither trains nor has parameters to average."""
        return not self._is_server or isinstance(operation, (Pull, Push))
