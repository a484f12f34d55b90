"""A study paused, resumed, stopped and deleted on a person's request.

All work inside the caller's transaction; each locks the study first.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict
from hpsearch.service import editing, job_kinds, retention, unbegun_trials
from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.states import EndReason, StudyState, is_final
from hpsearch.spec.wire.records import EditedStudy, Study, StudyEnd
from hpsearch.store import checkpoints, ensembles, studies, study_records

STOPPED = StudyEnd(reason=EndReason.STOP, message="stopped on request")


def pause(session: Session, study_id: int) -> EditedStudy:
    """Hands out no more trials; running ones train to their end.

    Those that workers hold and have not begun are taken back; the answer says how many.
    """
    studies.lock(session, study_id)
    studies.change_state(session, study_id, StudyState.PAUSED, "paused on request")
    return editing.edited(session, study_id, unbegun_trials.take_back(session, study_id))


def resume(session: Session, study_id: int) -> Study:
    """Hands out the trials of a paused study again.

    Raises:
        Conflict: when the study is not paused.
    """
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
    return study_records.get(session, study_id)


def stop(session: Session, context: ServiceContext, study_id: int) -> Study:
    """Ends a study now, its trials at their last reported epoch.

    Their workers send the best states of them yet; nothing else is trained.
    """
    study = studies.lock(session, study_id)
    studies.change_state(session, study_id, StudyState.STOPPED, STOPPED.message)
    studies.set_end(session, study_id, STOPPED)
    job_kinds.stop_all(session, study_id, "the study was stopped")
    retention.release_unneeded(session, context, study)
    return study_records.get(session, study_id)


def delete(session: Session, context: ServiceContext, study_id: int) -> None:
    """Removes a study that is over, with its artifacts.

    Raises:
        Conflict: when the study is not over.
    """
    study = studies.lock(session, study_id)
    if not is_final(study.state):
        raise Conflict(
            f"a study must be over to be deleted, and study {study_id} is {study.state}; "
            "stop it first"
        )
    keys = checkpoints.artifact_keys_of_study(session, study_id)
    keys += ensembles.artifact_keys_of_study(session, study_id)
    context.artifacts.delete_on_commit(session, keys)
    studies.delete(session, study_id)
