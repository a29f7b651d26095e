"""An emulation as people read it: prediction and measurement side by side."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from bench.emulator.prediction import Prediction
from bench.emulator.seen import Measured
from bench.units import count_text, seconds_text
