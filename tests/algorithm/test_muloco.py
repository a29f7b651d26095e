"""MuLoCo against DiLoCo with Muon written out, its orthogonal factor by singular value decomposition."""

import math

import pytest
import torch
from loops import ADAMW, SHAPE, STEPS, Inner, W, distance, put, rows, train, trained
from plain import PlainGPT

from bench.algorithm.diloco import DiLoCo
from bench.algorithm.muloco import MuLoCo
from bench.optimizer import Muon

OUTER = {"outer_lr": 0.7, "outer_momentum": 0.9}
MUON = Muon(lr=0.02, momentum=0.95, iterations=5, weight_decay=0.1, adamw_lr=ADAMW.lr, beta1=0.9, beta2=0.99, eps=1e-8)


class PlainMuon(Inner):
    """Muon on the matrices of the layers, AdamW on the rest of one row of parameters."""

    def __init__(self):
        super().__init__()
        sizes = [tuple(part.shape) for part in PlainGPT(SHAPE).vector()]
        self.sizes = [math.prod(size) for size in sizes]
        # Beside vectors and the first two tensors, the embeddings.
        self.matrices = {number: size for number, size in enumerate(sizes) if len(size) == 2 and number > 1}
        self.momenta = {number: torch.zeros(size) for number, size in self.matrices.items()}

    def step(self, gradient, scale):
        before = self.params.split(self.sizes)
        super().step(gradient, scale)
        parts = list(self.params.split(self.sizes))
        for number, size in self.matrices.items():
            g = gradient.split(self.sizes)[number].view(size)
            self.momenta[number] = 0.95 * self.momenta[number] + g
            # Queries, keys and values are one tensor of three square matrices.
            pieces = (g + 0.95 * self.momenta[number]).chunk(3 if size[0] == 3 * size[1] else 1)
            update = torch.cat([math.sqrt(max(1, len(piece) / size[1])) * quintic(piece) for piece in pieces])
            lr = 0.02 * scale
            parts[number] = ((1 - lr * 0.1) * before[number].view(size) - lr * update).flatten()
        self.params = torch.cat(parts)


def quintic(matrix):
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return (left @ values.diag() @ right).float()


def test_it_is_diloco_with_muon():
    everybody = [PlainMuon() for _ in range(W)]
    outer, velocity = everybody[0].params, torch.zeros_like(everybody[0].params)
    for first in range(0, STEPS, 5):
        train(everybody, first, 5)
        pseudo_gradient = (outer - rows(everybody)).mean(0)
        velocity = 0.9 * velocity + pseudo_gradient
        outer = outer - 0.7 * (pseudo_gradient + 0.9 * velocity)
        put(everybody, outer)
    assert distance(trained(MuLoCo(sync_every=5, **OUTER), optimizer=MUON), rows(everybody)) <= 1e-5


def test_with_another_optimizer_it_is_diloco():
    assert torch.equal(trained(MuLoCo(sync_every=5, **OUTER)), trained(DiLoCo(sync_every=5, **OUTER)))


def test_a_bad_setting_is_refused_by_name():
    with pytest.raises(ValueError, match="sync_every must be >= 1, got 0"):
        MuLoCo(sync_every=0, **OUTER)
