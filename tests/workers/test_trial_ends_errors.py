"""What goes wrong after training costs the trial concerned, and nothing that was trained."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from dictionary_network import Net
from group_training import ATTEMPTS, SMALL, Blobs, fused, refusing, trained
from inside import Inside
from stored_states import check_predictions
from torch import Tensor

from hpsearch.errors import NotFound, TrainingFailed
from hpsearch.spec.language.states import TrialState
from hpsearch.training.evaluation.predictions import Predictor
from hpsearch.training.tasks import plugin_loading
from hpsearch.training.tasks.plan import Plan
from hpsearch.training.tasks.plugin import PluginTask
from workers import trial_ends


def of_trial(number: int, error: Exception) -> Callable[[Blobs], None]:
    """Refuses what holds one trial."""

    def refuse(trials: Blobs) -> None:
        if any(plan.number == number for plan, _ in trials):
            raise error

    return refuse


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("a fault of ours"), "RuntimeError: a fault of ours"),
        (OSError("no such file"), "OSError: no such file"),
        (NotFound("no data set is called 'wine'"), "no data set is called 'wine'"),
        (ValueError("caf\udce9"), "ValueError: caf?"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else "",
)
def test_a_trial_that_cannot_be_predicted_fails_alone_and_keeps_its_states(
    inside: Inside,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    told: str,
) -> None:
    caplog.set_level(logging.CRITICAL, "hpsearch.worker")  # pytest cannot pass such text on
    refusing(monkeypatch, of_trial(2, error))
    passes = trained(monkeypatch)
    study = fused(inside, **SMALL)
    assert passes == [(0, 1, 2, 3, 4)] * 2, "no epoch is trained again"
    for number in range(5):
        trial = study.trial(number)
        held = inside.checkpoints(study, number)
        assert [one.epoch for one in held] == [0, 1]
        if number == 2:
            assert (trial.state, trial.attempt) == (TrialState.FAILED, ATTEMPTS)
            assert trial.message == f"attempt {ATTEMPTS}: {told}"
            continue
        assert (trial.state, trial.attempt) == (TrialState.COMPLETE, 1)
        for one in held:
            check_predictions(inside, study, one)


@pytest.mark.parametrize(
    ("error", "attempts", "told"),
    [
        (TrainingFailed("its metric broke"), 1, "its metric broke"),
        (ZeroDivisionError("a fault"), ATTEMPTS, "ZeroDivisionError: a fault"),
    ],
)
def test_a_trial_that_cannot_be_scored_fails_alone(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int, told: str
) -> None:
    evaluate = trial_ends.evaluate

    def scored(plan: Plan, *rest: Any, **options: Any) -> Any:
        if plan.number == 1:
            raise error
        return evaluate(plan, *rest, **options)

    monkeypatch.setattr(trial_ends, "evaluate", scored)
    nothing = lambda _, trials: [None] * len(trials)  # noqa: E731
    monkeypatch.setattr(Predictor, "predict_all", nothing)
    passes = trained(monkeypatch)
    study = fused(inside, training={"epochs": 2}, search={"trials": 3})
    assert passes == [(0, 1, 2)] * 2
    states = [study.trial(number).state for number in range(3)]
    assert states == [TrialState.COMPLETE, TrialState.FAILED, TrialState.COMPLETE]
    assert study.trial(1).attempt == attempts
    assert (study.trial(1).message or "").endswith(told)
    assert all(inside.checkpoints(study, number) for number in range(3))


def test_a_state_kept_on_the_way_that_cannot_be_predicted_ends_its_trial_alone(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is sent and predicted long before the trial's last epoch."""
    refusing(monkeypatch, of_trial(0, RuntimeError("a fault")))
    passes = trained(monkeypatch)
    study = fused(inside, checkpoints={"every": 2}, search={"trials": 2})
    assert [study.trial(n).state for n in (0, 1)] == [TrialState.FAILED, TrialState.COMPLETE]
    assert sum(1 in group for group in passes) == 10
    assert [one.epoch for one in inside.checkpoints(study, 1) if one.reasons] == [1, 3, 5, 7, 9]


def odd(value: float) -> Callable[[Any, int], PluginTask]:
    """A plug-in with a metric that is this on test rows, of which there are five."""

    def plug_in(params: Any, seed: int) -> PluginTask:
        draw = torch.Generator().manual_seed(seed)
        parts = {
            name: (torch.randn(rows, 3, generator=draw), torch.randn(rows, 1, generator=draw))
            for name, rows in (("train", 20), ("validation", 20), ("test", 5))
        }

        def off(outputs: dict[str, Tensor], y: Tensor) -> Tensor:
            if len(y) == 5:
                return torch.tensor(value)
            return F.mse_loss(outputs["level"], y)

        return PluginTask(
            model=Net, loss=lambda o, y: F.mse_loss(o["level"], y), metrics={"off": off}, **parts
        )

    return plug_in


not_a_number, infinite = odd(math.nan), odd(-math.inf)


@pytest.mark.parametrize(("name", "value"), [("not_a_number", math.nan), ("infinite", -math.inf)])
def test_scores_that_json_lacks_travel(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    points = [EntryPoint("odd", f"{__name__}:{name}", "hpsearch.tasks")]
    monkeypatch.setattr(plugin_loading, "entry_points", lambda group: points)
    plugin_loading._load.cache_clear()
    study = inside.trained(
        task={"kind": "plugin", "entry_point": "odd"},
        objective={"metric": "val_off", "direction": "minimize"},
        training={"epochs": 2, "batch_size": 10},
    )
    plugin_loading._load.cache_clear()
    best = study.best_trial
    assert best is not None
    found = best.metrics["test_off"]
    assert math.isnan(found) if math.isnan(value) else found == value
    raw = inside.api.get(f"/api/v1/studies/{study.id}/trials/{best.number}").json()
    assert raw["metrics"]["test_off"] in ("NaN", "-Infinity")
