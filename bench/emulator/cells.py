"""An emulation in figures: how far measurements are from the prediction. Pure functions of a record."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.emulator.record import Record

SATURATED = 0.9
"""Share of all processors' time in use from which on a measurement is of the processors, and not of the links."""


@dataclass(frozen=True)
class Cell:
    """One emulation: seconds and bytes, predicted and measured; medians over its measurements. NaN where unknown."""

    predicted_communication: float  # seconds of all operations together,
    measured_communication: float  # of as many as were predicted: where nobody waits for others, how many there are varies
    least_communication: float  # of the measurements
    most_communication: float
    predicted_seconds: float  # of the whole run
    measured_seconds: float
    charged_bytes: float  # that a worker sent, mean, with headers
    counted_bytes: float
    parameters_differ: float  # from the Trainer's, relative, at most
    busy: float
    waited: float
    late_seconds: float
    overruns: int
    measurements: int
    words: tuple["Word", ...]

    @property
    def communication_error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted_communication / self.measured_communication - 1 if self.measured_communication else math.nan

    @property
    def seconds_error(self) -> float:
        """Of the whole run, likewise."""
        return self.predicted_seconds / self.measured_seconds - 1

    @property
    def bytes_error(self) -> float:
        """Of a worker's bytes, likewise: what is charged has headers; acknowledgements and gloo's notices are counted only."""
        return self.charged_bytes / self.counted_bytes - 1 if self.counted_bytes else math.nan

    @property
    def saturated(self) -> bool:
        """Whether processors, and not links, set the pace: measured, not judged by hand."""
        return self.busy >= SATURATED


@dataclass(frozen=True)
class Word:
    """All operations of one kind: mean seconds of each."""

    word: str
    predicted_count: int
    measured_count: float
    predicted: float
    measured: float
    least: float  # of the measurements' means
    most: float


def cell(record: Record) -> Cell | None:
    """The figures of a record; None where nothing was measured."""
    prediction, measurements = record["prediction"], record["measurements"]
    if not measurements:
        return None
    spans = prediction["spans"]
    words = tuple(_word(word, spans, measurements) for word in dict.fromkeys(span["word"] for span in spans))
    sums = [_communication(words, measurement["seen"]) for measurement in measurements]
    after = [one["predicted_after"] for one in measurements if one.get("predicted_after") is not None]

    def middle(field: str) -> float:
        return median(_number(one[field]) for one in measurements)

    return Cell(
        predicted_communication=sum(_seconds(span) for span in spans),
        measured_communication=median(sums),
        least_communication=min(sums),
        most_communication=max(sums),
        predicted_seconds=median(after) if after else prediction["seconds"],
        measured_seconds=middle("seconds"),
        charged_bytes=_mean(prediction["sent"]),
        counted_bytes=median(_mean(one["sent"]) for one in measurements),
        parameters_differ=max(_number(one["parameters_differ"]) for one in measurements),
        busy=middle("busy"),
        waited=middle("waited"),
        late_seconds=middle("late_seconds"),
        overruns=max(one["overruns"] for one in measurements),
        measurements=len(measurements),
        words=words,
    )


def _communication(words: tuple[Word, ...], seen: list[Mapping[str, Any]]) -> float:
    """Seconds of as many operations as were predicted, at the mean of those that one measurement saw of each kind."""
    return sum(word.predicted_count * _mean([_seconds(one) for one in seen if one["word"] == word.word]) for word in words)


def _word(word: str, spans: list[Mapping[str, Any]], measurements: list[Mapping[str, Any]]) -> Word:
    predicted = [_seconds(span) for span in spans if span["word"] == word]
    each = [[_seconds(one) for one in measurement["seen"] if one["word"] == word] for measurement in measurements]
    means = [_mean(seconds) for seconds in each]
    return Word(
        word=word,
        predicted_count=len(predicted),
        measured_count=median(len(seconds) for seconds in each),
        predicted=_mean(predicted),
        measured=median(means),
        least=min(means),
        most=max(means),
    )


def _seconds(span: Mapping[str, Any]) -> float:
    return float(span["over"] - span["began"])


def _mean(values: list[float]) -> float:
    return sum(map(_number, values)) / len(values) if values else math.nan


def _number(value: float | None) -> float:
    """JSON's null is NaN."""
    return math.nan if value is None else float(value)
