"""Federated averaging against its update rule written out."""

import pytest
from loops import PLAIN_SGD, STEPS, W, distance, initial, put, rows, train, trained, workers

from bench.algorithm.fedavg import FedAvg
from bench.algorithm.local_sgd import LocalSGD


@pytest.mark.parametrize(("steps", "server_lr"), [(5, 1.0), (4, 0.5)])
def test_the_server_moves_along_the_mean_update_of_fresh_clients(steps, server_lr):
    server = initial()
    for first in range(0, STEPS, steps):
        clients = workers()  # with fresh optimizers
        put(clients, server)
        train(clients, first, steps)
        server = server + server_lr * (rows(clients) - server).mean(0)
    ours = trained(FedAvg(local_steps=steps, server_lr=server_lr))
    assert distance(ours, server.expand(W, -1)) <= 1e-5


def test_with_an_optimizer_that_has_no_state_it_is_local_sgd():
    ours, local = (
        trained(algorithm, optimizer=PLAIN_SGD) for algorithm in (FedAvg(local_steps=5, server_lr=1.0), LocalSGD(sync_every=5))
    )
    assert distance(ours, local) <= 1e-5
    # … which AdamW's moments make it not to be.
    ours, local = (trained(algorithm) for algorithm in (FedAvg(local_steps=5, server_lr=1.0), LocalSGD(sync_every=5)))
    assert distance(ours, local) > 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"local_steps": 0}, "local_steps must be >= 1, got 0"),
        ({"server_lr": 0.0}, "server_lr must be above 0 and finite, got 0"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        FedAvg(**({"local_steps": 5, "server_lr": 1.0} | settings))
