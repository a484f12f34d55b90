"""Jobs that train a trial."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.service import cut_short, datasets, resume
from hpsearch.service.job_rules import StudyJobRules
from hpsearch.spec.language.states import (
    EventKind,
    StudyState,
    TrialReason,
    TrialState,
)
from hpsearch.spec.wire.jobs import Job
from hpsearch.store import events, studies, trials, versions
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy
from hpsearch.store.trials import StartedTrial


class TrialJobs(StudyJobRules):
    """A pause holds them back."""

    while_paused = False

    def start(self, session: Session, study: LockedStudy, leased: Sequence[QueuedJob]) -> list[Job]:
        """Marks the trials as running; each job carries the spec version of its own trial."""
        if not leased:
            return []
        started = mark_started(session, study, leased)
        documents = {study.version: study.document}
        if older := {trial.version for trial in started} - documents.keys():
            documents |= versions.documents(session, study.id, older)
        dataset = datasets.uploaded_file(session, study.spec)
        return [
            Job(
                id=job.id,
                attempt=job.attempt,
                study_id=study.id,
                trial=trial.number,
                epochs=trial.epochs,
                repeats=trial.repeats or study.spec.search.repeats_in(trial.stage),
                params=dict(trial.params),
                spec=documents[trial.version],
                resume=resume.resume_point(session, job, study, trial.continues),
                dataset=dataset,
            )
            for job, trial in zip(leased, started, strict=True)
        ]

    def requeue(self, session: Session, job: QueuedJob) -> None:
        """The trial is queued again, under the job's new attempt."""
        trials.requeue(session, job.required_trial_id, job.attempt)

    def fail(self, session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
        """The trial has failed; the study's log says why."""
        number = trials.finish(session, job.required_trial_id, TrialState.FAILED, reason, message)
        events.add(
            session,
            job.study_id,
            EventKind.TRIAL_FAILED,
            f"trial {number} failed ({reason}): {message}",
            trial=number,
            reason=reason,
        )

    def stop(self, session: Session, study_id: int, message: str) -> None:
        """Every queued and running trial ends where it is, with the reason `stopped`."""
        cut_short.end_trials(session, study_id, TrialReason.STOPPED, message)


def mark_started(
    session: Session, study: LockedStudy, leased: Sequence[QueuedJob]
) -> list[StartedTrial]:
    """Marks the trials of leased jobs, and with the first one their study, as running."""
    if not leased:
        return []
    if study.state is StudyState.QUEUED:
        studies.change_state(
            session, study.id, StudyState.RUNNING, "its first trial was handed out"
        )
    return trials.start(session, [job.required_trial_id for job in leased])
