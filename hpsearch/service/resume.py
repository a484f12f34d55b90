"""What a trial resumes from: its own last checkpoint, or that of a trial which it continues."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.spec.wire.jobs import ResumePoint
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store import checkpoints, reports, trials
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


def inherit(session: Session, study_id: int, trial_id: int, number: int) -> None:
    """Copies the epochs of trial `number`, up to its last checkpoint, to a new trial.

    A trial whose source has no checkpoint starts from epoch 0.
    """
    source = trials.id_of(session, study_id, number)
    last = _last(checkpoints.of_trial(session, source))
    if last is None:
        trials.start_from_scratch(session, trial_id)
    else:
        reports.inherit(session, trial_id, source, last.epoch + 1)


def resume_point(
    session: Session, job: QueuedJob, study: LockedStudy, continues: int | None
) -> ResumePoint | None:
    """The checkpoint that a worker loads before it trains a job's trial; none for epoch 0.

    Args:
        session: the transaction.
        job: the trial's.
        study: the trial's.
        continues: the number of the trial that it continues, if any.
    """
    if job.attempt == 1 and continues is None:
        return None
    own = checkpoints.of_trial(session, job.required_trial_id)
    stored = own
    if _last(own) is None and continues is not None:
        stored = checkpoints.of_trial(session, trials.id_of(session, study.id, continues))
    last = _last(stored)
    if last is None:
        return None
    best_epoch, best_value = reports.best_until(
        session, job.required_trial_id, last.epoch, study.spec.objectives[0]
    )
    return ResumePoint(
        checkpoint=last.id,
        epoch=last.epoch,
        best_epoch=best_epoch,
        best_value=best_value,
        best_checkpoint=next((c.id for c in stored if c.epoch == best_epoch), None),
        inherited=stored is not own,
    )


def _last(stored: list[Checkpoint]) -> Checkpoint | None:
    return next((checkpoint for checkpoint in stored if checkpoint.last), None)
