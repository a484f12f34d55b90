from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig import spec

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.distributions import Distribution
from hpsearch.spec.space.space import Parameter, SearchSpace, resolve, search_space
from hpsearch.spec.study import StudySpec, parse_study

BRANCHES = spec(
    task={
        "dataset": "wine",
        "model": {
            "kind": "mlp",
            "hidden": {"choice": [[8], [16, 8]]},
            "dropout": {"uniform": [0, 0.5]},
        },
    },
    optimizer={
        "choice": [
            {"kind": "adam", "lr": {"log_uniform": [1e-4, 1e-1]}},
            {"kind": "momentum", "lr": 0.1, "momentum": {"choice": [0.5, 0.9]}},
            {"kind": "momentum", "lr": {"uniform": [0.1, 0.2]}},
        ]
    },
    training={"epochs": {"int_uniform": [1, 5]}, "batch_size": {"choice": [16, 32]}},
)


def _space() -> tuple[StudySpec, SearchSpace]:
    read = parse_study(BRANCHES)
    return read, search_space(read)


def test_parameters_are_named_by_path_and_branch() -> None:
    _, space = _space()
    assert [(p.name, p.branch) for p in space.parameters] == [
        ("task.model.hidden", None),
        ("task.model.dropout", None),
        ("optimizer", None),
        ("optimizer[adam].lr", ("optimizer", "adam")),
        ("optimizer[1].momentum", ("optimizer", "1")),
        ("optimizer[2].lr", ("optimizer", "2")),
        ("training.epochs", None),
        ("training.batch_size", None),
    ]


def test_the_contract_names_a_chosen_branch() -> None:
    _, space = _space()
    chosen = {"optimizer": "adam"}

    def pick(parameter: Parameter) -> Any:
        return chosen.get(parameter.name, parameter.distribution.from_unit(0.5))

    params = space.draw(pick)
    assert params["optimizer"] == "adam"
    assert params["optimizer[adam].lr"] == pytest.approx(10**-2.5)
    assert "optimizer[2].lr" not in params


def _distributions(value: Any) -> list[Any]:
    if isinstance(value, Distribution):
        return [value]
    if isinstance(value, tuple | list):
        return [found for item in value for found in _distributions(item)]
    if hasattr(type(value), "model_fields"):
        names = type(value).model_fields
        return [found for name in names for found in _distributions(getattr(value, name))]
    return []


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
def test_a_draw_resolves_to_a_spec_without_distributions(units: list[float]) -> None:
    read, space = _space()
    numbers = iter(units)
    params = space.draw(lambda parameter: parameter.distribution.from_unit(next(numbers)))
    space.check(params)
    stored = json.loads(json.dumps(params))
    assert stored == params
    resolved = resolve(read, stored)
    assert not _distributions(resolved)
    assert resolved.task.model.hidden in ((8,), (16, 8))  # type: ignore[union-attr]
    assert resolved.training.epochs == params["training.epochs"]
    if params["optimizer"] == "adam":
        assert (resolved.optimizer.kind, resolved.optimizer.lr) == (
            "adam",
            params["optimizer[adam].lr"],
        )
    else:
        assert resolved.optimizer.kind == "momentum"


FINE = {"optimizer.lr": 0.01}


@pytest.mark.parametrize(
    ("params", "path", "sentence"),
    [
        ({}, "optimizer.lr", "is required; add a value"),
        ({"optimizer.lr": 2.0}, "optimizer.lr", "must be drawn from {'log_uniform': [1e-05, 1.0]}"),
        ({"optimizer.lr": "0.1"}, "optimizer.lr", "got '0.1'"),
        ({"optimizer.lr": True}, "optimizer.lr", "got true"),
        ({**FINE, "x": 1}, "x", "is no parameter of this study's space; leave it out"),
    ],
)
def test_a_configuration_given_by_a_person_is_held_to_the_space(
    params: dict[str, Any], path: str, sentence: str
) -> None:
    space = search_space(parse_study(spec()))
    space.check(FINE)
    with pytest.raises(InvalidInput) as caught:
        space.check(params)
    (error,) = caught.value.errors
    assert error.path == path
    assert sentence in error.message


def test_a_spec_without_distributions_has_no_parameters() -> None:
    fixed = parse_study(spec(optimizer={"kind": "sgd", "lr": 0.1}))
    assert search_space(fixed).parameters == ()
    assert resolve(fixed, {}) == fixed
