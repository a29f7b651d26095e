"""When each worker did what, beside the ledger's how long."""

from bench.tape.line import Interval
from bench.tape.tape import MOST_EVENTS, MOST_WORKERS, Intervals, Mark, Tape

__all__ = ["MOST_EVENTS", "MOST_WORKERS", "Interval", "Intervals", "Mark", "Tape"]
