"""NoLoCo: No-all-reduce Low Communication Training (Kolehmainen et al., 2025, arXiv:2506.10911)."""

from itertools import count

import torch

from bench.algorithm.ops import Algorithm, AllReduce, Program, Train
from bench.graphs import random_groups
from bench.optimizer.base import check_positive, check_share
from bench.replicas import Replicas


class NoLoCo(Algorithm):
    """DiLoCo whose outer step is among a few workers drawn anew each time, with a term that holds the replicas together.

    Worker i of a group G of n has slow weights φ_i, what local steps made of them, θ_i, and an outer momentum δ_i:

        δ_i ← α δ_i + β / n Σ_G (θ_j - φ_j) - γ (φ_i - 1 / n Σ_G φ_j)
        φ_i ← φ_i + δ_i;  θ_i ← φ_i

    with α `outer_momentum`, β `outer_lr` and γ `gossip_rate`; both means are sent. The momentum is the authors' code's, which
    has no look-ahead. Who is left over when groups are drawn steps alone.
    """

    lockstep = "groups"

    def __init__(
        self,
        *,
        sync_every: int,
        group_size: int,
        outer_lr: float,
        outer_momentum: float,
        gossip_rate: float,
        graph_seed: int,
    ) -> None:
        if sync_every < 1:
            raise ValueError(f"sync_every must be >= 1, got {sync_every}")
        if group_size < 2:
            raise ValueError(f"group_size must be >= 2, got {group_size}")
        check_positive(outer_lr=outer_lr, gossip_rate=gossip_rate)
        check_share(outer_momentum=outer_momentum)
        self.sync_every, self.group_size, self.graph_seed = sync_every, group_size, graph_seed
        self.outer_lr, self.outer_momentum, self.gossip_rate = outer_lr, outer_momentum, gossip_rate

    def run(self, replicas: Replicas) -> Program:
        fast = replicas.params  # (W, P)
        slow = replicas.keep("slow", fast.clone())  # (W, P)
        momentum = replicas.keep("outer_momentum", torch.zeros_like(fast))  # (W, P)
        for outer_step in count():
            yield Train(self.sync_every)
            groups = random_groups(replicas.workers, self.group_size, outer_step, self.graph_seed)  # (W,)
            mean_change = yield AllReduce(fast - slow, groups=groups)  # (W, P)
            mean_slow = yield AllReduce(slow, groups=groups)  # (W, P)
            momentum.mul_(self.outer_momentum)
            momentum.add_(mean_change, alpha=self.outer_lr)
            momentum.sub_(slow - mean_slow, alpha=self.gossip_rate)
            slow.add_(momentum)
            fast[:] = slow
