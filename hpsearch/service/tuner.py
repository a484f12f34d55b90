"""Where store, search and ensembling meet: submit, lease, report, complete, fail, expire.

The way of a trial: `lease` samples it when a worker asks; `report` stores its epochs;
`complete` or `fail` ends it; `expire` gives it to another worker when the first falls silent.
Each function works inside the caller's transaction. Whatever adds or ends trials locks the study
first, its jobs after and the worker last, always in this order, so that no two of them can wait
for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.search.pruners import GO_ON
from hpsearch.service import (
    checkpoint_uploads,
    failures,
    leasing,
    pruning,
    retention,
    submission,
)
from hpsearch.service import (
    completion as settling,
)
from hpsearch.service.pruning import Tables
from hpsearch.service.suggestion import Memory
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.states import (
    Decision,
    EventKind,
    FailureReason,
    JobKind,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
    is_final,
)
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.jobs import (
    Completion,
    CompletionBatch,
    Decisions,
    Failure,
    HeartbeatRequest,
    JobDecision,
    JobList,
    JobStatus,
    JobStatusList,
    LeaseRequest,
    ReportBatch,
)
from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint, Study, Trial
from hpsearch.store import (
    checkpoints,
    ensembles,
    events,
    jobs,
    reports,
    studies,
    trials,
    workers,
)
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import on_commit
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.reports import Epoch
from hpsearch.store.studies import LockedStudy

WORKER_LOST_AFTER_LEASES = 2
"""A worker is called lost when it was silent for so many lease times."""


@dataclass(frozen=True)
class Tuner:
    """The rules of the service; `lease_seconds` and `max_attempts` as in the settings."""

    artifacts: ArtifactStore
    lease_seconds: float
    max_attempts: int
    memory: Memory = field(default_factory=Memory)
    tables: Tables = field(default_factory=Tables)

    # Studies

    def submit(self, session: Session, spec: StudySpec) -> Study:
        """Queues a study."""
        return studies.get(session, submission.submit(session, spec))

    def edit(self, session: Session, study_id: int, patch: Mapping[str, Any]) -> Study:
        """Changes the space or the budget of a study that is not over."""
        submission.edit(session, study_id, patch)
        self.settle(session, studies.lock(session, study_id))
        return studies.get(session, study_id)

    def add_trials(
        self, session: Session, study_id: int, configurations: Sequence[Mapping[str, Value]]
    ) -> list[Trial]:
        """Queues trials with given parameters, beside those that are planned."""
        numbers = submission.add_trials(session, study_id, configurations)
        return [trials.get(session, study_id, number) for number in numbers]

    def pause(self, session: Session, study_id: int) -> Study:
        """Hands out no more trials; those that run go on to their end."""
        studies.lock(session, study_id)
        studies.change_state(session, study_id, StudyState.PAUSED, "paused on request")
        return studies.get(session, study_id)

    def resume(self, session: Session, study_id: int) -> Study:
        """Goes on with a paused study."""
        study = studies.lock(session, study_id)
        if study.state is not StudyState.PAUSED:
            raise Conflict(
                f"a study must be paused to be resumed, and study {study_id} is {study.state}; "
                "clone it to run it again"
                if is_final(study.state)
                else f"a study must be paused to be resumed, and study {study_id} is "
                f"{study.state}; leave it to run"
            )
        state = StudyState.QUEUED if study.started_at is None else StudyState.RUNNING
        studies.change_state(session, study_id, state, "resumed on request")
        return studies.get(session, study_id)

    def stop(self, session: Session, study_id: int) -> Study:
        """Ends a study now: what its trials reported so far is kept."""
        study = studies.lock(session, study_id)
        studies.change_state(session, study_id, StudyState.STOPPED, "stopped on request")
        failures.stop_open_trials(session, study_id, "the study was stopped")
        failures.stop_ensembles(session, study_id, "the study was stopped")
        self.discard(session, retention.after_all(session, study))
        return studies.get(session, study_id)

    def delete(self, session: Session, study_id: int) -> None:
        """Removes a study that is over, with its artifacts."""
        study = studies.lock(session, study_id)
        if not is_final(study.state):
            raise Conflict(
                f"a study must be over to be deleted, and study {study_id} is {study.state}; "
                "stop it first"
            )
        self.discard(session, checkpoints.artifact_keys_of_study(session, study_id))
        self.discard(session, ensembles.artifact_keys_of_study(session, study_id))
        studies.delete(session, study_id)

    # Jobs

    def lease(self, session: Session, request: LeaseRequest) -> JobList:
        """Up to `capacity` jobs for a worker."""
        workers.check_active(session, request.worker)
        answer = leasing.lease(session, self.memory, request, self.lease_seconds)
        workers.mark_seen(session, request.worker)
        return JobList(jobs=answer)

    def heartbeat(self, session: Session, beat: HeartbeatRequest) -> None:
        """Renews a worker's leases."""
        workers.check_active(session, beat.worker)
        jobs.renew(session, [(token.job, token.attempt) for token in beat.jobs], self.lease_seconds)
        workers.mark_seen(session, beat.worker)

    def report(self, session: Session, batch: ReportBatch) -> Decisions:
        """Stores a batch of epochs; renews the leases on the way."""
        by_job: dict[int, list[Epoch]] = {}
        for report in batch.reports:
            by_job.setdefault(report.job, []).append(Epoch(report.epoch, report.metrics))
        tokens = sorted({(report.job, report.attempt) for report in batch.reports})
        judges = pruning.judges_of_jobs(session, self.tables, by_job)
        held = jobs.renew(session, tokens, self.lease_seconds)
        objectives: dict[int, tuple[Objective, ...]] = {}
        decisions = []
        for job_id, epochs in sorted(by_job.items()):
            job = held[job_id]
            if job.study_id not in objectives:
                objectives[job.study_id] = studies.spec_of(session, job.study_id).objectives
            reports.append(session, job.required_trial_id, epochs, objectives[job.study_id])
            judge = judges.get(job.study_id)
            verdict = GO_ON if judge is None else judge.judge(job.required_trial_id, epochs)
            decisions.append(
                JobDecision(
                    job=job_id,
                    decision=Decision.STOP if verdict.stop else Decision.CONTINUE,
                    why=verdict.why,
                )
            )
        return Decisions(decisions=decisions, predictions_wait=jobs.has_queued_predictions(session))

    def complete(self, session: Session, job_id: int, completion: Completion) -> JobStatus:
        """A trial's end, as its worker saw it."""
        return self._complete(session, {job_id: completion})[0]

    def complete_all(self, session: Session, batch: CompletionBatch) -> JobStatusList:
        """The ends of several trials of one study: all are stored, or none."""
        ends: dict[int, Completion] = {end.job: end for end in batch.completions}
        return JobStatusList(jobs=self._complete(session, ends))

    def _complete(self, session: Session, ends: Mapping[int, Completion]) -> list[JobStatus]:
        for end in ends.values():
            if end.state not in (TrialState.COMPLETE, TrialState.PRUNED):
                raise InvalidInput.at(
                    "state", f"must be complete or pruned, got {end.state}; use :fail"
                )
        study = studies.lock(session, jobs.study_of(session, min(ends)))
        tokens = sorted((job, end.attempt) for job, end in ends.items())
        held = jobs.renew(session, tokens, self.lease_seconds)
        if any(job.study_id != study.id for job in held.values()):
            raise InvalidInput.at(
                "completions", "must be of one study's trials; send a request for each study"
            )
        for job_id, end in ends.items():
            job = held[job_id]
            jobs.finish(session, job_id, JobState.DONE)
            trials.finish(
                session, job.required_trial_id, end.state, end.reason, end.message, end.test_metrics
            )
            if end.training is not None:
                trained = {"training": end.training.model_dump()}
                trials.set_attributes(session, job.required_trial_id, trained)
        self.settle(session, study, list(held.values()))
        for worker_id in {job.worker_id for job in held.values()}:
            workers.record_success(session, worker_id)
        return [jobs.status(session, job_id) for job_id in ends]

    def fail(self, session: Session, job_id: int, failure: Failure) -> JobStatus:
        """A job given back undone."""
        study, job = self.hold(session, job_id, failure.attempt)
        if failure.reason is FailureReason.RELEASED:
            failures.requeue(session, job, lost=False)
        elif (
            failure.reason is FailureReason.STORAGE_FULL
            and job.kind is JobKind.TRIAL
            and not is_final(study.state)
        ):
            failures.requeue(session, job, lost=False)
            if study.state in studies.OPEN:
                studies.change_state(session, study.id, StudyState.PAUSED, failure.message)
        elif failure.reason in (FailureReason.ERROR, FailureReason.STORAGE_FULL):
            # A pause would not hold this job back: without a count it would come again for ever.
            self._lose(session, job, TrialReason.ERROR, failure.message)
        else:
            reason = (
                TrialReason.OUT_OF_MEMORY
                if failure.reason is FailureReason.OUT_OF_MEMORY
                else TrialReason.ERROR
            )
            failures.fail(session, job, reason, failure.message)
        self.settle(session, study, [job])
        if failure.reason is FailureReason.ERROR and job.kind is JobKind.TRIAL:
            workers.record_failure(session, job.worker_id, job.required_trial_id, failure.message)
        return jobs.status(session, job_id)

    def expire(self, session: Session, study_id: int) -> None:
        """Takes back every lease of a study that ran out, by the database's clock."""
        study = studies.lock(session, study_id)
        expired = jobs.lock_expired(session, study_id)
        for job in expired:
            message = (
                f"worker {job.worker_id} let the lease (job {job.id}, attempt {job.attempt}) "
                "run out"
            )
            events.add(
                session, study_id, EventKind.LEASE_EXPIRED, message, job=job.id,
                attempt=job.attempt,
            )  # fmt: skip
            self._lose(session, job, TrialReason.LOST, message)
        self.settle(session, study, expired)

    def enforce_limits(self, session: Session, study_id: int) -> None:
        """Stops a study that has used up its time."""
        self.settle(session, studies.lock(session, study_id))

    def lose_silent(self, session: Session) -> None:
        """Calls workers lost that have not been heard of."""
        workers.mark_silent_lost(session, WORKER_LOST_AFTER_LEASES * self.lease_seconds)

    # Checkpoints

    def check_checkpoints(self, session: Session, sent: Sequence[CheckpointPart]) -> list[str]:
        """Whether checkpoints may come; returns the start of each one's artifact key."""
        return checkpoint_uploads.check(session, sent, self.lease_seconds)

    def keep_checkpoints(
        self, session: Session, sent: Sequence[tuple[CheckpointPart, StoredArtifact]]
    ) -> list[Checkpoint]:
        """Makes whole artifacts visible as trials' checkpoints: all, or none."""
        found, unneeded = checkpoint_uploads.keep(session, sent, self.lease_seconds)
        self.discard(session, unneeded)
        return found

    def drop_unkept(self, session: Session, artifact: StoredArtifact) -> None:
        """Removes an artifact whose lease was lost on the way, unless a repeat made it visible."""
        kept = checkpoints.is_referenced(session, artifact) or ensembles.is_referenced(
            session, artifact
        )
        if not kept:
            self.discard(session, [artifact.key])

    # Ends

    def hold(self, session: Session, job_id: int, attempt: int) -> tuple[LockedStudy, QueuedJob]:
        """Locks a leased job, and its study before it."""
        study = studies.lock(session, jobs.study_of(session, job_id))
        return study, jobs.renew(session, [(job_id, attempt)], self.lease_seconds)[job_id]

    def _lose(self, session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
        """An attempt is lost: on to the next, unless it was the last."""
        if job.losses + 1 < self.max_attempts:
            failures.requeue(session, job, lost=True)
        else:
            failures.fail(session, job, reason, f"attempt {job.attempt}: {message}")

    def settle(self, session: Session, study: LockedStudy, ended: Sequence[QueuedJob] = ()) -> None:
        """What the end of these jobs brings about, and an end of the artifacts that it leaves."""
        self.discard(session, settling.settle(session, study, ended))

    def discard(self, session: Session, keys: Sequence[str]) -> None:
        """Removes artifacts once the transaction is through."""

        def remove() -> None:
            for key in keys:
                self.artifacts.delete(key)

        on_commit(session, remove)
