from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from rig import Rig, spec
from scipy.stats import chisquare, kstest

from hpsearch.search import SAMPLERS, sampler_for
from hpsearch.spec.study import parse_study

TRIALS = 2000
SPACE = spec(
    seed=11,
    optimizer={
        "kind": "momentum",
        "lr": {"log_uniform": [1e-5, 1]},
        "momentum": {"choice": [0.5, 0.9, 0.99]},
        "weight_decay": {"uniform": [0, 0.1]},
    },
    search={"trials": TRIALS},
)
Params = dict[str, Any]


def _drawn(seed: int = 11) -> list[Params]:
    sampler = sampler_for(parse_study({**SPACE, "seed": seed}))
    return [dict(proposal.params) for proposal in sampler.suggest(range(TRIALS))]


def test_rates_are_log_uniform_on_their_range() -> None:
    rates = np.array([params["optimizer.lr"] for params in _drawn()])
    assert rates.min() >= 1e-5
    assert rates.max() <= 1
    fit = kstest(np.log10(rates), "uniform", args=(-5, 5))
    assert fit.pvalue > 0.01


def test_other_parameters_follow_their_distributions() -> None:
    drawn = _drawn()
    decays = [params["optimizer.weight_decay"] for params in drawn]
    assert kstest(decays, "uniform", args=(0, 0.1)).pvalue > 0.01
    counts = np.unique([params["optimizer.momentum"] for params in drawn], return_counts=True)[1]
    assert chisquare(counts).pvalue > 0.01


def test_parameters_are_independent() -> None:
    drawn = _drawn()
    rates = np.log([params["optimizer.lr"] for params in drawn])
    decays = np.array([params["optimizer.weight_decay"] for params in drawn])
    # Under independence the correlation of n pairs has a standard error of 1/√n.
    assert abs(np.corrcoef(rates, decays)[0, 1]) < 3.3 / math.sqrt(TRIALS)


def test_a_second_run_draws_the_same_and_another_seed_does_not() -> None:
    assert _drawn() == _drawn()
    assert _drawn(seed=12)[0] != _drawn()[0]


def test_a_draw_depends_on_its_number_alone() -> None:
    sampler = sampler_for(parse_study(SPACE))
    assert sampler.suggest([7])[0] == sampler.suggest(range(10))[7]
    assert sampler.suggest([9, 7])[1] == sampler.suggest([7])[0]


def test_the_table_and_the_spec_name_the_same_kinds() -> None:
    from hpsearch.spec.search import Search

    family = next(part for part in Search.__metadata__ if hasattr(part, "members"))
    assert set(SAMPLERS) == set(family.members)


def _leased(rig: Rig, capacities: list[int], trials: int) -> dict[int, Params]:
    """Every trial of a new study, leased by as many workers in turn, each with its capacity."""
    rig.submit(**{**SPACE, "search": {"trials": trials}})
    workers = [(rig.join(), capacity) for capacity in capacities]
    found: dict[int, Params] = {}
    while len(found) < trials:
        for worker, capacity in workers:
            found |= {job.trial: job.params for job in rig.lease(worker, capacity)}
    return found


def test_the_same_trials_come_whoever_asks(rig: Rig) -> None:
    expected = dict(enumerate(_drawn()[:80]))
    for capacities in ([1], [64], [1, 64, 7], [3, 3, 3, 3]):
        assert _leased(rig, capacities, 80) == expected


@pytest.mark.parametrize("capacity", [1, 64])
def test_leased_rates_are_log_uniform(
    rig: Rig, capacity: int, request: pytest.FixtureRequest
) -> None:
    trials = TRIALS if capacity > 1 else 150
    found = _leased(rig, [capacity], trials)
    assert sorted(found) == list(range(trials))
    logs = np.log10([params["optimizer.lr"] for params in found.values()])
    assert kstest(logs, "uniform", args=(-5, 5)).pvalue > 0.01
    assert found == dict(enumerate(_drawn()[:trials]))
