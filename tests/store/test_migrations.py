"""What an earlier version wrote goes on under this one."""

from __future__ import annotations

import pytest
from alembic import command
from rig import Rig

from hpsearch.spec.states import StudyState
from hpsearch.store import history
from hpsearch.store.database import migrations_config


def _down(rig: Rig, revision: str) -> None:
    config = migrations_config()
    with rig.database.engine.connect() as connection:
        if rig.database.is_sqlite:
            connection = connection.execution_options(hpsearch_writes=True)
        with connection.begin():
            config.attributes["connection"] = connection
            command.downgrade(config, revision)


@pytest.mark.parametrize("revision", ["0002"])
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
        ended = history.ended(session, study, rig.spec(study))
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
