"""A space of every kind of parameter, and trials in it whose worth a test decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.observation import Observation

Worth = Callable[[Mapping[str, Any], np.random.Generator], float]


def space_of(optimizer: Mapping[str, Any], **sections: Any) -> SearchSpace:
    document = {"name": "space", "task": {"dataset": "digits"}, "optimizer": optimizer, **sections}
    return search_space(parse_study(document))


SPACE = space_of(
    {
        "kind": "adam",
        "lr": {"log_uniform": [1e-5, 1e-2]},
        "weight_decay": {"log_uniform": [1e-6, 1e-2]},
    },
    task={
        "dataset": "digits",
        "model": {
            "kind": "mlp",
            "activation": {"choice": ["relu", "tanh", "gelu"]},
            "dropout": {"uniform": [0.1, 0.5]},
        },
    },
    training={"batch_size": {"int_uniform": [16, 64]}},
)
LR = "optimizer.lr"


def tried(space: SearchSpace, count: int, worth: Worth, seed: int = 0) -> list[Observation]:
    """Independent draws; less worth is better."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        params = space.draw(lambda p: p.distribution.from_unit(float(rng.random())))
        loss = float(worth(params, rng))
        found.append(Observation(number, params, 0, TrialState.COMPLETE, (loss,), 1))
    return found


def noise(_: Mapping[str, Any], rng: np.random.Generator) -> float:
    """Nothing matters."""
    return float(rng.normal())


def lr_near(decade: float, spread: float) -> Worth:
    """The learning rate matters by its distance, in decades, from 10^decade."""
    return lambda params, rng: (
        abs(float(np.log10(params[LR])) - decade) + spread * float(rng.normal())
    )
