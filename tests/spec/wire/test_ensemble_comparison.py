"""An ensemble beside the best single trial: worse, better, or neither, by the study's objective."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.spec.metrics import METRICS, direction_of
from hpsearch.spec.wire.ensemble_comparison import compare
from hpsearch.spec.wire.ensemble_scores import Range, Scores
from hpsearch.spec.wire.ensembles import EnsembleResult, Member, Single

UNIT = st.floats(0.01, 1)


def result(metric: str, own: float, alone: float, **more: Any) -> EnsembleResult:
    fields = {
        "members": [Member(trial=0, epoch=0, weight=1.0)],
        "headline": metric,
        "validation": {metric: own},
        "test": {metric: own},
        "best_single": Single(trial=7, epoch=2, validation={metric: alone}, test={metric: alone}),
        "mean_member": Scores(validation={}),
    }
    return EnsembleResult.model_validate({**fields, **more})


@given(st.sampled_from(sorted(METRICS)), UNIT, UNIT, st.floats(-0.5, 0.5), st.floats(0, 0.5))
def test_worse_is_said_wherever_the_score_is_and_better_only_beyond_chance(
    metric: str, own: float, alone: float, low: float, width: float
) -> None:
    interval = Range(low=low, high=low + width)
    found = compare(result(metric, own, alone, intervals={f"{metric}_gain": interval}))
    assert found is not None
    is_worse = own < alone if direction_of(metric) == "maximize" else own > alone
    assert (found.verdict == "worse") is is_worse
    assert (found.verdict == "better") is (not is_worse and low > 0)
    assert found.is_beyond_chance is (low > 0 or low + width < 0)
    assert found.sentence.startswith(f"{found.summary}: test {metric} ")
    assert found.sentence.endswith(found.chance)
    assert ("within chance" in found.label) is (is_worse and not found.is_beyond_chance)


@pytest.mark.parametrize(
    ("own", "alone", "verdict", "label"),
    [(0.5, 0.75, "worse", "worse"), (0.75, 0.5, "not known", "not known")],
)
def test_without_test_rows_an_ensemble_may_be_worse_but_is_never_better(
    own: float, alone: float, verdict: str, label: str
) -> None:
    found = compare(result("mcc", own, alone, test={}))
    assert found is not None
    assert (found.part, found.verdict, found.label) == ("validation", verdict, label)
    assert "validation mcc" in found.sentence
    assert found.sentence.endswith("without an interval")


def test_another_metric_than_the_headline_may_be_compared() -> None:
    both = {"auc": 0.75, "loss": 0.5}
    single = Single(trial=7, epoch=2, validation=both, test={"auc": 0.5, "loss": 0.25})
    one = result("auc", 0.75, 0.5, test=both, best_single=single)
    by_objective, by_loss = compare(one), compare(one, "loss")
    assert by_objective is not None
    assert by_loss is not None
    assert (by_objective.gain, by_loss.gain) == (0.25, -0.25)
    assert (by_objective.verdict, by_loss.verdict) == ("not known", "worse")


@pytest.mark.parametrize(
    "fields",
    [
        {"headline": "f1"},
        {"test": {"auc": float("nan")}},
        {"best_single": Single(trial=7, epoch=2, validation={}, test={})},
    ],
)
def test_a_score_that_is_missing_compares_with_nothing(fields: dict[str, Any]) -> None:
    assert compare(result("auc", 0.5, 0.5, **fields)) is None
