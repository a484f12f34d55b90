"""What the end of a trial or an ensemble brings about: a study's next step, or its end.

`settle` works inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.search.stopping import budget_spent, limit_reached
from hpsearch.service import diagnosis, ensemble_jobs, failures, retention, suggestion
from hpsearch.spec.language.states import EventKind, JobKind, StudyState, is_final
from hpsearch.store import ensembles, events, studies, trials
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


def settle(session: Session, study: LockedStudy, ended: Sequence[QueuedJob] = ()) -> list[str]:
    """Ends a study whose trials and ensembles are all over, or which has reached a limit.

    Lets go of the checkpoints that nothing needs any more; returns the keys of their artifacts.

    Args:
        session: the transaction.
        study: the study, under its lock.
        ended: jobs of its that this transaction has ended.
    """
    before = studies.get_state(session, study.id)
    if not is_final(before):
        _settle_open(session, study, before)
    if unwanted := ensemble_jobs.unwanted(session, study.id):
        failures.stop_open_trials(session, study.id, "no ensemble waits for it any more", unwanted)
    ensemble_jobs.advance(session, study)
    is_over_now = is_final(studies.get_state(session, study.id)) and not is_final(before)
    if is_over_now or any(job.kind is JobKind.ENSEMBLE for job in ended):
        return retention.after_all(session, study)
    trial_ids = [job.trial_id for job in ended if job.trial_id is not None]
    return retention.after_trials(session, study, trial_ids)


def _settle_open(session: Session, study: LockedStudy, state: StudyState) -> None:
    search_over = study.search_over or _settle_search(session, study, state)
    if search_over:
        _bound_extra_trials(session, study)
    if search_over and not ensemble_jobs.is_waited_for(session, study):
        built = ensembles.counts(session, [study.id])
        why = "its ensembles are over" if built else "every trial has ended"
        studies.change_state(session, study.id, StudyState.COMPLETE, why)


def _bound_extra_trials(session: Session, study: LockedStudy) -> None:
    """Holds the trials that ensembles asked for to the study's budget, as they outlive its search;
    ensembles make do with those that are complete.
    """  # noqa: D205
    if not trials.open_for_ensembles(session, study.id):
        return
    progress = trials.progress(session, study.id, study.spec, study.started_at)
    message = budget_spent(study.spec.limits, progress)
    if message is not None and failures.stop_open_trials(session, study.id, message):
        events.add(session, study.id, EventKind.LIMIT_REACHED, message)


def _settle_search(session: Session, study: LockedStudy, state: StudyState) -> bool:
    """Ends a search that has tried all, or reached a limit; returns whether it did."""
    progress = trials.progress(session, study.id, study.spec, study.started_at)
    limit = limit_reached(study.spec.limits, progress, study.trials_planned)
    if limit is not None:
        end, message = limit
        events.add(session, study.id, EventKind.LIMIT_REACHED, message)
        failures.stop_open_trials(session, study.id, message)
        if state is StudyState.QUEUED:
            end = StudyState.STOPPED
        if end is StudyState.COMPLETE:
            _end_search(session, study)
            return True
        studies.change_state(session, study.id, end, message)
        failures.stop_ensembles(session, study.id, message)
        return False
    suggestion.advance(session, study)
    planned = studies.lock(session, study.id).trials_planned
    is_over = progress.ended == planned and state in (StudyState.RUNNING, StudyState.PAUSED)
    if is_over:
        _end_search(session, study)
    return is_over


def _end_search(session: Session, study: LockedStudy) -> None:
    """No more trials: what they tell, and what is made of them."""
    studies.finish_search(session, study.id)
    diagnosis.warn_of_borders(session, study.id, study.spec)
    ensemble_jobs.begin(session, studies.lock(session, study.id))
