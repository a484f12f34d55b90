"""Advice on a study, from its stored trials.

All inside the caller's transaction; nothing but `warn_of_borders` writes.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.advice import space_advice
from hpsearch.advice.border import borders
from hpsearch.advice.importance import importances as by_importance
from hpsearch.spec.language.states import EventKind
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.advice import Diagnosis, Evaluator, Importances, ImportanceTarget
from hpsearch.store import events, studies, trial_costs


def diagnose(session: Session, study_id: int) -> Diagnosis:
    """Where a study's space should be extended, and what in it makes no difference."""
    spec = studies.spec_of(session, study_id)
    tried = [one.trial for one in trial_costs.measured(session, study_id, spec)]
    return space_advice.advise(search_space(spec), tried)


def measure_importances(
    session: Session, study_id: int, evaluator: Evaluator, target: ImportanceTarget
) -> Importances:
    """How much each parameter decides of a target."""
    spec = studies.spec_of(session, study_id)
    tried = trial_costs.measured(session, study_id, spec)
    return by_importance(search_space(spec), tried, evaluator, target)


def warn_of_borders(session: Session, study_id: int, spec: StudySpec) -> None:
    """Writes an event for each range at an end of which a study's best trials lie.

    Called once, when the study is complete.
    """
    tried = [one.trial for one in trial_costs.measured(session, study_id, spec)]
    for finding in borders(search_space(spec), tried):
        events.add(
            session,
            study_id,
            EventKind.BORDER_WARNING,
            finding.message,
            parameter=finding.parameter,
            severity=finding.severity,
            **finding.evidence,
        )
