"""How a program is read: rounds, and words that make no sense."""

import pytest
from worlds import scenario, simulate

from bench.algorithm import Algorithm, AllReduce, Backward, Start, Train, Wait
from bench.lockstep import play


class Written:
    """An interpreter that writes down what it is asked for, for so many rounds."""

    def __init__(self, rounds):
        self.rounds, self.words = rounds, []

    def compute(self, operation, opens):
        name = operation.steps if isinstance(operation, Train) else type(operation).__name__[0].lower()
        self.words.append(name if opens else f"{name}…")

    def start(self, operation):
        self.words.append(f"start {operation.payload}")
        return operation.payload

    def wait(self, started):
        self.words.append(f"wait {started}")
        return f"result {started}"

    def end_round(self, steps):
        self.words.append(f"| {steps}")
        self.rounds -= 1
        return not self.rounds


def written(program, rounds):
    interpreter = Written(rounds)
    play(program, interpreter, 10)
    return interpreter.words


def test_an_all_reduce_is_a_start_and_a_wait():
    def program():
        while True:
            yield Train(3)
            assert (yield Backward()) is None
            assert (yield AllReduce("x")) == "result x"

    assert written(program(), 2) == [3, "b", "start x", "wait x", "| 4", 3, "b", "start x", "wait x", "| 8"]


def test_what_is_handed_out_before_the_first_step_makes_no_round():
    def program():
        while True:
            yield AllReduce("x")
            yield Train(2)
            yield AllReduce("y")

    first = ["start x", "wait x", 2, "start y", "wait y"]
    assert written(program(), 2) == [*first, "start x", "wait x", "| 2", *first[2:], "start x", "wait x", "| 4"]


def test_a_round_ends_where_a_segment_opens_after_a_result():
    def program():
        yield Train(1)
        handle = yield Start(AllReduce("x"))
        while True:
            yield Train(2)  # after a start and, from the second time on, a result
            before, handle = handle, (yield Start(AllReduce("y")))
            yield Train(3)  # after a start, and no result
            assert (yield Wait(before)).startswith("result")
            yield Train(4)  # in the middle of a segment

    words = [1, "start x", 2, "start y", 3, "wait x", 4, 2, "start y", "| 12", "wait y", "wait y"]
    assert written(program(), 1) == words


def test_what_is_left_in_the_air_is_waited_for():
    def program():
        while True:
            yield Train(1)
            yield Start(AllReduce("x"))
            handle = yield Start(AllReduce("y"))
            yield Wait(handle)

    assert written(program(), 2) == [
        *[1, "start x", "start y", "wait y", "| 1"],
        *[1, "start x", "start y", "wait y", "| 2"],
        *["wait x", "wait x"],
    ]


def foreign():
    handle = None

    def program():
        nonlocal handle
        while True:
            yield Train(1)
            handle = yield Start(AllReduce("x"))
            yield Wait(handle)

    written(program(), 1)
    return handle


def twice():
    handle = yield Start(AllReduce("x"))
    yield Wait(handle)
    yield Wait(handle)


def of(*operations):
    yield from operations


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (twice(), "Wait must be given a handle once; got one that was waited for before"),
        (of(Wait(foreign())), "a handle that Start answered in this program, got <bench.algorithm.ops.Handle"),
        (of(Wait(None)), "a handle that Start answered in this program, got None"),
        (of(Wait([])), r"a handle that Start answered in this program, got \[\]"),
        (of(Start(Train(1))), "Start must be given what moves bytes between workers, got Train"),
        (of("train"), "a program of all workers must yield operations between them, got 'train'"),
        (of(Train(2), Train(1)), "a program must go on until it is closed; this one ended after 3 steps"),
    ],
)
def test_words_that_make_no_sense_are_told(program, message):
    with pytest.raises(ValueError, match=message):
        written(program, 1)


def test_the_simulator_tells_so_too():
    class Twice(Algorithm):
        def run(self, replicas):
            yield Train(1)
            handle = yield Start(AllReduce(replicas.params))
            yield Wait(handle)
            yield Wait(handle)

    with pytest.raises(ValueError, match="waited for before"):
        simulate(Twice(), scenario(), steps=1)
