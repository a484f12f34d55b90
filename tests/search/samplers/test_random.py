from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from rig import Rig, spec
from scipy.stats import chisquare, kstest

from hpsearch.search.samplers import sampler_for
from hpsearch.search.staging import first_stage
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


@cache
def _drawn() -> list[Params]:
    study = parse_study(SPACE)
    sampler = sampler_for(first_stage(study).problem(study))
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


def _leased(rig: Rig, capacities: list[int], trials: int) -> dict[int, Params]:
    """Every trial of a new study, leased by as many workers in turn, each with its capacity."""
    rig.submit(**{**SPACE, "search": {"trials": trials}})
    workers = [(rig.join(), capacity) for capacity in capacities]
    found: dict[int, Params] = {}
    while len(found) < trials:
        for worker, capacity in workers:
            found |= {job.trial: job.params for job in rig.lease(worker, capacity)}
    return found


def test_the_same_trials_come_whichever_workers_lease_them(rig: Rig) -> None:
    expected = dict(enumerate(_drawn()[:24]))
    for capacities in ([1], [64], [1, 20, 7]):
        assert _leased(rig, capacities, 24) == expected
