"""A look for each algorithm and each bucket, the same in every figure, told apart in colour, by the colour-blind and in grey.

Colours are Okabe & Ito's (https://jfly.uni-koeln.de/color/), moved apart in lightness; a family of algorithms shares a hue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

Dash = str | tuple[int, tuple[int, ...]]
"""A line style of matplotlib."""

SOLID, DASHED, DOTTED = "-", "--", ":"
DASH_DOT: Dash = (0, (6, 2, 1, 2))
DASH_TWO_DOTS: Dash = (0, (6, 2, 1, 2, 1, 2))
LONG: Dash = (0, (10, 3))


@dataclass(frozen=True)
class Look:
    """How an algorithm looks: colour, dash and marker of its lines, colour and hatch of its bars."""

    colour: str
    dash: Dash
    marker: str
    hatch: str


LOOKS = {
    # Those most often compared: each a colour of its own.
    "ddp": Look("#000000", SOLID, "o", ""),
    "local_sgd": Look("#E37400", SOLID, "s", "//"),
    "diloco": Look("#035093", SOLID, "^", "\\\\"),
    "streaming_diloco": Look("#69B3F2", SOLID, "v", "\\\\\\"),
    "sparse_loco": Look("#009751", SOLID, "D", "xx"),
    "async_local_sgd": Look("#AB3800", SOLID, "P", "||"),
    "noloco": Look("#C98FB3", SOLID, "X", "++"),
    "gossip": Look("#502643", SOLID, "p", "+++"),
    "fsdp": Look("#6E6E6E", SOLID, "h", "."),
    # Blue: DiLoCo and what is made of it.
    "overlapped_diloco": Look("#2C7CC1", DASHED, "<", "\\"),
    "decoupled_diloco": Look("#4A6D9C", DASH_DOT, ">", "\\\\\\\\"),
    "muloco": Look("#0A2F6B", LONG, "d", "\\\\|"),
    "hierarchical": Look("#4D9BD6", DASH_TWO_DOTS, "*", "\\\\-"),
    # Orange: parameters averaged now and then.
    "post_local_sgd": Look("#F29A3A", DASHED, "s", "/"),
    "fedavg": Look("#A85A10", DASH_DOT, "d", "///"),
    # Green: each sends less of what it has.
    "demo": Look("#3FB57F", DASHED, "D", "x"),
    "sparta": Look("#00683A", DASH_DOT, "*", "xxx"),
    "sign_sgd": Look("#5C9A3C", LONG, "o", "xx-"),
    "one_bit_adam": Look("#2F7F5F", DASH_TWO_DOTS, "s", "xx|"),
    # Red: nobody waits for the others.
    "async_sgd": Look("#D4623A", DASHED, "P", "|"),
    "halos": Look("#7A2400", DASH_DOT, "X", "|||"),
    # Purple: no server, and no all-reduce.
    "ad_psgd": Look("#8F5A86", DASHED, "p", "+"),
    "moshpit": Look("#9C6FA8", DASH_DOT, "h", "++-"),
    # Olive: the model in stages.
    "pipeline": Look("#80801A", DASHED, "o", "--"),
    "swarm": Look("#B0A83C", DASH_DOT, "^", "---"),
}
"""By preset; a colour's place in it is what `places` gives."""

_OTHERS = ("#117777", "#774411", "#AA4466", "#4477AA", "#777711", "#774477", "#44AA77")
_OTHER_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "*")
_OTHER_HATCHES = ("o", "O", "oo", "OO", "o.", "O.", "oo.", "OO.")
"""Of algorithms that are no preset of ours: 56 looks, all dotted, which none of ours is; the name says which."""

BUCKET_COLOURS = {
    "compute": "#009E73",
    "codec": "#CC79A7",
    "aggregation": "#AA4499",
    "verification": "#882255",
    "bandwidth": "#0072B2",
    "latency": "#56B4E9",
    "straggler_wait": "#E69F00",
    "pipeline_bubble": "#F0E442",
    "discarded": "#D55E00",
    "checkpoint": "#DDCC77",
    "recovering": "#999999",
    "down": "#444444",
}
BUCKET_HATCHES = {
    "compute": "",
    "codec": "--",
    "aggregation": "++",
    "verification": "xx",
    "bandwidth": "///",
    "latency": "\\\\\\",
    "straggler_wait": "|||",
    "pipeline_bubble": "---",
    "discarded": "xxx",
    "checkpoint": "+++",
    "recovering": "//",
    "down": "",
}
"""Of each bucket of the ledger, in bars, all lines: dots make large files; compute and down have none, and down is darker."""


BUCKET_EDGES = {
    bucket: "white" if bucket in ("aggregation", "verification", "bandwidth") else "0.15" for bucket in BUCKET_COLOURS
}
"""The colour of each bucket's hatch and edge: light on dark."""


def look(name: str) -> Look:
    """The look of an algorithm, whichever others a figure shows."""
    return LOOKS[name] if name in LOOKS else _other(places([name])[name])


def places(shown: Iterable[str]) -> dict[str, int]:
    """The place of each preset and of each algorithm in `shown`; an algorithm keeps it whichever others are shown."""
    known = {name: place for place, name in enumerate(LOOKS)}
    for name in shown:
        if name not in known:
            known[name] = len(LOOKS) + int(sha256(name.encode()).hexdigest(), 16) % (len(_OTHERS) * len(_OTHER_MARKERS))
    return known


def colour(place: int) -> str:
    """The colour of the algorithm in that place."""
    return list(LOOKS.values())[place].colour if place < len(LOOKS) else _other(place).colour


def _other(place: int) -> Look:
    kind, number = divmod(place - len(LOOKS), len(_OTHERS))
    return Look(_OTHERS[number], DOTTED, _OTHER_MARKERS[kind], _OTHER_HATCHES[kind])
