"""Farbench: how much training throughput is lost when the hardware is far apart, cut down, mixed or unreliable."""

__version__ = "0.1.0"
