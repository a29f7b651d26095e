"""Efficiency by the speed of the lines, and the speed that a share of it needs."""

import math

import pytest
from seeded_rows import not_done, seeded

from bench.report.bandwidth import bandwidth, cells, needed
from bench.report.cell import Cell
from bench.report.formats import markdown
from bench.report.frame import compared
from bench.report.groups import groups
from bench.units import RATE, parse


def lines(up, down=None):
    return {"conf": {"network": {"uplink": up, "downlink": down or up}}}


def row(algorithm, up, share, seed=0, down=None, sets="", **changes):
    """A row on lines of one speed."""
    said = f"{sets} 'network.uplink={up}'" + (f" 'network.downlink={down}'" if down else "")
    return seeded("shaped_links", algorithm, seed, sets=said.strip(), system_efficiency=share) | lines(up, down) | changes


ROWS = [
    *(row("ddp", up, share) for up, share in (("1 Mbit/s", 0.1), ("10 Mbit/s", 0.4), ("100 Mbit/s", 0.6), ("1 Gbit/s", 0.85))),
    *(row("diloco", up, share) for up, share in (("1 Mbit/s", 0.5), ("10 Mbit/s", 0.9), ("100 Mbit/s", 0.99))),
]


def test_the_tables_are_these():
    # ddp comes to 50 % half way (of the logarithm) from 10 to 100 Mbit/s: at 31.6; to 80 % at four fifths of 0.1 to 1 Gbit/s,
    # 10^2.8 = 631 Mbit/s. diloco has 50 % with the slowest line, 80 % after three quarters of 1 to 10: 10^0.75 = 5.62; 95 %
    # after 5/9 of 10 to 100: 10^1.556 = 35.9.
    keys = {row["key"]: row["key"][:8] for row in ROWS}
    [by_speed, needs], _ = bandwidth(compared(ROWS), keys)
    assert markdown(by_speed).startswith("""\
### system efficiency by uplink and downlink: shaped_links, as the presets are, 8 workers

| uplink and downlink | ddp | diloco |
| ---: | ---: | ---: |
| 1.00 Mbit/s | 10.0 % (1) | 50.0 % (1) |
| 10.0 Mbit/s | 40.0 % (1) | 90.0 % (1) |
| 100 Mbit/s | 60.0 % (1) | 99.0 % (1) |
| 1.00 Gbit/s | 85.0 % (1) | - |
""")
    assert f"- ddp, 10.0 Mbit/s: {ROWS[1]['key'][:8]}" in markdown(by_speed)
    assert markdown(needs).startswith("""\
### uplink and downlink needed: shaped_links, as the presets are, 8 workers

| algorithm | 50 % | 80 % | 90 % | 95 % | 99 % |
| --- | ---: | ---: | ---: | ---: | ---: |
| ddp | 31.6 Mbit/s | 631 Mbit/s | > 1.00 Gbit/s | > 1.00 Gbit/s | > 1.00 Gbit/s |
| diloco | ≤ 1.00 Mbit/s | 5.62 Mbit/s | 10.0 Mbit/s | 35.9 Mbit/s | 100 Mbit/s |
""")


def test_the_figures_have_speeds_in_bytes_and_what_each_share_needs():
    _, figures = bandwidth(compared(ROWS), {})
    first = figures[figures["algorithm"] == "ddp"].iloc[0]
    assert first["uplink_and_downlink_bytes_per_second"] == 125_000.0
    assert first["needed_for_50"] == pytest.approx(125_000.0 * 10**1.5)
    assert math.isnan(first["needed_for_90"])


def test_needed_is_where_the_medians_first_reach_the_share():
    def line(**shares):
        return {parse(name.replace("_", " ") + "/s", RATE): Cell((share,)) for name, share in shares.items()}

    assert needed(line(**{"1_MB": 0.2, "4_MB": 0.6}), 0.4).rate == pytest.approx(2e6)  # half way of a factor of four
    # Up, down and up again: the first time counts.
    assert needed(line(**{"1_MB": 0.2, "4_MB": 0.6, "16_MB": 0.1, "64_MB": 0.9}), 0.4).rate == pytest.approx(2e6)
    # A speed without a number is no point of the line.
    gap = line(**{"1_MB": 0.2, "16_MB": 0.6}) | {4e6: Cell(others=(("timeout", 1),))}
    assert needed(dict(sorted(gap.items())), 0.4).rate == pytest.approx(4e6)
    assert needed({1e6: Cell()}, 0.4).text() == "-"


def test_a_median_over_seeds_stands_in_a_cell_and_a_timeout_by_its_word():
    rows = [row("ddp", "1 Mbit/s", share, seed) for seed, share in enumerate((0.1, 0.3, 0.2))]
    rows += [
        row("ddp", "1 Gbit/s", 0.9),
        not_done("shaped_links", "diloco", sets="'network.uplink=1 Gbit/s'") | lines("1 Gbit/s"),
    ]
    [by_speed, needs], _ = bandwidth(compared(rows), {})
    assert by_speed.lines == [
        ["1.00 Mbit/s", "20.0 % [10.0 %–30.0 %] (3)", "-"],
        ["1.00 Gbit/s", "90.0 % (1)", "timeout (1)"],
    ]
    assert needs.lines[1] == ["diloco", *["-"] * 5]


def axis(rows):
    [group] = groups(compared(rows), ("scenario", "algorithm", "network.uplink", "network.downlink"))
    found = cells(group, "shaped_links")
    return found and (found[0], [speed * 8e-6 for speed in found[1]["ddp"]])


def test_what_differs_is_the_axis():
    up = [row("ddp", "1 Mbit/s", 0.1, down="100 Mbit/s"), row("ddp", "5 Mbit/s", 0.2, down="100 Mbit/s")]
    assert axis(up) == ("uplink", [1.0, 5.0])
    down = [row("ddp", "1 Mbit/s", 0.1, down="10 Mbit/s"), row("ddp", "1 Mbit/s", 0.2, down="50 Mbit/s")]
    assert axis(down) == ("downlink", [10.0, 50.0])
    # Both differ: those that are equal count.
    both = [*up, row("ddp", "100 Mbit/s", 0.4), row("ddp", "10 Mbit/s", 0.3), row("ddp", "9 Mbit/s", 0.3, down="10 Mbit/s")]
    assert axis(both) == ("uplink_and_downlink", [10.0, 100.0])
    assert axis(up[:1]) is None
    assert axis([*up[:1], row("ddp", "100 Mbit/s", 0.4)]) == ("uplink", [1.0, 100.0])


@pytest.mark.parametrize(
    "network", [None, {}, {"uplink": ["1 Mbit/s"], "downlink": "1 Mbit/s"}, {"uplink": "fast", "downlink": "fast"}]
)
def test_lines_that_are_not_one_known_speed_are_left_out(network):
    rows = [row("ddp", "1 Mbit/s", 0.1), row("ddp", "2 Mbit/s", 0.2), row("ddp", "3 Mbit/s", 0.2, conf={"network": network})]
    assert axis(rows)[1] == [1.0, 2.0]


def test_rows_that_differ_in_more_are_not_put_together():
    assert bandwidth(compared([row("ddp", "1 Mbit/s", 0.1), row("ddp", "2 Mbit/s", 0.2, sets="codec=int8")]), {})[0] == []
