"""Virtual time where workers do not move in step: from event to event, each worker on its own."""

from bench.events.simulator import EventSimulator

__all__ = ["EventSimulator"]
