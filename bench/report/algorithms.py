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
from bench.codec import Codec
from bench.explain import CONF
from bench.lockstep import Step
from bench.optimizer import SGD, LearningRateSchedule
from bench.replicas import Layout, Part, Replicas

WORKERS = 16
STEPS = 480
"""Of the program, over which traffic is counted."""

_MEETS = {"all": "all workers", "groups": "groups or neighbours", "stages": "stages", "none": "nobody; each worker on its own"}


def markdown() -> str:
    """The table, a line for each preset of an algorithm."""
    lines = [
        "| algorithm | what it is, and whose | sends a step | in step with | its preset brings | needs |",
        "|---|---|---:|---|---|---|",
    ]
    for path in sorted((CONF / "algorithm").glob("*.yaml")):
        conf = yaml.safe_load(path.read_text())
        algorithm: Algorithm = build({name: value for name, value in conf.items() if name != "defaults"}, "algorithm")
        brings = _brings(conf)
        codec: Codec = build(yaml.safe_load((CONF / f"codec/{brings.get('codec', 'none')}.yaml").read_text()), "codec")
        staged = algorithm.lockstep == "stages"
        cells = [
            f"`{path.stem}`",
            _title(conf["_target_"]),
            "activations" if staged else f"{traffic(algorithm, codec):.2g}",
            _MEETS[algorithm.lockstep],
            ", ".join(f"{group}={name}" for group, name in brings.items()) or "-",
            "everybody, always" if algorithm.needs_everybody else "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    note = (
        f"- sends a step: bytes that the first of {WORKERS} workers sends in a program step, over those of the model in fp32: "
        f"the mean of {STEPS} steps as the preset has it; what is added up goes around a ring\n"
        "- in step with: whom a worker waits for\n"
    )
    return "\n".join([*lines, "", note])


def traffic(algorithm: Algorithm, codec: Codec) -> float:
    """Bytes that the first worker sends in a program step, over those of the model."""
    layout = Layout({f"{number // 4}.{number}": (512, 128) for number in range(96)})
    shadow = Replicas(
        torch.empty((WORKERS, layout.columns), device="meta"),
        SGD(lr=1.0, momentum=0.0),
        LearningRateSchedule(warmup=0, final=1.0, steps=STEPS),
        layout,
    )
    own = shadow.one(0) if algorithm.lockstep == "none" else shadow
    program, step = algorithm.run(own), Step(layout.columns)
    in_the_air: dict[Handle, Operation] = {}
    steps, nbytes, answer = 0, 0.0, None
    while True:
        operation = program.send(answer)
        match operation:
            case Train() | Forward() | Backward():
                if step.begins(operation):
                    if steps >= STEPS:
                        return nbytes / steps / (4 * layout.columns)
                    steps += operation.steps if isinstance(operation, Train) else 1
                answer = _answer(operation, own.params)
            case Start():
                answer = Handle()
                in_the_air[answer] = operation.operation
                nbytes += _sent(operation.operation, codec, layout)
            case Wait():
                answer = _answer(in_the_air.pop(operation.handle), own.params)
            case _:
                nbytes += _sent(operation, codec, layout)
                answer = _answer(operation, own.params)


def _sent(operation: Operation, codec: Codec, layout: Layout) -> float:
    """Bytes that the first worker sends in an operation of all that take part in it."""
    match operation:
        case AllReduce(groups=groups):
            members = WORKERS if groups is None else int((groups == groups[0]).sum())
            everybody = codec.traffic == "all_gather" and operation.encoded
            return (members - 1 if everybody else 2 * (1 - 1 / members)) * _encoded(operation, codec, layout)
        case ReduceScatter():
            return (1 - 1 / WORKERS) * _encoded(operation, codec, layout)
        case AllGather():
            return (1 - 1 / WORKERS) * operation.payload[:1].nbytes
        case Exchange():
            neighbours = int((operation.weights[:, 0] != 0).sum()) - int(operation.weights[0, 0] != 0)
            return neighbours * _encoded(operation, codec, layout)
        case Push():
            return _encoded(operation, codec, layout)
        case Average():
            return 4.0 * layout.columns
    return 0.0  # a Pull only receives


def _encoded(operation: AllReduce | ReduceScatter | Exchange | Push, codec: Codec, layout: Layout) -> float:
    """The bytes of one worker's payload on the wire."""
    row = operation.payload[:1]
    if codec.exact or not (isinstance(operation, Exchange) or operation.encoded):
        return row.nbytes
    return sum(part.nbytes for part in codec.encode(row, 0, layout.about(operation.part, row.shape[1])))


def _answer(operation: Operation, params: Tensor) -> Any:
    """A shadow of what an operation answers."""
    match operation:
        case Backward() | Pull():
            return params[:1] if isinstance(operation, Pull) and not operation.part else _columns(operation.part, params)
        case AllReduce(groups=None) | ReduceScatter() | AllGather():
            return operation.payload[:1]
        case AllReduce() | Exchange():
            return operation.payload
    return None


def _columns(part: Part | None, params: Tensor) -> Tensor:
    return params if part is None else part.of(params)


def _title(target: str) -> str:
    """The first sentence of an algorithm's file, which names its paper."""
    text = import_module(target.rpartition(".")[0]).__doc__ or ""
    return re.sub(r"\s+", " ", text.strip().split("\n\n")[0]).rstrip(".")


def _brings(conf: dict[str, Any]) -> dict[str, str]:
    """The presets of other groups that come with this one, by group."""
    return {
        group.removeprefix("override /").partition("@")[0]: name
        for entry in conf.get("defaults", [])
        for group, name in entry.items()
        if group.startswith("override /")
    }
