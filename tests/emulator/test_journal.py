"""One order of events from several processes, and replicas that they share."""

import os
from threading import Thread

import pytest
import torch
from test_own import settings

from bench.emulator.board import Board
from bench.emulator.journal import Journal, Over, order_of
from bench.schedule import Kind
from bench.setup import Setup
from bench.split import Effort


def in_child(task):
    """Run it in a process of its own, and wait for it."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            task()
            status = 0
        finally:
            os._exit(status)
    return pid


def test_moments_of_processes_and_of_threads_exclude_each_other(tmp_path):
    hub = Journal(tmp_path, 2, 3, 10**9)

    def work():
        journal = Journal(tmp_path, 2, 3, 10**9)

        def often():
            for _ in range(200):
                with journal.moment():
                    journal.append(Kind.DONE, 0, journal.next_push())
                    journal.done(3)

        threads = [Thread(target=often) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for pid in [in_child(work) for _ in range(3)]:
        assert os.waitpid(pid, 0)[1] == 0
    # 3 processes of 2 threads, 200 times each: 1200 pushes, numbered in the order in which they are written.
    events = hub.events()
    assert [number for _, _, number, _ in events] == list(range(1200))
    assert [second for *_, second in events] == sorted(second for *_, second in events)
    assert hub.worker_steps == 3600
    hub.close()


def test_a_killed_process_leaves_no_moment_open(tmp_path):
    hub = Journal(tmp_path, 1, 1, 5)
    reader, writer = os.pipe()

    def hold():
        with Journal(tmp_path, 1, 1, 5).moment():
            os.write(writer, b"x")
            os.read(os.pipe()[0], 1)  # for ever

    pid = in_child(hold)
    os.read(reader, 1)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    with hub.moment():
        hub.append(Kind.DONE, 0, 7)
    assert [event[:3] for event in hub.events()] == [(Kind.DONE, 0, 7)]
    hub.close()


def test_rounds_end_when_enough_worker_steps_count_and_nothing_happens_after_the_last(tmp_path):
    journal = Journal(tmp_path, 3, 4, 2)
    with journal.moment():
        assert journal.count(2) is None  # 2 of 3 workers' steps
        assert journal.count(1) == 1
        assert journal.count(5) == 2  # 8 // 3
    assert journal.is_over
    with pytest.raises(Over), journal.moment():
        pass
    assert [event[:3] for event in journal.events()] == [(Kind.ROUND, 0, 1), (Kind.ROUND, 0, 2)]
    journal.close()


def test_what_a_former_life_sent_is_nothing(tmp_path):
    journal = Journal(tmp_path, 2, 2, 9)
    assert journal.is_current(1, 0)
    journal.drop(1)
    assert not journal.is_current(1, 0) and not journal.is_current(1, 1)
    journal.join(1)
    assert journal.is_current(1, 1) and not journal.is_current(1, 0)
    assert journal.is_current(0, 0)
    journal.close()


def test_who_is_not_there_at_the_start_is_dropped_unless_it_joins(tmp_path):
    journal = Journal(tmp_path, 3, 3, 9)
    journal.leave_out(1)
    journal.leave_out(2)
    journal.append(Kind.DONE, 0, 0)
    journal.join(2)
    order = order_of(journal.events(), 3, Effort())
    assert list(order) == [(Kind.DROP, 1, 0), (Kind.DONE, 0, 0), (Kind.JOIN, 2, 0)]
    journal.close()


def test_every_byte_of_a_row_stays_when_another_process_looks_at_it(tmp_path):
    setup = Setup(settings("algorithm=async_sgd"))
    params = Board(tmp_path, setup).params(3)
    params.copy_(torch.full_like(params, 0.1))

    def look():
        board = Board(tmp_path, setup)
        assert board.params(3).eq(0.1).all()
        board.params(3)[0, -1] = 7.0
        assert all(tensor.eq(0).all() for tensor in board.state(3).values())

    assert os.waitpid(in_child(look), 0)[1] == 0
    assert params[0, :-1].eq(0.1).all()
    assert params[0, -1] == 7.0


def test_a_worker_sees_its_optimizer_state_between_others_of_its_row(tmp_path):
    setup = Setup(settings("algorithm=async_sgd"))
    one, other = Board(tmp_path, setup), Board(tmp_path, setup)
    for number, tensor in enumerate(one.state(0).values()):
        tensor.fill_(number + 1)
    assert [float(tensor.unique()) for tensor in other.state(0).values()] == [1.0, 2.0, 3.0]  # AdamW: mean, square, count
    assert other.params(0).eq(0).all()
