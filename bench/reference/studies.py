"""The studies that `python -m bench.reference` knows: each builds its presets, compares, and says how to show it."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from bench.build import build
from bench.devices import Device
from bench.explain import CONF
from bench.network import Topology, Transport
from bench.reference import devices as of_devices
from bench.reference import failures as of_failures
from bench.reference import measured_diloco as of_measured_diloco
from bench.reference import network as of_networks
from bench.reference import runs as of_runs
from bench.reference import streaming as of_streaming
from bench.reference.report import COLOURS, Columns, Study, diagonal, percent, scatter, verdict


def network() -> Study:
    """Collectives and transfers beside what the presets aws_p3 and tcp_lan say."""
    aws = build(_preset("network/aws_p3"), "network", Topology)
    tcp = build(_preset("transport/tcp_lan"), "transport", Transport)
    columns: Columns = {
        "ranks": lambda row: str(row["ranks"]),
        "MiB": lambda row: f"{row['mebibytes']:g}",
        "shaped to": lambda row: row["shaped_to"] or "-",
        "delay": lambda row: f"{row['delay_ms']:g} ms",
        "measured ms": lambda row: f"{row['measured_ms']:,.0f}",
        "predicted ms": lambda row: f"{row['predicted_ms']:,.0f}",
        "error": percent,
        "within": verdict,
    }
    return Study(
        name="network",
        frame=of_networks.compared(aws, tcp),
        group_by=("source", "operation", "backend"),
        title="{source}: {operation}, {backend}",
        columns=columns,
        figure=_network_figure,
    )


def devices() -> Study:
    """Training throughput of devices of the catalogue."""
    catalogue = {name: build(entry, f"catalogue.{name}", Device) for name, entry in _preset("catalogue/devices").items()}
    frame = of_devices.compared(catalogue)
    several = frame.groupby(["source", "device"])["model"].transform("size") > 1
    frame["group"] = (frame["device"] + ", ").where(several, "") + frame["precision"]
    columns: Columns = {
        "model": lambda row: row["model"],
        "device": lambda row: row["device"],
        "devices": lambda row: str(row["devices"]),
        "sequences": lambda row: str(row["sequences"]),
        "recompute": lambda row: row["recompute"],
        "measured tokens/s": lambda row: f"{row['measured']:,.0f}",
        "unfitted": lambda row: f"{row['unfitted']:,.0f} ({100 * row['unfitted_error']:+.0f} %)",
        "predicted": lambda row: f"{row['predicted']:,.0f}",
        "unhidden": lambda row: f"{row['unhidden']:,.0f}",
        "error": percent,
        "within": lambda row: verdict(row) if row["within"] else row["note"],
    }
    return Study(
        name="devices",
        frame=frame,
        group_by=("source", "group"),
        title="{source}: {group}",
        columns=columns,
        figure=lambda frame: scatter(frame, "device", "tokens/s a device"),
    )


def failures() -> Study:
    """How often large jobs stop, and what is left of their time."""
    frame = of_failures.compared()
    columns: Columns = {
        "quantity": lambda row: row["quantity"],
        "devices": lambda row: f"{row['devices']:,}",
        "preset": lambda row: row["preset"],
        "published": lambda row: f"{row['measured']:,.4g} {row['unit']}".rstrip(),
        "predicted": lambda row: f"{row['predicted']:,.4g} {row['unit']}".rstrip(),
        "error": percent,
        "within": lambda row: verdict(row) if row["within"] and row["tolerance"] == row["tolerance"] else row["within"] or "-",
        "note": lambda row: row["note"],
    }
    return Study(name="failures", frame=frame, columns=columns, figure=_failures_figure)


def streaming() -> Study:
    """The bandwidth that data parallelism, DiLoCo and Streaming DiLoCo need."""
    columns: Columns = {
        "method": lambda row: row["method"],
        "utilisation": lambda row: f"{100 * row['utilisation']:g} %",
        "published Gbit/s": lambda row: f"{row['measured']:,.1f}",
        "predicted Gbit/s": lambda row: f"{row['predicted']:,.1f}",
        "cells off": lambda row: f"{row['cells']:+d}" if row["cells"] else "0",
        "within": lambda row: f"{row['within']} (1 cell)",
        "own Gbit/s": lambda row: (
            f"{row['own']:,.1f} ({row['own_cells']:+d})" if row["own_cells"] else f"{row['own']:,.1f} (0)"
        ),
    }
    return Study(
        name="streaming",
        frame=of_streaming.compared(),
        group_by=("source", "model", "layers", "step_seconds"),
        title="{source}, table 4: {model}, {layers} layers, {step_seconds:g} s a step",
        columns=columns,
        figure=_streaming_figure,
    )


def measured_diloco() -> Study:
    """DiLoCo and DDP on four GPUs beside what the presets aws_p3 and tcp_lan say."""
    aws = build(_preset("network/aws_p3"), "network", Topology)
    tcp = build(_preset("transport/tcp_lan"), "transport", Transport)
    columns: Columns = {
        "algorithm": lambda row: row["algorithm"],
        "H": lambda row: str(row["sync_every"]),
        "shaped to": lambda row: row["shaped_to"],
        "quantity": lambda row: row["quantity"],
        "measured": lambda row: f"{row['measured']:.4g}",
        "predicted": lambda row: f"{row['predicted']:.4g}",
        "error": percent,
        "within": verdict,
    }
    return Study(
        name="measured_diloco",
        frame=of_measured_diloco.compared(aws, tcp),
        group_by=("source", "algorithm"),
        title="{source}: {algorithm}",
        columns=columns,
        figure=_measured_diloco_figure,
    )


def runs() -> Study:
    """Runs over the internet: how long they synchronized, and what was left of their time."""
    columns: Columns = {
        "run": lambda row: row["run"],
        "quantity": lambda row: row["quantity"],
        "published": lambda row: f"{row['measured']:,.4g} {row['unit']}".rstrip(),
        "predicted": lambda row: f"{row['predicted']:,.4g} {row['unit']}".rstrip(),
        "error": percent,
        "within": lambda row: verdict(row) if row["unit"] or not row["within"] else f"{row['within']} (1 point)",
        "note": lambda row: row["note"],
    }
    return Study(
        name="runs",
        frame=of_runs.compared(),
        columns=columns,
        figure=lambda frame: scatter(frame[frame["unit"] == "s"], "run", "s"),
    )


STUDIES: dict[str, Callable[[], Study]] = {
    "network": network,
    "devices": devices,
    "failures": failures,
    "streaming": streaming,
    "measured_diloco": measured_diloco,
    "runs": runs,
}


def _preset(path: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / f"{path}.yaml").read_text())


def _network_figure(frame: pd.DataFrame) -> Figure:
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


def _failures_figure(frame: pd.DataFrame) -> Figure:
    """Mean time between failures, predicted against published, by source and preset."""
    of_time = frame[frame["unit"] == "h"]
    return scatter(of_time.assign(who=of_time["source"] + ", " + of_time["preset"]), "who", "h")


def _streaming_figure(frame: pd.DataFrame) -> Figure:
    """Bandwidth against the utilisation that it suffices for, a panel a model."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    models = list(dict.fromkeys(frame["model"]))
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    levels = sorted(frame["utilisation"].unique())
    for panel, model in zip(panels, models, strict=True):
        of_model = frame[frame["model"] == model]
        for colour, (method, group) in zip(COLOURS, of_model.groupby("method", sort=False), strict=False):
            places = [levels.index(level) for level in group["utilisation"]]
            panel.plot(places, group["predicted"], color=colour, linewidth=1)
            panel.scatter(places, group["predicted"], marker=".", s=20, color=colour, label=f"{method}")
            panel.scatter(places, group["measured"], marker="o", s=45, facecolors="none", edgecolors=colour)
        panel.set(title=model, yscale="log", xlabel="compute utilisation (%)")
        panel.set_xticks(range(len(levels)), [f"{100 * level:g}" for level in levels])
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("bandwidth needed (Gbit/s)")
    panels[0].scatter([], [], marker="o", s=45, facecolors="none", edgecolors="black", label="published")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    return figure


def _measured_diloco_figure(frame: pd.DataFrame) -> Figure:
    """Predicted against measured utilisation, by algorithm and H."""
    utilisation = frame[frame["quantity"] == "utilisation"]
    who = utilisation["algorithm"] + (", H = " + utilisation["sync_every"].astype(str)).where(
        utilisation["algorithm"] == "DiLoCo", ""
    )
    return scatter(utilisation.assign(who=who), "who", "share of the time that is computing")
