"""What: learning where each worker has a program of its own, in the order in which things happened."""

from bench.replay.replay import Replay

__all__ = ["Replay"]
