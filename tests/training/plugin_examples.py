"""Plug-ins that tests offer as installed packages do, and studies of them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from hpsearch.spec.study import parse_study
from hpsearch.training.tasks.plugin import PluginTask

DOUBLE = torch.float64
ROWS = 40


class Net(nn.Module):
    """Whatever a module may hold: norm, dropout, frozen, unused and tied weights, state."""

    def __init__(self, dropout=0.0, norm=True):
        super().__init__()
        self.inner = nn.Linear(3, 6)
        self.norm = nn.BatchNorm1d(6) if norm else nn.Identity()
        self.frozen = nn.Parameter(torch.randn(6), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(2))
        self.tied = self.inner
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(6, 2)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        hidden = torch.tanh(self.norm(self.tied(x - self.mean)))
        return self.outer(self.dropout(hidden * self.frozen))


class Recurrent(nn.Module):
    def __init__(self, **_):
        super().__init__()
        self.gru = nn.GRU(1, 4, batch_first=True)
        self.outer = nn.Linear(4, 2)

    def forward(self, x):
        return self.outer(self.gru(x.unsqueeze(-1))[0][:, -1])


class Items(torch.utils.data.Dataset):
    """Rows one by one, with noise that a data set may add."""

    def __init__(self, x, y, noise=0.0):
        self.x, self.y, self.noise = x, y, noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row] + self.noise * torch.randn(3) + 0.1 * np.random.rand(), self.y[row]


def rows(seed, count):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=generator, dtype=DOUBLE)
    return x, (x.sum(1) > 0).long()


def accuracy(outputs, y):
    return (outputs.argmax(1) == y).float().mean()


def fields(params, seed):
    return {
        "model": lambda: {"net": Net, "gru": Recurrent}[params.get("model", "net")](
            **params.get("net", {})
        ),
        "train": rows(seed, ROWS),
        "validation": rows(seed + 1, 30),
        "test": rows(seed + 2, 20),
        "loss": F.cross_entropy,
        "metrics": {"accuracy": accuracy},
    }


def task(params, seed):
    return PluginTask(**fields(params, seed))


def noisy_items(params, seed):
    return PluginTask(**{**fields(params, seed), "train": Items(*rows(seed, ROWS), noise=0.3)})


def per_row(params, seed):
    def loss(outputs, y):
        return F.cross_entropy(outputs, y, reduction="none")

    return PluginTask(**{**fields(params, seed), "loss": loss})


def nested(params, seed):
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, inputs):
            return {"scores": self.net(inputs["a"]) * inputs["b"], "rest": (inputs["b"],)}

    def data(seed, count):
        x, y = rows(seed, count)
        return {"a": x.numpy(), "b": torch.ones(count, 1)}, [y, y]

    return PluginTask(
        model=Pair,
        train=data(seed, ROWS),
        validation=data(seed + 1, 130),
        loss=lambda outputs, y: F.cross_entropy(outputs["scores"], y[0]),
        metrics={"accuracy": lambda outputs, y: accuracy(outputs["scores"], y[1])},
    )


def plugin_study(entry_point="task", params=None, **sections):
    return parse_study(
        {
            "name": "plugin",
            "task": {"kind": "plugin", "entry_point": entry_point, "params": params or {}},
            "optimizer": {"kind": "momentum", "lr": 0.1},
            "training": {"batch_size": 16},
            "objective": {"metric": "val_accuracy", "direction": "maximize"},
            **sections,
        }
    )
