"""Bare pruners in small studies: they save a quarter of the epochs and seldom lose the best trial.

Whole curves are replayed, real ones and formulas, none of which the defaults were chosen with.
"""

from __future__ import annotations

from typing import Any

import pytest
from rig import Rig, a_report

from benchmarks.small_studies import FAMILIES, PRUNERS, SHAPES, TRIALS, replay_seeds
from hpsearch.search.simulator import Trace, simulate
from hpsearch.spec.language.states import Decision, TrialState
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.jobs import ReportBatch

SEEDS = range(40)


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("shape", ["1 worker, one group", "3 workers, one group each"])
@pytest.mark.parametrize("family", ["digits_mlp", "wine", "power law, 20 epochs"])
def test_a_quarter_is_saved_and_the_best_trial_goes_on(
    family: str, shape: str, pruner: str
) -> None:
    saved, lost = replay_seeds(FAMILIES[family], pruner, SEEDS, *SHAPES[shape])
    assert saved >= 0.25
    assert lost <= 0.15


def test_studies_of_ten_to_thirty_trials_are_replayed() -> None:
    assert min(TRIALS) == 10
    assert max(TRIALS) == 30
    assert len(TRIALS) <= len(SEEDS)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_server_stops_the_trials_that_the_replay_stops(rig: Rig, pruner: str) -> None:
    """A worker's groups of five, all epochs of a group in one batch after another."""
    losses = [[(7 * n % 12) + 6 / (t + 1) for t in range(8)] for n in range(12)]
    document: dict[str, Any] = {
        "pruner": pruner,
        "objective": {"metric": "val_loss", "direction": "minimize"},
        "search": {"trials": 12},
        "training": {"epochs": 8},
    }
    study = rig.submit(**document)
    worker = rig.join()
    done: dict[int, int] = {}
    while jobs := rig.lease(worker, 5):
        for epoch in range(8):
            reports = [a_report(job, epoch, val_loss=losses[job.trial][epoch]) for job in jobs]
            batch = ReportBatch(worker=worker, reports=reports)
            answer = rig.do(lambda s, batch=batch: rig.tuner.report(s, batch))
            stops = {one.job for one in answer.decisions if one.decision is Decision.STOP}
            for job in [job for job in jobs if job.id in stops or epoch == 7]:
                done[job.trial] = epoch + 1
                state = TrialState.PRUNED if job.id in stops else TrialState.COMPLETE
                rig.complete(job, state=state)
                jobs.remove(job)
            if not jobs:
                break
    spec = parse_study({**rig.study(study).spec, "name": "replay"})
    outcome = simulate(
        spec, lambda _, length, of: Trace(losses[of[1]][:length]), workers=1, group_size=5
    )
    assert done == {trial.number: len(trial.losses) for trial in outcome.trials}
    assert sum(done.values()) < 0.75 * 12 * 8
