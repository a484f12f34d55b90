"""Jobs that build an ensemble from stored checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.service import datasets
from hpsearch.service.job_rules import StudyJobRules
from hpsearch.spec.language.states import EventKind, JobKind, JobState, TrialReason, TrialState
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.spec.wire.jobs import EnsembleJob
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store import checkpoints, ensembles, events, jobs
from hpsearch.store.checkpoints import TrialCheckpoint
from hpsearch.store.ensembles import StoredEnsemble
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


class EnsembleJobs(StudyJobRules):
    """A study hands them out while it is paused and after it is over, too."""

    reads_checkpoints = True

    def start(
        self, session: Session, study: LockedStudy, leased: Sequence[QueuedJob]
    ) -> list[EnsembleJob]:
        """Marks the ensembles as running; each job lists the checkpoints to choose from."""
        for job in leased:
            ensembles.start(session, job.required_ensemble_id)
        return [
            EnsembleJob(
                id=job.id,
                attempt=job.attempt,
                study_id=study.id,
                ensemble=ensemble.id,
                request=ensemble.request,
                spec=study.document,
                candidates=_candidates(session, study, ensemble),
                dataset=datasets.uploaded_file(session, study.spec),
            )
            for job in leased
            for ensemble in [ensembles.get_stored(session, job.required_ensemble_id)]
        ]

    def requeue(self, session: Session, job: QueuedJob) -> None:
        """The ensemble is queued again, and its progress is reset."""
        ensembles.requeue(session, job.required_ensemble_id)

    def fail(
        self,
        session: Session,
        job: QueuedJob,
        reason: TrialReason,  # noqa: ARG002 (an ensemble has no reason beside the message)
        message: str,
    ) -> None:
        """The ensemble has failed; the study's log says why."""
        _fail(session, job.study_id, job.required_ensemble_id, message)

    def stop(self, session: Session, study_id: int, message: str) -> None:
        """Every ensemble that is not over fails, those that wait for trials too."""
        for job in jobs.lock_unfinished(session, study_id):
            if job.kind is JobKind.ENSEMBLE:
                jobs.finish(session, job.id, JobState.FAILED)
        for ensemble in ensembles.open_of_study(session, study_id):
            _fail(session, study_id, ensemble.id, message)


def _candidates(session: Session, study: LockedStudy, ensemble: StoredEnsemble) -> list[Candidate]:
    """Checkpoints of trials that came to a value and did not diverge.

    An ensemble that reads the predictions of all of them is offered those alone that the checkpoint
    policy retains: the others have no stored predictions.
    """
    allowed = set(ensemble.trials)
    keep = study.spec.checkpoints.keep
    reads_all = ensemble.request.reads_all_predictions

    def is_retained(checkpoint: Checkpoint) -> bool:
        return bool(
            checkpoint.best
            or checkpoint.reasons
            or checkpoint.pinned
            or (checkpoint.last and "last" in keep)
        )

    return [
        _candidate(stored)
        for stored in checkpoints.of_study(session, study.id)
        if _has_value(stored)
        and (not allowed or stored.checkpoint.trial in allowed)
        and (not reads_all or is_retained(stored.checkpoint))
    ]


def _candidate(stored: TrialCheckpoint) -> Candidate:
    checkpoint = stored.checkpoint
    return Candidate(
        checkpoint=checkpoint.id,
        trial=checkpoint.trial,
        epoch=checkpoint.epoch,
        value=stored.value,
        complete=stored.state is TrialState.COMPLETE,
        best=checkpoint.best,
        last=checkpoint.last,
        reasons=checkpoint.reasons,
        sha256=checkpoint.sha256,
        predictions_sha256=checkpoint.predictions_sha256,
    )


def _has_value(stored: TrialCheckpoint) -> bool:
    return (
        stored.value is not None
        and stored.state in (TrialState.COMPLETE, TrialState.PRUNED)
        and stored.reason is not TrialReason.DIVERGED
    )


def _fail(session: Session, study_id: int, ensemble_id: int, message: str) -> None:
    ensembles.fail(session, ensemble_id, message)
    events.add(
        session,
        study_id,
        EventKind.ENSEMBLE_FAILED,
        f"ensemble {ensemble_id} failed: {message}",
        ensemble=ensemble_id,
    )
