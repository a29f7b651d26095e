"""Emulations as a validation judges them: what each one was, how far it is from its prediction, and whether that will do."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.emulator.cells import Cell, cell
from bench.emulator.record import Record
from bench.units import RATE, TIME, parse


@dataclass(frozen=True)
class Judged:
    """An emulation on shaped links, and its figures."""

    key: str
    command: str
    algorithm: str
    codec: str
    model: str
    workers: int
    steps: int
    uplink: str  # as conf has it
    downlink: str
    uplink_rate: float  # bytes/s, the slowest
    downlink_rate: float  # bytes/s, the slowest
    round_trip: float  # seconds, the longest between two hosts; NaN where conf does not tell
    special: tuple[str, ...]  # of unequal links, straggler and drop
    least: float  # seconds of all operations together, of the measurements
    most: float
    cell: Cell

    @property
    def name(self) -> str:
        """The algorithm, and its codec if it has one."""
        return self.algorithm if self.codec == "none" else f"{self.algorithm}, {self.codec}"

    @property
    def slowest(self) -> float:
        """Bytes/s of the slowest line."""
        return min(self.uplink_rate, self.downlink_rate)


@dataclass(frozen=True)
class Quantity:
    """What is compared, and how large a share its |error| may be."""

    name: str
    error: Callable[[Cell], float]
    median: float = math.inf
    high: float = math.inf  # the 95th percentile
    most: float = math.inf

    @property
    def target(self) -> str:
        """In words."""
        limits = ((self.median, "median"), (self.high, "95th percentile"), (self.most, "at most"))
        return ", ".join(f"{name} {100 * limit:g} %" for limit, name in limits if math.isfinite(limit))


COMMUNICATION = Quantity("communication", lambda one: one.communication_error, median=0.03, high=0.10)

QUANTITIES = (
    COMMUNICATION,
    Quantity("whole run", lambda one: one.seconds_error, median=0.05, high=0.15),
    Quantity("bytes sent", lambda one: one.bytes_error, most=0.02),
)


@dataclass(frozen=True)
class Errors:
    """|Errors| of one quantity over cells, as shares; NaN where there is no cell."""

    cells: int
    median: float
    high: float  # the 95th percentile, linear between cells
    most: float

    @classmethod
    def of(cls, judged: Iterable[Judged], quantity: Quantity) -> "Errors":
        """Cells in which it is not known are left out."""
        sizes = [abs(error) for one in judged if not math.isnan(error := quantity.error(one.cell))]
        if not sizes:
            return cls(0, math.nan, math.nan, math.nan)
        return cls(len(sizes), float(np.median(sizes)), float(np.percentile(sizes, 95)), max(sizes))

    def meets(self, quantity: Quantity) -> bool | None:
        """Whether they are as small as they should be; None where there is no cell."""
        if not self.cells:
            return None
        return self.median <= quantity.median and self.high <= quantity.high and self.most <= quantity.most


def judge(records: Iterable[Record]) -> tuple[list[Judged], list[tuple[str, str]]]:
    """The emulations that can be judged, in the order of tables; and the commands of the others, each with its reason."""
    judged, others = [], []
    for record in records:
        found = cell(record)
        if found is None:
            others.append((record["command"], record["reason"] or "not measured yet"))
        elif record["links"] != "shaped":
            others.append((record["command"], f"on {record['links']} links, which say nothing of a network"))
        else:
            judged.append(_judged(record, found))
    return sorted(judged, key=_order), sorted(others)


def _order(one: Judged) -> tuple[Any, ...]:
    return (
        one.algorithm,
        one.codec != "none",
        one.codec,
        one.workers,
        one.slowest,
        math.isnan(one.round_trip),
        one.round_trip,
        one.command,
    )


def _judged(record: Record, found: Cell) -> Judged:
    names, settings = record["names"], record["settings"]
    network = settings["network"]
    return Judged(
        key=record["key"],
        command=record["command"],
        algorithm=names["algorithm"],
        codec=names["codec"],
        model=names["model"],
        workers=record["workers"],
        steps=settings["steps"],
        uplink=_text(network["uplink"]),
        downlink=_text(network["downlink"]),
        uplink_rate=min(parse(_values(network["uplink"]), RATE)),
        downlink_rate=min(parse(_values(network["downlink"]), RATE)),
        round_trip=_round_trip(network),
        special=_special(names, settings),
        least=found.least_communication,
        most=found.most_communication,
        cell=found,
    )


def _round_trip(network: Mapping[str, Any]) -> float:
    """Seconds of the longest: there and back, each over two last miles and what lies between regions."""
    if network.get("tiers"):
        return math.nan
    between = [latency for row in parse(network.get("region_latency") or [["0 s"]], TIME) for latency in row]
    miles = sorted(parse(_values(network["last_mile"]), TIME))
    return float(2 * (2 * miles[-1] + max(between)))


def _special(names: Mapping[str, str], settings: Mapping[str, Any]) -> tuple[str, ...]:
    network, devices = settings["network"], settings["devices"]
    unequal = any(len(set(_values(network[name]))) > 1 for name in ("uplink", "downlink", "last_mile"))
    kinds = devices.get("mix") or devices.get("list") or devices.get("file") or ()
    marks = {"unequal links": unequal, "straggler": len(set(kinds)) > 1, "drop": names["churn"] != "always_on"}
    return tuple(name for name, marked in marks.items() if marked)


def _values(spread: str | Mapping[str, float] | Sequence[str]) -> list[str]:
    """The quantities of a setting that is one for all hosts, a mixture, or a list."""
    return [spread] if isinstance(spread, str) else list(spread)


def _text(spread: str | Mapping[str, float] | Sequence[str]) -> str:
    if isinstance(spread, Mapping):
        return " and ".join(f"{100 * share:g} % {value}" for value, share in spread.items())
    return " and ".join(dict.fromkeys(_values(spread)))
