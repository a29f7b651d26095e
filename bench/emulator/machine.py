"""How busy the machine is that all ranks of an emulation share."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """Counters of the kernel since it began; all in seconds of one processor."""

    busy: float
    all: float
    waited: (
        float | None
    )  # during which somebody that could run had to wait for a processor; None where the kernel does not tell

    @classmethod
    def now(cls) -> "Load":
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        idle = ticks[3] + ticks[4]  # and waiting for a disk
        pressure, waited = Path("/proc/pressure/cpu"), None
        with suppress(OSError, ValueError):
            waited = int(pressure.read_text().split("\n")[0].rpartition("=")[2]) / 1e6
        return cls((sum(ticks) - idle) / 100, sum(ticks) / 100, waited)

    def since(self, before: "Load", seconds: float) -> dict[str, float | None]:
        """Shares of the `seconds` since `before`: of all processors that were busy, and in which somebody waited for one."""
        whole = self.all - before.all
        waited = None if self.waited is None or before.waited is None else (self.waited - before.waited) / seconds
        return {"busy": (self.busy - before.busy) / whole if whole else 0.0, "waited": waited}
