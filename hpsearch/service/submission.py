"""Studies before and beside their trials: check, submit, preview, add trials, edit.

All work inside the caller's transaction; whatever changes a study locks it first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, FieldError, InvalidInput
from hpsearch.search.ranking import rank_trials
from hpsearch.service import suggestion
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.checks.edit import edited
from hpsearch.spec.checks.ensemble import ensemble_errors, with_checkpoints
from hpsearch.spec.checks.external import complete_external
from hpsearch.spec.checks.plugin import complete_plugin
from hpsearch.spec.checks.search import search_errors
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.language.messages import format_value, pluralize
from hpsearch.spec.language.states import EventKind, is_final
from hpsearch.spec.plugin import PluginTask
from hpsearch.spec.search import LearningSearch
from hpsearch.spec.space.space import search_space
from hpsearch.spec.space.stages import stages_of, typical_epochs
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.datasets import BUILT_IN
from hpsearch.spec.wire.observation import Observation
from hpsearch.spec.wire.records import Study, StudyPreview, Trial
from hpsearch.spec.wire.space import space_to_wire
from hpsearch.store import datasets, events, jobs, observations, stages, studies, trials, versions
from hpsearch.store.studies import LockedStudy
from hpsearch.store.trials import NewTrial

MOST_KNOWN = 2000
"""So many of an earlier study's trials, the best ones, are learned from."""


def check(session: Session, spec: StudySpec) -> StudySpec:
    """The spec with every default filled in; its data set stays until the transaction ends.

    Raises:
        InvalidInput: when data, metric, loss, model and search do not go together.
    """
    target: TargetKind | None = None
    if isinstance(spec.task, PluginTask):
        spec = complete_plugin(spec)
    elif isinstance(spec.task, ExternalTask):
        spec = complete_external(spec)
    else:
        name = spec.supervised.dataset
        info = BUILT_IN.get(name) or datasets.find(session, name, lock=True)
        if info is None:
            raise InvalidInput.at(
                "task.dataset",
                f"must name a data set, and none is called {format_value(name)}; "
                f"use one of {', '.join([*BUILT_IN, *datasets.names(session)])}",
            )
        spec, target = complete(spec, info), info.target
    if errors := [*search_errors(spec), *ensemble_errors(spec, target)]:
        raise InvalidInput(errors)
    return with_checkpoints(spec)


def submit(session: Session, spec: StudySpec) -> Study:
    """Queues a study."""
    spec = check(session, spec)
    known = _warm_start(session, spec)
    study_id = studies.create(session, spec, known)
    versions.add(session, study_id, spec, [])
    events.add(
        session,
        study_id,
        EventKind.STUDY_CREATED,
        f"{pluralize(sum(s.trials for s in stages_of(spec)), 'trial')} by {spec.search.kind} "
        "search "
        f"over {pluralize(len(search_space(spec).parameters), 'parameter')}"
        + (f", knowing {pluralize(len(known), 'trial')} of an earlier study" if known else ""),
    )
    suggestion.start(session, study_id, spec, known)
    return studies.get(session, study_id)


def preview(session: Session, spec: StudySpec) -> StudyPreview:
    """What a study would cost."""
    spec = check(session, spec)
    plans = [
        {"trials": stage.trials, "epochs": typical_epochs(spec, index)}
        for index, stage in enumerate(stages_of(spec))
    ]
    return StudyPreview(
        spec=spec.model_dump(mode="json"),
        parameters=space_to_wire(search_space(spec)),
        stages=plans,
        epochs_planned=sum(plan["trials"] * plan["epochs"] for plan in plans),
    )


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


def edit(session: Session, study_id: int, patch: Mapping[str, Any]) -> list[str]:
    """Changes the space or the budget of a study that is not over; returns what changed.

    Trials that exist keep the spec they were made with.

    Raises:
        Conflict: when the study is over, or its search is and that is to change.
        InvalidInput: when the result is no valid spec, or a part differs that has to stay.
    """
    study = studies.lock(session, study_id)
    if is_final(study.state):
        raise Conflict(
            f"a study must be open to be edited, and study {study_id} is {study.state}; clone it "
            "with the changes"
        )
    spec, changes = edited(study.spec, patch, study.stage)
    spec = check(session, spec)
    if not changes:
        return []
    searches_alike = spec.search == study.spec.search and search_space(spec) == search_space(
        study.spec
    )
    if study.search_over and not searches_alike:
        raise Conflict(
            f"a study must still search to have its search edited, and study {study_id} is "
            "building its ensembles; clone it with the changes"
        )
    stage = stages.get(session, study_id, study.stage)
    plans, before = stages_of(spec), stages_of(study.spec)
    made = study.trials_created - stage.first
    wanted = stage.trials + plans[study.stage].trials - before[study.stage].trials
    stages.add_trials(session, study_id, study.stage, max(wanted, made) - stage.trials)
    later = sum(plan.trials for plan in plans[study.stage + 1 :])
    studies.set_planned_trials(session, study_id, stage.first + max(wanted, made) + later)
    if stage.space is not None:
        box = suggestion.box_after(stage.space, search_space(study.spec), search_space(spec))
        stages.set_space(session, study_id, study.stage, box)
    version = versions.add(session, study_id, spec, changes)
    jobs.set_priority(session, study_id, spec.priority)
    events.add(
        session,
        study_id,
        EventKind.STUDY_EDITED,
        f"version {version}: {'; '.join(changes)}",
        version=version,
    )
    return changes


def _warm_start(session: Session, spec: StudySpec) -> list[Observation]:
    """The best trials of the study that a search starts from."""
    search = spec.search
    if not isinstance(search, LearningSearch) or search.warm_start is None:
        return []
    earlier = search.warm_start.study
    source = studies.spec_of(session, earlier)
    if source.objectives != spec.objectives:
        raise InvalidInput.at(
            "search.warm_start.study",
            f"must be a study with the same objective, and study {earlier} has "
            + ", ".join(f"{o.direction} {o.metric}" for o in source.objectives)
            + "; leave it out",
        )
    space = search_space(spec)
    found = [
        t for t in rank_trials(observations.ended(session, earlier, source)) if space.fits(t.params)
    ]
    if not found:
        raise InvalidInput.at(
            "search.warm_start.study",
            f"must have trials that fit this study's space, and study {earlier} has none; "
            "leave it out, or search the same parameters in ranges that hold its values",
        )
    return found[:MOST_KNOWN]
