"""What the tests measure in a hub: `python in_hub.py CHECK` prints the figures of one check as JSON."""

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable

import numpy as np

from bench.emulator.fabric import Fabric
from bench.emulator.isolation import private_run
from bench.emulator.lines import Lines

WARM = 300_000  # bytes that open a connection's windows before anything is timed


def lines(hosts, rate=1e9 / 8, delay=0.0, loss=0.0, **others):
    pair = (hosts, hosts)
    settings = {
        "up": np.full(hosts, rate),
        "down": np.full(hosts, rate),
        "delay": np.full(pair, delay),
        "loss": np.full(pair, loss),
    }
    return Lines(**(settings | others))


class Hosts:
    """A fabric on which functions run beside each other, each on a node, and answer a number or a list."""

    def __init__(self, hosts, beside=()):
        self.fabric = Fabric(hosts, beside, folder=private_run())
        self._port = 5000

    def run(self, *pairs: tuple[int, Callable]):
        """What each function answers that runs on a node."""
        children = [self._fork(node, function) for node, function in pairs]
        return [self._answer(*child) for child in children]

    def stream(self, source, target, nbytes):
        """Seconds from the first byte's way into a warm connection to the last one's out of it."""
        begin, end = self.watched_stream(source, target, nbytes, lambda: None)
        return end - begin

    def watched_stream(self, source, target, nbytes, meanwhile):
        """When the first byte's way began and the last one's ended; `meanwhile` is called once both nodes are at it."""
        self._port += 1
        address = (self.fabric.address(target), self._port)
        begun = self._fork(target, lambda: receive(address, nbytes)), self._fork(source, lambda: send(address, nbytes))
        meanwhile()
        end, begin = (self._answer(*child) for child in begun)
        return begin, end

    def round_trips(self, source, target, count=12):
        """Seconds of messages of 8 bytes there and back."""
        self._port += 1
        address = (self.fabric.address(target), self._port)
        return self.run((target, lambda: echo(address)), (source, lambda: ping(address, count)))[1]

    def _fork(self, node, function):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self.fabric.enter(node)
                os.write(writer, json.dumps(function()).encode())
            finally:
                os._exit(0)
        os.close(writer)
        return pid, reader

    def _answer(self, pid, reader):
        with os.fdopen(reader) as stream:
            text = stream.read()
        os.waitpid(pid, 0)
        return json.loads(text)


def send(address, nbytes):
    with connection(address) as stream:
        stream.sendall(bytes(WARM))
        stream.recv(1)
        time.sleep(0.1)
        begin = time.monotonic()
        stream.sendall(bytes(nbytes))
        stream.recv(1)
        return begin


def receive(address, nbytes):
    with socket.create_server(address) as server, server.accept()[0] as stream:
        for part in (WARM, nbytes):
            while part:
                part -= len(stream.recv(min(part, 1 << 20)))
            end = time.monotonic()
            stream.sendall(b"x")
        return end


def ping(address, count):
    with connection(address) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seconds = []
        for _ in range(count):
            begin = time.monotonic()
            stream.sendall(bytes(8))
            stream.recv(8)
            seconds.append(time.monotonic() - begin)
        return seconds


def echo(address):
    with socket.create_server(address) as server, server.accept()[0] as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while message := stream.recv(8):
            stream.sendall(message)


def connection(address):
    for _ in range(500):
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise TimeoutError(f"nobody listens at {address}")


def rates():
    """Seconds of streams where only the uplink, and where only the downlink is slow."""
    hosts, seconds = Hosts(2), {}
    for rate, nbytes in ((20e6 / 8, 1_000_000), (100e6 / 8, 4_000_000)):
        for slow in ("up", "down"):
            hosts.fabric.shape(lines(2, **{slow: np.array([rate, rate])}))
            seconds[f"{rate * 8 / 1e6:g} {slow}"] = hosts.stream(0, 1, nbytes), nbytes / rate
    return seconds


def counters():
    """Bytes sent and received by hosts, and seconds, in streams of 2 MB: apart, to a node beside, and between two such."""
    hosts, figures = Hosts(3, beside=(0, 0)), []
    hosts.fabric.shape(lines(3, rate=100e6 / 8))
    for pair in ((0, 1), (0, 3), (3, 4)):
        before = hosts.fabric.sent(), hosts.fabric.received()
        seconds = hosts.stream(*pair, 2_000_000)
        sent, received = hosts.fabric.sent() - before[0], hosts.fabric.received() - before[1]
        figures.append((sent.tolist(), received.tolist(), seconds))
    return figures


def delays():
    """The quickest round trips of four nodes, the last one beside host 0, and after a live change; late frames."""
    hosts = Hosts(3, beside=(0,))
    delay = np.array([[1, 5, 20], [10, 0, 2], [40, 3, 0]]) * 1e-3
    hosts.fabric.shape(lines(3, delay=delay))
    pairs = [(0, 1), (0, 2), (1, 2), (2, 1), (3, 2), (0, 3)]
    measured = [min(hosts.round_trips(*pair)) for pair in pairs]
    hosts.fabric.shape(lines(3, delay=2 * delay))
    changed = min(hosts.round_trips(0, 2))
    return {
        "round_trips": measured,
        "changed": changed,
        "overruns": hosts.fabric.overruns(),
        "late": hosts.fabric.mean_lateness(),
    }


def slow():
    """Without a C compiler: a stream of 1 MB at 20 Mbit/s, the quickest round trip, and datagrams as in `loss`."""
    shutil.which = lambda program: None
    hosts = Hosts(2)
    assert not hosts.fabric.compiled
    hosts.fabric.shape(lines(2, rate=20e6 / 8, delay=0.01))
    seconds, round_trip = hosts.stream(0, 1, 1_000_000), min(hosts.round_trips(0, 1))
    return {"seconds": seconds, "round_trip": round_trip, "overruns": hosts.fabric.overruns(), "arrived": arrived(hosts)}


def live():
    """Seconds of a stream of 6 MB whose lines of 100 Mbit/s fall to 20 Mbit/s, and of those the ones before they do."""
    hosts, moments = Hosts(2), []
    hosts.fabric.shape(lines(2, rate=100e6 / 8, delay=0.01))

    def slow_down():
        time.sleep(0.4)
        moments.append(time.monotonic())
        hosts.fabric.shape(lines(2, rate=20e6 / 8, delay=0.01))

    begin, end = hosts.watched_stream(0, 1, 6_000_000, slow_down)
    return {"seconds": end - begin, "before": moments[0] - begin}


def loss():
    """How many of 4000 datagrams arrive where 5 % are lost one way, and none the other."""
    return {"arrived": arrived(Hosts(2))}


def arrived(hosts):
    """How many of 4000 datagrams arrive where 5 % are lost from 0 to 1, and none from 1 to 0."""
    hosts.fabric.shape(lines(2, rate=100e6 / 8, loss=np.array([[0, 0.05], [0, 0]])))

    def number(source, target):
        address = (hosts.fabric.address(target), 5000)
        return hosts.run((target, lambda: count_datagrams(address)), (source, lambda: send_datagrams(address)))[0]

    return [number(0, 1), number(1, 0)]


def send_datagrams(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        time.sleep(0.3)  # until somebody listens
        for _ in range(4000):
            datagrams.sendto(bytes(1000), address)
            time.sleep(1e-4)  # 80 Mbit/s at most
        time.sleep(0.2)
        for _ in range(50):
            datagrams.sendto(b"", address)  # one of them arrives


def count_datagrams(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(address)
        count = 0
        while datagrams.recv(2000):
            count += 1
        return count


def stay():
    """Make a fabric and a process on each host, say so, and stay."""
    hosts = Hosts(2)
    hosts.fabric.shape(lines(2))
    for node in (0, 1):
        hosts._fork(node, lambda: time.sleep(600))
    print("there", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))
