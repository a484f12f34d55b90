"""The log's word on borders, and what REST and figures answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from rig import Rig

from hpsearch.spec.language.states import EventKind
from hpsearch.spec.wire.jobs import AskRequest, TrialCompletion
from hpsearch.store import events

STUDY: dict[str, Any] = {
    "task": {
        "kind": "external",
        "params": {"a": {"log_uniform": [1e-4, 1e-1]}, "b": {"uniform": [0.0, 1.0]}},
    },
    "search": {"trials": 24},
}


def run(rig: Rig) -> int:
    """A study whose value falls with `a` up to its range's end."""
    study_id = rig.submit(**STUDY)
    asked = rig.do(lambda s: rig.tuner.ask(s, study_id, AskRequest(count=24))).trials
    for trial in asked:
        end = TrialCompletion(attempt=1, value=-float(np.log10(trial.params["task.params.a"])))
        rig.do(lambda s, n=trial.number, e=end: rig.tuner.complete_trial(s, study_id, n, e))
    return study_id


def test_a_border_is_written_once_to_the_log_of_a_complete_study(rig: Rig) -> None:
    study_id = run(rig)
    with rig.database.read() as session:
        log = events.page(session, study_id, 100, None).events
    (event,) = [event for event in log if event.kind is EventKind.BORDER_WARNING]
    assert event.message.startswith("the best trial has task.params.a ")
    assert event.data["parameter"] == "task.params.a"
    assert (event.data["end"], event.data["limit"]) == ("high", 0.1)


def test_diagnosis_importances_and_their_figure(api: TestClient, served: Rig) -> None:
    base = f"/api/v1/studies/{run(served)}"
    findings = api.get(f"{base}/diagnosis").json()["findings"]
    assert [(f["kind"], f["severity"], f["parameter"]) for f in findings] == [
        ("border", "warning", "task.params.a")
    ]
    found = api.get(f"{base}/importances").json()
    assert (found["evaluator"], found["target"], found["trials"]) == ("ped_anova", "value", 24)
    assert found["importances"][0]["parameter"] == "task.params.a"
    assert found["importances"][0]["spread"] is not None
    other = api.get(f"{base}/importances", params={"evaluator": "fanova", "target": "seconds"})
    assert other.status_code == 200
    figure = api.get(f"{base}/figures/importances").json()
    bars = figure["data"][0]
    assert bars["y"][-1] == "task.params.a", "the most important is on top"
    assert bars["x"][-1] == found["importances"][0]["importance"]
    assert figure["layout"]["meta"]["note"] == "24 complete trials"
    refused = api.get(f"{base}/importances", params={"evaluator": "guess"})
    assert refused.status_code == 422


@pytest.mark.parametrize("what", ["diagnosis", "importances", "figures/importances"])
def test_a_new_study_has_nothing_to_tell_and_an_unknown_one_is_refused(
    sqlite_api: TestClient, what: str
) -> None:
    study = sqlite_api.post("/api/v1/studies", json={"name": "new", **STUDY}).json()
    assert sqlite_api.get(f"/api/v1/studies/{study['id']}/{what}").status_code == 200
    assert sqlite_api.get(f"/api/v1/studies/99/{what}").status_code == 404
