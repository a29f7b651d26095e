"""Reductions of real processes against plain arithmetic, and what is left of them when one is killed in the middle."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from forked import Forked, sockets_and_threads

from bench.emulator.communicator import Communicator
from bench.emulator.mesh import PeerLost

RANKS = 4


@pytest.fixture
def forked():
    nodes = Forked(range(RANKS))
    yield nodes
    nodes.close()


def answers_of_all(forked, body, *arguments):
    for rank in range(RANKS):
        forked.start(rank, body, *arguments)
    return [forked.answer(rank) for rank in range(RANKS)]


def formed(mesh, store, patience=10.0):
    mesh.connect(range(RANKS))
    communicator = Communicator(mesh.node, mesh, Path(store), None, patience)
    communicator.form(range(RANKS), 0)
    return communicator


def row_of(rank, n=10):
    """Whole numbers, so that sums are exact in any order."""
    return torch.arange(n, dtype=torch.float32) * (rank + 1)


def sum_to_all(mesh, store):
    communicator = formed(mesh, store)
    row = row_of(mesh.node)
    sums = [communicator.all_reduce(row).tolist(), communicator.all_reduce(row[None]).tolist()]
    assert torch.equal(row, row_of(mesh.node))
    return sums


def test_an_all_reduce_is_the_sum_of_all_rows(forked, tmp_path):
    expected = (torch.arange(10) * (1 + 2 + 3 + 4)).tolist()
    assert answers_of_all(forked, sum_to_all, str(tmp_path)) == [[expected, [expected]]] * RANKS


def sum_of_each_type(mesh, store):
    communicator = formed(mesh, store)
    types = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.uint8, torch.int32, torch.int64)
    sums = [communicator.all_reduce(torch.full((3,), mesh.node + 1, dtype=dtype)) for dtype in types]
    with pytest.raises(ValueError, match="a tensor that gloo sums must be one of .*, got torch.int16"):
        communicator.all_reduce(torch.ones(3, dtype=torch.int16))
    return [[str(total.dtype), total.tolist()] for total in sums]


def test_numbers_of_sixteen_and_eight_bits_are_summed_too(forked, tmp_path):
    types = ("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int32", "int64")
    expected = [[f"torch.{name}", [1 + 2 + 3 + 4] * 3] for name in types]
    assert answers_of_all(forked, sum_of_each_type, str(tmp_path)) == [expected] * RANKS


def sum_in_groups(mesh, store):
    communicator = formed(mesh, store)
    pair = (0, 2) if mesh.node in (0, 2) else (1, 3)
    sums = [communicator.all_reduce(row_of(mesh.node, 2), among=pair).tolist() for _ in range(2)]
    sums.append(communicator.all_reduce(row_of(mesh.node, 2)).tolist())
    sums.append(communicator.all_reduce(row_of(mesh.node, 2), among=[mesh.node]).tolist())
    return sums


def test_groups_have_sums_of_their_own(forked, tmp_path):
    answers = answers_of_all(forked, sum_in_groups, str(tmp_path))
    for rank, group in enumerate([4, 6, 4, 6]):  # 1 + 3, and 2 + 4
        assert answers[rank] == [[0, group], [0, group], [0, 10], [0, rank + 1]]


def gather_and_scatter(mesh, store):
    communicator = formed(mesh, store)
    me = mesh.node
    # Encodings: every rank has another size and sends two tensors, one of bytes.
    gathered = communicator.gather(0, [torch.full((me,), me, dtype=torch.uint8), row_of(me, 2)])
    scattered = communicator.scatter(1, [[torch.tensor([10 * me + to])] for to in range(RANKS)])
    some = (0, 1, 3)
    within = None
    if me in some:
        within = [
            [part.item() for (part,) in communicator.gather(2, [torch.tensor(me)], among=some)],
            [part.item() for (part,) in communicator.scatter(3, [[torch.tensor(10 * me + k)] for k in range(3)], among=some)],
        ]
    return [[[t.tolist() for t in tensors] for tensors in gathered], [part.item() for (part,) in scattered], within]


def test_gather_and_scatter_bring_everybodys_tensors_in_order_of_rank(forked, tmp_path):
    answers = answers_of_all(forked, gather_and_scatter, str(tmp_path))
    for rank, (gathered, scattered, within) in enumerate(answers):
        assert gathered == [[[sender] * sender, [0, sender + 1]] for sender in range(RANKS)]
        assert scattered == [10 * sender + rank for sender in range(RANKS)]
        # Rank 3 is the third, 2, of three.
        assert within == (None if rank == 2 else [[0, 1, 3], [10 * sender + min(rank, 2) for sender in (0, 1, 3)]])


def go_round_rings(mesh, store):
    communicator = formed(mesh, store)
    answers = []
    for index, (n, among) in enumerate([(10, None), (3, None), (7, (0, 1, 3))]):
        if among is not None and mesh.node not in among:
            continue
        row = row_of(mesh.node, n)[None]
        share = communicator.ring_reduce_scatter(2 * index, row, among)
        whole = communicator.ring_all_gather(2 * index + 1, share, among)
        assert torch.equal(row, row_of(mesh.node, n)[None])
        answers.append([share.tolist(), whole.tolist()])
    return answers


def test_rings_leave_each_its_share_of_the_sum_and_put_shares_together(forked, tmp_path):
    answers = answers_of_all(forked, go_round_rings, str(tmp_path))
    for index, (n, among, total) in enumerate([(10, (0, 1, 2, 3), 10), (3, (0, 1, 2, 3), 10), (7, (0, 1, 3), 1 + 2 + 4)]):
        whole = (torch.arange(n, dtype=torch.float32) * total)[None]
        for place, rank in enumerate(among):
            share = torch.tensor_split(whole, len(among), dim=1)[place]
            assert answers[rank][index] == [share.tolist(), whole.tolist()]


def gossip(mesh, store):
    communicator = formed(mesh, store)
    me = mesh.node
    answers = []
    for index in range(3):  # directed: to the next one and the one after; from those before
        got = communicator.exchange(
            index, [(me + 1) % 4, (me + 2) % 4], [(me - 1) % 4, (me - 2) % 4], [torch.tensor(10 * me + index)]
        )
        answers.append({source: tensors[0].item() for source, tensors in sorted(got.items())})
    return answers


def test_an_exchange_brings_what_the_sources_sent(forked, tmp_path):
    for rank, answer in enumerate(answers_of_all(forked, gossip, str(tmp_path))):
        sources = sorted([(rank - 1) % 4, (rank - 2) % 4])
        assert answer == [{str(source): 10 * source + index for source in sources} for index in range(3)]


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
    answers = answers_of_all(forked, wait_for_one_who_computes, str(tmp_path))
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
    assert answers_of_all(forked, die_one_by_one, str(tmp_path)) == [[3, 2, 1], None, None, None]


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
    assert answers_of_all(forked, die_while_others_form, str(tmp_path)) == [[2, True, 3], [2, True, 3], None, [2, True, 3]]


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
    answers = answers_of_all(forked, late_by_more_than_patience, str(tmp_path))
    for rank in (0, 1, 3):
        peer, seconds, sockets = answers[rank]
        assert peer == -1
        assert sockets == inherited + 1 + 3  # of the mesh; gloo's are closed when the loss is raised, not when it was handled
        # Half a second of patience, and half to see whether anybody is lost.
        assert 0.5 <= seconds < 2


def send_before_forming(mesh, store):
    communicator = formed(mesh, store)
    tag = ("gather@0", 0)
    if mesh.node == 0:
        mesh.send_all([1, 2, 3], tag, [torch.tensor(-1)])
    else:
        mesh.receive(0, tag)
    if mesh.node == 0:
        mesh.send_all([1, 2, 3], tag, [torch.tensor(-1)])
    communicator.form(range(RANKS), 1)
    got = [part.item() for (part,) in communicator.gather(0, [torch.tensor(mesh.node)])]
    communicator.form(range(RANKS), 2)
    with pytest.raises(ValueError, match="generation must be > 2, got 2"):
        communicator.form(range(RANKS), 2)
    return [got, len(mesh._arrived)]


def test_generations_do_not_mix_their_messages(forked, tmp_path):
    assert answers_of_all(forked, send_before_forming, str(tmp_path)) == [[[0, 1, 2, 3], 0]] * RANKS


def close_all(mesh, store):
    communicator = formed(mesh, store)
    communicator.all_reduce(torch.ones(10), among=(0, 1) if mesh.node < 2 else (2, 3))
    communicator.gather(0, [torch.ones(10)])
    during = sockets_and_threads()
    communicator.all_reduce(torch.ones(1))
    communicator.close()
    mesh.close()
    return during, sockets_and_threads(settled=1)


def test_closing_leaves_no_thread_or_socket(forked, tmp_path):
    inherited, _ = sockets_and_threads()
    for during, after in answers_of_all(forked, close_all, str(tmp_path)):
        # A listener and three connections of the mesh, with four threads of gloo's and ours at the very least; three of gloo.
        assert during[0] >= inherited + 1 + 3 + 3 and during[1] >= 1 + 1 + 2 * 3
        assert after == [inherited, 1]


def refuse(mesh, store):
    communicator = Communicator(mesh.node, mesh, Path(store), None, 10.0)
    with pytest.raises(ValueError, match="must be members \\(\\), sorted; got \\(\\)"):
        communicator.all_reduce(torch.ones(1))
    communicator.form([mesh.node], 0)
    for among in [(), (1, 0), (0, 0), (0, 7)]:
        with pytest.raises(ValueError, match="must be members"):
            communicator.gather(0, [torch.ones(1)], among=among)
    with pytest.raises(ValueError, match="shards must be as many as those they are for, 1, got 2"):
        communicator.scatter(0, [[], []])
    with pytest.raises(ValueError, match="patience must be above 0 s, got 0"):
        Communicator(mesh.node, mesh, Path(store), None, 0)
    row = torch.ones(3)
    for own in (communicator.all_reduce(row), communicator.ring_reduce_scatter(0, row), communicator.ring_all_gather(1, row)):
        assert torch.equal(own, row)
        own.zero_()
    return row.tolist()


def test_what_is_wrong_is_refused_and_one_alone_is_its_own_sum(forked, tmp_path):
    forked.start(0, refuse, str(tmp_path))
    assert forked.answer(0) == [1, 1, 1]
