"""Ensembles through the tuner: when they are built, what they wait for, when they go."""

from __future__ import annotations

import pytest
from ensemble_steps import REINIT, TOP_K, advance, built, searched, state, states, status
from rig import Rig
from sqlalchemy import update

from hpsearch.errors import Conflict, InvalidInput, NotFound, StaleLease
from hpsearch.spec.language.states import (
    EnsembleState,
    EventKind,
    FailureReason,
    StudyState,
    TrialReason,
    TrialState,
)
from hpsearch.spec.wire.jobs import EnsembleJob, Job
from hpsearch.store import events
from hpsearch.store.tables import StudyRow

# At the end of a study


def test_a_study_is_complete_only_when_its_ensembles_are(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=[TOP_K, {"kind": "greedy"}])
    assert (state(rig, study), states(rig, study)) == (
        StudyState.RUNNING,
        [EnsembleState.QUEUED] * 2,
    )
    first, second = rig.lease(worker, 5)
    assert rig.lease(worker) == []
    assert states(rig, study) == [EnsembleState.RUNNING] * 2
    rig.build(first)
    assert (state(rig, study), rig.study(study).best_trial) == (StudyState.RUNNING, 1)
    rig.build(second)
    record = rig.study(study)
    assert (record.state, record.ensembles) == (StudyState.COMPLETE, 2)
    with rig.database.read() as session:
        log = events.page(session, study, 100, None).events
    messages = [one.message for one in log if one.kind is EventKind.ENSEMBLE_COMPLETE]
    assert messages[0] == (
        "ensemble 1 (top_k) of 4 members: not known to be better than the best single trial: test "
        "accuracy 0.8, trial 0 alone 0.7; gain +0.1, without an interval"
    )
    assert log[-1].message == "running → complete: its ensembles are over"


def test_a_worker_is_told_of_every_checkpoint_that_came_to_a_value(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 5}, training={"epochs": 2}, ensemble=TOP_K)
    whole, pruned, diverged, failed, silent = rig.lease(worker, 5)
    rig.train(whole, 0.8)
    rig.train(pruned, 0.6, state="pruned")
    rig.train(diverged, 0.9, state="pruned", reason="diverged")
    rig.report(failed, 0)
    rig.store(failed, 0, b"state", best=True)
    rig.fail(failed, FailureReason.INVALID)
    rig.report(silent, 0)
    rig.complete(silent)
    (job,) = rig.lease(worker)
    assert isinstance(job, EnsembleJob)
    assert (job.study_id, job.attempt, job.request.kind, job.request.size) == (study, 1, "top_k", 2)
    assert job.spec["task"]["dataset"] == "wine"
    found = [(one.trial, one.epoch, one.complete, one.best, one.last) for one in job.candidates]
    assert found == [
        (0, 0, True, True, False),
        (0, 1, True, False, True),
        (1, 0, False, True, False),
        (1, 1, False, False, True),
    ]
    assert [one.value for one in job.candidates] == [0.8, 0.8, 0.6, 0.6]


def test_an_ensemble_that_fails_does_not_hold_up_its_study(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    rig.fail(job, FailureReason.INVALID)
    (ensemble,) = rig.ensembles(study)
    assert (ensemble.state, ensemble.message) == (EnsembleState.FAILED, "it broke")
    assert state(rig, study) is StudyState.COMPLETE


def test_without_a_complete_trial_there_is_nothing_to_combine(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 1}, training={"epochs": 2}, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    rig.train(job, state="pruned")
    assert (state(rig, study), rig.ensembles(study)) == (StudyState.COMPLETE, [])
    with rig.database.read() as session:
        log = events.page(session, study, 100, None).events
    (message,) = [event.message for event in log if event.kind is EventKind.ENSEMBLE_FAILED]
    assert "an ensemble needs a trial that came to a value, and the study has none" in message
    with pytest.raises(Conflict, match="must have a complete trial to have an ensemble, and"):
        rig.request(study)


@pytest.mark.parametrize("limits", [{"trials": 1}, {"epochs": 2}, {"seconds": 60}])
def test_a_limit_ends_the_search_and_not_the_ensembles(rig: Rig, limits: dict[str, float]) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 9}, training={"epochs": 2}, ensemble=TOP_K, limits=limits)
    one, *others = [job for job in rig.lease(worker, 2) if isinstance(job, Job)]
    assert len(others) == ("seconds" in limits)
    rig.report(one, 0)
    rig.store(one, 0, b"best", best=True)
    if "seconds" in limits:
        rig.do(lambda session: session.execute(update(StudyRow).values(started_at=1.0)))
    rig.report(one, 1)
    rig.complete(one)
    for other in others:
        assert rig.trial(study, 1).reason is TrialReason.LIMIT
        with pytest.raises(StaleLease):
            rig.report(other, 0)
    (job,) = rig.lease(worker, 5)
    rig.enforce_limits()
    assert state(rig, study) is StudyState.RUNNING
    rig.build(job)
    record = rig.study(study)
    assert (record.state, record.counts.ended) == (StudyState.COMPLETE, 1 + len(others))
    assert record.epochs_planned == 2 * record.counts.ended


def test_too_many_failures_fail_the_study_and_not_its_ensembles(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 5}, training={"epochs": 2}, limits={"failed_trials": 1})
    whole, other = rig.lease(worker, 2)
    rig.train(whole)
    rig.request(study)
    (job,) = [job for job in rig.lease(worker, 5) if isinstance(job, EnsembleJob)]
    rig.fail(other, FailureReason.INVALID)
    assert (state(rig, study), states(rig, study)) == (StudyState.FAILED, [EnsembleState.RUNNING])
    rig.build(job)
    assert states(rig, study) == [EnsembleState.COMPLETE]


def test_a_pause_holds_trials_back_and_not_ensembles(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=[TOP_K, REINIT])
    rig.do(lambda session: rig.tuner.pause(session, study))
    (first,) = rig.lease(worker, 9)
    rig.build(first)
    assert (rig.lease(worker, 9), state(rig, study)) == ([], StudyState.PAUSED)
    rig.do(lambda session: rig.tuner.resume(session, study))
    extra = rig.lease(worker, 9)
    assert [job.trial for job in extra] == [2, 3]
    rig.begin(*extra)
    rig.train(extra[0])
    rig.do(lambda session: rig.tuner.pause(session, study))
    rig.train(extra[1])
    (second,) = rig.lease(worker, 9)
    rig.build(second)
    assert state(rig, study) is StudyState.COMPLETE


def test_stopping_ends_ensembles_and_what_they_wait_for(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=[TOP_K, TOP_K, REINIT])
    building, *_ = rig.lease(worker)
    rig.do(lambda session: rig.tuner.stop(session, study))
    assert states(rig, study) == [EnsembleState.FAILED] * 3
    assert {one.message for one in rig.ensembles(study)} == {"the study was stopped"}
    assert rig.study(study).counts.failed == 2
    assert rig.lease(worker, 9) == []
    for late in (lambda: rig.build(building), lambda: advance(rig, building)):
        with pytest.raises(StaleLease):
            late()
    rig.do(lambda session: rig.tuner.delete(session, study))
    assert rig.artifacts() == []
    assert rig.snapshot()["ensembles"] == rig.snapshot()["jobs"] == []


def test_deleting_a_study_takes_its_ensembles_and_their_files(rig: Rig) -> None:
    worker = rig.join()
    ensemble = built(rig, worker)
    rig.ask(ensemble, [0.0])
    assert any(key.endswith(".zip") for key in rig.artifacts())
    rig.do(lambda session: rig.tuner.delete(session, 1))
    assert rig.artifacts() == []
    assert rig.snapshot()["ensembles"] == rig.snapshot()["jobs"] == []


def test_what_a_study_is_called_may_change_while_ensembles_are_built_but_not_its_search(
    rig: Rig,
) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=TOP_K)
    record = rig.do(lambda s: rig.tuner.edit(s, study, {"name": "new", "priority": 3}))
    assert (record.name, record.state) == ("new", StudyState.RUNNING)
    for patch in ({"search": {"trials": 9}}, {"optimizer": {"lr": {"log_uniform": [1e-4, 1]}}}):
        with pytest.raises(Conflict, match="building its ensembles; clone it with the changes"):
            rig.do(lambda s: rig.tuner.edit(s, study, patch))  # noqa: B023
    with pytest.raises(Conflict, match="is building its ensembles; clone it"):
        rig.do(lambda s: rig.tuner.add_trials(s, study, [{"optimizer.lr": 0.1}]))
    (job,) = rig.lease(worker, 9)
    rig.build(job)
    assert (state(rig, study), rig.study(study).trials_planned) == (StudyState.COMPLETE, 2)


# On request


@pytest.mark.parametrize("verb", ["", "pause", "stop"])
def test_an_ensemble_may_be_asked_for_in_any_state(rig: Rig, verb: str) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 2}, training={"epochs": 2})
    one, other = rig.lease(worker, 2)
    rig.begin(one, other)
    rig.train(one)
    if verb:
        rig.do(lambda session: getattr(rig.tuner, verb)(session, study))
    before = state(rig, study)
    ensemble = rig.request(study)
    (job,) = rig.lease(worker)
    assert (job.ensemble, {c.trial for c in job.candidates}) == (ensemble, {0})
    rig.build(job)
    assert (state(rig, study), states(rig, study)) == (before, [EnsembleState.COMPLETE])
    if verb != "stop":
        rig.train(other)
        assert state(rig, study) is StudyState.COMPLETE


def test_an_ensemble_on_request_does_not_hold_up_a_study(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 2}, training={"epochs": 2})
    one, other = rig.lease(worker, 2)
    rig.train(one)
    rig.request(study)
    rig.train(other)
    assert state(rig, study) is StudyState.COMPLETE
    (job,) = rig.lease(worker)
    rig.build(job)
    assert states(rig, study) == [EnsembleState.COMPLETE]


def test_one_of_a_single_trial_needs_one_that_came_to_a_value(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 4}, training={"epochs": 2})
    done, runs, failed, diverged = rig.lease(worker, 4)
    rig.train(done)
    rig.fail(failed, FailureReason.INVALID)
    rig.train(diverged, state="pruned", reason="diverged")
    refusals = [
        (runs.trial, Conflict, "must be over to make an ensemble of, and trial 1 is running; wait"),
        (failed.trial, Conflict, r"come to a value .* trial 2 is failed \(error\); use another"),
        (diverged.trial, Conflict, r"trial 3 is pruned \(diverged\); use another"),
        (9, NotFound, "has none of number 9"),
    ]
    for trial, kind, sentence in refusals:
        with pytest.raises(kind, match=sentence):
            rig.request(study, kind="snapshots", trial=trial)
    rig.request(study, kind="snapshots", trial=done.trial)
    assert len(rig.ensembles(study)) == 1


def test_what_a_study_cannot_have_is_refused_at_its_field(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker)
    with pytest.raises(InvalidInput) as caught:
        rig.request(study, kind="ema", metric="val_rmse")
    assert {error.path for error in caught.value.errors} == {"kind", "metric"}
    with pytest.raises(InvalidInput) as caught:
        rig.submit(ensemble=[TOP_K, {"kind": "ema"}])
    assert [error.path for error in caught.value.errors] == ["ensemble.1.kind"]
    assert rig.ensembles(study) == []


# Deleting, and what stays hidden


def test_deleting_an_ensemble_takes_its_jobs_and_its_file(rig: Rig) -> None:
    worker = rig.join()
    ensemble = built(rig, worker)
    job_id = rig.ask(ensemble, [0.0])
    rig.do(lambda session: rig.tuner.delete_ensemble(session, ensemble))
    assert not any(key.endswith(".zip") for key in rig.artifacts())
    assert (rig.ensembles(1), rig.lease(worker)) == ([], [])
    with pytest.raises(NotFound):
        status(rig, job_id)


def test_deleting_an_ensemble_that_is_being_built_ends_its_job_and_what_waits_for_it(
    rig: Rig,
) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 1}, training={"epochs": 1}, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    rig.train(job)
    (job,) = rig.lease(worker)
    assert rig.study(study).state is StudyState.RUNNING
    (ensemble,) = rig.ensembles(study)
    rig.do(lambda session: rig.tuner.delete_ensemble(session, ensemble.id))
    assert (rig.ensembles(study), rig.study(study).state) == ([], StudyState.COMPLETE)
    with pytest.raises((StaleLease, NotFound)):
        rig.build(job)
    assert not any(key.endswith(".zip") for key in rig.artifacts())


def test_the_test_scores_of_trials_stay_hidden_until_the_ensembles_are_built(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 1}, training={"epochs": 1}, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    rig.train(job, test_metrics={"test_accuracy": 0.5})
    assert "test_accuracy" not in rig.trial(study, 0).metrics
    (job,) = rig.lease(worker)
    rig.build(job)
    assert rig.trial(study, 0).state is TrialState.COMPLETE
    assert rig.trial(study, 0).metrics["test_accuracy"] == 0.5
