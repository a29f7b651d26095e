"""The table of all algorithms."""

import pytest

from bench.algorithm.ddp import DDP
from bench.algorithm.diloco import DiLoCo
from bench.algorithm.fsdp import FSDP
from bench.codec import BF16, NoCodec
from bench.report.algorithms import STEPS, markdown, traffic

RING = 2 * 15 / 16  # of the payload, on each of 16 workers' lines


def test_traffic_is_counted_from_the_program():
    assert traffic(DDP(), NoCodec()) == pytest.approx(RING)
    assert traffic(DDP(buckets=8), NoCodec()) == pytest.approx(RING)
    assert traffic(DDP(buckets=8), BF16()) == pytest.approx(RING / 2)
    assert traffic(DDP(accumulate=4), NoCodec()) == pytest.approx(RING / 4)
    assert traffic(FSDP(units=4), NoCodec()) == pytest.approx(1.5 * RING, rel=1e-3)  # and begins the next step
    assert traffic(DiLoCo(sync_every=STEPS // 4, outer_lr=0.7, outer_momentum=0.9), NoCodec()) == pytest.approx(
        4 * RING / STEPS
    )


def test_every_algorithm_has_a_line_with_its_paper(monkeypatch):
    monkeypatch.setattr("bench.report.algorithms.STEPS", 120)  # enough for everybody to send
    lines = [line for line in markdown().splitlines() if line.startswith("| `")]
    assert len(lines) > 20
    for line in lines:
        name, paper, sends, meets, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        assert name.startswith("`")
        assert "et al." in paper or "arXiv" in paper
        assert sends == "activations" or float(sends) > 0
        assert meets
