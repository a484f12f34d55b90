"""Limits hold while several workers train, and leave a best trial, its state and an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from inside import Inside
from several_workers import GRID, after_epochs, several, work
from sqlalchemy import update

from hpsearch.client.client import Study
from hpsearch.spec.language.states import FailureReason, TrialState
from hpsearch.spec.wire.records import Trial
from hpsearch.store.tables import StudyRow

EPOCHS = 5
TRIALS = 10
MANY = 16
"""More trials than the workers hold at once."""


@pytest.fixture
def inside(sqlite_api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    return Inside(sqlite_api, tmp_path / "cache", monkeypatch)


def document(**sections: Any) -> dict[str, Any]:
    return {
        "name": "bounded",
        "seed": 3,
        "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [4]}},
        "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-3, 3e-2]}},
        "training": {"epochs": EPOCHS, "batch_size": 64},
        "search": {"trials": TRIALS},
        **sections,
    }


def trials_of(study: Study) -> list[Trial]:
    return study.trials().records


def trained(study: Study) -> list[Trial]:
    return [trial for trial in trials_of(study) if trial.epochs_done]


def check_results(inside: Inside, study: Study) -> None:
    """Each complete trial has its best state, and the study's best one can be used."""
    assert study.record.ending_trials == 0
    complete = [trial for trial in trials_of(study) if trial.state is TrialState.COMPLETE]
    metric = study.record.objectives[0].metric
    values = {}
    for trial in complete:
        curve = study.trial(trial.number).curve(metric).values
        assert len(curve) == trial.epochs_done
        assert trial.value == max(curve)
        assert trial.best_epoch == curve.index(max(curve))
        values[trial.number] = trial.value
        best = [one for one in inside.checkpoints(study, trial.number) if one.best]
        assert [one.epoch for one in best] == [trial.best_epoch]
        assert inside.predictions(best[0]) is not None
    best_trial = study.best_trial
    assert best_trial is not None
    assert best_trial.value == max(values.values())
    rows = [[13.0, 2.0, 2.3, 19.0, 100.0, 2.3, 2.0, 0.4, 1.6, 5.0, 1.0, 2.6, 750.0]]
    assert len(best_trial.load_model().predict(rows)) == 1


def check_cut_short(study: Study, reason: str) -> None:
    """What did not train to its end is complete where it has reported an epoch, else failed."""
    for trial in trials_of(study):
        if trial.reason == reason:
            expected = TrialState.COMPLETE if trial.epochs_done else TrialState.FAILED
            assert trial.state is expected
            assert trial.epochs_done < trial.epochs
        elif trial.state is TrialState.COMPLETE:
            assert trial.epochs_done == trial.epochs


def check_ensemble(study: Study) -> None:
    (ensemble,) = study.ensembles()
    assert ensemble.state == "complete"
    assert ensemble.members


@pytest.mark.parametrize(("workers", "way"), GRID)
@pytest.mark.parametrize(
    ("limit", "bound"), [("trials", 3), ("epochs", 17), ("epochs", 3), ("stall_trials", 2)]
)
def test_no_more_is_trained_than_a_limit_allows(
    inside: Inside, workers: int, way: str, limit: str, bound: int
) -> None:
    ensemble = {"kind": "greedy", "size": 2}
    study = inside.client.submit(document(limits={limit: bound}, ensemble=ensemble))
    work(inside, several(inside, workers, way))
    study.refresh()
    assert study.record.end is not None
    assert (study.state, study.record.end.reason, study.record.end.limit) == (
        "complete", "limit", limit,
    )  # fmt: skip
    begun = trained(study)
    if limit == "trials":
        assert len(begun) == len(trials_of(study)) == bound
    elif limit == "epochs":
        assert sum(trial.epochs_done for trial in begun) == bound
    else:
        ended = sorted(begun, key=lambda trial: trial.finished_at or 0)
        best = ended.index(max(begun, key=lambda trial: (trial.value or 0, -trial.number)))
        assert len(ended) - best - 1 <= bound
        assert len(ended) < TRIALS
    check_cut_short(study, "limit")
    check_results(inside, study)
    check_ensemble(study)


def at_limit(inside: Inside, study: Study, limit: str) -> Callable[[], None]:
    """Lets a study reach a limit now: its time is up, or two trials fail on another worker."""

    def time_is_up() -> None:
        begun = update(StudyRow).where(StudyRow.id == study.id).values(started_at=1.0)
        inside.rig.do(lambda session: session.execute(begun))

    def two_fail() -> None:
        worker = inside.rig.join("sick")
        for _ in range(2):
            (job,) = inside.rig.lease(worker)
            inside.rig.fail(job, FailureReason.INVALID)

    return {"seconds": time_is_up, "failed_trials": two_fail}[limit]


@pytest.mark.parametrize(("workers", "way"), GRID)
@pytest.mark.parametrize(("limit", "state"), [("seconds", "complete"), ("failed_trials", "failed")])
def test_what_runs_when_a_limit_is_reached_keeps_its_epochs_and_trains_one_more_at_most(
    inside: Inside, workers: int, way: str, limit: str, state: str
) -> None:
    bound = {"seconds": 3600, "failed_trials": 2}[limit]
    ensemble = {"kind": "greedy", "size": 2}
    sections = {"search": {"trials": MANY}, "limits": {limit: bound}, "ensemble": ensemble}
    study = inside.client.submit(document(**sections))
    reached = at_limit(inside, study, limit)
    before: dict[int, int] = {}

    def reach() -> None:
        reached()
        before.update({trial.number: trial.epochs_done for trial in trials_of(study)})

    after_epochs(inside.patch, 3 * workers, reach)
    work(inside, several(inside, workers, way))
    study.refresh()
    assert study.record.end is not None
    assert (study.state, study.record.end.limit) == (state, limit)
    for trial in trials_of(study):
        assert trial.epochs_done <= before.get(trial.number, 0) + 1
    assert study.record.epochs_done < MANY * EPOCHS
    check_cut_short(study, "limit")
    check_results(inside, study)
    check_ensemble(study)


@pytest.mark.parametrize(("workers", "way"), GRID)
def test_a_stop_keeps_what_was_reached_and_an_ensemble_can_be_made_of_it(
    inside: Inside, workers: int, way: str
) -> None:
    study = inside.client.submit(document())
    before: dict[int, int] = {}

    def stop() -> None:
        study.stop()
        before.update({trial.number: trial.epochs_done for trial in trials_of(study)})

    after_epochs(inside.patch, 3 * workers, stop)
    work(inside, several(inside, workers, way))
    study.refresh()
    assert study.record.end is not None
    assert (study.state, study.record.end.reason, study.record.end.limit) == (
        "stopped", "stop", None,
    )  # fmt: skip
    after = {trial.number: trial.epochs_done for trial in trials_of(study)}
    assert after == before
    check_cut_short(study, "stopped")
    if any(after.values()):
        check_results(inside, study)
        ensemble = study.build_ensemble("greedy", size=2)
        inside.work()
        assert ensemble.refresh().state == "complete"
