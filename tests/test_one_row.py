"""Each worker can run the program of all with its own row only: files are found by folder.

The programs of all workers, of one row each, are played side by side as one, and end with the very rows that one program of all
ends with.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from test_algorithms import NAMES, ROOT, preset
from worlds import scenario, simulate, small_trainer

from bench.algorithm import Algorithm, AllGather, AllReduce, Exchange, Handle, Start, Wait
from bench.build import build
from bench.data import Synthetic
from bench.model import Shape

W, STEPS = 4, 9
SHAPE = Shape(layers=2, width=16, heads=2, vocabulary=32, context=8, batch=2)
CORPUS = Synthetic(tokens=5000, branches=4, source_seed=0).corpus(32)
AT_MOST = {"sync_every": 4, "local_steps": 4, "start": 4, "warmup": 4}
"""Settings, so that nine steps see all phases of a program and two of its rounds."""

IN_STEP = [name for name in NAMES if preset(name).lockstep in ("all", "groups")]
VARIANTS = [
    ("ddp", {"accumulate": 2}),
    ("diloco", {"start": 3}),
    ("fsdp", {"reshard_after_forward": False}),
    ("gossip", {"overlap": True, "graph": "exponential"}),
    ("gossip", {"graph": "random_pairs"}),
    ("hierarchical", {"islands": 3}),
    ("moshpit", {"rounds": 2}),
    ("noloco", {"group_size": 3}),
    ("overlapped_diloco", {"eager": False}),
    ("sparta", {"share": 0.3, "delay": 2, "sync_every": 3}),
    ("streaming_diloco", {"mixing": 0.0, "strided": False}),
]


class SideBySide(Algorithm):
    """Programs of one row each, in the place of one program of all."""

    lockstep = "groups"

    def __init__(self, algorithm):
        self.algorithm = algorithm

    def run(self, replicas):
        rows = [replicas.one(rank) for rank in range(replicas.workers)]
        programs, answers = [self.algorithm.run(row) for row in rows], [None] * len(rows)
        while True:
            for row in rows:
                row.step_index = replicas.step_index
            yields = [program.send(answer) for program, answer in zip(programs, answers, strict=True)]
            if isinstance(yields[0], Wait):
                answer = yield Wait(yields[0].handle.together)
            elif isinstance(yields[0], Start):
                answer = yield Start(together([one.operation for one in yields]))
            else:
                answer = yield together(yields)
            if isinstance(answer, Handle):
                answers = [Handle() for _ in rows]
                answers[0].together = answer
            elif answer is None:
                answers = [None] * len(rows)
            else:
                # Of an aggregate of all each gets a copy; of what has a row for each, its own.
                answers = [part.clone() for part in answer.expand(len(rows), -1).split(1)]


def together(operations):
    """One operation of all workers, of those that each of them yields by itself."""
    first = operations[0]
    for operation in operations:
        assert type(operation) is type(first)
        assert [getattr(operation, name, None) for name in ("part", "steps", "encoded")] == [
            getattr(first, name, None) for name in ("part", "steps", "encoded")
        ]
        for name in ("groups", "weights"):
            np.testing.assert_array_equal(getattr(operation, name, None), getattr(first, name, None))
    if isinstance(first, Exchange):
        assert first.weights.shape == (len(operations), len(operations))
    if isinstance(first, AllReduce) and first.groups is not None:
        assert first.groups.shape == (len(operations),)
    if not hasattr(first, "payload"):
        return first
    assert all(operation.payload.shape == (1, first.payload.shape[1]) for operation in operations)
    if isinstance(first, AllGather):  # each sends its share of it
        shares = [operation.payload.tensor_split(len(operations), 1)[rank] for rank, operation in enumerate(operations)]
        return replace(first, payload=torch.cat(shares, 1))
    return replace(first, payload=torch.cat([operation.payload for operation in operations]))


def made(name, changes):
    """An algorithm of its preset, with rounds that are short enough."""
    conf = yaml.safe_load((ROOT / f"conf/algorithm/{name}.yaml").read_text())
    conf.pop("defaults", None)
    short = {setting: min(most, conf[setting]) for setting, most in AT_MOST.items() if conf.get(setting) is not None}
    algorithm = build(conf | short | changes, "algorithm")
    algorithm.linear = False  # a joint batch would sum gradients in another order
    return algorithm


@pytest.mark.parametrize(("name", "changes"), [*((name, {}) for name in IN_STEP), *VARIANTS])
def test_programs_of_one_row_side_by_side_are_the_program_of_all(name, changes):
    timeline = simulate(made(name, changes), scenario(W), STEPS)
    trainer = small_trainer(CORPUS, SHAPE, STEPS, stack=1, lanes=1)
    curve = trainer.run(made(name, changes), timeline.schedule)
    expected = trainer.replicas.params.expand(W, -1).clone()
    begun = trainer.run(SideBySide(made(name, changes)), timeline.schedule)
    assert torch.equal(trainer.replicas.params, expected)
    assert begun.steps == curve.steps
    assert timeline.schedule.total_steps >= 8
