"""What becomes of that which a codec leaves out of a payload: nothing, or it is sent later. One file a kind."""

from bench.feedback.base import Feedback
from bench.feedback.error_feedback import ErrorFeedback
from bench.feedback.memory import Memory
from bench.feedback.none import NoFeedback

__all__ = ["ErrorFeedback", "Feedback", "Memory", "NoFeedback"]
