"""Studies that are over and run again: which may, what they get, what stays."""

from __future__ import annotations

from typing import Any

import pytest
from rig import Rig

from hpsearch.errors import Conflict, IllegalTransition, InvalidInput
from hpsearch.spec.language.states import EnsembleState, EventKind, FailureReason
from hpsearch.spec.wire.extension import ExtendRequest
from hpsearch.spec.wire.records import Study
from hpsearch.store import events

STAGES = [{"trials": 2, "epochs": 2}, {"trials": 1, "epochs": 3}]


def extend(rig: Rig, study: int, **more: Any) -> Study:
    request = ExtendRequest.model_validate(more)
    return rig.do(lambda session: rig.tuner.extend(session, study, request))


def finished(rig: Rig, worker: int, **sections: Any) -> int:
    study = rig.submit(**{"search": {"trials": 2}, "training": {"epochs": 2}, **sections})
    finish(rig, worker)
    return study


def finish(rig: Rig, worker: int) -> list[int]:
    """Trains what there is; returns the numbers of the trials, in order."""
    numbers = []
    while found := rig.lease(worker, 9):
        for job in found:
            if job.kind == "ensemble":
                rig.build(job)
                continue
            start = 0 if job.resume is None else job.resume.epoch + 1
            rig.report(job, *range(start, job.epochs))
            rig.store(job, job.epochs - 1, b"state", best=True)
            rig.complete(job)
            numbers.append(job.trial)
    return numbers


@pytest.mark.parametrize("state", ["queued", "running", "paused", "failed"])
def test_a_study_must_be_complete_or_stopped_to_be_extended(rig: Rig, state: str) -> None:
    study = rig.submit(search={"trials": 1})
    worker = rig.join()
    if state != "queued":
        jobs = rig.lease(worker)
        if state == "paused":
            rig.do(lambda session: rig.tuner.pause(session, study))
        elif state == "failed":
            rig.fail(jobs[0], FailureReason.INVALID)
    assert rig.study(study).state == state
    before = rig.snapshot()
    with pytest.raises(IllegalTransition, match=f"study {study} is {state}"):
        extend(rig, study, trials=1)
    assert rig.snapshot() == before


@pytest.mark.parametrize(
    "request_", [{}, {"trials": 1, "epochs": 1}, {"trials": 1, "stages": STAGES}]
)
def test_exactly_one_thing_is_asked_for(rig: Rig, request_: dict[str, Any]) -> None:
    study = finished(rig, rig.join())
    with pytest.raises(InvalidInput, match="exactly one of trials, epochs, budget, stages"):
        extend(rig, study, **request_)


def test_more_trials_are_what_a_longer_search_would_have_drawn(rig: Rig) -> None:
    worker = rig.join()
    whole = finished(rig, worker, search={"trials": 5})
    study = finished(rig, worker)
    record = extend(rig, study, trials=3)
    assert (record.state, record.version, record.trials_planned) == ("running", 2, 5)
    assert (record.spec["search"]["trials"], record.end, record.finished_at) == (5, None, None)
    assert finish(rig, worker) == [2, 3, 4]
    for number in range(5):
        assert rig.trial(study, number).params == rig.trial(whole, number).params
    assert rig.study(study).state == "complete"
    with rig.database.read() as session:
        log = events.page(session, study, 100, None).events
    (event,) = [one for one in log if one.kind is EventKind.STUDY_EXTENDED]
    assert (event.message, event.data) == ("version 2: 3 trials more", {"version": 2})


def test_a_stopped_study_gets_so_many_trials_beside_those_that_it_has(rig: Rig) -> None:
    worker = rig.join()
    study = rig.submit(search={"trials": 30}, training={"epochs": 2})
    rig.lease(worker, 4)
    rig.do(lambda session: rig.tuner.stop(session, study))
    record = extend(rig, study, trials=3)
    assert (record.trials_planned, record.spec["search"]["trials"]) == (7, 7)
    assert finish(rig, worker) == [4, 5, 6]
    assert rig.study(study).state == "complete"


@pytest.mark.parametrize(
    ("limits", "after"),
    [({"trials": 2}, {"trials": 5}), ({"epochs": 4}, {"epochs": None})],
)
def test_a_limit_that_was_reached_makes_room(
    rig: Rig, limits: dict[str, int], after: dict[str, int | None]
) -> None:
    worker = rig.join()
    study = finished(rig, worker, search={"trials": 9}, limits=limits)
    assert rig.study(study).counts.ended == 2
    record = extend(rig, study, trials=3)
    assert {name: record.spec["limits"][name] for name in after} == after
    assert finish(rig, worker) == [2, 3, 4]
    assert rig.study(study).state == "complete"


def test_longer_trials_go_on_from_their_last_checkpoint_or_begin_anew(rig: Rig) -> None:
    worker = rig.join()
    study = finished(rig, worker)
    (lost,) = [one for one in rig.checkpoints(study) if one.trial == 1]
    from hpsearch.store import checkpoints

    rig.do(lambda session: checkpoints.remove(session, [lost.id]))
    record = extend(rig, study, epochs=3)
    assert (record.spec["training"]["epochs"], record.trials_planned) == (5, 4)
    one, other = rig.lease(worker, 9)
    assert (one.epochs, other.epochs) == (5, 5)
    assert (one.resume is not None, other.resume) == (True, None)
    assert [rig.trial(study, n).epochs_done for n in (2, 3)] == [2, 0]
    with rig.database.read() as session:
        log = events.page(session, study, 100, None).events
    (said,) = [one.message for one in log if one.kind is EventKind.STUDY_EXTENDED]
    assert "3 epochs more for 2 trials, 1 of them from epoch 0, as no checkpoint" in said


def test_stages_follow_those_of_a_search_that_has_stages_alone(rig: Rig) -> None:
    worker = rig.join()
    search = {"kind": "coarse_to_fine", "stages": STAGES[:1], "promote": 0.5}
    study = finished(rig, worker, search=search)
    record = extend(rig, study, stages=STAGES[1:])
    assert (record.stage, record.trials_planned, len(record.stages)) == (1, 3, 2)
    (job,) = rig.lease(worker, 9)
    assert job.epochs == 3
    plain = finished(rig, worker)
    with pytest.raises(InvalidInput, match="needs a search that has stages, got random"):
        extend(rig, plain, stages=STAGES)


def test_what_a_search_does_not_have_cannot_be_extended(rig: Rig) -> None:
    worker = rig.join()
    study = finished(rig, worker)
    with pytest.raises(InvalidInput, match="needs a search that has a budget"):
        extend(rig, study, budget=100)
    ranges = {"kind": "sgd", "lr": {"choice": [0.1, 0.2]}}
    grid = finished(rig, worker, search={"kind": "grid"}, optimizer=ranges)
    with pytest.raises(InvalidInput, match="cannot be given to a grid search"):
        extend(rig, grid, trials=1)
    empty = rig.submit()
    rig.do(lambda session: rig.tuner.stop(session, empty))
    with pytest.raises(Conflict, match="must have a complete trial in its last stage"):
        extend(rig, empty, epochs=2)


def test_ensembles_are_kept_as_stale_and_those_of_the_spec_are_built_again(rig: Rig) -> None:
    worker = rig.join()
    study = finished(rig, worker, ensemble={"kind": "top_k", "size": 2})
    assert [one.stale for one in rig.ensembles(study)] == [False]
    extend(rig, study, trials=1)
    assert [(one.state, one.stale) for one in rig.ensembles(study)] == [
        (EnsembleState.COMPLETE, True)
    ]
    finish(rig, worker)
    assert [one.stale for one in rig.ensembles(study)] == [True, False]
    assert rig.study(study).state == "complete"


def test_a_small_space_gives_no_trial_twice_and_says_when_all_were_tried(rig: Rig) -> None:
    worker = rig.join()
    ranges = {"kind": "sgd", "lr": {"choice": [0.1, 0.2, 0.3, 0.4]}}
    study = finished(rig, worker, optimizer=ranges)
    assert extend(rig, study, trials=9).trials_planned == 4
    assert finish(rig, worker) == [2, 3]
    tried = {rig.trial(study, n).params["optimizer.lr"] for n in range(4)}
    assert tried == {0.1, 0.2, 0.3, 0.4}
    with pytest.raises(InvalidInput, match="the space has no more than 4"):
        extend(rig, study, trials=1)
