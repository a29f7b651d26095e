"""Links, latencies and what collectives cost on them. NumPy only; knows no learning."""

from bench.network.collectives import download, ring_all_reduce
from bench.network.fairness import max_min_rates
from bench.network.fluid import Fluid
from bench.network.topology import Network, Topology
from bench.network.transfer import Ramp, Transfer

__all__ = ["Fluid", "Network", "Ramp", "Topology", "Transfer", "download", "max_min_rates", "ring_all_reduce"]
