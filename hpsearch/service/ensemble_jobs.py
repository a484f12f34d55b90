"""Ensembles of a study: asked for, fed with trials and checkpoints, handed to a worker, ended.

The way of one: `request` (or `begin`, when a study's search is over) queues it; where it needs
trials that are not there yet, these are queued first and `advance` goes on when they are over;
`job_of` says to the worker that has leased its job what it may choose from; `finish` or `give_up`
ends it. All work inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.service import submission
from hpsearch.spec.checks.ensemble import request_errors
from hpsearch.spec.ensemble import EnsembleSpec, SingleTrialEnsemble
from hpsearch.spec.language.base import as_json
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.language.messages import format_value, pluralize
from hpsearch.spec.language.states import EventKind, JobKind, TrialReason, TrialState, is_final
from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.spec.wire.datasets import BUILT_IN
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult
from hpsearch.spec.wire.jobs import EnsembleJob, PredictJob
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.spec.wire.upload import DatasetFile
from hpsearch.store import checkpoints, datasets, ensembles, events, jobs, studies, trials
from hpsearch.store.checkpoints import StoredArtifact, TrialCheckpoint
from hpsearch.store.database import is_storable
from hpsearch.store.ensembles import StoredEnsemble
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


def request(session: Session, study: LockedStudy, asked: EnsembleSpec) -> StoredEnsemble:
    """Queues an ensemble that a person asks for.

    Raises:
        InvalidInput: when the study cannot have it.
        Conflict: when no trial of the study has come to a value yet.
    """
    if errors := list(request_errors(study.spec, asked, target_of(session, study.spec))):
        raise InvalidInput(errors)
    if studies.best_trial(session, study.id, study.spec) is None:
        raise Conflict(
            f"a study must have a complete trial to have an ensemble, and study {study.id} has "
            "none; wait for one"
        )
    if isinstance(asked, SingleTrialEnsemble) and asked.trial is not None:
        _check_trial(session, study.id, asked.trial)
    return _queue(session, study, asked, automatic=False)


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


def begin(session: Session, study: LockedStudy) -> None:
    """The study's search is over: queues the ensembles that its spec asks for, if any can be."""
    if studies.best_trial(session, study.id, study.spec) is None:
        if study.spec.ensembles:
            message = (
                "an ensemble needs a trial that came to a value, and the study has none; what its "
                "spec asks for is not built"
            )
            events.add(session, study.id, EventKind.ENSEMBLE_FAILED, message)
        return
    for asked in study.spec.ensembles:
        _queue(session, study, asked, automatic=True)


def target_of(session: Session, spec: StudySpec) -> TargetKind | None:
    """Of the study's data; none where only training finds out."""
    if not isinstance(spec.task, SupervisedTask):
        return None
    info = BUILT_IN.get(spec.task.dataset) or datasets.find(session, spec.task.dataset)
    return None if info is None else info.target


def _queue(
    session: Session, study: LockedStudy, asked: EnsembleSpec, *, automatic: bool
) -> StoredEnsemble:
    ensemble = ensembles.create(session, study.id, asked, automatic=automatic)
    if asked.needs_trials:
        numbers = _same_configuration(session, study, ensemble.id, asked.size)
        ensembles.set_trials(session, ensemble.id, numbers)
    advance(session, study)
    return ensemble


def _same_configuration(
    session: Session, study: LockedStudy, ensemble_id: int, size: int
) -> Sequence[int]:
    """Numbers of `size` trials of the best configuration; those that are missing are queued."""
    best = studies.best_trial(session, study.id, study.spec)
    if best is None:
        raise Conflict(
            f"a study must have a complete trial to be repeated, and study {study.id} has none"
        )
    there = trials.same_configuration(session, study.id, best.number)[:size]
    missing = size - len(there)
    new = submission.queue_trials(
        session,
        studies.lock(session, study.id),
        [best.params] * missing,
        epochs=best.epochs,
        version=best.version,
        repeats=best.repeats or study.spec.search.repeats_in(best.stage),
        ensemble=ensemble_id,
    )
    return [*there, *new]


def unwanted(session: Session, study_id: int) -> list[int]:
    """Ids of the trials that ensembles asked for and that none waits for any more."""
    extra = trials.open_for_ensembles(session, study_id)
    if not extra:
        return []
    open_ones = ensembles.open_of_study(session, study_id)
    wanted = {number for one in open_ones for number in one.trials}
    return [trial_id for trial_id, number in extra.items() if number not in wanted]


def advance(session: Session, study: LockedStudy) -> None:
    """Queues the job of every ensemble that waits for nothing any more."""
    for ensemble in ensembles.ready_to_build(session, study.id):
        jobs.add_for_ensemble(session, JobKind.ENSEMBLE, study.id, ensemble.id, study.priority)


def job_of(session: Session, job: QueuedJob, study: LockedStudy) -> EnsembleJob:
    """What the worker that has leased an ensemble's job needs to build it."""
    ensembles.start(session, job.required_ensemble_id)
    ensemble = ensembles.get_stored(session, job.required_ensemble_id)
    return EnsembleJob(
        id=job.id,
        attempt=job.attempt,
        study_id=study.id,
        ensemble=ensemble.id,
        request=ensemble.request,
        spec=study.spec.model_dump(mode="json"),
        candidates=_candidates(session, study, ensemble),
        dataset=dataset_of(session, study.spec),
    )


def _candidates(session: Session, study: LockedStudy, ensemble: StoredEnsemble) -> list[Candidate]:
    """Checkpoints of trials that came to a value; not of those that diverged.

    What the policy does not keep has no stored predictions, and to choose among all is to read
    them: it is left to ensembles of single trials.
    """
    allowed = set(ensemble.trials)
    keep = study.spec.checkpoints.keep
    among_all = ensemble.request.reads_all_predictions

    def is_kept(one: Checkpoint) -> bool:
        return bool(one.best or one.reasons or one.pinned or (one.last and "last" in keep))

    return [
        Candidate(
            checkpoint=held.checkpoint.id,
            trial=held.checkpoint.trial,
            epoch=held.checkpoint.epoch,
            value=held.value,
            complete=held.state is TrialState.COMPLETE,
            best=held.checkpoint.best,
            last=held.checkpoint.last,
            reasons=held.checkpoint.reasons,
            sha256=held.checkpoint.sha256,
            predictions_sha256=held.checkpoint.predictions_sha256,
        )
        for held in checkpoints.of_study(session, study.id)
        if _may_join(held)
        and (not allowed or held.checkpoint.trial in allowed)
        and (not among_all or is_kept(held.checkpoint))
    ]


def _may_join(held: TrialCheckpoint) -> bool:
    return (
        held.value is not None
        and held.state in (TrialState.COMPLETE, TrialState.PRUNED)
        and held.reason is not TrialReason.DIVERGED
    )


def dataset_of(session: Session, spec: StudySpec) -> DatasetFile | None:
    """What workers need to fetch an uploaded data set."""
    if not isinstance(spec.task, SupervisedTask) or spec.task.dataset in BUILT_IN:
        return None
    known = datasets.find(session, spec.task.dataset)
    return None if known is None else DatasetFile.model_validate(known.model_dump())


def finish(
    session: Session, study: LockedStudy, ensemble_id: int, result: EnsembleResult,
    artifact: StoredArtifact,
) -> None:  # fmt: skip
    """A worker has built it."""
    ensembles.finish(session, ensemble_id, result, artifact)
    ensemble = ensembles.get(session, ensemble_id)
    events.add(
        session,
        study.id,
        EventKind.ENSEMBLE_COMPLETE,
        f"ensemble {ensemble_id} ({ensemble.kind}) of {pluralize(len(result.members), 'member')}: "
        + _compared(result)
        + (f"; {'; '.join(result.warnings[:3])}" if result.warnings else ""),
        ensemble=ensemble_id,
        validation=as_json(result)["validation"],
    )


def _compared(result: EnsembleResult) -> str:
    """How it stands beside the best single trial on the validation rows."""
    name = result.scores.headline
    own, single = result.validation, result.best_single.validation
    if name is None or name not in own or name not in single:
        return "it is built"
    return f"validation {name} {own[name]:.4g}, the best single trial {single[name]:.4g}"


def give_up(session: Session, study_id: int, ensemble_id: int, message: str) -> None:
    """It cannot be built."""
    ensembles.fail(session, ensemble_id, message)
    events.add(
        session,
        study_id,
        EventKind.ENSEMBLE_FAILED,
        f"ensemble {ensemble_id} failed: {message}",
        ensemble=ensemble_id,
    )


def ask(session: Session, ensemble_id: int, inputs: Sequence[object]) -> int:
    """Queues rows for an ensemble to predict; returns the job's id.

    Raises:
        Conflict: when it is not complete.
        InvalidInput: when a row cannot be stored.
    """
    if not is_storable(inputs):
        place = next(place for place, row in enumerate(inputs) if not is_storable(row))
        raise InvalidInput.at(
            f"inputs.{place}",
            "must hold numbers of at most 64 bits and valid Unicode text, got "
            f"{format_value(inputs[place])}; write large numbers as 1e20, remove broken characters",
        )
    study = studies.lock(session, ensembles.get_stored(session, ensemble_id).study_id)
    ensembles.artifact_of(session, ensemble_id)
    payload = {"inputs": list(inputs)}
    return jobs.add_for_ensemble(
        session, JobKind.PREDICT, study.id, ensemble_id, study.priority, payload
    )


def prediction_of(session: Session, job: QueuedJob) -> PredictJob:
    """What the worker that has leased a prediction needs."""
    payload: Mapping[str, list[object]] = jobs.payload(session, job.id)
    return PredictJob(
        id=job.id,
        attempt=job.attempt,
        study_id=job.study_id,
        ensemble=job.required_ensemble_id,
        sha256=ensembles.artifact_of(session, job.required_ensemble_id).sha256,
        inputs=payload["inputs"],
    )


def is_waited_for(session: Session, study: LockedStudy) -> bool:
    """Whether a study that trains no more still has ensembles to come that its spec asks for."""
    return any(one.automatic for one in ensembles.open_of_study(session, study.id))


def stop(session: Session, study_id: int, message: str) -> None:
    """Ends every ensemble that is not over."""
    for ensemble in ensembles.open_of_study(session, study_id):
        give_up(session, study_id, ensemble.id, message)
