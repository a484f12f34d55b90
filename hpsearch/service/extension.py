"""A study that is over given more to do: more trials, longer ones, or more stages.

It runs again as the next version of its spec, and what it has stays as it is: trials, checkpoints,
and ensembles, which are stale from then on; those of the spec are built again at its new end.

trials   more are proposed in the present stage, on top of those that there are
stages   follow the present one as they would have followed it in the first place
epochs   each complete trial of the last stage is continued by a new trial, which has its epochs as
         its own and trains so many more from its last checkpoint; where that was not kept the new
         trial begins at epoch 0. Trials that early stopping ended are left as they are

A limit that the study has reached, or that would end it again at once, is raised by what is asked
for (`trials`), or lifted; the log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, IllegalTransition, InvalidInput
from hpsearch.search.stopping import limit_reached
from hpsearch.service import completion, resume
from hpsearch.service.context import ServiceContext
from hpsearch.service.submission import check
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import EXTENDABLE, EventKind, StudyState
from hpsearch.spec.space.stages import configurations, stages_of
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.extension import ExtendRequest
from hpsearch.spec.wire.records import Study
from hpsearch.store import (
    ensembles,
    events,
    extensions,
    jobs,
    leases,
    stages,
    studies,
    study_progress,
    study_records,
    trials,
    versions,
)
from hpsearch.store.studies import LockedStudy
from hpsearch.store.trials import NewTrial

UNBOUNDED = 2**31 - 1
"""More trials than any study plans."""


def extend(
    session: Session, context: ServiceContext, study_id: int, request: ExtendRequest
) -> Study:
    """Gives a study that is complete or stopped more to do; it runs again.

    Raises:
        IllegalTransition: when it is neither.
        InvalidInput: when its search cannot be extended so, or the result is no valid spec.
        Conflict: when there is no trial to go on with, or a worker has yet to send its state.
    """
    study = studies.lock(session, study_id)
    if study.state not in EXTENDABLE:
        raise IllegalTransition(
            f"a study must be complete or stopped to be extended, and study {study_id} is "
            f"{study.state}; "
            + ("clone it" if study.state is StudyState.FAILED else "edit it, or wait for its end")
        )
    change = _CHANGES[request.what]
    request = _within_space(session, study, request)
    changes: list[str] = []
    document = study.spec.model_dump(mode="json")
    document = {**document, **change(session, study, request, document, changes)}
    document["limits"] = _limits(session, study, request, changes)
    spec = check(session, parse_study(document))
    version = versions.add(session, study.id, spec, changes)
    extensions.reopen(session, study.id)
    ensembles.mark_stale(session, study.id)
    events.add(
        session,
        study.id,
        EventKind.STUDY_EXTENDED,
        f"version {version}: {'; '.join(changes)}",
        version=version,
    )
    studies.change_state(session, study.id, StudyState.RUNNING, "extended on request")
    _plan(session, study, spec, request, version)
    completion.finalize(session, context, studies.lock(session, study.id))
    return study_records.get(session, study.id)


def _within_space(session: Session, study: LockedStudy, request: ExtendRequest) -> ExtendRequest:
    """The request with no more trials than the space has configurations that were not tried.

    Raises:
        InvalidInput: when all were.
    """
    size = configurations(study.spec)
    if request.trials is None or size is None:
        return request
    stage = stages.get(session, study.id, study.stage)
    left = size - (study.trials_created - stage.first)
    if left <= 0:
        raise InvalidInput.at(
            "trials",
            f"needs configurations that were not tried, and the space has no more than {size}; "
            "clone the study with wider ranges, or with training.repeats to train each more often",
        )
    return request.model_copy(update={"trials": min(request.trials, left)})


def _more_trials(
    session: Session,
    study: LockedStudy,
    request: ExtendRequest,
    document: Mapping[str, Any],
    changes: list[str],
) -> dict[str, Any]:
    """The search with as many trials as the present stage has come to, and those asked for."""
    search, more = document["search"], request.trials or 0
    stage = stages.get(session, study.id, study.stage)
    missing = stage.trials - (study.trials_created - stage.first)
    changes.append(f"{pluralize(more, 'trial')} more")
    if study.spec.search.is_staged:
        written = [dict(one) for one in search["stages"]]
        written[study.stage]["trials"] = max(1, written[study.stage]["trials"] + more - missing)
        return {"search": {**search, "stages": written}}
    if "trials" not in search:
        raise InvalidInput.at(
            "trials",
            f"cannot be given to a {study.spec.search.kind} search, which has tried all its "
            "combinations; clone the study with another search, or edit its ranges",
        )
    planned = max(1, min(search["trials"], stage.trials) + more - missing)
    return {"search": {**search, "trials": planned}}


def _more_epochs(
    session: Session,
    study: LockedStudy,
    request: ExtendRequest,
    document: Mapping[str, Any],
    changes: list[str],
) -> dict[str, Any]:
    """The training so much longer, where its length is a number of the spec's."""
    if leases.count_ending(session, [study.id]):
        raise Conflict(
            "a study must have the states of its trials to train them longer, and a worker is "
            f"sending some of study {study.id}'s; ask again in a moment"
        )
    sources = extensions.trainable(session, study.id, study.stage)
    if not sources:
        raise Conflict(
            "a study must have a complete trial in its last stage to train it longer, and study "
            f"{study.id} has none; extend it by trials"
        )
    more = request.epochs or 0
    anew = sum(not source.has_checkpoint for source in sources)
    changes.append(
        f"{pluralize(more, 'epoch')} more for {pluralize(len(sources), 'trial')}"
        + (f", {anew} of them from epoch 0, as no checkpoint of theirs is stored" if anew else "")
    )
    if study.spec.search.is_staged:
        search = document["search"]
        written = [dict(one) for one in search["stages"]]
        written[study.stage]["epochs"] += more
        return {"search": {**search, "stages": written[: study.stage + 1]}}
    training = document["training"]
    if isinstance(training["epochs"], int):
        return {"training": {**training, "epochs": training["epochs"] + more}}
    return {}


def _more_stages(
    session: Session,  # noqa: ARG001 (as the others)
    study: LockedStudy,
    request: ExtendRequest,
    document: Mapping[str, Any],
    changes: list[str],
) -> dict[str, Any]:
    """The search with stages behind those that it has begun."""
    search = document["search"]
    if not study.spec.search.is_staged:
        raise InvalidInput.at(
            "stages",
            f"needs a search that has stages, got {study.spec.search.kind}; extend it by trials, "
            "or clone the study with search coarse_to_fine",
        )
    more = request.stages or []
    changes.append(f"{pluralize(len(more), 'stage')} more")
    return {"search": {**search, "stages": [*search["stages"][: study.stage + 1], *more]}}


def _more_budget(
    session: Session,  # noqa: ARG001 (as the others)
    study: LockedStudy,
    request: ExtendRequest,
    document: Mapping[str, Any],
    changes: list[str],
) -> dict[str, Any]:
    """The search with so many epochs more to spend."""
    search = document["search"]
    if not isinstance(search.get("budget"), int):
        raise InvalidInput.at(
            "budget",
            f"needs a search that has a budget, and that of study {study.id} has none; extend it "
            "by trials, epochs or stages",
        )
    changes.append(f"search.budget: {pluralize(request.budget or 0, 'epoch')} more")
    return {"search": {**search, "budget": search["budget"] + (request.budget or 0)}}


_Change = Callable[
    [Session, LockedStudy, ExtendRequest, Mapping[str, Any], list[str]], dict[str, Any]
]
_CHANGES: Mapping[str, _Change] = {
    "trials": _more_trials,
    "epochs": _more_epochs,
    "stages": _more_stages,
    "budget": _more_budget,
}
"""By what is asked for: the sections of the spec that change."""


def _limits(
    session: Session, study: LockedStudy, request: ExtendRequest, changes: list[str]
) -> dict[str, Any]:
    """The study's limits without those that would end it again at once."""
    limits = study.spec.limits.model_dump(mode="json")
    progress = study_progress.progress(session, study.id, study.spec, study.started_at)
    while reached := limit_reached(type(study.spec.limits)(**limits), progress, UNBOUNDED):
        name, before = reached.limit, limits[reached.limit]
        after = None
        if name == "trials" and request.trials is not None:
            after = progress.ended + request.trials
        limits[name] = after
        changes.append(f"limits.{name}: {before:g} → {'none' if after is None else after}")
    return limits


def _plan(
    session: Session, study: LockedStudy, spec: StudySpec, request: ExtendRequest, version: int
) -> None:
    """Gives the present stage the trials that it has and those asked for, and plans the others."""
    stage = stages.get(session, study.id, study.stage)
    created = study.trials_created - stage.first
    more = request.trials or 0
    stages.add_trials(session, study.id, stage.index, created + more - stage.trials)
    later = sum(plan.trials for plan in stages_of(spec)[study.stage + 1 :])
    studies.set_planned_trials(session, study.id, stage.first + created + more + later)
    if request.epochs is not None:
        _continue_trials(session, study, request.epochs, version)


def _continue_trials(session: Session, study: LockedStudy, epochs: int, version: int) -> None:
    """Queues a trial for each one that trains longer."""
    sources = extensions.trainable(session, study.id, study.stage)
    new = [
        NewTrial(
            number=study.trials_created + index,
            params=source.params,
            stage=study.stage,
            version=version,
            epochs=source.epochs + epochs,
            continues=source.number,
            repeats=source.repeats,
        )
        for index, source in enumerate(sources)
    ]
    stages.add_trials(session, study.id, study.stage, len(new))
    trial_ids = trials.create(session, study.id, new)
    for trial_id, source in zip(trial_ids, sources, strict=True):
        resume.inherit(session, study.id, trial_id, source.number)
    jobs.add(session, study.id, trial_ids, study.priority)
