"""All rows of a folder as one frame, a line a row; and their curves as another, a line an evaluation. Base units."""

from collections.abc import Sequence

import pandas as pd

from bench.record import Row
from bench.record.leaves import leaves
from bench.report.frame import compared


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Columns of rows and the figures of `compared`; the ledger as share_ columns, settings and versions as dotted ones.

    Settings that are not of one type in all rows are text, as JSON has them; a row that lacks one has nothing there.
    """
    figures = compared(rows).drop(columns=["ledger", "curve", "conf", "versions"])
    ledger = pd.DataFrame([row["ledger"] for row in rows], index=figures.index).add_prefix("share_")
    versions = pd.DataFrame([row["versions"] for row in rows], index=figures.index).add_prefix("versions.")
    settings = [leaves(row["conf"], "conf") for row in rows]
    names = sorted({name for some in settings for name in some})
    conf = {name: _column([some.get(name) for some in settings]) for name in names}
    return pd.concat([figures, ledger, versions, pd.DataFrame(conf, index=figures.index)], axis=1)


def curves(rows: Sequence[Row]) -> pd.DataFrame:
    """A line for each evaluation of each row: key, step, virtual_seconds, tokens, sent_bytes, loss.

    Tokens and bytes, of which a row knows the sums, are spread evenly over its steps.
    """
    lines = []
    for row in rows:
        last = (row["curve"]["steps"] or [0])[-1]
        for step, seconds, loss in zip(*(row["curve"][name] for name in ("steps", "virtual_seconds", "loss")), strict=True):
            share = step / last if last else 0.0
            lines.append((row["key"], step, seconds, row["tokens"] * share, row["sent_bytes"] * share, loss))
    made = pd.DataFrame(lines, columns=["key", "step", "virtual_seconds", "tokens", "sent_bytes", "loss"])
    numbers = {name: float for name in ("virtual_seconds", "tokens", "sent_bytes", "loss")}
    return made.astype({"step": int} | numbers)


def _column(values: Sequence[object]) -> list[object]:
    """The values of one setting, of one type: a table's column has no other."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1:
        return list(values)
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
    words = {True: "true", False: "false"}
    return [None if value is None else words[value] if isinstance(value, bool) else str(value) for value in values]
