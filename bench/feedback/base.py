"""What every kind of error feedback offers."""

from typing import Protocol

from bench.feedback.memory import Memory


class Feedback(Protocol):
    """Whether what a codec leaves out of a payload is remembered, and added to the next one."""

    on: bool
    """True if it is."""

    def memory(self, senders: int, columns: int) -> Memory | None:
        """The memory of so many senders of payloads about a model of so many columns; none where it is off."""
        ...
