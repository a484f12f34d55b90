"""Bare pruners stop hopeless trials of a group that a worker trains at once, however it is made."""

from __future__ import annotations

from typing import Any

import pytest
from inside import Inside, document

RATES = [0.3, 1e-6, 0.25, 2e-6, 0.2, 3e-6, 0.15, 4e-6]
"""Every second one is hopeless."""
ENQUEUED = [{"optimizer.lr": rate} for rate in RATES]

CASES: dict[str, dict[str, Any]] = {
    "asha": {"pruner": "asha"},
    "hyperband": {"pruner": "hyperband"},
    "percentile": {"pruner": "percentile"},
    "median of scores": {
        "pruner": "median",
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
    },
    "averaged weights": {
        "pruner": "asha",
        "training": {"epochs": 8, "ema": {"decay": 0.5}},
    },
    "repeats": {"pruner": "asha", "training": {"epochs": 8, "repeats": 2}},
    "folds": {"pruner": "median", "training": {"epochs": 8, "folds": 2}},
}


@pytest.mark.parametrize("sections", CASES.values(), ids=CASES)
def test_hopeless_trials_of_a_group_are_stopped_before_their_end(
    inside: Inside, sections: dict[str, Any]
) -> None:
    study = inside.client.submit(
        document(
            **{
                "training": {"epochs": 8},
                "objective": {"metric": "val_loss", "direction": "minimize"},
                "optimizer": {"kind": "sgd", "lr": {"log_uniform": [1e-6, 1.0]}},
                "search": {"trials": 8, "enqueue": ENQUEUED},
                **sections,
            }
        )
    )
    inside.work(inside.runner(capacity=8))
    trials = list(study.trials())
    assert sum(trial.epochs_done for trial in trials) <= 0.75 * 8 * 8
    pruned = {trial.number for trial in trials if trial.state == "pruned"}
    assert pruned & {1, 3, 5, 7}
    best = study.best_trial
    assert best is not None
    assert best.number in {0, 2, 4, 6} - pruned
    assert best.epochs_done == 8
    if sections["pruner"] != "hyperband":
        assert pruned >= {1, 3, 5, 7}
