"""The rate of one line in one direction: a queue before an interface that lets so many bytes a second through (tc-htb)."""

import json

from bench.emulator.lines import FRAME_BYTES
from bench.emulator.namespaces import run

FASTEST = 10e9 / 8
"""Bytes/s; a faster line is not held back."""
_FREE = 100e9 / 8  # bytes/s of its shaper, which then only counts
_BURST_SECONDS = 2e-3  # at its rate; less loses tokens under load, more is a burst for nothing
_QUEUE_SECONDS, _QUEUE_BYTES = 1.0, (256e3, 32e6)  # at its rate, at least and at most


class Shaper:
    """Before an interface of a network namespace, which has none yet; it lets all through until its rate is set.

    It counts the bytes of Ethernet frames. htb rather than tbf: when tbf's burst shrinks, uncut segments that wait before it
    and are larger can never leave.
    """

    def __init__(self, network: int, interface: str) -> None:
        self._network, self._interface = network, interface
        self._rate = _FREE
        self._tc([f"qdisc add dev {interface} root handle 1: htb default 1", *self._words("add", _FREE)])

    def set(self, rate: float) -> None:
        """So many bytes/s from now on, also for what waits."""
        rate = rate if rate <= FASTEST else _FREE
        if rate != self._rate:
            self._tc(self._words("change", rate))
            self._rate = rate

    def counted(self) -> float:
        """Bytes let through so far."""
        answer = json.loads(run(self._network, ["tc", "-s", "-j", "qdisc", "show", "dev", self._interface]))
        return next(float(each["bytes"]) for each in answer if each["kind"] == "bfifo")

    def _words(self, verb: str, rate: float) -> list[str]:
        burst = f"{burst_bytes(rate):.0f}"
        least, most = _QUEUE_BYTES
        queue = min(max(_QUEUE_SECONDS * rate, least), most)
        where = f"dev {self._interface} parent 1:"
        return [
            f"class {verb} {where} classid 1:1 htb rate {rate * 8:.0f}bit burst {burst} cburst {burst} quantum {FRAME_BYTES}",
            f"qdisc {verb} {where}1 handle 2: bfifo limit {queue:.0f}",
        ]

    def _tc(self, lines: list[str]) -> None:
        run(self._network, ["tc", "-batch", "-"], "\n".join(lines))


def burst_bytes(rate: float) -> float:
    """Bytes that a shaper lets through at once; never less than two frames."""
    return max(_BURST_SECONDS * min(rate, _FREE), 2 * FRAME_BYTES)
