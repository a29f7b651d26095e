"""TensorBoard: one folder of event files a row, in the results folder under tensorboard/.

The wall time of an evaluation is its virtual second, so that the axis "Relative" of TensorBoard is the virtual clock.
"""

import os
import shutil
from pathlib import Path

from bench.record import Row
from bench.sinks.content import evaluations, name, numbers, parameters, settings
from bench.units import TIME


class TensorBoard:
    """Writes tensorboard/<scenario>_<algorithm>_<key8>/; a folder that is there is whole, and left as it is."""

    def __init__(self, results: Path) -> None:
        self.folder = results / "tensorboard"
        self.place = str(self.folder)

    def send(self, row: Row) -> bool:
        from torch.utils.tensorboard import SummaryWriter

        final = self.folder / name(row, "_")
        if final.exists():
            return False
        part = self.folder / f".{final.name}.part"
        shutil.rmtree(part, ignore_errors=True)  # left by a run that was stopped
        with SummaryWriter(str(part)) as writer:
            for step, seconds, loss in evaluations(row):
                writer.add_scalar("loss/by_step", loss, step, walltime=seconds)
                writer.add_scalar("loss/by_virtual_ms", loss, round(seconds / TIME.units["ms"]), walltime=seconds)
            for column, number in numbers(row).items():
                writer.add_scalar(f"row/{column}", number, 0, walltime=0.0)
            writer.add_text("command", f"    {row['command']}", 0, walltime=0.0)
            writer.add_text("status", f"{row['status']} {row['reason']}".strip(), 0, walltime=0.0)
            writer.add_text("presets", _table(parameters(row)), 0, walltime=0.0)
            writer.add_text("settings", _table(settings(row)), 0, walltime=0.0)
        os.replace(part, final)
        return True


def _table(words: dict[str, str]) -> str:
    """A Markdown table, as TensorBoard shows texts."""
    lines = [f"| {setting} | {value.replace('|', chr(92) + '|')} |" for setting, value in words.items()]
    return "\n".join(["| setting | value |", "| --- | --- |", *lines])
