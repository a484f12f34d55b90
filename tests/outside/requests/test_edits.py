"""Edits, pauses and extensions while several workers train: what is answered is what happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from inside import Inside
from several_workers import GRID, TRIALS_AT_ONCE, after_epochs, several, work

from hpsearch.client.client import Study
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.records import EditedStudy, Trial

EPOCHS = 4
TRIALS = 14
"""More than the workers hold at once."""
OLD, NEW = (1e-3, 3e-3), (5e-3, 3e-2)
"""Learning rates before and after an edit."""


@pytest.fixture
def inside(sqlite_api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    return Inside(sqlite_api, tmp_path / "cache", monkeypatch)


def submitted(inside: Inside, **sections: Any) -> Study:
    return inside.client.submit(
        {
            "name": "edited",
            "seed": 8,
            "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [4]}},
            "optimizer": {"kind": "adam", "lr": {"log_uniform": list(OLD)}},
            "training": {"epochs": EPOCHS, "batch_size": 64},
            "search": {"trials": TRIALS},
            **sections,
        }
    )


def by_number(study: Study) -> Mapping[int, Trial]:
    return {trial.number: trial for trial in study.trials().records}


class AfterEpochs:
    """Changes a study once while it is trained, and notes how it was before and after."""

    def __init__(self, inside: Inside, study: Study, workers: int) -> None:
        self._study = study
        self.answer: EditedStudy | None = None
        after_epochs(inside.patch, 2 * workers, self._act)

    def change(self) -> Any:
        raise NotImplementedError

    def _act(self) -> None:
        self.before = by_number(self._study)
        record = self.change().record
        assert isinstance(record, EditedStudy)
        self.answer = record
        self.after = by_number(self._study)


class Edit(AfterEpochs):
    def change(self) -> Study:
        return self._study.edit(optimizer={"lr": {"log_uniform": list(NEW)}})


class Pause(AfterEpochs):
    def change(self) -> Study:
        return self._study.pause()


@pytest.mark.parametrize(("workers", "way"), GRID)
def test_an_edit_makes_all_trials_anew_that_have_not_begun(
    inside: Inside, workers: int, way: str
) -> None:
    study = submitted(inside)
    edit = Edit(inside, study, workers)
    work(inside, several(inside, workers, way))
    assert edit.answer is not None
    returned = [
        number
        for number, trial in edit.after.items()
        if trial.attempt > edit.before[number].attempt
    ]
    assert edit.answer.returned_trials == len(returned)
    if way == "alone":
        assert returned
    old = {n for n, trial in edit.after.items() if trial.version == 1 and not _is_over(trial)}
    assert edit.answer.trials_on_old_version == len(old)
    assert not old & set(returned)
    trials = by_number(study)
    assert study.refresh().state == "complete"
    assert len(trials) == TRIALS
    for number, trial in trials.items():
        low, high = NEW if trial.version == 2 else OLD
        assert low <= float(trial.params["optimizer.lr"]) <= high  # type: ignore[arg-type]
        assert (trial.state, trial.epochs_done) == (TrialState.COMPLETE, EPOCHS)
        assert (trial.version == 1) == (number in old or _is_over(edit.before.get(number)))


def _is_over(trial: Trial | None) -> bool:
    return trial is not None and trial.finished_at is not None


@pytest.mark.parametrize(("workers", "way"), GRID)
def test_a_pause_takes_back_what_has_not_begun_and_nothing_else(
    inside: Inside, workers: int, way: str
) -> None:
    study = submitted(inside)
    pause = Pause(inside, study, workers)
    work(inside, several(inside, workers, way))
    assert pause.answer is not None
    returned = [n for n, t in pause.after.items() if t.attempt > pause.before[n].attempt]
    assert (pause.answer.state, pause.answer.returned_trials) == ("paused", len(returned))
    assert pause.answer.trials_on_old_version == 0
    if way == "alone":
        assert returned
    held = by_number(study)
    for number, trial in pause.after.items():
        waits = trial.state is TrialState.QUEUED
        assert held[number].state is (TrialState.QUEUED if waits else TrialState.COMPLETE)
        assert held[number].epochs_done == (0 if waits else EPOCHS)
    assert len(held) == len(pause.after)
    study.resume()
    work(inside, several(inside, workers, way))
    assert study.refresh().record.counts.complete == TRIALS


@pytest.mark.parametrize(("workers", "way"), GRID)
def test_fewer_trials_and_lower_limits_leave_untrained_what_has_not_begun(
    inside: Inside, workers: int, way: str
) -> None:
    study = submitted(inside)

    class Fewer(AfterEpochs):
        def change(self) -> Study:
            return self._study.edit(search={"trials": 2}, limits={"epochs": 100})

    fewer = Fewer(inside, study, workers)
    work(inside, several(inside, workers, way))
    assert fewer.answer is not None
    begun = [trial for trial in fewer.after.values() if trial.state is not TrialState.FAILED]
    assert study.refresh().state == "complete"
    trained = [trial for trial in by_number(study).values() if trial.epochs_done]
    assert len(trained) == max(2, len(begun))
    assert len(trained) <= max(2, workers * (TRIALS_AT_ONCE if way == "fused" else 1))


@pytest.mark.parametrize(("workers", "way"), GRID)
def test_an_extended_study_keeps_its_trials_and_goes_on(
    inside: Inside, workers: int, way: str
) -> None:
    limits, ensemble = {"trials": 3}, {"kind": "greedy", "size": 2}
    study = submitted(inside, limits=limits, ensemble=ensemble)
    runners = several(inside, workers, way)
    work(inside, runners)
    before = by_number(study.refresh())
    assert (study.state, len(before)) == ("complete", 3)
    study.extend(trials=2)
    assert (study.state, study.record.end, study.record.version) == ("running", None, 2)
    assert [one.stale for one in _ensembles(study)] == [True]
    work(inside, runners)
    more = by_number(study.refresh())
    assert (study.state, len(more)) == ("complete", 5)
    assert {number: more[number] for number in before} == before
    study.extend(epochs=3)
    work(inside, runners)
    longer = by_number(study.refresh())
    assert study.state == "complete"
    assert {longer[n].continues for n in longer if n not in more} == set(more)
    for number, trial in longer.items():
        if number not in more:
            source = more[trial.continues or 0]
            assert (trial.epochs, trial.epochs_done) == (EPOCHS + 3, EPOCHS + 3)
            curve, old = (
                study.trial(one.number).curve("val_loss").values for one in (trial, source)
            )
            assert curve[:EPOCHS] == old
            assert len(set(curve[EPOCHS - 1 :])) == 4
    assert [one.stale for one in _ensembles(study)] == [True, True, False]
    assert study.best_trial is not None
    assert study.best_trial.load_model() is not None


def _ensembles(study: Study) -> list[Any]:
    return [one.record for one in study.ensembles()]
