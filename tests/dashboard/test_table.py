"""The table of trials: sorted, filtered and paged by the database as Python would."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig import Rig

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.filters import parse_filter
from hpsearch.store import trial_table
from hpsearch.store.studies import spec_of
from hpsearch.store.trial_table import TrialTable

SECTIONS: dict[str, Any] = {
    "optimizer": {
        "kind": "momentum",
        "lr": {"log_uniform": [1e-5, 1.0]},
        "momentum": {"choice": [0.5, 0.9]},
    },
    "schedule": {"choice": [{"kind": "constant"}, {"kind": "cosine"}]},
    "search": {"trials": 20},
}
OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@pytest.fixture(scope="module")
def study(shared_rig: Rig) -> int:
    """Twenty trials: fifteen with a value (one NaN among their losses), the rest without."""
    rig = shared_rig
    study = rig.submit(**SECTIONS)
    jobs = rig.lease(rig.join(), 20)
    for job in jobs[:15]:
        loss = float("nan") if job.trial == 3 else 1.0 / (job.trial + 1)
        accuracy, recall = (job.trial * 7 % 15) / 15, {"val_recall[no-3.1]": job.trial / 20}
        rig.report(job, 0, val_accuracy=accuracy, val_loss=loss, **recall)
    for job in jobs[:10]:
        rig.complete(job)
    return study


def read(rig: Rig, study: int, filters: str = "", **wanted: Any) -> TrialTable:
    with rig.database.read() as session:
        space = search_space(spec_of(session, study))
        conditions = tuple(parse_filter(filters))
        request = trial_table.Request(conditions=conditions, **{"size": 100, **wanted})
        return trial_table.read(session, study, space, request)


@pytest.mark.parametrize("column", ["number", "value", "epochs_done", "optimizer.lr", "schedule"])
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_is_python_s_with_the_valueless_last(
    shared_rig: Rig, study: int, column: str, descending: bool
) -> None:
    def key(trial: Any) -> Any:
        return trial.params[column] if column in trial.params else getattr(trial, column)

    everything = read(shared_rig, study).trials
    having = [trial for trial in everything if key(trial) is not None]
    expected = sorted(having, key=key, reverse=descending)
    expected += [trial for trial in everything if key(trial) is None]
    found = read(shared_rig, study, sort=("-" if descending else "") + column).trials
    assert [key(trial) for trial in found] == [key(trial) for trial in expected]


@pytest.mark.parametrize("op", list(OPERATIONS))
@pytest.mark.parametrize(
    ("field", "value"),
    [("value", 0.4), ("number", 7.0), ("optimizer.lr", 1e-3), ("optimizer.momentum", 0.9)],
)
def test_filtering_is_python_s(
    shared_rig: Rig, study: int, op: str, field: str, value: float
) -> None:
    def of(trial: Any) -> Any:
        return trial.params[field] if field in trial.params else getattr(trial, field)

    expected = {
        trial.number
        for trial in read(shared_rig, study).trials
        if of(trial) is not None and OPERATIONS[op](of(trial), value)
    }
    found = read(shared_rig, study, f"{field} {op} {value!r}")
    assert {trial.number for trial in found.trials} == expected
    assert found.matching == len(expected)


def test_conditions_are_met_together_and_with_the_state(shared_rig: Rig, study: int) -> None:
    found = read(shared_rig, study, "value >= 0.2, number < 9", state=TrialState.COMPLETE).trials
    assert found
    assert all(t.value is not None and t.value >= 0.2 and t.number < 9 for t in found)
    assert all(trial.state is TrialState.COMPLETE for trial in found)
    assert {t.params["schedule"] for t in read(shared_rig, study, "schedule = cosine").trials} == {
        "cosine"
    }
    assert read(shared_rig, study, "val_loss < 0.2").matching == 10
    sharp = read(shared_rig, study, "val_recall[no-3.1] >= 0.5", sort="-val_recall[no-3.1]").trials
    assert [trial.number for trial in sharp] == [14, 13, 12, 11, 10]


def test_pages_follow_each_other_without_gap_or_repeat(shared_rig: Rig, study: int) -> None:
    pages = [read(shared_rig, study, sort="-value", page=page, size=6) for page in (1, 2, 3, 4, 5)]
    numbers = [trial.number for page in pages for trial in page.trials]
    assert sorted(numbers) == list(range(20))
    assert numbers == [trial.number for trial in read(shared_rig, study, sort="-value").trials]
    assert {page.matching for page in pages} == {20}


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ("value", "must be comparisons"),
        ("value > high", "compared with a number"),
        ("schedule < cosine", "= or !="),
        ("no.such > 1", "must name a column"),
        ('x"; drop table trials; -- > 1', "must be comparisons"),
        (",".join(["value > 0"] * 21), "at most 20"),
    ],
)
def test_a_filter_that_means_nothing_is_refused_with_what_to_write(
    shared_rig: Rig, study: int, filters: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(shared_rig, study, filters)


@given(st.text(max_size=80))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        conditions = parse_filter(text)
    except InvalidInput:
        return
    assert all(condition.field and condition.value for condition in conditions)


def test_parameters_of_chosen_branches_are_columns(rig: Rig) -> None:
    document = {
        "optimizer": {
            "choice": [
                {"kind": "adam", "lr": {"log_uniform": [1e-4, 1e-2]}},
                {"kind": "sgd", "lr": {"log_uniform": [1e-3, 1.0]}},
            ]
        }
    }
    study = rig.submit(**document)
    rig.lease(rig.join(), 6)
    chosen = read(rig, study, "optimizer[adam].lr > 0").trials
    assert {trial.params["optimizer"] for trial in chosen} == {"adam"}
    assert search_space(parse_study(rig.study(study).spec)).names >= {"optimizer[sgd].lr"}
