"""Messages on a stream of bytes: a few bytes in front, a header of JSON, then tensors, byte for byte as they lie in memory."""

import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Tag = tuple[str, int]
"""A kind of message, and a number: that of the operation it belongs to."""

_FRONT = struct.Struct("!Id")  # bytes of the header, and when the message was sent
_DTYPES = {
    "f2": torch.float16,
    "bf": torch.bfloat16,
    "f4": torch.float32,
    "f8": torch.float64,
    "b": torch.bool,
    "u1": torch.uint8,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_PIECES = 512  # buffers a system call takes; Linux takes up to 1024


@dataclass(frozen=True)
class Message:
    """What one node sent another. Both times are readings of the monotonic clock, which all nodes of a machine share."""

    source: int
    tag: Tag
    header: dict[str, Any]
    tensors: tuple[Tensor, ...]
    sent_seconds: float  # when the sender asked for it to be sent: it may have queued there
    arrived_seconds: float  # when its last byte was read


Frame = list[memoryview]
"""The pieces of a message on the wire, in order. None is changed by sending it, so one frame serves many receivers."""


def frame(tag: Tag, tensors: Sequence[Tensor], header: Mapping[str, Any]) -> Frame:
    """A message on its way, with copies of its tensors. Raises ValueError for a tensor of a type that does not travel."""
    for tensor in tensors:
        if tensor.dtype not in _CODES:
            raise ValueError(f"a tensor that travels must be one of {', '.join(map(str, _CODES))}, got {tensor.dtype}")
    shapes = [[_CODES[tensor.dtype], *tensor.shape] for tensor in tensors]
    head = json.dumps([*tag, shapes, *([header] if header else [])], separators=(",", ":")).encode()
    front = _FRONT.pack(len(head), time.monotonic()) + head
    return [memoryview(front), *(_memory(_flat_copy(tensor)) for tensor in tensors if tensor.numel())]


def send_frame(connection: socket.socket, pieces: Frame) -> None:
    """Write all of a message to a blocking socket. Raises OSError where the connection is broken."""
    left = list(pieces)
    while left:
        sent = connection.sendmsg(left[:_PIECES])
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if sent:
            left[0] = left[0][sent:]


def receive_frame(connection: socket.socket, source: int) -> Message:
    """The next message on a blocking socket. Raises OSError where the connection is broken, EOFError where it has ended."""
    size, sent_seconds = _FRONT.unpack(receive_bytes(connection, _FRONT.size))
    kind, number, shapes, *header = json.loads(receive_bytes(connection, size))
    tensors = []
    for code, *shape in shapes:
        flat = torch.empty(torch.Size(shape).numel(), dtype=_DTYPES[code])
        if flat.numel():
            _fill(connection, _memory(flat))
        tensors.append(flat.view(shape))
    return Message(source, (kind, number), header[0] if header else {}, tuple(tensors), sent_seconds, time.monotonic())


def receive_bytes(connection: socket.socket, size: int) -> bytes:
    """The next `size` bytes of a blocking socket. Raises as `receive_frame` does."""
    content = bytearray(size)
    _fill(connection, memoryview(content))
    return bytes(content)


def _fill(connection: socket.socket, view: memoryview) -> None:
    while view:
        got = connection.recv_into(view, 0, socket.MSG_WAITALL)
        if not got:
            raise EOFError("the connection has ended")
        view = view[got:]


def _flat_copy(tensor: Tensor) -> Tensor:
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.view(tensor.shape).copy_(tensor.detach())
    return flat


def _memory(flat: Tensor) -> memoryview:
    """The bytes of a flat tensor, where they lie. NumPy has no bfloat16: it is shown bytes."""
    return flat.view(torch.uint8).numpy().data
