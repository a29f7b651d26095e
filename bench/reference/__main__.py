"""python -m bench.reference [--results DIR]: Farbench beside published measurements; exit 1 if one is not met."""

import argparse
import sys
from pathlib import Path

import pandas as pd
import yaml
from rich.console import Console

from bench.build import build
from bench.errors import FarbenchError
from bench.explain import CONF
from bench.network import Topology, Transport
from bench.record import as_json
from bench.reference.network import compared
from bench.reference.report import for_terminal, summary, write


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.reference", description=__doc__)
    parser.add_argument("--results", metavar="DIR", help="write tables/network.md, tables/network.csv and figures there")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object with all figures")
    arguments = parser.parse_args()
    frame = network()
    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in for_terminal(frame):
        console.print(table)
    for line in summary(frame):
        print(line)
    try:
        if arguments.results:
            for path in write(frame, Path(arguments.results)):
                print(path)
    except (FarbenchError, OSError) as error:
        print(f"farbench: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(as_json({"rows": frame.astype(object).where(frame.notna(), None).to_dict("records")}))
    return int((frame["within"] == "no").any())


def network() -> pd.DataFrame:
    """The measurements of networks beside what the presets aws_p3 and tcp_lan say."""
    aws = yaml.safe_load((CONF / "network" / "aws_p3.yaml").read_text())
    tcp = yaml.safe_load((CONF / "transport" / "tcp_lan.yaml").read_text())
    return compared(build(aws, "network", Topology), build(tcp, "transport", Transport))


if __name__ == "__main__":
    sys.exit(main())
