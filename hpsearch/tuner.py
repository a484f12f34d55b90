"""Where store, search and ensembling meet: submit, lease, report, complete, fail, expire.

The way of a trial: `lease` samples it when a worker asks; `report` stores its epochs;
`complete` or `fail` ends it; `expire` gives it to another worker when the first falls silent.
Each function works inside the caller's transaction. Whatever adds or ends trials locks the study
first, its jobs after and the worker last, always in this order, so that no two of them can wait
for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.search import sampler_for
from hpsearch.search.stopping import limit_reached
from hpsearch.spec.dataset import BUILT_IN, complete
from hpsearch.spec.distributions import Value
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.external_study import complete_external
from hpsearch.spec.messages import shown
from hpsearch.spec.plugin import PluginTask
from hpsearch.spec.plugin_study import complete_plugin
from hpsearch.spec.records import (
    Checkpoint,
    Completion,
    Decisions,
    Failure,
    Heartbeat,
    Job,
    JobDecision,
    JobList,
    JobStatus,
    LeaseRequest,
    ReportBatch,
    Resume,
    Study,
    StudyPreview,
)
from hpsearch.spec.space import search_space
from hpsearch.spec.states import (
    Decision,
    EventKind,
    FailureReason,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
    is_final,
)
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.spec.upload import DatasetFile
from hpsearch.store import checkpoints, datasets, events, jobs, reports, studies, trials, workers
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import on_commit
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.reports import Epoch
from hpsearch.store.studies import OpenStudy

WORKER_LOST_AFTER_LEASES = 2
"""A worker is called lost when it was silent for so many lease times."""


@dataclass(frozen=True)
class Tuner:
    """The rules of the service; `lease_seconds` and `max_attempts` as in the settings."""

    artifacts: ArtifactStore
    lease_seconds: float
    max_attempts: int

    # Studies

    def check(self, session: Session, spec: StudySpec) -> StudySpec:
        """The spec with every default filled in; its data set stays until the transaction ends.

        Raises:
            InvalidInput: when data, metric, loss or model do not go together.
        """
        if isinstance(spec.task, PluginTask):
            return complete_plugin(spec)
        if isinstance(spec.task, ExternalTask):
            return complete_external(spec)
        name = spec.supervised.dataset
        info = BUILT_IN.get(name) or datasets.find(session, name, hold=True)
        if info is None:
            raise InvalidInput.at(
                "task.dataset",
                f"must name a data set, and none is called {shown(name)}; "
                f"use one of {', '.join([*BUILT_IN, *datasets.names(session)])}",
            )
        return complete(spec, info)

    def submit(self, session: Session, spec: StudySpec) -> Study:
        """Queues a study."""
        spec = self.check(session, spec)
        study_id = studies.create(session, spec)
        events.add(
            session,
            study_id,
            EventKind.STUDY_CREATED,
            f"{spec.search.trials} trials by {spec.search.kind} search over "
            f"{len(search_space(spec).parameters)} parameters",
        )
        return studies.get(session, study_id)

    def preview(self, session: Session, spec: StudySpec) -> StudyPreview:
        """What a study would cost."""
        spec = self.check(session, spec)
        epochs = studies.typical_epochs(spec)
        return StudyPreview(
            spec=spec.model_dump(mode="json"),
            parameters=[
                {
                    "name": parameter.name,
                    "distribution": parameter.distribution.model_dump(
                        mode="json", exclude_none=True
                    ),
                    "branch": parameter.branch,
                }
                for parameter in search_space(spec).parameters
            ],
            stages=[{"trials": spec.search.trials, "epochs": epochs}],
            epochs_planned=spec.search.trials * epochs,
        )

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
        studies.lock(session, study_id)
        studies.change_state(session, study_id, StudyState.STOPPED, "stopped on request")
        self._end_open_trials(session, study_id, "the study was stopped")
        return studies.get(session, study_id)

    def delete(self, session: Session, study_id: int) -> None:
        """Removes a study that is over, with its artifacts."""
        study = studies.lock(session, study_id)
        if not is_final(study.state):
            raise Conflict(
                f"a study must be over to be deleted, and study {study_id} is {study.state}; "
                "stop it first"
            )
        self._discard(session, checkpoints.artifacts_of_study(session, study_id))
        studies.delete(session, study_id)

    # Jobs

    def lease(self, session: Session, request: LeaseRequest) -> JobList:
        """Up to `capacity` trials for a worker: given-back ones first, then new ones."""
        workers.check(session, request.worker)
        answer: list[Job] = []
        study: OpenStudy | None = None
        while len(answer) < request.capacity:
            study = studies.next_with_work(session, after=study)
            if study is None:
                break
            count = request.capacity - len(answer)
            taken = [job.id for job in jobs.take_queued(session, study.id, count)]
            taken += self.sample(session, study, count - len(taken))
            leased = jobs.lease(session, taken, request.worker, self.lease_seconds)
            answer += self.start(session, study, leased)
        workers.seen(session, request.worker)
        return JobList(jobs=answer)

    def sample(self, session: Session, study: OpenStudy, count: int) -> list[int]:
        """New trials of a study, as queued jobs."""
        numbers = range(
            study.trials_created, min(study.trials_created + count, study.spec.search.trials)
        )
        if not numbers:
            return []
        proposals = sampler_for(study.spec).suggest(numbers)
        new = [
            trials.NewTrial(
                number=number,
                params=proposal.params,
                stage=proposal.stage,
                epochs=proposal.epochs or _epochs(study.spec, proposal.params),
            )
            for number, proposal in zip(numbers, proposals, strict=True)
        ]
        studies.add_trials_created(session, study.id, len(new))
        trial_ids = trials.create(session, study.id, new)
        return jobs.add(session, study.id, trial_ids, study.priority)

    def start(self, session: Session, study: OpenStudy, leased: Sequence[QueuedJob]) -> list[Job]:
        """Marks leased trials as running and says what each needs."""
        if leased and study.state is StudyState.QUEUED:
            studies.change_state(
                session, study.id, StudyState.RUNNING, "its first trial was handed out"
            )
        started = trials.start(session, [job.its_trial for job in leased])
        document = study.spec.model_dump(mode="json")
        dataset = self._dataset(session, study.spec) if leased else None
        return [
            Job(
                id=job.id,
                kind=job.kind,
                attempt=job.attempt,
                study_id=study.id,
                trial=trial.number,
                epochs=trial.epochs,
                params=dict(trial.params),
                spec=document,
                resume=self._resume_point(session, job, study.spec),
                dataset=dataset,
            )
            for job, trial in zip(leased, started, strict=True)
        ]

    @staticmethod
    def _dataset(session: Session, spec: StudySpec) -> DatasetFile | None:
        """What workers need to fetch an uploaded data set."""
        if not isinstance(spec.task, SupervisedTask) or spec.task.dataset in BUILT_IN:
            return None
        known = datasets.find(session, spec.task.dataset)
        return None if known is None else DatasetFile.model_validate(known.model_dump())

    def _resume_point(self, session: Session, job: QueuedJob, spec: StudySpec) -> Resume | None:
        if job.attempt == 1:
            return None
        kept = checkpoints.of_trial(session, job.its_trial)
        last = next((checkpoint for checkpoint in kept if checkpoint.last), None)
        if last is None:
            return None
        best_epoch, best_value = reports.best_until(
            session, job.its_trial, last.epoch, objective_of(spec)
        )
        return Resume(
            checkpoint=last.id,
            epoch=last.epoch,
            best_epoch=best_epoch,
            best_value=best_value,
            best_checkpoint=next((c.id for c in kept if c.epoch == best_epoch), None),
        )

    def heartbeat(self, session: Session, beat: Heartbeat) -> None:
        """Renews a worker's leases."""
        workers.check(session, beat.worker)
        jobs.hold(session, [(token.job, token.attempt) for token in beat.jobs], self.lease_seconds)
        workers.seen(session, beat.worker)

    def report(self, session: Session, batch: ReportBatch) -> Decisions:
        """Stores a batch of epochs; renews the leases on the way."""
        by_job: dict[int, list[Epoch]] = {}
        for report in batch.reports:
            by_job.setdefault(report.job, []).append(Epoch(report.epoch, report.metrics))
        tokens = sorted({(report.job, report.attempt) for report in batch.reports})
        held = jobs.hold(session, tokens, self.lease_seconds)
        objectives: dict[int, Objective] = {}
        decisions = []
        for job_id, epochs in sorted(by_job.items()):
            job = held[job_id]
            if job.study_id not in objectives:
                objectives[job.study_id] = objective_of(studies.spec_of(session, job.study_id))
            reports.append(session, job.its_trial, epochs, objectives[job.study_id])
            decisions.append(JobDecision(job=job_id, decision=Decision.CONTINUE))
        return Decisions(decisions=decisions)

    def complete(self, session: Session, job_id: int, completion: Completion) -> JobStatus:
        """A trial's end, as its worker saw it."""
        if completion.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            raise InvalidInput.at(
                "state", f"must be complete or pruned, got {completion.state}; use :fail"
            )
        study, job = self._hold(session, job_id, completion.attempt)
        jobs.finish(session, job_id, JobState.DONE)
        trials.end(
            session,
            job.its_trial,
            completion.state,
            completion.reason,
            completion.message,
            completion.test_metrics,
        )
        self.settle(session, study)
        workers.succeeded(session, job.worker_id)
        return jobs.status(session, job_id)

    def fail(self, session: Session, job_id: int, failure: Failure) -> JobStatus:
        """A job given back undone."""
        study, job = self._hold(session, job_id, failure.attempt)
        if failure.reason is FailureReason.RELEASED:
            self._requeue(session, job, lost=False)
        elif failure.reason is FailureReason.STORAGE_FULL:
            self._requeue(session, job, lost=False)
            if study.state in studies.OPEN:
                studies.change_state(session, study.id, StudyState.PAUSED, failure.message)
        elif failure.reason is FailureReason.ERROR:
            self._lose(session, job, TrialReason.ERROR, failure.message)
        else:
            reason = (
                TrialReason.OUT_OF_MEMORY
                if failure.reason is FailureReason.OUT_OF_MEMORY
                else TrialReason.ERROR
            )
            self._fail_trial(session, job, reason, failure.message)
        self.settle(session, study)
        if failure.reason is FailureReason.ERROR:
            workers.failed(session, job.worker_id, job.its_trial, failure.message)
        return jobs.status(session, job_id)

    def expire(self, session: Session) -> None:
        """Takes back every lease that ran out, by the database's clock."""
        for study_id in jobs.expired_studies(session):
            study = studies.lock(session, study_id)
            for job in jobs.take_expired(session, study_id):
                message = (
                    f"worker {job.worker_id} let the lease (job {job.id}, attempt {job.attempt}) "
                    "run out"
                )
                events.add(
                    session, study_id, EventKind.LEASE_EXPIRED, message, job=job.id,
                    attempt=job.attempt,
                )  # fmt: skip
                self._lose(session, job, TrialReason.LOST, message)
            self.settle(session, study)
        workers.lose_silent(session, WORKER_LOST_AFTER_LEASES * self.lease_seconds)

    def enforce_limits(self, session: Session) -> None:
        """Stops studies that have used up their time."""
        for study_id in studies.open_ids(session):
            self.settle(session, studies.lock(session, study_id))

    # Checkpoints

    def check_checkpoint(self, session: Session, job_id: int, attempt: int, epoch: int) -> str:
        """Whether a checkpoint may come; returns the start of its artifact key.

        Raises:
            StaleLease: when the lease is no longer in force.
            ReportGap: when the epoch has not been reported yet.
        """
        job = jobs.hold(session, [(job_id, attempt)], self.lease_seconds)[job_id]
        trials.check_reported(session, job.its_trial, epoch)
        return f"studies/{job.study_id}/trials/{job.its_trial}/epoch-{epoch:06d}-attempt-{attempt}"

    def keep_checkpoint(
        self,
        session: Session,
        token: tuple[int, int],
        epoch: int,
        artifact: StoredArtifact,
        *,
        best: bool,
        last: bool,
    ) -> Checkpoint:
        """Makes a whole artifact visible as a trial's checkpoint."""
        job = jobs.hold(session, [token], self.lease_seconds)[token[0]]
        kept, unneeded = checkpoints.put(
            session, job.its_trial, epoch, artifact, best=best, last=last
        )
        self._discard(session, unneeded)
        return kept

    def drop_unkept(self, session: Session, artifact: StoredArtifact) -> None:
        """Removes an artifact whose lease was lost on the way, unless a repeat made it visible."""
        if not checkpoints.is_kept(session, artifact):
            self._discard(session, [artifact.key])

    # Ends

    def _hold(self, session: Session, job_id: int, attempt: int) -> tuple[OpenStudy, QueuedJob]:
        study = studies.lock(session, jobs.study_of(session, job_id))
        return study, jobs.hold(session, [(job_id, attempt)], self.lease_seconds)[job_id]

    def _lose(self, session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
        """An attempt is lost: on to the next, unless it was the last."""
        if job.losses + 1 < self.max_attempts:
            self._requeue(session, job, lost=True)
            return
        self._fail_trial(session, job, reason, f"attempt {job.attempt}: {message}")

    def _requeue(self, session: Session, job: QueuedJob, *, lost: bool) -> None:
        again = jobs.requeue(session, job.id, lost=lost)
        trials.requeue(session, job.its_trial, again.attempt)

    def _fail_trial(
        self, session: Session, job: QueuedJob, reason: TrialReason, message: str
    ) -> None:
        jobs.finish(session, job.id, JobState.FAILED)
        number = trials.end(session, job.its_trial, TrialState.FAILED, reason, message)
        events.add(
            session,
            job.study_id,
            EventKind.TRIAL_FAILED,
            f"trial {number} failed ({reason}): {message}",
            trial=number,
            reason=reason,
        )

    def _end_open_trials(self, session: Session, study_id: int, message: str) -> None:
        for job in jobs.take_unfinished(session, study_id):
            jobs.finish(session, job.id, JobState.FAILED)
            trials.end(session, job.its_trial, TrialState.FAILED, TrialReason.STOPPED, message)

    def settle(self, session: Session, study: OpenStudy) -> None:
        """Ends a study whose trials are all over, or which has reached a limit."""
        state = studies.get_state(session, study.id)
        if is_final(state):
            return
        progress = trials.progress(session, study.id, study.spec, study.started_at)
        limit = limit_reached(study.spec.limits, progress, study.spec.search.trials)
        if limit is not None:
            end, message = limit
            events.add(session, study.id, EventKind.LIMIT_REACHED, message)
            if state is StudyState.QUEUED:
                end = StudyState.STOPPED
            studies.change_state(session, study.id, end, message)
            self._end_open_trials(session, study.id, message)
        elif progress.ended == study.spec.search.trials and state in (
            StudyState.RUNNING,
            StudyState.PAUSED,
        ):
            studies.change_state(session, study.id, StudyState.COMPLETE, "every trial has ended")

    def _discard(self, session: Session, keys: Sequence[str]) -> None:
        def remove() -> None:
            for key in keys:
                self.artifacts.delete(key)

        on_commit(session, remove)


def objective_of(spec: StudySpec) -> Objective:
    """A stored study's objective; `check` has filled it in."""
    if spec.objective is None:
        raise InvalidInput.at("objective", "is required in a stored study; submit it anew")
    return spec.objective


def _epochs(spec: StudySpec, params: Mapping[str, Value]) -> int:
    """A trial's length; whether its params go together is found out where it trains."""
    return int(params.get("training.epochs", spec.training.epochs))
