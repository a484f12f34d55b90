from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from rig import Rig
from stored_datasets import SHA, a_dataset, add, an_artifact

from hpsearch.errors import Conflict, InvalidInput, NotFound
from hpsearch.service import submission
from hpsearch.spec.language.states import EventKind
from hpsearch.spec.study import parse_study
from hpsearch.store import datasets, events


def test_what_was_added_is_found(rig: Rig) -> None:
    added, created = add(rig)
    assert created
    assert added.created_at is not None
    assert added.model_copy(update={"created_at": None, "versions": ()}) == a_dataset()
    assert (added.version, added.versions) == (1, (1,))
    with rig.database.read() as session:
        assert datasets.find(session, "mine") == added
        assert datasets.get(session, "mine") == (added, an_artifact())
        assert datasets.list_all(session) == [added]
        assert datasets.find(session, "other") is None


@pytest.mark.parametrize("name", ["", "../x", "a\0b", "\ud800", "A", "x" * 200])
def test_no_name_breaks_the_database(rig: Rig, name: str) -> None:
    with rig.database.read() as session:
        assert datasets.find(session, name) is None
        with pytest.raises(NotFound, match="a data set must exist to be used"):
            datasets.get(session, name)


def test_the_same_again_changes_nothing_and_another_is_refused(rig: Rig) -> None:
    first, _ = add(rig)
    before = rig.snapshot()
    assert add(rig) == (first, False)
    for other in ({"sha256": "b" * 64}, {"target_column": "a"}, {"uses": {}}, {"format": "idx"}):
        with pytest.raises(Conflict, match=r"choose another name, or send it with replace=true"):
            add(rig, **other)
    assert rig.snapshot() == before


def test_a_file_is_kept_as_long_as_a_name_needs_it(rig: Rig) -> None:
    add(rig)
    add(rig, "yours")
    (stored,) = rig.do(lambda session: datasets.remove(session, "mine"))
    assert stored == an_artifact()
    assert rig.do(lambda session: datasets.is_referenced(session, stored))
    rig.do(lambda session: datasets.remove(session, "yours"))
    assert not rig.do(lambda session: datasets.is_referenced(session, stored))
    with pytest.raises(NotFound, match=r"none is called 'mine'; there are digits, .*quadratic$"):
        rig.do(lambda session: datasets.remove(session, "mine"))


def test_what_an_open_study_trains_on_stays(rig: Rig) -> None:
    add(rig)
    add(rig, "yours")
    study = rig.submit(task={"dataset": "mine"})
    for change in (None, rig.tuner.pause):
        if change is not None:
            rig.do(lambda session: rig.tuner.pause(session, study))
        with pytest.raises(Conflict, match=f"study {study} trains on mine; wait for it or stop"):
            rig.do(lambda session: datasets.remove(session, "mine"))
    rig.do(lambda session: datasets.remove(session, "yours"))
    rig.do(lambda session: rig.tuner.stop(session, study))
    rig.do(lambda session: datasets.remove(session, "mine"))


@pytest.mark.parametrize("attempt", range(5))
def test_submitting_and_removing_side_by_side_leave_no_study_without_data(
    rig: Rig, attempt: int
) -> None:
    add(rig)
    gate = threading.Barrier(2)
    done: list[str] = []

    def submit() -> None:
        gate.wait(10)
        with suppress(InvalidInput):
            rig.submit(task={"dataset": "mine"})
            done.append("submitted")

    def remove() -> None:
        gate.wait(10)
        with suppress(Conflict):
            rig.do(lambda session: datasets.remove(session, "mine"))
            done.append("removed")

    threads = [threading.Thread(target=work) for work in (submit, remove)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 1, done
    with rig.database.read() as session:
        is_there = datasets.find(session, "mine") is not None
    assert is_there == (done == ["submitted"])


def test_a_job_says_how_to_fetch_and_read_the_data(rig: Rig) -> None:
    add(rig)
    rig.submit(task={"dataset": "mine"})
    rig.submit()
    jobs = rig.lease(rig.join(), 12)
    files = {job.study_id: job.dataset for job in jobs}
    assert files[2] is None
    assert files[1] is not None
    assert (files[1].name, files[1].sha256, files[1].format) == ("mine", SHA, "csv")
    assert (files[1].target_column, files[1].uses) == ("y", {"id": "ignore"})


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"dataset": "nothing"}, "task.dataset: must name a data set, and none is called"),
        ({"split": {"column": "none"}}, "must name a column of mine, got 'none'; its"),
        ({"split": {"column": "b"}}, "with a value in every row, and b lacks 3; fill them in"),
        ({"split": {"column": "a"}}, "train, validation and test, and a holds others"),
        ({"split": {"column": "held"}}, "and held holds others, or no train"),
        ({"split": {"group": "few"}}, "a group for each part, and few has 2 in all; use another"),
        ({"split": {"time": "who"}}, "a column of times or numbers, and who holds text"),
        ({"split": {"time": "day", "group": "who"}}, "takes one of column, group and time, got"),
        ({"class_weights": {"maybe": 2}}, "none is called 'maybe'; use some of no, yes"),
        ({"model": "cnn"}, "cnn needs images, and mine has rows of shape [2]"),
        ({"loss": "cross"}, "task.loss"),
    ],
)  # fmt: skip
def test_a_study_that_does_not_fit_the_data_is_refused(
    rig: Rig, task: dict[str, Any], sentence: str
) -> None:
    add(rig)
    with pytest.raises(InvalidInput) as caught:
        rig.submit(task={"dataset": "mine", **task})
    assert sentence in str(caught.value)


def test_a_class_with_too_few_rows_for_the_split_is_named_in_the_log(rig: Rig) -> None:
    add(rig, class_rows=(98, 2))

    def warnings(**split: Any) -> list[str]:
        study = rig.submit(task={"dataset": "mine", "split": split})
        page = rig.do(lambda session: events.page(session, study, 50, None))
        return [e.message for e in page.events if e.kind is EventKind.STUDY_WARNING]

    (warning,) = warnings()
    assert "yes (2 rows); all of them train" in warning
    assert warnings(test=0.0) == warnings(column="part") == []
    document = {"name": "s", "task": {"dataset": "mine"}, "optimizer": {"lr": 0.1}}
    preview = rig.do(lambda session: submission.preview(session, parse_study(document)))
    assert preview.warnings == [warning]


@pytest.mark.parametrize(
    ("split", "test"),
    [({"column": "part"}, 0.2), ({"column": "most"}, 0.0), ({"group": "who"}, 0.2),
     ({"time": "day"}, 0.2)],
)  # fmt: skip
def test_a_split_of_one_s_own_is_accepted(rig: Rig, split: dict[str, str], test: float) -> None:
    add(rig)
    document = {"name": "s", "task": {"dataset": "mine", "split": split}, "optimizer": {"lr": 0.1}}
    spec = rig.do(lambda session: submission.check(session, parse_study(document)))
    assert spec.supervised.split.test == test
    again = rig.do(lambda session: submission.check(session, spec))
    assert again == spec
