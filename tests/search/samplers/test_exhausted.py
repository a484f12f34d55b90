"""Spaces of few configurations: each is tried once, and what cannot be is said or refused."""

from __future__ import annotations

from typing import Any

import pytest
from rig import Rig
from searches import SETTINGS, WITH_CHOICES, play, sampler

from hpsearch.errors import InvalidInput
from hpsearch.search.simulator import Trace, simulate
from hpsearch.spec.checks.search import search_errors
from hpsearch.spec.language.distributions import Choice, Interval, LogUniform
from hpsearch.spec.search import SEARCHES
from hpsearch.spec.space.grid import whole_grid
from hpsearch.spec.space.space import Parameter, SearchSpace, search_space
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.store import events

FOUR = {"rate": {"choice": [0.01, 0.1]}, "seed": {"choice": [3, 4]}}


def study(params: Any = FOUR, **search: Any) -> StudySpec:
    return parse_study(
        {
            "name": "few",
            "task": {"kind": "external", "params": params},
            "training": {"epochs": 3},
            "search": search,
            "limits": {"failed_trials": None},
        }
    )


def settings_of(kind: str) -> dict[str, Any]:
    if kind in ("grid", "coarse_to_fine"):
        return {"kind": kind}
    return {"kind": kind, "trials": 11, **SETTINGS.get(kind, {})}


@pytest.mark.parametrize("kind", [kind for kind in WITH_CHOICES if kind != "coarse_to_fine"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_search_of_an_exhausted_space_ends_with_each_configuration_once(
    kind: str, workers: int
) -> None:
    spec = study(**settings_of(kind))
    outcome = simulate(spec, lambda *_: Trace([3.0, 2.0, 1.0]), workers=workers)
    tried = [tuple(sorted(trial.params.items())) for trial in outcome.trials]
    assert len(tried) == len(set(tried)) == 4


def test_no_stage_of_coarse_to_fine_has_more_trials_than_there_are_configurations() -> None:
    assert {plan.trials for plan in stages_of(study(**settings_of("coarse_to_fine")))} == {4}


def test_what_people_enqueued_twice_takes_nothing_from_the_others() -> None:
    one = {"task.params.rate": 0.1, "task.params.seed": 3}
    spec = study(kind="random", trials=9, enqueue=[one, one])
    outcome = simulate(spec, lambda *_: Trace([3.0, 2.0, 1.0]))
    tried = [tuple(sorted(trial.params.items())) for trial in outcome.trials]
    assert len(tried) == 5
    assert len(set(tried)) == 4


def test_a_study_without_parameters_trains_its_configuration_as_often_as_it_says() -> None:
    assert stages_of(study({}, kind="random", trials=7))[0].trials == 7


def test_a_range_without_a_step_is_never_exhausted() -> None:
    params = {"rate": {"uniform": [0.1, 0.2]}, "kind": {"choice": ["a", "b"]}}
    assert stages_of(study(params, kind="random", trials=50))[0].trials == 50


def test_the_study_s_log_says_how_many_of_the_trials_there_are(rig: Rig) -> None:
    optimizer = {"lr": {"uniform": [0.1, 0.3], "step": 0.1}}
    study_id = rig.submit(optimizer=optimizer, search={"trials": 8})
    *_, created = rig.do(lambda session: events.latest(session, study_id, 9))
    assert created.message.startswith("3 trials by random search")
    assert "3 of the 8 asked for: the space has no more than 3 configurations" in created.message
    worker = rig.join()
    rates = [job.params["optimizer.lr"] for job in rig.lease(worker, 9)]
    assert sorted(rates) == [0.1, 0.2, 0.3]
    assert rig.study(study_id).trials_planned == 3


@pytest.mark.parametrize(
    ("params", "search", "path", "sentence"),
    [
        (
            {"a": {"choice": ["x", "y", "x"]}},
            {},
            "task.params.a.choice.2",
            "be there twice, got 'x'",
        ),
        ({"a": {"choice": [1, 2, 1.0]}}, {}, "task.params.a.choice.2", "leave one out"),
        (
            {"a": {"uniform": [0, 1]}},
            {"trials": 2, "enqueue": [{"task.params.a": 0.5}] * 3},
            "search.enqueue",
            "got 3 for 2 trials",
        ),
    ],
)
def test_repeats_that_help_nobody_are_refused(
    params: Any, search: dict[str, Any], path: str, sentence: str
) -> None:
    (error,) = search_errors(study(params, kind="random", **search))
    assert error.path == path
    assert sentence in error.message


def test_true_and_one_are_two_options() -> None:
    assert not list(search_errors(study({"a": {"choice": [True, 1]}}, kind="random")))


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_logarithmic_ranges_with_a_step_are_searched(kind: str) -> None:
    rate = LogUniform(log_uniform=(0.1, 3.2), step=0.1)
    space = SearchSpace((Parameter("rate", rate), Parameter("seed", _seeds())))
    values = [found.params["rate"] for found in play(sampler(kind, space), 12)]
    assert all(value == float(f"{value:.1f}") and rate.contains(value) for value in values)
    assert len(set(values)) > 2


def _seeds() -> Interval:
    spec = study({"seed": {"int_uniform": [0, 99]}}, kind="random")
    (parameter,) = search_space(spec).parameters
    assert isinstance(parameter.distribution, Interval)
    return parameter.distribution


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_a_parameter_called_seed_is_searched_like_any_other(kind: str) -> None:
    space = SearchSpace(
        (Parameter("seed", _seeds()), Parameter("rate", LogUniform(log_uniform=(0.1, 1.0))))
    )
    seeds = {found.params["seed"] for found in play(sampler(kind, space), 8)}
    assert len(seeds) > 2
    assert all(isinstance(seed, int) for seed in seeds)


def test_sobol_points_of_few_configurations_hold_each_once() -> None:
    space = SearchSpace(
        tuple(Parameter(name, Choice(choice=("x", "y", "z"))) for name in ("a", "b"))
    )
    grid = whole_grid(space)
    assert grid is not None
    found = [grid.index_of(p.params) for p in sampler("sobol", space).suggest(range(18))]
    assert set(found[:9]) == set(found[9:]) == set(range(9))


def test_a_range_with_a_bad_step_is_refused() -> None:
    with pytest.raises(InvalidInput, match="step"):
        study({"a": {"log_uniform": [0.1, 1.0], "step": 0}}, kind="random")
