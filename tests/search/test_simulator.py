"""Studies in virtual time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from hpsearch.search.samplers import sampler_for
from hpsearch.search.simulator import Outcome, Trace, simulate
from hpsearch.search.staging import first_stage
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.study import StudySpec, parse_study

STAGES = [{"trials": 16, "epochs": 2}, {"trials": 8, "epochs": 4}, {"trials": 4, "epochs": 8}]


def study(seed: int = 0, epochs: int = 4, **sections: Any) -> StudySpec:
    params = {"x": {"log_uniform": [1e-5, 1.0]}, "y": {"uniform": [0.0, 1.0]}}
    return parse_study(
        {
            "name": "simulated",
            "seed": seed,
            "task": {"kind": "external", "params": params},
            "training": {"epochs": epochs},
            **sections,
        }
    )


def curve(params: Mapping[str, Any], epochs: int, seed: tuple[int, int]) -> Trace:
    """Falls towards the distance from x = 1e-3; how fast a trial is depends on its seed."""
    rng = np.random.default_rng(seed)
    end = abs(math.log10(params["task.params.x"]) + 3)
    return Trace([end + 1 / (t + 1) for t in range(epochs)], seconds=rng.uniform(0.5, 2.0))


def params_of(outcome: Outcome) -> list[Mapping[str, Any]]:
    return [trial.params for trial in outcome.trials]


def test_one_worker_trains_trial_after_trial_in_the_sampler_s_order() -> None:
    spec = study(search={"kind": "random", "trials": 7})
    outcome = simulate(spec, curve)
    sampler = sampler_for(first_stage(spec).problem(spec))
    assert params_of(outcome) == [p.params for p in sampler.suggest(range(7))]
    ends = [trial.ended_seconds for trial in outcome.trials]
    lengths = [4 * curve(t.params, 4, (0, t.number)).seconds for t in outcome.trials]
    assert ends == pytest.approx(np.cumsum(lengths))
    reported = [loss for trial in outcome.trials for loss in trial.losses]
    assert list(outcome.best) == list(np.minimum.accumulate(reported))


@pytest.mark.parametrize(
    "search",
    [
        {"kind": "coarse_to_fine", "stages": STAGES},
        {"kind": "coarse_to_fine", "stages": STAGES, "continue": True},
        {"kind": "random", "trials": 40},
        {"kind": "sobol", "trials": 32},
        {"kind": "grid", "points": 5},
    ],
    ids=lambda search: f"{search['kind']}-{len(search)}",
)
def test_any_number_of_workers_tries_the_same(search: dict[str, Any]) -> None:
    alone = simulate(study(search=search), curve)
    for workers in (2, 16, 100):
        crowd = simulate(study(search=search), curve, workers=workers)
        assert params_of(crowd) == params_of(alone)
        assert [t.loss for t in crowd.trials] == [t.loss for t in alone.trials]
        assert crowd.seconds < alone.seconds


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_a_stage_begins_when_all_trials_of_the_one_before_have_ended(workers: int) -> None:
    outcome = simulate(study(search={"kind": "coarse_to_fine", "stages": STAGES}), curve,
                       workers=workers)  # fmt: skip
    assert [trial.stage for trial in outcome.trials] == [0] * 16 + [1] * 8 + [2] * 4
    assert [len(trial.losses) for trial in outcome.trials] == [2] * 16 + [4] * 8 + [8] * 4
    for stage in (1, 2):
        before = max(t.ended_seconds for t in outcome.trials if t.stage == stage - 1)
        started = [
            t.ended_seconds - t.epochs * curve(t.params, t.epochs, (0, t.origin)).seconds
            for t in outcome.trials
            if t.stage == stage
        ]
        assert min(started) >= before - 1e-9


def test_below_a_quorum_of_one_a_stage_begins_while_trials_still_run() -> None:
    search = {"kind": "coarse_to_fine", "stages": STAGES, "quorum": 0.5}
    outcome = simulate(study(search=search), curve, workers=16)
    begun = min(t.ended_seconds for t in outcome.trials if t.stage == 1)
    assert max(t.ended_seconds for t in outcome.trials if t.stage == 0) > begun - 4 * 2.0


def test_a_continued_trial_trains_only_what_is_missing() -> None:
    search = {"kind": "coarse_to_fine", "stages": STAGES, "continue": True}
    outcome = simulate(study(search=search), curve)
    continued = [trial for trial in outcome.trials if trial.origin != trial.number]
    assert [(t.stage, t.epochs_before, len(t.losses)) for t in continued] == [
        (1, 2, 2),
        (1, 2, 2),
        (2, 4, 4),
    ]
    for trial in continued:
        whole = curve(trial.params, trial.epochs, (0, trial.origin)).losses
        assert trial.losses == list(whole[trial.epochs_before :])


def test_a_budget_of_epochs_ends_the_study_to_the_epoch() -> None:
    spec = study(search={"kind": "random", "trials": 1000}, limits={"epochs": 103})
    outcome = simulate(spec, curve, workers=4)
    assert len(outcome.best) == sum(len(trial.losses) for trial in outcome.trials) == 103
    assert outcome.trials[-1].state == TrialState.RUNNING


def test_a_diverged_trial_ends_there_and_is_never_the_best() -> None:
    def diverging(params: Mapping[str, Any], epochs: int, seed: tuple[int, int]) -> Trace:
        if seed[1] == 3:
            return Trace([-1.0, math.nan, 0.0, 0.0])
        return curve(params, epochs, seed)

    outcome = simulate(study(search={"kind": "random", "trials": 6}), diverging)
    assert outcome.trials[3].state == TrialState.PRUNED
    assert len(outcome.trials[3].losses) == 2
    assert outcome.trials[3].loss == outcome.best[-1] == -1.0
    assert outcome.chosen is not None
    assert outcome.chosen.number != 3


def test_a_study_in_which_every_trial_diverges_has_no_best() -> None:
    search = {"kind": "coarse_to_fine", "stages": STAGES}
    outcome = simulate(study(search=search), lambda *_: Trace([math.nan]))
    assert outcome.chosen is None
    assert len(outcome.trials) == 28


def test_a_pruner_spends_the_budget_on_more_trials() -> None:
    limits = {"epochs": 400}
    plain = study(epochs=9, search={"kind": "random", "trials": 1000}, limits=limits)
    pruned = plain.model_copy(
        update={"pruner": study(pruner={"kind": "asha", "min_epochs": 1}).pruner}
    )
    outcomes = [simulate(spec, curve, workers=4) for spec in (plain, pruned)]
    assert len(outcomes[1].trials) > 2 * len(outcomes[0].trials)
    assert {t.state for t in outcomes[1].trials} >= {TrialState.PRUNED, TrialState.COMPLETE}


def test_an_adaptive_search_sees_trials_in_the_order_in_which_they_ended() -> None:
    spec = study(search={"kind": "tpe", "trials": 14, "startup_trials": 4})
    found = [simulate(spec, curve, workers=3) for _ in range(2)]
    assert params_of(found[0]) == params_of(found[1])
    assert params_of(found[0]) != params_of(simulate(spec, curve))
