"""Links, latencies and what collectives cost on them. NumPy only; knows no learning."""

from bench.network.collectives import Transfer, download, ring_all_reduce
from bench.network.fairness import max_min_rates
from bench.network.fluid import Fluid
from bench.network.topology import Network, Topology

__all__ = ["Fluid", "Network", "Topology", "Transfer", "download", "max_min_rates", "ring_all_reduce"]
