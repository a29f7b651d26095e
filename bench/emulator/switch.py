"""The running switch between an emulation's hosts: the compiled one, or where there is no C compiler the slow one."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.emulator.namespaces import inside
from bench.errors import EmulationError
from bench.network.transfer import Floats

SOURCE = Path(__file__).with_suffix(".c")
SLOW = SOURCE.with_name("slow_switch.py")


@dataclass(frozen=True)
class Report:
    """What a switch has done so far."""

    overruns: int  # frames that it dropped for lack of buffer: it did not keep pace
    handed: int  # frames
    late_seconds: float  # in all: how much later than due frames left it


class Switch:
    """A process in the network namespace that has the interfaces port0, port1, … of the hosts.

    The nodes beyond the hosts are at the ports that `beside` names. Frames go as switch.c says. `folder` is for the program,
    which is there only until it runs.
    """

    def __init__(self, network: int, hosts: int, beside: Sequence[int], *, seed: int, folder: Path | None) -> None:
        self.hosts = hosts
        self.compiled = shutil.which("cc") is not None
        with TemporaryDirectory(dir=folder) as temporary:
            program = [str(_compile(Path(temporary)))] if self.compiled else [sys.executable, "-P", str(SLOW)]
            with inside(network):
                self._process = subprocess.Popen(
                    [*program, *map(str, (seed, hosts, *beside))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            if self._answer() != "ready":
                raise EmulationError("the switch of the emulation did not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def set_pairs(self, delay: Floats, loss: Floats) -> None:
        """From now on frames of each pair of ports take `delay` seconds, (W, W), and this share of them, (W, W), is lost."""
        pairs = [(i, j) for i in range(self.hosts) for j in range(self.hosts)]
        self._say("".join(f"pair {i} {j} {round(delay[i, j] * 1e9)} {loss[i, j]:.9g}\n" for i, j in pairs))
        self.report()  # once it answers, all of it holds

    def report(self) -> Report:
        """What the switch has done so far."""
        self._say("report\n")
        overruns, handed, late = map(int, self._answer().split())
        return Report(overruns, handed, late / 1e9)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise EmulationError("the switch of the emulation has ended") from error

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EmulationError(f"the switch of the emulation has ended, with status {self._process.wait()}")
        return line.strip()


def _compile(folder: Path) -> Path:
    program = folder / "switch"
    done = subprocess.run(["cc", "-O2", "-o", str(program), str(SOURCE)], capture_output=True, text=True)
    if done.returncode != 0:
        raise EmulationError(f"cc does not compile {SOURCE.name}: {done.stderr.strip().splitlines()[-1:]}")
    return program
