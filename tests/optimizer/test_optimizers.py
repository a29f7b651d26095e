"""Stacked optimizers against PyTorch's, one replica at a time."""

import pytest
import torch

from bench.optimizer import SGD, AdamW, LearningRateSchedule, Nesterov


def ours_and_torchs(optimizer, make, steps=20, replicas=3):
    """Parameters after some steps on the same gradients: stacked, and as separate torch parameters."""
    random = torch.Generator().manual_seed(0)
    params = torch.randn(replicas, 50, generator=random, dtype=torch.float64).float()
    separate = [torch.nn.Parameter(row.clone()) for row in params]
    torchs = [make([parameter]) for parameter in separate]
    state = optimizer.state(params, {})
    for step in range(steps):
        gradient = torch.randn(replicas, 50, generator=random)
        scale = 1.0 if step < 10 else 0.5
        optimizer.step(params, gradient, state, scale, {})
        for row, parameter, other in zip(gradient, separate, torchs, strict=True):
            parameter.grad = row.clone()
            other.param_groups[0]["lr"] = optimizer.lr * scale
            other.step()
    return params, torch.stack([parameter.detach() for parameter in separate])


def test_adamw_is_torchs():
    ours = AdamW(lr=1e-2, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1)
    a, b = ours_and_torchs(ours, lambda p: torch.optim.AdamW(p, lr=1e-2, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1))
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_adamw_is_its_update_rule():
    # Loshchilov & Hutter, algorithm 2, in plain numbers.
    lr, beta1, beta2, eps, decay = 0.1, 0.9, 0.99, 1e-8, 0.1
    params = torch.tensor([[1.0]])
    state = (ours := AdamW(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay)).state(params, {})
    p, m, v = 1.0, 0.0, 0.0
    for t, g in enumerate([0.5, -1.0, 2.0], start=1):
        ours.step(params, torch.tensor([[g]]), state, 1.0, {})
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        p = p - lr * decay * p - lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)) ** 0.5 + eps)
    assert params.item() == pytest.approx(p, rel=1e-5)


def test_each_replica_counts_its_own_steps():
    ours = AdamW(lr=1e-2, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.0)
    params = torch.zeros(2, 4)
    state = ours.state(params, {})
    ours.step(params[:1], torch.ones(1, 4), {name: tensor[:1] for name, tensor in state.items()}, 1.0, {})
    assert state["count"].tolist() == [1, 0]
    assert params[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs(momentum):
    a, b = ours_and_torchs(SGD(lr=0.1, momentum=momentum), lambda p: torch.optim.SGD(p, lr=0.1, momentum=momentum))
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_nesterov_is_torchs():
    outer = Nesterov(lr=0.7, momentum=0.9)
    params = torch.ones(1, 5)
    parameter = torch.nn.Parameter(params[0].clone())
    other = torch.optim.SGD([parameter], lr=0.7, momentum=0.9, nesterov=True)
    for step in range(5):
        gradient = torch.linspace(-1, 1, 5) * (step + 1)
        params = outer.step(params, gradient[None])
        parameter.grad = gradient.clone()
        other.step()
    torch.testing.assert_close(params[0], parameter.detach())


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    schedule = LearningRateSchedule(warmup=4, final=0.1, steps=104)
    assert [schedule.scale(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule.scale(4) == 1.0
    assert schedule.scale(54) == pytest.approx(0.55)  # halfway: the mean of 1 and 0.1
    assert schedule.scale(104) == schedule.scale(1000) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(lr=0.0, momentum=0.0), "lr must be above 0 and finite, got 0"),
        (lambda: SGD(lr=1.0, momentum=1.0), r"momentum must be in \[0, 1\), got 1"),
        (lambda: AdamW(lr=float("nan"), beta1=0.9, beta2=0.9, eps=1e-8, weight_decay=0.0), "lr must be above 0"),
        (lambda: AdamW(lr=1.0, beta1=0.9, beta2=0.9, eps=1e-8, weight_decay=-1.0), "weight_decay must be >= 0"),
        (lambda: LearningRateSchedule(warmup=-1, final=0.1, steps=1), "warmup must be >= 0"),
        (lambda: LearningRateSchedule(warmup=0, final=1.1, steps=1), r"final must be in \[0, 1\]"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
