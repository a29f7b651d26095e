"""Messages between processes of an emulation."""

import threading

import pytest
import torch

from bench.emulator.channel import channels


@pytest.fixture
def ends():
    one, other = channels()
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_whole_and_in_order(ends):
    one, other = ends
    one.send({"round": 3, "names": ["ä", None], "nested": {"x": 0.1}})
    one.send({"next": True})
    assert other.receive() == ({"round": 3, "names": ["ä", None], "nested": {"x": 0.1}}, [])
    assert other.receive() == ({"next": True}, [])
    other.send({"both": "ways"})
    assert one.receive() == ({"both": "ways"}, [])


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 1, 7), (2, 3)])
def test_a_tensor_keeps_its_shape_and_its_numbers(ends, shape):
    one, other = ends
    sent, after = torch.randn(shape), torch.tensor([7.0])
    one.send({}, [sent, after])
    _, received = other.receive()
    assert received[0].shape == shape and received[0].dtype == torch.float32
    assert torch.equal(received[0], sent) and torch.equal(received[1], after)  # what follows is not cut wrongly


def test_a_view_arrives_as_what_it_shows(ends):
    one, other = ends
    table = torch.arange(6.0).reshape(2, 3)
    one.send({}, [table.T, table[:, 1]])
    _, (turned, column) = other.receive()
    assert turned.tolist() == [[0, 3], [1, 4], [2, 5]] and column.tolist() == [1, 4]


def test_what_was_received_can_be_written_to(ends):
    one, other = ends
    one.send({}, [torch.zeros(2)])
    _, (received,) = other.receive()
    received += 1
    assert received.tolist() == [1, 1]


def test_a_tensor_far_above_any_buffer_of_the_kernel_arrives(ends):
    one, other = ends
    big = torch.randn(4_000_000)  # 16 MB
    sender = threading.Thread(target=one.send, args=({"big": True}, [big, big[:3]]))
    sender.start()
    message, received = other.receive()
    sender.join()
    assert message == {"big": True} and torch.equal(received[0], big) and torch.equal(received[1], big[:3])


def test_what_was_sent_before_the_end_is_received_and_then_the_end(ends):
    one, other = ends
    one.send({"last": 1})
    one.close()
    assert other.receive()[0] == {"last": 1}
    with pytest.raises(EOFError, match="the other end of a channel is gone"):
        other.receive()


def test_a_message_cut_short_is_an_end(ends):
    one, other = ends
    one._end.sendall(b"\0\0\0\x10half")  # 16 bytes are promised
    one.close()
    with pytest.raises(EOFError, match="the other end"):
        other.receive()


def test_a_tensor_cut_short_is_an_end(ends):
    one, other = ends
    text = b'{"shapes": [[4]]}'
    one._end.sendall(len(text).to_bytes(4, "big") + text + b"\0" * 15)  # of 16 bytes
    one.close()
    with pytest.raises(EOFError, match="the other end"):
        other.receive()


def test_an_end_that_left_messages_unread_is_an_end(ends):
    one, other = ends
    one.send({"never": "read"})
    other.close()  # the kernel says: connection reset
    with pytest.raises(EOFError, match="the other end"):
        one.receive()


def test_nothing_can_be_sent_to_an_end_that_is_gone(ends):
    one, other = ends
    other.close()
    with pytest.raises(OSError):
        one.send({"anybody": "there"})
