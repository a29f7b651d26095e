"""Who is up, and when: each worker alternates between up and down intervals. NumPy only; knows no learning."""

from bench.churn.availability import AlwaysOn, Churn, Intermittent, exponential, weibull
from bench.churn.intervals import Exponential, Intervals, Weibull

__all__ = ["AlwaysOn", "Churn", "Exponential", "Intermittent", "Intervals", "Weibull", "exponential", "weibull"]
