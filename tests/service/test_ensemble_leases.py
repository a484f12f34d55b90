"""Ensemble jobs under their lease: lost, given back, failed, renewed, ended as their kind is."""

from __future__ import annotations

import pytest
from ensemble_steps import TOP_K, advance, answer, built, searched, state, states
from rig import Rig
from sqlalchemy import select

from hpsearch.errors import Conflict, StaleLease
from hpsearch.spec.language.states import EnsembleState, FailureReason, StudyState
from hpsearch.spec.wire.jobs import AnyJob
from hpsearch.store.tables import JobRow


def test_a_lost_ensemble_goes_to_the_next_attempt(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    advance(rig, job)
    (ensemble,) = rig.ensembles(study)
    assert ensemble.progress is not None
    assert (ensemble.progress.done, ensemble.progress.total) == (1, 4)
    rig.run_out()
    rig.expire()
    (ensemble,) = rig.ensembles(study)
    assert (ensemble.state, ensemble.progress) == (EnsembleState.QUEUED, None)
    before = rig.artifacts()
    for late in (lambda: rig.build(job), lambda: advance(rig, job), lambda: rig.fail(job)):
        with pytest.raises(StaleLease):
            late()
    assert rig.artifacts() == before
    (again,) = rig.lease(worker)
    assert (again.id, again.attempt) == (job.id, 2)
    rig.build(again)
    with pytest.raises(StaleLease):
        rig.build(again)
    assert states(rig, study) == [EnsembleState.COMPLETE]
    assert state(rig, study) is StudyState.COMPLETE


def test_a_file_whose_lease_was_lost_on_the_way_goes(rig: Rig) -> None:
    worker = rig.join()
    searched(rig, worker, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    before = rig.artifacts()
    prefix = rig.do(lambda s: rig.tuner.ensemble_key_prefix(s, job.id, job.attempt))
    artifact = rig.tuner.context.artifacts.put(f"{prefix}-x.zip", b"late")
    rig.do(lambda s: rig.tuner.remove_unreferenced(s, artifact))
    assert rig.artifacts() == before
    rig.build(job)
    present = rig.artifacts()
    (own,) = set(present) - set(before)
    assert own.startswith(f"studies/1/ensembles/{job.ensemble}/attempt-1-")
    stored = rig.tuner.context.artifacts.put(own, b"ensemble")
    rig.do(lambda s: rig.tuner.remove_unreferenced(s, stored))
    assert rig.artifacts() == present


def test_the_third_loss_fails_it_and_says_why(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=TOP_K)
    for attempt in (1, 2, 3):
        (job,) = rig.lease(worker)
        assert job.attempt == attempt
        rig.run_out()
        rig.expire()
    (ensemble,) = rig.ensembles(study)
    assert ensemble.state is EnsembleState.FAILED
    assert ensemble.message == (
        f"attempt 3: worker {worker} let the lease (job {job.id}, attempt 3) run out"
    )
    assert state(rig, study) is StudyState.COMPLETE


def test_giving_it_back_costs_nothing(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=TOP_K)
    for _ in range(4):
        (job,) = rig.lease(worker)
        rig.fail(job, FailureReason.RELEASED)
        assert states(rig, study) == [EnsembleState.QUEUED]
    (job,) = rig.lease(worker)
    rig.build(job)
    assert states(rig, study) == [EnsembleState.COMPLETE]


def test_a_full_disk_does_not_make_it_come_back_for_ever(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=TOP_K)
    for _ in range(3):
        (job,) = rig.lease(worker)
        rig.fail(job, FailureReason.STORAGE_FULL)
    assert (rig.lease(worker), states(rig, study)) == ([], [EnsembleState.FAILED])
    assert state(rig, study) is StudyState.COMPLETE


def test_its_errors_set_no_worker_aside(rig: Rig) -> None:
    worker = rig.join()
    searched(rig, worker, ensemble=[TOP_K, TOP_K])
    for _ in range(6):
        (job,) = rig.lease(worker)
        rig.fail(job)
    assert rig.lease(worker) == []


def test_progress_renews_the_lease(rig: Rig) -> None:
    worker = rig.join()
    searched(rig, worker, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    expiry = select(JobRow.expires_at).where(JobRow.id == job.id)

    def expires_at() -> float:
        with rig.database.read() as session:
            return session.execute(expiry).scalar_one()

    before = expires_at()
    advance(rig, job)
    assert expires_at() > before


@pytest.mark.parametrize("kind", ["trial", "ensemble", "predict"])
def test_a_job_is_ended_only_as_its_kind_is(rig: Rig, kind: str) -> None:
    worker = rig.join()
    job: AnyJob
    if kind == "trial":
        rig.submit()
        (job,) = rig.lease(worker)
    elif kind == "ensemble":
        searched(rig, worker, ensemble=TOP_K)
        (job,) = rig.lease(worker)
    else:
        rig.ask(built(rig, worker), [0.0])
        (job,) = rig.lease(worker)
    ways = {
        "trial": [lambda: rig.complete(job), lambda: rig.report(job, 0)],
        "ensemble": [lambda: rig.build(job, (0, 0)), lambda: advance(rig, job)],
        "predict": [lambda: answer(rig, job)],
    }
    before = rig.snapshot(), rig.artifacts()
    for other in ways.keys() - {kind}:
        for way in ways[other]:
            with pytest.raises(Conflict, match=f"can do this, and job {job.id} is a {kind}; drop"):
                way()
    assert (rig.snapshot(), rig.artifacts()) == before
