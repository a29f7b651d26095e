"""Codes of a few bits, side by side in bytes, so that the bytes of a tensor are those that travel."""

from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor


def pack(codes: Tensor, bits: int) -> Tensor:
    """Codes in [0, 2^bits), (W, n), as bytes, (W, ceil(n bits / 8)): whole bytes, the lowest first, then what is above."""
    whole, rest = divmod(bits, 8)
    planes = [(codes >> 8 * place).to(torch.uint8) for place in range(whole)]
    return torch.cat([*planes, _pack((codes >> 8 * whole), rest)] if rest else planes, dim=1)


def unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """The `count` codes of `bits` each that `packed` holds, (W, count), int64."""
    whole, rest = divmod(bits, 8)
    codes = torch.zeros(len(packed), count, dtype=torch.int64, device=packed.device)
    for place in range(whole):
        codes |= packed[:, place * count : (place + 1) * count].to(torch.int64) << 8 * place
    return codes | _unpack(packed[:, whole * count :], rest, count) << 8 * whole if rest else codes


def width(size: int) -> int:
    """The bits that tell `size` places apart, at least one."""
    return max(1, (size - 1).bit_length())


def _pack(codes: Tensor, bits: int) -> Tensor:
    """The same for less than 8 bits: as many codes as fill whole bytes make a word of at most 7."""
    many, octets = _word(bits)
    small = codes.to(torch.uint8 if octets == 1 else torch.int64)
    groups = F.pad(small, (0, -codes.shape[1] % many)).unflatten(1, (-1, many))
    word = groups[..., 0]
    for place in range(1, many):
        word = word | groups[..., place] << bits * place
    parts = torch.stack([word >> 8 * octet for octet in range(octets)], dim=-1).to(torch.uint8)
    return parts.flatten(1)[:, : -(-codes.shape[1] * bits // 8)]


def _unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    many, octets = _word(bits)
    small = packed.to(torch.uint8 if octets == 1 else torch.int64)
    groups = F.pad(small, (0, -packed.shape[1] % octets)).unflatten(1, (-1, octets))
    word = groups[..., 0]
    for octet in range(1, octets):
        word = word | groups[..., octet] << 8 * octet
    codes = torch.stack([word >> bits * place & 2**bits - 1 for place in range(many)], dim=-1)
    return codes.flatten(1)[:, :count].to(torch.int64)


def _word(bits: int) -> tuple[int, int]:
    """How many codes of so many bits fill how many whole bytes."""
    many = 8 // gcd(bits, 8)
    return many, many * bits // 8
