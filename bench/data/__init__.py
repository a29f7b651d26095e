"""Text to learn from: training batches named by (seed, rank, step), and a held-out part for evaluation."""

from bench.data.corpus import Corpus
from bench.data.sources import Files, Source, Stdlib, Synthetic

__all__ = ["Corpus", "Files", "Source", "Stdlib", "Synthetic"]
