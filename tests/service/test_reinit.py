"""Trials that an ensemble asks for: the best configuration again, from other initialisations."""

from __future__ import annotations

import pytest
from ensemble_steps import REINIT, searched, state
from rig import Rig, a_report
from sqlalchemy import update

from hpsearch.errors import StaleLease
from hpsearch.spec.language.states import (
    Decision,
    EnsembleState,
    FailureReason,
    StudyState,
    TrialReason,
    TrialState,
    is_final,
)
from hpsearch.spec.wire.jobs import EnsembleJob, Job, ReportBatch
from hpsearch.store.tables import StudyRow


def ends(rig: Rig, study: int, *numbers: int) -> list[tuple[TrialState, TrialReason | None]]:
    """How these trials ended."""
    return [(one.state, one.reason) for one in (rig.trial(study, n) for n in numbers)]


STOPPED = (TrialState.FAILED, TrialReason.STOPPED)
CUT_SHORT = (TrialState.FAILED, TrialReason.LIMIT)


def test_reinit_trains_what_is_missing_on_a_complete_study(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker)
    before = rig.study(study)
    assert before.state is StudyState.COMPLETE
    rig.request(study, **REINIT)
    record = rig.study(study)
    assert (record.state, record.trials_planned, record.counts.queued) == (before.state, 4, 2)
    assert (record.epochs_planned, record.eta_seconds) == (8, None)
    extra = rig.lease(worker, 9)
    assert [(job.trial, job.epochs, job.params) for job in extra] == [
        (number, 2, rig.trial(study, 1).params) for number in (2, 3)
    ]
    rig.train(extra[0], 0.9)
    assert rig.lease(worker) == []
    rig.train(extra[1], 0.4)
    (job,) = rig.lease(worker)
    assert {one.trial for one in job.candidates} == {1, 2, 3}
    rig.build(job)
    record = rig.study(study)
    assert (record.state, record.counts.complete, record.best_trial) == (before.state, 4, 2)
    assert record.epochs_done == record.epochs_planned == 8
    assert record.finished_at == before.finished_at


def test_reinit_goes_on_without_a_trial_that_failed(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, ensemble=REINIT)
    extra = rig.lease(worker, 9)
    rig.fail(extra[0], FailureReason.INVALID)
    rig.train(extra[1])
    (job,) = rig.lease(worker)
    assert {one.trial for one in job.candidates} == {1, 3}
    rig.build(job)
    assert state(rig, study) is StudyState.COMPLETE


def test_reinit_takes_what_is_there_first(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker)
    first, second = rig.request(study, **REINIT), rig.request(study, **REINIT)
    assert rig.study(study).trials_planned == 4
    for job in rig.lease(worker, 9):
        rig.train(job, 0.3)
    built = {job.ensemble: job for job in rig.lease(worker, 9)}
    assert built.keys() == {first, second}
    for job in built.values():
        assert {one.trial for one in job.candidates} == {1, 2, 3}
        rig.build(job)
    rig.request(study, kind="reinit", size=2)
    (job,) = rig.lease(worker, 9)
    assert {one.trial for one in job.candidates} == {1, 2}
    assert rig.study(study).trials_planned == 4


def test_reinit_repeats_the_spec_that_its_trial_ran_with(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 2}, training={"epochs": 2})
    (best,) = rig.lease(worker)
    rig.train(best, 0.9)
    wider = {"optimizer": {"weight_decay": {"log_uniform": [1e-5, 0.1]}}}
    rig.do(lambda session: rig.tuner.edit(session, study, wider))
    rig.request(study, kind="reinit", size=2)
    (again,) = rig.lease(worker)
    assert (again.params, again.spec) == (best.params, best.spec)


@pytest.mark.parametrize("present", [1, 3])
def test_reinit_trains_as_often_as_the_trial_that_it_repeats(rig: Rig, present: int) -> None:
    worker = rig.join()
    stages = [{"trials": 2, "epochs": 2}, {"trials": 1, "epochs": 2}]
    search = {"kind": "coarse_to_fine", "stages": stages, "promote": 0.0}
    study = rig.submit(search=search, training={"repeats": 2})
    best, *others = [job for job in rig.lease(worker, 2) if isinstance(job, Job)]
    rig.train(best, 0.9)
    for job in others:
        rig.train(job, 0.5)
    (finalist,) = rig.lease(worker)
    assert (best.repeats, finalist.repeats) == (1, None)
    if present == 3:
        rig.train(finalist, 0.5)
        assert state(rig, study) is StudyState.COMPLETE
    rig.request(study, kind="reinit", size=2)
    (again,) = rig.lease(worker)
    assert (again.params, again.repeats) == (best.params, 1)
    rig.train(again, 0.95)
    rig.request(study, kind="reinit", size=3)
    repeats = [job.repeats for job in rig.lease(worker, 9) if isinstance(job, Job)]
    assert repeats == [1]


# What nobody waits for


def test_trials_end_with_the_ensemble_that_asked_for_them(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker)
    ensemble = rig.request(study, **REINIT)
    (running,) = rig.lease(worker)
    rig.do(lambda session: rig.tuner.delete_ensemble(session, ensemble))
    assert ends(rig, study, 2, 3) == [STOPPED, STOPPED]
    assert rig.trial(study, 2).message == "no ensemble waits for it any more"
    assert rig.lease(worker, 9) == []
    with pytest.raises(StaleLease):
        rig.report(running, 0)


def test_a_trial_that_another_ensemble_waits_for_goes_on(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker)
    first, second = rig.request(study, **REINIT), rig.request(study, kind="reinit", size=2)
    rig.do(lambda session: rig.tuner.delete_ensemble(session, first))
    assert ends(rig, study, 2, 3) == [(TrialState.QUEUED, None), STOPPED]
    (job,) = rig.lease(worker, 9)
    rig.train(job)
    (building,) = rig.lease(worker, 9)
    assert (building.ensemble, {one.trial for one in building.candidates}) == (second, {1, 2})


def test_a_trial_that_the_search_made_goes_on_when_an_ensemble_of_it_is_deleted(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(
        search={"trials": 2, "enqueue": [{"optimizer.lr": 0.1}] * 2}, training={"epochs": 2}
    )
    first, second = rig.lease(worker, 2)
    rig.train(first)
    ensemble = rig.request(study, kind="reinit", size=2)
    assert rig.study(study).trials_planned == 2
    rig.do(lambda session: rig.tuner.delete_ensemble(session, ensemble))
    rig.train(second)
    assert (state(rig, study), rig.study(study).counts.complete) == (StudyState.COMPLETE, 2)


# The study's limits


@pytest.mark.parametrize("limits", [{"epochs": 6}, {"seconds": 60}, {"failed_trials": 1}])
def test_a_limit_ends_the_trials_and_not_the_ensemble(rig: Rig, limits: dict[str, float]) -> None:
    worker = rig.join()
    settings = {**REINIT, "size": 4}
    study = searched(rig, worker, ensemble=settings, limits=limits)
    one, *others = rig.lease(worker, 2)
    assert len(others) == ("epochs" not in limits)
    if "failed_trials" in limits:
        rig.fail(one, FailureReason.INVALID)
    else:
        rig.train(one)
        if "seconds" in limits:
            rig.do(lambda session: session.execute(update(StudyRow).values(started_at=1.0)))
            rig.enforce_limits()
    assert ends(rig, study, 3, 4) == [CUT_SHORT, CUT_SHORT]
    for other in others:
        with pytest.raises(StaleLease):
            rig.report(other, 0)
    (building,) = rig.lease(worker, 9)
    left = {1} if "failed_trials" in limits else {1, 2}
    assert {candidate.trial for candidate in building.candidates} == left
    rig.build(building)
    assert state(rig, study) is StudyState.COMPLETE
    reason = "the limit of"
    assert [reason in (rig.trial(study, number).message or "") for number in (3, 4)] == [True, True]


def test_a_search_that_spent_its_budget_leaves_none_for_more(rig: Rig) -> None:
    worker = rig.join()
    rig.submit(search={"trials": 9}, training={"epochs": 2}, ensemble=REINIT, limits={"epochs": 2})
    (job,) = rig.lease(worker)
    rig.train(job)
    (building,) = rig.lease(worker, 9)
    assert isinstance(building, EnsembleJob)
    assert {one.trial for one in building.candidates} == {0}


def test_what_a_person_asks_of_a_study_that_is_over_is_not_held_to_its_limits(rig: Rig) -> None:
    worker = rig.join()
    study = searched(rig, worker, limits={"epochs": 4, "seconds": 60})
    rig.do(lambda session: session.execute(update(StudyRow).values(started_at=1.0)))
    assert state(rig, study) is StudyState.COMPLETE
    rig.request(study, **REINIT)
    rig.enforce_limits()
    extra = rig.lease(worker, 9)
    assert [job.trial for job in extra] == [2, 3]
    assert [one.state for one in rig.ensembles(study)] == [EnsembleState.QUEUED]


# Pruners


@pytest.mark.parametrize("trials", [2, 3], ids=["search over", "search goes on"])
def test_no_pruner_judges_them(rig: Rig, trials: int) -> None:
    worker = rig.join()
    study = rig.submit(
        search={"trials": trials},
        training={"epochs": 2},
        pruner={"kind": "median", "startup_trials": 1},
        objective={"metric": "val_loss", "direction": "minimize"},
    )
    first, second = rig.lease(worker, 2)
    rig.report(first, 0, 1, val_loss=0.1)
    rig.complete(first)
    assert decision(rig, second, 9.0) is Decision.STOP
    rig.complete(second, state=TrialState.PRUNED)
    assert is_final(state(rig, study)) is (trials == 2)
    rig.request(study, kind="reinit", size=2)
    (again,) = [job for job in rig.lease(worker, 9) if job.params == first.params]
    assert decision(rig, again, 9.0) is Decision.CONTINUE


def decision(rig: Rig, job: Job, loss: float) -> Decision:
    epoch = rig.trial(job.study_id, job.trial).epochs_done
    batch = ReportBatch(worker=1, reports=[a_report(job, epoch, val_loss=loss)])
    (decision,) = rig.do(lambda session: rig.tuner.report(session, batch)).decisions
    return decision.decision
