"""What is left of reductions when a process is killed in the middle of them, and when it comes back."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from forked import Forked, formed, row_of, sockets_and_threads

from bench.emulator.communicator import Communicator
from bench.emulator.mesh import PeerLost

RANKS = 4


@pytest.fixture
def forked():
    nodes = Forked(range(RANKS))
    yield nodes
    nodes.close()


def sum_until_rank_2_dies(communicator):
    row = torch.ones(2_000_000)  # 8 MB
    while True:
        communicator.all_reduce(row)


def gossip_until_rank_2_dies(communicator):
    row = torch.ones(2_000_000)
    others = [rank for rank in range(RANKS) if rank != communicator._rank]
    for index in range(1_000_000):
        communicator.exchange(index, others, others, [row])


def ring_until_rank_2_dies(communicator):
    row = torch.ones(2_000_000)
    for index in range(1_000_000):
        communicator.ring_reduce_scatter(index, row)


def live_on(mesh, store, work, dies):
    """Work until rank `dies` is gone, then form with the survivors, and sum and gossip again."""
    communicator = formed(mesh, store)
    if mesh.node == dies:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    try:
        work(communicator)
    except PeerLost as lost:
        raised = time.monotonic()
        peer = lost.peer
    survivors = [rank for rank in range(RANKS) if rank != dies]
    communicator.form(survivors, 1)
    formed_again = time.monotonic()
    total = communicator.all_reduce(row_of(mesh.node, 2)).tolist()
    got = communicator.gather(0, [torch.tensor(mesh.node)])
    return raised, peer, formed_again, total, [part.item() for (part,) in got]


@pytest.mark.parametrize("work", [sum_until_rank_2_dies, gossip_until_rank_2_dies, ring_until_rank_2_dies])
def test_survivors_of_a_kill_hear_of_it_within_a_second_and_go_on(forked, tmp_path, work):
    for rank in range(RANKS):
        forked.start(rank, live_on, str(tmp_path), work, 2)
    assert forked.answer(2) is None
    died = time.monotonic()
    for rank in (0, 1, 3):
        raised, peer, formed_again, total, got = forked.answer(rank)
        assert peer == 2
        assert raised - died < 1
        assert formed_again - died < 3
        assert total == [0, 1 + 2 + 4]
        assert got == [0, 1, 3]


def wait_for_one_who_computes(mesh, store):
    """Rank 2 dies when 0 and 3 are in an all-reduce that rank 1 has not begun: gloo alone tells not everybody."""
    communicator = formed(mesh, store)
    if mesh.node == 2:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    if mesh.node == 1:
        time.sleep(3.0)
    began = time.monotonic()
    try:
        communicator.all_reduce(torch.ones(2_000_000))
    except PeerLost as lost:
        raised = time.monotonic()
        communicator.form([0, 1, 3], 1)
        return lost.peer, raised - began, communicator.all_reduce(torch.ones(1)).item()


def test_a_loss_is_heard_of_while_another_still_computes(forked, tmp_path):
    answers = forked.all(wait_for_one_who_computes, str(tmp_path))
    assert answers[2] is None
    for rank in (0, 1, 3):
        peer, seconds, total = answers[rank]
        assert (peer, total) == (2, 3)
        assert seconds < 0.5 + 1  # rank 2 dies half a second after they began


def die_one_by_one(mesh, store):
    communicator = formed(mesh, store)
    totals = []
    for generation, left in enumerate([(0, 1, 2), (0, 1), (0,)], start=1):
        if mesh.node not in left:
            threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        try:
            sum_until_rank_2_dies(communicator)
        except PeerLost as lost:
            assert lost.peer == left[-1] + 1
        communicator.form(left, generation)
        totals.append(communicator.all_reduce(torch.tensor([1.0])).item())
    return totals


def test_members_may_die_one_after_another_down_to_one(forked, tmp_path):
    assert forked.all(die_one_by_one, str(tmp_path)) == [[3, 2, 1], None, None, None]


def die_and_be_awaited(mesh, store, elsewhere):
    communicator = formed(mesh, store)
    if mesh.node == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        sum_until_rank_2_dies(communicator)
    except PeerLost as lost:
        assert lost.peer == 2
    communicator.form([0, 1, 3], 1)
    alone = communicator.all_reduce(row_of(mesh.node, 2)).tolist()
    mesh.forget(2, elsewhere)
    mesh.connect([2])
    communicator.form(range(RANKS), 2)
    return [alone, communicator.all_reduce(row_of(mesh.node, 2)).tolist()]


def come_back(mesh, store):
    mesh.connect([0, 1, 3])
    communicator = Communicator(2, mesh, Path(store), None, 10.0)
    communicator.form(range(RANKS), 2)
    return communicator.all_reduce(row_of(2, 2)).tolist()


@pytest.mark.parametrize("port", [29_400, 29_401], ids=["the same place", "another place"])
def test_who_was_killed_comes_back_as_a_new_process(forked, tmp_path, port):
    elsewhere = (forked.addresses[2][0], port)
    for rank in range(RANKS):
        forked.start(rank, die_and_be_awaited, str(tmp_path), elsewhere)
    assert forked.answer(2) is None
    forked.start(2, come_back, str(tmp_path), addresses={**forked.addresses, 2: elsewhere})
    assert forked.answer(2) == [0, 10]
    for rank in (0, 1, 3):
        assert forked.answer(rank) == [[0, 7], [0, 10]]


def die_while_others_form(mesh, store):
    communicator = formed(mesh, store)
    if mesh.node == 2:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    began = time.monotonic()
    try:
        communicator.form(range(RANKS), 1)
    except PeerLost as lost:
        seconds = time.monotonic() - began
        communicator.form([0, 1, 3], 2)
        return [lost.peer, seconds < 1.5, communicator.all_reduce(torch.ones(1)).item()]


def test_a_loss_while_they_form_is_heard_of_and_they_form_again(forked, tmp_path):
    assert forked.all(die_while_others_form, str(tmp_path)) == [[2, True, 3], [2, True, 3], None, [2, True, 3]]


def late_by_more_than_patience(mesh, store):
    communicator = formed(mesh, store, patience=0.5)
    if mesh.node == 2:
        time.sleep(2.0)
    began = time.monotonic()
    try:
        communicator.all_reduce(torch.ones(2_000_000))
    except PeerLost as lost:
        return lost.peer, time.monotonic() - began, sockets_and_threads()[0]


def test_who_hangs_is_not_named_when_gloo_loses_patience(forked, tmp_path):
    inherited, _ = sockets_and_threads()
    answers = forked.all(late_by_more_than_patience, str(tmp_path))
    for rank in (0, 1, 3):
        peer, seconds, sockets = answers[rank]
        assert peer == -1
        assert sockets == inherited + 1 + 3  # of the mesh; gloo's are closed when the loss is raised, not when it was handled
        # Half a second of patience, and half to see whether anybody is lost.
        assert 0.5 <= seconds < 2
