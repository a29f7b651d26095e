"""The presets: texts of YAML that say what was measured, when and how, and their files, written whole or not at all."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.devices import Device
from bench.errors import ConfError
from bench.probe.describe import seconds
from bench.probe.links import Links
from bench.units import COMPUTE, RATE, SIZE, Dimension, three_digits


@dataclass(frozen=True)
class Occasion:
    """When and where a probe was: what its presets say of themselves."""

    name: str
    date: str
    backend: str  # of the collectives: gloo or nccl
    ranks: int

    def header(self, what: str, words: str) -> list[str]:
        return [
            f"# {what}",
            f"# python -m bench --config-dir DIR {words}",
            "#",
            f"# Measured by bench.probe on {self.date}, torch {torch.__version__}, {self.ranks} rank{'s' * (self.ranks > 1)}.",
        ]


def network_text(occasion: Occasion, network: Mapping[str, Any], links: Links) -> str:
    """The network preset."""
    apart = ~np.isnan(links.rate)
    machines = len(set(links.machines))
    name, ranks = occasion.name, occasion.ranks
    lines = occasion.header(
        f"{machines} machine{'s' * (machines > 1)}, {ranks} workers, as measured.",
        f"network={name} transport={name} collective.backend={occasion.backend} workers={ranks}",
    )
    lines += [
        "# Rates are of payload over one gloo connection a pair, headers off: the transport of that name takes off no more.",
        "# uplink and downlink: the most of one pair and of all at once; at least that, where the far ends held it back.",
        "# Latency is half of the median round trip of one byte: a difference of the two ways, and what hosts take for a byte,",
        "# are in it. Host k is rank k, or machine k where machines have several ranks, a node each.",
        f"# Spread (quartiles / median), median pair: latency {_percent(links.latency_spread[apart])}, "
        f"rate {_percent(links.rate_spread[apart])}.",
    ]
    for field, value in network.items():
        if field in ("region_latency", "pair_rate", "tiers"):
            lines += [f"{field}:", *(f"  - {_flow(row)}" for row in value)]
        else:
            lines.append(f"{field}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def transport_text(occasion: Occasion, message_seconds: float) -> str:
    """The transport preset."""
    name = occasion.name
    lines = occasion.header(
        f"What goes with network={name}, whose rates are of payload.",
        f"network={name} transport={name} workers={occasion.ranks}",
    )
    lines += [
        "# Slow start after a pause is not in it: transfers were timed back to back.",
        "# message: hosts' time beyond what a ping sees, such that an all-reduce of 1 KiB takes as long as measured.",
        "connections: 1",
        f"message: {seconds(message_seconds)}",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Kind:
    """Devices that are alike: their catalogue entry, and for each model the measured and the priced seconds of a step."""

    device: Device
    model: str  # whose step decides the efficiency
    steps: Mapping[str, tuple[float, float]]
    spread: float  # of that step
    maker: str
    threads: int
    beside: int  # ranks on its machine, measured at the same time


def devices_text(occasion: Occasion, kinds: Mapping[str, Kind], order: Sequence[str]) -> str:
    """The devices preset, which brings its own entries of the catalogue; `order` names the kind of each rank."""
    lines = ["# @package _global_"]
    lines += occasion.header(
        f"{' and '.join(dict.fromkeys(kind.maker for kind in kinds.values()))}, as measured.",
        f"devices={occasion.name} model@timed_as={next(iter(kinds.values())).model} workers={occasion.ranks}",
    )
    lines += [
        "# Training steps in fp32, gradient and AdamW, one replica a rank, all ranks of a machine at once. peak: the fastest",
        "# square product in fp32. memory_bandwidth: a large copy. efficiency: such that a step of the first model below",
        "# takes as long as measured, whatever the terms of a data sheet leave out of it.",
        "devices:",
        f"  list: {_flow(list(order) if len(set(order)) > 1 else [order[0]])}",
        "catalogue:",
    ]
    for name, kind in kinds.items():
        device = kind.device
        lines += [
            f"  {name}:",
            f"    peak: {_quantity(device.peak, COMPUTE, 'GFLOP/s')}",
            f"    memory: {_quantity(device.memory, SIZE, 'GB')}",
            f"    memory_bandwidth: {_quantity(device.memory_bandwidth, RATE, 'GB/s')}",
            f"    efficiency: {device.efficiency:.3g}",
            f"    peak_fp32: {_quantity(device.peak, COMPUTE, 'GFLOP/s')}",
            f"    source: measured by bench.probe on {occasion.date}",
            "    verified: true",
        ]
        threads = f"{kind.threads} thread{'s' * (kind.threads > 1)}, " if kind.threads else ""
        lines.append(
            f"    # {kind.maker}, {threads}{kind.beside} of this machine at once; spread of its steps {kind.spread:.1%}"
        )
        lines += [
            f"    # step of {model}: measured {seconds(measured)}, priced {seconds(priced)} ({priced / measured - 1:+.1%})"
            for model, (measured, priced) in kind.steps.items()
        ]
    return "\n".join(lines) + "\n"


def check_free(paths: Sequence[Path], overwrite: bool) -> None:
    """Raises ConfError if one of the files is there and must not be replaced, or its folder cannot be written to."""
    for path in paths:
        if path.exists() and not overwrite:
            raise ConfError(f"{path} is there already; overwrite=true replaces it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise ConfError(f"out must be a folder that can be written to: {path.parent}: {error.strerror}") from error


def write(path: Path, text: str) -> None:
    """Writes a file so that a reader finds the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _flow(value: Any) -> str:
    """A value in one line of YAML; its texts are quantities and names, which need no quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return str(value)


def _quantity(value: float, dimension: Dimension, unit: str) -> str:
    return f"{three_digits(value / dimension.units[unit]).replace(',', '')} {unit}"


def _percent(spreads: Any) -> str:
    return f"{np.median(spreads):.1%}"
