"""The table of job kinds: what the service does with each stands in the kind's own module."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from hpsearch.service.ensemble_jobs import EnsembleJobs
from hpsearch.service.job_rules import JobRules, StudyJobRules
from hpsearch.service.prediction_jobs import PredictionJobs
from hpsearch.service.trial_jobs import TrialJobs
from hpsearch.spec.language.states import JobKind

RULES: Mapping[JobKind, JobRules] = {
    JobKind.TRIAL: TrialJobs(),
    JobKind.ENSEMBLE: EnsembleJobs(),
    JobKind.PREDICT: PredictionJobs(),
}

STUDY_RULES: Mapping[JobKind, StudyJobRules] = {
    kind: rules for kind, rules in RULES.items() if isinstance(rules, StudyJobRules)
}
"""Kinds that are leased in their study's turn."""

PAUSED_KINDS = tuple(kind for kind, rules in STUDY_RULES.items() if rules.while_paused)
"""Those of them that a paused study still hands out."""


def stop_all(session: Session, study_id: int, message: str) -> None:
    """Ends whatever a study has queued or leased."""
    for rules in STUDY_RULES.values():
        rules.stop(session, study_id, message)
