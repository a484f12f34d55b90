"""Trials in addition to those that a study's sampler proposes.

add_trials     on a person's request
queue_trials   for whoever holds the study's lock: people's trials, and those of ensembles

All work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, FieldError, InvalidInput
from hpsearch.service import suggestion
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.states import is_final
from hpsearch.spec.space.space import search_space
from hpsearch.spec.wire.records import Trial
from hpsearch.store import jobs, stages, studies, trials
from hpsearch.store.studies import LockedStudy
from hpsearch.store.trials import NewTrial


def add_trials(
    session: Session, study_id: int, configurations: Sequence[Mapping[str, Value]]
) -> list[Trial]:
    """Queues trials with given parameters, in addition to those that are planned.

    Raises:
        Conflict: when the study, or its search, is over.
        InvalidInput: when a configuration is not of the study's space.
    """
    study = studies.lock(session, study_id)
    if is_final(study.state) or study.search_over:
        raise Conflict(
            f"a study must be open to be given trials, and study {study_id} is "
            f"{study.state if is_final(study.state) else 'building its ensembles'}; clone it"
        )
    space = search_space(study.spec)
    errors: list[FieldError] = []
    for index, params in enumerate(configurations):
        try:
            space.check(params)
        except InvalidInput as error:
            errors += [FieldError(f"trials.{index}.{e.path}", e.message) for e in error.errors]
    if errors:
        raise InvalidInput(errors)
    numbers = queue_trials(session, study, configurations)
    return trials.of_numbers(session, study_id, numbers)


def queue_trials(
    session: Session,
    study: LockedStudy,
    configurations: Sequence[Mapping[str, Value]],
    *,
    epochs: int | None = None,
    version: int | None = None,
    repeats: int | None = None,
    ensemble: int | None = None,
) -> list[int]:
    """Queues trials in addition to those that are planned; returns their numbers.

    Args:
        session: the transaction.
        study: the study, as it is under its lock.
        configurations: the parameters of each.
        epochs: how many each trains; none for those of the present stage, or of the spec.
        version: the spec version that they run with; none for the present one.
        repeats: runs of each; none for those of the present stage, or of the spec.
        ensemble: id of the ensemble that asks for them, if one does.
    """
    if not configurations:
        return []
    stage = stages.get(session, study.id, study.stage)
    new = [
        NewTrial(
            number=study.trials_created + index,
            params=params,
            stage=stage.index,
            version=version or study.version,
            epochs=epochs or stage.epochs or suggestion.epochs_of(study.spec, params),
            repeats=repeats,
            ensemble=ensemble,
        )
        for index, params in enumerate(configurations)
    ]
    stages.add_trials(session, study.id, stage.index, len(new))
    jobs.add(session, study.id, trials.create(session, study.id, new), study.priority)
    return [trial.number for trial in new]
