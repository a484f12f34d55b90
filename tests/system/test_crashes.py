"""kill -9 of worker and server in mid-study: nothing acknowledged is lost, curves go on exactly.

The study that is disturbed trains fused, the one it is compared with one by one.
"""

from __future__ import annotations

from collections.abc import Callable

from processes import Service, until

from hpsearch.client.client import Study
from hpsearch.spec.language.states import EventKind, StudyState, TrialState

EPOCHS = 60
SPEC = {
    "name": "crash",
    "seed": 3,
    "task": {"dataset": "digits", "model": {"kind": "mlp", "hidden": [32], "dropout": 0.2}},
    "optimizer": {"kind": "nesterov", "lr": {"log_uniform": [1e-3, 1e-1]}},
    "schedule": {"kind": "cosine", "warmup": {"epochs": 2}},
    "training": {"epochs": EPOCHS, "batch_size": 64},
    "search": {"trials": 4},
}
EXACT = ("train_loss", "val_loss", "val_accuracy", "lr", "grad_norm", "update_ratio")


def curves(study: Study) -> dict[str, dict[int, dict[int, float]]]:
    return {
        metric: {
            curve.trial: dict(zip(curve.epochs, curve.values, strict=True))
            for curve in study.curves(metric).curves
        }
        for metric in EXACT
    }


def mid_trial(study: Study, number: int) -> Callable[[], bool]:
    """Whether the trial runs and has a checkpoint behind it."""

    def check() -> bool:
        trials = study.trials()
        return (
            len(trials) > number
            and trials[number].state is TrialState.RUNNING
            and trials[number].epochs_done > 10
            and any(c.last for c in study.checkpoints(number).checkpoints)
        )

    return check


def test_study_survives_kill_9_of_worker_and_server(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(HPSEARCH_LEASE_SECONDS="3", HPSEARCH_CHECKPOINT_SECONDS="0.2")
    client = service.client()
    undisturbed = service.start_worker("--capacity=1")
    expected = curves(client.submit(SPEC).wait(120))
    undisturbed.end()

    first = service.start_worker()
    study = client.submit(SPEC)

    until(mid_trial(study, 0))
    acknowledged = curves(study)
    first.kill()
    service.start_worker()

    until(mid_trial(study, 1))
    ended = {t.number: t for t in study.trials(state="complete")}
    acknowledged_later = curves(study)
    service.server.kill()
    service.start_server()
    study.wait(120)

    final = curves(study)
    for seen in (acknowledged, acknowledged_later):
        for metric, by_trial in seen.items():
            for number, by_epoch in by_trial.items():
                assert by_epoch.items() <= final[metric][number].items()
    assert final == expected
    assert study.state is StudyState.COMPLETE
    trials = study.trials()
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 4
    assert [t.epochs_done for t in trials] == [EPOCHS] * 4
    assert [t.attempt for t in trials] == [2] * 4, "the killed worker had them all in its group"
    for number, before in ended.items():
        after = trials[number].record
        assert after == before.record.model_copy(update={"metrics": after.metrics})
    lost = [e for e in study.events() if e.kind is EventKind.LEASE_EXPIRED]
    assert len(lost) == 4, "a restart of the server costs no lease"
    client.close()


def test_told_to_end_a_worker_hands_its_trial_on_without_loss(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(HPSEARCH_CHECKPOINT_SECONDS="1000")
    worker = service.start_worker()
    with service.client() as client:
        study = client.submit({**SPEC, "search": {"trials": 1}})
        until(lambda: any(t.epochs_done > 5 for t in study.trials()))
        assert worker.end() == 0
        (trial,) = study.trials()
        assert trial.state is TrialState.QUEUED
        assert trial.epochs_done < EPOCHS
        kept = study.checkpoints(0).checkpoints
        assert [c.epoch for c in kept if c.last] == [trial.epochs_done - 1]
        service.start_worker()
        study.wait(60)
        assert study.trials()[0].epochs_done == EPOCHS


def test_a_trial_whose_workers_keep_dying_fails_as_lost(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(HPSEARCH_LEASE_SECONDS="2", HPSEARCH_CHECKPOINT_SECONDS="1000")
    with service.client() as client:
        study = client.submit({**SPEC, "training": {"epochs": 100_000}, "search": {"trials": 1}})
        for attempt in (1, 2, 3):
            worker = service.start_worker()
            until(
                lambda attempt=attempt: any(
                    t.attempt == attempt and t.state is TrialState.RUNNING for t in study.trials()
                )
            )
            worker.kill()
            until(lambda: all(t.state is not TrialState.RUNNING for t in study.trials()))
        study.wait(30)
        (trial,) = study.trials()
        assert (trial.state, trial.reason) == (TrialState.FAILED, "lost")
        assert "attempt 3" in (trial.message or "")
