"""Reports are judged as they come, by whichever process, and the same after any of them failed."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from rig import Rig, a_report
from sqlalchemy.orm import Session

from hpsearch.search.pruners import CurveTable, judge_together, pruner_for
from hpsearch.service.pruning import CurveTables
from hpsearch.service.tuner import Tuner
from hpsearch.spec.language.states import Decision, TrialState
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.jobs import Decisions, Job, ReportBatch
from hpsearch.store import studies
from hpsearch.store.pruning_state import lock_of_trial

LOSS = {"metric": "val_loss", "direction": "minimize"}
MEDIAN = {"kind": "median", "startup_trials": 1, "warmup_epochs": 0}
PRUNERS: Mapping[str, dict[str, Any]] = {
    "median": {"kind": "median", "startup_trials": 2, "warmup_epochs": 1},
    "asha": {"kind": "asha", "reduction_factor": 2},
    "hyperband": {"kind": "hyperband", "reduction_factor": 2},
}


class Broken(Exception):
    """A transaction failed at its end."""


def tell(rig: Rig, *reports: tuple[Job, int, float], fails: bool = False) -> list[bool]:
    """Reports (job, epoch, loss); whether each job is to stop."""
    batch = ReportBatch(worker=1, reports=[a_report(job, e, val_loss=v) for job, e, v in reports])

    def change(session: Session) -> Decisions:
        decisions = rig.tuner.report(session, batch)
        if fails:
            raise Broken
        return decisions

    decisions = rig.do(change).decisions
    assert all((one.why is not None) == (one.decision is Decision.STOP) for one in decisions)
    return [one.decision is Decision.STOP for one in decisions]


def restarted(rig: Rig) -> Rig:
    """The same store behind another process."""
    context = replace(rig.tuner.context, curve_tables=CurveTables())
    return Rig(rig.database, Tuner(context))


def test_a_trial_worse_than_the_median_is_told_why_and_keeps_its_curve(rig: Rig) -> None:
    study = rig.submit(pruner=MEDIAN, objective=LOSS)
    good, bad = rig.lease(rig.join(), 2)
    assert tell(rig, *((good, epoch, 0.5) for epoch in range(4))) == [False]
    rig.complete(good)
    batch = ReportBatch(worker=1, reports=[a_report(bad, epoch, val_loss=0.9) for epoch in (0, 1)])
    (decision,) = rig.do(lambda s: rig.tuner.report(s, batch)).decisions
    assert decision.decision is Decision.STOP
    assert decision.why == "epoch 0: val_loss 0.9 is worse than the median 0.5 of 1 trial"
    rig.complete(bad, state=TrialState.PRUNED, message=decision.why)
    ended = rig.trial(study, bad.trial)
    assert (ended.state, ended.message) == (TrialState.PRUNED, decision.why)
    assert ended.epochs_done == 2, "what it trained on past the stop stays as reported"


def test_a_stop_holds_for_what_comes_later_and_after_a_restart(rig: Rig) -> None:
    rig.submit(pruner=MEDIAN, objective=LOSS)
    good, bad = rig.lease(rig.join(), 2)
    tell(rig, *((good, epoch, 0.5) for epoch in range(4)))
    rig.complete(good)
    assert tell(rig, (bad, 0, 0.9)) == [True]
    assert tell(rig, (bad, 0, 0.9)) == [True], "a repeat gets the same answer"
    assert tell(rig, (bad, 1, 0.1)) == [True]
    assert tell(restarted(rig), (bad, 2, 0.1)) == [True]


@pytest.mark.parametrize("pruner", ["asha", {"kind": "threshold", "upper": 9.0}])
def test_nan_always_stops_under_a_pruner(rig: Rig, pruner: Any) -> None:
    rig.submit(pruner=pruner, objective=LOSS)
    (job,) = rig.lease(rig.join(), 1)
    assert tell(rig, (job, 0, 1.0), (job, 1, math.nan)) == [True]


def test_only_trials_of_one_stage_are_compared(rig: Rig) -> None:
    stages = [{"trials": 2, "epochs": 2}, {"trials": 2, "epochs": 4}]
    search = {"kind": "coarse_to_fine", "stages": stages, "promote": 0.0}
    rig.submit(pruner=MEDIAN, objective=LOSS, search=search)
    worker = rig.join()
    for job in rig.lease(worker, 2):
        tell(rig, (job, 0, 0.1), (job, 1, 0.1))
        rig.complete(job)
    later = rig.lease(worker, 2)
    assert tell(rig, (later[0], 0, 0.9)) == [False], "no trial of its stage is complete"
    tell(rig, *((later[0], epoch, 0.5) for epoch in (1, 2, 3)))
    rig.complete(later[0])
    assert tell(rig, (later[1], 0, 0.6)) == [False]
    assert tell(rig, (later[1], 1, 0.6)) == [True]


@pytest.mark.parametrize(
    ("kind", "seed"), [("median", 1), ("median", 2), ("asha", 0), ("hyperband", 1)]
)
def test_processes_failures_and_restarts_change_no_decision(rig: Rig, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials, epochs = 10, 9
    study_id = rig.submit(
        pruner=PRUNERS[kind],
        objective=LOSS,
        search={"trials": trials},
        training={"epochs": epochs},
    )
    spec = rig.do(lambda s: studies.spec_of(s, study_id))
    pruner = pruner_for(spec.pruner, spec.seed)
    assert pruner is not None
    table = CurveTable(Objective(metric="val_loss", direction="minimize"), {0: epochs})
    losses = rng.uniform(size=(trials, 1)) + rng.uniform(size=(trials, epochs)).round(2)
    for number in range(trials):
        table.add(number)
    processes, worker = [rig, restarted(rig)], rig.join()
    open_jobs, done, stops = rig.lease(worker, 3), dict.fromkeys(range(trials), 0), 0
    while open_jobs:
        process = processes[rng.integers(2)] if rng.random() < 0.8 else restarted(rig)
        some = [j for j in open_jobs if rng.random() < 0.6] or open_jobs[:1]
        some.sort(key=lambda job: job.id)
        counts = {job.trial: min(int(rng.integers(1, 5)), epochs - done[job.trial]) for job in some}
        batch = [
            (job, epoch, float(losses[job.trial, epoch]))
            for job in some
            for epoch in range(done[job.trial], done[job.trial] + counts[job.trial])
        ]
        if rng.random() < 0.3:
            with suppress(Broken):
                tell(process, *batch, fails=True)
        stopped = tell(process, *batch)
        values = {}
        for job in some:
            first = done[job.trial]
            done[job.trial] += counts[job.trial]
            values[job.trial] = losses[job.trial, first : done[job.trial]].tolist()
        verdicts = judge_together(pruner, table, values)
        assert stopped == [verdicts[job.trial].stop for job in some]
        stops += sum(stopped)
        for job, stop in zip(some, stopped, strict=True):
            if stop or done[job.trial] == epochs:
                process.complete(job, state=TrialState.PRUNED if stop else TrialState.COMPLETE)
                open_jobs.remove(job)
                open_jobs += rig.lease(worker, 1)
                if stop:
                    table.end(job.trial)
                else:
                    table.complete(job.trial)
    assert stops > 0


def test_an_external_loop_is_told_to_stop_and_why(api: TestClient) -> None:
    spec = {
        "name": "mine",
        "task": {"kind": "external", "params": {"C": {"log_uniform": [1e-3, 1e3]}}},
        "objective": {"metric": "score", "direction": "maximize"},
        "search": {"trials": 2},
        "pruner": MEDIAN,
    }
    base = f"/api/v1/studies/{api.post('/api/v1/studies', json=spec).json()['id']}"
    api.post(f"{base}:ask", json={"count": 2})

    def report(number: int, epoch: int, **metrics: float) -> dict[str, Any]:
        body = {"attempt": 1, "epoch": epoch, "metrics": metrics}
        answer: dict[str, Any] = api.post(f"{base}/trials/{number}:report", json=body).json()
        return answer

    for epoch in range(3):
        assert report(0, epoch, score=0.8) == {"decision": "continue"}
    api.post(f"{base}/trials/0:complete", json={"attempt": 1})
    why = "epoch 1: score 0.4 is worse than the median 0.8 of 1 trial"
    assert report(1, 0, seconds=1.0)["decision"] == "continue", "no value, no decision"
    assert report(1, 1, score=0.4) == {"decision": "stop", "why": why}
    ended = api.post(f"{base}/trials/1:complete", json={"attempt": 1, "state": "pruned"}).json()
    assert (ended["state"], ended["message"], ended["epochs_done"]) == ("pruned", why, 2)
    curve = api.get(f"{base}/curves", params={"metric": "score", "trials": "1"}).json()
    assert curve["curves"][0]["values"] == [0.4]


def test_studies_without_a_pruner_are_not_counted(rig: Rig) -> None:
    study_id = rig.submit()
    (job,) = rig.lease(rig.join(), 1)
    tell(rig, (job, 0, 1.0))
    rows = rig.snapshot()["studies"]
    assert len(rows) == 1
    assert rig.tuner.context.curve_tables.table_of(study_id) is None
    assert rig.study(study_id).attributes == {}


@pytest.mark.parametrize("kind", ["median", "asha"])
def test_what_many_threads_leave_in_memory_is_what_the_database_says(rig: Rig, kind: str) -> None:
    study_id = rig.submit(
        pruner=PRUNERS[kind], objective=LOSS, search={"trials": 8}, training={"epochs": 4}
    )
    workers = [rig.join() for _ in range(4)]
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(2):
                (job,) = rig.lease(worker, 1)
                stops = [
                    tell(rig, (job, epoch, (job.trial * 7) % 5 + number)) for epoch in range(4)
                ]
                state = TrialState.PRUNED if stops[-1][0] else TrialState.COMPLETE
                rig.complete(job, state=state)
        except BaseException as error:  # noqa: BLE001 (told to the test)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    known, fresh = rig.tuner.context.curve_tables, CurveTables()
    for tables in (known, fresh):
        with rig.database.write() as session:
            locked = lock_of_trial(session, study_id, 0)
            assert tables.open(session, locked).keys() == {study_id}
    ours, read = known.table_of(study_id), fresh.table_of(study_id)
    assert ours is not None
    assert read is not None
    assert ours.completed == read.completed
    assert ours.max_epochs == read.max_epochs
    for number, curve in read.curves.items():
        assert ours.curves[number].rungs == curve.rungs
        if curve.complete and kind == "median":
            assert ours.curves[number].values == curve.values
            assert ours.column(0, 3).ordered == read.column(0, 3).ordered
