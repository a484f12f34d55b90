"""Figures and schedules over REST, on both databases."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import Rig, spec

from api.schedule_preview import schedule_curve
from hpsearch.spec.study import parse_study

API = "/api/v1"


@pytest.fixture
def study(served: Rig) -> int:
    study = served.submit(search={"trials": 5})
    jobs = served.lease(served.join(), 4)
    for job in jobs[:3]:
        for epoch in range(4):
            loss = math.inf if job.trial == 0 and epoch == 2 else 1.0 / (epoch + 1 + job.trial)
            served.report(job, epoch, val_accuracy=0.1 * (job.trial + epoch), val_loss=loss)
        served.complete(job)
    return study


def figure(api: TestClient, study: int, name: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"{API}/studies/{study}/figures/{name}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = json.loads(answer.content, parse_constant=pytest.fail)
    assert set(found) == {"data", "layout"}
    return found


def test_history_shows_each_trial_and_the_best_so_far(api: TestClient, study: int) -> None:
    trials, best = figure(api, study, "history")["data"]
    assert trials["x"] == [0, 1, 2]
    assert trials["y"] == pytest.approx([0.3, 0.4, 0.5])
    assert best["y"] == pytest.approx([0.3, 0.4, 0.5])


def test_curves_are_those_of_the_best_trials(api: TestClient, study: int) -> None:
    drawn = figure(api, study, "curves", metric="val_loss", top=2)
    assert [trace["meta"] for trace in drawn["data"]] == [1, 2]
    assert drawn["data"][1]["y"] == pytest.approx([1 / 3, 1 / 4, 1 / 5, 1 / 6])
    assert drawn["layout"]["meta"]["note"] == "the best 2 of 3 trials"


def test_what_is_not_finite_is_a_gap(api: TestClient, study: int) -> None:
    drawn = figure(api, study, "curves", metric="val_loss")
    assert drawn["data"][0]["y"] == [1.0, 0.5, None, 0.25]


def test_a_space_of_one_dimension_is_drawn_against_the_objective(
    api: TestClient, study: int
) -> None:
    drawn = figure(api, study, "scatter")
    assert drawn["layout"]["xaxis"]["title"]["text"] == "optimizer.lr"
    assert drawn["layout"]["yaxis"]["title"]["text"] == "val_accuracy"


def test_a_trial_has_its_panels(api: TestClient, study: int) -> None:
    drawn = figure(api, study, "trial", trial=2, panel="loss")
    (line,) = drawn["data"]
    assert line["name"] == "val_loss"
    assert figure(api, study, "trial", trial=3)["data"] == []


def test_a_study_without_trials_has_empty_figures(api: TestClient, served: Rig) -> None:
    empty = served.submit()
    for name in ("history", "scatter", "curves"):
        assert all(not trace["x"] for trace in figure(api, empty, name)["data"])


def test_figures_follow_what_is_reported(api: TestClient, served: Rig) -> None:
    running = served.submit()
    worker = served.join()
    (job,) = served.lease(worker)
    for epoch in range(3):
        served.report(job, epoch)
        assert len(figure(api, running, "curves")["data"][0]["x"]) == epoch + 1
        assert figure(api, running, "history")["data"][0]["y"][0] == 0.5 + epoch / 100


WRONG: list[tuple[str, dict[str, Any], int]] = [
    ("pie", {}, 422),
    ("curves", {"top": 0}, 422),
    ("curves", {"top": 10_000}, 422),
    ("scatter", {"x": "optimizer.beta1"}, 422),
    ("trial", {}, 422),
    ("trial", {"trial": 77}, 404),
]


def test_a_figure_that_cannot_be_drawn_says_why(api: TestClient, study: int) -> None:
    for name, query, status in WRONG:
        answer = api.get(f"{API}/studies/{study}/figures/{name}", params=query)
        assert answer.status_code == status, (name, query)
        assert answer.json()["detail"], (name, query)


def test_an_unknown_metric_has_no_curves(api: TestClient, study: int) -> None:
    for metric in ("nothing", 'x"y', "a.b", "'", "$", "é"):
        assert figure(api, study, "curves", metric=metric)["data"] == [], metric


def preview(api: TestClient, **body: Any) -> Any:
    return api.post(f"{API}/schedules:preview", json={"steps": 8, "steps_per_epoch": 4, **body})


def test_a_schedule_is_drawn_step_by_step(sqlite_api: TestClient) -> None:
    schedule = {"kind": "exponential", "decay_rate": 0.99, "decay_steps": 1, "unit": "step"}
    answer = preview(sqlite_api, schedule=schedule, lr=0.1, steps=21)
    expected = [0.1 * 0.99**step for step in range(21)]
    assert answer.json()["lr"] == pytest.approx(expected, rel=1e-12)


def test_a_schedule_counts_in_epochs_unless_told(sqlite_api: TestClient) -> None:
    answer = preview(sqlite_api, schedule={"kind": "step", "step_size": 1, "gamma": 0.5}, lr=1.0)
    assert answer.json()["lr"] == [1.0] * 4 + [0.5] * 4
    assert preview(sqlite_api, schedule="constant", lr=0.3).json()["lr"] == [0.3] * 8


def test_noise_comes_from_the_seed(sqlite_api: TestClient) -> None:
    noisy = {"schedule": {"kind": "noisy_linear_cosine"}, "lr": 1.0}
    first, again, other = (
        preview(sqlite_api, **noisy, seed=seed).json()["lr"] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"schedule": {"kind": "step", "step_size": {"uniform": [1, 2]}}}, "schedule"),
        ({"schedule": {"kind": "staircase"}}, "schedule.kind"),
        ({"lr": 0}, "lr"),
        ({"steps": 0}, "steps"),
        ({"steps": 10**9}, "steps"),
        ({"schedule": {"kind": "lambda", "expression": "1 / (step - 3)"}}, ""),
    ],
)
def test_a_schedule_that_cannot_be_drawn_is_refused_by_its_field(
    sqlite_api: TestClient, body: dict[str, Any], path: str
) -> None:
    answer = preview(sqlite_api, **body)
    assert answer.status_code == 422, answer.text
    assert any(error["path"].startswith(path) for error in answer.json()["errors"])


def test_a_preview_shows_the_schedule_of_the_middle_of_the_space(sqlite_api: TestClient) -> None:
    document = spec(
        schedule={"kind": "linear", "end_factor": 0.0, "warmup": {"epochs": 1}},
        training={"epochs": 4, "batch_size": 32},
    )
    found = sqlite_api.post(f"{API}/studies:preview", json=document).json()["schedule"]
    peak = math.sqrt(1e-5 * 1.0)
    assert max(found["lr"]) == pytest.approx(peak, rel=0.05)
    assert found["lr"][0] == pytest.approx(0.01 * peak)
    assert found["epochs"][0] == 0.0
    assert 3.0 < found["epochs"][-1] < 4.0


@settings(max_examples=25)
@given(st.integers(1, 300), st.integers(1, 2000), st.sampled_from(["digits", "wine"]))
def test_any_length_of_schedule_is_thinned_to_a_few_moments(
    epochs: int, batch_size: int, dataset: str
) -> None:
    document = spec(
        task={"dataset": dataset},
        training={"epochs": epochs, "batch_size": batch_size},
        schedule={"kind": "cosine"},
    )
    curve = schedule_curve(parse_study(document))
    assert curve is not None
    assert len(curve.epochs) == len(curve.lr) <= 400
    assert curve.epochs == sorted(set(curve.epochs))
    assert 0.0 <= curve.epochs[-1] < epochs
