"""The switch of switch.c in Python, for machines without a C compiler: it holds four hosts of 100 Mbit/s on two cores."""

import os
import select
import socket
import struct
import sys
import time
from heapq import heappop, heappush
from random import Random

_SOL_PACKET, _SO_TIMESTAMPNS = 263, 35  # linux/socket.h, asm-generic/socket.h
_STATISTICS, _VNET_HEADER, _IGNORE_OUTGOING = 6, 15, 23  # linux/if_packet.h
_ALL_PROTOCOLS = 3  # linux/if_ether.h
_BUFFER = 1 << 25  # bytes that a socket may hold each way
_HEADER = 10  # bytes of a struct virtio_net_hdr before a frame


class SlowSwitch:
    """Takes frames from ports and hands each on after its pair's delay. Times are nanoseconds of the wall clock."""

    def __init__(self, seed: int, ports: int, beside: list[int]) -> None:
        self._at = [*range(ports), *beside]  # the port of each node
        self._ports = [_open(f"port{port}") for port in range(ports)]
        self._delay = [[0] * ports for _ in range(ports)]
        self._loss = [[0.0] * ports for _ in range(ports)]
        self._last = [[0] * ports for _ in range(ports)]  # due of each pair's latest frame
        self._heap: list[tuple[int, int, int, bytes]] = []  # due, order of arrival, port, frame
        self._random = Random(seed)
        self._number = self._overruns = self._handed = self._late = 0
        self._text = ""

    def run(self) -> None:
        """Hand frames on until standard input ends."""
        ports = {port.fileno(): number for number, port in enumerate(self._ports)}
        ready = select.epoll()
        for descriptor in (0, *ports):
            ready.register(descriptor, select.EPOLLIN)
        print("ready", flush=True)
        while True:
            left = (self._heap[0][0] - time.time_ns()) / 1e9 if self._heap else 1.0
            for descriptor, _ in ready.poll(max(left, 0.0)):
                if descriptor in ports:
                    self._take(ports[descriptor])
                elif not self._obey():
                    return
            self._release()

    def _take(self, port: int) -> None:
        frame, control, _, _ = self._ports[port].recvmsg(1 << 17, 256)
        node = int.from_bytes(frame[_HEADER + 4 : _HEADER + 6], "big")
        if frame[_HEADER] != 2 or node >= len(self._at):
            return
        target = self._at[node]
        if self._random.random() < self._loss[port][target]:
            return
        stamps = [
            struct.unpack("@qq", data) for level, kind, data in control if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)
        ]
        arrived = stamps[0][0] * 1_000_000_000 + stamps[0][1] if stamps else time.time_ns()
        due = max(arrived + self._delay[port][target], self._last[port][target])
        self._last[port][target] = due
        self._number += 1
        heappush(self._heap, (due, self._number, target, frame))

    def _release(self) -> None:
        now = time.time_ns()
        while self._heap and self._heap[0][0] <= now:
            due, _, port, frame = heappop(self._heap)
            self._late += now - due
            self._handed += 1
            try:
                self._ports[port].send(frame)
            except BlockingIOError:
                self._overruns += 1
            except OSError:  # ENOBUFS: the port's shaper had no room, and counted that itself
                continue

    def _obey(self) -> bool:
        """Obey the lines that have come; false once there will be no more."""
        more = os.read(0, 1 << 16).decode()
        *lines, self._text = (self._text + more).split("\n")
        for line in lines:
            if line == "report":
                self._overruns += sum(_dropped(port) for port in self._ports)
                print(self._overruns, self._handed, self._late, flush=True)
                continue
            _, source, target, delay, loss = line.split()
            self._delay[int(source)][int(target)] = int(delay)
            self._loss[int(source)][int(target)] = float(loss)
        return bool(more)


def _open(name: str) -> socket.socket:
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    port.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        port.setsockopt(socket.SOL_SOCKET, option, _BUFFER)  # as far as the system lets it
    for option in (_VNET_HEADER, _IGNORE_OUTGOING):
        port.setsockopt(_SOL_PACKET, option, 1)
    port.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    port.bind((name, _ALL_PROTOCOLS))
    return port


def _dropped(port: socket.socket) -> int:
    """Frames that a port had no room for since it was last asked."""
    return int(struct.unpack("II", port.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1])


if __name__ == "__main__":
    SlowSwitch(int(sys.argv[1]), int(sys.argv[2]), [int(port) for port in sys.argv[3:]]).run()
