"""Plain PyTorch to compare with: a GPT of torch.nn modules, and each algorithm as a loop over separate replicas."""

import math

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm1, self.qkv, self.out = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width, bias=False),
            nn.Linear(width, width, bias=False),
        )
        self.norm2, self.up, self.down = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width, bias=False),
            nn.Linear(4 * width, width, bias=False),
        )

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(D, dim=2))
        scores = q @ k.transpose(2, 3) / math.sqrt(D // self.heads)
        scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf)
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, D))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class PlainGPT(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.token, self.position = nn.Embedding(shape.vocabulary, shape.width), nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, tokens):
        """Mean cross-entropy of (B, T+1) tokens."""
        x = self.token(tokens[:, :-1]) + self.position(torch.arange(tokens.shape[1] - 1))
        for block in self.blocks:
            x = block(x)
        logits = self.norm(x) @ self.token.weight.T
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    def vector(self):
        """The parameters in the order of the stacked GPT's flat vector; norms as scale, then shift."""
        parts = [self.token.weight, self.position.weight]
        for b in self.blocks:
            parts += [b.norm1.weight, b.norm1.bias, b.qkv.weight, b.out.weight]
            parts += [b.norm2.weight, b.norm2.bias, b.up.weight, b.down.weight]
        return [*parts, self.norm.weight, self.norm.bias]

    def load(self, flat):
        with torch.no_grad():
            for part, values in zip(self.vector(), flat.split([p.numel() for p in self.vector()]), strict=True):
                part.copy_(values.view_as(part))
        return self

    def flat(self):
        return torch.cat([part.detach().flatten() for part in self.vector()])

    def gradient(self):
        return torch.cat([part.grad.flatten() for part in self.vector()])


def adamw(module, settings):
    return torch.optim.AdamW(
        module.parameters(),
        lr=settings.lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )


def local_steps(module, optimizer, settings, scales, batches):
    """A step on each batch, with the learning rate scaled."""
    for scale, tokens in zip(scales, batches, strict=True):
        optimizer.param_groups[0]["lr"] = settings.lr * scale
        optimizer.zero_grad()
        module(tokens).backward()
        optimizer.step()
