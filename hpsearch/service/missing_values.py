"""A search in which no trial came to a value: why, and what may help."""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.spec.language.messages import format_spec, pluralize
from hpsearch.spec.language.states import EndReason, TrialReason, TrialState
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.records import StudyEnd
from hpsearch.store import study_progress
from hpsearch.store.studies import LockedStudy

LEARNING_RATE = "optimizer.lr"


def no_value_end(session: Session, study: LockedStudy) -> StudyEnd | None:
    """The end of a study whose trials have all ended, if none of them came to a value."""
    outcomes = study_progress.outcomes(session, study.id)
    if any(
        outcome.has_value
        and outcome.state is not TrialState.FAILED
        and outcome.reason is not TrialReason.DIVERGED
        for outcome in outcomes
    ):
        return None
    total = sum(outcome.trials for outcome in outcomes)
    diverged = sum(one.trials for one in outcomes if one.reason is TrialReason.DIVERGED)
    failure = study_progress.first_failure(session, study.id)
    said = f"none of {pluralize(total, 'trial')} came to a value"
    if failure is not None and 2 * diverged <= total:
        number, message = failure
        said += f"; trial {number} was the first to fail: {message}"
    elif diverged:
        said += f", as {'all' if diverged == total else diverged} diverged; {_remedy(study.spec)}"
    else:
        metric = study.spec.objectives[0].metric
        said += f"; report {metric} as a finite number after every epoch"
    return StudyEnd(reason=EndReason.NO_VALUE, message=said)


def _remedy(spec: StudySpec) -> str:
    """What most often keeps training from diverging."""
    for parameter in search_space(spec).parameters:
        name, distribution = parameter.name, parameter.distribution
        if name == LEARNING_RATE or name.endswith(".lr"):
            found = format_spec(distribution.model_dump(mode="json", exclude_none=True))
            return f"search lower values of {name}, which is {found}, or set training.clip"
    return f"set a lower {LEARNING_RATE}, or set training.clip"
