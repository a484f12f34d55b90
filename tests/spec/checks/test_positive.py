"""Which of two classes is positive."""

from __future__ import annotations

import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.datasets import BUILT_IN, DatasetInfo


def of_classes(**rows):
    return DatasetInfo(
        name="flowers", rows=sum(rows.values()), features=(3,), target="classes",
        classes=len(rows), class_names=tuple(rows), class_rows=tuple(rows.values()),
    )  # fmt: skip


def resolved(info, **task):
    spec = {"name": "s", "task": {"dataset": info.name, **task}, "optimizer": {"lr": 0.1}}
    return complete(parse_study(spec), info).supervised.positive


@pytest.mark.parametrize(
    ("rows", "positive"),
    [
        ({"rose": 30, "tulip": 70}, "rose"),
        ({"rose": 70, "tulip": 30}, "tulip"),
        ({"rose": 50, "tulip": 50}, "tulip"),
        ({"rose": 50, "tulip": 50, "aster": 20}, None),
    ],
)
def test_left_out_it_is_the_rarer_of_two_and_the_later_of_equals(rows, positive):
    assert resolved(of_classes(**rows)) == positive


def test_a_class_that_is_named_stays():
    assert resolved(of_classes(rose=30, tulip=70), positive="tulip") == "tulip"


@pytest.mark.parametrize(
    ("written", "name"), [(1, "1"), (True, "true"), (False, "false"), (2.5, "2.5")]
)
def test_what_yaml_reads_as_no_text_names_the_class_that_is_written_so(written, name):
    assert resolved(of_classes(**{name: 10, "other": 90}), positive=written) == name


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (of_classes(rose=30, tulip=70), "must be a class of flowers, got 'daisy'; use one of rose"),
        (of_classes(rose=30, tulip=70, aster=9), "needs two classes, and flowers has 3"),
        (BUILT_IN["diabetes"], "needs two classes, and the target of diabetes is numbers"),
    ],
)
def test_a_class_that_makes_no_sense_is_refused(info, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        resolved(info, positive="daisy")
    assert [error.path for error in caught.value.errors] == ["task.positive"]
