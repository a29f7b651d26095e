"""Steps, products and copies that were measured become catalogue entries that give the same step."""

import pytest
import torch

from bench.devices import device_seconds
from bench.devices.roofline import MEMORY_SHARE
from bench.probe.device import Sample, entry, measure, models, shape, training_step, work
from bench.probe.kinds import kinds


def sample(nano=10e-3, *, small=80e-3, spread=0.01, kind="cpu", peak=1e11, copied=9e9, memory=8e9):
    return Sample(kind, 1, peak, copied, memory, {"nano": nano, "small": small}, {"nano": spread, "small": spread})


def test_the_entry_prices_the_step_as_it_was_measured():
    device, steps = entry([sample(10e-3)], "nano")
    assert device_seconds(device, work(shape("nano"))) == pytest.approx(10e-3, rel=5e-3)  # efficiency has three digits
    assert steps["nano"] == (10e-3, device_seconds(device, work(shape("nano"))))
    assert steps["small"][0] == 80e-3
    assert (device.peak, device.peak_fp32, device.memory) == (1e11, 1e11, 8e9)
    assert device.memory_bandwidth * MEMORY_SHARE == pytest.approx(9e9)  # of which large transfers get what was copied


def test_the_model_that_was_asked_for_decides_the_efficiency():
    device, steps = entry([sample(10e-3, small=200e-3)], "small")
    assert device_seconds(device, work(shape("small"))) == pytest.approx(200e-3, rel=5e-3)
    assert steps["nano"][1] != pytest.approx(10e-3, rel=0.05)
    assert models("small") == ["small", "nano"]
    assert models("gpt_350m") == ["gpt_350m", "small"]


def test_a_step_that_is_faster_than_the_data_sheet_allows_leaves_the_efficiency_at_one_and_says_by_how_much():
    device, steps = entry([sample(1e-6)], "nano")
    assert device.efficiency == 1.0
    measured, priced = steps["nano"]
    assert priced > 100 * measured


def test_one_kind_has_the_median_of_its_ranks():
    device, _ = entry([sample(peak=1e11), sample(peak=3e11), sample(peak=2e11)], "nano")
    assert device.peak == 2e11


def test_ranks_whose_steps_are_alike_are_of_one_kind_and_the_list_is_in_rank_order():
    samples = [sample(10e-3), sample(20e-3), sample(10.5e-3), sample(20e-3, kind="gpu")]
    made, order = kinds("lab", "nano", samples, ["a", "a", "b", "b"])
    assert order == ["lab_1", "lab_2", "lab_1", "lab_3"]
    assert [kind.maker for kind in made.values()] == ["cpu", "cpu", "gpu"]
    assert made["lab_1"].steps["nano"][0] == pytest.approx(10.25e-3)
    assert made["lab_1"].beside == 2


def test_steps_that_vary_more_than_they_differ_are_of_one_kind():
    made, order = kinds("lab", "nano", [sample(10e-3, spread=0.6), sample(15e-3)], ["a", "b"])
    assert order == ["lab", "lab"]
    assert made["lab"].spread == 0.6


def test_a_training_step_changes_the_parameters_as_the_ranks_text_says():
    (first, one), (second, same), (third, other) = (training_step(shape("nano"), "cpu", rank) for rank in (0, 0, 1))
    before = one.clone()
    assert torch.equal(same, before)  # all begin alike
    for step in (first, second, third):
        step()
    # AdamW's first step moves each parameter that has a gradient by the learning rate, 0.003, and decays it by 0.03 %.
    assert (one - before).abs().max() == pytest.approx(3e-3, rel=0.2)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_real_device_is_measured(one_thread):
    came = []
    found = measure("cpu", "nano", 0, 2, 0.2, came.append)
    assert torch.get_num_threads() == found.threads == 1
    assert came == ["products", "copies", "steps of nano", "steps of small"]
    assert found.kind
    assert 1e8 < found.peak < 1e15
    assert 1e8 < found.copied < 1e13
    assert 1e8 < found.memory < 1e14
    # Small has seven times the parameters and four times the tokens.
    assert 0 < found.step_seconds["nano"] < found.step_seconds["small"]


def test_a_step_leaves_the_number_of_threads_as_it_was():
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        training_step(shape("nano"), "cpu", 0)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
