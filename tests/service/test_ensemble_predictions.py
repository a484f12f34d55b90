"""Predictions by a stored ensemble: when their jobs are leased, and how they end."""

from __future__ import annotations

import pytest
from ensemble_steps import TOP_K, answer, built, searched, state, status
from rig import Rig
from sqlalchemy import select

from hpsearch.errors import Conflict, NotFound, StaleLease
from hpsearch.service.job_kinds import PAUSED_KINDS, STUDY_RULES
from hpsearch.spec.language.states import FailureReason, JobState, StudyState
from hpsearch.spec.wire.jobs import Failure, Job, PredictJob
from hpsearch.store import jobs, studies
from hpsearch.store.tables import JobRow


def test_rows_are_predicted_before_trials(rig: Rig) -> None:
    worker = rig.join()
    ensemble = built(rig, worker)
    rig.submit(search={"trials": 3}, priority=9)
    job_id = rig.ask(ensemble, [1.0, 2.0], [3.0, 4.0])
    assert status(rig, job_id).state is JobState.QUEUED
    (job,) = rig.lease(worker, 5)
    assert isinstance(job, PredictJob)
    assert (job.id, job.ensemble, job.inputs) == (job_id, ensemble, [[1.0, 2.0], [3.0, 4.0]])
    assert job.sha256 == rig.ensembles(1)[0].sha256
    assert [type(job) for job in rig.lease(worker, 2)] == [Job, Job]
    message = answer(rig, job)
    assert (message.state, message.result) == (
        JobState.DONE,
        {
            "predictions": [1],
            "labels": ["b"],
            "probabilities": [[0.25, 0.75]],
            "unknown": {"town": 2},
        },
    )
    assert status(rig, job_id) == message
    with rig.database.read() as session:
        assert jobs.payload(session, job_id) == {}


def test_a_prediction_is_locked_in_its_studys_place_but_not_taken_with_its_trials(rig: Rig) -> None:
    """All of a study's jobs have its priority, by which they are locked in order."""
    worker = rig.join()
    searched(rig, worker, ensemble=TOP_K, priority=3)
    (job,) = rig.lease(worker)
    rig.build(job)
    rig.ask(job.ensemble, [0.0])
    with rig.database.write() as session:
        assert set(session.scalars(select(JobRow.priority))) == {3}
        assert jobs.lock_queued(session, job.study_id, 9, STUDY_RULES) == []
        assert studies.next_with_work(session, None, STUDY_RULES, PAUSED_KINDS) is None
    assert len(rig.lease(worker)) == 1


def test_only_a_complete_ensemble_predicts(rig: Rig) -> None:
    worker = rig.join()
    searched(rig, worker, ensemble=TOP_K)
    (ensemble,) = rig.ensembles(1)
    with pytest.raises(Conflict, match=r"must be complete to be used, .* is queued; wait for it"):
        rig.ask(ensemble.id, [0.0])
    (job,) = rig.lease(worker)
    rig.fail(job, FailureReason.INVALID)
    with pytest.raises(Conflict, match="is failed; ask for another one"):
        rig.ask(ensemble.id, [0.0])
    with pytest.raises(NotFound, match="none has id 99"):
        rig.ask(99, [0.0])


def test_rows_that_cannot_be_predicted_say_why(rig: Rig) -> None:
    worker = rig.join()
    job_id = rig.ask(built(rig, worker), "x")
    (job,) = rig.lease(worker)
    message = Failure(attempt=1, reason=FailureReason.INVALID, message="rows must have 13 numbers")
    rig.do(lambda session: rig.tuner.fail(session, job.id, message))
    found = status(rig, job_id)
    assert (found.state, found.result) == (
        JobState.FAILED,
        {"error": "rows must have 13 numbers"},
    )
    assert (state(rig, 1), rig.lease(worker)) == (StudyState.COMPLETE, [])


def test_a_lost_prediction_goes_to_another_worker(rig: Rig) -> None:
    worker = rig.join()
    rig.ask(built(rig, worker), [0.0])
    (job,) = rig.lease(worker)
    rig.run_out()
    rig.expire()
    with pytest.raises(StaleLease):
        answer(rig, job)
    (again,) = rig.lease(worker)
    assert (again.id, again.attempt, again.inputs) == (job.id, 2, [[0.0]])
    assert answer(rig, again).state is JobState.DONE
