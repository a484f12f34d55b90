"""Reports: what the server refuses of one trial costs the others nothing, and none is lost."""

from __future__ import annotations

from typing import Any

import pytest
from group_training import fused, trained
from inside import Inside
from sqlalchemy import update

from hpsearch.errors import StorageFull
from hpsearch.spec.language.states import Decision, TrialState
from hpsearch.spec.wire.jobs import Decisions, Job, JobDecision, ReportBatch
from hpsearch.store.tables import TrialRow
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from hpsearch.training.tasks.plan import EpochReport
from workers import report_queue
from workers.leased_trial import LeasedTrial
from workers.report_queue import ReportQueue


def test_a_trial_whose_epochs_the_server_has_lost_fails_alone(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = inside.rig.tuner.report

    def forgetful(session: Any, batch: Any) -> Any:
        if any(one.epoch > 4 for one in batch.reports):
            session.execute(update(TrialRow).where(TrialRow.number == 0).values(epochs_done=0))
        return report(session, batch)

    monkeypatch.setattr(type(inside.rig.tuner), "report", lambda _, *given: forgetful(*given))
    passes = trained(monkeypatch)
    study = fused(inside)
    assert [study.trial(number).state for number in (0, 1)] == [
        TrialState.FAILED,
        TrialState.COMPLETE,
    ]
    assert study.trial(1).attempt == 1
    assert "epochs must be reported in order" in (study.trial(0).message or "")
    assert sum(1 in group for group in passes) == 10, "no epoch is trained again"


def a_trial(number: int) -> LeasedTrial:
    spec = {
        "name": "x",
        "task": {"dataset": "wine"},
        "optimizer": {"lr": 0.1},
        "objective": {"metric": "val_loss", "direction": "minimize"},
    }
    return LeasedTrial.of(
        Job(id=number, attempt=1, study_id=1, trial=number, epochs=9, params={}, spec=spec)
    )


def a_report(epoch: int) -> EpochReport:
    return EpochReport(
        number=1, epoch=epoch, metrics={"val_loss": 1.0}, finished=False, diverged=False
    )


class Server:
    """Takes reports while it has room."""

    def __init__(self) -> None:
        self.has_room = True
        self.epochs: list[int] = []

    def report(self, reports: Any) -> Decisions:
        batch = ReportBatch(worker=1, reports=reports)
        if not self.has_room:
            raise StorageFull("no room")
        self.epochs += [one.epoch for one in batch.reports]
        jobs = {one.job for one in batch.reports}
        return Decisions(decisions=[JobDecision(job=j, decision=Decision.CONTINUE) for j in jobs])


def test_what_a_full_server_refuses_waits_on() -> None:
    server = Server()
    queue = ReportQueue(server)  # type: ignore[arg-type]
    trial = a_trial(1)
    queue.add(trial, a_report(0))
    server.has_room = False
    with pytest.raises(StorageFull):
        queue.flush()
    server.has_room = True
    queue.add(trial, a_report(1))
    queue.flush()
    assert server.epochs == [0, 1]


def test_no_more_epochs_are_sent_at_once_than_a_server_takes(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that trains 64 trials of 200 epochs in a moment."""
    monkeypatch.setattr(report_queue, "FLUSH_SECONDS", 1e9)
    monkeypatch.setattr(GroupSizes, "choose", lambda self, plan: GroupSize(64, "as measured"))
    study = inside.client.submit(
        {
            "name": "quick",
            "task": {"dataset": "quadratic"},
            "optimizer": {"kind": "sgd", "lr": {"log_uniform": [1e-3, 1e-1]}},
            "training": {"epochs": 160},
            "search": {"trials": 64},
        }
    )
    inside.work(inside.runner(capacity=64, checkpoint_seconds=1e9))
    trials = study.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert {trial.attempt for trial in trials} == {1}
