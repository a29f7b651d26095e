"""What plain loops have in common that algorithms in lockstep are compared with: flat rows of tensors, no package code.

A loop keeps each worker's parameters as one row, (P,), and writes the paper's update out. Only the text, the first parameters
and the learning-rate schedule's factors are the package's.
"""

import torch
from plain import PlainGPT
from worlds import scenario, simulate, small_trainer

from bench.data import Synthetic
from bench.model import GPT, Shape
from bench.optimizer import SGD, AdamW, LearningRateSchedule

W, STEPS = 3, 20
SHAPE = Shape(layers=2, width=16, heads=2, vocabulary=32, context=8, batch=2)
ADAMW = AdamW(lr=3e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1)
PLAIN_SGD = SGD(lr=0.3, momentum=0.0)
CORPUS = Synthetic(tokens=20_000, branches=4, source_seed=0).corpus(32)
SCALES = [LearningRateSchedule(warmup=5, final=0.1, steps=STEPS).scale(step) for step in range(STEPS)]
_MODULE = PlainGPT(SHAPE)


def trained(algorithm, *, steps=STEPS, workers=W, shape=SHAPE, **changes):
    """The parameters of all replicas, (R, P), after a run of both interpreters."""
    timeline = simulate(algorithm, scenario(workers), steps=steps)
    trainer = small_trainer(CORPUS, shape, STEPS, **({"optimizer": ADAMW} | changes))
    trainer.run(algorithm, timeline.schedule)
    return trainer.replicas.params


def initial():
    return GPT(SHAPE).initial(0)


def gradient(params, rank, step):
    """Of the batch that worker `rank` takes at `step`, (P,)."""
    _MODULE.load(params).zero_grad()
    _MODULE(CORPUS.batch(0, rank, step, SHAPE.batch, SHAPE.context)).backward()
    return _MODULE.gradient()


def mean_gradient(params, step):
    return torch.stack([gradient(params, rank, step) for rank in range(W)]).mean(0)


def worker(settings=ADAMW):
    """A worker's parameters and torch.optim's optimizer of them."""
    params = torch.nn.Parameter(initial())
    if isinstance(settings, SGD):
        return params, torch.optim.SGD([params], lr=settings.lr, momentum=settings.momentum)
    betas = (settings.beta1, settings.beta2)
    return params, torch.optim.AdamW(
        [params], lr=settings.lr, betas=betas, eps=settings.eps, weight_decay=settings.weight_decay
    )


def step(params, optimizer, along, scale, lr):
    """One optimizer step along `along`, (P,)."""
    optimizer.param_groups[0]["lr"] = lr * scale
    params.grad = along
    optimizer.step()


def train(workers, first, steps, lr=ADAMW.lr):
    """The local steps `first` to `first + steps` of all workers."""
    for rank, (params, optimizer) in enumerate(workers):
        for number in range(first, first + steps):
            step(params, optimizer, gradient(params.detach(), rank, number), SCALES[number], lr)


def rows(workers):
    """The parameters of all workers, (W, P)."""
    return torch.stack([params.detach() for params, _ in workers])


def put(workers, values):
    """Give each worker its row of `values`, (W, P), or all of them the one, (P,)."""
    with torch.no_grad():
        for (params, _), row in zip(workers, values.expand(len(workers), -1), strict=True):
            params.copy_(row)


def distance(ours, plain):
    """The largest difference of a parameter, relative to the largest parameter."""
    return float((ours - plain).abs().max() / plain.abs().max())
