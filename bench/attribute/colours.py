"""A colour and a hatch for each switch, the same in every figure: those of the ledger's bucket that its loss mostly goes to."""

from bench.report.figures.palette import BUCKET_COLOURS, BUCKET_EDGES, BUCKET_HATCHES

_BUCKETS = {
    "bandwidth": "bandwidth",
    "latency": "latency",
    "heterogeneity": "straggler_wait",
    "dropouts": "discarded",
    "adversaries": "verification",
    "overheads": "codec",
    "statistics": "compute",  # which teaches less
}

COLOURS = {name: BUCKET_COLOURS[bucket] for name, bucket in _BUCKETS.items()}
HATCHES = {name: BUCKET_HATCHES[bucket] for name, bucket in _BUCKETS.items()}
EDGES = {name: BUCKET_EDGES[bucket] for name, bucket in _BUCKETS.items()}
"""Of its hatch: light on dark."""
