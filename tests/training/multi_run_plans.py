"""Trials of several runs, by name."""

from __future__ import annotations

from studies import study

from hpsearch.training.tasks.plan import Plan

VARIANTS = {
    "folds": {"training": {"folds": 3}},
    "repeats": {
        "model": {"kind": "mlp", "hidden": [8], "norm": "batch", "dropout": 0.3},
        "training": {"repeats": 3, "data_order": "per_trial", "augment": ["noise"], "ema": {}},
    },
    "both": {
        "training": {"folds": 2, "repeats": 2, "init_seed": "shared", "train_fraction": 0.8},
        "task": {"class_weights": "balanced"},
    },
    "plateau": {
        "training": {"folds": 2},
        "schedule": {"kind": "reduce_on_plateau", "patience": 0},
        "optimizer": {"kind": "nesterov", "lr": 0.3},
    },
    "stopping": {  # three epochs of one run, many of the others
        "dataset": "spiral",
        "training": {"repeats": 3, "early_stopping": {"patience": 2}, "swa": {"start": 0.7}},
    },
    "regression": {"dataset": "diabetes", "training": {"folds": 2, "batch_size": 64}},
    "images": {
        "dataset": "digits",
        "model": {"kind": "cnn", "filters": 2},
        "training": {"folds": 2, "batch_size": 128, "train_fraction": 0.2},
    },
}


def plan_of(name, number=3, epochs=4, lr=None):
    fields = dict(VARIANTS[name])
    training = {"batch_size": 16, **fields.pop("training")}
    spec = study(training=training, **fields)
    if lr is not None:
        optimizer = spec.optimizer.model_copy(update={"lr": lr})
        spec = spec.model_copy(update={"optimizer": optimizer})
    return Plan(number, spec, epochs)
