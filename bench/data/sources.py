"""Where text comes from. Every source gives the same tokens each time it is read."""

import hashlib
import os
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.data.corpus import Corpus
from bench.errors import DataError
from bench.seeds import stream

_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
HELD_OUT_EVERY = 16  # each sixteenth file, or block of text, is held out


class Source(Protocol):
    """Settings of a text source; equal settings are equal sources."""

    def __hash__(self) -> int: ...

    def fingerprint(self) -> str:
        """A name for the text, without reading it: it changes when the text does."""
        ...

    def corpus(self, vocabulary: int) -> Corpus:
        """The tokens, all below `vocabulary`. Raises DataError where there are none, or the vocabulary is too small."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stdlib:
    """The bytes of the running Python's own library sources: some 10 MB of real text, without a download.

    Without tests, code tables (each much like the next, so that held-out ones would be known) and what records a build.
    """

    python: str  # its version decides the text

    def fingerprint(self) -> str:
        return _library_fingerprint()

    def corpus(self, vocabulary: int) -> Corpus:
        return _from_files(_library_files(), f"the library of Python at {_LIBRARY}", vocabulary)


@dataclass(frozen=True, kw_only=True)
class Files:
    """The bytes of the text files in a folder (and below it) whose names match `pattern`."""

    path: str
    pattern: str

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("path must be the name of a folder, got nothing")
        if not self.pattern or Path(self.pattern).is_absolute():
            raise ValueError(f"pattern must be one of names below data.path, such as '*.txt', got '{self.pattern}'")

    def fingerprint(self) -> str:
        states = ((file, file.stat()) for file in self._files())
        return _digest_of(f"{file} {state.st_size} {state.st_mtime_ns}" for file, state in states)

    def corpus(self, vocabulary: int) -> Corpus:
        return _from_files(self._files(), f"data.path '{self.path}' with data.pattern '{self.pattern}'", vocabulary)

    def _files(self) -> list[Path]:
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise DataError(f"data.path must be a folder that exists, got '{self.path}'")
        return sorted(file for file in folder.rglob(self.pattern) if file.is_file())


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """A Markov chain over all tokens whose entropy is known, so that loss above it is what is left to learn.

    Each token is followed by one of `branches` others, with probabilities drawn from the seed.
    """

    tokens: int
    branches: int
    source_seed: int

    def __post_init__(self) -> None:
        for name, least in (("tokens", 1024), ("branches", 1), ("source_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)}")

    def fingerprint(self) -> str:
        return repr(self)

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


@cache  # the library does not change under the program that it runs
def _library_fingerprint() -> str:
    return _digest_of(f"{file.relative_to(_LIBRARY)} {file.stat().st_size}" for file in _library_files())


def _library_files() -> list[Path]:
    skipped = {"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings", "__pycache__"}
    found: list[Path] = []
    for folder, below, names in os.walk(_LIBRARY):
        below[:] = [name for name in below if name not in skipped]
        found += [Path(folder, n) for n in names if n.endswith(".py") and not n.startswith("_sysconfigdata")]
    return sorted(found)


def _digest_of(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


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
