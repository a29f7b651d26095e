"""Knobs of a run's links: the same network and transport, with one thing about them twice as good."""

from dataclasses import replace

import numpy as np

from bench.attribute.turned import Turned
from bench.attribute.variant import Variant
from bench.network import Network
from bench.run import Run
from bench.scenario import Scenario


def uplink(run: Run) -> Turned | str:
    """Every worker's own uplink twice as fast; what is shared stays, even if it was reckoned from them."""
    return _faster(run, slice(0, run.scenario.workers), "uplinks")


def downlink(run: Run) -> Turned | str:
    """Every worker's own downlink twice as fast."""
    return _faster(run, slice(run.scenario.workers, 2 * run.scenario.workers), "downlinks")


def shared_links(run: Run) -> Turned | str:
    """Exits of groups and links between regions twice as fast, and the rates that were measured between two hosts."""
    network = run.scenario.network
    end = network.server_link if network.server_link >= 0 else len(network.capacity)
    between = (network.region_link >= 0).any() or np.isfinite(network.measured).any()
    exits = any(tier.groups > 1 for tier in network.tiers)
    if not (between or exits):
        return "no two groups of workers have a shared link between them"
    capacity = network.capacity.copy()
    capacity[2 * network.workers : end] *= 2
    faster = replace(network, capacity=capacity, measured=2 * network.measured)
    names = " and ".join(("exits",) * exits + ("links between regions",) * bool(between))
    return Turned(Variant(run, lambda scenario: _with_network(scenario, faster)), f"double the {names}")


def round_trips(run: Run) -> Turned | str:
    """Half the latency of last miles, regions and tiers, and of the hosts' time for a message."""
    network, transport = run.scenario.network, run.scenario.paths.transport
    tiers = tuple(replace(tier, latency=tier.latency / 2) for tier in network.tiers)
    latencies = [*network.last_mile, *network.region_latency.flat, *(tier.latency for tier in tiers), transport.message]
    if not any(latencies):
        return "nothing here has a latency"
    near = replace(network, last_mile=network.last_mile / 2, region_latency=network.region_latency / 2, tiers=tiers)

    def nearer(scenario: Scenario) -> Scenario:
        moved = _with_network(scenario, near)
        return replace(moved, paths=replace(moved.paths, transport=replace(transport, message=transport.message / 2)))

    return Turned(Variant(run, nearer))


def connections(run: Run) -> Turned | str:
    """Twice the connections of every flow, where something holds each of them to a rate."""
    paths = run.scenario.paths
    transport = paths.transport
    granted = transport.connection_rate is not None or np.isfinite(paths.network.single_connection).any()
    if not (transport.window is not None or transport.loss or granted):
        return "nothing caps a connection"
    more = replace(paths, transport=replace(transport, connections=2 * transport.connections))
    return Turned(
        Variant(run, lambda scenario: replace(scenario, paths=more)),
        f"twice the connections ({more.transport.connections})",
    )


def _faster(run: Run, links: slice, name: str) -> Turned | str:
    network = run.scenario.network
    if not np.isfinite(network.capacity[links]).any():
        return f"the {name} are unlimited"
    capacity = network.capacity.copy()
    capacity[links] *= 2
    faster = replace(network, capacity=capacity)
    return Turned(Variant(run, lambda scenario: _with_network(scenario, faster)))


def _with_network(scenario: Scenario, network: Network) -> Scenario:
    """The scenario on another network, also where that varies in time."""
    changes = None if scenario.changes is None else replace(scenario.changes, network=network)
    return replace(scenario, paths=replace(scenario.paths, network=network), changes=changes)
