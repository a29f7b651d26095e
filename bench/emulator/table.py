"""An emulation as people read it: prediction and measurement side by side."""

from pathlib import Path

from bench.emulator.cells import Cell, Word, cell
from bench.emulator.record import Record
from bench.units import seconds_text, size_text


def lines(record: Record, path: Path) -> list[str]:
    """What to print of one emulation."""
    names, workers = record["names"], record["workers"]
    head = f"emulated        {names['scenario']}, {names['algorithm']}, {workers} workers on {record['links']} links"
    found = cell(record)
    if found is None:
        return [head, f"status          {record['status']}: {record['reason']}", f"record          {path}"]
    host = record["prediction"]["host_seconds"]
    return [
        head,
        f"{'':16}{'predicted':>11} {'measured':>11} {'error':>8}",
        *_operations(found),
        _line("whole run", seconds_text(found.predicted_seconds), seconds_text(found.measured_seconds), found.seconds_error),
        *_bytes(found),
        *_parameters(found),
        f"processors      {found.busy:.0%} busy{' (they set the pace, not the links)' if found.saturated else ''}"
        f"; computing was late by {seconds_text(found.late_seconds)}; a message between hosts took {seconds_text(host)}",
        f"record          {path}",
    ]


def _operations(found: Cell) -> list[str]:
    """Mean seconds of each kind of operation."""
    rows = []
    for word in found.words:
        error = word.predicted / word.measured - 1 if word.measured else float("nan")
        count = f"{word.predicted_count}" if word.predicted_count == word.measured_count else _counts(word)
        row = _line(word.word, seconds_text(word.predicted), seconds_text(word.measured), error)
        spread = f", measured {seconds_text(word.least)} to {seconds_text(word.most)}" if found.measurements > 1 else ""
        rows.append(f"{row}   mean of {count}{spread}")
    return rows


def _counts(word: Word) -> str:
    return f"{word.predicted_count} predicted, {word.measured_count:g} measured"


def _bytes(found: Cell) -> list[str]:
    """What a worker sent, where it was counted."""
    if found.counted_bytes != found.counted_bytes:
        return []
    row = _line("sent a worker", size_text(found.charged_bytes), size_text(found.counted_bytes), found.bytes_error)
    return [f"{row}   with headers; acknowledgements and gloo's notices are counted only"]


def _parameters(found: Cell) -> list[str]:
    if found.parameters_differ != found.parameters_differ:
        return []
    return [f"parameters      {found.parameters_differ:.1e} from the Trainer's, relative, at most"]


def _line(name: str, predicted: str, measured: str, error: float) -> str:
    return f"{name:16}{predicted:>11} {measured:>11} {error:>+8.1%}"
