"""Several attributions as a picture: a bar each, its factors side by side on a logarithmic axis."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.attribute.colours import COLOURS, EDGES, HATCHES
from bench.attribute.record import Record
from bench.attribute.switches import SWITCHES
from bench.attribute.waterfall import ticks_as_factors


def figure(records: Sequence[Record], labels: Sequence[str]) -> Figure:
    """A bar a record, in the given order from the top, with a mark at its slowdown: of the seed in which that is the median.

    What slows it down goes to the right of the ideal line, from where what helps, to the left of it, ends.
    """
    width = max(8.0, 5.5 + 0.075 * max(map(len, labels)))
    picture = Figure(figsize=(width, 0.42 * len(records) + 1.5), layout="constrained")
    panel = picture.subplots()
    shown, ends = set[str](), [1.0]
    for place, record in enumerate(records):
        seed = sorted(range(len(record["total"])), key=record["total"].__getitem__)[(len(record["total"]) - 1) // 2]
        factors = {name: record["factors"][name][seed] for name in SWITCHES}
        helping = math.prod(factor for factor in factors.values() if factor < 1)
        reached, back = helping, 1.0
        for name, factor in factors.items():
            if factor == 1:
                continue
            shown.add(name)
            begin = reached if factor > 1 else back
            panel.barh(
                place + (0.0 if factor > 1 else 0.26),
                begin * factor - begin,
                left=begin,
                height=0.5 if factor > 1 else 0.18,
                color=COLOURS[name],
                hatch=HATCHES[name],
                edgecolor=EDGES[name],
                linewidth=0,
            )
            if factor > 1:
                reached *= factor
            else:
                back *= factor
        total = record["total"][seed]
        panel.plot(total, place, marker="D", color="black", markersize=4)
        ends += [reached, helping, total]
    room = max(max(ends) / min(ends), 1.2) ** 0.03
    axis = "slowdown against ideal (x), of the seed with the median one; thin, to the left of 1x: what helps"
    panel.set(xscale="log", xlim=(min(ends) / room, max(ends) * room), xlabel=axis)
    panel.axvline(1.0, color="black", linewidth=1.2)
    ticks_as_factors(panel, max(ends) / min(ends))
    panel.set_yticks(range(len(records)), labels, fontsize=8)
    panel.set_ylim(len(records) - 0.4, -0.6)
    panel.grid(axis="x", alpha=0.25)
    panel.set_axisbelow(True)
    patches = [
        Patch(facecolor=COLOURS[name], hatch=HATCHES[name], edgecolor=EDGES[name], linewidth=0, label=name)
        for name in SWITCHES
        if name in shown
    ]
    mark = panel.plot([], [], marker="D", color="black", linestyle="none", markersize=4, label="slowdown")
    picture.legend(handles=[*patches, *mark], fontsize=8, loc="outside upper center", ncol=4, frameon=False)
    return picture
