"""Which ranks have devices of one kind."""

from collections.abc import Sequence

from bench.probe.device import Sample, entry
from bench.probe.presets import Kind

ALIKE = 0.1
"""Steps of one kind differ from its first rank's by at most this share, or by their spread."""


def kinds(name: str, model: str, samples: Sequence[Sample], machines: Sequence[str]) -> tuple[dict[str, Kind], list[str]]:
    """The kinds of devices by the names of their catalogue entries, and the kind's name of each rank."""
    members: list[list[int]] = []
    for rank, sample in enumerate(samples):
        for ranks in members:
            first = samples[ranks[0]]
            same = (sample.kind, sample.threads) == (first.kind, first.threads)
            noise = max(ALIKE, sample.step_spread[model], first.step_spread[model])
            if same and abs(sample.step_seconds[model] / first.step_seconds[model] - 1) <= noise:
                ranks.append(rank)
                break
        else:
            members.append([rank])
    made, order = {}, [""] * len(samples)
    for number, ranks in enumerate(members, 1):
        kind_name = name if len(members) == 1 else f"{name}_{number}"
        chosen = [samples[rank] for rank in ranks]
        device, steps = entry(chosen, model)
        spread = max(sample.step_spread[model] for sample in chosen)
        beside = machines.count(machines[ranks[0]])
        made[kind_name] = Kind(device, model, steps, spread, chosen[0].kind, chosen[0].threads, beside)
        for rank in ranks:
            order[rank] = kind_name
    return made, order
