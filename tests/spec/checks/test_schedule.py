"""A schedule that reads or moves what is not there is refused at submission."""

from __future__ import annotations

from typing import Any

import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.datasets import BUILT_IN


def check(schedule: Any, optimizer: Any, dataset: str = "digits") -> None:
    spec = parse_study(
        {
            "name": "fit",
            "task": {"dataset": dataset},
            "optimizer": optimizer,
            "schedule": schedule,
        }
    )
    complete(spec, BUILT_IN[dataset])


PLATEAU = {"kind": "reduce_on_plateau", "metric": "val_f1"}
CYCLE = {"kind": "one_cycle", "momentum_cycle": True}
SGD, MOMENTUM = {"kind": "sgd", "lr": 0.1}, {"kind": "momentum", "lr": 0.1}


def test_fitting_schedules_pass() -> None:
    check(PLATEAU, "adam")
    check(CYCLE, MOMENTUM)
    check({**CYCLE, "momentum_cycle": False}, SGD)


@pytest.mark.parametrize(
    ("schedule", "optimizer", "dataset", "sentence"),
    [
        (PLATEAU, "adam", "diabetes", "schedule.metric: must be one of val_loss"),
        (
            {"choice": ["constant", PLATEAU]},
            "adam",
            "quadratic",
            "schedule.metric: must be one of val_loss, train_loss; got 'val_f1'",
        ),
        (CYCLE, SGD, "digits", "needs an optimizer with momentum, and sgd has none"),
        (CYCLE, {"choice": [MOMENTUM, SGD]}, "digits", "and sgd has none"),
        (
            "constant",
            {**MOMENTUM, "momentum_schedule": {**PLATEAU, "metric": "val_rmse"}},
            "digits",
            "optimizer.momentum_schedule.metric: must be one of val_accuracy",
        ),
    ],
)
def test_errors_are_named(schedule: Any, optimizer: Any, dataset: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        check(schedule, optimizer, dataset)
