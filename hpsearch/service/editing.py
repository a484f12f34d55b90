"""The space or the budget of a study changed while it is under way.

All work inside the caller's transaction, under the study's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict
from hpsearch.service import completion, suggestion, unbegun_trials
from hpsearch.service.context import ServiceContext
from hpsearch.service.submission import check
from hpsearch.spec.checks.edit import edit_spec
from hpsearch.spec.language.states import EventKind, is_final
from hpsearch.spec.space.space import search_space
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.records import EditedStudy, Study
from hpsearch.store import events, jobs, stages, studies, study_records, versions
from hpsearch.store import unbegun_trials as unbegun
from hpsearch.store.studies import LockedStudy

LABELS = ("name", "owner", "tags", "notes", "priority")
"""Fields that change nothing of what is trained."""
TEXTS = ("name", "notes", "tags")
"""Those of them that may change when a study is over, too."""


def edit(
    session: Session, context: ServiceContext, study_id: int, patch: Mapping[str, Any]
) -> EditedStudy:
    """Changes the space or the budget of a study that is not over, as its next version.

    Its name, notes and tags may change at any time.

    Trials that have begun keep the version that they were made with. Those that workers hold and
    have not begun are taken back and made anew; the answer says how many, and how many trials stay
    on an earlier version.

    Raises:
        Conflict: when the study is over, or its search is and that is to change.
        InvalidInput: when the result is no valid spec, or a part differs that has to stay.
    """
    study = studies.lock(session, study_id)
    if is_final(study.state) and not set(patch) <= set(TEXTS):
        raise Conflict(
            f"a study must be open to have more than {', '.join(TEXTS)} edited, and study "
            f"{study_id} is {study.state}; clone it with the changes"
        )
    spec, changes = edit_spec(study.spec, patch, study.stage)
    if not is_final(study.state):  # else the data that it learned from may be gone
        spec = check(session, spec)
    returned = _apply(session, context, study, spec, changes) if changes else 0
    if is_final(study.state):
        return edited(session, study_id, returned)
    completion.finalize(session, context, studies.lock(session, study_id))
    return edited(session, study_id, returned)


def edited(session: Session, study_id: int, returned_trials: int) -> EditedStudy:
    """The record of a study after trials of its were taken back."""
    record = study_records.get(session, study_id)
    return EditedStudy(
        **{name: getattr(record, name) for name in Study.model_fields},
        returned_trials=returned_trials,
        trials_on_old_version=unbegun.count_on_old_version(session, study_id),
    )


def _apply(
    session: Session,
    context: ServiceContext,
    study: LockedStudy,
    spec: StudySpec,
    changes: Sequence[str],
) -> int:
    """Makes a spec the study's next version; returns how many trials were taken back for it."""
    same_search = spec.search == study.spec.search and search_space(spec) == search_space(
        study.spec
    )
    if study.search_over and not same_search:
        raise Conflict(
            f"a study must still search to have its search edited, and study {study.id} is "
            "building its ensembles; clone it with the changes"
        )
    excess = _replan(session, study, spec)
    version = versions.add(session, study.id, spec, changes)
    jobs.set_priority(session, study.id, spec.priority)
    events.add(
        session,
        study.id,
        EventKind.STUDY_EDITED,
        f"version {version}: {'; '.join(changes)}",
        version=version,
    )
    if study.search_over or _is_relabelled(study.spec, spec):
        return 0
    returned = unbegun_trials.take_back(session, study.id)
    same_space = search_space(spec) == search_space(study.spec)
    present = studies.lock(session, study.id)
    unbegun_trials.renew(session, context, present, same_space=same_space, excess=excess)
    return returned


def _is_relabelled(before: StudySpec, after: StudySpec) -> bool:
    """Whether two specs differ in nothing that could change what is trained."""
    labels = {name: getattr(after, name) for name in LABELS}
    return before.model_copy(update=labels) == after


def _replan(session: Session, study: LockedStudy, spec: StudySpec) -> int:
    """Gives the present stage the trials and the box of the new spec.

    Trials that were added on request stay beside those of the spec; trials that exist stay. Returns
    how many of these are too many.
    """
    stage = stages.get(session, study.id, study.stage)
    plans, plans_before = stages_of(spec), stages_of(study.spec)
    created = study.trials_created - stage.first
    planned = stage.trials + plans[study.stage].trials - plans_before[study.stage].trials
    trials = max(planned, created)
    stages.add_trials(session, study.id, study.stage, trials - stage.trials)
    later = sum(plan.trials for plan in plans[study.stage + 1 :])
    studies.set_planned_trials(session, study.id, stage.first + trials + later)
    if stage.space is not None:
        box = suggestion.box_after(stage.space, search_space(study.spec), search_space(spec))
        stages.set_space(session, study.id, study.stage, box)
    return trials - planned
