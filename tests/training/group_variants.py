"""Trials of every kind, by name, and the same with numbers of their own."""

from __future__ import annotations

from studies import study

from hpsearch.spec.study import parse_study
from hpsearch.training.tasks.plan import Plan

IMAGES = {"dataset": "digits", "model": {"kind": "linear"}}
VARIANTS = {
    "mlp": {},
    "linear": {"model": {"kind": "linear"}},
    "dropout": {"model": {"kind": "mlp", "hidden": [8, 8], "dropout": 0.3}},
    "batch_norm": {"model": {"kind": "mlp", "hidden": [8], "norm": "batch"}},
    "layer_norm": {"model": {"kind": "mlp", "hidden": [8], "norm": "layer"}},
    "cnn": {
        "dataset": "digits",
        "model": {"kind": "cnn", "filters": 4, "norm": "batch", "dropout": 0.2, "units": 8},
        "training": {"batch_size": 256, "train_fraction": 0.5},
    },
    "resnet": {
        "dataset": "digits",
        "model": {"kind": "resnet", "width": 2},
        "training": {"batch_size": 64, "train_fraction": 0.1},
    },
    "adam": {"optimizer": {"kind": "adam", "lr": 0.01, "weight_decay": 0.01}},
    "lbfgs": {"optimizer": {"kind": "lbfgs", "lr": 0.5, "weight_decay": 1e-3, "iterations": 4}},
    "cosine": {"schedule": {"kind": "cosine", "warmup": {"epochs": 0.5}}},
    "cycle": {"schedule": {"kind": "one_cycle", "momentum_cycle": True}},
    "plateau": {"schedule": {"kind": "reduce_on_plateau", "patience": 0}},
    "momentum_schedule": {
        "optimizer": {"kind": "nesterov", "lr": 0.1, "momentum_schedule": {"kind": "linear"}}
    },
    "regression": {"dataset": "diabetes", "training": {"batch_size": 64, "augment": ["mixup"]}},
    "quadratic": {"dataset": "quadratic", "training": {"ema": {}, "l1": 0.1}},
    "bounds": {
        "training": {"l1": 0.01, "max_norm": 1.0, "clip": {"norm": 0.5}, "label_smoothing": 0.1}
    },
    "clip_value": {"training": {"clip": {"value": 0.01}}},
    "averages": {
        "model": {"kind": "mlp", "hidden": [8], "norm": "batch"},
        "training": {"ema": {"decay": 0.9}, "swa": {"start": 0.3, "every": 2}},
    },
    "accumulate": {"training": {"accumulate": 3, "train_fraction": 0.7}},
    "own_order": {"training": {"data_order": "per_trial", "init_seed": "shared"}},
    "class_weights": {"task": {"class_weights": "balanced"}, "training": {"augment": ["mixup"]}},
    "noise": {"training": {"augment": ["noise"]}},
    "images": {
        **IMAGES,
        "training": {
            "batch_size": 128,
            "train_fraction": 0.3,
            "augment": ["shift", "flip", "crop", "cutout", "noise", "mixup"],
            "data_order": "per_trial",
        },
    },
    "early_stopping": {
        "training": {"early_stopping": {"patience": 2}},
        "optimizer": {"kind": "momentum", "lr": 0.5},
    },
}
"""Everything that a trial may be made of."""


def plans(name, count=3, epochs=3):
    fields = dict(VARIANTS[name])
    training = {"batch_size": 16, **fields.pop("training", {})}
    return [Plan(7 * k, study(training=training, **fields), epochs) for k in range(count)]


def varied(plan, k):
    """The same trial with numbers of its own wherever a trial may have them."""
    spec = plan.spec.model_dump(mode="json")
    spec["optimizer"]["lr"] *= 2.0**-k
    model, training = spec["task"]["model"], spec["training"]
    if model.get("dropout"):
        model["dropout"] = 0.2 * k
    for name in ("l1", "max_norm", "label_smoothing"):
        training[name] = training[name] and training[name] * (1 + k / 4)
    for section, field in (("ema", "decay"), ("clip", "norm"), ("clip", "value")):
        if training[section] and training[section][field]:
            training[section][field] *= 1 - k / 4
    strengths = {"pixels": 1 + k, "probability": k / 3, "std": k / 8, "alpha": 0.2 + k, "size": k}
    for kind in training["augment"]:
        kind |= {name: value for name, value in strengths.items() if name in kind}
    if spec["task"]["class_weights"] != "none" and k == 1:
        spec["task"]["class_weights"] = {"class_0": 2.5}
    if training["early_stopping"]:
        training["early_stopping"]["patience"] = 1 + k
    return Plan(plan.number, parse_study(spec), plan.epochs)
