"""A worker that takes on many trials at once trains them fused; the table is the same."""

from __future__ import annotations

from collections.abc import Callable

from processes import Service, until

from hpsearch.client.client import Study
from hpsearch.spec.language.states import TrialReason, TrialState

SPEC = {
    "name": "mixed",
    "task": {
        "dataset": "wine",
        "model": {"kind": "mlp", "hidden": {"choice": [[16], [8, 8]]}},
    },
    "optimizer": {
        "choice": [
            {"kind": "adam", "lr": {"log_uniform": [1e-4, 1e-2]}},
            {"kind": "sgd", "lr": {"choice": [0.01, 1e30]}},
        ]
    },
    "training": {"epochs": 25, "early_stopping": {"patience": 8}},
    "pruner": {"kind": "threshold", "lower": 0.6, "warmup_epochs": 5},
    "search": {"trials": 24},
}


def table(study: Study) -> dict[int, tuple[object, ...]]:
    return {
        t.number: (t.state, t.reason, t.params, t.epochs_done, t.best_epoch) for t in study.trials()
    }


def test_mixed_study_in_groups_with_a_killed_worker_gives_the_table_of_one_by_one(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(HPSEARCH_LEASE_SECONDS="3", HPSEARCH_CHECKPOINT_SECONDS="0.1")
    alone = service.start_worker("--capacity=1")
    with service.client() as client:
        expected = client.submit(SPEC).wait(120)
        expected_table = table(expected)
        expected_values = {t.number: t.value for t in expected.trials()}
    alone.end()
    states = {row[:2] for row in expected_table.values()}
    assert states == {
        (TrialState.COMPLETE, None),
        (TrialState.PRUNED, TrialReason.DIVERGED),
        (TrialState.PRUNED, None),
    }
    assert len({row[3] for row in expected_table.values()}) > 2, "some stop early"

    first = service.start_worker("--capacity=24")
    with service.client() as client:
        study = client.submit(SPEC)
        until(lambda: study.refresh().record.epochs_done > 60)
        first.kill()
        service.start_worker("--capacity=24")
        study.wait(120)
        assert table(study) == expected_table
        values = {t.number: t.value for t in study.trials()}
        assert values == expected_values
        assert max(t.attempt for t in study.trials()) == 2
