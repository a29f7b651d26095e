"""Where text comes from. Every source gives the same tokens each time it is read."""

import sysconfig
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.data.corpus import Corpus
from bench.errors import DataError
from bench.seeds import stream

HELD_OUT_EVERY = 16  # each sixteenth file, or block of text, is held out


class Source(Protocol):
    """Settings of a text source."""

    def corpus(self, vocabulary: int) -> Corpus:
        """The tokens, all below `vocabulary`. Raises DataError where there are none, or the vocabulary is too small."""
        ...


class Stdlib:
    """The bytes of the running Python's own library sources: some 10 MB of real text, without a download."""

    def __init__(self, *, python: str) -> None:
        self.python = python  # its version; it takes part in a row's key because it decides the text

    def corpus(self, vocabulary: int) -> Corpus:
        root = Path(sysconfig.get_paths()["stdlib"])
        skipped = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
        files = [f for f in root.rglob("*.py") if not skipped & set(f.relative_to(root).parts)]
        return _from_files(sorted(files), f"the library of Python at {root}", vocabulary)


class Files:
    """The bytes of the text files in a folder (and below it) whose names match `pattern`."""

    def __init__(self, *, path: str, pattern: str) -> None:
        self.path, self.pattern = path, pattern

    def corpus(self, vocabulary: int) -> Corpus:
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise DataError(f"data.path must be a folder that exists, got '{self.path}'")
        files = sorted(f for f in folder.rglob(self.pattern) if f.is_file())
        return _from_files(files, f"data.path '{self.path}' with data.pattern '{self.pattern}'", vocabulary)


class Synthetic:
    """A Markov chain over all tokens whose entropy is known, so that loss above it is what is left to learn.

    Each token is followed by one of `branches` others, with probabilities drawn from the seed.
    """

    def __init__(self, *, tokens: int, branches: int, source_seed: int) -> None:
        if tokens < 1024:
            raise ValueError(f"tokens must be >= 1024, got {tokens}")
        if branches < 1:
            raise ValueError(f"branches must be >= 1, got {branches}")
        self.tokens, self.branches, self.source_seed = tokens, branches, source_seed

    def corpus(self, vocabulary: int) -> Corpus:
        if vocabulary > 256:
            raise DataError(f"model.vocabulary must be <= 256 for data=synthetic, whose tokens are bytes, got {vocabulary}")
        random = stream(self.source_seed, "markov")
        branches = min(self.branches, vocabulary)
        following = np.argsort(random.random((vocabulary, vocabulary)), axis=1)[:, :branches]  # (V, K)
        chances = random.dirichlet(np.ones(branches), vocabulary)  # (V, K)
        edges = np.cumsum(chances, axis=1)[:, :-1]
        # Many chains side by side; each token is one step of all of them.
        chains, length = 1024, -(-self.tokens // 1024)
        text = np.empty((chains, length), np.uint8)
        token = random.integers(vocabulary, size=chains)
        for place in range(-64, length):  # 64 steps first, to forget the uniform start
            branch = (random.random(chains)[:, None] > edges[token]).sum(1)
            token = following[token, branch]
            if place >= 0:
                text[:, place] = token
        cut = chains - chains // HELD_OUT_EVERY
        return Corpus(text[:cut].ravel(), text[cut:].ravel(), _entropy(following, chances))


def _entropy(following: np.ndarray, chances: np.ndarray) -> float:
    """Nats a token of the chain: each row's entropy, weighted by how often the chain is there."""
    vocabulary = len(following)
    matrix = np.zeros((vocabulary, vocabulary))
    np.put_along_axis(matrix, following, chances, axis=1)
    often = np.full(vocabulary, 1 / vocabulary)
    for _ in range(1000):
        often = often @ matrix
    rows = -np.sum(chances * np.log(np.maximum(chances, 1e-300)), axis=1)
    return float(often @ rows)


def _from_files(files: list[Path], where: str, vocabulary: int) -> Corpus:
    if vocabulary < 256:
        raise DataError(f"model.vocabulary must be >= 256 for text read as bytes, got {vocabulary}")
    if not files:
        raise DataError(f"no text found: {where}")
    train = _read([f for i, f in enumerate(files) if i % HELD_OUT_EVERY != HELD_OUT_EVERY - 1])
    rest = _read(files[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
    if len(files) < HELD_OUT_EVERY:  # too few files to hold some out: the last part of the text instead
        cut = len(train) - len(train) // HELD_OUT_EVERY
        train, rest = train[:cut], train[cut:]
    return Corpus(train, rest)


def _read(files: list[Path]) -> np.ndarray:
    try:
        return np.frombuffer(b"\n".join(file.read_bytes() for file in files), np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
