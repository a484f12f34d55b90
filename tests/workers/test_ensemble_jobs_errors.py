"""Jobs that train nothing and fail: a sentence says why, and the next job is done."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytest
import torch
from built_ensembles import built, rows
from inside import Inside, document

from hpsearch.client.client import Ensemble
from hpsearch.errors import CorruptArtifact, HpsearchError, ServerFault, StorageFull
from hpsearch.spec.language.states import EnsembleState, TrialState
from workers import ensemble_jobs
from workers.retry import RetryPolicy


def asked(inside: Inside, ensemble: Ensemble, inputs: Any = None) -> int:
    """Asks for a prediction; the job's number."""
    given = rows().tolist() if inputs is None else inputs
    path = f"/api/v1/ensembles/{ensemble.id}:predict"
    number: int = inside.api.post(path, json={"inputs": given}).json()["job"]
    return number


def told(inside: Inside, job: int) -> dict[str, Any]:
    answer: dict[str, Any] = inside.api.get(f"/api/v1/jobs/{job}").json()
    return answer


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError("full"), "memory ran out: full"),
        (CorruptArtifact("it is damaged"), "attempt 3: it is damaged"),
        (OSError("no such file caf\udce9"), "attempt 3: OSError: no such file caf?"),
        (ZeroDivisionError("x" * 5000), "attempt 3: ZeroDivisionError: x"),
    ],
)
def test_a_prediction_that_fails_says_why_and_the_next_is_made(
    inside: Inside,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    says: str,
) -> None:
    caplog.set_level(logging.CRITICAL, "hpsearch.worker")  # pytest cannot pass such text on
    ensemble = built(inside, inside.trained(training={"epochs": 1}))
    unlucky = asked(inside, ensemble)
    with monkeypatch.context() as patch:

        def fail(_: bytes) -> Any:
            raise error

        patch.setattr(ensemble_jobs, "load_ensemble", fail)
        inside.work()
    assert told(inside, unlucky)["state"] == "failed"
    assert told(inside, unlucky)["result"]["error"].startswith(says)
    lucky = asked(inside, ensemble)
    inside.work()
    assert told(inside, lucky)["state"] == "done"


def test_a_failed_job_costs_the_trials_leased_with_it_nothing(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = inside.trained(training={"epochs": 1})
    ensemble = study.build_ensemble()
    other = inside.client.submit(document(training={"epochs": 2}))

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(ensemble_jobs, "build", fail)
    inside.work()
    after = ensemble.refresh()
    assert after.state is EnsembleState.FAILED
    assert after.message == "attempt 3: RuntimeError: a fault"
    assert [(trial.state, trial.attempt) for trial in other.trials()] == [
        (TrialState.COMPLETE, 1)
    ] * 2


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (StorageFull("the artifact store has no room"), "the artifact store has no room"),
        (ServerFault("it broke"), "it broke"),
        (CorruptArtifact("it came damaged"), "it came damaged"),
    ],
)
def test_an_ensemble_that_the_server_will_not_take_fails_and_is_not_sent_for_ever(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, error: HpsearchError, says: str
) -> None:
    study = inside.trained(training={"epochs": 1})
    inside.retry = RetryPolicy(max_faults=5)
    put, sent = inside.transport.put, []

    def refused(path: str, *given: Any, **query: Any) -> Any:
        if path.endswith("/ensemble"):
            sent.append(path)
            assert len(sent) <= 15
            raise error
        return put(path, *given, **query)

    monkeypatch.setattr(inside.transport, "put", refused)
    ensemble = study.build_ensemble()
    inside.work()
    after = ensemble.refresh()
    assert after.state is EnsembleState.FAILED
    assert says in (after.message or "")


def test_rows_whose_outputs_overflow_are_refused_and_the_next_are_predicted(inside: Inside) -> None:
    study = inside.trained(
        task={"dataset": "diabetes", "model": {"kind": "mlp", "hidden": [4]}},
        training={"epochs": 1},
    )
    ensemble = built(inside, study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        job = asked(inside, ensemble, [[1e308] * 10])
        inside.work()
    assert told(inside, job)["state"] == "failed"
    assert "and its outputs are not finite" in told(inside, job)["result"]["error"]
    lucky = asked(inside, ensemble, [[0.0] * 10])
    inside.work()
    assert told(inside, lucky)["state"] == "done"
