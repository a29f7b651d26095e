"""One accelerator as its data sheet states it; the numbers live in conf/catalogue/devices.yaml, each with its source."""

from dataclasses import dataclass

from bench.units import Bytes, Flops, Rate


@dataclass(frozen=True, kw_only=True)
class Device:
    """An accelerator. `efficiency` is the share of `peak` that training really reaches (MFU), measured or cited.

    `verified: false` marks a row of which some number was recalled or assumed, not read in a source.
    """

    peak: Flops  # dense bf16
    memory: Bytes
    memory_bandwidth: Rate
    efficiency: float
    source: str
    verified: bool

    def __post_init__(self) -> None:
        for name in ("peak", "memory", "memory_bandwidth"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name):g}")
        if not 0 < self.efficiency <= 1:
            raise ValueError(f"efficiency must be in (0, 1], got {self.efficiency:g}")
