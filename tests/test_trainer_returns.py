"""The Trainer where replicas differ for good though all move in step: who comes back has downloaded one."""

import numpy as np
import torch
from test_trainer import W, trainer

from bench.algorithm.sparta import Sparta
from bench.data import Synthetic
from bench.schedule import Schedule


def test_who_comes_back_begins_with_a_replica_of_one_that_stayed():
    schedule = Schedule(W)
    away = np.arange(W) == W - 1
    for step in range(6):  # the last rank misses steps 2 to 4
        schedule.append(1, ~away if 2 <= step < 5 else np.ones(W, bool), away & (step == 5))
    sparta = Sparta(share=0.001, blocks=1, delay=0, sync_every=None, outer_lr=0.7, outer_momentum=0.9, seed=0)
    ours, begun = trainer(Synthetic(tokens=50_000, branches=4, source_seed=0).corpus(64)), []
    train = ours._train
    ours._train = lambda *work: (begun.append(ours.replicas.params.clone()), train(*work))
    ours.run(sparta, schedule)
    assert torch.equal(begun[5][W - 1], begun[5][0])  # what rank 0 had, and not what it had itself three steps ago
    assert not torch.equal(begun[5][1], begun[5][0])
