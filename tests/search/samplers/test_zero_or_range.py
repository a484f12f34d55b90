"""A number that is one of a few values or lies in a range: `{choice: [0, {log_uniform: ...}]}`."""

from __future__ import annotations

from typing import Any

import pytest
from searches import SETTINGS, WITH_BRANCHES, play, sampler

from hpsearch.errors import InvalidInput
from hpsearch.search.simulator import Trace, simulate
from hpsearch.spec.checks.search import search_errors
from hpsearch.spec.search import SEARCHES
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import StudySpec, parse_study

DECAY = {"choice": [0, {"log_uniform": [1e-5, 1e-2]}]}
NAME = "optimizer.weight_decay"


def study(decay: Any = DECAY, **sections: Any) -> StudySpec:
    optimizer = {"kind": "sgd", "lr": 0.1, "weight_decay": decay}
    document = {"name": "decay", "task": {"dataset": "wine"}, "optimizer": optimizer}
    return parse_study({**document, **sections})


@pytest.mark.parametrize("kind", WITH_BRANCHES)
def test_trials_have_the_value_or_a_number_of_the_range(kind: str) -> None:
    spec = study()
    decays = [
        resolve(spec, found.params).optimizer.weight_decay
        for found in play(sampler(kind, search_space(spec)), 16)
    ]
    assert 0 in decays
    ranged = [decay for decay in decays if decay]
    assert len(set(ranged)) > 1
    assert all(1e-5 <= decay <= 1e-2 for decay in ranged)


@pytest.mark.parametrize("kind", sorted(set(SEARCHES.members) - set(WITH_BRANCHES)))
def test_searches_without_branches_refuse_it_by_name(kind: str) -> None:
    spec = study(search={"kind": kind, "trials": 9, **SETTINGS.get(kind, {})})
    (error, *_) = search_errors(spec)
    assert error.path == "search.kind"
    assert f"{NAME}" in error.message


def test_several_ranges_are_told_apart_by_their_position() -> None:
    spec = study({"choice": [{"uniform": [0.1, 0.2]}, 0, {"uniform": [1, 2]}]})
    names = [parameter.name for parameter in search_space(spec).parameters]
    assert names == [NAME, f"{NAME}[uniform 0]", f"{NAME}[uniform 2]"]
    assert search_space(spec).parameters[0].distribution.contains(0)
    assert resolve(spec, {NAME: "uniform 2", names[2]: 1.5}).optimizer.weight_decay == 1.5


def test_it_is_stored_and_read_as_it_was_written() -> None:
    spec = study()
    assert parse_study(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("decay", "sentence"),
    [
        ({"choice": [0, {"log_uniform": [0, 1]}]}, "weight_decay.choice.1: log_uniform: low must"),
        ({"choice": [0, {"uniform": [-1, 1]}]}, "weight_decay.choice.1: uniform: low must be >= 0"),
        ({"choice": [-1, {"uniform": [0, 1]}]}, "weight_decay.choice.0: must be >= 0"),
        ({"choice": [0, {"choice": [1, 2]}]}, "weight_decay.choice.1: choice cannot stand here"),
    ],
)
def test_each_option_is_held_to_the_field(decay: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        study(decay)
    assert sentence in str(caught.value)


def test_lengths_may_be_one_too() -> None:
    epochs = {"choice": [3, {"int_uniform": [6, 8]}]}
    spec = study(0, training={"epochs": epochs}, search={"trials": 12}, pruner="median")
    outcome = simulate(spec, lambda _, length, __: Trace([1.0] * length), workers=2)
    assert {trial.epochs for trial in outcome.trials} <= {3, 6, 7, 8}
    assert {trial.epochs for trial in outcome.trials} > {3}


def test_a_plug_in_or_a_loop_of_one_s_own_may_search_it() -> None:
    spec = study(0, task={"kind": "external", "params": {"decay": DECAY}})
    found = [trial.params for trial in play(sampler("random", search_space(spec)), 12)]
    inside = "task.params.decay[log_uniform]"
    assert {params["task.params.decay"] for params in found} == {0, "log_uniform"}
    for params in found:
        assert (inside in params) is (params["task.params.decay"] == "log_uniform")
        resolved = resolve(spec, params).model_dump()["task"]["params"]["decay"]
        assert resolved == params.get(inside, 0)
