"""JSON messages, with tensors behind them, between a launcher, its hub and their ranks: beside the links, never over them."""

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SIZE = struct.Struct("!I")  # bytes of the message


class Channel:
    """One end of a connected socket. Tensors are fp32."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, message: Mapping[str, Any], tensors: Sequence[Tensor] = ()) -> None:
        """Send one message. Raises OSError where the other end is gone."""
        text = json.dumps({**message, "shapes": [list(tensor.shape) for tensor in tensors]}).encode()
        self._end.sendall(_SIZE.pack(len(text)) + text)
        for tensor in tensors:
            self._end.sendall(tensor.detach().contiguous().numpy().tobytes())

    def receive(self) -> tuple[dict[str, Any], list[Tensor]]:
        """The next message and its tensors. Raises EOFError where the other end is gone."""
        [size] = _SIZE.unpack(self._exactly(_SIZE.size))
        message = json.loads(self._exactly(size))
        tensors = []
        for shape in message.pop("shapes"):
            numbers = np.frombuffer(self._exactly(4 * int(np.prod(shape))), np.float32).copy()
            tensors.append(torch.from_numpy(numbers).reshape(shape))
        return message, tensors

    def close(self) -> None:
        self._end.close()

    def _exactly(self, size: int) -> bytearray:
        """The next `size` bytes."""
        buffer, got = bytearray(size), 0
        view = memoryview(buffer)
        while got < size:
            try:
                more = self._end.recv_into(view[got:])
            except ConnectionResetError:
                more = 0
            if not more:
                raise EOFError("the other end of a channel is gone")
            got += more
        return buffer


def channels() -> tuple[Channel, Channel]:
    """Both ends of a new channel between a process and one that it is about to fork."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
