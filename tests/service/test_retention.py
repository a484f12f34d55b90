"""Which checkpoints stay, and which files go: the policy, and what must not be taken away."""

from __future__ import annotations

import os
from typing import Any

import pytest
from retention_checks import GREEDY, begun, collect, pin, retained
from rig import Rig

from hpsearch.errors import NotFound
from hpsearch.spec.language.states import FailureReason, StudyState
from hpsearch.store import checkpoints

# The policy


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (["best", "last"], [(0, 0), (0, 1)]),
        (["best"], [(0, 0)]),
        (["last"], [(0, 1)]),
        ([], []),
    ],
)
def test_what_a_trial_keeps_when_it_is_over(
    rig: Rig, keep: list[str], left: list[tuple[int, int]]
) -> None:
    study, jobs = begun(rig, 2, checkpoints={"keep": keep})
    rig.report(jobs[1], 0)
    rig.store(jobs[1], 0, b"it runs", best=True)
    rig.train(jobs[0])
    assert retained(rig, study) == [*left, (1, 0)]
    rig.report(jobs[1], 1)
    rig.store(jobs[1], 1, b"it ends", best=True)
    rig.fail(jobs[1], FailureReason.INVALID)
    assert retained(rig, study) == left + ([(1, 1)] if keep else [])


def test_a_reason_keeps_what_is_neither_best_nor_last(rig: Rig) -> None:
    study, (job,) = begun(rig, epochs=6, checkpoints={"recent": 2, "every": 2})
    reasons = {1: ["every"], 2: ["recent"], 3: ["every", "recent"], 4: ["recent"], 5: ["snapshot"]}
    for epoch in range(6):
        rig.report(job, epoch)
        rig.store(job, epoch, b"%d" % epoch, best=epoch == 0, reasons=reasons.get(epoch, []))
    rig.complete(job)
    assert retained(rig, study) == [(0, 0), (0, 1), (0, 3), (0, 4), (0, 5)]
    assert [one.reasons for one in rig.checkpoints(study)] == [
        (), ("every",), ("every", "recent"), ("recent",), ("snapshot",),
    ]  # fmt: skip


def test_what_a_checkpoint_predicts_goes_with_it(rig: Rig) -> None:
    study, (job,) = begun(rig)
    rig.report(job, 0, 1)
    rig.store(job, 0, b"first", best=True)
    rig.store(job, 0, b"rows", kind="predictions")
    (first,) = rig.checkpoints(study)
    assert (first.predictions_bytes, len(rig.artifacts())) == (4, 2)
    rig.store(job, 0, b"other rows", kind="predictions")
    assert len(rig.artifacts()) == 2
    rig.store(job, 0, b"first again", best=True)
    (again,) = rig.checkpoints(study)
    assert (again.predictions_sha256, retained(rig, study)) == (None, [(0, 0)])
    rig.store(job, 0, b"rows", kind="predictions")
    rig.store(job, 1, b"second", best=True)
    assert retained(rig, study) == [(0, 1)]
    with pytest.raises(ValueError, match="not enough values"):
        rig.store(job, 0, b"rows of what is gone", kind="predictions")
    assert retained(rig, study) == [(0, 1)]


def test_only_the_best_trials_keep_theirs(rig: Rig) -> None:
    study, jobs = begun(rig, 4, checkpoints={"top": 2, "keep": ["best"]})
    rig.train(jobs[0], 0.5)
    rig.train(jobs[1], 0.6)
    rig.report(jobs[3], 0)
    rig.store(jobs[3], 0, b"it runs")
    assert retained(rig, study) == [(0, 0), (1, 0), (3, 0)]
    rig.train(jobs[2], 0.7)
    assert retained(rig, study) == [(1, 0), (2, 0), (3, 0)]
    rig.complete(jobs[3], state="pruned")
    assert retained(rig, study) == [(1, 0), (2, 0)]


def test_stopping_leaves_what_the_policy_keeps(rig: Rig) -> None:
    study, jobs = begun(rig, 2, checkpoints={"keep": ["best"]})
    rig.train(jobs[0])
    rig.report(jobs[1], 0, 1)
    rig.store(jobs[1], 0, b"best", best=True)
    rig.store(jobs[1], 1, b"last")
    rig.do(lambda session: rig.tuner.stop(session, study))
    assert retained(rig, study) == [(0, 0), (1, 0)]


@pytest.mark.parametrize("limits", [{"epochs": 6}, {"failed_trials": 1}])
def test_trials_that_a_limit_ends_keep_what_the_policy_says(
    rig: Rig, limits: dict[str, int]
) -> None:
    study, jobs = begun(rig, 3, checkpoints={"keep": ["best"]}, limits=limits)
    rig.report(jobs[1], 0, 1)
    rig.store(jobs[1], 0, b"best", best=True)
    rig.store(jobs[1], 1, b"last")
    if "epochs" in limits:
        rig.report(jobs[0], *range(jobs[0].epochs))
        for job in jobs:
            rig.complete(job)
    else:
        rig.fail(jobs[0], FailureReason.INVALID)
        rig.complete(jobs[1])
    assert rig.study(study).state in (StudyState.COMPLETE, StudyState.FAILED)
    assert [one for one in retained(rig, study) if one[0] == 1] == [(1, 0)]


def test_a_trial_that_is_lost_for_good_keeps_what_the_policy_says(rig: Rig) -> None:
    study, (job, other) = begun(rig, 2, checkpoints={"keep": []})
    rig.report(job, 0)
    rig.store(job, 0, b"state", best=True)
    for attempt in (1, 2, 3):
        rig.run_out(job)
        rig.expire()
        assert retained(rig, study) == ([(0, 0)] if attempt < 3 else [])
        if attempt < 3:
            (job,) = rig.lease(1)
    assert rig.trial(study, other.trial).state == "running"


# What must not be taken away


@pytest.mark.parametrize("policy", [{"keep": []}, {"keep": ["best"]}, {"top": 1}])
def test_a_resume_finds_its_state(rig: Rig, policy: dict[str, Any]) -> None:
    study, jobs = begun(rig, 3, checkpoints=policy)
    rig.report(jobs[0], 0, val_accuracy=0.1)
    rig.store(jobs[0], 0, b"state", best=True)
    rig.run_out(jobs[0])
    rig.expire()
    rig.train(jobs[1], 0.9)
    collect(rig)
    (again,) = rig.lease(1)
    rig.train(jobs[2], 0.8)
    collect(rig)
    assert again.resume is not None
    with rig.database.read() as session:
        _, artifact = checkpoints.get(session, again.resume.checkpoint)
    assert rig.tuner.context.artifacts.path(artifact.key).read_bytes() == b"state"
    assert (0, 0) in retained(rig, study)


@pytest.mark.parametrize("policy", [{"keep": []}, {"keep": ["best"]}, {"top": 1}])
def test_what_a_later_stage_goes_on_from_stays(rig: Rig, policy: dict[str, Any]) -> None:
    stages = [{"trials": 3, "epochs": 2}, {"trials": 1, "epochs": 4}]
    search = {"kind": "coarse_to_fine", "stages": stages, "continue": True, "promote": 1.0}
    study = rig.submit(search=search, checkpoints=policy)
    worker = rig.join()
    for job in rig.lease(worker, 3):
        rig.train(job, 0.5 + job.trial / 10)
    assert len(retained(rig, study)) == 6
    (job,) = rig.lease(worker, 3)
    assert job.resume is not None
    assert job.resume.inherited
    collect(rig)
    with rig.database.read() as session:
        needed = (job.resume.checkpoint, job.resume.best_checkpoint)
        found = [checkpoints.get(session, one)[0] for one in needed if one is not None]
    assert [(one.trial, one.epoch) for one in found] == [(2, 1), (2, 0)]
    rig.report(job, 2, 3, val_accuracy=0.9)
    rig.store(job, 3, b"end", best=True)
    rig.complete(job)
    assert rig.study(study).state is StudyState.COMPLETE
    expected = {
        "{'keep': []}": [],
        "{'keep': ['best']}": [(0, 0), (1, 0), (2, 0), (3, 3)],
        "{'top': 1}": [(3, 3)],
    }
    assert retained(rig, study) == expected[str(policy)]


def test_what_is_pinned_stays_until_it_is_unpinned(rig: Rig) -> None:
    study, (job,) = begun(rig, checkpoints={"keep": ["best"]})
    rig.report(job, 0, 1)
    rig.store(job, 0, b"first")
    pin(rig, study, 0, 0)
    rig.store(job, 1, b"second", best=True)
    rig.complete(job)
    assert retained(rig, study) == [(0, 0), (0, 1)]
    assert collect(rig).files == []
    pin(rig, study, 0, 0, pinned=False)
    (gone,) = collect(rig).files
    assert (gone.size_bytes, gone.why) == (
        5,
        f"study {study} does not keep the state of trial 0 after epoch 0",
    )
    assert retained(rig, study) == [(0, 1)]


def test_a_pin_that_comes_while_it_is_let_go_wins(rig: Rig) -> None:
    study, (job,) = begun(rig)
    rig.train(job)
    pin(rig, study, 0, 0)
    ids = [one.id for one in rig.checkpoints(study)]
    gone = rig.do(lambda session: checkpoints.remove(session, ids))
    assert len(gone) == 1
    assert [one.pinned for one in rig.checkpoints(study)] == [True]
    with pytest.raises(NotFound, match="list the trial's checkpoints"):
        rig.do(lambda session: checkpoints.pin(session, ids[1], pinned=True))


def test_members_of_an_ensemble_stay_as_long_as_it_does(rig: Rig) -> None:
    study, jobs = begun(rig, 3, ensemble=GREEDY, checkpoints={"keep": ["best"], "top": 1})
    for job in jobs:
        rig.train(job, 0.5 + job.trial / 10)
    everything = [(trial, epoch) for trial in range(3) for epoch in range(2)]
    assert retained(rig, study) == everything
    assert collect(rig).files == []
    (building,) = rig.lease(1)
    rig.build(building, (0, 1), (2, 1))
    assert retained(rig, study) == [(0, 1), (2, 0), (2, 1)]
    rig.do(lambda session: rig.tuner.delete_ensemble(session, building.ensemble))
    assert retained(rig, study) == [(2, 0)]


def test_of_value_is_what_the_ensembles_are_made_of(rig: Rig) -> None:
    study, jobs = begun(rig, 3, checkpoints={"ensemble_value": 2})
    for job in jobs:
        rig.train(job, 0.5 + job.trial / 10)
    (ensemble,) = rig.ensembles(study)
    assert (ensemble.kind, ensemble.size, ensemble.automatic) == ("greedy", 2, True)
    (building,) = rig.lease(1)
    rig.build(building, (0, 0), (1, 1))
    assert retained(rig, study) == [(0, 0), (1, 1), (2, 0), (2, 1)]


def test_after_a_failure_there_is_enough_left_to_build_it_again(rig: Rig) -> None:
    study, jobs = begun(rig, 2, checkpoints={"ensemble_value": 2, "keep": ["best"]})
    for job in jobs:
        rig.train(job, 0.5 + job.trial / 10)
    (building,) = rig.lease(1)
    rig.fail(building, FailureReason.INVALID)
    assert (rig.study(study).state, retained(rig, study)) == (StudyState.COMPLETE, [(0, 0), (1, 0)])
    rig.request(study, **GREEDY)
    (again,) = rig.lease(1)
    rig.build(again, (1, 0))
    assert retained(rig, study) == [(1, 0)]


def test_an_ensemble_on_request_holds_up_what_it_may_choose(rig: Rig) -> None:
    study, jobs = begun(rig, 2, checkpoints={"keep": ["best"]})
    rig.train(jobs[0])
    rig.request(study)
    rig.train(jobs[1])
    assert retained(rig, study) == [(0, 0), (1, 0), (1, 1)]
    (building,) = rig.lease(1)
    rig.build(building, (0, 0))
    assert retained(rig, study) == [(0, 0), (1, 0)]


def test_a_plain_policy_costs_a_trials_end_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (job, other) = begun(rig, 2)
    rig.train(job)

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(checkpoints, "of_study", never)
    rig.train(other)


# Rubbish


def test_only_old_strays_go_and_a_dry_run_says_which(rig: Rig) -> None:
    study, (job,) = begun(rig, ensemble=GREEDY)
    rig.train(job)
    (building,) = rig.lease(1)
    rig.build(building)
    needed = rig.artifacts()
    store = rig.tuner.context.artifacts
    store.put("studies/1/trials/1/old", b"12345")
    store.put("studies/9/ensembles/1/old.zip", b"1")
    store.put("datasets/.part-old", b"")
    store.put("studies/1/trials/1/young", b"1")
    for key in ["studies/1/trials/1/old", "studies/9/ensembles/1/old.zip", "datasets/.part-old"]:
        os.utime(store.path(key), (0, 0))
    for key in needed:
        os.utime(store.path(key), (0, 0))
    before = rig.snapshot(), rig.artifacts()
    listed = collect(rig, dry_run=True)
    assert (rig.snapshot(), rig.artifacts()) == before
    assert listed.dry_run
    assert [(one.key, one.size_bytes) for one in listed.files] == [
        ("datasets/.part-old", 0),
        ("studies/1/trials/1/old", 5),
        ("studies/9/ensembles/1/old.zip", 1),
    ]
    assert {one.why for one in listed.files} == {"nothing refers to it"}
    assert listed.size_bytes == 6
    done = collect(rig)
    assert done == listed.model_copy(update={"dry_run": False})
    assert rig.artifacts() == sorted([*needed, "studies/1/trials/1/young"])
    assert collect(rig).files == []
    assert rig.study(study).checkpoints == 2
