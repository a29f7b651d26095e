"""What an emulation was, and whether errors will do, by hand."""

import pytest
from made_up import EQUAL, judged, record

from bench.report.judged import COMMUNICATION, Errors, Quantity


@pytest.mark.parametrize(
    ("changes", "special"),
    [
        ({}, ()),
        ({"network": {**EQUAL, "uplink": {"10 Mbit/s": 0.5, "50 Mbit/s": 0.5}}}, ("unequal links",)),
        ({"network": {**EQUAL, "last_mile": ["5 ms", "9 ms"]}}, ("unequal links",)),
        ({"network": {**EQUAL, "uplink": ["10 Mbit/s", "10 Mbit/s"]}}, ()),  # a list of equal ones
        ({"settings": {"network": EQUAL, "devices": {"list": ["t4", "rtx_3090"]}, "steps": 8}}, ("straggler",)),
        ({"settings": {"network": EQUAL, "devices": {"list": ["t4", "t4"]}, "steps": 8}}, ()),
        ({"names": {"churn": "trace"}}, ("drop",)),
    ],
)
def test_what_is_special_is_read_from_the_settings(changes, special):
    assert judged(record(**changes))[0].special == special


def test_of_unequal_lines_the_slowest_rate_and_the_longest_round_trip_count():
    network = {"uplink": {"80 Mbit/s": 0.5, "8 Mbit/s": 0.5}, "downlink": "800 Mbit/s", "last_mile": ["1 ms", "7 ms", "3 ms"]}
    [one] = judged(record(network={**network, "region_latency": [["10 ms"]]}))
    # 8 Mbit/s are 1e6 bytes/s. There and back over two last miles of 7 ms, and 10 ms in between: 2 (2 · 7 + 10) = 48 ms.
    assert (one.uplink_rate, one.downlink_rate, one.slowest) == (1e6, 1e8, 1e6)
    assert one.round_trip == pytest.approx(0.048)
    assert one.uplink == "50 % 80 Mbit/s and 50 % 8 Mbit/s"


def test_percentiles_are_of_absolute_errors_and_linear_between_cells():
    # Errors -20, -10, 0, +10, +40 %: absolute and ascending 0, 10, 10, 20, 40. The 95th percentile stands at place
    # 0.95 · 4 = 3.8, four fifths of the way from 20 to 40.
    cells = judged(*(record(str(number), predicted=1 + error) for number, error in enumerate((-0.2, -0.1, 0.0, 0.1, 0.4))))
    errors = Errors.of(cells, COMMUNICATION)
    assert (errors.cells, errors.median, errors.high, errors.most) == pytest.approx((5, 0.10, 0.36, 0.40))


@pytest.mark.parametrize(
    ("quantity", "met"),
    [
        (Quantity("x", COMMUNICATION.error, median=0.11, high=0.195, most=0.21), True),
        (Quantity("x", COMMUNICATION.error, median=0.09), False),
        (Quantity("x", COMMUNICATION.error, high=0.185), False),
        (Quantity("x", COMMUNICATION.error, most=0.195), False),
    ],
)
def test_a_target_is_met_where_all_its_limits_are(quantity, met):
    # Errors 0, 10, 20 %: median 10 %, 95th percentile 19 %, at most 20 %.
    cells = judged(*(record(str(number), predicted=1 + error) for number, error in enumerate((0.0, 0.1, 0.2))))
    assert Errors.of(cells, quantity).meets(quantity) is met
