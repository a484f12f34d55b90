"""A pruner over REST, with workers and with somebody's own loop."""

from __future__ import annotations

from collections.abc import Callable

from processes import Service

from hpsearch.spec.language.states import StudyState, TrialState

MEDIAN = {"kind": "median", "startup_trials": 2}


def test_the_median_pruner_stops_trials_keeps_curves_and_says_why(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    service.start_worker("--capacity=1")
    with service.client() as client:
        trained = client.submit(
            {
                "name": "trained",
                "task": {"dataset": "quadratic"},
                "optimizer": {"kind": "sgd", "lr": {"log_uniform": [1e-3, 0.3]}},
                "training": {"epochs": 12},
                "search": {"trials": 12},
                "pruner": MEDIAN,
            }
        )
        asked = client.submit(
            {
                "name": "asked",
                "task": {"kind": "external", "params": {"a": {"uniform": [0.0, 1.0]}}},
                "search": {"trials": 12},
                "pruner": MEDIAN,
            }
        )
        for trial in (one for _ in range(12) for one in asked.ask()):
            height = trial.params["task.params.a"]
            goes_on = all(trial.report(epoch, value=height + 1 / (epoch + 1)) for epoch in range(4))
            trial.complete(state=TrialState.COMPLETE if goes_on else TrialState.PRUNED)
        for study in (trained.wait(60), asked.refresh()):
            assert study.state is StudyState.COMPLETE
            pruned = study.trials(state=TrialState.PRUNED)
            complete = study.trials(state=TrialState.COMPLETE)
            assert pruned
            assert len(pruned) + len(complete) == 12
            metric = study.record.objectives[0].metric
            curves = {curve.trial: curve.values for curve in study.curves().curves}
            best = study.best_trial
            assert best is not None
            for trial in pruned:
                assert trial.reason is None
                assert trial.message is not None
                assert f": {metric} " in trial.message
                assert "is worse than the median" in trial.message
                assert len(curves[trial.number]) == trial.epochs_done > 0
                assert trial.value is not None
                assert trial.value > best.value
            importances = study.importances()
            assert importances.trials == len(complete)
            assert study.diagnosis().trials == 12
