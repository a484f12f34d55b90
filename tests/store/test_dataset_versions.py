"""A data set that is replaced under its name: the version that a study names stays what it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from rig import Rig
from stored_datasets import add, an_artifact

from hpsearch.errors import Conflict, InvalidInput, NotFound
from hpsearch.spec.wire.extension import ExtendRequest
from hpsearch.spec.wire.jobs import Job
from hpsearch.store import datasets

FIRST, SECOND, THIRD = ("a" * 64, "b" * 64, "c" * 64)


def replace(rig: Rig, sha256: str, **fields: Any) -> int:
    dataset, created = add(rig, replace=True, sha256=sha256, **fields)
    assert created
    return dataset.version


def submit(rig: Rig, **task: Any) -> int:
    return rig.submit(task={"dataset": "mine", **task}, search={"trials": 1})


def test_each_replacement_is_the_next_version_and_all_are_found(rig: Rig) -> None:
    add(rig, replace=True)
    assert [replace(rig, SECOND), replace(rig, FIRST), replace(rig, FIRST, uses={})] == [2, 3, 4]
    add(rig, "yours")
    with rig.database.read() as session:
        hashes = [datasets.get(session, "mine", version)[0].sha256 for version in (1, 2, 3, 4)]
        newest = datasets.find(session, "mine")
        listed = [(one.name, one.version, one.versions) for one in datasets.list_all(session)]
        assert datasets.find(session, "mine", 5) is None
        assert list(datasets.names(session)) == ["mine", "yours"]
    assert hashes == [FIRST, SECOND, FIRST, FIRST]
    assert newest is not None
    assert (newest.version, newest.uses) == (4, {})
    assert listed == [("mine", 4, (1, 2, 3, 4)), ("yours", 1, (1,))]


def test_replacing_by_the_newest_again_changes_nothing(rig: Rig) -> None:
    add(rig)
    replace(rig, SECOND)
    before = rig.snapshot()
    for by_force in (True, False):
        found, created = add(rig, replace=by_force, sha256=SECOND)
        assert (found.version, created) == (2, False)
    with pytest.raises(Conflict, match=r"version 2, sha256 b{12}.* becomes version 3"):
        add(rig)
    assert rig.snapshot() == before


def test_a_file_that_a_newer_server_reads_otherwise_may_replace_itself(rig: Rig) -> None:
    first, _ = add(rig)
    columns = (first.columns[0].model_copy(update={"kind": "category"}), *first.columns[1:])
    assert add(rig, columns=columns) == (first, False)
    assert replace(rig, FIRST, columns=columns) == 2


def test_a_study_stays_with_the_version_that_it_was_submitted_with(rig: Rig) -> None:
    add(rig)
    before = submit(rig)
    replace(rig, SECOND)
    after, named = submit(rig), submit(rig, dataset_version=1)
    versions = {study: rig.spec(study).dataset_version for study in (before, after, named)}
    assert versions == {before: 1, after: 2, named: 1}
    jobs = {job.study_id: job for job in rig.lease(rig.join(), 20)}
    files = {study: jobs[study].dataset for study in versions}
    assert {study: (file.version, file.sha256) for study, file in files.items() if file} == {
        before: (1, FIRST), after: (2, SECOND), named: (1, FIRST),
    }  # fmt: skip
    rig.do(lambda session: rig.tuner.edit(session, before, {"search": {"trials": 2}}))
    assert rig.spec(before).dataset_version == 1
    patch = {"task": {"dataset_version": 2}}
    with pytest.raises(InvalidInput, match=r"task\.dataset_version: cannot change from 1 to 2"):
        rig.do(lambda session: rig.tuner.edit(session, before, patch))


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"dataset_version": 3}, "must be a version of mine that there is, got 3; there are 1, 2"),
        ({"dataset": "iris", "dataset_version": 1}, "and iris is built in; leave it out"),
        ({"dataset": "no", "dataset_version": 1}, "none is called 'no'; use one of digits"),
        ({"dataset_version": 0}, "task.dataset_version"),
        ({"dataset_version": 2**31}, "task.dataset_version"),
        ({"dataset_version": "1"}, "task.dataset_version"),
    ],
)  # fmt: skip
def test_a_version_that_does_not_exist_is_refused(
    rig: Rig, task: dict[str, Any], sentence: str
) -> None:
    add(rig)
    replace(rig, SECOND)
    with pytest.raises(InvalidInput) as caught:
        submit(rig, **task)
    assert sentence in str(caught.value)


def test_one_version_is_removed_unless_an_open_study_trains_on_it(rig: Rig) -> None:
    add(rig)
    study = submit(rig)
    replace(rig, SECOND)
    with pytest.raises(Conflict, match=rf"study {study} trains on version 1 of mine; wait"):
        rig.do(lambda session: datasets.remove(session, "mine", 1))
    with pytest.raises(Conflict, match=rf"study {study} trains on mine; wait"):
        rig.do(lambda session: datasets.remove(session, "mine"))
    assert rig.do(lambda session: datasets.remove(session, "mine", 2)) == [an_artifact(SECOND)]
    with pytest.raises(NotFound, match=r"data set mine has no version 2; there are 1"):
        rig.do(lambda session: datasets.remove(session, "mine", 2))
    rig.do(lambda session: rig.tuner.stop(session, study))
    rig.do(lambda session: datasets.remove(session, "mine"))


def test_a_study_is_extended_on_its_own_version_and_not_without_it(rig: Rig) -> None:
    add(rig)
    study = submit(rig)
    (job,) = rig.lease(rig.join())
    assert isinstance(job, Job)
    rig.train(job)
    replace(rig, SECOND)
    more = ExtendRequest(trials=1)
    rig.do(lambda session: rig.tuner.extend(session, study, more))
    assert rig.spec(study).dataset_version == 1
    (job,) = rig.lease(rig.join())
    assert isinstance(job, Job)
    assert job.dataset is not None
    assert job.dataset.sha256 == FIRST
    with pytest.raises(Conflict, match=rf"study {study} trains on version 1 of mine"):
        rig.do(lambda session: datasets.remove(session, "mine", 1))
    rig.train(job)
    rig.do(lambda session: datasets.remove(session, "mine", 1))
    before = rig.snapshot()
    with pytest.raises(InvalidInput, match=r"must be a version of mine .*, got 1; there are 2"):
        rig.do(lambda session: rig.tuner.extend(session, study, more))
    assert rig.snapshot() == before


def test_all_versions_go_with_their_name_and_each_file_once(rig: Rig) -> None:
    add(rig)
    for sha256 in (SECOND, FIRST, THIRD):
        replace(rig, sha256)
    removed = rig.do(lambda session: datasets.remove(session, "mine"))
    assert sorted(artifact.sha256 for artifact in removed) == [FIRST, SECOND, THIRD]
    assert not any(rig.do(lambda s, a=a: datasets.is_referenced(s, a)) for a in removed)


def test_a_version_that_a_study_names_is_never_another_file(rig: Rig) -> None:
    """Under a name that was removed, numbers go on where studies were trained on it."""
    add(rig)
    study = submit(rig)
    rig.do(lambda session: rig.tuner.stop(session, study))
    rig.do(lambda session: datasets.remove(session, "mine"))
    assert add(rig, sha256=SECOND)[0].version == 2
    with pytest.raises(InvalidInput, match=r"got 1; there are 2, and leaving it out takes the"):
        submit(rig, dataset_version=1)
    rig.do(lambda session: rig.tuner.delete(session, study))
    rig.do(lambda session: datasets.remove(session, "mine"))
    assert add(rig, sha256=THIRD)[0].version == 1


@pytest.mark.parametrize("attempt", range(3))
def test_replacing_and_removing_beside_a_submission_leave_every_study_its_data(
    rig: Rig, attempt: int
) -> None:
    add(rig)
    gate = threading.Barrier(3)

    def do(change: Callable[[], object]) -> None:
        gate.wait(10)
        with suppress(InvalidInput, Conflict):
            change()

    changes: list[Callable[[], object]] = [
        lambda: submit(rig),
        lambda: add(rig, replace=True, sha256=SECOND),
        lambda: rig.do(lambda session: datasets.remove(session, "mine", 1)),
    ]
    threads = [threading.Thread(target=do, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with rig.database.read() as session:
        there = datasets.find(session, "mine")
    assert there is not None
    assert there.sha256 == SECOND
    for job in rig.lease(rig.join(), 5):
        assert isinstance(job, Job)
        assert job.dataset is not None
        assert job.dataset.version in there.versions
