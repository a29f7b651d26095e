"""Farbench beside runs over the internet."""

import pytest

from bench.reference.runs import ring_seconds, storage_seconds
from bench.reference.studies import STUDIES


@pytest.fixture(scope="module")
def frame():
    return STUDIES["runs"]().frame


def figure(frame, run, quantity):
    [row] = frame[(frame["run"] == run) & (frame["quantity"] == quantity)].to_dict("records")
    return row


def test_only_what_follows_from_published_lines_is_judged_and_none_is_met(frame):
    judged = frame[frame["within"] != ""]
    assert set(zip(judged["run"], judged["quantity"], strict=True)) == {
        (run, quantity) for run in ("Covenant-72B", "SparseLoCo 8B") for quantity in ("synchronizing", "utilisation")
    }
    assert (judged["within"] == "no").all()
    assert judged["tolerance"].tolist() == pytest.approx([0.25, 0.01 / 0.945, 0.25, 0.01 / 0.957])


def test_covenants_bytes_do_not_go_over_its_lines_in_its_seconds(frame):
    # 64 of 4096 numbers of 14 bits: 1.96875 GB, a bit at a time over 110 Mbit/s; 19 others' over 500 Mbit/s.
    nbytes = 72e9 * 64 / 4096 * 14 / 8
    assert 8 * 72e9 * 4 / (8 * nbytes) == pytest.approx(146.3, abs=0.05)  # the paper: "more than 146"
    seconds = 8 * nbytes / 110e6 + 19 * 8 * nbytes / 500e6
    row = figure(frame, "Covenant-72B", "synchronizing")
    assert row["predicted"] == pytest.approx(seconds)
    assert 8 * nbytes / 110e6 > 2 * row["measured"]
    assert figure(frame, "Covenant-72B", "utilisation")["predicted"] == pytest.approx(1200 / (1200 + seconds))


def test_lines_eight_times_as_wide_are_off_by_a_third_one_way_and_the_other(frame):
    errors = [figure(frame, run, "synchronizing, lines of each device")["error"] for run in ("Covenant-72B", "SparseLoCo 8B")]
    assert errors == pytest.approx([0.324, -0.324], abs=0.001)


def test_everybody_uploads_at_once_and_then_downloads_what_the_others_did():
    # Three peers, 100 bytes each: 10 s up at 10 bytes/s, and 200 bytes in 4 s down at 50.
    assert storage_seconds(3, 100.0, 10.0, 50.0) == pytest.approx((10.0, 4.0))


def test_a_ring_sends_each_byte_twice_but_for_what_one_keeps():
    # 2 (14 - 1) / 14 times 10 GB at 0.5 Gbit/s.
    assert ring_seconds(14, 10e9, 0.5e9 / 8) == pytest.approx(2 * 13 / 14 * 160)


def test_intellects_range_holds_its_seconds_in_the_usa_alone(frame):
    def between(run):
        slow, fast = (figure(frame, run, f"synchronizing, at {rate} Gbit/s") for rate in ("0.5", "4"))
        return fast["predicted"] <= fast["measured"] == slow["measured"] <= slow["predicted"]

    assert between("INTELLECT-1, USA")
    assert not between("INTELLECT-1, USA and Europe")
    assert not between("INTELLECT-1, three continents")


def test_published_figures_agree_with_each_other(frame):
    # Utilisation and MFU are the same statement twice; digits as printed.
    arithmetic = frame[frame["note"].isin(["follows from the published seconds", "arithmetic"])]
    assert len(arithmetic) == 5
    assert (abs(arithmetic["predicted"] - arithmetic["measured"]) < 0.001).all()
    mfu = frame[frame["quantity"] == "MFU"]
    assert (abs(mfu["predicted"] - mfu["measured"]) < 0.1).all()
