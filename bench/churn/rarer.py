"""The same workers, who drop out half as often: twice as long up in the mean, and down for as long as before."""

from dataclasses import replace

from bench.churn.diurnal import Diurnal
from bench.churn.intermittent import Intermittent
from bench.churn.intervals import Exponential, Gamma, Intervals, LogNormal, Weibull
from bench.churn.outages import Outages
from bench.churn.presence import AlwaysOn, Churn
from bench.churn.spot import Spot


def half_as_often(churn: Churn) -> Churn:
    """The churn with up times doubled, those between outages of groups included; AlwaysOn where it has none, as a recording."""
    if isinstance(churn, Intermittent):
        up = _twice(churn.up)
        return AlwaysOn() if up is None else replace(churn, up=up)
    if isinstance(churn, Diurnal):
        return replace(churn, up=2 * churn.up)
    if isinstance(churn, Spot):
        return replace(churn, life=2 * churn.life)
    if isinstance(churn, Outages):
        return replace(churn, own=half_as_often(churn.own), between=2 * churn.between)
    return AlwaysOn()


def _twice(intervals: Intervals) -> Intervals | None:
    """Intervals of the same shape, each twice as long; None for a distribution without a scale that is known here."""
    if isinstance(intervals, Exponential):
        return Exponential(2 * intervals.mean)
    if isinstance(intervals, Weibull | Gamma):
        return replace(intervals, scale=2 * intervals.scale)
    if isinstance(intervals, LogNormal):
        return replace(intervals, unit=2 * intervals.unit)
    return None
