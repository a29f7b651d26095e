"""What computes, and how fast. NumPy only; knows no learning."""

from bench.devices.catalogue import Device
from bench.devices.fleet import Fleet, fleet
from bench.devices.roofline import jittered_steps, step_seconds

__all__ = ["Device", "Fleet", "fleet", "jittered_steps", "step_seconds"]
