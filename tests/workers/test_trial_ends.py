"""A trial's end: what its kept states predict is stored, and it has its test scores."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from dictionary_network import Net
from group_training import SMALL, Blobs, refusing
from inside import Inside, document
from stored_states import check_predictions
from torch import Tensor

from hpsearch.client.client import Study
from hpsearch.errors import CorruptArtifact
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.training.evaluation.evaluation import evaluate
from hpsearch.training.tasks import plugin_loading
from hpsearch.training.tasks.plugin import PluginTask
from workers import uploader


def check_scores(inside: Inside, study: Study) -> None:
    """Holds the best trial's test scores to those of its best checkpoint."""
    best = study.best_trial
    assert best is not None
    (held,) = (one for one in inside.checkpoints(study, best.number) if one.best)
    expected = evaluate(inside.plan(study, best.number), inside.content(held), "test")
    found = {name: value for name, value in best.metrics.items() if name.startswith("test_")}
    assert found == pytest.approx(
        {name: value for name, value in expected.items() if name.startswith("test_")}, rel=1e-5
    )
    assert found


NUMBERS = {"dataset": "diabetes", "model": {"kind": "mlp", "hidden": [4]}}
KINDS: dict[str, dict[str, Any]] = {
    "classes": {},
    "numbers": {"task": NUMBERS},
    "folds": {"training": {"epochs": 3, "folds": 2}},
    "repeats": {"training": {"epochs": 3, "repeats": 2}},
    "early stopping": {
        "training": {"epochs": 30, "early_stopping": {"patience": 1, "restore_best": True}}
    },
}


@pytest.mark.parametrize("sections", KINDS.values(), ids=KINDS)
def test_what_kept_states_predict_is_stored(inside: Inside, sections: dict[str, Any]) -> None:
    study = inside.trained(**{"training": {"epochs": 4}, "checkpoints": {"every": 2}, **sections})
    assert study.state is StudyState.COMPLETE
    for number in (0, 1):
        held = inside.checkpoints(study, number)
        assert len(held) >= 2
        for one in held:
            check_predictions(inside, study, one)
    check_scores(inside, study)


def test_a_pruned_trial_s_states_are_predicted_too(inside: Inside) -> None:
    study = inside.client.submit(
        document(
            pruner={"kind": "median", "startup_trials": 1, "warmup_epochs": 1},
            search={"trials": 6},
            training={"epochs": 8},
            optimizer={"kind": "sgd", "lr": {"log_uniform": [1e-6, 1.0]}},
        )
    )
    inside.work(inside.runner(capacity=2))
    pruned = study.trials(state="pruned")
    assert pruned
    for trial in pruned:
        held = inside.checkpoints(study, trial.number)
        assert [one.epoch for one in held if one.last] == [trial.epochs_done - 1]
        for one in held:
            check_predictions(inside, study, one)


def test_the_last_state_of_a_diverged_trial_is_the_one_that_is_predicted(inside: Inside) -> None:
    """Its last stored state is older than the epoch that it ended with."""
    study = inside.trained(
        optimizer={"kind": "sgd", "lr": 0.01},
        schedule={"kind": "piecewise_constant", "boundaries": [5], "factors": [1, 1e38]},
        search={"trials": 1},
    )
    assert study.trial(0).reason == "diverged"
    held = inside.checkpoints(study, 0)
    assert max(one.epoch for one in held) < study.trial(0).epochs_done - 1
    for one in held:
        check_predictions(inside, study, one)


def test_a_task_without_rows_completes(inside: Inside) -> None:
    study = inside.trained(
        task={"dataset": "quadratic"}, optimizer={"kind": "sgd", "lr": 0.1}, training={"epochs": 3}
    )
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 2
    assert {one.predictions_sha256 for one in inside.checkpoints(study, 0)} == {None}


def test_no_part_to_test_on_gives_no_test_scores(inside: Inside) -> None:
    split = {"split": {"test": 0}}
    study = inside.trained(task={**document()["task"], **split}, training={"epochs": 2})
    best = study.best_trial
    assert best is not None
    assert not [name for name in best.metrics if name.startswith("test_")]
    for one in inside.checkpoints(study, best.number):
        stored = inside.predictions(one)
        assert stored is not None
        assert stored.test is None


def plug_in(params: Any, seed: int) -> PluginTask:
    draw = torch.Generator().manual_seed(seed)
    parts = {
        name: (torch.randn(20, 3, generator=draw), torch.randn(20, 1, generator=draw))
        for name in ("train", "validation", "test")
    }

    def off(outputs: dict[str, Tensor], y: Tensor) -> Tensor:
        return F.mse_loss(outputs["level"], y)

    return PluginTask(model=Net, loss=off, metrics={"off": off}, **parts)


def test_a_plug_in_without_predictions_has_its_test_scores(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [EntryPoint("levels", f"{__name__}:plug_in", "hpsearch.tasks")]
    monkeypatch.setattr(plugin_loading, "entry_points", lambda group: points)
    plugin_loading._load.cache_clear()
    study = inside.trained(
        task={"kind": "plugin", "entry_point": "levels"},
        objective={"metric": "val_off", "direction": "minimize"},
        training={"epochs": 2, "batch_size": 10},
    )
    plugin_loading._load.cache_clear()
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 2
    best = study.best_trial
    assert best is not None
    assert best.metrics["test_off"] > 0
    assert {one.predictions_sha256 for one in inside.checkpoints(study, 0)} == {None}


@pytest.mark.parametrize("fit", [1, 3])
def test_memory_that_runs_out_while_predicting_costs_nothing(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, fit: int
) -> None:
    def refuse(trials: Blobs) -> None:
        if len(trials) > fit:
            raise torch.OutOfMemoryError("full")

    asked = refusing(monkeypatch, refuse)
    study = inside.trained(**SMALL)
    assert max(asked) > fit
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 5
    for number in range(5):
        for one in inside.checkpoints(study, number):
            check_predictions(inside, study, one)
    check_scores(inside, study)


def test_where_no_memory_is_left_trials_end_without_predictions(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("full")

    refusing(monkeypatch, full)
    monkeypatch.setattr("workers.trial_ends.evaluate", full)
    study = inside.trained(training={"epochs": 2})
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 2
    assert {one.predictions_sha256 for one in inside.checkpoints(study, 0)} == {None}
    assert "trial 0 ends without test scores: full" in caplog.text


def test_a_state_that_cannot_be_read_costs_the_others_nothing(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(trials: Blobs) -> None:
        if any(plan.number == 2 for plan, _ in trials):
            raise CorruptArtifact("it is damaged")

    refusing(monkeypatch, refuse)
    study = inside.trained(**SMALL)
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 5
    for number in range(5):
        for one in inside.checkpoints(study, number):
            if number == 2:
                assert one.predictions_sha256 is None
            else:
                check_predictions(inside, study, one)
    assert "no predictions of trial 2, epoch 1, are stored: it is damaged" in caplog.text


def test_a_fault_of_ours_is_not_taken_for_one_of_the_state(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(trials: Blobs) -> None:
        raise RuntimeError("a fault of ours")

    refusing(monkeypatch, broken)
    study = inside.trained(training={"epochs": 2}, search={"trials": 1})
    assert study.trial(0).state is TrialState.FAILED
    assert "a fault of ours" in (study.trial(0).message or "")


@pytest.mark.parametrize(("most", "size"), [("BATCH_CONTENTS", 3), ("BATCH_BYTES", 9000)])
def test_what_is_sent_comes_in_parcels_of_a_bounded_size(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, most: str, size: int
) -> None:
    monkeypatch.setattr(uploader, most, size)
    parcels: list[tuple[int, int]] = []

    def listen(client: Any) -> None:
        store = client.store_checkpoints

        def noted(sent: Any) -> None:
            parcels.append((len(sent), sum(len(content) for _, content in sent)))
            store(sent)

        client.store_checkpoints = noted

    study = inside.client.submit(document(**SMALL))
    inside.work(inside.runner(change=listen))
    assert sum(count for count, _ in parcels) == 2 * 5 * 2
    for count, total in parcels:
        assert count <= 3 if most == "BATCH_CONTENTS" else total < 9000 + 9000
    for number in range(5):
        for one in inside.checkpoints(study, number):
            check_predictions(inside, study, one)


def test_states_are_sent_before_they_fill_the_memory(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.group_run.PENDING_BYTES", 1)
    sent: list[set[int]] = []

    def listen(client: Any) -> None:
        store = client.store_checkpoints

        def noted(parcel: Any) -> None:
            sent.append({one.epoch for one, _ in parcel if one.content == "checkpoint"})
            store(parcel)

        client.store_checkpoints = noted

    inside.client.submit(document(checkpoints={"every": 1}, training={"epochs": 5}))
    inside.work(inside.runner(change=listen))
    assert sent == [{0}, {1}, {2}, {3}, {4}]
