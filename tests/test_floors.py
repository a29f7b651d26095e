"""The floors of the house: a module imports from floors below its own, and the two halves do not know each other."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "bench"

NUMPY_HALF = (
    "network",
    "devices",
    "jitter",
    "churn",
    "failures",
    "recovery",
    "participation",
    "split",
    "verification",
    "quality",
)
TORCH_HALF = ("optimizer", "replicas", "codec", "feedback", "aggregator", "adversary", "model", "data", "lanes")
FLOORS = (
    ("", "units", "seeds", "errors", "mixture", "build", "memory", "graphs"),  # "" is bench/__init__.py
    NUMPY_HALF + TORCH_HALF,
    ("algorithm", "layout"),
    (
        *("scenario", "world", "schedule", "tape", "timeline", "downloads", "roster", "aggregation", "watch"),
        *("reduction", "pace", "codings", "clocks", "lockstep", "simulator", "delivery", "trainer"),
        *("segment", "stacked", "apart", "replay", "events", "pipelines", "setup"),
    ),
    ("record",),
    (
        *(
            "progress",
            "run",
            "job",
            "report",
            "reference",
            "solve",
            "sweep",
            "explain",
            "resolvers",
            "composed",
            "launch",
            "__main__",
        ),
        *("emulator", "emulate", "probe", "project", "attribute", "compare", "export", "sinks", "trace"),
    ),
)
"""Bottom to top. Modules of one floor may import each other, save across the halves, and never in a circle."""

TIMERS = ("trainer", "delivery", "data", "model", "aggregator", "adversary", "lanes")
"""What an interpreter that says when, not what, has no business with."""

STRANGERS = {
    "trainer": ("simulator", "timeline", "roster", "reduction", "pace", "clocks", "scenario", "world"),  # what, not when
    "replay": ("simulator", "timeline", "roster", "reduction", "pace", "clocks", "scenario", "world"),  # what, not when
    "apart": ("simulator", "trainer", "replay", "scenario", "schedule"),  # the program, and no meaning
    "delivery": ("schedule", "lockstep", "model", "data"),  # payloads, and nothing of where they come from
    "simulator": TIMERS,
    "pipelines": TIMERS,
    "roster": ("trainer", "data", "model"),
    "reduction": ("trainer", "data", "model"),
    "clocks": ("trainer", "data", "model"),
    "lockstep": ("simulator", "trainer", "scenario", "schedule"),  # the program, and neither meaning
    "events": TIMERS,
} | {part: (*(TORCH_HALF if part in NUMPY_HALF else NUMPY_HALF),) for part in NUMPY_HALF + TORCH_HALF}

LIGHT = (
    "units",
    "seeds",
    "errors",
    "mixture",
    "build",
    "graphs",
    *NUMPY_HALF,
    "schedule",
    "tape",
    "timeline",
    "downloads",
    "roster",
    "aggregation",
    "watch",
    "reduction",
    "pace",
    "record",
    "compare",
    "explain",
    "solve",
    "sweep",
    "trace",
)
"""Parts that never import torch: a row that is found, a table or a mistyped setting need not wait for it."""


def module_name(path: Path) -> str:
    """bench.a.b for bench/a/b.py, bench.a for bench/a/__init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(module: str) -> str:
    """The part of the house a module is in: `network` for bench.network.fluid, "" for bench itself."""
    return module.split(".")[1] if "." in module else ""


def imports(source: str) -> list[str]:
    """Full names of all that a source imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the floor they come from"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def own_imports(source: str) -> list[str]:
    """Modules of bench that a source imports; a name in a module counts as the module."""
    found = []
    for name in imports(source):
        while name.split(".")[0] == "bench" and name not in MODULES:
            name = name.rpartition(".")[0]
        if name in MODULES:
            found.append(name)
    return found


def violations(module: str, source: str) -> list[str]:
    """A line for each import that `module` may not have."""
    part = part_of(module)
    floor = {part: number for number, parts in enumerate(FLOORS) for part in parts}
    lines = []
    for other in map(part_of, own_imports(source)):
        if floor[other] > floor[part] or other in STRANGERS.get(part, ()):
            lines.append(f"{module} imports {other}")
    if part in LIGHT:
        lines += [f"{module} imports {name}" for name in imports(source) if name.split(".")[0] == "torch"]
    return lines


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_below(module):
    assert violations(module, MODULES[module]) == []


def test_every_module_has_a_floor_and_every_part_of_a_floor_exists():
    assert sorted({part_of(module) for module in MODULES}) == sorted(part for parts in FLOORS for part in parts)


def test_no_imports_go_in_a_circle():
    graph = {module: set(own_imports(source)) - {module} for module, source in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bench.units", "from bench.network import Topology"),
        ("bench.network.made_up", "from bench.codec import BF16"),
        ("bench.codec.made_up", "import bench.devices.fleet"),
        ("bench.churn.made_up", "def late():\n    import torch.nn"),
        ("bench.optimizer.made_up", "from bench.algorithm.ops import Train"),
        ("bench.trainer", "from bench.timeline import Timeline"),
        ("bench.simulator", "from bench import trainer"),
        ("bench.simulator", "from bench.record import Row"),
        ("bench.record.made_up", "from bench.report import six_lines"),
        ("bench.record.made_up", "if True:\n    from torch import Tensor"),
    ],
)
def test_a_forbidden_import_is_caught(module, source):
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bench.network.made_up", "import numpy\nfrom bench.network.topology import Network\nfrom bench.units import Rate"),
        ("bench.simulator", "from bench.replicas import Replicas"),
        ("bench.report.made_up", "from bench.timeline import BUCKETS\nfrom bench import __version__"),
        ("bench.run", "import torch"),
    ],
)
def test_a_permitted_import_is_not(module, source):
    assert violations(module, source) == []
