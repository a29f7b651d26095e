"""Whom a reduction waits for. NumPy only; knows no learning."""

from bench.participation.rules import Backup, Deadline, Lossy, Participation, Quorum, WaitForAll

__all__ = ["Backup", "Deadline", "Lossy", "Participation", "Quorum", "WaitForAll"]
