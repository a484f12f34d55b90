"""External studies: somebody's own loop asks for trials and tells what they came to."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from rig import Rig

from hpsearch.errors import Conflict, InvalidInput, StaleLease
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.wire.jobs import AskRequest, TrialCompletion, TrialReport
from hpsearch.spec.wire.records import Trial
from hpsearch.store import study_records

EXTERNAL = {
    "task": {"kind": "external", "params": {"C": {"log_uniform": [1e-3, 1e3]}, "degree": 2}},
    "search": {"trials": 3},
}


def ask(rig: Rig, study_id: int, count: int = 1) -> list[Trial]:
    request = AskRequest(count=count)
    return rig.do(lambda s: rig.tuner.ask(s, study_id, request)).trials


def tell(rig: Rig, trial: Trial, attempt: int | None = None, **end: Any) -> Trial:
    request = TrialCompletion(attempt=attempt or trial.attempt, **end)
    return rig.do(lambda s: rig.tuner.complete_trial(s, trial.study_id, trial.number, request))


def report(rig: Rig, trial: Trial, epoch: int, **metrics: float) -> None:
    request = TrialReport(attempt=trial.attempt, epoch=epoch, metrics=metrics)
    rig.do(lambda s: rig.tuner.report_trial(s, trial.study_id, trial.number, request))


def test_asked_trials_carry_the_sampled_parameters_and_end_the_study(rig: Rig) -> None:
    study_id = rig.submit(**EXTERNAL)
    trials = ask(rig, study_id, 5)
    assert [t.number for t in trials] == [0, 1, 2]
    assert all(1e-3 <= t.params["task.params.C"] <= 1e3 for t in trials)
    assert all(t.state is TrialState.RUNNING for t in trials)
    assert ask(rig, study_id) == []
    for trial, value in zip(trials, (3.0, 1.0, 2.0), strict=True):
        assert tell(rig, trial, value=value).value == value
    study = rig.do(lambda s: study_records.get(s, study_id))
    assert study.state is StudyState.COMPLETE
    assert (study.best_trial, study.best_value) == (1, 1.0), "a value is minimised by default"
    assert ask(rig, study_id) == [], "a loop that asks once more is told that nothing is left"


def test_reports_make_curves_and_the_value(rig: Rig) -> None:
    study_id = rig.submit(**EXTERNAL, objective={"metric": "score", "direction": "maximize"})
    (trial,) = ask(rig, study_id)
    for epoch, score in enumerate((0.5, 0.9, 0.7)):
        report(rig, trial, epoch, score=score)
    ended = tell(rig, trial)
    assert (ended.value, ended.best_epoch, ended.epochs_done) == (0.9, 1, 3)


def test_workers_pass_external_studies_by(rig: Rig) -> None:
    rig.submit(**EXTERNAL)
    assert rig.lease(rig.join(), 10) == []


def test_only_external_open_studies_are_asked(rig: Rig) -> None:
    with pytest.raises(Conflict, match="trained by workers"):
        ask(rig, rig.submit())
    study_id = rig.submit(**EXTERNAL)
    rig.do(lambda s: rig.tuner.pause(s, study_id))
    with pytest.raises(Conflict, match="resume it"):
        ask(rig, study_id)


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ({}, "value: is required"),
        ({"value": float("nan")}, "value: must be finite"),
        (
            {"state": "running", "value": 1.0},
            "must be complete, pruned, failed, or queued to give it back",
        ),
    ],
)
def test_bad_ends_are_refused_and_change_nothing(
    rig: Rig, end: dict[str, Any], sentence: str
) -> None:
    (trial,) = ask(rig, rig.submit(**EXTERNAL))
    with pytest.raises(InvalidInput, match=sentence):
        tell(rig, trial, **end)
    assert tell(rig, trial, value=1.0).state is TrialState.COMPLETE


def test_reports_to_a_finished_or_lost_trial_are_refused(rig: Rig) -> None:
    study_id = rig.submit(**EXTERNAL)
    first, second = ask(rig, study_id, 2)
    tell(rig, first, value=1.0)
    with pytest.raises(Conflict, match="is complete; ask for another"):
        tell(rig, first, value=2.0)
    with pytest.raises(Conflict, match="is complete; ask for another"):
        report(rig, first, 0, score=1.0)
    rig.run_out()
    rig.expire()
    with pytest.raises(Conflict, match="is queued; ask for another"):
        report(rig, second, 0, score=1.0)
    (again,) = ask(rig, study_id)
    assert (again.number, again.attempt) == (second.number, 2)
    assert again.params == second.params
    with pytest.raises(StaleLease):
        tell(rig, second, value=1.0)
    assert tell(rig, again, value=1.0).state is TrialState.COMPLETE


def test_the_exchanges_of_the_contract(api: TestClient) -> None:
    study = api.post("/api/v1/studies", json={"name": "mine", **EXTERNAL}).json()
    base = f"/api/v1/studies/{study['id']}"
    trials = api.post(f"{base}:ask", json={"count": 2}).json()["trials"]
    assert [t["number"] for t in trials] == [0, 1]
    response = api.post(
        f"{base}/trials/1:report", json={"attempt": 1, "epoch": 0, "metrics": {"value": 2.5}}
    )
    assert response.json() == {"decision": "continue"}
    ended = api.post(f"{base}/trials/1:complete", json={"attempt": 1, "value": 2.0})
    assert (ended.status_code, ended.json()["value"]) == (200, 2.0)
    late = api.post(f"{base}/trials/1:complete", json={"attempt": 1, "value": 1.0})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
