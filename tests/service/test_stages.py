"""Coarse to fine through the tuner: the barrier, the boxes, what is promoted or continued."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from rig import Rig

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.spec.language.states import EventKind, FailureReason, StudyState
from hpsearch.spec.wire.jobs import Job
from hpsearch.spec.wire.records import Event, Study
from hpsearch.store import events, reports

BEST_LR = 3e-3


def staged(**settings: Any) -> dict[str, Any]:
    stages = [{"trials": 8, "epochs": 2}, {"trials": 4, "epochs": 3}, {"trials": 2, "epochs": 5}]
    return {"kind": "coarse_to_fine", "stages": stages, **settings}


def accuracy(job: Job, best_lr: float = BEST_LR) -> float:
    """Highest at one rate, falling with the distance in decades."""
    return 1 / (1 + abs(math.log10(job.params["optimizer.lr"] / best_lr)))


def train(rig: Rig, job: Job, best_lr: float = BEST_LR) -> None:
    done = 0 if job.resume is None else job.resume.epoch + 1
    rig.report(job, *range(done, job.epochs), val_accuracy=accuracy(job, best_lr))
    rig.store(job, job.epochs - 1, b"state", best=True)
    rig.complete(job)


def run(rig: Rig, study: int, capacity: int = 1, best_lr: float = BEST_LR) -> list[Job]:
    worker = rig.join()
    seen = []
    while jobs := rig.lease(worker, capacity):
        for job in jobs:
            train(rig, job, best_lr)
        seen += jobs
    assert rig.study(study).state is StudyState.COMPLETE
    return seen


def log(rig: Rig, study: int) -> list[Event]:
    with rig.database.read() as session:
        return events.page(session, study, 1000, None).events


def box(study: Study, stage: int) -> dict[str, Any]:
    space = study.stages[stage].space
    return {entry["name"]: entry["distribution"] for entry in space or []}


def test_stages_follow_each_other_with_their_own_lengths(rig: Rig) -> None:
    study = rig.submit(search=staged())
    record = rig.study(study)
    assert (record.trials_planned, record.epochs_planned) == (14, 8 * 2 + 4 * 3 + 2 * 5)
    jobs = run(rig, study)
    assert [job.epochs for job in jobs] == [2] * 8 + [3] * 4 + [5] * 2
    assert [rig.trial(study, n).stage for n in range(14)] == [0] * 8 + [1] * 4 + [2] * 2
    record = rig.study(study)
    assert (record.stage, len(record.stages), record.epochs_done) == (2, 3, 38)
    assert [stage.first_trial for stage in record.stages] == [0, 8, 12]
    kinds = [event.kind for event in log(rig, study)]
    assert kinds.count(EventKind.STAGE_STARTED) == 3
    assert kinds.count(EventKind.STAGE_FINISHED) == 2
    assert EventKind.RANGE_NARROWED in kinds


def test_a_stage_waits_for_all_trials_of_the_one_before(rig: Rig) -> None:
    study = rig.submit(search=staged())
    worker, other = rig.join(), rig.join()
    jobs = rig.lease(worker, 4) + rig.lease(other, 4)
    assert len(jobs) == 8
    for job in jobs[:-1]:
        train(rig, job)
    assert rig.lease(worker, 4) == []
    assert rig.study(study).stage == 0
    train(rig, jobs[-1])
    assert rig.study(study).stage == 1
    assert rig.lease(worker, 1)[0].epochs == 3


def test_any_number_of_workers_tries_the_same_configurations(rig: Rig) -> None:
    first = rig.submit(search=staged())
    one_by_one = run(rig, first, capacity=1)
    second = rig.submit(search=staged())
    many = run(rig, second, capacity=5)
    assert [job.params for job in one_by_one] == [job.params for job in many]
    assert box(rig.study(first), 2) == box(rig.study(second), 2)


def test_the_next_box_is_inside_the_range_and_its_best_are_promoted(rig: Rig) -> None:
    study = rig.submit(search=staged(promote=0.5))
    jobs = run(rig, study)
    low, high = box(rig.study(study), 1)["optimizer.lr"]["log_uniform"]
    assert 1e-5 <= low < BEST_LR < high <= 1
    assert high / low < 1e5
    ranked = sorted(jobs[:8], key=accuracy, reverse=True)
    assert [job.params for job in jobs[8:10]] == [job.params for job in ranked[:2]]
    assert all(low <= job.params["optimizer.lr"] <= high for job in jobs[8:12])


def test_a_best_rate_beyond_the_range_is_found_by_extending_it(rig: Rig) -> None:
    study = rig.submit(
        optimizer={"kind": "sgd", "lr": {"log_uniform": [1e-6, 1e-4]}},
        search=staged(stages=[{"trials": 12, "epochs": 2}] * 5),
    )
    run(rig, study, capacity=12, best_lr=3e-3)
    record = rig.study(study)
    assert record.best_trial is not None
    assert rig.trial(study, record.best_trial).params["optimizer.lr"] > 3e-4
    extended = [e for e in log(rig, study) if e.kind is EventKind.RANGE_EXTENDED]
    assert "optimizer.lr" in extended[0].message
    assert extended[0].data["after"]["log_uniform"][1] > 1e-4


def test_hard_bounds_are_not_passed(rig: Rig) -> None:
    study = rig.submit(
        optimizer={"kind": "sgd", "lr": {"log_uniform": [1e-6, 1e-4]}},
        search=staged(
            stages=[{"trials": 12, "epochs": 2}] * 4, hard_bounds={"optimizer.lr": [1e-7, 2e-4]}
        ),
    )
    jobs = run(rig, study, capacity=12, best_lr=3e-3)
    rates = [job.params["optimizer.lr"] for job in jobs]
    assert 1e-4 < max(rates) <= 2e-4


def test_promising_trials_are_continued_from_their_checkpoints(rig: Rig) -> None:
    study = rig.submit(search=staged(promote=0.5, **{"continue": True}))
    jobs = run(rig, study)
    best = max(range(8), key=lambda n: accuracy(jobs[n]))
    continued = rig.trial(study, 8)
    assert continued.continues == best
    assert continued.params == rig.trial(study, best).params
    resume = jobs[8].resume
    assert resume is not None
    assert resume.inherited
    assert (resume.epoch, resume.best_value) == (1, accuracy(jobs[8]))
    with rig.database.read() as session:
        (curve,) = reports.curves(session, study, "val_accuracy", [8], None).curves
    assert curve.epochs == [0, 1, 2]
    assert rig.trial(study, 10).continues is None
    # Two epochs of the two continued ones were trained before, three of the one after them.
    assert rig.study(study).epochs_done == 8 * 2 + 2 * 1 + 2 * 3 + 1 * 2 + 1 * 5


def test_trials_without_a_value_leave_the_box_as_it_is(rig: Rig) -> None:
    study = rig.submit(search=staged(), limits={"failed_trials": None})
    worker = rig.join()
    for _ in range(8):
        (job,) = rig.lease(worker)
        rig.fail(job, FailureReason.INVALID)
    record = rig.study(study)
    assert record.stage == 1
    assert record.stages[1].changes == []
    assert box(record, 1)["optimizer.lr"] == {"log_uniform": [1e-5, 1.0]}


def test_a_quorum_starts_the_next_stage_while_slow_trials_run(rig: Rig) -> None:
    study = rig.submit(search=staged(quorum=0.5))
    worker, other = rig.join(), rig.join()
    jobs = rig.lease(worker, 4) + rig.lease(other, 2)
    for job in jobs[:4]:
        train(rig, job)
    record = rig.study(study)
    assert (record.stage, record.stages[0].trials, record.stages[1].first_trial) == (1, 6, 6)
    assert record.trials_planned == 12
    for job in jobs[4:]:
        train(rig, job)
    run(rig, study)
    assert rig.study(study).counts.complete == rig.study(study).trials_planned


def test_enqueued_configurations_come_first(rig: Rig) -> None:
    rates = [0.5, 0.25]
    study = rig.submit(search={"trials": 4, "enqueue": [{"optimizer.lr": lr} for lr in rates]})
    plain = rig.submit(search={"trials": 4})
    jobs = run(rig, study, capacity=8)
    mine, others = ([job for job in jobs if job.study_id == one] for one in (study, plain))
    assert [job.params["optimizer.lr"] for job in mine[:2]] == rates
    assert [job.params for job in mine[2:]] == [job.params for job in others[2:]]


def add(rig: Rig, study: int, *rates: float) -> list[int]:
    configurations = [{"optimizer.lr": lr} for lr in rates]
    return [t.number for t in rig.do(lambda s: rig.tuner.add_trials(s, study, configurations))]


def test_trials_can_be_added_beside_the_planned_ones(rig: Rig) -> None:
    study = rig.submit(search={"kind": "grid", "points": 3})
    worker = rig.join()
    (first,) = rig.lease(worker)
    train(rig, first)
    assert add(rig, study, 0.5, 0.25) == [1, 2]
    jobs = run(rig, study)
    assert [job.params["optimizer.lr"] for job in jobs[:2]] == [0.5, 0.25]
    grid = {round(job.params["optimizer.lr"], 9) for job in [first, *jobs[2:]]}
    assert grid == {1e-5, round(10**-2.5, 9), 1.0}
    assert rig.study(study).counts.complete == 5


def test_added_trials_are_held_to_the_space_and_to_open_studies(rig: Rig) -> None:
    study = rig.submit(search={"trials": 1})
    with pytest.raises(InvalidInput, match=r"trials\.0\.optimizer\.lr: must be drawn from"):
        add(rig, study, 7.0)
    with pytest.raises(InvalidInput, match=r"trials\.0\.optimizer\.lr: is required"):
        rig.do(lambda s: rig.tuner.add_trials(s, study, [{}]))
    run(rig, study)
    with pytest.raises(Conflict, match="must be open to be given trials"):
        add(rig, study, 0.5)


def edit(rig: Rig, study: int, **patch: Any) -> Study:
    return rig.do(lambda session: rig.tuner.edit(session, study, patch))


def test_an_edit_makes_a_version_that_new_trials_run_with(rig: Rig) -> None:
    study = rig.submit(search={"trials": 3})
    worker = rig.join()
    (before,) = rig.lease(worker)
    rig.begin(before)
    record = edit(
        rig, study, optimizer={"lr": {"uniform": [0.1, 0.2]}}, search={"trials": 5}, priority=3
    )
    assert (record.version, record.trials_planned) == (2, 5)
    train(rig, before)
    after = run(rig, study)
    assert [rig.trial(study, n).version for n in range(5)] == [1, 2, 2, 2, 2]
    assert all(0.1 <= job.params["optimizer.lr"] <= 0.2 for job in after)
    assert before.spec["optimizer"]["lr"]["log_uniform"] == [1e-5, 1.0]
    assert after[0].spec["optimizer"]["lr"] == {"uniform": [0.1, 0.2], "step": None}
    (event,) = [e for e in log(rig, study) if e.kind is EventKind.STUDY_EDITED]
    assert "search.trials: 3 → 5" in event.message


def test_a_budget_cut_below_what_was_done_ends_the_study(rig: Rig) -> None:
    study = rig.submit(search={"trials": 5})
    worker = rig.join()
    for _ in range(2):
        (job,) = rig.lease(worker)
        train(rig, job)
    record = edit(rig, study, search={"trials": 1})
    assert (record.state, record.trials_planned) == (StudyState.COMPLETE, 2)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"seed": 1}, "seed: cannot change from 0 to 1 in a study under way"),
    ({"task": {"dataset": "iris"}}, "task.dataset: cannot change"),
    ({"training": {"epochs": 9}}, "training.epochs: cannot change"),
    ({"search": {"kind": "sobol"}}, "search.kind: cannot change"),
    ({"optimizer": {"lr": {"log_uniform": [1, 0.1]}}}, "low must be <= high"),
]


@pytest.mark.parametrize(("patch", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_makes_trials_comparable_stays(rig: Rig, patch: dict[str, Any], message: str) -> None:
    study = rig.submit()
    before = rig.snapshot()
    with pytest.raises(InvalidInput, match=message.replace(".", r"\.")):
        edit(rig, study, **patch)
    assert rig.snapshot() == before


def test_later_stages_can_be_edited_and_begun_ones_keep_their_length(rig: Rig) -> None:
    study = rig.submit(search=staged())
    stages = [{"trials": 6, "epochs": 2}, {"trials": 3, "epochs": 9}]
    record = edit(rig, study, search={"stages": stages})
    assert record.trials_planned == 9
    assert [job.epochs for job in run(rig, study, capacity=3)] == [2] * 6 + [9] * 3
    other = rig.submit(search=staged())
    longer = [{"trials": 8, "epochs": 7}, *stages]
    with pytest.raises(InvalidInput, match=r"search\.stages\.0\.epochs: cannot change"):
        edit(rig, other, search={"stages": longer})


def test_an_earlier_study_warms_up_a_later_one(rig: Rig) -> None:
    earlier = rig.submit(search={"trials": 12})
    run(rig, earlier, capacity=12)
    study = rig.submit(search=staged(warm_start={"study": earlier}))
    low, high = box(rig.study(study), 0)["optimizer.lr"]["log_uniform"]
    assert 1e-5 <= low < BEST_LR < high < 1
    assert "knowing 12 trials" in log(rig, study)[0].message


def test_a_warm_start_needs_trials_that_fit(rig: Rig) -> None:
    earlier = rig.submit(search={"trials": 2})
    start = {"study": earlier}
    with pytest.raises(InvalidInput, match="must have trials that fit this study's space"):
        rig.submit(search=staged(warm_start=start))
    with pytest.raises(InvalidInput, match="must be a study with the same objective"):
        rig.submit(
            search=staged(warm_start=start),
            objective={"metric": "val_loss", "direction": "minimize"},
        )


def test_a_warm_start_needs_an_f1_that_means_the_same(rig: Rig) -> None:
    """Of two classes it is that of the positive one, of three a mean, as in old studies of two."""
    goal = {"metric": "val_f1", "direction": "maximize"}
    three = rig.submit(task={"dataset": "wine"}, objective=goal, search={"trials": 2})
    two = rig.submit(task={"dataset": "breast_cancer"}, objective=goal, search={"trials": 2})
    for earlier, dataset, meaning in (
        (three, "breast_cancer", "a mean over classes"),
        (two, "wine", "that of the positive class"),
    ):
        with pytest.raises(InvalidInput, match=f"in study {earlier} it is {meaning}; leave it out"):
            rig.submit(
                task={"dataset": dataset},
                objective=goal,
                search=staged(warm_start={"study": earlier}),
            )


def test_several_objectives_give_a_front(rig: Rig) -> None:
    objective = [
        {"metric": "val_accuracy", "direction": "maximize"},
        {"metric": "seconds", "direction": "minimize"},
    ]
    study = rig.submit(objective=objective, search={"trials": 4})
    worker = rig.join()
    for accurate, seconds in ((0.9, 3.0), (0.8, 1.0), (0.7, 2.0), (0.9, 4.0)):
        (job,) = rig.lease(worker)
        rig.report(job, 0, val_accuracy=accurate, seconds=seconds)
        rig.complete(job)
    record = rig.study(study)
    assert record.pareto_front == [0, 1]
    assert (record.best_trial, rig.trial(study, 1).values) == (0, [0.8, 1.0])


@pytest.fixture
def shares(rig: Rig) -> Callable[[int], list[int]]:
    def of(workers: int) -> list[int]:
        study = rig.submit(search={"trials": 64})
        joined = [rig.join() for _ in range(workers)]
        found = [len(rig.lease(worker, 64)) for worker in joined]
        rig.do(lambda session: rig.tuner.stop(session, study))
        return found

    return of


def test_workers_that_ask_for_many_share_fairly(shares: Callable[[int], list[int]]) -> None:
    assert shares(1) == [64]
    assert shares(1) == [32]  # the worker that joined before may ask any moment
    assert shares(2) == [16, 16]
