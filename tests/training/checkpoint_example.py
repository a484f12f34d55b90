"""A checkpoint with something in each of its fields."""

from __future__ import annotations

import math

import numpy as np
import torch
from studies import study

from hpsearch.training.checkpoints.checkpoint import Checkpoint, Parameters
from hpsearch.training.data.standardize import Standardization
from hpsearch.training.numerics.early_stopping import BestEpoch


def example(**changes):
    values = {
        "number": 3,
        "epoch": 7,
        "updates": 80,
        "spec": study(optimizer={"kind": "adam", "lr": 1e-3}),
        "classes": ("a", "b"),
        "weights": {"layers.0.weight": torch.randn(3, 2), "scalar": torch.tensor(math.inf)},
        "buffers": {},
        "optimizer_state": {"mean": torch.randn(7), "product": torch.ones(1)},
        "copies": {"ema": Parameters({"layers.0.weight": torch.randn(3, 2)}, {})},
        "standardization": Standardization(np.zeros(3), np.ones(3) / 3, 0.1, 1e300),
        "best": BestEpoch(4, 0.1),
        "swa_epochs": 2,
        "stopped": True,
        "history": {"val_loss": (1.0, math.nan, 0.1)},
    }
    return Checkpoint(**{**values, **changes})
