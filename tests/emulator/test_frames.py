"""Messages on a stream of bytes that takes, and gives, only a few at a time."""

import pytest
import torch

from bench.emulator.frames import frame, receive_frame, send_frame


class Stingy:
    """A stream that what is sent comes out of, at most `limit` bytes a call."""

    def __init__(self, limit):
        self._limit = limit
        self._content = bytearray()

    def sendmsg(self, buffers):
        taken = b"".join(buffers)[: self._limit]
        self._content += taken
        return len(taken)

    def recv_into(self, view, size, flags):
        given = self._content[: min(self._limit, len(view))]
        del self._content[: len(given)]
        view[: len(given)] = given
        return len(given)


@pytest.mark.parametrize("limit", [1, 7, 64, 10_000])
def test_a_message_survives_calls_that_move_a_part_of_it(limit):
    stream = Stingy(limit)
    sent = [torch.arange(100.0), torch.zeros(0), torch.arange(5, dtype=torch.int8), torch.tensor(True)]
    for number in range(2):
        send_frame(stream, frame(("gift", number), sent, {"number": number}))
    for number in range(2):
        message = receive_frame(stream, 3)
        assert (message.source, message.tag, message.header) == (3, ("gift", number), {"number": number})
        assert all(torch.equal(a, b) for a, b in zip(sent, message.tensors, strict=True))


def test_a_stream_that_ends_within_a_message_is_an_end():
    stream = Stingy(1 << 20)
    send_frame(stream, frame(("gift", 0), [torch.arange(100.0)], {})[:1])
    with pytest.raises(EOFError, match="the connection has ended"):
        receive_frame(stream, 0)
