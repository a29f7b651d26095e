"""SparseLoCo against its update rule written out, sparse, in 2 bits, and with its memory."""

import pytest
import torch
from loops import STEPS, W, distance, initial, put, rows, train, trained, workers
from worlds import scenario, simulate

from bench.algorithm.diloco import DiLoCo
from bench.algorithm.sparse_loco import SparseLoCo
from bench.codec import TopK2Bit
from bench.feedback import ErrorFeedback


def two_bits(row, k, chunk):
    """The k largest of each chunk, each the mean magnitude of the large or of the small ones, with its sign."""
    kept = torch.zeros_like(row, dtype=torch.bool)
    for first in range(0, len(row), chunk):
        part = row[first : first + chunk].abs()
        kept[first + part.topk(min(k, len(part))).indices] = True
    size = row.abs()
    large = kept & (size > size[kept].mean())
    levels = torch.where(large, size[large].mean(), size[kept & ~large].mean())
    return torch.where(kept, levels * row.sign(), 0.0)


@pytest.mark.parametrize("encoded", [False, True])
def test_it_is_an_sgd_step_along_the_mean_of_what_is_sent_of_pseudo_gradients(encoded):
    everybody, outer = workers(), initial()
    memory = torch.zeros(W, len(outer))
    for first in range(0, STEPS, 5):
        train(everybody, first, 5)
        sent = outer - rows(everybody)
        if encoded:
            owed = 0.95 * memory + sent
            sent = torch.stack([two_bits(row, 8, 64) for row in owed])
            memory = owed - sent
        outer = outer - 0.8 * sent.mean(0)
        put(everybody, outer)
    codec = {"codec": TopK2Bit(k=8, chunk=64), "feedback": ErrorFeedback(decay=0.95)} if encoded else {}
    ours = trained(SparseLoCo(sync_every=5, outer_lr=0.8), **codec)
    if encoded:  # of two magnitudes that are alike but for rounding either may be the k-th
        assert (ours - rows(everybody)).abs().gt(1e-5).float().mean() < 0.01
        assert distance(ours, initial()) > 1e-3
    else:
        assert distance(ours, rows(everybody)) <= 1e-5


def test_without_codec_it_is_diloco_without_momentum():
    diloco = DiLoCo(sync_every=5, outer_lr=0.8, outer_momentum=0.0)
    assert distance(trained(SparseLoCo(sync_every=5, outer_lr=0.8)), trained(diloco)) <= 1e-6
    ours, theirs = (
        simulate(algorithm, scenario(4), steps=20) for algorithm in (SparseLoCo(sync_every=5, outer_lr=0.8), diloco)
    )
    assert ours.round_end.tolist() == theirs.round_end.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sync_every": 0}, "sync_every must be >= 1, got 0"),
        ({"outer_lr": float("nan")}, "outer_lr must be above 0 and finite, got nan"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        SparseLoCo(**({"sync_every": 5, "outer_lr": 1.0} | settings))
