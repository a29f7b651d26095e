"""What the TCP of a host does on its line: how it starts, how much may be on its way, and how much it hands on at once."""

from dataclasses import dataclass

import numpy as np

from bench.emulator.lines import FRAME_BYTES, Lines
from bench.emulator.shaper import FASTEST, burst_bytes

_FIRST_BUFFER, _LEAST_BUFFER, _MOST_BUFFER = 4_000_000, 16e6, 1e9  # bytes of a socket
_ALL_AT_ONCE = 100_000  # segments: no slow start
_START = 10  # segments, like everybody (RFC 6928)
_MOST_SEGMENTS = 65535  # that a kernel hands on as one
_ANNOUNCED = 65535  # bytes of the largest window without a scale


@dataclass(frozen=True)
class Endpoint:
    """Settings of one host's network namespace."""

    sysctls: tuple[tuple[str, str], ...]  # below net/ipv4, and their values
    segments: int  # that it hands on as one, for its shaper or the receiver to cut
    route: str  # the attributes of its route, as `ip` reads them

    @classmethod
    def of(cls, lines: Lines, host: int) -> "Endpoint":
        """Those of `host` on these lines."""
        burst, lossy = burst_bytes(lines.up[host]), bool(lines.loss.any())
        rate = min(float(np.maximum(lines.up, lines.down).max()), FASTEST)
        buffer = round(min(max(4 * rate * float((lines.delay + lines.delay.T).max()), _LEAST_BUFFER), _MOST_BUFFER))
        start = lines.initial_window
        if start is None:  # where frames are lost, it finds its pace by losing some
            start = _START if lossy else _ALL_AT_ONCE
        route = f"congctl cubic initcwnd {start} initrwnd {start}"
        if lines.window is not None:
            # What a kernel does not raise later is the scale of the 16 bits in which a window is announced (RFC 7323).
            route += f" window {_ANNOUNCED << round(np.log2(lines.window / _ANNOUNCED))}"
        return cls(
            sysctls=(
                ("tcp_slow_start_after_idle", "0" if lines.initial_window is None else "1"),
                ("tcp_no_metrics_save", "1"),  # a connection learns nothing from those before it
                ("tcp_rmem", f"4096 {buffer} {buffer}"),
                ("tcp_wmem", f"4096 {_FIRST_BUFFER} {buffer}"),
                # What a connection puts before the shaper, where others wait behind it: a burst, and what may just be leaving.
                ("tcp_limit_output_bytes", str(round(burst + 2 * FRAME_BYTES))),
            ),
            # A burst's half, so that a shaper need not cut it; one where each frame is lost by itself.
            segments=1 if lossy else min(max(1, int(burst / 2 // FRAME_BYTES)), _MOST_SEGMENTS),
            route=route,
        )
