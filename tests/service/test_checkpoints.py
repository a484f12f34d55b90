"""A checkpoint is visible only when whole; best and last are kept (invariant 6)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rig import Rig

from hpsearch.errors import NotFound, ReportGap, StaleLease
from hpsearch.spec.wire.jobs import Job
from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store import checkpoints


@pytest.fixture
def job(rig: Rig) -> Job:
    rig.submit(training={"epochs": 10})
    rig.join()
    (job,) = rig.lease(1)
    rig.report(job, *range(10))
    return job


def _present(rig: Rig, job: Job) -> list[Checkpoint]:
    trial = rig.trial(job.study_id, job.trial)
    with rig.database.read() as session:
        return checkpoints.of_trial(session, trial.id)


def _files_match(rig: Rig, job: Job) -> None:
    with rig.database.read() as session:
        stored = [checkpoints.get(session, one.id)[1] for one in _present(rig, job)]
    assert rig.artifacts() == sorted(artifact.key for artifact in stored)


def test_best_and_last_are_kept_and_what_they_replace_goes(rig: Rig, job: Job) -> None:
    steps = [
        (0, True, True, [(0, True, True)]),
        (1, False, True, [(0, True, False), (1, False, True)]),
        (2, False, True, [(0, True, False), (2, False, True)]),
        (3, True, False, [(2, False, True), (3, True, False)]),
        (4, False, True, [(3, True, False), (4, False, True)]),
        (5, True, True, [(5, True, True)]),
    ]
    for epoch, best, last, expected in steps:
        rig.store(job, epoch, b"state %d" % epoch, best=best, last=last)
        assert [(one.epoch, one.best, one.last) for one in _present(rig, job)] == expected
        _files_match(rig, job)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans(), st.binary(max_size=2))))
def test_no_order_leaves_more_than_two_files_or_a_stray_one(
    rig: Rig, job: Job, stores: list[tuple[int, bool, bool, bytes]]
) -> None:
    for epoch, best, last, content in stores:
        stored = rig.store(job, epoch, content, best=best, last=last)
        present = _present(rig, job)
        assert stored in present
        assert sum(one.best for one in present) <= 1
        assert sum(one.last for one in present) <= 1
        assert sum(not one.best and not one.last for one in present) <= 1
        _files_match(rig, job)


def test_what_comes_late_takes_nothing_from_a_later_epoch(rig: Rig, job: Job) -> None:
    rig.store(job, 0, b"first", best=True)
    rig.store(job, 1, b"second", best=True)
    rig.store(job, 2, b"third")
    for epoch, content in ((0, b"first"), (1, b"second")):
        rig.store(job, epoch, content, best=True)  # sent once more, by a request that hung
        present = {(one.epoch, one.best, one.last) for one in rig.checkpoints(job.study_id)}
        assert present >= {(1, True, False), (2, False, True)}
        assert {flags for flags in present if flags[0] == 0} <= {(0, False, False)}


def test_the_next_attempt_may_have_its_best_and_last_epoch_earlier(rig: Rig, job: Job) -> None:
    rig.store(job, 2, b"third", best=True)
    rig.run_out()
    rig.expire()
    (again,) = rig.lease(1)
    rig.store(again, 1, b"second", best=True)
    (checkpoint,) = rig.checkpoints(job.study_id)
    assert (checkpoint.epoch, checkpoint.best, checkpoint.last) == (1, True, True)


def test_sending_it_again_changes_nothing(rig: Rig, job: Job) -> None:
    first = rig.store(job, 3, b"state", best=True)
    assert rig.store(job, 3, b"state", best=True) == first
    _files_match(rig, job)


def test_an_unreported_epoch_has_no_checkpoint(rig: Rig, job: Job) -> None:
    with pytest.raises(ReportGap, match="got 10 after 10 reports; report it, then send"):
        rig.store(job, 10, b"state")
    assert rig.artifacts() == []


def test_a_lease_lost_while_the_file_came_leaves_nothing(rig: Rig, job: Job) -> None:
    rig.store(job, 1, b"before")
    before = rig.artifacts()
    sent = CheckpointPart(job=job.id, attempt=job.attempt, epoch=2, size_bytes=5, sha256="0" * 64)
    (prefix,) = rig.do(lambda s: rig.tuner.check_checkpoints(s, [sent]))
    artifact = rig.tuner.context.artifacts.put(f"{prefix}-x", b"after")
    rig.run_out(job)
    with pytest.raises(StaleLease):
        rig.do(lambda s: rig.tuner.store_checkpoints(s, [(sent, artifact)]))
    rig.do(lambda s: rig.tuner.remove_unreferenced(s, artifact))
    assert rig.artifacts() == before
    assert [one.epoch for one in _present(rig, job)] == [1]


def test_dropping_spares_what_a_repeat_made_visible(rig: Rig, job: Job) -> None:
    rig.store(job, 1, b"kept")
    with rig.database.read() as session:
        artifact = checkpoints.get(session, _present(rig, job)[0].id)[1]
    rig.do(lambda s: rig.tuner.remove_unreferenced(s, artifact))
    _files_match(rig, job)


def test_attempts_do_not_share_files(rig: Rig, job: Job) -> None:
    rig.store(job, 1, b"same")
    rig.run_out(job)
    rig.expire()
    (again,) = rig.lease(1)
    (first,) = rig.artifacts()
    rig.store(again, 1, b"same")
    (second,) = rig.artifacts()
    assert first != second


def test_the_next_attempt_goes_on_from_the_last(rig: Rig, job: Job) -> None:
    best = rig.store(job, 4, b"best", best=True, last=False)
    last = rig.store(job, 6, b"last")
    rig.run_out(job)
    rig.expire()
    (again,) = rig.lease(1)
    assert again.resume is not None
    assert (again.resume.checkpoint, again.resume.epoch) == (last.id, 6)
    # `val_accuracy` rises with the epoch: the best up to the checkpoint is its own epoch's.
    assert (again.resume.best_epoch, again.resume.best_value) == (6, 0.56)
    assert again.resume.best_checkpoint == last.id
    assert best.id != last.id


def test_deleting_a_study_removes_all_of_it(rig: Rig, job: Job) -> None:
    rig.store(job, 1, b"best", best=True, last=False)
    rig.store(job, 2, b"last")
    checkpoint = _present(rig, job)[0]
    rig.do(lambda s: rig.tuner.stop(s, job.study_id))
    rig.do(lambda s: rig.tuner.delete(s, job.study_id))
    left = rig.snapshot()
    assert rig.artifacts() == []
    assert {table for table, rows in left.items() if rows} == {"workers", "events"}
    assert [row for row in left["events"] if row[1] is not None] == []
    with rig.database.read() as session, pytest.raises(NotFound):
        checkpoints.get(session, checkpoint.id)
