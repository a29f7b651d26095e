"""Corpora: the same text each time, batches by name, nothing of the held-out part in training."""

import numpy as np
import pytest
import torch

from bench.data import Corpus, Files, Stdlib, Synthetic
from bench.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for number in range(40):
        (tmp_path / f"{number:02}.txt").write_bytes(bytes([number]) * 100)
    (tmp_path / "other.md").write_text("not text")
    return tmp_path


def test_each_sixteenth_file_is_held_out(folder):
    corpus = Files(path=str(folder), pattern="*.txt").corpus(256)
    newline = {10}
    assert set(corpus.held_out.tolist()) - newline == {15, 31}
    assert set(corpus.train.tolist()) - newline == set(range(40)) - newline - {15, 31}


def test_of_few_files_the_last_part_is_held_out(tmp_path):
    (tmp_path / "one.txt").write_bytes(bytes(range(160)))
    corpus = Files(path=str(tmp_path), pattern="*.txt").corpus(256)
    assert corpus.train.tolist() == list(range(150))
    assert corpus.held_out.tolist() == list(range(150, 160))


@pytest.mark.parametrize(
    ("source", "vocabulary", "message"),
    [
        (Files(path="/nowhere/at/all", pattern="*"), 256, "data.path must be a folder that exists, got '/nowhere/at/all'"),
        (Stdlib(python=""), 64, "model.vocabulary must be >= 256"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(source, vocabulary, message):
    with pytest.raises(DataError, match=message):
        source.corpus(vocabulary)


def test_a_folder_without_text_says_so(folder):
    with pytest.raises(DataError, match="no text found"):
        Files(path=str(folder), pattern="*.nothing").corpus(256)


def test_text_that_is_too_short_says_so(tmp_path):
    (tmp_path / "short.txt").write_text("abc")
    corpus = Files(path=str(tmp_path), pattern="*.txt").corpus(256)
    with pytest.raises(DataError, match="its training part has 3 tokens, model.context = 64 needs 65"):
        corpus.batch(0, 0, 0, 4, 64)


def test_the_library_sources_are_real_text_and_stay_the_same():
    first, second = Stdlib(python="").corpus(256), Stdlib(python="").corpus(256)
    assert first.digest == second.digest
    assert len(first.train) > 3_000_000
    assert b"def __init__(self" in first.train.tobytes()
    assert 0.03 < len(first.held_out) / len(first.train) < 0.15


def counting():
    return Corpus(np.arange(250, dtype=np.uint8), np.arange(100, 160, dtype=np.uint8))


def test_a_batch_is_windows_of_consecutive_tokens():
    batch = counting().batch(0, 3, 5, sequences=4, context=8)
    assert batch.shape == (4, 9)
    assert torch.equal(batch - batch[:, :1], torch.arange(9).expand(4, 9))


def test_a_batch_depends_on_its_name_alone():
    corpus = counting()
    batch = corpus.batch(0, 1, 2, 8, 8)
    assert torch.equal(batch, counting().batch(0, 1, 2, 8, 8))
    assert not any(torch.equal(batch, corpus.batch(*name, 8, 8)) for name in ((1, 1, 2), (0, 2, 2), (0, 1, 3)))


def test_batches_reach_all_of_the_text():
    starts = torch.cat([counting().batch(0, 0, step, 64, 8)[:, 0] for step in range(100)])
    assert (starts.min(), starts.max()) == (0, 241)  # 250 - 9 tokens of the last window


def test_evaluation_is_evenly_spaced_over_the_held_out_text():
    # 60 - 8 = 52 starts, 4 windows: at 6.5, 19.5, 32.5 and 45.5.
    assert counting().evaluation(4, 8)[:, 0].tolist() == [106, 119, 132, 145]


def test_the_entropy_of_the_markov_source_is_that_of_its_text():
    corpus = Synthetic(tokens=400_000, branches=3, source_seed=2).corpus(32)
    # Conditional entropy of pairs in the text itself, from counts; finite text is a little lower.
    pairs = np.zeros((32, 32))
    np.add.at(pairs, (corpus.train[:-1], corpus.train[1:]), 1)
    following = pairs / np.maximum(pairs.sum(1, keepdims=True), 1)  # a token that nothing leads to has no row
    counted = -(pairs / pairs.sum() * np.log(np.maximum(following, 1e-12))).sum()
    assert counted == pytest.approx(corpus.entropy, rel=0.03)


def test_synthetic_text_depends_on_its_seed():
    texts = [Synthetic(tokens=2000, branches=4, source_seed=seed).corpus(16).digest for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_a_fingerprint_changes_with_the_text(folder):
    source = Files(path=str(folder), pattern="*.txt")
    before = source.fingerprint()
    assert Files(path=str(folder), pattern="*.txt").fingerprint() == before
    (folder / "07.txt").write_bytes(bytes(100))  # as long as before
    changed = source.fingerprint()
    (folder / "08.txt").rename(folder / "renamed.txt")
    assert len({before, changed, source.fingerprint()}) == 3


def test_no_evaluation_window_of_the_library_stands_in_its_training_text_but_a_few():
    corpus = Stdlib(python="").corpus(256)
    train = corpus.train.tobytes()
    known = sum(bytes(window.tolist()) in train for window in corpus.evaluation(128, 64).to(torch.uint8))
    assert known <= 6  # licence headers and the like: under five in a hundred
