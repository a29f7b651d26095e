"""One probe from begin to end: measures on all ranks, then writes presets and tells of them on the first."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from bench.errors import FarbenchError
from bench.probe import collectives, device, links, presets
from bench.probe.describe import network
from bench.probe.kinds import kinds
from bench.probe.ranks import Ranks, machine
from bench.probe.settings import Settings
from bench.progress import Progress
from bench.record import as_json
from bench.units import TIME, seconds_text, size_text, three_digits


def probe(settings: Settings, ranks: Ranks | None) -> None:
    """Measures, and writes on the first rank; all ranks call it. Raises FarbenchError."""
    rank, size = (ranks.rank, ranks.size) if ranks else (0, 1)
    groups = ("network", "transport", "devices") if ranks else ("devices",)
    paths = {group: settings.out / group / f"{settings.name}.yaml" for group in groups}
    _check(ranks, list(paths.values()), settings.overwrite)
    progress = Progress("auto" if rank == 0 else "none")
    machines = ranks.everyone("machine", machine()) if ranks else [machine()]
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.device_count()
    own = [bool(cuda > local)] if ranks is None else ranks.everyone("cuda", cuda > local)
    kind = "cuda" if own[rank] else "cpu"
    if kind == "cuda":
        torch.cuda.set_device(local)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    progress.say(f"measuring {size} rank{'s' * (size > 1)} on {len(set(machines))} machine{'s' * (len(set(machines)) > 1)}")
    parts = settings.seconds / (4 if ranks else 1)
    found: dict[str, Any] = {}
    texts: dict[str, str] = {}
    backend = "nccl" if all(own) else "gloo"
    occasion = presets.Occasion(settings.name, f"{datetime.now(UTC):%Y-%m-%d}", backend, size)
    if ranks:
        measured = links.measure(ranks, machines, 2 * parts, progress)
        conf = network(measured)
        group, timed_on = (ranks.nccl(), "cuda") if backend == "nccl" else (ranks.group, "cpu")
        small, timings = collectives.measure(group, timed_on, parts, progress)
        message = collectives.message_seconds(conf, size, backend, small)
        transport = {"connections": 1, "message": f"{message!r} s"}
        timings = collectives.beside(conf, transport, size, backend, [small, *timings])
        texts["network"] = presets.network_text(occasion, conf, measured)
        texts["transport"] = presets.transport_text(occasion, message)
        found |= {"network": conf, "message_seconds": message, "all_reduces": [asdict(t) | {"error": t.error} for t in timings]}
    progress.say("timing products, copies and training steps")

    def together(what: str) -> None:
        if ranks:
            ranks.everyone(f"ready for {what}", True)

    sample = device.measure(kind, settings.model, rank, machines.count(machines[rank]), parts, together)
    samples = [device.Sample(**s) for s in ranks.everyone("device", asdict(sample))] if ranks else [sample]
    alike, order = kinds(settings.name, settings.model, samples, machines)
    texts["devices"] = presets.devices_text(occasion, alike, order)
    if rank:
        return
    for group_name, text in texts.items():
        presets.write(paths[group_name], text)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if ranks:
        console.print(_all_reduces(timings, backend))
    for name, entry in alike.items():
        for model, (taken, priced) in entry.steps.items():
            said = f"{seconds_text(priced)} ({priced / taken - 1:+.1%})"
            print(f"{name}: a step of {model} took {seconds_text(taken)}; its entry says {said}")
    print("wrote " + ", ".join(str(path) for path in paths.values()))
    if settings.json:
        steps = {name: {m: {"measured": t, "priced": p} for m, (t, p) in entry.steps.items()} for name, entry in alike.items()}
        print(as_json(found | {"devices": order, "steps": steps, "paths": [str(path) for path in paths.values()]}))


def _check(ranks: Ranks | None, paths: list[Path], overwrite: bool) -> None:
    """On the first rank, whether the files may be written; all raise where they may not."""
    if ranks is None:
        presets.check_free(paths, overwrite)
    elif ranks.rank == 0:
        try:
            presets.check_free(paths, overwrite)
        except (FarbenchError, OSError) as error:
            ranks.publish("files", {"failed": str(error)})
            raise
        ranks.publish("files", True)
    else:
        ranks.read("files")


def _all_reduces(timings: Sequence[collectives.Timing], backend: str) -> Table:
    table = Table(title=f"All-reduces ({backend}), and what the presets say", title_justify="left")
    for name in ("size", "measured ms", "spread", "predicted ms", "error"):
        table.add_column(name, justify="right")
    for t in timings:
        measured, predicted = (three_digits(value / TIME.units["ms"]) for value in (t.seconds, t.predicted))
        fitted = " (fitted)" if t.nbytes == collectives.SMALL else ""
        table.add_row(size_text(t.nbytes), measured, f"{t.spread:.1%}", predicted, f"{t.error:+.1%}{fitted}")
    return table
