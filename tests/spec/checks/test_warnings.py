"""What is said of a study before it trains: classes too rare to be measured, a guessed positive."""

from __future__ import annotations

import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.checks.warnings import study_warnings
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.datasets import BUILT_IN, DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo


def of_classes(**rows):
    return DatasetInfo(
        name="flowers", rows=sum(rows.values()), features=(3,), target="classes",
        classes=len(rows), class_names=tuple(rows), class_rows=tuple(rows.values()),
        columns=(ColumnInfo(name="bed", kind="category", distinct=9),),
    )  # fmt: skip


def written(task=None, metric="val_accuracy", **training):
    return parse_study(
        {
            "name": "s",
            "task": {"dataset": "flowers", **(task or {})},
            "optimizer": {"lr": 0.1},
            "objective": {"metric": metric, "direction": "maximize"},
            "training": training,
        }
    )


def said(info, **study):
    spec = written(**study)
    complete(spec, info)  # and nothing is refused
    return study_warnings(spec, info)


def test_classes_that_only_train_are_named_with_their_rows():
    (warning,) = said(of_classes(rose=40, tulip=30, aster=2, daisy=1))
    assert warning.startswith(
        "2 classes of flowers with too few rows for every part of the split: aster (2 rows), daisy "
        "(1 row); all of them train"
    )
    (warning,) = said(of_classes(rose=40, tulip=30, aster=1))
    assert warning.startswith("A class of flowers with too few rows")
    (warning,) = said(of_classes(rose=40, tulip=30, **{f"kind{i}": 1 for i in range(8)}))
    assert "kind4 (1 row) and 3 more; all of them train" in warning
    (warning,) = said(of_classes(rose=40, tulip=30, aster=2), folds=3)
    assert "aster (2 rows); none of them tests, so that no test score" in warning


@pytest.mark.parametrize(
    "task",
    [{"split": {"test": 0.0}}, {"split": {"group": "bed"}}],
)
def test_classes_with_rows_enough_or_divided_by_a_column_are_not(task):
    assert said(of_classes(rose=40, tulip=30, aster=2), task=task) == []


@pytest.mark.parametrize("metric", ["val_f1", "val_average_precision"])
def test_the_class_that_an_objective_is_taken_to_mean_is_named(metric):
    info = of_classes(rose=40, tulip=60)
    (warning,) = said(info, metric=metric)
    assert warning == f"{metric} is of class rose, the rarer of two; task.positive names another"
    (warning,) = said(of_classes(rose=50, tulip=50), metric=metric)
    assert f"{metric} is of class tulip, the later of two" in warning
    assert said(info, metric=metric, task={"positive": "tulip"}) == []
    assert said(info, metric="val_auc") == []
    assert said(of_classes(rose=40, tulip=30, aster=20), metric=metric) == []


def test_numbers_give_no_reason_to_warn():
    spec = parse_study({"name": "s", "task": {"dataset": "diabetes"}, "optimizer": {"lr": 0.1}})
    assert study_warnings(spec, BUILT_IN["diabetes"]) == []


@pytest.mark.parametrize(
    ("rows", "metric", "why"),
    [
        ({"rose": 40, "tulip": 30, "aster": 2}, "val_recall[aster]", "all rows of class 'aster'"),
        ({"rose": 40, "tulip": 2}, "val_auc", "all rows that can validate are of one class"),
        ({"rose": 40, "tulip": 2}, "val_f1", "all rows that can validate are of one class"),
    ],
)
def test_an_objective_that_no_validation_row_defines_is_refused(rows, metric, why):
    with pytest.raises(InvalidInput) as caught:
        complete(written(metric=metric), of_classes(**rows))
    (error,) = caught.value.errors
    assert error.path == "objective.metric"
    assert why in error.message
    assert "use another, such as val_loss" in error.message


def test_data_whose_classes_are_all_too_rare_is_refused():
    with pytest.raises(InvalidInput) as caught:
        complete(written(), of_classes(rose=2, tulip=2, aster=1))
    assert {error.path for error in caught.value.errors} == {
        "task.split.validation",
        "task.split.test",
    }
    assert "of the 0 rows of classes with more than 2 rows" in str(caught.value)
