"""Why studies end, what becomes of trials that end with them, and who hears of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from rig import Rig, a_report

from hpsearch.errors import Conflict, StaleLease
from hpsearch.spec.language.states import (
    Decision,
    FailureReason,
    JobState,
    StudyState,
    TrialReason,
    TrialState,
)
from hpsearch.spec.wire.jobs import (
    AskRequest,
    Job,
    JobDecision,
    ReportBatch,
    TrialCompletion,
    TrialReport,
)
from hpsearch.store import jobs


def answers(rig: Rig, job: Job, *epochs: int, **metrics: float) -> JobDecision:
    """What a worker hears that reports epochs of a trial."""
    batch = ReportBatch(worker=1, reports=[a_report(job, epoch, **metrics) for epoch in epochs])
    (decision,) = rig.do(lambda session: rig.tuner.report(session, batch)).decisions
    return decision


def job_state(rig: Rig, job: Job) -> JobState:
    with rig.database.read() as session:
        return jobs.status(session, job.id).state


def stop(rig: Rig, study: int) -> None:
    rig.do(lambda session: rig.tuner.stop(session, study))


def ended(rig: Rig, study: int) -> tuple[Any, ...]:
    end = rig.study(study).end
    assert end is not None
    return end.reason, end.limit


def test_a_worker_hears_how_many_epochs_of_a_stopped_trial_count_and_sends_their_best_state(
    rig: Rig,
) -> None:
    study = rig.submit()
    (job,) = rig.lease(rig.join())
    rig.report(job, 0, 1)
    stop(rig, study)
    before = rig.trial(study, 0)
    assert (before.state, before.reason, before.epochs_done) == ("complete", "stopped", 2)
    assert (rig.study(study).best_trial, rig.study(study).ending_trials) == (0, 1)
    decision = answers(rig, job, 2, 3, val_accuracy=0.99)
    assert decision.decision is Decision.STOP
    assert decision.ended is not None
    assert (decision.ended.state, decision.ended.epochs) == ("complete", 2)
    rig.store(job, 1, b"best", best=True)
    rig.complete(job, test_metrics={"test_accuracy": 0.75})
    after = rig.trial(study, 0)
    assert (after.epochs_done, after.value) == (2, before.value)
    assert after.metrics["test_accuracy"] == 0.75
    assert [one.epoch for one in rig.checkpoints(study)] == [1]
    assert (rig.study(study).ending_trials, job_state(rig, job)) == (0, JobState.DONE)
    with pytest.raises(StaleLease):
        rig.report(job, 2)


@pytest.mark.parametrize("how", ["ran out", "released", "failed"])
def test_a_trial_that_ended_stays_complete_when_its_worker_sends_nothing(
    rig: Rig, how: str
) -> None:
    study = rig.submit()
    (job,) = rig.lease(rig.join())
    rig.report(job, 0)
    stop(rig, study)
    if how == "ran out":
        rig.run_out(job)
        rig.expire()
    else:
        rig.fail(job, FailureReason.RELEASED if how == "released" else FailureReason.INVALID)
    assert rig.trial(study, 0).state is TrialState.COMPLETE
    assert (rig.study(study).ending_trials, job_state(rig, job)) == (0, JobState.FAILED)
    assert rig.study(study).counts.failed == 0


def test_a_trial_whose_worker_was_lost_is_complete_by_what_was_reported(rig: Rig) -> None:
    study = rig.submit(search={"trials": 3}, limits={"seconds": 3600})
    lost, fresh, _ = rig.lease(rig.join(), 3)
    rig.report(lost, 0, 1)
    rig.run_out(lost, fresh)
    rig.expire()
    stop(rig, study)
    ends = [(rig.trial(study, n).state, rig.trial(study, n).reason) for n in range(3)]
    assert ends == [("complete", "stopped"), ("failed", "stopped"), ("failed", "stopped")]
    assert rig.study(study).ending_trials == 0


def test_ensembles_wait_for_the_states_of_trials_that_a_limit_cut_short(rig: Rig) -> None:
    ensemble = {"kind": "top_k", "size": 2}
    study = rig.submit(search={"trials": 9}, limits={"epochs": 3}, ensemble=ensemble)
    worker = rig.join()
    (job,) = rig.lease(worker, 9)
    assert answers(rig, job, 0, 1).decision is Decision.CONTINUE
    decision = answers(rig, job, 2, 3)
    assert decision.ended is not None
    assert decision.ended.epochs == rig.study(study).epochs_done == 3
    assert (rig.study(study).state, rig.lease(worker, 9)) == (StudyState.RUNNING, [])
    rig.store(job, 2, b"best", best=True)
    rig.complete(job)
    (building,) = rig.lease(worker, 9)
    assert [(one.trial, one.epoch) for one in building.candidates] == [(0, 2)]
    rig.build(building)
    assert (rig.study(study).state, ended(rig, study)) == ("complete", ("limit", "epochs"))


def test_the_limit_on_epochs_is_shared_out_in_turn_and_never_passed(rig: Rig) -> None:
    study = rig.submit(search={"trials": 9}, training={"epochs": 4}, limits={"epochs": 7})
    one, other = rig.lease(rig.join(), 9)
    rig.report_all(*(a_report(job, epoch) for job in (one, other) for epoch in range(4)))
    assert [rig.trial(study, n).epochs_done for n in (0, 1)] == [4, 3]
    assert rig.study(study).epochs_done == 7
    reasons = [rig.trial(study, n).reason for n in (0, 1)]
    assert reasons == [None, TrialReason.LIMIT]


def test_a_study_that_trained_all_it_planned_is_finished_whatever_its_limits(rig: Rig) -> None:
    study = rig.submit(search={"trials": 2}, training={"epochs": 2}, limits={"epochs": 4})
    for job in rig.lease(rig.join(), 2):
        rig.report(job, 0, 1)
        rig.complete(job)
    assert (rig.study(study).state, ended(rig, study)) == ("complete", ("finished", None))


def test_a_diverged_trial_does_not_become_complete_by_a_limit(rig: Rig) -> None:
    study = rig.submit(search={"trials": 9}, limits={"epochs": 2})
    (job,) = rig.lease(rig.join(), 9)
    rig.report(job, 0, train_loss=1.0)
    decision = answers(rig, job, 1, train_loss=math.inf)
    assert decision.ended is not None
    assert (decision.ended.state, decision.ended.reason) == ("pruned", "diverged")
    rig.complete(job, state="pruned", reason="diverged")
    assert (rig.study(study).state, rig.study(study).best_trial) == ("complete", None)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["diverged"] * 3, "all diverged; search lower values of optimizer.lr"),
        (["invalid"] * 3, "trial 0 was the first to fail: it broke"),
        (["diverged", "invalid", "invalid"], "trial 1 was the first to fail: it broke"),
    ],
)
def test_a_search_in_which_no_trial_came_to_a_value_has_failed_and_says_what_may_help(
    rig: Rig, ends: list[str], said: str
) -> None:
    study = rig.submit(search={"trials": 3})
    for job, end in zip(rig.lease(rig.join(), 3), ends, strict=True):
        if end == "invalid":
            rig.fail(job, FailureReason.INVALID)
        else:
            rig.report(job, 0, train_loss=math.nan, val_accuracy=math.nan)
            rig.complete(job, state="pruned", reason="diverged")
    record = rig.study(study)
    assert (record.state, ended(rig, study)) == ("failed", ("no_value", None))
    assert record.end is not None
    assert record.end.message.startswith("none of 3 trials came to a value")
    assert said in record.end.message


def test_one_value_is_enough_not_to_fail(rig: Rig) -> None:
    study = rig.submit(search={"trials": 2})
    one, other = rig.lease(rig.join(), 2)
    rig.fail(one, FailureReason.INVALID)
    rig.train(other)
    assert (rig.study(study).state, ended(rig, study)) == ("complete", ("finished", None))


def test_no_trial_is_handed_out_that_could_pass_a_limit(rig: Rig) -> None:
    worker = rig.join()
    for limits, first in (
        ({"trials": 3}, 3),
        ({"epochs": 9}, 3),
        ({"epochs": 8}, 2),
        ({"stall_trials": 2}, 3),
        ({"failed_trials": 2}, 20),
    ):
        study = rig.submit(search={"trials": 20}, limits=limits)
        held = rig.lease(worker, 50)
        assert len(held) == first, limits
        assert rig.lease(worker, 50) == []
        stop(rig, study)


def test_a_trial_that_was_to_be_pruned_is_not_trained_again_when_its_worker_is_lost(
    rig: Rig,
) -> None:
    pruner = {"kind": "threshold", "lower": 0.4}
    study = rig.submit(search={"trials": 2}, pruner=pruner)
    job, _ = rig.lease(rig.join(), 2)
    assert answers(rig, job, 0, val_accuracy=0.1).decision is Decision.STOP
    rig.run_out(job)
    rig.expire()
    trial = rig.trial(study, 0)
    assert (trial.state, trial.reason) == ("pruned", None)
    assert trial.message


def test_what_was_taken_back_before_it_began_is_not_begun(rig: Rig) -> None:
    study = rig.submit(search={"trials": 4})
    worker = rig.join()
    held = rig.lease(worker, 4)
    assert rig.begin(*held[:2]) == [held[0].id, held[1].id]
    paused = rig.do(lambda session: rig.tuner.pause(session, study))
    assert (paused.returned_trials, paused.trials_on_old_version) == (2, 0)
    assert rig.begin(*held) == [held[0].id, held[1].id]
    with pytest.raises(StaleLease):
        rig.report(held[2], 0)
    rig.do(lambda session: rig.tuner.resume(session, study))
    again = rig.lease(worker, 4)
    assert [(job.trial, job.attempt, job.params) for job in again] == [
        (job.trial, 2, job.params) for job in held[2:]
    ]


def test_an_edit_makes_anew_what_has_not_begun_and_counts_what_stays(rig: Rig) -> None:
    study = rig.submit(search={"trials": 4})
    rig.do(lambda session: rig.tuner.add_trials(session, study, [{"optimizer.lr": 0.5}]))
    worker = rig.join()
    given, one, two, three = rig.lease(worker, 4)
    rig.begin(one)
    patch = {"optimizer": {"lr": {"log_uniform": [1e-3, 1e-2]}}}
    edited = rig.do(lambda session: rig.tuner.edit(session, study, patch))
    # Of what a person asked for, outside of the new range, the configuration stays.
    assert (edited.returned_trials, edited.trials_on_old_version) == (3, 2)
    versions = [rig.trial(study, n).version for n in range(4)]
    assert versions == [1, 1, 2, 2]
    fresh = rig.lease(worker, 9)
    assert [job.trial for job in fresh] == [given.trial, two.trial, three.trial, 4]
    assert fresh[0].params == given.params
    for job in fresh[1:]:
        assert 1e-3 <= float(job.params["optimizer.lr"]) <= 1e-2
        assert job.spec["optimizer"]["lr"]["log_uniform"] == [1e-3, 1e-2]
    alone = rig.submit(
        optimizer={"kind": "sgd", "lr": {"log_uniform": [1e-3, 1e-2]}},
        search={"trials": 4},
    )
    drawn = [job.params for job in rig.lease(worker, 9) if job.study_id == alone]
    assert [job.params for job in fresh[1:]] == drawn[1:]


def test_an_edit_of_its_name_takes_nothing_from_a_worker(rig: Rig) -> None:
    study = rig.submit(search={"trials": 2})
    rig.lease(rig.join(), 2)
    edited = rig.do(lambda session: rig.tuner.edit(session, study, {"name": "other"}))
    assert (edited.name, edited.returned_trials, edited.trials_on_old_version) == ("other", 0, 2)


# A person's own loop


def _external(rig: Rig, **sections: Any) -> int:
    task = {"kind": "external", "params": {"x": {"uniform": [0, 1]}}}
    return rig.submit(
        task=task,
        optimizer={"kind": "adam"},
        objective={"metric": "score", "direction": "maximize"},
        **sections,
    )


def test_a_loop_hears_of_a_limit_and_may_complete_its_trial(rig: Rig) -> None:
    study = _external(rig, limits={"epochs": 3}, search={"trials": 9})
    rig.do(lambda session: rig.tuner.ask(session, study, AskRequest()))

    def report(epoch: int) -> Decision:
        request = TrialReport(attempt=1, epoch=epoch, metrics={"score": 0.5})
        return rig.do(lambda session: rig.tuner.report_trial(session, study, 0, request)).decision

    assert [report(0), report(1), report(2)] == ["continue", "continue", "stop"]
    assert (rig.study(study).state, rig.study(study).best_trial) == ("complete", 0)
    assert report(3) is Decision.STOP
    end = TrialCompletion(attempt=1)
    trial = rig.do(lambda session: rig.tuner.complete_trial(session, study, 0, end))
    assert (trial.state, trial.reason, trial.epochs_done) == ("complete", "limit", 3)
    with pytest.raises(Conflict):
        rig.do(lambda session: rig.tuner.complete_trial(session, study, 0, end))


def test_name_notes_and_tags_change_when_a_study_is_over_and_nothing_else(rig: Rig) -> None:
    study = rig.submit()
    stop(rig, study)
    labels = {"name": "late", "notes": "seen", "tags": ["kept"]}
    edited = rig.do(lambda session: rig.tuner.edit(session, study, labels))
    assert (edited.state, edited.name, edited.spec["notes"]) == ("stopped", "late", "seen")
    with pytest.raises(Conflict, match="must be open to have more than name, notes, tags edited"):
        rig.do(lambda session: rig.tuner.edit(session, study, {"priority": 3}))
