"""Parameters and FLOPs of a shape."""

import pytest
import torch

from bench.model import GPT, Shape

NANO = Shape(layers=2, width=64, heads=4, vocabulary=256, context=64, batch=4)
GPT2_MEDIUM = Shape(layers=24, width=1024, heads=16, vocabulary=50257, context=1024, batch=1)


@pytest.mark.parametrize("shape", [NANO, Shape(layers=3, width=24, heads=2, vocabulary=100, context=7, batch=1)])
def test_the_formula_counts_the_parameters_of_the_model(shape):
    assert GPT(shape).initial(0).numel() == shape.parameters


def test_gpt2_medium_has_its_published_size():
    # 354.8 M with biases (Radford et al., 2019, as released); biases of linear layers are 9 D a layer.
    assert GPT2_MEDIUM.parameters + 24 * 9 * 1024 == pytest.approx(354.8e6, rel=1e-3)


def test_flops_are_six_a_parameter_and_token_plus_attention():
    shape = Shape(layers=24, width=2048, heads=16, vocabulary=50304, context=2048, batch=1)
    six_n_d = 6 * shape.parameters * shape.step_tokens
    attention = 12 * 24 * 2048 * 2048 * shape.step_tokens
    assert shape.step_flops == pytest.approx(six_n_d + attention, rel=0.02)


def test_flops_are_those_that_pytorch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    shape = Shape(layers=2, width=64, heads=4, vocabulary=256, context=64, batch=2)
    model = GPT(shape)
    # float64 takes the plain batched product, which the counter knows.
    views = {n: v.detach().requires_grad_() for n, v in model.views(model.initial(0).double()[None]).items()}
    tokens = torch.zeros(1, 2, 65, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        model.losses(views, tokens).sum().backward()
    assert counter.get_total_flops() == pytest.approx(shape.step_flops, rel=0.01)


@pytest.mark.parametrize(
    ("change", "message"), [({"layers": 0}, "layers must be >= 1"), ({"heads": 3}, "heads must divide width = 64")]
)
def test_impossible_shapes_are_refused_by_name(change, message):
    good = {"layers": 2, "width": 64, "heads": 4, "vocabulary": 256, "context": 64, "batch": 4}
    with pytest.raises(ValueError, match=message):
        Shape(**(good | change))
