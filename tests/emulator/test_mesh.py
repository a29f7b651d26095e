"""Messages between nodes: what arrives, in which order, in how many bytes; and what is left when a node dies or comes back."""

import errno
import socket
import threading
import time

import pytest
import torch
from forked import Forked, loopback, sockets_and_threads

from bench.emulator.mesh import Mesh, PeerLost

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
]


@pytest.fixture
def meshes():
    """Makes meshes in this process, and closes them."""
    made = []

    def make(node, addresses, **settings):
        made.append(Mesh(node, addresses, **settings))
        return made[-1]

    yield make
    for mesh in made:
        mesh.close()


@pytest.fixture
def pair(meshes):
    """Nodes 0 and 1, connected."""
    addresses = loopback([0, 1])
    first, second = meshes(0, addresses), meshes(1, addresses)
    first.connect([1])
    second.connect([0])
    return first, second


@pytest.fixture
def forked():
    nodes = Forked(range(3))
    yield nodes
    nodes.close()


@pytest.fixture
def listener():
    """A bare socket that stands for node 1."""
    with socket.create_server(loopback([1])[1]) as bare:
        yield bare


def read(connection, size):
    content = b""
    while len(content) < size:
        content += connection.recv(size - len(content))
    return content


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_arrives_as_it_was_sent(pair, dtype):
    first, second = pair
    sent = torch.arange(24).view(4, 6).to(dtype)
    first.send(1, ("gift", 3), [sent])
    (got,) = second.receive(0, ("gift", 3)).tensors
    assert got.dtype == dtype and torch.equal(got, sent)


def test_tensors_of_any_shape_travel(pair):
    first, second = pair
    big = torch.arange(12.0).view(3, 4)
    sent = [
        torch.tensor(5.0),
        torch.zeros(0, 3),
        torch.zeros(0, dtype=torch.bfloat16),
        big.T,
        big[:, ::2],
        big.requires_grad_(),
    ]
    second.send(0, ("gift", 0), sent)
    got = first.receive(1, ("gift", 0)).tensors
    assert [tensor.shape for tensor in got] == [(), (0, 3), (0,), (4, 3), (3, 2), (3, 4)]
    assert all(torch.equal(a, b) for a, b in zip(sent, got, strict=True))


def test_a_message_of_more_tensors_than_a_system_call_takes_travels(pair):
    first, second = pair
    first.send(1, ("gift", 0), [torch.tensor([k]) for k in range(3000)])  # Linux takes 1024 buffers at once
    assert [tensor.item() for tensor in second.receive(0, ("gift", 0)).tensors] == list(range(3000))


def test_a_message_says_from_whom_it_is_and_when_it_went(pair):
    first, second = pair
    before = time.monotonic()
    first.send(1, ("news", 7), header={"steps": 3, "late": None})
    after = time.monotonic()
    message = second.receive(0, ("news", 7))
    assert (message.source, message.tag, message.header, message.tensors) == (0, ("news", 7), {"steps": 3, "late": None}, ())
    assert before <= message.sent_seconds <= after
    assert message.sent_seconds <= message.arrived_seconds <= time.monotonic()


def test_what_cannot_travel_is_refused_by_name(pair):
    with pytest.raises(ValueError, match="a tensor that travels must be one of .*, got torch.complex64"):
        pair[0].send(1, ("gift", 0), [torch.zeros(2, dtype=torch.complex64)])


def test_messages_of_one_tag_keep_their_order_and_tags_do_not_mix(pair):
    first, second = pair
    for number in range(50):
        first.send(1, ("even" if number % 2 == 0 else "odd", 0), header={"number": number})
    first.send(1, ("even", 1), header={"number": -1})
    assert second.receive(0, ("even", 1)).header["number"] == -1
    assert [second.receive(0, ("odd", 0)).header["number"] for _ in range(25)] == list(range(1, 50, 2))
    assert [second.receive(0, ("even", 0)).header["number"] for _ in range(25)] == list(range(0, 50, 2))


def test_who_sends_may_change_the_tensor_at_once(meshes, listener):
    mesh = meshes(0, loopback([0, 1]))
    mesh.connect([1])
    connection, _ = listener.accept()
    with connection:
        # Nobody reads: of 32 MB, more than the kernel keeps, most is still to be written when send returns.
        sent = torch.ones(8_000_000)
        mesh.send(1, ("gift", 0), [sent])
        sent.zero_()
        read(connection, 200)  # past the header
        content = read(connection, 31_999_000)
        assert content.count(b"\x80\x3f") == pytest.approx(31_999_000 / 4, abs=2)  # 1.0 is 00 00 80 3f


def test_a_message_costs_less_than_a_hundred_bytes_beyond_its_tensors(meshes, listener):
    mesh = meshes(0, loopback([0, 1]))
    mesh.connect([1])
    connection, _ = listener.accept()
    with connection:
        assert read(connection, 8)[:4] == b"farb"  # once a connection: who dialled
        mesh.send(1, ("ring reduce-scatter@12", 1234), [torch.zeros(1, 1_000_000, dtype=torch.bfloat16)])
        mesh.close()
        connection.settimeout(10)
        total = 0
        while got := connection.recv(1 << 20):
            total += len(got)
    # 4 bytes of length, 8 of the time, then ["ring reduce-scatter@12",1234,[["bf",1,1000000]]]
    assert total == 2_000_000 + 4 + 8 + len('["ring reduce-scatter@12",1234,[["bf",1,1000000]]]')
    assert total <= 2_000_000 + 100


def test_a_handler_gets_the_messages_of_its_kind(pair):
    first, second = pair
    got, enough = [], threading.Event()

    def handle(message):
        got.append((message.tag, message.tensors[0].item()))
        if len(got) == 3:
            enough.set()

    second.on("push", handle)
    for number in range(3):
        first.send(1, ("push", number), [torch.tensor(float(number))])
        first.send(1, ("other", number))
    assert enough.wait(5)
    assert got == [(("push", number), float(number)) for number in range(3)]
    assert second.receive(0, ("other", 2)).source == 0


def test_one_message_to_many_reaches_each(meshes):
    nodes = [meshes(node, loopback(range(3))) for node in range(3)]
    for node in nodes:
        node.connect(range(3))
    nodes[1].send_all([0, 2], ("gift", 0), [torch.arange(3)])
    for node in (0, 2):
        assert nodes[node].receive(1, ("gift", 0)).tensors[0].tolist() == [0, 1, 2]


def test_what_arrived_before_a_loss_is_received_and_then_the_loss_is_raised(pair):
    first, second = pair
    first.send(1, ("gift", 0))
    first.close()
    assert second.first_lost([0], seconds=5) == 0
    assert second.receive(0, ("gift", 0)).source == 0
    with pytest.raises(PeerLost) as raised:
        second.receive(0, ("gift", 0))
    assert raised.value.peer == 0
    assert second.lost == {0}


def test_nothing_is_sent_to_anybody_if_one_is_lost(meshes):
    nodes = [meshes(node, loopback(range(3))) for node in range(3)]
    for node in nodes:
        node.connect(range(3))
    nodes[2].close()
    assert nodes[0].first_lost([1, 2], seconds=5) == 2
    with pytest.raises(PeerLost, match="node 2 is lost"):
        nodes[0].send_all([1, 2], ("gift", 0))
    nodes[0].send(1, ("gift", 0), header={"first": True})
    assert nodes[1].receive(0, ("gift", 0)).header == {"first": True}


def test_who_waits_for_one_hears_of_the_loss_of_another_that_it_watches(meshes):
    nodes = [meshes(node, loopback(range(3))) for node in range(3)]
    for node in nodes:
        node.connect(range(3))
    threading.Timer(0.1, nodes[2].close).start()
    with pytest.raises(PeerLost) as raised:
        nodes[0].receive(1, ("gift", 0), watching=[0, 1, 2])
    assert raised.value.peer == 2


def wait_for_node_2(mesh):
    mesh.connect(range(3))
    mesh.send(2, ("here", 0))
    try:
        mesh.receive(2, ("never", 0))
    except PeerLost as lost:
        return lost.peer, time.monotonic()


def wait_then_hang(mesh):
    mesh.connect(range(3))
    for node in (0, 1):
        mesh.receive(node, ("here", 0))
    mesh.receive(0, ("never", 0))


def test_who_waits_for_a_killed_process_hears_of_it_within_a_second(forked):
    forked.start(2, wait_then_hang)
    for node in (0, 1):
        forked.start(node, wait_for_node_2)
    time.sleep(1.0)  # all are waiting
    killed = forked.kill(2)
    for node in (0, 1):
        peer, heard = forked.answer(node)
        assert peer == 2
        assert 0 <= heard - killed < 1


def test_a_node_that_comes_back_is_heard_only_once_it_is_forgotten(meshes):
    addresses = loopback([0, 1])
    first, second = meshes(0, addresses), meshes(1, addresses)
    first.connect([1])
    first.send(1, ("gift", 0), header={"life": 1})
    first.close()
    assert second.first_lost([0], seconds=5) == 0
    again = meshes(0, addresses)
    again.connect([1])
    again.send(1, ("gift", 0), header={"life": 2})
    time.sleep(0.2)
    assert second.lost == {0}
    second.forget(0)
    second.connect([0])
    assert second.lost == set()
    # What its former process sent is gone with it.
    assert second.receive(0, ("gift", 0)).header == {"life": 2}
    second.send(0, ("thanks", 0))
    assert again.receive(1, ("thanks", 0)).source == 1


def test_a_node_that_comes_back_elsewhere_is_dialled_there(pair, meshes):
    first, second = pair
    second.close()
    assert first.first_lost([1], seconds=5) == 1
    with pytest.raises(PeerLost):
        first.connect([1])
    addresses = {**loopback([0]), 1: (loopback([1])[1][0], 29_401)}
    again = meshes(1, addresses)
    first.forget(1, addresses[1])
    first.connect([1])
    again.connect([0])
    first.send(1, ("gift", 0))
    assert again.receive(0, ("gift", 0)).source == 0


def test_a_node_that_dials_again_has_lost_its_former_connection(pair, meshes):
    # The process of node 0 was replaced, and node 1 was not told by the network: it learns it from who dials.
    first, second = pair
    with socket.create_connection(loopback([1])[1]) as bare:
        bare.sendall(b"farb" + (0).to_bytes(4, "big"))
        assert second.first_lost([0], seconds=5) == 0
    assert first.first_lost([1], seconds=5) == 1


def test_a_node_that_starts_late_is_waited_for(meshes):
    addresses = loopback([0, 1])
    first = meshes(0, addresses)
    late = []
    starter = threading.Timer(0.3, lambda: late.append(meshes(1, addresses)))
    starter.start()
    first.connect([1])
    starter.join()
    late[0].connect([0])
    late[0].send(0, ("gift", 0))
    assert first.receive(1, ("gift", 0)).source == 1


@pytest.mark.parametrize("node", [0, 2])
def test_a_node_that_never_comes_is_lost_when_patience_ends(meshes, node):
    mesh = meshes(1, loopback(range(3)), patience=0.3)
    began = time.monotonic()
    with pytest.raises(PeerLost, match=f"node {node} is lost: not there after 0.3 s"):
        mesh.connect([node])
    assert 0.3 <= time.monotonic() - began < 2


def test_who_is_no_node_is_turned_away(pair):
    _, second = pair
    for words in (b"GET / HTTP/1.0\r\n\r\n", b"farb" + (9).to_bytes(4, "big"), b""):
        with socket.create_connection(loopback([1])[1]) as stranger:
            stranger.settimeout(5)
            try:
                stranger.sendall(words)
                stranger.shutdown(socket.SHUT_WR)
                assert stranger.recv(1) == b""
            except OSError as error:  # closed with something unread
                assert error.errno in (errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE)
    assert second.first_lost([0, 9], seconds=0.1) is None


def test_what_is_unwanted_is_thrown_away(pair):
    first, second = pair
    for number in range(4):
        first.send(1, ("gift", number))
    second.receive(0, ("gift", 3))  # all are here
    second.discard(lambda tag: tag[1] < 2)
    first.send(1, ("gift", 0), header={"new": True})
    assert second.receive(0, ("gift", 2)).header == {}
    assert second.receive(0, ("gift", 0)).header == {"new": True}


def close_three(mesh):
    before = sockets_and_threads()
    nodes = [mesh, *(Mesh(node, mesh.addresses) for node in (1, 2))]
    for node in nodes:
        node.connect(range(3))
    during = sockets_and_threads(settled=before[1] + 2 + 2 * 3 * 2)
    nodes[0].send_all([1, 2], ("gift", 0), [torch.ones(2_000_000)])
    nodes[0].close()
    got = []
    for node in nodes[1:]:
        got.append(node.receive(0, ("gift", 0)).tensors[0].sum().item())
        node.close()
    return before, during, sockets_and_threads(settled=1), got


def test_closing_sends_what_is_queued_and_leaves_no_thread_or_socket(forked):
    forked.start(0, close_three)
    (sockets, threads), during, after, got = forked.answer(0)
    # Beyond the first listener and who accepts for it: two more, and two ends of three connections with two threads each.
    assert during == [sockets + 2 + 2 * 3, threads + 2 + 2 * 3 * 2]
    assert after == [sockets - 1, threads - 1]
    assert got == [2_000_000, 2_000_000]


def test_who_waits_when_the_mesh_closes_is_told(pair):
    first, _ = pair
    threading.Timer(0.1, first.close).start()
    with pytest.raises(PeerLost):
        first.receive(1, ("never", 0))


def test_settings_are_checked():
    with pytest.raises(ValueError, match="addresses must hold node 2, got \\[0, 1\\]"):
        Mesh(2, loopback([0, 1]))
    with pytest.raises(ValueError, match="patience must be above 0 s, got 0"):
        Mesh(0, loopback([0, 1]), patience=0)
