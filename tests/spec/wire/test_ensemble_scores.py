"""Scores are written twice, read once, and have a headline in whatever release wrote them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.spec.wire.ensemble_scores import EnsembleScores, Scores
from hpsearch.spec.wire.ensembles import EnsembleResult, Single

NAMES = st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=8).filter(
    lambda name: name != "metrics"
)
SCORES = st.dictionaries(NAMES, st.floats())


@given(SCORES, SCORES)
def test_what_is_written_is_read_back_once(
    validation: dict[str, float], test: dict[str, float]
) -> None:
    written = Scores(validation=validation, test=test).model_dump_json()
    document = json.loads(written)
    for part, scores in (("validation", validation), ("test", test)):
        flat = {name: value for name, value in document[part].items() if name != "metrics"}
        assert set(flat) == set(scores)
        assert document[part].get("metrics", {}) == flat
    read = Scores.model_validate_json(written)
    np.testing.assert_equal((read.validation, read.test), (validation, test))


def test_scores_under_metrics_alone_are_read() -> None:
    single = Single.model_validate(
        {"trial": 1, "epoch": 0, "validation": {"metrics": {"mcc": 0.5, "loss": "NaN"}}}
    )
    assert single.validation["mcc"] == 0.5
    assert np.isnan(single.validation["loss"])
    assert "metrics" not in single.validation


def test_the_published_schema_names_the_repetition() -> None:
    written = Scores.model_json_schema(mode="serialization")["properties"]["validation"]
    assert written["properties"]["metrics"]["additionalProperties"]["anyOf"][0]["type"] == "number"
    read = Scores.model_json_schema(mode="validation")["properties"]["validation"]
    assert "properties" not in read


@pytest.mark.parametrize(
    ("validation", "test", "headline"),
    [
        ({"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.5, "loss": 1.0}, "accuracy"),
        ({"loss": 1.0, "rmse": 2.0}, {}, "rmse"),
        ({"loss": 1.0}, {"loss": 1.0}, None),
    ],
)
def test_a_result_of_an_earlier_release_has_the_headline_it_had(
    validation: dict[str, float], test: dict[str, float], headline: str | None
) -> None:
    stored: dict[str, Any] = {
        "members": [{"trial": 0, "epoch": 1, "weight": 1.0}],
        "validation": validation,
        "test": test,
        "best_single": {"trial": 0, "epoch": 1, "validation": validation, "test": test},
        "mean_member": {"validation": validation, "test": test},
    }
    result = EnsembleResult.model_validate(stored)
    assert result.headline == headline
    assert result.scores == EnsembleScores(validation=validation, test=test, headline=headline)
    named = EnsembleResult.model_validate({**stored, "headline": "loss"})
    assert named.headline == "loss"
