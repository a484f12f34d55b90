"""One table says what the service does with each kind of job."""

from __future__ import annotations

from hpsearch.service.job_kinds import PAUSED_KINDS, RULES, STUDY_RULES
from hpsearch.spec.language.states import JobKind


def test_every_kind_that_is_built_has_its_rules() -> None:
    assert set(RULES) == set(JobKind) - {JobKind.PREFLIGHT, JobKind.RANGE_TEST}


def test_a_prediction_waits_for_no_study_and_a_paused_study_holds_trials_back() -> None:
    assert set(STUDY_RULES) == set(RULES) - {JobKind.PREDICT}
    assert set(PAUSED_KINDS) == set(STUDY_RULES) - {JobKind.TRIAL}
