"""Watching a study: every change is told once, and one who comes back misses nothing."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient
from rig import Rig

from hpsearch.errors import NotFound
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.store.live_changes import StudiesWatch, StudyChange, StudyWatch


def look(rig: Rig, watch: StudyWatch) -> StudyChange | None:
    with rig.database.read() as session:
        return watch.poll(session)


def moved(change: StudyChange | None) -> dict[int, tuple[TrialState, int]]:
    assert change is not None
    return {trial.number: (trial.state, trial.epochs_done) for trial in change.trials}


def test_each_change_is_told_once(rig: Rig) -> None:
    study = rig.submit()
    watch = StudyWatch(study)
    assert moved(look(rig, watch)) == {}
    assert look(rig, watch) is None
    first, second = rig.lease(rig.join(), 2)
    assert set(moved(look(rig, watch))) == {0, 1}
    rig.report(first, 0)
    assert moved(look(rig, watch)) == {0: (TrialState.RUNNING, 1)}
    assert look(rig, watch) is None
    rig.report(second, 0)
    rig.complete(first)
    assert moved(look(rig, watch)) == {0: (TrialState.COMPLETE, 1), 1: (TrialState.RUNNING, 1)}
    assert look(rig, watch) is None


def test_whoever_comes_back_is_told_what_ended_meanwhile(rig: Rig) -> None:
    study = rig.submit()
    watch = StudyWatch(study)
    change = look(rig, watch)
    assert change is not None
    (job,) = rig.lease(rig.join())
    rig.report(job, 0)
    rig.complete(job)
    again = StudyWatch(study, change.at)
    assert moved(look(rig, again)) == {0: (TrialState.COMPLETE, 1)}


def test_the_end_of_a_study_is_told_and_then_silence(rig: Rig) -> None:
    study = rig.submit()
    watch = StudyWatch(study)
    look(rig, watch)
    rig.do(lambda session: rig.tuner.stop(session, study))
    change = look(rig, watch)
    assert change is not None
    assert change.study.state is StudyState.STOPPED
    assert look(rig, watch) is None


def test_a_deleted_study_is_gone(rig: Rig) -> None:
    study = rig.submit()
    watch = StudyWatch(study)
    look(rig, watch)
    rig.do(lambda session: rig.tuner.stop(session, study))
    rig.do(lambda session: rig.tuner.delete(session, study))
    with pytest.raises(NotFound):
        look(rig, watch)


def test_studies_are_told_when_new_or_moved(rig: Rig) -> None:
    watch = StudiesWatch()

    def changed_studies() -> list[int]:
        with rig.database.read() as session:
            return [study.id for study in watch.poll(session)]

    first, second = rig.submit(), rig.submit()
    assert changed_studies() == [second, first]
    assert changed_studies() == []
    third = rig.submit()
    rig.lease(rig.join())
    assert changed_studies() == [third, first]
    rig.do(lambda session: rig.tuner.stop(session, second))
    assert changed_studies() == [second]
    assert changed_studies() == []


@pytest.mark.parametrize(
    ("address", "status"),
    [("/studies/9/live", 404), ("/studies/1/live?since=yesterday", 422), ("/events", 401)],
)
def test_a_stream_that_cannot_begin_is_refused_before_it_does(
    sqlite_api: TestClient, address: str, status: int
) -> None:
    if status == 401:
        del sqlite_api.headers["Authorization"]
    else:
        services = sqlite_api.app.state.services  # type: ignore[attr-defined]
        Rig(services.database, services.tuner).submit()
    answer = sqlite_api.get(f"/api/v1{address}")
    assert answer.status_code == status
    assert json.loads(answer.content)["detail"]
