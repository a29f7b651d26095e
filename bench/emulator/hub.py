"""The process that has the hosts, and runs emulation after emulation for its launcher.

python -m bench.emulator.hub FD [--isolated]: FD is a socket of the launcher's; bench.emulator.launcher begins it.
"""

import argparse
import socket
import tempfile
import traceback
from pathlib import Path

import torch

from bench.emulator.channel import Channel
from bench.emulator.emulation import Emulation
from bench.emulator.fabric import Fabric
from bench.emulator.isolation import private_run
from bench.errors import EmulationError, FarbenchError


class Hub:
    """Serves one launcher. Hosts stay as long as emulations want as many."""

    def __init__(self, launcher: Channel, folder: Path, isolated: bool) -> None:
        self._launcher, self._folder, self._isolated = launcher, folder, isolated
        self._fabric: Fabric | None = None
        self._hosts: tuple[int, tuple[int, ...]] = 0, ()

    def serve(self) -> None:
        """Until the launcher is gone."""
        number = 0
        while True:
            try:
                message, _ = self._launcher.receive()
            except EOFError:
                break
            number += 1
            folder = self._folder / f"emulation-{number}"
            folder.mkdir()
            try:
                Emulation(self._launcher, message, folder, self._hosts_of).run()
            except FarbenchError as error:
                trace = error.trace if isinstance(error, EmulationError) else ""
                self._launcher.send({"error": str(error), "kind": type(error).__name__, "trace": trace})
            except Exception as error:
                text = f"the emulator's hub failed: {type(error).__name__}: {error}"
                self._launcher.send({"error": text, "kind": "EmulationError", "trace": traceback.format_exc()})
        if self._fabric is not None:
            self._fabric.close()

    def _hosts_of(self, workers: int, beside: tuple[int, ...]) -> Fabric | None:
        """The hosts of so many workers, and of servers beside some; none where links are not shaped."""
        if not self._isolated:
            return None
        if self._fabric is not None and self._hosts != (workers, beside):
            self._fabric.close()
            self._fabric = None
        if self._fabric is None:
            self._fabric, self._hosts = Fabric(workers, beside, folder=self._folder), (workers, beside)
        return self._fabric


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.emulator.hub", description=__doc__)
    parser.add_argument("descriptor", type=int)
    parser.add_argument("--isolated", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # before the first operation: a process that is forked must not have threads
    launcher = Channel(socket.socket(fileno=arguments.descriptor))
    if arguments.isolated:
        Hub(launcher, private_run(), True).serve()
        return
    with tempfile.TemporaryDirectory(prefix="farbench-") as folder:
        Hub(launcher, Path(folder), False).serve()


if __name__ == "__main__":
    main()
