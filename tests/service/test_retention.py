"""Which checkpoints stay, and which files go: the policy, and what must not be taken away."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rig import Rig
from sqlalchemy import select

from hpsearch.errors import NotFound
from hpsearch.service.context import ServiceContext
from hpsearch.service.tuner import Tuner
from hpsearch.spec.language.states import FailureReason, StudyState
from hpsearch.spec.wire.jobs import EnsembleJob, GarbageCollectionRequest, Job
from hpsearch.spec.wire.records import GarbageCollection
from hpsearch.store import checkpoints
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.database import Database
from hpsearch.store.tables import TrialRow

GREEDY = {"kind": "greedy", "size": 2}


def begun(rig: Rig, trials: int = 1, epochs: int = 2, **sections: Any) -> tuple[int, list[Job]]:
    """A study all of whose trials one worker has taken."""
    study = rig.submit(search={"trials": trials}, training={"epochs": epochs}, **sections)
    return study, rig.lease(rig.join(), trials)


def retained(rig: Rig, study: int) -> list[tuple[int, int]]:
    """(trial, epoch) of every checkpoint; the files on disk are theirs and no others."""
    found = rig.checkpoints(study)
    with rig.database.read() as session:
        keys = checkpoints.artifact_keys_of_study(session, study)
    files = [key for key in rig.artifacts() if key.startswith(f"studies/{study}/trials/")]
    assert files == sorted(keys)
    return [(one.trial, one.epoch) for one in found]


def collect(rig: Rig, older_than: float = 3600, *, dry_run: bool = False) -> GarbageCollection:
    terms = GarbageCollectionRequest(dry_run=dry_run, older_than_seconds=older_than)
    files = rig.tuner.context.artifacts.files()
    return rig.do(lambda session: rig.tuner.collect_garbage(session, files, terms))


def pin(rig: Rig, study: int, trial: int, epoch: int, *, pinned: bool = True) -> None:
    (found,) = [
        one.id for one in rig.checkpoints(study) if (one.trial, one.epoch) == (trial, epoch)
    ]
    rig.do(lambda session: checkpoints.pin(session, found, pinned=pinned))


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


@pytest.mark.parametrize("limits", [{"trials": 1}, {"failed_trials": 1}])
def test_trials_that_a_limit_ends_keep_what_the_policy_says(
    rig: Rig, limits: dict[str, int]
) -> None:
    study, jobs = begun(rig, 3, checkpoints={"keep": ["best"]}, limits=limits)
    rig.report(jobs[1], 0, 1)
    rig.store(jobs[1], 0, b"best", best=True)
    rig.store(jobs[1], 1, b"last")
    if "trials" in limits:
        rig.train(jobs[0])
    else:
        rig.fail(jobs[0], FailureReason.INVALID)
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


# Whatever order


class Retention(RuleBasedStateMachine):
    """Trials that train, end, are lost; pins; ensembles: what is needed stays, no file is stray."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.rig = rig
        self.worker = rig.join()
        self.open: list[Job] = []
        self.building: list[EnsembleJob] = []
        self.pinned: set[tuple[int, int]] = set()
        self.members: set[tuple[int, int]] = set()
        self.study = 0

    @precondition(lambda self: not self.study)
    @rule(
        keep=st.sampled_from([(), ("best",), ("last",), ("best", "last")]),
        top=st.sampled_from([None, 1]),
        value=st.sampled_from([None, 2]),
    )
    def submit(self, keep: tuple[str, ...], top: int | None, value: int | None) -> None:
        policy = {"keep": keep, "top": top, "ensemble_value": value}
        self.study = self.rig.submit(
            search={"trials": 3}, training={"epochs": 3}, checkpoints=policy
        )

    @precondition(lambda self: self.study)
    @rule()
    def lease(self) -> None:
        for job in self.rig.lease(self.worker, 1):
            place = self.open if isinstance(job, Job) else self.building
            place.append(job)

    @precondition(lambda self: self.open)
    @rule(best=st.booleans(), reasons=st.sampled_from([(), ("every",), ("recent",)]))
    def train(self, best: bool, reasons: tuple[str, ...]) -> None:
        job = self.open[0]
        epoch = self.rig.trial(self.study, job.trial).epochs_done
        if epoch < job.epochs:
            self.rig.report(job, epoch)
            self.rig.store(job, epoch, b"x", best=best or epoch == 0, reasons=reasons)

    @precondition(lambda self: self.open)
    @rule(fate=st.sampled_from(["complete", "pruned", "failed", "lost"]))
    def end(self, fate: str) -> None:
        job = self.open.pop(0)
        if fate == "failed":
            self.rig.fail(job, FailureReason.INVALID)
        elif fate == "lost":
            self.rig.fail(job, FailureReason.RELEASED)
        else:
            self.rig.complete(job, state=fate)

    @precondition(lambda self: self.study)
    @rule(place=st.integers(0, 5))
    def pin(self, place: int) -> None:
        found = self.rig.checkpoints(self.study)
        if found:
            one = found[place % len(found)]
            pin(self.rig, self.study, one.trial, one.epoch)
            self.pinned.add((one.trial, one.epoch))

    @precondition(lambda self: self.study and self.rig.study(self.study).best_trial is not None)
    @rule()
    def request(self) -> None:
        self.rig.request(self.study, **GREEDY)

    @precondition(lambda self: self.building)
    @rule(fails=st.booleans())
    def build(self, fails: bool) -> None:
        job = self.building.pop(0)
        if fails or not job.candidates:
            self.rig.fail(job, FailureReason.INVALID)
            return
        chosen = (job.candidates[0].trial, job.candidates[0].epoch)
        self.rig.build(job, chosen)
        self.members.add(chosen)

    @precondition(lambda self: self.study)
    @rule()
    def collect(self) -> None:
        collect(self.rig)

    @invariant()
    def what_is_needed_is_there_and_nothing_else(self) -> None:
        if not self.study:
            return
        left = set(retained(self.rig, self.study))
        assert left >= self.pinned | self.members
        for job in self.building:
            assert left >= {(one.trial, one.epoch) for one in job.candidates}
        with self.rig.database.read() as session:
            ran = session.execute(
                select(TrialRow.number, TrialRow.state, TrialRow.epochs_done).where(
                    TrialRow.study_id == self.study, TrialRow.epochs_done > 0
                )
            ).all()
        for number, state, done in ran:
            if state in ("queued", "running"):
                assert (number, done - 1) in left

    def teardown(self) -> None:
        self.rig.database.close()


def test_whatever_the_order_needed_ones_stay_and_no_file_is_stray(
    tmp_path: Path, sqlite_template: Path
) -> None:
    count = itertools.count()

    def machine() -> Retention:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        shutil.copy(sqlite_template, folder / "hpsearch.db")
        store = ArtifactStore(folder / "artifacts")
        tuner = Tuner(ServiceContext(store, lease_seconds=30, max_attempts=3))
        return Retention(Rig(Database(f"sqlite:///{folder / 'hpsearch.db'}"), tuner))

    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=25))
