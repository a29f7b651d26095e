"""Collectives, one a file: each turns members and bytes into fluid activities, with a load on each link and its latency."""

from bench.network.collectives.auto import Auto
from bench.network.collectives.base import Collective, Plan, plan_seconds
from bench.network.collectives.butterfly import Butterfly
from bench.network.collectives.gloo import GlooRing
from bench.network.collectives.halving_doubling import HalvingDoubling
from bench.network.collectives.hierarchical import Hierarchical
from bench.network.collectives.nccl import NCCL
from bench.network.collectives.parameter_server import ParameterServer
from bench.network.collectives.primitives import all_gather, beside, broadcast, download, exchange, reduce_scatter
from bench.network.collectives.ring import Ring
from bench.network.collectives.tree import Tree

__all__ = [
    "NCCL",
    "Auto",
    "Butterfly",
    "Collective",
    "GlooRing",
    "HalvingDoubling",
    "Hierarchical",
    "ParameterServer",
    "Plan",
    "Ring",
    "Tree",
    "all_gather",
    "beside",
    "broadcast",
    "download",
    "exchange",
    "plan_seconds",
    "reduce_scatter",
]
