"""What each knob buys, which of them are trained for it, in which order and in which words people are told."""

import json
import math
from dataclasses import replace

import pytest
from prepared import BYTES, LATENCY, TOKENS, prepared

from bench.attribute import helps as module
from bench.attribute.helps import Help, as_dict, from_dict, lines, what_helps
from bench.attribute.helps_figure import write_figure_of_helps
from bench.attribute.knobs import KNOBS
from bench.attribute.turned import Knob, Turned
from bench.attribute.variant import Variant
from bench.errors import SkipError
from bench.progress import Progress
from bench.record.learning import Learning
from bench.record.store import as_json
from bench.run import Run

NAMES = {"scenario": "made_up", "algorithm": "ddp"}


def helped(folder, *overrides, seeds=1):
    runs = [prepared(folder, *overrides, f"seed={seed}") for seed in range(seeds)]
    return what_helps(runs, Progress("none"), NAMES)


def by_knob(helps):
    return {each.knob: each for each in helps}


@pytest.fixture
def trainings(monkeypatch):
    """The confs of all that is really trained."""
    trained, train = [], Run._train
    monkeypatch.setattr(Run, "_train", lambda run, *rest: trained.append(run.conf) or train(run, *rest))
    return trained


def learns(monkeypatch, of):
    """`of(conf)` gives the losses of a run after 0, 100 and 200 steps; its tokens are the clock's."""
    monkeypatch.setattr(
        Variant, "learning", lambda variant, clocked, corpus: Learning([0, 100, 200], of(variant.run.conf), clocked.tokens)
    )


def test_the_clock_alone_says_how_much_faster_a_run_is(tmp_path):
    found = by_knob(helped(tmp_path, "train=false"))
    step = 2 * TOKENS / Variant(prepared(tmp_path, "train=false")).clocked().ideal
    # A step is compute + latency + bytes / rate, before and after.
    before, after = step + LATENCY + BYTES / 1e9, step + LATENCY + BYTES / 2e9
    assert found["uplink"].throughput == found["uplink"].buys == pytest.approx([before / after])
    assert found["round_trips"].buys == pytest.approx([before / (before - LATENCY / 2)])
    assert found["devices"].buys == pytest.approx([before / (before - step / 2)])
    assert found["downlink"].buys == (1.0,)
    # Efficiency is ideal seconds over real ones: with devices twice as fast, half the ideal ones.
    assert found["uplink"].efficiency == pytest.approx([before / after])
    assert found["devices"].efficiency == pytest.approx([before / (before - step / 2) / 2])


@pytest.mark.parametrize("split", ["uniform", "by_speed"])
def test_devices_twice_as_fast_buy_2x_where_all_is_compute_and_are_no_more_efficient(tmp_path, split):
    mixed = ["workers=2", "devices.mix=null", "devices.list=[h100_sxm, v100_sxm_16gb]", f"split={split}"]
    free = ["network.uplink=unlimited", "network.downlink=unlimited", "network.last_mile=0 s"]
    devices = by_knob(helped(tmp_path, "train=false", *mixed, *free))["devices"]
    assert devices.buys == pytest.approx([2.0])
    assert devices.efficiency == pytest.approx([1.0])


def test_equal_schedules_and_settings_need_no_training_and_have_a_learning_of_exactly_1(tmp_path, trainings):
    # Int4 has no successor, DDP no sync_every, and all are always up and equal: nothing changes what is learnt.
    found = helped(tmp_path, "codec=int4")
    assert {each.learning for each in found if not each.reason} == {(1.0,)}
    assert trainings == []


def test_what_changes_the_learning_is_trained_once_and_found_the_next_time(tmp_path, trainings):
    found = by_knob(helped(tmp_path))
    assert [conf["codec"]["_target_"] for conf in trainings] == ["bench.codec.NoCodec", "bench.codec.BF16"]
    [learning], [throughput], [buys] = found["bits"].learning, found["bits"].throughput, found["bits"].buys
    assert 0 < learning != 1.0
    assert buys == learning * throughput
    assert by_knob(helped(tmp_path))["bits"] == found["bits"]
    assert len(trainings) == 2


def test_without_training_a_learning_that_would_differ_is_unknown(tmp_path, trainings):
    bits = by_knob(helped(tmp_path, "train=false"))["bits"]
    assert math.isnan(bits.learning[0]) and bits.buys == bits.throughput
    assert trainings == []


def test_learning_is_tokens_to_the_loss_that_both_reach(tmp_path, monkeypatch):
    # Without: 4 -> 3 -> 2. With bf16: 4 -> 2 -> 1, which is at 2 after half of its tokens, of which it has as many: 2x.
    learns(monkeypatch, lambda conf: [4.0, 2.0, 1.0] if "BF16" in conf["codec"]["_target_"] else [4.0, 3.0, 2.0])
    bits = by_knob(helped(tmp_path))["bits"]
    assert bits.learning == pytest.approx([2.0])
    assert bits.buys == pytest.approx([2 * bits.throughput[0]])
    # Payloads of half the bytes: system efficiency x learning.
    assert bits.efficiency == pytest.approx(bits.buys)


@pytest.mark.parametrize(
    ("before", "after", "learning"),
    [([4.0, 3.0, 5.0], [4.0, 3.0, 2.0], math.inf), ([4.0, 3.0, 2.0], [4.0, 5.0, math.nan], 0.0)],
)
def test_who_learns_nothing_is_infinitely_slow(tmp_path, monkeypatch, before, after, learning):
    learns(monkeypatch, lambda conf: after if "BF16" in conf["codec"]["_target_"] else before)
    found = helped(tmp_path)
    assert by_knob(found)["bits"].buys == (learning,)
    ranked = [each for each in found if not each.reason]
    assert ranked[0 if learning else -1].knob == "bits"


def test_where_neither_learns_anything_the_clock_alone_ranks(tmp_path, monkeypatch):
    learns(monkeypatch, lambda conf: [4.0, 4.0, 4.0])
    bits = by_knob(helped(tmp_path))["bits"]
    assert math.isnan(bits.learning[0]) and bits.buys == bits.throughput


def test_knobs_are_ranked_by_the_median_of_what_they_buy_and_those_left_out_come_last(tmp_path):
    found = helped(tmp_path, "train=false", "workers=4", "network.uplink=10 MB/s", "network.last_mile=0 s", seeds=2)
    ranked = [each for each in found if not each.reason]
    assert [each.knob for each in ranked][:2] == ["uplink", "bits"]  # which encodes, too
    assert all(len(each.buys) == 2 for each in ranked)
    gains = [sum(each.buys) for each in ranked]
    assert gains == sorted(gains, reverse=True)
    assert all(each.reason for each in found[len(ranked) :])
    assert sorted(each.knob for each in found) == sorted(knob.name for knob in KNOBS)


def test_a_knob_whose_run_has_no_clock_is_left_out_with_the_reason(tmp_path):
    # FSDP goes on with everybody or not at all.
    mixed = ["workers=3", "devices.mix=null", "devices.list=[h100_sxm, v100_sxm_16gb, h100_sxm]", "algorithm=fsdp"]
    slowest = by_knob(helped(tmp_path, "train=false", *mixed))["slowest"]
    assert slowest.reason.startswith("skipped: each worker holds") and slowest.buys == ()
    # 100 kB/s: 4.8 s a sync. Two of them in four steps end within 15 s, four do not.
    slow = ["algorithm=local_sgd", "algorithm.sync_every=2", "network.uplink=100 kB/s", "max_virtual=15 s"]
    found = by_knob(helped(tmp_path, "train=false", *slow))
    assert found["sync_twice"].reason.startswith("timeout: after ")
    assert not found["sync_half"].reason
    # A bound of its own constructor: a fragment may be late by less than a round.
    tight = ["algorithm=streaming_diloco", "algorithm.sync_every=4", "algorithm.fragments=4", "algorithm.delay=0"]
    assert by_knob(helped(tmp_path, "train=false", *tight))["sync_twice"].reason.startswith("algorithm.")


def test_a_knob_that_only_some_seeds_lack_names_one_of_them(tmp_path, monkeypatch):
    def moody(run):
        return "no luck" if run.conf["seed"] == 1 else Turned(Variant(run))

    monkeypatch.setattr(module, "KNOBS", (Knob("moody", "try it", moody),))
    assert [each.reason for each in helped(tmp_path, "train=false", seeds=2)] == ["with seed 1: no luck"]


def test_a_run_without_a_clock_of_its_own_is_an_error(tmp_path):
    with pytest.raises(SkipError):
        helped(tmp_path, "train=false", "algorithm=fsdp", "churn=exponential", "churn.up=1 h", "churn.down=1 h")


MADE_UP = (
    Help("uplink", "double the uplink", (1.5, 1.6, 1.8), (1.0, 1.0, 1.0), (1.5, 1.6, 1.8), (1.5, 1.6, 1.8)),
    Help("bits", "half the bits (bf16)", (1.2, 1.2, 1.3), (0.8, 0.9, 1.0), (0.96, 1.08, 1.3), (0.96, 1.08, 1.3)),
    Help("downlink", "double the downlink", (1.0,) * 3, (1.0,) * 3, (1.0,) * 3, (1.0,) * 3),
    Help("round_trips", "halve the round trips", (1.001,) * 3, (1.0,) * 3, (1.001,) * 3, (1.001,) * 3),
    Help("sync_twice", "sync twice as often", (0.5,) * 3, (math.nan,) * 3, (0.5,) * 3, (0.5,) * 3),
    Help("honest", "nobody bad", reason="nobody is bad"),
)


def test_people_are_told_the_median_and_the_interval_and_ties_as_ties():
    assert lines(MADE_UP) == [
        "double the uplink      buys 1.60x [1.50–1.80]  (throughput 1.60x, learning 1.00x)",
        "half the bits (bf16)   no difference beyond the seeds' noise (0.960–1.30)",
        "double the downlink    no difference",
        "halve the round trips  next to nothing (below 0.5 %)",
        "sync twice as often    leaves 0.500x [0.500–0.500]  (throughput 0.500x, not trained)",
    ]
    assert lines(MADE_UP[-1:]) == []


def test_one_seed_has_no_interval():
    one = Help("uplink", "double the uplink", (1.6,), (1.0,), (1.6,), (1.6,))
    assert lines([one]) == ["double the uplink  buys 1.60x  (throughput 1.60x, learning 1.00x)"]


def test_a_gain_whose_interval_holds_1_is_a_tie_and_no_other():
    assert [each.is_tie for each in MADE_UP] == [False, True, True, False, False, False]


def test_infinite_gains_and_losses_are_told_in_words():
    only, never = (Help("honest", "nobody bad", (1.0,), (learning,), (learning,), (learning,)) for learning in (math.inf, 0.0))
    assert lines([only]) == ["nobody bad  learns, which the run as it is does not  (throughput 1.00x, learning ∞x)"]
    assert lines([never]) == ["nobody bad  learns nothing  (throughput 1.00x, learning 0x)"]


@pytest.mark.parametrize("each", [*MADE_UP, replace(MADE_UP[0], buys=(math.inf, 0.0, 1.0))], ids=lambda each: each.knob)
def test_a_help_comes_back_from_its_record_as_it_was(each):
    again = from_dict(json.loads(as_json(as_dict(each))))
    assert repr(again) == repr(each)  # NaN is not equal to itself


def test_equal_helps_give_equal_files_with_every_knob_that_is_not_left_out(tmp_path):
    first = write_figure_of_helps(MADE_UP, tmp_path / "one")
    second = write_figure_of_helps(MADE_UP, tmp_path / "two")
    assert [path.suffix for path in first] == [".svg", ".png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    text = first[0].read_text()
    assert all((f"<!-- {each.text} -->" in text) is not bool(each.reason) for each in MADE_UP)
    assert "<!-- buys 1.60x [1.50–1.80] -->" in text


def test_a_figure_of_nothing_and_one_of_infinities_can_be_drawn(tmp_path):
    never = Help("bits", "half the bits (bf16)", (2.0,), (0.0,), (0.0,), (0.0,))
    only = Help("honest", "nobody bad", (1.0,), (math.inf,), (math.inf,), (math.inf,))
    for number, shown in enumerate(([], [only, never])):
        assert all(path.stat().st_size for path in write_figure_of_helps(shown, tmp_path / str(number)))
