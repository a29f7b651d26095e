"""What presets of networks promise is what flows over them get."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from bench.build import build
from bench.network import Paths, Topology, Transport

CONF = Path(__file__).parents[2] / "conf"
MEASURED = [path for path in sorted((CONF / "network").glob("*.yaml")) if "pair_rate" in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("transport", ["none", "tcp_wan", "tcp_wan_multi"])
@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.stem)
def test_two_hosts_get_what_was_measured_between_their_regions(path, transport):
    topology = build(yaml.safe_load(path.read_text()), "network", Topology)
    regions = len(topology.regions)
    paths = Paths(
        topology.network(regions, seed=0),
        build(yaml.safe_load((CONF / "transport" / f"{transport}.yaml").read_text()), "transport", Transport),
    )
    source, target = (hosts.ravel() for hosts in np.indices((regions, regions)))
    apart = source != target
    measured = np.asarray(topology.pair_rate)[source, target]
    np.testing.assert_allclose(paths.alone(source, target)[apart], measured[apart])
