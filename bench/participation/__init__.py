"""Whom a reduction waits for. NumPy only; knows no learning."""

from bench.participation.rules import Deadline, Participation, Quorum, WaitForAll

__all__ = ["Deadline", "Participation", "Quorum", "WaitForAll"]
