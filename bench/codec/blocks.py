"""Payloads cut into blocks of equal size, and numbers scaled by the largest of their block."""

import torch.nn.functional as F
from torch import Tensor


def blocks(payload: Tensor, size: int | None) -> Tensor:
    """(W, n) as (W, m, size), the last block filled up with zeros; one block where there are fewer columns, or no size."""
    columns = payload.shape[1]
    size = min(size or columns, columns)
    return F.pad(payload, (0, -columns % size)).unflatten(1, (-1, size))


def flat(rows: Tensor, columns: int) -> Tensor:
    """Blocks, (W, m, size), as (W, columns)."""
    return rows.flatten(1)[:, :columns]


def largest(rows: Tensor) -> Tensor:
    """The largest magnitude of each block, (W, m): not finite where a number of the block is not."""
    return rows.abs().amax(-1)


def relative(rows: Tensor, scale: Tensor) -> Tensor:
    """Blocks, (W, m, size), over their `scale`, (W, m), in [-1, 1]; 0 where the scale is 0 or not finite."""
    return (rows / scale[..., None]).nan_to_num(0.0, 0.0, 0.0).clamp(-1, 1)
