"""A network as conf says it, from what was measured between ranks: as few numbers as hold for all pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import nnls

from bench.errors import ConfError
from bench.network.transfer import Floats
from bench.probe.links import Links
from bench.units import rate_text, seconds_text

TOLERANCE = 0.15
"""Of a pair's latency or rate that a few numbers for all hosts may miss it by; if they miss more, each pair has its own."""

LEAST_SECONDS = 20e-6
"""Latencies that miss by no more than this are not told apart."""


def network(links: Links) -> dict[str, Any]:
    """The settings of a network preset, as texts with units. Ranks on one machine form a node.

    Raises ConfError where their numbers are not in a row.
    """
    names = list(dict.fromkeys(links.machines))
    machine = np.array([names.index(name) for name in links.machines])  # (n,)
    if (np.diff(machine) < 0).any():
        raise ConfError("ranks of one machine must have numbers in a row")
    if len(names) == 1:
        return _inside(links, np.ones(links.rate.shape, bool))
    members = np.bincount(machine)
    latency, rate = (_between(matrix, machine) for matrix in (links.latency, links.rate))  # (M, M)
    up, down = _exits(links.uplink, rate, machine, 1), _exits(links.downlink, rate, machine, 0)
    if len(names) == len(machine):
        last_mile = _last_miles(latency)
        conf: dict[str, Any] = {"uplink": rates(up), "downlink": rates(down), "last_mile": seconds(last_mile)}
        explained = last_mile[:, None] + last_mile
    else:
        same = machine[:, None] == machine
        conf = _inside(links, same)
        inner = float(np.nanmedian(np.where(same, links.latency, np.nan)))
        way = max(float(np.nanmedian(latency)) - inner, 0.0)
        tier = {"name": "node", "size": members.tolist(), "uplink": rates(up), "downlink": rates(down)}
        conf["tiers"] = [tier | {"latency": seconds(way / 2)}]
        explained = np.full(latency.shape, inner + way)
    near = np.abs(explained - latency) <= np.maximum(TOLERANCE * latency, LEAST_SECONDS)
    apart = ~np.eye(len(names), dtype=bool)
    limit = np.minimum(up[:, None], down)
    slow = apart & (rate < (1 - TOLERANCE) * limit)
    if near[apart].all() and not slow.any():
        return conf
    conf["regions"] = [f"host_{number}" for number in range(len(names))]
    if near[apart].all():
        beyond = np.zeros(latency.shape)
    elif "tiers" in conf:
        conf["tiers"][0]["latency"] = "0 s"
        beyond = np.where(apart, np.maximum(latency - inner, 0.0), 0.0)
    else:
        conf["last_mile"] = "0 s"
        beyond = np.where(apart, latency, 0.0)
    conf["region_latency"] = [seconds(row) for row in beyond]
    if slow.any():
        conf["pair_rate"] = [rates(row) for row in np.where(slow, rate, np.inf)]
    return conf


def rates(values: Sequence[float] | Floats) -> list[str]:
    return [rate_text(value) for value in values]


def seconds(value: Any) -> Any:
    """A text with its unit, in ASCII, or a list of them."""
    return [seconds(one) for one in value] if np.ndim(value) else seconds_text(float(value)).replace("µs", "us")


def _inside(links: Links, same: Any) -> dict[str, Any]:
    """The settings for ranks of one machine: the median pair's."""
    rate = float(np.nanmedian(np.where(same, links.rate, np.nan)))
    latency = float(np.nanmedian(np.where(same, links.latency, np.nan)))
    return {"uplink": rate_text(rate), "downlink": rate_text(rate), "last_mile": seconds(latency / 2)}


def _between(matrix: Floats, machine: Any) -> Floats:
    """The median over the pairs of ranks of each pair of machines, (M, M); NaN on the diagonal."""
    count = int(machine.max()) + 1
    made = np.full((count, count), np.nan)
    for a in range(count):
        for b in range(count):
            if a != b:
                made[a, b] = np.median(matrix[np.ix_(machine == a, machine == b)])
    return made


def _exits(measured: Floats, rate: Floats, machine: Any, axis: int) -> Floats:
    """Bytes/s of each machine's way out or in, (M,): the most that its ranks saw, or one pair."""
    most = np.nanmax(rate, axis=axis)
    seen = np.array([np.max(measured[machine == number]) for number in range(len(most))])
    return np.fmax(most, seen)


def _last_miles(latency: Floats) -> Floats:
    """The part of each host, (M,), in the latencies of all pairs: least squares, none below zero."""
    count = len(latency)
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    if len(pairs) == 1:
        return np.full(2, latency[0, 1] / 2)
    system = np.zeros((len(pairs), count))
    for row, pair in enumerate(pairs):
        system[row, list(pair)] = 1.0
    return nnls(system, np.array([latency[pair] for pair in pairs]))[0]
