"""Who is on the Pareto front of loss against time, bytes, money and energy: nobody has less of one and no more of the other."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from bench.build import build
from bench.devices import Device, fleet
from bench.errors import ConfError
from bench.explain import CONF
from bench.project.cost import Cost, Figure, Prices, cost
from bench.record import Row
from bench.report.cell import Cell, Form
from bench.report.formats import Table
from bench.report.groups import Group, Number, groups, lines_of, number_of, spoken
from bench.report.keys import printed
from bench.units import count_text, seconds_text, size_text

HERE, EVERYWHERE = "*", "**"
"""On the front of its scenario; and on that of all scenarios of the table."""

PRICES = "cloud"
"""The preset of prices."""


@dataclass(frozen=True)
class Axis:
    """What loss is held against; less of it is better."""

    name: str
    column: str
    number: Number
    form: Form


Pair = tuple[str, str]
"""A scenario and an algorithm."""


def pareto(frame: pd.DataFrame, shown: Mapping[str, str]) -> tuple[list[Table], pd.DataFrame]:
    """A table for each group of rows with at least two algorithms and a loss, and the figures for programs."""
    prices: Prices = build(yaml.safe_load((CONF / f"prices/{PRICES}.yaml").read_text()), "prices")
    costs = {row["key"]: cost_of(row, prices) for row in lines_of(frame)}
    axes = _axes(costs)
    tables, figures = [], []
    for group in groups(frame):
        pairs = list(group.pairs)
        losses = {pair: group.cell(*pair, _learnt("final_loss")) for pair in pairs}
        if len(group.algorithms) < 2 or not any(cell.values for cell in losses.values()):
            continue
        cells = {axis.name: {pair: group.cell(*pair, axis.number) for pair in pairs} for axis in axes}
        marks = {axis.name: _marks(losses, cells[axis.name]) for axis in axes}
        tables.append(_table(group, axes, losses, cells, marks, costs, shown))
        figures += [
            {
                "settings": group.settings,
                "workers": group.workers,
                "workload": group.workload,
                "scenario": pair[0],
                "algorithm": pair[1],
                **{f"loss_{name}": value for name, value in losses[pair].flat().items() if name not in ("instead", "rows")},
                **{axis.column: cells[axis.name][pair].median for axis in axes},
                **{f"front_{axis.column}": bool(marks[axis.name].get(pair)) for axis in axes},
                **{f"front_everywhere_{axis.column}": marks[axis.name].get(pair) == EVERYWHERE for axis in axes},
                "instead": losses[pair].flat()["instead"],
                "rows": losses[pair].flat()["rows"],
            }
            for pair in pairs
        ]
    return tables, pd.DataFrame(figures)


def dominates(loss: Cell, amount: Cell, other_loss: Cell, other_amount: Cell) -> bool:
    """Whether one run has no more of both by its medians, and less of one by more than the seeds' noise.

    Where both pairs of intervals meet there is a tie, and no one is dominated.
    """
    no_more = loss.median <= other_loss.median and amount.median <= other_amount.median
    less = not loss.meets(other_loss) or not amount.meets(other_amount)
    return no_more and less


def front(losses: Mapping[Pair, Cell], amounts: Mapping[Pair, Cell]) -> list[Pair]:
    """Those that have both numbers in all seeds, and that nobody dominates."""
    known = [pair for pair in losses if losses[pair].whole and amounts[pair].whole]
    return [
        pair
        for pair in known
        if not any(dominates(losses[one], amounts[one], losses[pair], amounts[pair]) for one in known if one != pair)
    ]


def cost_of(row: Row, prices: Prices) -> Cost:
    """What a row's devices cost from its beginning to its end; not known where its conf does not tell them."""
    conf: Mapping[str, Any] = row["conf"]
    unknown = Figure(math.nan, f"not known: {row['scenario']} does not tell its devices")
    if not (isinstance(conf.get("devices"), Mapping) and isinstance(conf.get("catalogue"), Mapping)):
        return Cost(device_hours=unknown, kwh=unknown, usd=unknown)
    workers, seed = int(row["workers"]), int(row["seed"])
    try:
        catalogue = {name: build(entry, f"catalogue.{name}", Device) for name, entry in conf["catalogue"].items()}
        devices = build(conf["devices"], "devices", fleet, catalogue=catalogue, workers=workers, seed=seed)
    except ConfError:
        return Cost(device_hours=unknown, kwh=unknown, usd=unknown)
    counts = {str(name): float((devices.names == name).sum()) for name in dict.fromkeys(devices.names)}
    return cost(float(row["virtual_seconds"]), counts, catalogue, prices)


def _axes(costs: Mapping[str, Cost]) -> list[Axis]:
    def of(figure: Callable[[Cost], Figure]) -> Number:
        return _done(lambda row: figure(costs[row["key"]]).value)

    return [
        Axis("time to end", "virtual_seconds", _done(lambda row: row["virtual_seconds"]), seconds_text),
        Axis("sent a worker", "sent_bytes", _done(lambda row: row["sent_bytes"]), size_text),
        Axis("USD", "usd", of(lambda cost: cost.usd), count_text),
        Axis("kWh", "kwh", of(lambda cost: cost.kwh), count_text),
    ]


def _done(number: Callable[[Row], float]) -> Number:
    """A number of rows that are done; what is not known of them is NaN."""
    return lambda row: float(number(row)) if row["status"] == "done" else str(row["status"])


def _learnt(column: str) -> Number:
    """A loss of rows that learnt something: that of one that did not is quick and cheap, and of no use."""
    number = number_of(column)
    return lambda row: number(row) if row["status"] != "done" or not math.isnan(row["best_loss"]) else _nothing(row)


def _nothing(row: Row) -> str:
    return "learnt nothing" if row["curve"]["loss"] else "not trained"


def _marks(losses: Mapping[Pair, Cell], amounts: Mapping[Pair, Cell]) -> dict[Pair, str]:
    """The mark of each pair that is on a front."""
    marks: dict[Pair, str] = {}
    for scenario in dict.fromkeys(pair[0] for pair in losses):
        own = {pair: cell for pair, cell in losses.items() if pair[0] == scenario}
        marks |= dict.fromkeys(front(own, amounts), HERE)
    if len({pair[0] for pair in losses}) > 1:
        marks |= dict.fromkeys(front(losses, amounts), EVERYWHERE)
    return marks


def _table(
    group: Group,
    axes: list[Axis],
    losses: Mapping[Pair, Cell],
    cells: Mapping[str, Mapping[Pair, Cell]],
    marks: Mapping[str, Mapping[Pair, str]],
    costs: Mapping[str, Cost],
    shown: Mapping[str, str],
) -> Table:
    missing = [
        figure.source
        for row in group.rows
        for figure in (costs[row["key"]].usd, costs[row["key"]].kwh)
        if row["status"] == "done" and math.isnan(figure.value)
    ]
    everywhere = f"; {EVERYWHERE}: also on that of all scenarios here" if len(group.scenarios) > 1 else ""
    return Table(
        title=f"Pareto fronts: {group.name}",
        head=["scenario", "algorithm", "loss", *(axis.name for axis in axes)],
        lines=[
            [
                *pair,
                losses[pair].text(lambda loss: f"{loss:.3f}"),
                *(_marked(cells[axis.name][pair].text(axis.form), marks[axis.name].get(pair)) for axis in axes),
            ]
            for pair in losses
        ],
        left=("scenario", "algorithm"),
        notes=[
            f"{HERE}: on the front of its scenario in loss and this: no other has less of one and no more of both{everywhere}; "
            "less: the seeds' intervals do not meet",
            "loss: held out, at the end, nats a token; all else until the end; median [lowest–highest] over seeds (how many)",
            f"USD and kWh: of all devices until the end, conf/prices/{PRICES}.yaml; in one scenario they go with the time",
            *spoken(losses.values()),
            *dict.fromkeys(f"USD or kWh {source}" for source in missing),
            *group.notes(),
        ],
        behind=[
            (f"{scenario}, {algorithm}", printed(losses[scenario, algorithm].keys, shown)) for scenario, algorithm in losses
        ],
    )


def _marked(text: str, mark: str | None) -> str:
    return f"{text} {mark}" if mark else text
