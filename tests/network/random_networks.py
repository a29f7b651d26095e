"""Networks for tests: random hierarchies, and the way of a flow looked up link by link, without the code's vectors."""

import numpy as np

from bench.network import Paths, Tier, Topology, Transport


def star(workers, **changes):
    """Hosts with links of 1 MB/s and 5 ms to the middle."""
    return Topology(**({"uplink": 1e6, "downlink": 1e6, "last_mile": 0.005} | changes)).network(workers, seed=0)


def random_network(random, workers, *, tiers=True, regions=True):
    """A hierarchy of up to three tiers and three regions, with a speed and a latency of its own for everything."""
    given = []
    for number in range(random.integers(0, 4) if tiers else 0):
        size = [
            {"size": int(random.integers(1, 4))},
            {"size": random.integers(1, 4, random.integers(1, 4)).tolist()},
            {"groups": int(random.integers(1, 5))},
        ][random.integers(3)]
        exit = [{"uplink": 1.0, "downlink": 1.0}, {"oversubscription": random.uniform(0.5, 4)}][random.integers(2)]
        given.append(Tier(name=f"tier{number}", latency=random.choice([0, random.uniform(0, 0.1)]), **size, **exit))
    apart = {}
    if regions and random.integers(2):
        count = int(random.integers(1, 4))
        names = [f"region{number}" for number in range(count)]
        apart = {"regions": names, "region_latency": random.uniform(0, 0.2, (count, count)).tolist()}
        if random.integers(2):
            shared = random.uniform(0.1e6, 1e6, (count, count))
            shared[random.random((count, count)) < 0.3] = np.inf
            apart["region_rate"] = shared.tolist()
        if random.integers(2):
            apart["connection_rate"] = random.uniform(0.1e6, 1e6, (count, count)).tolist()
    network = Topology(uplink=1.0, downlink=1.0, last_mile=0.0, tiers=given, **apart).network(workers, seed=0)
    network.capacity[:] = random.uniform(0.1e6, 1e6, len(network.capacity))
    network.last_mile[:] = random.uniform(0, 0.05, workers)
    return network


def random_transport(random):
    """Any of the transport's effects, each in every other draw."""
    packets = {"packet_bytes": 1500.0, "payload_bytes": float(random.integers(500, 1500))}
    effects = [
        packets,
        {"connections": int(random.integers(2, 5))},
        {"window": random.uniform(1e3, 1e5)},
        packets | {"loss": random.uniform(1e-4, 1e-2)},
        {"connection_rate": random.uniform(1e5, 1e6)},
        {"message": random.uniform(0, 1e-3)},
        {"initial_window": random.uniform(1e3, 1e5)},
    ]
    chosen = {}
    for effect in effects:
        if random.integers(2):
            chosen |= effect
    return Transport(**chosen)


def way(network, source, target):
    """The numbers of the links from one host to another, one after the other, from what the numbering says."""
    links = [source]
    for tier in network.tiers:
        if tier.group[source] != tier.group[target]:
            links += [tier.first + int(tier.group[source]), tier.first + tier.groups + int(tier.group[target])]
    shared = int(network.region_link[network.region[source], network.region[target]])
    return [*links, *([shared] if shared >= 0 else []), network.workers + target]


def one_way(network, source, target):
    """Seconds from one host to another."""
    seconds = network.last_mile[source] + network.last_mile[target]
    seconds += network.region_latency[network.region[source], network.region[target]]
    return seconds + sum(2 * tier.latency for tier in network.tiers if tier.group[source] != tier.group[target])


def load(plan, links):
    """Bytes that a plan puts on each link, (L,)."""
    total = np.zeros(links)
    for transfer in plan:
        total[transfer.links] += transfer.nbytes * transfer.weights
    return total


def pure(network, seed=0):
    """Paths with nothing but latency and bandwidth."""
    return Paths(network, Transport(), seed)
