"""Fills a data directory with one large study: `python -m benchmarks.seed --data-dir DIR`.

The numbers are drawn, not trained: smooth learning curves whose end depends on learning rate and
weight decay the way it usually does. They go into the tables as the server itself would put them.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from api.app import make_services
from api.services import Services
from hpsearch.settings import Settings
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import parse_study
from hpsearch.store.tables import ReportRow, StudyRow, TrialRow

SPEC: dict[str, Any] = {
    "task": {"dataset": "digits"},
    "optimizer": {
        "kind": "adamw",
        "lr": {"log_uniform": [1e-5, 1.0]},
        "weight_decay": {"log_uniform": [1e-6, 1e-1]},
    },
}
BATCH = 500
SECONDS = 1_700_000_000.0


def main() -> None:
    """Seeds as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    services = make_services(Settings(data_dir=options.data_dir))
    print(f"study {seed(services, options.trials, options.epochs)} is in {options.data_dir}")
    services.database.close()


def seed(services: Services, trials: int, epochs: int) -> int:
    """A complete study of so many trials and epochs; returns its id."""
    document = {
        "name": f"{trials} trials of {epochs} epochs",
        **SPEC,
        "training": {"epochs": epochs},
        "search": {"kind": "random", "trials": trials},
    }
    rng = np.random.default_rng(0)
    with services.database.write() as session:
        study = services.tuner.submit(session, parse_study(document))
        row = session.get_one(StudyRow, study.id)
        row.state, row.trials_created, row.trials_ended = StudyState.COMPLETE, trials, trials
        row.started_at, row.finished_at = SECONDS, SECONDS + trials
        space = search_space(parse_study(row.spec))
        for first in range(0, trials, BATCH):
            numbers = range(first, min(first + BATCH, trials))
            drawn = [
                space.draw(lambda p: p.distribution.from_unit(float(rng.random()))) for _ in numbers
            ]
            curves = [curve(params, epochs, rng) for params in drawn]
            rows = [
                trial_row(study.id, number, params, metrics)
                for number, params, metrics in zip(numbers, drawn, curves, strict=True)
            ]
            ids = session.scalars(
                insert(TrialRow).returning(TrialRow.id, sort_by_parameter_order=True), rows
            ).all()
            reports = [
                {"trial_id": trial_id, "epoch": epoch, "metrics": metrics, "at": SECONDS}
                for trial_id, epochs_of in zip(ids, curves, strict=True)
                for epoch, metrics in enumerate(epochs_of)
            ]
            session.execute(insert(ReportRow), reports)
    return study.id


def curve(params: dict[str, Any], epochs: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """What each epoch measures: a saturating rise whose height peaks at lr 0.01, decay 0.001."""
    rate, decay = math.log10(params["optimizer.lr"]), math.log10(params["optimizer.weight_decay"])
    height = 0.98 - 0.06 * (rate + 2.0) ** 2 - 0.008 * (decay + 3.0) ** 2
    height = min(max(height + rng.normal(0, 0.01), 0.1), 0.995)
    speed = 0.02 + 0.4 * 10.0 ** min(rate + 1.0, 0.0)
    t = np.arange(1, epochs + 1)
    accuracy = 0.1 + (height - 0.1) * (1 - np.exp(-speed * t)) + rng.normal(0, 0.004, epochs)
    accuracy = np.clip(accuracy, 0.0, 1.0)
    loss = 2.3 * (1.02 - accuracy)
    return [
        {
            "train_loss": float(0.9 * loss[i]),
            "train_accuracy": float(accuracy[i]),
            "val_loss": float(loss[i]),
            "val_accuracy": float(accuracy[i]),
            "lr": params["optimizer.lr"],
            "grad_norm": float(loss[i]),
            "seconds": 0.1,
        }
        for i in range(epochs)
    ]


def trial_row(
    study_id: int, number: int, params: dict[str, Any], metrics: list[dict[str, float]]
) -> dict[str, Any]:
    """The trial's own row, as its reports would have left it."""
    values = [epoch["val_accuracy"] for epoch in metrics]
    best = int(np.argmax(values))
    return {
        "study_id": study_id,
        "number": number,
        "state": TrialState.COMPLETE,
        "end_order": number,
        "stage": 0,
        "version": 1,
        "inherited": 0,
        "attempt": 1,
        "params": params,
        "epochs": len(metrics),
        "epochs_done": len(metrics),
        "value": values[best],
        "best_epoch": best,
        "metrics": metrics[-1],
        "test_metrics": {},
        "attributes": {},
        "created_at": SECONDS + number,
        "started_at": SECONDS + number,
        "finished_at": SECONDS + number + 10,
    }


if __name__ == "__main__":
    main()
