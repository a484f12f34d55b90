"""Predictions while a worker trains: answered between two epochs, which notice nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from inside import Inside

from hpsearch.spec.language.states import EnsembleState, JobKind, JobState, TrialState
from hpsearch.spec.wire.jobs import PredictionAnswer
from hpsearch.training.data.sources import load
from hpsearch.training.group.group import Group
from workers.predictions import MOST_AT_ONCE
from workers.server_api import WorkerClient

AFTER = 3
"""Epochs of the group before somebody asks."""


def built(inside: Inside) -> int:
    """An ensemble of a study that is over."""
    study = inside.trained()
    ensemble = study.build_ensemble("top_k", size=2)
    inside.work()
    assert ensemble.refresh().state is EnsembleState.COMPLETE
    return ensemble.id


def asking(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], None]) -> None:
    """Somebody asks once the group has trained for a while."""
    epoch, trained = Group._epoch, [0]

    def watched(group: Group) -> Any:
        trained[0] += 1
        if trained[0] == AFTER:
            ask()
        return epoch(group)

    monkeypatch.setattr(Group, "_epoch", watched)


@pytest.mark.parametrize("asked", [1, MOST_AT_ONCE + 2])
def test_rows_are_predicted_while_trials_train(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    ensemble = built(inside)
    undisturbed = inside.trained()
    rows = load("wine").x[:3].tolist()
    jobs: list[int] = []
    study = inside.client.submit(undisturbed.spec)
    seen: list[list[TrialState]] = []

    def watch(client: WorkerClient) -> None:
        predicted = client.answer_prediction

        def noted(job: Any, said: PredictionAnswer) -> None:
            seen.append([trial.state for trial in study.trials()])
            predicted(job, said)

        client.answer_prediction = noted  # type: ignore[method-assign]

    asking(
        monkeypatch,
        lambda: jobs.extend(inside.rig.ask(ensemble, *rows) for _ in range(asked)),
    )
    inside.work(inside.runner(change=watch))
    assert len(jobs) == len(seen) == asked
    assert seen == [[TrialState.RUNNING] * 2] * asked
    answers = [inside.client.ensemble(ensemble).load().answer(rows)] * asked
    found = [inside.api.get(f"/api/v1/jobs/{job}").json() for job in jobs]
    assert [one["state"] for one in found] == [JobState.DONE] * asked
    assert [one["result"] for one in found] == [one.model_dump(mode="json") for one in answers]
    for metric in ("train_loss", "val_loss"):
        assert study.curves(metric).curves == undisturbed.curves(metric).curves


def test_a_worker_that_asks_for_predictions_alone_gets_no_trial(inside: Inside) -> None:
    ensemble = built(inside)
    inside.client.submit({**inside.client.studies()[0].spec})
    client = WorkerClient(inside.transport, threading.Event())
    client.worker_id = inside.worker_id
    assert client.lease(4, only=JobKind.PREDICT) == []
    job = inside.rig.ask(ensemble, [0.0] * 13)
    assert [one.id for one in client.lease(4, only=JobKind.PREDICT)] == [job]
    assert len(client.lease(4)) == 2
