"""What an earlier version wrote goes on under this one."""

from __future__ import annotations

import pytest
from alembic import command
from rig import Rig
from sqlalchemy import text
from stored_datasets import add

from hpsearch.spec.language.states import StudyState
from hpsearch.store import datasets, observations
from hpsearch.store.database import migrations_config


def _down(rig: Rig, revision: str) -> None:
    config = migrations_config()
    with rig.database.rewriting() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


@pytest.mark.parametrize("revision", ["0002", "0003", "0004"])
def test_a_study_under_way_goes_on_after_an_upgrade(rig: Rig, revision: str) -> None:
    study = rig.submit(search={"trials": 4})
    worker = rig.join()
    jobs = rig.lease(worker, 3)
    for job, accuracy in ((jobs[1], 0.7), (jobs[0], 0.6)):
        rig.report(job, 0, val_accuracy=accuracy)
        rig.complete(job)
    params = [rig.trial(study, number).params for number in range(3)]
    before = rig.study(study)
    _down(rig, revision)
    rig.database.upgrade()
    after = rig.study(study)
    same = {"stages": before.stages, "eta_seconds": before.eta_seconds}
    assert after.model_copy(update=same) == before
    assert [(stage.first_trial, stage.trials) for stage in after.stages] == [(0, 4)]
    with rig.database.read() as session:
        ended = observations.ended(session, study, rig.spec(study))
        assert [trial.number for trial in ended] == [1, 0]
    assert [rig.trial(study, number).params for number in range(3)] == params
    rig.report(jobs[2], 0, val_accuracy=0.8)
    rig.complete(jobs[2])
    (last,) = rig.lease(worker, 3)
    assert (last.trial, last.params) not in [(n, p) for n, p in enumerate(params)]
    rig.report(last, 0, val_accuracy=0.5)
    rig.complete(last)
    record = rig.study(study)
    assert (record.state, record.best_trial) == (StudyState.COMPLETE, 2)


def test_checkpoints_of_an_earlier_version_become_an_ensemble(rig: Rig) -> None:
    study = rig.submit(search={"trials": 3}, training={"epochs": 2}, ensemble="top_k")
    worker = rig.join()
    first, second = rig.lease(worker, 2)
    rig.train(first)
    before, files = rig.checkpoints(study), rig.artifacts()
    _down(rig, "0003")
    rig.database.upgrade()
    assert (rig.checkpoints(study), rig.artifacts()) == (before, files)
    assert rig.study(study).checkpoint_bytes == sum(one.size_bytes for one in before)
    rig.train(second)
    (third,) = rig.lease(worker)
    rig.train(third)
    (job,) = rig.lease(worker)
    assert {one.trial for one in job.candidates} == {0, 1, 2}
    rig.build(job)
    assert rig.study(study).state is StudyState.COMPLETE


def test_a_study_whose_ensembles_an_earlier_version_did_not_know_ends_again(rig: Rig) -> None:
    study = rig.submit(search={"trials": 1}, training={"epochs": 2}, ensemble=["top_k", "greedy"])
    worker = rig.join()
    (job,) = rig.lease(worker)
    rig.train(job)
    one, _ = rig.lease(worker, 2)
    rig.build(one)
    rig.ask(one.ensemble, [0.0])
    _down(rig, "0003")
    rig.database.upgrade()
    assert [row for row in rig.snapshot()["jobs"] if "trial" not in row] == []
    assert (rig.ensembles(study), rig.lease(worker)) == ([], [])
    rig.enforce_limits()
    for job in rig.lease(worker, 5):
        rig.build(job)
    assert (rig.study(study).state, len(rig.ensembles(study))) == (StudyState.COMPLETE, 2)


def test_rows_stay_under_their_ids_and_the_next_id_is_a_new_one(rig: Rig) -> None:
    study = rig.submit(search={"trials": 2}, training={"epochs": 2})
    worker = rig.join()
    for job in rig.lease(worker, 2):
        rig.train(job)
    last = rig.submit()
    new = (
        "ensemble_id", "repeats", "attempt", "proposal", "begun", "stale",
        "end_reason", "end_limit", "end_message",
    )  # fmt: skip
    before = rig.snapshot(*new)
    _down(rig, "0004")
    rig.database.upgrade()
    assert rig.snapshot(*new) == before
    rig.do(lambda session: rig.tuner.stop(session, last))
    rig.do(lambda session: rig.tuner.delete(session, last))
    assert rig.submit() == last + 1
    rig.do(lambda session: rig.tuner.delete(session, study))
    assert rig.checkpoints(study) == rig.artifacts() == []


def test_an_upgraded_study_draws_what_it_would_have_drawn(rig: Rig) -> None:
    study, twin = (rig.submit(search={"trials": 2}) for _ in range(2))
    worker = rig.join()
    jobs = rig.lease(worker, 4)
    again = rig.submit(search={"trials": 2})
    (first,) = rig.lease(worker, 1)
    _down(rig, "0002")
    rig.database.upgrade()
    (second,) = rig.lease(worker, 4)
    drawn = [job.params for job in jobs if job.study_id == twin]
    assert [first.params, second.params] == drawn
    assert {job.study_id for job in jobs} == {study, twin}
    assert second.study_id == again


def test_a_data_set_of_an_earlier_version_is_the_first_under_its_name(rig: Rig) -> None:
    first, _ = add(rig)
    mine, wine = (rig.submit(task={"dataset": name}) for name in ("mine", "wine"))
    before = rig.snapshot()
    _down(rig, "0005")
    with rig.database.rewriting() as connection:
        for table in ("studies", "study_versions"):
            specs = connection.execute(text(f"SELECT spec FROM {table}")).scalars().all()
            assert len(specs) == 2
            assert not any("dataset_version" in str(spec) for spec in specs)
    rig.database.upgrade()
    assert rig.snapshot() == before
    assert (rig.spec(mine).dataset_version, rig.spec(wine).dataset_version) == (1, None)
    assert add(rig, replace=True, sha256="b" * 64)[0].version == 2
    with rig.database.read() as session:
        assert datasets.get(session, "mine", 1)[0].sha256 == first.sha256


def test_an_earlier_version_is_not_given_a_data_set_that_it_cannot_hold(rig: Rig) -> None:
    add(rig)
    add(rig, replace=True, sha256="b" * 64)
    before = rig.snapshot()
    with pytest.raises(RuntimeError, match="there are later versions of data set mine; remove it"):
        _down(rig, "0005")
    assert rig.snapshot() == before
