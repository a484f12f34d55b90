"""Fencing, expiry and ends: invariants 2 and 3 of the design."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from rig import Rig, a_report
from sqlalchemy import event, func, select, update

from hpsearch.errors import Conflict, InvalidInput, NotFound, ReportGap, StaleLease
from hpsearch.service.job_kinds import PAUSED_KINDS, STUDY_RULES
from hpsearch.spec.language.states import (
    FailureReason,
    StudyState,
    TrialReason,
    TrialState,
    WorkerState,
)
from hpsearch.spec.wire.jobs import Completion, HeartbeatRequest, Job, LeaseToken
from hpsearch.store import studies, workers
from hpsearch.store.database import now
from hpsearch.store.tables import EventRow, JobRow, StudyRow, WorkerRow

Write = Callable[[Rig, Job], object]

WRITES: dict[str, Write] = {
    "heartbeat": lambda rig, job: rig.do(
        lambda session: rig.tuner.heartbeat(
            session, HeartbeatRequest(worker=1, jobs=[LeaseToken(job=job.id, attempt=job.attempt)])
        )
    ),
    "report": lambda rig, job: rig.report(job, 1),
    "checkpoint": lambda rig, job: rig.store(job, 0, b"state"),
    "complete": lambda rig, job: rig.complete(job),
    "prune": lambda rig, job: rig.complete(job, state=TrialState.PRUNED),
    "fail": lambda rig, job: rig.fail(job),
    "release": lambda rig, job: rig.fail(job, FailureReason.RELEASED),
}
LOST: dict[str, Write] = {
    "ran out": lambda rig, job: rig.run_out(job),
    "taken back": lambda rig, job: (rig.run_out(job), rig.expire()),
    "given to another": lambda rig, job: (rig.run_out(job), rig.expire(), rig.lease(2)),
    "completed": lambda rig, job: rig.complete(job),
    "failed for good": lambda rig, job: rig.fail(job, FailureReason.INVALID),
    "given back": lambda rig, job: rig.fail(job, FailureReason.RELEASED),
    "study stopped": lambda rig, job: (
        rig.do(lambda s: rig.tuner.stop(s, job.study_id)),
        rig.complete(job),  # of what had been reported
    ),
}


@pytest.fixture
def job(rig: Rig) -> Job:
    """A trial's job, leased to worker 1, one epoch reported; worker 2 stands by."""
    rig.submit()
    rig.join(), rig.join()
    (job,) = rig.lease(1)
    rig.report(job, 0)
    return job


@pytest.mark.parametrize("lost", LOST)
def test_a_stale_token_changes_nothing(rig: Rig, job: Job, lost: str) -> None:
    LOST[lost](rig, job)
    before = rig.snapshot(), rig.artifacts()
    for name, write in WRITES.items():
        with pytest.raises(StaleLease) as caught:
            write(rig, job)
        assert f"(job {job.id}, attempt 1) is not" in str(caught.value), name
        assert "drop it and lease anew" in str(caught.value), name
        assert (rig.snapshot(), rig.artifacts()) == before, name


@pytest.mark.parametrize("write", WRITES)
def test_a_future_or_foreign_token_changes_nothing(rig: Rig, job: Job, write: str) -> None:
    before = rig.snapshot()
    for other in (
        job.model_copy(update={"attempt": 2}),
        job.model_copy(update={"id": job.id + 1}),
    ):
        with pytest.raises((StaleLease, NotFound)):
            WRITES[write](rig, other)
    assert rig.snapshot() == before


def test_a_batch_with_one_stale_token_stores_none(rig: Rig, job: Job) -> None:
    fresh = rig.lease(2, 2)
    rig.run_out(job)
    before = rig.snapshot()
    with pytest.raises(StaleLease):
        rig.report_all(a_report(fresh[0], 0), a_report(job, 1), a_report(fresh[1], 0))
    beat = HeartbeatRequest(worker=2, jobs=[LeaseToken(job=j.id, attempt=1) for j in (*fresh, job)])
    with pytest.raises(StaleLease):
        rig.do(lambda session: rig.tuner.heartbeat(session, beat))
    assert rig.snapshot() == before
    rig.report_all(a_report(fresh[0], 0), a_report(fresh[1], 0))


def test_a_batch_with_one_gap_stores_none(rig: Rig, job: Job) -> None:
    (other,) = rig.lease(2)
    before = rig.snapshot("expires_at")
    with pytest.raises(ReportGap, match="got 2 where 1 was next; report the missing ones first"):
        rig.report_all(a_report(other, 0), a_report(job, 2))
    assert rig.snapshot("expires_at") == before


@pytest.mark.parametrize("write", ["heartbeat", "report", "checkpoint"])
def test_whoever_is_heard_of_keeps_the_lease(rig: Rig, job: Job, write: str) -> None:
    rig.do(lambda s: s.execute(update(JobRow).values(expires_at=now(s) + 0.5)))
    WRITES[write](rig, job)
    with rig.database.read() as session:
        left = session.scalar(select(JobRow.expires_at).where(JobRow.id == job.id)) or 0
        assert 25 < left - now(session) <= 30


@pytest.mark.parametrize("skew", [-1e9, 1e9])
def test_the_databases_clock_alone_decides(
    rig: Rig, job: Job, skew: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Skewed(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Skewed:
            return cls.fromtimestamp(real() + skew, UTC)

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    monkeypatch.setattr("datetime.datetime", Skewed)
    rig.expire()
    rig.report(job, 1)
    rig.run_out(job)
    with pytest.raises(StaleLease, match="the job is out of time"):
        rig.report(job, 2)
    rig.expire()
    assert rig.trial(job.study_id, job.trial).attempt == 2


def test_a_lease_that_ran_out_goes_to_the_next_attempt(rig: Rig, job: Job) -> None:
    rig.run_out(job)
    rig.expire()
    trial = rig.trial(job.study_id, job.trial)
    assert (trial.state, trial.attempt, trial.epochs_done) == (TrialState.QUEUED, 2, 1)
    (again,) = rig.lease(2)
    assert (again.id, again.attempt, again.trial) == (job.id, 2, job.trial)
    assert (again.params, again.resume) == (job.params, None)
    rig.report(again, 0, val_loss=7.0)  # already stored: a no-op
    rig.report(again, 1, 2, 3)
    rig.complete(again)
    assert rig.trial(job.study_id, job.trial).state is TrialState.COMPLETE


def test_expiring_is_one_transaction(rig: Rig, job: Job) -> None:
    rig.run_out(job)
    before = rig.snapshot()
    writes = 0

    def fail_at(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal writes
        if statement.startswith(("UPDATE", "INSERT")):
            writes += 1
            if writes == limit:
                raise RuntimeError("killed")

    event.listen(rig.database.engine, "before_cursor_execute", fail_at)
    limit = 1
    while True:
        writes = 0
        try:
            rig.expire()
        except RuntimeError:
            assert rig.snapshot() == before, f"write {limit} was the last, and something is left"
            limit += 1
            continue
        break
    assert limit > 3  # job, trial and event were each the last write once
    assert rig.trial(job.study_id, job.trial).attempt == 2


@pytest.mark.parametrize("error", [False, True])
def test_the_third_lost_attempt_fails_the_trial(rig: Rig, job: Job, error: bool) -> None:
    for attempt in (1, 2, 3):
        if attempt > 1:
            (job,) = rig.lease(2)
        assert job.attempt == attempt
        if error:
            rig.fail(job)
        else:
            rig.run_out(job)
            rig.expire()
    trial = rig.trial(job.study_id, job.trial)
    assert trial.state is TrialState.FAILED
    assert trial.reason is (TrialReason.ERROR if error else TrialReason.LOST)
    assert str(trial.message).startswith("attempt 3: ")
    assert trial.finished_at is not None
    assert rig.lease(2)[0].trial == 1


def test_a_released_job_loses_no_attempt(rig: Rig, job: Job) -> None:
    for attempt in range(2, 8):
        rig.fail(job, FailureReason.RELEASED)
        (job,) = rig.lease(2)
        assert (job.trial, job.attempt) == (0, attempt)
    rig.fail(job)
    rig.fail(*rig.lease(2))
    assert rig.trial(job.study_id, 0).state is TrialState.QUEUED
    rig.fail(*rig.lease(2))
    trial = rig.trial(job.study_id, 0)
    assert (trial.state, trial.message) == (TrialState.FAILED, "attempt 9: it broke")


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (FailureReason.INVALID, TrialReason.ERROR),
        (FailureReason.OUT_OF_MEMORY, TrialReason.OUT_OF_MEMORY),
    ],
)
def test_what_a_repeat_would_not_mend_fails_at_once(
    rig: Rig, job: Job, reason: FailureReason, shown: TrialReason
) -> None:
    rig.fail(job, reason)
    trial = rig.trial(job.study_id, job.trial)
    assert (trial.state, trial.reason, trial.message) == (TrialState.FAILED, shown, "it broke")


def test_a_full_store_pauses_the_study_and_costs_the_trial_nothing(rig: Rig, job: Job) -> None:
    (other,) = rig.lease(2)
    for full in (job, other):
        rig.fail(full, FailureReason.STORAGE_FULL)
    assert rig.study(job.study_id).state is StudyState.PAUSED
    assert rig.lease(1) == []
    rig.do(lambda session: rig.tuner.resume(session, job.study_id))
    assert [(again.trial, again.attempt) for again in rig.lease(1, 2)] == [(0, 2), (1, 2)]


def test_a_trial_ends_exactly_once(rig: Rig, job: Job) -> None:
    rig.complete(job)
    ended = rig.trial(job.study_id, job.trial)
    for write in ("complete", "prune", "fail", "release"):
        with pytest.raises(StaleLease):
            WRITES[write](rig, job)
    rig.run_out(job)
    rig.expire()
    assert rig.trial(job.study_id, job.trial) == ended


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.QUEUED, TrialState.RUNNING])
def test_completing_takes_good_ends_only(rig: Rig, job: Job, state: TrialState) -> None:
    with pytest.raises(InvalidInput, match="must be complete or pruned"):
        rig.do(lambda s: rig.tuner.complete(s, job.id, Completion(attempt=1, state=state)))
    assert rig.trial(job.study_id, job.trial).state is TrialState.RUNNING


# Workers


def _state(rig: Rig, worker: int) -> str:
    with rig.database.read() as session:
        return session.get_one(WorkerRow, worker).state


def test_three_different_failed_trials_set_a_worker_aside(rig: Rig, job: Job) -> None:
    leased = [job, *rig.lease(1, 3)]
    for failing in leased[:3]:
        assert _state(rig, 1) == WorkerState.ACTIVE
        rig.fail(failing)
    assert _state(rig, 1) == WorkerState.SET_ASIDE
    with pytest.raises(Conflict, match="is set aside after 3 trials in a row failed on it"):
        rig.lease(1)
    with pytest.raises(Conflict, match="start a new worker"):
        rig.do(lambda session: rig.tuner.heartbeat(session, HeartbeatRequest(worker=1)))
    rig.report(leased[3], 0)  # what it still holds it may bring to its end
    rig.complete(leased[3])
    with pytest.raises(Conflict, match="is set aside"):
        rig.lease(1)
    assert [again.attempt for again in rig.lease(2, 3)] == [2, 2, 2]


def test_the_same_trials_failing_again_set_nobody_aside(rig: Rig, job: Job) -> None:
    (other,) = rig.lease(1)
    for _ in range(2):
        rig.fail(job)
        rig.fail(other)
        job, other = rig.lease(1, 2)
    assert _state(rig, 1) == WorkerState.ACTIVE


def test_a_success_between_forgives(rig: Rig, job: Job) -> None:
    first, second, third = job, *rig.lease(1, 2)
    rig.fail(first)
    rig.fail(second)
    rig.complete(third)
    rig.fail(*rig.lease(1))
    rig.fail(*rig.lease(1))
    assert _state(rig, 1) == WorkerState.ACTIVE


def test_what_is_no_fault_of_the_machine_counts_for_nothing(rig: Rig, job: Job) -> None:
    for reason in (FailureReason.INVALID, FailureReason.OUT_OF_MEMORY, FailureReason.INVALID):
        rig.fail(job, reason)
        (job,) = rig.lease(1)
    rig.fail(job, FailureReason.RELEASED)
    assert _state(rig, 1) == WorkerState.ACTIVE


def test_a_silent_worker_is_called_lost_until_it_speaks(rig: Rig, job: Job) -> None:
    rig.do(lambda s: s.execute(update(WorkerRow).values(seen_at=now(s) - 59)))
    rig.expire()
    assert _state(rig, 1) == WorkerState.ACTIVE
    rig.do(lambda s: s.execute(update(WorkerRow).values(seen_at=now(s) - 61)))
    rig.expire()
    assert _state(rig, 1) == WorkerState.LOST
    WRITES["heartbeat"](rig, job)
    assert _state(rig, 1) == WorkerState.ACTIVE
    with rig.database.read() as session:
        lost = session.scalar(select(func.count()).where(EventRow.kind == "worker_lost"))
        assert lost == 2  # each of the two once


def test_an_identity_is_never_given_twice(rig: Rig) -> None:
    assert len({rig.join("same name") for _ in range(5)}) == 5
    with pytest.raises(NotFound, match="a worker must join before it works"):
        rig.lease(99)
    with rig.database.read() as session:
        assert [worker.id for worker in workers.page(session, 30)] == [5, 4, 3, 2, 1]


# Which study is served


def test_studies_are_served_by_priority_then_age(rig: Rig) -> None:
    worker = rig.join()
    low = rig.submit(search={"trials": 1})
    high = rig.submit(search={"trials": 1}, priority=5)
    also_high = rig.submit(search={"trials": 2}, priority=5)
    assert [job.study_id for job in rig.lease(worker, 3)] == [high, also_high, also_high]
    assert [job.study_id for job in rig.lease(worker, 3)] == [low]
    assert rig.lease(worker, 3) == []


def test_a_lease_never_turns_back_to_a_study_that_got_work_meanwhile(rig: Rig) -> None:
    low, high = rig.submit(), rig.submit(priority=5)
    with rig.database.write() as session:
        first = studies.next_with_work(session, None, STUDY_RULES, PAUSED_KINDS)
        assert first is not None
        second = studies.next_with_work(session, first, STUDY_RULES, PAUSED_KINDS)
        assert second is not None
        assert (first.id, second.id) == (high, low)
        assert studies.next_with_work(session, second, STUDY_RULES, PAUSED_KINDS) is None


def test_given_back_trials_come_before_new_ones(rig: Rig, job: Job) -> None:
    rig.fail(job, FailureReason.RELEASED)
    assert [(j.trial, j.attempt) for j in rig.lease(2, 2)] == [(0, 2), (1, 1)]


def test_params_that_do_not_go_together_fail_their_trial_alone(rig: Rig) -> None:
    worker = rig.join()
    model = {"kind": "cnn", "layers": {"int_uniform": [1, 3]}, "filters": [8, 16]}
    study = rig.submit(task={"dataset": "digits", "model": model})
    other = rig.submit()
    leased = rig.lease(worker, 12)
    assert [job.study_id for job in leased] == [study] * 6 + [other] * 6


def test_a_study_started_once_says_when(rig: Rig, job: Job) -> None:
    with rig.database.read() as session:
        row = session.get_one(StudyRow, job.study_id)
        assert row.started_at is not None
        assert row.started_at >= row.created_at
