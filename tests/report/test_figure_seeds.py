"""Which rows differ in their seed alone, and what runs through them."""

import math

import pytest
from charted import frame, row

from bench.report.figures.seeds import loss_band, variants


def test_rows_that_differ_in_their_seed_alone_are_one_variant():
    rows = [
        row(seed=seed, settings=f"codec={codec} steps=40", key=f"{codec}{seed}")
        for codec in ("int8", "none")
        for seed in range(2)
    ]
    found = variants(frame(*rows))
    # steps=40 is what all of them set.
    assert [(one.algorithm, one.settings, len(one.rows)) for one in found] == [
        ("diloco", "codec=int8", 2),
        ("diloco", "codec=none", 2),
    ]
    assert (found[0].keys(), found[0].seeds()) == ("int80 int81", " of 2 seeds")


@pytest.mark.parametrize("other", [{"scenario": "b"}, {"algorithm": "ddp"}, {"workload": "v" * 64}, {"settings": "codec=int8"}])
def test_any_other_difference_parts_them(other):
    assert len(variants(frame(row(), row(seed=1) | row(seed=1, **other)))) == 2


def test_settings_that_are_named_do_not_part_them():
    rows = [row(settings=f"'network.uplink={rate} Mbit/s'") for rate in (1, 10)]
    assert len(variants(frame(*rows))) == 2
    [one] = variants(frame(*rows), less=("network.uplink",))
    assert (one.settings, one.seeds()) == ("", " of 2 seeds")


def test_of_many_keys_the_first_are_told():
    [one] = variants(frame(*(row(seed=seed, key=f"{seed}" * 32) for seed in range(5))))
    assert one.keys() == "00000000 11111111 22222222 and 2 more"
    [alone] = variants(frame(row()))
    assert (alone.keys(), alone.seeds()) == ("abcdef01", "")


def test_no_rows_are_no_variants():
    assert variants(frame(row()).iloc[:0]) == []


def test_a_band_is_infinite_where_a_seed_has_no_loss():
    rows = [one for _, one in frame(row(losses=(6.0, 5.0, math.nan)), row(seed=1, seconds=(0, 80, 160))).iterrows()]
    band = loss_band(rows, lambda one: one["curve"]["virtual_seconds"])
    assert list(band.x) == [70, 140]
    assert list(band.low) == [5, 4]
    assert list(band.high) == [5, math.inf]
