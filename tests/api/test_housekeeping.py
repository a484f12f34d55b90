"""What the server does by itself, study by study."""

from __future__ import annotations

from typing import Any

import pytest
from rig import Rig
from sqlalchemy import select, update

from api.housekeeping import sweep
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.wire.ensembles import PredictionResult
from hpsearch.spec.wire.jobs import PredictionAnswer
from hpsearch.store.tables import JobRow, StudyRow


def _broken(rig: Rig, study: int) -> None:
    """A study that this version cannot read."""
    document: dict[str, Any] = {"task": {"kind": "of a later version"}}
    change = update(StudyRow).where(StudyRow.id == study).values(spec=document)
    rig.do(lambda session: session.execute(change))


def test_leases_and_limits_of_every_study(rig: Rig) -> None:
    lost, long = rig.submit(), rig.submit(limits={"seconds": 60})
    worker = rig.join()
    first, second = rig.lease(worker), rig.lease(worker, 9)
    rig.run_out(*first, *(job for job in second if job.study_id == lost))
    late = update(StudyRow).where(StudyRow.id == long).values(started_at=1.0)
    rig.do(lambda session: session.execute(late))
    sweep(rig.database, rig.tuner)
    assert rig.trial(lost, 0).state is TrialState.QUEUED
    assert rig.study(long).state is not StudyState.RUNNING


def test_answers_of_a_day_ago_are_forgotten(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 1}, training={"epochs": 1})
    (trial,) = rig.lease(worker)
    rig.train(trial)
    ensemble = rig.request(study)
    (building,) = rig.lease(worker)
    rig.build(building)
    answered, waiting = rig.ask(ensemble, [0.0]), rig.ask(ensemble, [1.0])
    (prediction,) = rig.lease(worker)
    predictions = PredictionAnswer(attempt=1, result=PredictionResult(predictions=[0.5]))
    rig.do(lambda session: rig.tuner.finish_prediction(session, prediction.id, predictions))
    sweep(rig.database, rig.tuner)
    assert rows(rig) == [trial.id, building.id, answered, waiting]
    rig.do(lambda session: session.execute(update(JobRow).values(created_at=1.0)))
    sweep(rig.database, rig.tuner)
    assert rows(rig) == [trial.id, building.id, waiting]


def rows(rig: Rig) -> list[int]:
    with rig.database.read() as session:
        return list(session.scalars(select(JobRow.id).order_by(JobRow.id)))


def test_a_study_that_cannot_be_read_holds_up_no_other(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = rig.submit(), rig.submit()
    worker = rig.join()
    rig.lease(worker, 6)
    rig.lease(worker, 6)
    rig.run_out()
    _broken(rig, broken)
    sweep(rig.database, rig.tuner)
    assert rig.trial(whole, 0).state is TrialState.QUEUED
    assert "housekeeping waits: " in caplog.text
