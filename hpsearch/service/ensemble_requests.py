"""Ensembles on their way to a job: requested, given the trials that they need, queued.

request             by a person
request_automatic   by the study's spec, once its search is over
schedule_ready      queues the job of each ensemble whose trials are all over

All work inside the caller's transaction, under the study's lock, which `request` takes itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.service import extra_trials
from hpsearch.service.datasets import target_of
from hpsearch.spec.checks.ensemble import request_errors
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.ensembles.base import SingleTrialEnsemble
from hpsearch.spec.language.states import EventKind, JobKind, TrialReason, TrialState, is_final
from hpsearch.spec.wire.ensembles import Ensemble
from hpsearch.store import ensembles, events, jobs, leases, ranking, studies, trials
from hpsearch.store.studies import LockedStudy


def request(session: Session, study_id: int, spec: EnsembleSpec) -> Ensemble:
    """Queues an ensemble that a person asks for.

    Raises:
        NotFound: when there is no such study.
        InvalidInput: when the study cannot have it.
        Conflict: when no trial of the study has come to a value yet.
    """
    study = studies.lock(session, study_id)
    if errors := list(request_errors(study.spec, spec, target_of(session, study.spec))):
        raise InvalidInput(errors)
    if ranking.best_trial(session, study.id, study.spec) is None:
        raise Conflict(
            f"a study must have a complete trial to have an ensemble, and study {study.id} has "
            "none; wait for one"
        )
    if isinstance(spec, SingleTrialEnsemble) and spec.trial is not None:
        _check_trial(session, study.id, spec.trial)
    return ensembles.get(session, _queue(session, study, spec, automatic=False))


def _check_trial(session: Session, study_id: int, number: int) -> None:
    trial = trials.get(session, study_id, number)
    if not is_final(trial.state):
        raise Conflict(
            f"a trial must be over to make an ensemble of, and trial {number} is {trial.state}; "
            "wait for it"
        )
    if trial.state is TrialState.FAILED or trial.reason is TrialReason.DIVERGED:
        raise Conflict(
            f"a trial must have come to a value to make an ensemble of, and trial {number} is "
            f"{trial.state} ({trial.reason}); use another"
        )


def request_automatic(session: Session, study: LockedStudy) -> None:
    """Queues the ensembles of a study's spec; without a complete trial the log says there are none.

    Called once, when the study's search is over.
    """
    if ranking.best_trial(session, study.id, study.spec) is None:
        if study.spec.ensembles:
            message = (
                "an ensemble needs a trial that came to a value, and the study has none; what its "
                "spec asks for is not built"
            )
            events.add(session, study.id, EventKind.ENSEMBLE_FAILED, message)
        return
    for spec in study.spec.ensembles:
        _queue(session, study, spec, automatic=True)


def _queue(session: Session, study: LockedStudy, spec: EnsembleSpec, *, automatic: bool) -> int:
    ensemble_id = ensembles.create(session, study.id, spec, automatic=automatic)
    if spec.needs_trials:
        numbers = _same_configuration(session, study, ensemble_id, spec.size)
        ensembles.set_trials(session, ensemble_id, numbers)
    schedule_ready(session, study)
    return ensemble_id


def _same_configuration(
    session: Session, study: LockedStudy, ensemble_id: int, size: int
) -> Sequence[int]:
    """Numbers of `size` trials of the best configuration; those that are missing are queued."""
    best = ranking.best_trial(session, study.id, study.spec)
    if best is None:
        raise Conflict(
            f"a study must have a complete trial to be repeated, and study {study.id} has none"
        )
    present = trials.same_configuration(session, study.id, best.number)[:size]
    new = extra_trials.queue_trials(
        session,
        studies.lock(session, study.id),
        [best.params] * (size - len(present)),
        epochs=best.epochs,
        version=best.version,
        repeats=best.repeats or study.spec.search.repeats_in(best.stage),
        ensemble=ensemble_id,
    )
    return [*present, *new]


def schedule_ready(session: Session, study: LockedStudy) -> None:
    """Queues the job of every ensemble that has none and whose trials are all over.

    It may be made of any trial, so none is built while a worker has yet to send one's best state.
    """
    if leases.count_ending(session, [study.id]):
        return
    for ensemble_id in ensembles.ready_to_build(session, study.id):
        jobs.add_for_ensemble(session, JobKind.ENSEMBLE, study.id, ensemble_id, study.priority)


def unneeded_trials(session: Session, study_id: int) -> list[int]:
    """Ids of queued and running trials that were queued for ensembles which are over."""
    extra = trials.open_for_ensembles(session, study_id)
    if not extra:
        return []
    needed = {
        number
        for ensemble in ensembles.open_of_study(session, study_id)
        for number in ensemble.trials
    }
    return [trial_id for trial_id, number in extra.items() if number not in needed]


def has_open_automatic(session: Session, study_id: int) -> bool:
    """Whether one of the ensembles of the study's spec is not over yet."""
    return any(ensemble.automatic for ensemble in ensembles.open_of_study(session, study_id))
