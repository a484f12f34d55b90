"""Factors of rate and weight decay by tensor are torch's parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from small_network import (
    LAYOUT,
    column,
    float64_on_one_thread,
    initial,
    ours,
    parse,
    same,
    theirs,
    torch_optimizer,
)
from torch import Tensor

from hpsearch.training.optimizers import scales_of


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with float64_on_one_thread():
        yield


FACTORS: dict[str, dict[str, Any]] = {
    "no_decay": {"no_decay": ["bias", "norm"]},
    "param_groups": {
        "param_groups": [
            {"match": "layers.0.*", "lr_scale": 0.1, "weight_decay_scale": 2},
            {"match": "*.bias", "lr_scale": 3, "weight_decay_scale": 0.5},
            {"match": "nothing.*", "lr_scale": 0},
        ]
    },
    "layer_decay": {"layer_decay": 0.5},
    "all": {
        "no_decay": ["norm"],
        "param_groups": [{"match": "output.weight", "lr_scale": 0}],
        "layer_decay": 0.9,
    },
}
TIMES: dict[str, Callable[[str], tuple[float, float]]] = {
    "no_decay": lambda name: (1, 0 if "bias" in name or "norm" in name else 1),
    "param_groups": lambda name: (
        (0.1 if "layers.0" in name else 1) * (3 if name.endswith("bias") else 1),
        (2 if "layers.0" in name else 1) * (0.5 if name.endswith("bias") else 1),
    ),
    "layer_decay": lambda name: ({"layers.0": 0.25, "layers.1": 0.5}.get(name[:8], 1), 1),
    "all": lambda name: (
        0 if name == "output.weight" else {"layers.0": 0.81, "layers.1": 0.9}.get(name[:8], 1),
        0 if "norm" in name else 1,
    ),
}
"""Factors of lr and weight decay by name, written out by hand."""


@pytest.mark.parametrize("case", FACTORS)
@pytest.mark.parametrize("kind", ["nesterov", "adam", "adamw", "radam"])
def test_factors_by_name_are_torchs_param_groups(kind: str, case: str) -> None:
    plain = parse(kind, lr=0.05, weight_decay=0.2)
    scaled = parse(kind, lr=0.05, weight_decay=0.2, **FACTORS[case])

    def groups(named: dict[str, Tensor]) -> torch.optim.Optimizer:
        times = {name: TIMES[case](name) for name in named}
        groups = [
            {"params": [named[name]], "lr": 0.05 * rate, "weight_decay": 0.2 * decay}
            for name, (rate, decay) in times.items()
        ]
        return torch_optimizer(plain, groups)

    rows = initial(2)
    together = ours([plain, scaled], steps=10)
    same(column(together, 1), theirs(groups, rows[1], steps=10))
    same(
        column(together, 0),
        theirs(lambda named: torch_optimizer(plain, named.values()), rows[0], steps=10),
    )


def test_factors_of_one_are_none_and_rows_can_be_dropped() -> None:
    plain, scaled = parse("adam"), parse("adam", layer_decay=0.5)
    assert scales_of([plain, plain], LAYOUT) is None
    scales = scales_of([plain, scaled, scaled], LAYOUT)
    assert scales is not None
    assert scales.decay is None
    kept = scales.keep(torch.tensor([True, False, True])).rate
    assert kept is not None
    assert scales.rate is not None
    assert torch.equal(kept, scales.rate[[0, 2]])
