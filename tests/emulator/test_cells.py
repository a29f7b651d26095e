"""An emulation in figures, by hand."""

import math

import pytest

from bench.emulator.cells import cell


def spans(*seconds, word="all_reduce"):
    """Operations that take so many seconds each, one after the other."""
    ends = [sum(seconds[: index + 1]) for index in range(len(seconds))]
    return [{"word": word, "began": end - each, "over": end} for end, each in zip(ends, seconds, strict=True)]


def measurement(*seen, seconds=10.0, **others):
    fields = {"busy": 0.2, "waited": 0.1, "late_seconds": 0.0, "overruns": 0, "parameters_differ": 1e-7, "sent": [100.0, 300.0]}
    return {"seen": list(seen), "seconds": seconds} | fields | others


def record(*measurements, predicted=(), seconds=9.0, sent=(180.0, 180.0)):
    return {
        "prediction": {"spans": list(predicted), "seconds": seconds, "sent": list(sent)},
        "measurements": list(measurements),
    }


def test_nothing_measured_has_no_figures():
    assert cell(record()) is None
    assert cell({"prediction": None, "measurements": []}) is None


def test_errors_are_predicted_over_measured():
    # 3 s of communication predicted and 4 s measured; 9 s and 10 s in all; 180 bytes charged and (100 + 300) / 2 counted.
    found = cell(record(measurement(*spans(2.0, 2.0)), predicted=spans(1.0, 2.0)))
    assert (found.predicted_communication, found.measured_communication) == (3.0, 4.0)
    assert found.communication_error == pytest.approx(-1 / 4)
    assert found.seconds_error == pytest.approx(-1 / 10)
    assert found.bytes_error == pytest.approx(-1 / 10)


def test_figures_are_medians_over_measurements_and_the_worst_of_what_must_not_be():
    ones = [
        measurement(*spans(1.0), seconds=10.0, busy=0.1, overruns=0, parameters_differ=3e-7, late_seconds=0.0),
        measurement(*spans(9.0), seconds=90.0, busy=0.9, overruns=7, parameters_differ=1e-7, late_seconds=4.0),
        measurement(*spans(2.0), seconds=12.0, busy=0.3, overruns=0, parameters_differ=2e-7, late_seconds=1.0),
    ]
    found = cell(record(*ones, predicted=spans(2.0)))
    assert (found.measured_communication, found.measured_seconds, found.busy, found.late_seconds) == (2.0, 12.0, 0.3, 1.0)
    assert (found.overruns, found.parameters_differ, found.measurements) == (7, 3e-7, 3)


def test_each_word_has_the_mean_of_its_operations_and_the_spread_of_measurements():
    predicted = [*spans(1.0, 3.0), *spans(5.0, word="exchange")]
    first = measurement(*spans(2.0, 4.0), *spans(6.0, word="exchange"))  # means 3 and 6
    second = measurement(*spans(4.0, 4.0, 7.0), *spans(8.0, word="exchange"))  # means 5 and 8
    reduce, exchange = cell(record(first, second, predicted=predicted)).words
    assert (reduce.word, reduce.predicted_count, reduce.measured_count) == ("all_reduce", 2, 2.5)
    assert (reduce.predicted, reduce.measured, reduce.least, reduce.most) == (2.0, 4.0, 3.0, 5.0)
    assert (exchange.word, exchange.predicted, exchange.measured) == ("exchange", 5.0, 7.0)


def test_a_word_that_was_predicted_and_never_seen_is_unknown():
    [word] = cell(record(measurement(), predicted=spans(1.0))).words
    assert word.measured_count == 0 and math.isnan(word.measured)


def test_no_communication_has_no_error():
    assert math.isnan(cell(record(measurement(), predicted=[])).communication_error)


def test_what_json_has_as_null_is_unknown():
    # Links that are not shaped count nothing; without training there is nothing to compare.
    found = cell(record(measurement(*spans(1.0), sent=[None, None], parameters_differ=None, waited=None), predicted=spans(1.0)))
    assert math.isnan(found.counted_bytes) and math.isnan(found.bytes_error)
    assert math.isnan(found.parameters_differ) and math.isnan(found.waited)


def test_a_prediction_made_after_measuring_stands_for_the_one_made_before():
    ones = [measurement(predicted_after=after) for after in (11.0, 12.0, 20.0)]
    assert cell(record(*ones, seconds=9.0)).predicted_seconds == 12.0
    assert cell(record(measurement(predicted_after=None), seconds=9.0)).predicted_seconds == 9.0


@pytest.mark.parametrize(("busy", "saturated"), [(0.89, False), (0.9, True), (1.0, True)])
def test_busy_processors_set_the_pace(busy, saturated):
    assert cell(record(measurement(busy=busy))).saturated is saturated
