"""Folds and repeats as a person writes them, and what they cannot go with."""

from __future__ import annotations

from typing import Any

import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.checks.external import complete_external
from hpsearch.spec.checks.plugin import complete_plugin
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.datasets import BUILT_IN, DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo


def column(name: str, **fields: Any) -> ColumnInfo:
    return ColumnInfo(name=name, **{"kind": "category", "feature": False, **fields})


UPLOAD = DatasetInfo(
    name="mine", rows=100, features=(2,), target="numbers",
    columns=(
        column("part", parts={"train": 60, "validation": 20, "test": 20}),
        column("half", parts={"train": 80, "test": 20}),
        column("few", parts={"train": 3, "test": 97}),
        column("who", distinct=4),
        column("when", kind="time"),
    ),
)  # fmt: skip
RARE = DatasetInfo(
    name="rare", rows=100, features=(2,), target="classes", classes=2,
    class_names=("often", "rarely"), class_rows=(98, 2),
)  # fmt: skip
KNOWN = {**BUILT_IN, "mine": UPLOAD, "rare": RARE}


def study(dataset: str = "wine", split: Any = None, **sections: Any) -> StudySpec:
    task = {"dataset": dataset, "split": split or {}}
    return parse_study({"name": "test", "task": task, "optimizer": {"lr": 0.1}, **sections})


def completed(dataset: str, split: Any, folds: int) -> StudySpec:
    return complete(study(dataset, split, training={"folds": folds}), KNOWN[dataset])


def test_a_trial_is_one_run_by_default() -> None:
    training = study().training
    assert (training.folds, training.repeats) == (0, 1)
    training = study(training={"folds": 5, "repeats": 3}).training
    assert (training.folds, training.repeats) == (5, 3)
    assert not search_space(study(training={"folds": 5, "repeats": 3})).parameters


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"folds": 1}, "training.folds: must be 0 (off) or from 2 to 20, got 1; leave it out"),
        ({"folds": 21}, "training.folds: must be <= 20, got 21"),
        ({"folds": -2}, "training.folds: must be >= 0, got -2"),
        ({"folds": 2.5}, "training.folds: must be a whole number, got 2.5"),
        ({"folds": {"choice": [3, 5]}}, "training.folds: must be a whole number, as all trials"),
        ({"repeats": 0}, "training.repeats: must be >= 1, got 0"),
        ({"repeats": 101}, "training.repeats: must be <= 100, got 101"),
        ({"repeats": {"int_uniform": [1, 3]}}, "are measured alike, got {'int_uniform': [1, 3]}"),
    ],
)
def test_their_numbers_are_fixed_and_bounded(training: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        study(training=training)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "split", "folds"),
    [
        ("wine", {}, 20),
        ("wine", {"validation": 0.001}, 5),  # whatever its share, the folds validate
        ("diabetes", {"test": 0.0}, 2),
        ("rare", {"test": 0.5}, 3),  # both rows of the rare class train and validate, none tests
        ("mine", {"column": "half"}, 5),
        ("mine", {"group": "who"}, 3),
        ("mine", {"group": "who", "test": 0.0}, 4),
    ],
)
def test_folds_that_fit_are_accepted(dataset: str, split: Any, folds: int) -> None:
    assert completed(dataset, split, folds).training.folds == folds


@pytest.mark.parametrize(
    ("dataset", "split", "folds", "path", "message"),
    [
        ("quadratic", {}, 3, "training.folds", "needs rows to divide, and quadratic has none"),
        ("diabetes", {"test": 0.98, "validation": 0.01}, 20, "training.folds",
         "must be at most the 9 rows of diabetes that can validate, got 20; use fewer folds"),
        ("mine", {"time": "when"}, 3, "training.folds", "cannot go with task.split.time, as"),
        ("mine", {"column": "part"}, 3, "training.folds",
         "and part names 20; leave folds out, or call these rows train"),
        ("mine", {"column": "few"}, 4, "training.folds", "at most the 3 rows that few calls train"),
        ("mine", {"group": "who"}, 4, "training.folds",
         "must leave a group of who for each fold and for the test rows, and there are 4 for 4"),
        ("mine", {"group": "nobody"}, 3, "task.split.group", "must name a column of mine"),
        ("wine", {"test": 0.001}, 3, "task.split.test", "must leave at least one of 178 rows"),
    ],
)  # fmt: skip
def test_folds_that_do_not_fit_the_split_are_refused(
    dataset: str, split: Any, folds: int, path: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        completed(dataset, split, folds)
    (error,) = caught.value.errors
    assert error.path == path
    assert message in error.message


def test_plug_ins_take_repeats_and_no_folds() -> None:
    task = {"kind": "plugin", "entry_point": "waves"}
    document = {"name": "test", "task": task, "optimizer": {"lr": 0.1}}
    spec = parse_study({**document, "training": {"repeats": 3}})
    assert complete_plugin(spec).training.repeats == 3
    with pytest.raises(InvalidInput, match=r"training.folds: cannot go with a plug-in, .*repeats"):
        complete_plugin(parse_study({**document, "training": {"folds": 3}}))


def test_external_tasks_take_neither() -> None:
    document = {"name": "test", "task": {"kind": "external"}, "optimizer": {"lr": 0.1}}
    training = {"folds": 3, "repeats": 2}
    with pytest.raises(InvalidInput) as caught:
        complete_external(parse_study({**document, "training": training}))
    assert [error.path for error in caught.value.errors] == ["training.folds", "training.repeats"]
    assert "whose loop decides what a trial trains" in str(caught.value)
    assert complete_external(parse_study(document))


def test_class_weights_name_classes_of_built_in_data_too() -> None:
    def spec(*names: str) -> StudySpec:
        task = {"dataset": "iris", "class_weights": dict.fromkeys(names, 2.0)}
        return parse_study({"name": "test", "task": task, "optimizer": {"lr": 0.1}})

    assert complete(spec("setosa", "virginica"), BUILT_IN["iris"])
    with pytest.raises(InvalidInput) as caught:
        complete(spec("setosa", "rosa"), BUILT_IN["iris"])
    assert str(caught.value) == (
        "task.class_weights: must name classes of iris, and none is called 'rosa'; use some of "
        "setosa, versicolor, virginica"
    )
