"""Categories that no training row had: counted, warned of, refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from finished_study import finished
from pydantic import TypeAdapter

from hpsearch.ensemble_builder import build
from hpsearch.errors import InvalidInput, UnknownCategoryWarning
from hpsearch.inference.ensemble import TrainedEnsemble, load_ensemble
from hpsearch.inference.model import TrainedPredictor, model_of
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.data import local_uploads
from hpsearch.training.uploads.read_options import ReadOptions

KNOWN = {"width": 1.0, "wood": "oak", "grain": "fine"}
ROWS = [
    KNOWN,
    KNOWN | {"wood": "yew"},
    {"width": 2.0, "wood": None},
    KNOWN | {"wood": "elm", "grain": "wild"},
]
COUNTS = {"wood": 2, "grain": 1}
SENTENCE = r"wood in 2 of 4 rows \('yew', 'elm'\); grain in 1 of 4 rows \('wild'\)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedEnsemble, TrainedPredictor]:
    """An ensemble of trials of two folds each, and the mean of the first one's folds."""
    path = tmp_path_factory.mktemp("wood") / "boards.csv"
    lines = [
        f"{i % 9},{['oak', 'ash', 'fir'][i % 3]},{['fine', 'coarse'][i % 2]},{'ny'[i % 2]}"
        for i in range(60)
    ]
    path.write_text("\n".join(["width,wood,grain,dear", *lines]))
    local_uploads.register(
        local_uploads.LocalUpload("boards", path, "7" * 64, ReadOptions("csv", "dear"))
    )
    study = finished("boards", (0.01, 0.03), 1, training=(("folds", 2),))
    request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python({"kind": "top_k"})
    content = build(request, study.spec, study.candidates, study).content
    runs = multi_run.run_checkpoints(study.checkpoint(study.candidates[0]))
    return load_ensemble(content), model_of(runs, ())


@pytest.fixture(params=["ensemble", "model"])
def predictor(request: pytest.FixtureRequest, trained: tuple[Any, Any]) -> Any:
    return trained[request.param == "model"]


METHODS: dict[str, Callable[..., Any]] = {
    "predict": lambda found, x, **options: found.predict(x, **options),
    "probabilities": lambda found, x, **options: found.predict_probabilities(x, **options),
}


@pytest.mark.parametrize("method", METHODS)
def test_they_are_warned_of_once_and_refused_when_asked(predictor: Any, method: str) -> None:
    call = METHODS[method]
    for x in (ROWS, pd.DataFrame(ROWS)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert len(call(predictor, x)) == 4
        (warning,) = caught
        assert warning.category is UnknownCategoryWarning
        with pytest.warns(UnknownCategoryWarning, match=SENTENCE):
            call(predictor, x)
        with pytest.raises(InvalidInput) as refused:
            call(predictor, x, strict=True)
        assert [error.path for error in refused.value.errors] == ["x.1.wood", "x.3.grain"]
        assert "got 'yew', 'elm' in 2 rows; correct it" in str(refused.value)
    known = [row for row in ROWS if row.get("wood") in ("oak", None)]
    assert len(call(predictor, known, strict=True)) == 2


def test_the_warning_points_to_the_caller(predictor: Any) -> None:
    for call in (predictor.predict, predictor.predict_probabilities):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call(ROWS)
        assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


def test_a_module_that_is_called_warns_too(trained: tuple[Any, Any]) -> None:
    with pytest.warns(UnknownCategoryWarning, match=SENTENCE) as caught:
        trained[1](ROWS)
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


def test_they_can_be_counted_without_a_warning(predictor: Any) -> None:
    assert predictor.unknown_categories(ROWS) == COUNTS
    assert predictor.unknown_categories(ROWS[:1]) == {}


def test_an_answer_counts_them(trained: tuple[TrainedEnsemble, Any]) -> None:
    answer = trained[0].answer(ROWS)
    assert answer.unknown == COUNTS
    assert answer.notes[0].startswith("wood: 2 rows of 4 with a category that no training row had")
    with pytest.raises(InvalidInput, match="must be a category that a training row had"):
        trained[0].answer(ROWS, strict=True)
    assert trained[0].answer(ROWS[:1], strict=True).unknown == {}
