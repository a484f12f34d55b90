"""A study over nearly everything that can be searched, on built-in and on uploaded data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from processes import Service
from sklearn.datasets import load_wine

from hpsearch.spec.language.states import StudyState, TrialState

SPACE = {
    "optimizer": {
        "choice": [
            {
                "kind": "adam",
                "lr": {"log_uniform": [1e-4, 1e-1]},
                "beta1": {"uniform": [0.8, 0.95]},
            },
            {
                "kind": "nesterov",
                "lr": {"log_uniform": [1e-3, 1.0]},
                "momentum": {"choice": [0.5, 0.9, 0.99]},
                "weight_decay": {"log_uniform": [1e-6, 1e-2]},
            },
            {"kind": "rmsprop", "lr": {"log_uniform": [1e-4, 1e-2]}},
            {"kind": "lion", "lr": {"log_uniform": [1e-5, 1e-2]}},
        ]
    },
    "schedule": {
        "choice": [
            "constant",
            {"kind": "cosine", "warmup": {"epochs": {"uniform": [0.0, 1.0]}}},
            {"kind": "one_cycle", "pct_start": {"uniform": [0.1, 0.5]}},
            {"kind": "exponential", "decay_rate": {"log_uniform": [0.01, 1.0]}},
        ]
    },
    "training": {
        "epochs": 4,
        "batch_size": {"choice": [16, 32, 64]},
        "l1": {"log_uniform": [1e-7, 1e-3]},
        "label_smoothing": {"uniform": [0.0, 0.2]},
    },
    "search": {"trials": 16},
}
MODEL = {
    "kind": "mlp",
    "layers": {"int_uniform": [1, 3]},
    "units": {"int_log_uniform": [8, 64]},
    "activation": {"choice": ["relu", "tanh", "gelu"]},
    "dropout": {"uniform": [0.0, 0.5]},
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Wine as a person would have it: names, a category, and holes."""
    data = load_wine()
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "cellar", "cultivar"])
        for i, (row, label) in enumerate(zip(data.data, data.target, strict=True)):
            values = ["" if (i + j) % 41 == 0 else value for j, value in enumerate(row)]
            writer.writerow([*values, "north" if i % 3 else "south", f"cultivar-{label}"])
    return path


def test_everything_at_once_on_digits_and_on_an_uploaded_table(
    service: Service, table: Path
) -> None:
    with service.client() as client:
        client.add_dataset("cellar", table, target="cultivar")
        studies = [
            client.submit({"name": name, "task": {"dataset": name, "model": MODEL}, **SPACE})
            for name in ("digits", "cellar")
        ]
        for study in studies:
            study.wait(120)
            assert study.state is StudyState.COMPLETE
            trials = study.trials()
            assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
            assert {t.params["optimizer"] for t in trials} == {
                "adam", "nesterov", "rmsprop", "lion",
            }  # fmt: skip
            assert study.best_trial is not None
            assert (study.best_trial.value or 0) > 0.9
