"""The figures of studies that are not one cloud of points."""

import pandas as pd
from matplotlib.figure import Figure

from bench.reference.report import diagonal, scatter
from bench.report.figure import look, tip

_METHODS = {
    "data parallel": ("ddp", "-"),
    "DiLoCo": ("diloco", "-"),
    "Streaming DiLoCo": ("streaming_diloco", "-"),
    "Streaming, overlapped": ("streaming_diloco", "--"),
    "Streaming, overlapped, FP4": ("streaming_diloco", ":"),
}
"""The algorithm whose colour and marker each method has, and the dash that tells methods of one algorithm apart."""


def network_figure(frame: pd.DataFrame) -> Figure:
    """Predicted against measured seconds, by backend and operation."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    panel = figure.subplots()
    both = frame[["measured_ms", "predicted_ms"]] / 1e3
    diagonal(panel, both.min().min(), both.max().max(), "s")
    styles = {"nccl": ("o", "#0072B2"), "gloo": ("^", "#D55E00")}
    for (operation, backend), group in frame.groupby(["operation", "backend"], sort=False):
        marker, colour = styles[backend]
        filled = colour if operation == "all_reduce" else "none"
        label = f"{backend}, {operation.replace('_', ' ')}"
        seconds = group["measured_ms"] / 1e3, group["predicted_ms"] / 1e3
        size = 40 if operation == "all_reduce_in_parts" else 22
        panel.scatter(*seconds, marker=marker, s=size, facecolors=filled, edgecolors=colour, linewidths=0.9, label=label)
    panel.legend(fontsize=8)
    return figure


def failures_figure(frame: pd.DataFrame) -> Figure:
    """Mean time between failures, predicted against published, by source and preset."""
    of_time = frame[frame["unit"] == "h"]
    return scatter(of_time.assign(who=of_time["source"] + ", " + of_time["preset"]), "who", "h")


def streaming_figure(frame: pd.DataFrame) -> Figure:
    """Bandwidth against the utilisation that it suffices for, a panel a model."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    models = list(dict.fromkeys(frame["model"]))
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    levels = sorted(frame["utilisation"].unique())
    for panel, model in zip(panels, models, strict=True):
        of_model = frame[frame["model"] == model]
        for method, group in of_model.groupby("method", sort=False):
            name, dash = _METHODS[str(method)]
            own = look(name)
            places = [levels.index(level) for level in group["utilisation"]]
            [line] = panel.plot(
                *(places, group["predicted"]),
                linestyle=dash,
                marker=own.marker,
                markersize=3,
                color=own.colour,
                linewidth=1,
                label=method,
            )
            tip(line, f"{method}, {model}: predicted")
            panel.scatter(places, group["measured"], marker="o", s=45, facecolors="none", edgecolors=own.colour)
        panel.set(title=model, yscale="log", xlabel="compute utilisation (%)")
        panel.set_xticks(range(len(levels)), [f"{100 * level:g}" for level in levels])
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("bandwidth needed (Gbit/s)")
    panels[0].scatter([], [], marker="o", s=45, facecolors="none", edgecolors="black", label="published")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    return figure


def measured_diloco_figure(frame: pd.DataFrame) -> Figure:
    """Predicted against measured utilisation, by algorithm and H."""
    utilisation = frame[frame["quantity"] == "utilisation"]
    who = utilisation["algorithm"] + (", H = " + utilisation["sync_every"].astype(str)).where(
        utilisation["algorithm"] == "DiLoCo", ""
    )
    colours = {name: look("diloco" if name.startswith("DiLoCo") else "ddp").colour for name in who}
    return scatter(utilisation.assign(who=who), "who", "share of the time that is computing", colours)


def layouts_figure(frame: pd.DataFrame) -> Figure:
    """Predicted against measured seconds of a step, by source; its legend where no point is."""
    figure = scatter(frame.assign(who=frame["source"].str.removeprefix("mosaicml/")), "who", "s a step")
    figure.axes[0].legend(fontsize=7, loc="lower right")
    return figure
