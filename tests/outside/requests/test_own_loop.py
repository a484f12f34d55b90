"""A loop of one's own that says something wrong is told so in a sentence, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from listening import listening

from hpsearch.client.client import Client
from hpsearch.errors import InvalidInput

SPEC = {
    "name": "ours",
    "task": {"kind": "external", "params": {"alpha": {"uniform": [0.0, 1.0]}}},
    "objective": {"metric": "score", "direction": "maximize"},
    "search": {"trials": 3},
}


@pytest.fixture
def client(app: FastAPI) -> Iterator[Client]:
    with listening(app) as url, Client(url, app.state.services.token) as client:
        yield client


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda trial: trial.complete("much"), "value: must be a number, got 'much'"),
        (lambda trial: trial.complete(1.0, state="over"), "state: must be one of queued, running,"),
        (lambda trial: trial.report(-1, score=1.0), "epoch: must be >= 0, got -1"),
        (
            lambda trial: trial.report(0, score="high"),
            "metrics.score: must be a number, got 'high'",
        ),
    ],
)
def test_a_wrong_word_is_one_sentence_and_the_trial_goes_on(client, wrong, sentence):
    study = client.submit(SPEC)
    (trial,) = study.ask()
    with pytest.raises(InvalidInput) as refused:
        wrong(trial)
    assert str(refused.value).startswith(sentence)
    assert "pydantic" not in str(refused.value)
    assert trial.complete(0.5).value == 0.5
    with pytest.raises(InvalidInput, match="count: must be a whole number, got 'two'"):
        study.ask("two")
