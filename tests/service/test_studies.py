"""Studies from their submission to their end, reports and curves on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rig import Rig, a_report, spec

from hpsearch.errors import Conflict, HpsearchError, IllegalTransition, InvalidInput, NotFound
from hpsearch.service import submission
from hpsearch.spec.language.states import (
    EventKind,
    FailureReason,
    StudyState,
    TrialReason,
    TrialState,
)
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.jobs import Job
from hpsearch.spec.wire.records import Event
from hpsearch.store import events, reports

NUMBERS = st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf, -math.inf])


def _events(rig: Rig, study: int) -> list[Event]:
    with rig.database.read() as session:
        return events.page(session, study, 1000, None).events


def _finish(rig: Rig, job: Job, accuracy: float = 0.5, **fields: Any) -> None:
    rig.report(job, 0, val_accuracy=accuracy)
    rig.complete(job, **fields)


def test_a_study_runs_to_its_end(rig: Rig) -> None:
    study = rig.submit(search={"trials": 3})
    worker = rig.join()
    assert rig.study(study).state is StudyState.QUEUED
    for accuracy in (0.6, 0.9, 0.7):
        (job,) = rig.lease(worker)
        assert rig.study(study).state is StudyState.RUNNING
        _finish(rig, job, accuracy)
    record = rig.study(study)
    assert record.state is StudyState.COMPLETE
    assert (record.best_trial, record.best_value) == (1, 0.9)
    assert (record.counts.complete, record.counts.ended) == (3, 3)
    assert (record.epochs_done, record.epochs_planned) == (3, 12)
    assert record.finished_at is not None
    assert rig.lease(worker) == []
    assert [event.kind for event in _events(rig, study)] == [
        EventKind.STUDY_CREATED,
        EventKind.STATE_CHANGED,
        EventKind.STATE_CHANGED,
    ]


def test_unknown_data_is_refused_with_what_there_is(rig: Rig) -> None:
    with pytest.raises(InvalidInput) as caught:
        rig.submit(task={"dataset": "irises"})
    (error,) = caught.value.errors
    assert error.path == "task.dataset"
    assert "none is called 'irises'; use one of digits, breast_cancer, wine" in error.message


def test_a_preview_stores_nothing(rig: Rig) -> None:
    before = rig.snapshot()
    preview = rig.do(lambda session: submission.preview(session, parse_study(spec())))
    assert preview.stages == [{"trials": 6, "epochs": 4}]
    assert preview.epochs_planned == 24
    assert preview.parameters == [
        {"name": "optimizer.lr", "distribution": {"log_uniform": [1e-5, 1.0]}, "branch": None}
    ]
    assert rig.snapshot() == before


# Test scores (invariant 7)


def test_test_scores_are_shown_of_the_best_trial_of_a_finished_study_alone(rig: Rig) -> None:
    study = rig.submit(search={"trials": 3})
    worker = rig.join()
    jobs = rig.lease(worker, 3)

    def shown() -> list[int]:
        numbers = range(3)
        return [n for n in numbers if "test_accuracy" in rig.trial(study, n).metrics]

    for job, accuracy in zip(jobs, (0.6, 0.9, 0.7), strict=True):
        assert shown() == []
        _finish(rig, job, accuracy, test_metrics={"test_accuracy": 0.1 + accuracy / 2})
    assert shown() == [1]
    assert rig.trial(study, 1).metrics["test_accuracy"] == pytest.approx(0.55)
    with rig.database.read() as session:
        assert reports.curves(session, study, "test_accuracy", None, None).curves == []


def test_test_scores_come_with_the_end_alone(rig: Rig) -> None:
    rig.submit()
    (job,) = rig.lease(rig.join())
    with pytest.raises(ValueError, match="must hold no score on the test split"):
        a_report(job, 0, test_accuracy=0.9)
    with pytest.raises(ValueError, match="must hold test_\\* alone, got val_accuracy"):
        rig.complete(job, test_metrics={"val_accuracy": 1.0})


# Pause, resume, stop, delete


def _verbs(rig: Rig, study: int) -> dict[str, Callable[[], object]]:
    tuner = rig.tuner
    return {
        "pause": lambda: rig.do(lambda s: tuner.pause(s, study)),
        "resume": lambda: rig.do(lambda s: tuner.resume(s, study)),
        "stop": lambda: rig.do(lambda s: tuner.stop(s, study)),
        "delete": lambda: rig.do(lambda s: tuner.delete(s, study)),
    }


ROADS: dict[str, list[str]] = {
    "queued": [],
    "running": ["lease"],
    "paused": ["lease", "pause"],
    "paused early": ["pause"],
    "stopped": ["stop"],
    "complete": ["finish"],
    "failed": ["fail"],
}
ALLOWED = {
    "queued": {"pause": "paused", "stop": "stopped"},
    "running": {"pause": "paused", "stop": "stopped"},
    "paused": {"resume": "running", "stop": "stopped"},
    "paused early": {"resume": "queued", "stop": "stopped"},
    "stopped": {"delete": None},
    "complete": {"delete": None},
    "failed": {"delete": None},
}


@pytest.mark.parametrize("verb", ["pause", "resume", "stop", "delete"])
@pytest.mark.parametrize("state", ROADS)
def test_verbs_at_every_state(rig: Rig, state: str, verb: str) -> None:
    study = rig.submit(search={"trials": 1}, limits={"failed_trials": 1})
    worker = rig.join()
    for step in ROADS[state]:
        if step == "lease":
            rig.lease(worker)
        elif step == "finish":
            _finish(rig, *rig.lease(worker))
        elif step == "fail":
            rig.fail(*rig.lease(worker), FailureReason.INVALID)
        else:
            _verbs(rig, study)[step]()
    assert rig.study(study).state == state.split()[0]
    if verb not in ALLOWED[state]:
        before = rig.snapshot()
        with pytest.raises(Conflict):
            _verbs(rig, study)[verb]()
        assert rig.snapshot() == before
        return
    _verbs(rig, study)[verb]()
    after = ALLOWED[state][verb]
    if after is None:
        with pytest.raises(NotFound, match=f"none has id {study}"):
            rig.study(study)
    else:
        assert rig.study(study).state == after


@pytest.mark.parametrize("verb", ["pause", "resume", "stop", "delete"])
def test_verbs_on_no_study(rig: Rig, verb: str) -> None:
    with pytest.raises(NotFound, match="a study must exist to be used, and none has id 7"):
        _verbs(rig, 7)[verb]()


def test_what_runs_goes_on_under_a_pause(rig: Rig) -> None:
    study = rig.submit(search={"trials": 2})
    worker = rig.join()
    first, second = rig.lease(worker, 2)
    rig.begin(first, second)
    _verbs(rig, study)["pause"]()
    rig.report(first, 0)
    rig.complete(first)
    assert rig.study(study).state is StudyState.PAUSED
    rig.complete(second)
    assert rig.study(study).state is StudyState.COMPLETE


def test_stopping_ends_every_open_trial_and_keeps_what_was_reported(rig: Rig) -> None:
    study = rig.submit()
    worker = rig.join()
    done, running, given_back = rig.lease(worker, 3)
    _finish(rig, done)
    rig.report(running, 0, 1)
    rig.fail(given_back, FailureReason.RELEASED)
    _verbs(rig, study)["stop"]()
    trials = [rig.trial(study, number) for number in range(3)]
    assert [trial.state for trial in trials] == ["complete", "complete", "failed"]
    assert [trial.reason for trial in trials] == [None, TrialReason.STOPPED, TrialReason.STOPPED]
    assert [trial.epochs_done for trial in trials] == [1, 2, 0]
    assert rig.study(study).counts.ended == 3
    assert rig.lease(worker) == []


# Limits


def test_too_many_failed_trials_fail_the_study(rig: Rig) -> None:
    study = rig.submit(limits={"failed_trials": 2})
    worker = rig.join()
    first, second, third = rig.lease(worker, 3)
    rig.fail(first, FailureReason.INVALID)
    assert rig.study(study).state is StudyState.RUNNING
    rig.fail(second, FailureReason.OUT_OF_MEMORY)
    assert rig.study(study).state is StudyState.FAILED
    assert rig.trial(study, third.trial).reason is TrialReason.LIMIT
    assert EventKind.LIMIT_REACHED in [event.kind for event in _events(rig, study)]


def test_a_diverged_trial_is_pruned_and_fails_nothing(rig: Rig) -> None:
    study = rig.submit(limits={"failed_trials": 1})
    worker = rig.join()
    (job,) = rig.lease(worker)
    rig.report(job, 0, val_accuracy=math.nan, val_loss=math.inf)
    rig.complete(job, state=TrialState.PRUNED, reason=TrialReason.DIVERGED)
    trial = rig.trial(study, 0)
    assert (trial.state, trial.reason, trial.value) == ("pruned", "diverged", None)
    assert rig.study(study).state is StudyState.RUNNING


@pytest.mark.parametrize("limits", [{"trials": 2}, {"epochs": 6}])
def test_a_used_up_budget_completes_the_study(rig: Rig, limits: dict[str, int]) -> None:
    study = rig.submit(limits=limits)
    worker = rig.join()
    first, second = rig.lease(worker, 3)
    rig.train(first)
    assert rig.study(study).state is StudyState.RUNNING
    rig.train(second) if "trials" in limits else rig.report(second, 0, 1)
    if "epochs" in limits:
        assert rig.trial(study, 1).reason is TrialReason.LIMIT
        rig.complete(second)
    record = rig.study(study)
    assert record.state is StudyState.COMPLETE
    assert record.end is not None
    assert (record.end.reason, record.end.limit) == ("limit", *limits)
    assert rig.lease(worker) == []


def test_time_is_up_by_the_databases_clock(rig: Rig) -> None:
    study = rig.submit(limits={"seconds": 0.05})
    rig.lease(rig.join())
    while rig.study(study).state is StudyState.RUNNING:
        rig.enforce_limits()
    assert rig.study(study).state is StudyState.COMPLETE
    assert rig.trial(study, 0).reason is TrialReason.LIMIT


def test_no_better_trial_for_long_enough_completes_the_study(rig: Rig) -> None:
    study = rig.submit(limits={"stall_trials": 2})
    worker = rig.join()
    for accuracy, state in (
        (0.5, "running"),
        (0.9, "running"),
        (0.8, "running"),
        (0.9, "complete"),
    ):
        _finish(rig, *rig.lease(worker), accuracy)
        assert rig.study(study).state == state


# Reports (invariant 8) and curves


def test_a_repeat_is_a_no_op(rig: Rig) -> None:
    study = rig.submit()
    (job,) = rig.lease(rig.join())
    rig.report(job, 0, 1, 2)
    before = rig.snapshot("expires_at")
    rig.report(job, 1, val_accuracy=99.0)
    rig.report(job, 0, 1, 2, 0, val_loss=-1.0)
    assert rig.snapshot("expires_at") == before
    rig.report_all(a_report(job, 3), a_report(job, 3, val_accuracy=99.0))
    assert rig.trial(study, 0).epochs_done == 4
    assert rig.trial(study, 0).metrics["val_accuracy"] == pytest.approx(0.53)


@pytest.mark.parametrize(("direction", "best"), [("maximize", 2), ("minimize", 1)])
def test_the_value_is_the_objective_at_the_best_epoch(rig: Rig, direction: str, best: int) -> None:
    study = rig.submit(objective={"metric": "val_loss", "direction": direction})
    (job,) = rig.lease(rig.join())
    for epoch, loss in enumerate((math.nan, 0.2, 0.9, 0.2, 0.9, math.inf, -math.inf)):
        rig.report(job, epoch, val_loss=loss)
    trial = rig.trial(study, 0)
    assert (trial.best_epoch, trial.value) == (best, {1: 0.2, 2: 0.9}[best])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(values=st.lists(NUMBERS, min_size=1, max_size=30), points=st.integers(1, 12))
def test_curves_come_back_as_reported_and_in_buckets(
    rig: Rig, values: list[float], points: int
) -> None:
    study = rig.submit()
    (job,) = rig.lease(rig.join())
    assert job.study_id == study
    rig.report_all(*(a_report(job, i, val_loss=value) for i, value in enumerate(values)))
    rig.do(lambda s: rig.tuner.stop(s, study))
    with rig.database.read() as session:
        (whole,) = reports.curves(session, study, "val_loss", None, None).curves
        (thin,) = reports.curves(session, study, "val_loss", [0], points).curves
        assert reports.curves(session, study, "val_loss", [1], None).curves == []
        assert reports.curves(session, study, "nothing", None, None).curves == []
    assert whole.epochs == list(range(len(values)))
    assert [repr(value) for value in whole.values] == [repr(value) for value in values]
    assert len(thin.epochs) <= points
    assert thin.min is not None
    assert thin.max is not None
    size = math.ceil(len(values) / points)
    for i, epoch in enumerate(thin.epochs):
        bucket = values[i * size : (i + 1) * size]
        assert epoch == i * size + len(bucket) - 1
        # A thinned curve may round after 15 digits (see `reports.curves`).
        assert thin.values[i] == pytest.approx(bucket[-1], rel=1e-14, nan_ok=True)
        numbers = [value for value in bucket if not math.isnan(value)]
        if numbers:
            extremes = pytest.approx((min(numbers), max(numbers)), rel=1e-14)
            assert (thin.min[i], thin.max[i]) == extremes
        else:
            assert math.isnan(thin.min[i])
    assert whole.model_validate_json(whole.model_dump_json()).epochs == whole.epochs


def test_every_error_of_ours_is_a_conflict_or_known(rig: Rig) -> None:
    study = rig.submit()
    _verbs(rig, study)["stop"]()
    with pytest.raises(IllegalTransition, match="must be under way to become"):
        _verbs(rig, study)["stop"]()
    assert issubclass(IllegalTransition, HpsearchError)
