"""Optimizers on stacked replicas: each row of (n, P) parameters is one model's."""

from bench.optimizer.adamw import AdamW
from bench.optimizer.base import LearningRateSchedule, Optimizer, Shapes, State
from bench.optimizer.delayed_nesterov import DelayedNesterov
from bench.optimizer.muon import Muon
from bench.optimizer.nesterov import Nesterov
from bench.optimizer.sgd import SGD

__all__ = ["SGD", "AdamW", "DelayedNesterov", "LearningRateSchedule", "Muon", "Nesterov", "Optimizer", "Shapes", "State"]
