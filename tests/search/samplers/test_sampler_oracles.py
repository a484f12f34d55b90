"""Our samplers against those they are made of, asked in their own words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from cmaes import CMA
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState as State
from scipy.stats import qmc
from searches import BRANCHED, FEW, RANGES, bowl, play, problem, sampler, space_of, trial

from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import History, Observation
from hpsearch.search.samplers.cmaes import CmaesSampler
from hpsearch.spec.language.distributions import (
    Choice,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.independent import SOBOL_DIMENSIONS
from hpsearch.spec.space.grid import grid_of, grid_size

SPACE = space_of(
    lr=LogUniform(log_uniform=(1e-5, 1.0)),
    decay=Uniform(uniform=(0.0, 0.3)),
    depth=IntUniform(int_uniform=(0, 10), step=2),
    units=IntLogUniform(int_log_uniform=(1, 100)),
    act=Choice(choice=(0, 1, 2)),
)
THEIRS: Mapping[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "decay": FloatDistribution(0.0, 0.3),
    "depth": IntDistribution(0, 10, step=2),
    "units": IntDistribution(1, 100, log=True),
    "act": CategoricalDistribution((0, 1, 2)),
}
STATES = {
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAILED: State.FAIL,
}
SEED, NUMBER = 7, 40


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def _seed(number: int) -> int:
    return int(np.random.SeedSequence([SEED, number, 0]).generate_state(1)[0])


def _end(number: int, params: Mapping[str, Any]) -> Observation:
    if number % 7 == 3:
        return trial(number, params, bowl(params), state=TrialState.PRUNED)
    if number % 7 == 5:
        return trial(number, params, state=TrialState.FAILED)
    return trial(number, params, bowl(params), -params["lr"])


def _their_study(
    theirs: optuna.samplers.BaseSampler,
    ended: list[Observation],
    running: list[Observation],
    population: int | None = None,
) -> optuna.Study:
    """The history in a study of Optuna's own, in memory."""
    objectives = max(len(found.losses or ()) for found in ended)
    study = optuna.create_study(sampler=theirs, directions=["minimize"] * objectives)
    complete = 0
    for found in ended:
        attrs = {}
        if population and found.state is TrialState.COMPLETE:
            attrs = {"NSGAIISampler:generation": complete // population}
            complete += 1
        pruned = found.state is TrialState.PRUNED and objectives == 1
        study.add_trial(
            optuna.trial.create_trial(
                state=STATES[found.state],
                params=dict(found.params),
                distributions=dict(THEIRS),
                values=found.losses if found.state is TrialState.COMPLETE else None,
                intermediate_values={found.epochs: found.loss} if pruned else None,
                system_attrs=attrs,
            )
        )
    for found in running:
        study.add_trial(
            optuna.trial.create_trial(
                state=State.RUNNING, params=dict(found.params), distributions=dict(THEIRS)
            )
        )
    return study


def _history(objectives: int) -> tuple[list[Observation], list[Observation]]:
    drawn = play(sampler("random", SPACE), 38, _end)
    ended = [
        trial(t.number, t.params, *(t.losses or ())[:objectives], state=t.state) for t in drawn[:36]
    ]
    busy = [trial(t.number, t.params, state=TrialState.RUNNING) for t in drawn[36:]]
    return ended, busy


@pytest.mark.parametrize(
    ("kind", "objectives", "make"),
    [
        ("tpe", 1, lambda s: optuna.samplers.TPESampler(n_startup_trials=4, seed=s)),
        ("tpe", 2, lambda s: optuna.samplers.TPESampler(n_startup_trials=4, seed=s)),
        ("gp", 1, lambda s: optuna.samplers.GPSampler(n_startup_trials=4, seed=s)),
        ("nsga2", 1, lambda s: optuna.samplers.NSGAIISampler(population_size=4, seed=s)),
        ("nsga2", 2, lambda s: optuna.samplers.NSGAIISampler(population_size=4, seed=s)),
    ],
)
def test_what_optuna_suggests_is_suggested(kind: str, objectives: int, make: Any) -> None:
    ended, busy = _history(objectives)
    if kind == "gp":  # which learns of pruned trials what Optuna's does not
        ended = [found for found in ended[:9] if found.state is not TrialState.PRUNED]
        busy = []
    population = 4 if kind == "nsga2" else None
    for number in range(NUMBER, NUMBER + (1 if kind == "gp" else 8)):
        study = _their_study(make(_seed(number)), ended, busy, population)
        theirs = study.ask(dict(THEIRS)).params
        (ours,) = sampler(kind, SPACE, objectives=objectives).suggest(
            [number], History(ended, busy)
        )
        assert ours.params == theirs


def test_a_generation_moves_cmaes_as_it_moves_optunas() -> None:
    """Their strategy is read, pickled, off the trial that was asked after each generation."""
    theirs = {name: THEIRS[name] for name in ("lr", "decay", "depth")}
    space = space_of(**{p.name: p.distribution for p in SPACE.parameters if p.name in theirs})
    # Theirs knows the ranges by name in order; a box's axes must stand in the same order.
    space = space_of(**dict(sorted((p.name, p.distribution) for p in space.parameters)))
    study = optuna.create_study(
        sampler=optuna.samplers.CmaEsSampler(seed=1, popsize=6, n_startup_trials=1)
    )
    ended: list[Observation] = []
    for number in range(1 + 6 * 5):
        asked = study.ask(theirs)
        loss = bowl(asked.params)
        study.tell(asked, loss)
        ended.append(trial(number, asked.params, loss))
    study.ask(theirs)
    found = study.sampler._restore_optimizer(study.trials)  # type: ignore[attr-defined]
    one = sampler("cmaes", space, settings={"population": 6})
    assert isinstance(one, CmaesSampler)
    one.max_suggestions(History(ended), 1)
    assert isinstance(found, CMA)
    assert one.strategy.generation == found.generation == 5
    np.testing.assert_allclose(one.strategy.mean, found.mean, rtol=1e-9)
    np.testing.assert_allclose(one.strategy._sigma, found._sigma, rtol=1e-9)
    np.testing.assert_allclose(one.strategy._C, found._C, rtol=1e-9, atol=1e-12)


def test_cmaes_comes_to_the_lowest_point() -> None:
    space = space_of(lr=LogUniform(log_uniform=(1e-5, 1.0)), decay=Uniform(uniform=(0.0, 0.3)))
    played = play(sampler("cmaes", space), 150)
    assert min(found.loss or 0 for found in played[-20:]) < 0.01


def test_cmaes_outlives_a_flat_objective_and_pruned_generations() -> None:
    def flat(number: int, params: Mapping[str, Any]) -> Observation:
        pruned = number % 100 < 50
        return trial(number, params, 1.0, state=[TrialState.COMPLETE, TrialState.PRUNED][pruned])

    played = play(sampler("cmaes", RANGES), 2000, flat, capacity=64)
    assert all(math.isfinite(found.params["decay"]) for found in played)


@pytest.mark.parametrize("kind", ["tpe", "gp", "cmaes"])
def test_what_an_earlier_study_found_is_used_from_the_first_trial(kind: str) -> None:
    space = space_of(lr=LogUniform(log_uniform=(1e-5, 1.0)), decay=Uniform(uniform=(0.0, 0.3)))
    drawn = [p.params for p in sampler("random", space).suggest(range(40))]
    known = [trial(n - 40, params, bowl(params)) for n, params in enumerate(drawn)]
    first = [
        sampler(kind, space, seed=seed).suggest([0], History(known))[0].params for seed in range(5)
    ]
    losses = sorted(bowl(params) for params in drawn)
    assert sorted(map(bowl, first))[1] < losses[10]


def test_gaussian_process_keeps_away_from_where_trials_diverged() -> None:
    space = space_of(lr=LogUniform(log_uniform=(1e-5, 1.0)))

    def diverges(number: int, params: Mapping[str, Any]) -> Observation:
        if params["lr"] > 0.03:
            return trial(number, params, state=TrialState.PRUNED)
        return trial(number, params, -math.log10(params["lr"]))

    played = play(sampler("gp", space, settings={"startup_trials": 6}), 12, diverges)
    assert sum(found.params["lr"] > 0.03 for found in played[6:]) <= 5
    assert max(found.params["lr"] for found in played if found.losses) > 0.003


def test_sobol_points_are_scipys() -> None:
    one = sampler("sobol", SPACE)
    points = qmc.Sobol(5, rng=np.random.default_rng(SEED)).random(64)
    for proposal, point in zip(one.suggest(range(64)), points, strict=True):
        for parameter, unit in zip(SPACE.parameters, point, strict=True):
            expected = parameter.distribution.from_unit(float(unit))
            assert proposal.params[parameter.name] == expected
    assert qmc.Sobol.MAXDIM == SOBOL_DIMENSIONS


def test_a_grid_is_the_product_of_its_points() -> None:
    expected = itertools.product((0.0, 0.1, 0.2, 0.30000000000000004), (1, 3, 5))
    grid = grid_of(FEW, None)
    found = [tuple(grid.at(place).values()) for place in range(grid.size)]
    assert found == [(min(drop, 0.3), depth) for drop, depth in expected]
    assert [grid.index_of(grid.at(place)) for place in range(12)] == list(range(12))
    one = sampler_for(problem("grid", FEW, settings={"points": None}))
    assert {tuple(p.params.values()) for p in one.suggest(range(12))} == set(found)


def test_a_branch_multiplies_itself_alone() -> None:
    rates, decays = 3, 3
    assert grid_size(BRANCHED, 3) == rates * decays * (3 + 2)
    grid = grid_of(BRANCHED, 3)
    assert len({str(grid.at(place)) for place in range(grid.size)}) == grid.size
    assert [grid.at(place) for place in (0, 3)] == [
        {"lr": 1e-5, "decay": 0.0, "optimizer": "adam", "optimizer[adam].eps": 1e-9},
        {"lr": 1e-5, "decay": 0.0, "optimizer": "momentum", "optimizer[momentum].momentum": 0.5},
    ]
