"""Retention in whatever order things happen: what is needed stays, and no file is stray."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from retention_checks import GREEDY, collect, pin, retained
from rig import Rig
from sqlalchemy import select

from hpsearch.service.context import ServiceContext
from hpsearch.service.tuner import Tuner
from hpsearch.spec.language.states import FailureReason
from hpsearch.spec.wire.jobs import EnsembleJob, Job
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.database import Database
from hpsearch.store.tables import TrialRow


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
