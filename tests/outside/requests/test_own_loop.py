"""A loop of one's own: wrong words cost nothing, and what dies gives its trials back."""

from __future__ import annotations

import subprocess
import sys
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


def test_a_block_ends_its_trial_as_the_loop_ended(client):
    study = client.submit(SPEC)
    with study.ask()[0] as trial:
        trial.report(0, score=0.3)
    assert (trial.state.value, trial.value) == ("complete", 0.3)
    with pytest.raises(ZeroDivisionError), study.ask()[0] as trial:
        trial.report(0, score=1 / 0)
    assert (trial.state.value, trial.message) == ("failed", "ZeroDivisionError: division by zero")
    with pytest.raises(KeyboardInterrupt), study.ask()[0] as trial:
        raise KeyboardInterrupt
    assert trial.state.value == "queued"
    (again,) = study.ask()
    assert (again.number, again.attempt, again.params) == (trial.number, 2, trial.params)
    with again:
        again.complete(0.9)
    assert (again.state.value, again.value) == ("complete", 0.9)
    assert study.refresh().state.value == "complete"


LOOP = """
import sys
import hpsearch
client = hpsearch.Client(sys.argv[1], sys.argv[2])
trials = client.study(int(sys.argv[3])).ask(2)
trials[0].complete(0.1)
{end}
"""


@pytest.mark.parametrize(
    ("end", "state"), [("raise RuntimeError('no data')", "queued"), ("", "running")]
)
def test_a_program_that_dies_of_an_error_gives_its_trials_back(client, end, state):
    study = client.submit(SPEC)
    arguments = [client.url, str(client.token), str(study.id)]
    code = LOOP.format(end=end)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert ("no data" in done.stderr) is (state == "queued")
    assert [trial.state.value for trial in study.trials()] == ["complete", state]
