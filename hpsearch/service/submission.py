"""Studies before their trials: checked, previewed, submitted.

All work inside the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.search.ranking import rank_trials
from hpsearch.service import pruning, suggestion
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.checks.ensemble import ensemble_errors, with_checkpoints
from hpsearch.spec.checks.external import complete_external
from hpsearch.spec.checks.plugin import complete_plugin
from hpsearch.spec.checks.search import search_errors
from hpsearch.spec.checks.warnings import study_warnings
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.language.messages import did_you_mean, format_value, pluralize
from hpsearch.spec.language.states import EventKind
from hpsearch.spec.metrics import OF_POSITIVE
from hpsearch.spec.plugin import PluginTask
from hpsearch.spec.searches.base import LearningSearch
from hpsearch.spec.space.space import search_space
from hpsearch.spec.space.stages import configurations, stages_asked_for, stages_of, typical_epochs
from hpsearch.spec.study import StudySpec
from hpsearch.spec.task import SupervisedTask
from hpsearch.spec.wire.datasets import BUILT_IN, DatasetInfo
from hpsearch.spec.wire.observation import Observation
from hpsearch.spec.wire.records import Study, StudyPreview
from hpsearch.spec.wire.space import space_to_wire
from hpsearch.store import datasets, events, observations, studies, study_records

MOST_KNOWN = 2000
"""The most trials of an earlier study, the best ones, that a study learns from."""


def check(session: Session, spec: StudySpec) -> StudySpec:
    """The spec with every default filled in; its data set is locked until the transaction ends.

    Raises:
        InvalidInput: when data, metric, loss, model and search do not go together.
    """
    target: TargetKind | None = None
    if isinstance(spec.task, PluginTask):
        spec = complete_plugin(spec)
    elif isinstance(spec.task, ExternalTask):
        spec = complete_external(spec)
    else:
        info = locked_dataset(session, spec.supervised)
        spec, target = complete(spec, info), info.target
    if errors := [*search_errors(spec), *ensemble_errors(spec, target)]:
        raise InvalidInput(errors)
    return with_checkpoints(spec)


def locked_dataset(session: Session, task: SupervisedTask) -> DatasetInfo:
    """A task's data set, which stays until the transaction ends.

    Raises:
        InvalidInput: when there is none of this name and version.
    """
    name, version = task.dataset, task.dataset_version
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        if version is not None:
            raise InvalidInput.at(
                "task.dataset_version",
                f"must be of an uploaded data set, and {name} is built in; leave it out",
            )
        return built_in
    found = datasets.find(session, name, version, lock=True)
    if found is not None:
        return found
    newest = datasets.find(session, name)
    if newest is None:
        known = [*BUILT_IN, *datasets.names(session)]
        raise InvalidInput.at(
            "task.dataset",
            f"must name a data set, and none is called {format_value(name)}; "
            f"use one of {', '.join(known)}{did_you_mean(name, known)}",
        )
    raise InvalidInput.at(
        "task.dataset_version",
        f"must be a version of {name} that there is, got {version}; there are "
        f"{datasets.format_versions(newest.versions)}, and leaving it out takes the newest",
    )


def warnings_of(session: Session, spec: StudySpec) -> list[str]:
    """What a careful person would want to know of a study, as it was written.

    Raises:
        InvalidInput: when there is no such data set.
    """
    if not isinstance(spec.task, SupervisedTask):
        return []
    return study_warnings(spec, locked_dataset(session, spec.task))


def submit(session: Session, spec: StudySpec) -> Study:
    """Queues a study and opens its first stage.

    Raises:
        InvalidInput: when its parts do not go together.
    """
    written, spec = spec, check(session, spec)
    known = _warm_start(session, spec)
    study_id = studies.create(session, spec, known)
    events.add(
        session,
        study_id,
        EventKind.STUDY_CREATED,
        f"{pluralize(sum(s.trials for s in stages_of(spec)), 'trial')} by {spec.search.kind} "
        "search "
        f"over {pluralize(len(search_space(spec).parameters), 'parameter')}"
        + _exhausted(spec)
        + (f", on version {spec.dataset_version} of {spec.dataset}" if spec.dataset_version else "")
        + (f", knowing {pluralize(len(known), 'trial')} of an earlier study" if known else ""),
    )
    for warning in warnings_of(session, written):
        events.add(session, study_id, EventKind.STUDY_WARNING, warning)
    suggestion.start(session, study_id, spec, known)
    pruning.log_idle(session, study_id, spec)
    return study_records.get(session, study_id)


def _exhausted(spec: StudySpec) -> str:
    """Says where a space has fewer configurations than the search has trials."""
    asked = sum(stage.trials for stage in stages_asked_for(spec))
    planned = sum(stage.trials for stage in stages_of(spec))
    if planned == asked:
        return ""
    return (
        f", {planned} of the {asked} asked for: the space has no more than "
        f"{pluralize(configurations(spec) or 0, 'configuration')}, and none is tried twice in a "
        "stage; use training.repeats to train each several times"
    )


def preview(session: Session, spec: StudySpec) -> StudyPreview:
    """What a study would cost: parameters, trials and epochs by stage. Nothing is stored.

    Raises:
        InvalidInput: when its parts do not go together.
    """
    written, spec = spec, check(session, spec)
    plans = [
        {"trials": stage.trials, "epochs": typical_epochs(spec, index)}
        for index, stage in enumerate(stages_of(spec))
    ]
    return StudyPreview(
        spec=spec.model_dump(mode="json"),
        parameters=space_to_wire(search_space(spec)),
        stages=plans,
        epochs_planned=sum(plan["trials"] * plan["epochs"] for plan in plans),
        warnings=warnings_of(session, written),
    )


def _warm_start(session: Session, spec: StudySpec) -> list[Observation]:
    """The best trials of the earlier study that a search learns from, if it names one.

    Raises:
        InvalidInput: when that study has another objective, or no trial in this one's space.
    """
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
    metrics = [objective.metric for objective in spec.objectives]
    means_positive = [name for name in metrics if name.removeprefix("val_") in OF_POSITIVE]
    if means_positive and _has_positive(source) != _has_positive(spec):
        raise InvalidInput.at(
            "search.warm_start.study",
            f"must be a study whose {means_positive[0]} means the same, and in study {earlier} it "
            + (
                "is that of the positive class"
                if _has_positive(source)
                else "is a mean over classes"
            )
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


def _has_positive(spec: StudySpec) -> bool:
    """Whether metrics of one class are those of a positive one; not so before version 0.2."""
    return isinstance(spec.task, SupervisedTask) and spec.task.positive is not None
