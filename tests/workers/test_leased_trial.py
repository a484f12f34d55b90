"""A job's plan: what the server sends, and how many runs a trial is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from hpsearch.spec.language.states import Decision, FailureReason
from hpsearch.spec.wire.jobs import Decisions, Failure, Job, JobCompletion, JobDecision, Report
from hpsearch.training.group.group import Group
from hpsearch.training.tasks.plan import EpochReport, run_ids
from workers.context import WorkerContext
from workers.leased_trial import LeasedTrial
from workers.runner import Runner

torch.set_num_threads(1)


def job(training: Any = None, **fields: Any) -> Job:
    spec = {
        "name": "test",
        "task": {"dataset": "wine"},
        "optimizer": {"lr": {"log_uniform": [1e-3, 1.0]}},
        "training": training or {},
        "objective": {"metric": "val_loss", "direction": "minimize"},
    }
    given = {"id": 1, "kind": "trial", "attempt": 1, "study_id": 1, "trial": 4, "epochs": 3}
    return Job.model_validate({**given, "spec": spec, "params": {"optimizer.lr": 0.1}, **fields})


@pytest.mark.parametrize(
    ("training", "repeats", "runs"),
    [({}, None, 1), ({"repeats": 3}, None, 3), ({}, 5, 5), ({"repeats": 3}, 1, 1),
     ({"folds": 2}, 2, 4)],
)  # fmt: skip
def test_a_job_s_repeats_take_the_place_of_the_spec_s(training, repeats, runs) -> None:
    plan = LeasedTrial.of(job(training, repeats=repeats)).plan
    assert len(run_ids(plan)) == runs
    assert (plan.number, plan.epochs, plan.spec.optimizer.lr) == (4, 3, 0.1)


@pytest.mark.parametrize("repeats", [0, 101])
def test_no_job_has_more_or_fewer_repeats_than_a_spec_may(repeats: int) -> None:
    with pytest.raises(ValidationError):
        job(repeats=repeats)


class Server:
    """Takes what a runner says, and asks for nothing."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.ended: list[JobCompletion] = []
        self.failed: list[Failure] = []

    def report(self, reports: Sequence[Report]) -> Decisions:
        self.reports += reports
        jobs = sorted({report.job for report in reports})
        return Decisions(decisions=[JobDecision(job=j, decision=Decision.CONTINUE) for j in jobs])

    def store_checkpoints(self, checkpoints: Sequence[Any]) -> None:
        pass

    def complete(self, completions: Sequence[JobCompletion]) -> None:
        self.ended += completions

    def fail(self, job: Job, failure: Failure) -> None:
        self.failed.append(failure)


def trained(*trials: LeasedTrial) -> Server:
    server = Server()
    heartbeat = SimpleNamespace(has_lost=lambda job: False)
    parts: Any = (server, None, heartbeat)
    context = WorkerContext(*parts, torch.device("cpu"), threading.Event(), 1e9)
    Runner(context)._train_or_recover(trials)
    return server


@pytest.mark.parametrize("fits", [1, 2, 4])
def test_repeats_that_do_not_fit_into_memory_train_fewer_at_once(
    fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(LeasedTrial.of(job(repeats=5)))
    epoch = Group._epoch

    def bounded(group: Group) -> Any:
        if len(group.numbers) > fits and group._trials[0].epoch > 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return epoch(group)

    monkeypatch.setattr(Group, "_epoch", bounded)
    found = trained(LeasedTrial.of(job(repeats=5)))
    assert not found.failed
    assert [report.epoch for report in found.reports] == [0, 1, 2]
    for one, other in zip(found.reports, expected.reports, strict=True):
        for metric in ("train_loss", "val_loss", "val_accuracy", "val_loss_std"):
            assert one.metrics[metric] == pytest.approx(other.metrics[metric], rel=1e-5, abs=1e-6)
    ((one,), (other,)) = (found.ended, expected.ended)
    assert one.test_metrics == pytest.approx(other.test_metrics, rel=1e-5, abs=1e-6)


def test_a_repeat_that_does_not_fit_alone_ends_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(group: Group) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Group, "_epoch", full)
    server = trained(LeasedTrial.of(job(repeats=3)))
    assert [failure.reason for failure in server.failed] == [FailureReason.OUT_OF_MEMORY]
    assert not server.ended


@pytest.mark.parametrize(
    ("values", "confirmed", "epochs", "best"),
    [
        ([0.1, 0.3, 0.2, 0.5], 2, 3, 1),  # the best of those that count was confirmed
        ([0.1, 0.3, 0.4, 0.5], 1, 3, 2),  # or came after what was confirmed
        ([0.1, 0.3, 0.4, 0.5], 1, 4, 3),  # or is the last
        ([0.6, 0.3, 0.4, 0.5], 4, 2, 0),
        ([0.1, 0.2, 0.3, 0.4], 0, 1, 0),
    ],
)
def test_a_trial_that_ended_earlier_goes_back_to_the_best_state_that_counts(
    values: list[float], confirmed: int, epochs: int, best: int
) -> None:
    trial = LeasedTrial.of(job())
    epoch = -1
    group: Any = SimpleNamespace(checkpoint=lambda number: f"state {epoch}".encode())
    for epoch, value in enumerate(values):
        metrics = {trial.objective.metric: 1 - value}  # a loss
        trial.collect(EpochReport(trial.number, epoch, metrics, False, False), group)
        if epoch + 1 == confirmed:
            trial.confirm()
    trial.cut(epochs)
    assert (trial.best_epoch, trial.best) == (best, f"state {best}".encode())
    assert not trial.best_is_stored
