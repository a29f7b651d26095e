"""Reductions of real processes against plain arithmetic."""

from pathlib import Path

import pytest
import torch
from forked import Forked, formed, row_of, sockets_and_threads

from bench.emulator.communicator import Communicator

RANKS = 4


@pytest.fixture
def forked():
    nodes = Forked(range(RANKS))
    yield nodes
    nodes.close()


def sum_to_all(mesh, store):
    communicator = formed(mesh, store)
    row = row_of(mesh.node)
    sums = [communicator.all_reduce(row).tolist(), communicator.all_reduce(row[None]).tolist()]
    assert torch.equal(row, row_of(mesh.node))
    return sums


def test_an_all_reduce_is_the_sum_of_all_rows(forked, tmp_path):
    expected = (torch.arange(10) * (1 + 2 + 3 + 4)).tolist()
    assert forked.all(sum_to_all, str(tmp_path)) == [[expected, [expected]]] * RANKS


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
    assert forked.all(sum_of_each_type, str(tmp_path)) == [expected] * RANKS


def sum_in_groups(mesh, store):
    communicator = formed(mesh, store)
    pair = (0, 2) if mesh.node in (0, 2) else (1, 3)
    sums = [communicator.all_reduce(row_of(mesh.node, 2), among=pair).tolist() for _ in range(2)]
    sums.append(communicator.all_reduce(row_of(mesh.node, 2)).tolist())
    sums.append(communicator.all_reduce(row_of(mesh.node, 2), among=[mesh.node]).tolist())
    return sums


def test_groups_have_sums_of_their_own(forked, tmp_path):
    answers = forked.all(sum_in_groups, str(tmp_path))
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
    answers = forked.all(gather_and_scatter, str(tmp_path))
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
    answers = forked.all(go_round_rings, str(tmp_path))
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
    for rank, answer in enumerate(forked.all(gossip, str(tmp_path))):
        sources = sorted([(rank - 1) % 4, (rank - 2) % 4])
        assert answer == [{str(source): 10 * source + index for source in sources} for index in range(3)]


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
    assert forked.all(send_before_forming, str(tmp_path)) == [[[0, 1, 2, 3], 0]] * RANKS


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
    for during, after in forked.all(close_all, str(tmp_path)):
        # A listener and who accepts for it; three connections of the mesh, with two threads each; three more of gloo.
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
