"""The table of all algorithms: what each is, what it sends, what it needs; from their files and presets."""

import re
from importlib import import_module
from typing import Any

import torch
import yaml
from torch import Tensor

from bench.algorithm import (
    Algorithm,
    AllGather,
    AllReduce,
    Average,
    Backward,
    Exchange,
    Forward,
    Handle,
    Operation,
    Pull,
    Push,
    ReduceScatter,
    Start,
    Train,
    Wait,
)
from bench.build import build
from bench.explain import CONF
from bench.lockstep import Step
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Layout, Replicas

WORKERS = 16
STEPS = 480
"""Of the program, over which traffic is counted."""

_MEETS = {"all": "all workers", "groups": "groups or neighbours", "stages": "stages", "none": "nobody; each worker on its own"}


def markdown() -> str:
    """The table, a line for each preset of an algorithm."""
    lines = [
        "| algorithm | what it is, and whose | sends a step | in step with | preset brings | needs |",
        "|---|---|---:|---|---|---|",
    ]
    for path in sorted((CONF / "algorithm").glob("*.yaml")):
        conf = yaml.safe_load(path.read_text())
        node = conf.get("algorithm", conf)
        algorithm: Algorithm = build(node, "algorithm")
        cells = [
            f"`{path.stem}`",
            _title(node["_target_"]),
            f"{traffic(algorithm):.3g}",
            _MEETS[algorithm.lockstep],
            ", ".join(_brings(conf)) or "-",
            "everybody, always" if algorithm.needs_everybody else "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [
        f"sends a step: numbers that the first of {WORKERS} workers sends in a program step, over those of the model, before "
        f"any codec: the mean of the first {STEPS} steps as the preset has it, collectives being rings",
    ]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def traffic(algorithm: Algorithm) -> float:
    """Numbers that the first worker sends in a program step, over the P of the model."""
    layout = Layout({f"{number // 4}.{number}": (1000, 10) for number in range(96)})
    shadow = Replicas(
        torch.empty((WORKERS, layout.columns), device="meta"),
        SGD(lr=1.0, momentum=0.0),
        LearningRateSchedule(warmup=0, final=1.0, steps=STEPS),
        layout,
    )
    own = shadow
    program, step = algorithm.run(own), Step(layout.columns)
    in_the_air: dict[Handle, Operation] = {}
    steps, numbers, answer = 0, 0.0, None
    while True:
        operation = program.send(answer)
        match operation:
            case Train() | Forward() | Backward():
                if step.begins(operation):
                    if steps >= STEPS:
                        return numbers / steps / layout.columns
                    steps += operation.steps if isinstance(operation, Train) else 1
                answer = _answer(operation, own.params)
            case Start():
                answer = Handle()
                in_the_air[answer] = operation.operation
                numbers += _sent(operation.operation, layout.columns)
            case Wait():
                answer = _answer(in_the_air.pop(operation.handle), own.params)
            case _:
                numbers += _sent(operation, layout.columns)
                answer = _answer(operation, own.params)


def _sent(operation: Operation, columns: int) -> float:
    """Numbers that the first worker sends, in a ring where all take part."""
    hops = 1 - 1 / WORKERS
    match operation:
        case AllReduce(groups=None):
            return 2 * hops * operation.payload.shape[1]
        case AllReduce(groups=groups) if groups is not None:
            members = int((groups == groups[0]).sum())
            return 2 * (1 - 1 / members) * operation.payload.shape[1]
        case ReduceScatter() | AllGather():
            return hops * operation.payload.shape[1]
        case Exchange():
            neighbours = int((operation.weights[:, 0] != 0).sum()) - int(operation.weights[0, 0] != 0)
            return neighbours * operation.payload.shape[1]
        case Push():
            return operation.payload.shape[1]
        case Average():
            return columns
    return 0.0  # a Pull only receives


def _answer(operation: Operation, params: Tensor) -> Any:
    """A shadow of what an operation answers."""
    match operation:
        case Backward():
            return params if operation.part is None else operation.part.of(params)
        case AllReduce(groups=None) | ReduceScatter() | AllGather():
            return operation.payload[:1]
        case AllReduce() | Exchange():
            return operation.payload
        case Pull():
            return params[:1]
    return None


def _title(target: str) -> str:
    """The first sentence of an algorithm's file, which names its paper."""
    text = import_module(target.rpartition(".")[0]).__doc__ or ""
    return re.sub(r"\s+", " ", text.strip().split("\n\n")[0]).rstrip(".")


def _brings(conf: dict[str, Any]) -> list[str]:
    """The presets of other groups that come with this one."""
    return [
        f"{group.removeprefix('override /')}={name}"
        for entry in conf.get("defaults", [])
        if isinstance(entry, dict)
        for group, name in entry.items()
        if group.startswith("override /")
    ]
