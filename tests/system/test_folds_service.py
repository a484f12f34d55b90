"""Studies whose trials are several runs, over REST: from submission to the loaded model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from processes import Service

from hpsearch.errors import InvalidInput
from hpsearch.inference.model import TrainedMean
from hpsearch.spec.language.states import StudyState
from hpsearch.spec.space.space import resolve
from hpsearch.spec.study import parse_study
from hpsearch.training.data.sources import load
from hpsearch.training.evaluation.evaluation import evaluate
from hpsearch.training.group.group import Group
from hpsearch.training.tasks.plan import Plan, run_ids

STUDY = {
    "name": "several",
    "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [8]}},
    "optimizer": {"kind": "momentum", "lr": {"log_uniform": [1e-2, 1e-1]}},
    "search": {"trials": 2},
}


def test_trials_of_folds_and_of_repeats_run_to_their_end(service: Service) -> None:
    with service.client() as client:
        with pytest.raises(InvalidInput, match=r"training.folds: must be 0 \(off\) or from 2"):
            client.submit({**STUDY, "training": {"folds": 1}})
        studies = [
            client.submit({**STUDY, "training": {"epochs": 3, **several}})
            for several in ({"folds": 3}, {"repeats": 2})
        ]
        for study, count in zip(studies, (3, 2), strict=True):
            study.wait(120)
            assert study.state is StudyState.COMPLETE
            best = study.best_trial
            assert best is not None
            metrics = {"val_accuracy_std", "val_loss_std", "test_accuracy", "test_accuracy_std"}
            assert metrics <= set(best.metrics)
            assert "train_loss_std" not in best.metrics
            spec = resolve(parse_study(study.spec), best.params)
            plan = Plan(best.number, spec, 3)
            runs = [
                [r for (r,) in Group([Plan(best.number, spec, 3, run_id)]).epochs()]
                for run_id in run_ids(plan)
            ]
            assert len(runs) == count
            means = [np.mean([r.metrics["val_loss"] for r in e]) for e in zip(*runs, strict=True)]
            assert best.curve("val_loss").values == pytest.approx(means, rel=1e-5)
            assert best.curve("val_loss_std").epochs == [0, 1, 2]
            found = evaluate(plan, best.download(), "test")
            assert found["test_accuracy"] == pytest.approx(best.metrics["test_accuracy"])
            model = best.load_model()
            assert isinstance(model, TrainedMean)
            assert len(model.runs) == count
            probabilities = model.predict_probabilities(load("wine").x)
            assert torch.allclose(probabilities.sum(-1), torch.ones(178))
            assert (probabilities.argmax(-1).numpy() == load("wine").y).mean() > 0.5
