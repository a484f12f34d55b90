from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import explain
from hpsearch.spec.language.searchable import OneOf
from hpsearch.spec.schedule import SCHEDULES, Schedule, metrics_followed
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import StudySpec, parse_study

# The contract's table: each kind's required fields, and its optional ones with their defaults.
CONTRACT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "constant": ({}, {}),
    "piecewise_constant": ({"boundaries": [1.0], "factors": [1.0, 0.1]}, {}),
    "step": ({"step_size": 2.0}, {"gamma": 0.1}),
    "multi_step": ({"milestones": [2.0]}, {"gamma": 0.1}),
    "exponential": ({"decay_rate": 0.9}, {"decay_steps": None, "staircase": False}),
    "natural_exponential": ({"decay_rate": 0.9}, {"decay_steps": None, "staircase": False}),
    "inverse_time": ({"decay_rate": 0.9}, {"decay_steps": None, "staircase": False}),
    "polynomial": ({}, {"power": 1.0, "end_factor": 0.0, "decay_steps": None, "cycle": False}),
    "linear": ({}, {"start_factor": 1.0, "end_factor": 0.0, "decay_steps": None}),
    "cosine": ({}, {"alpha": 0.0, "decay_steps": None}),
    "linear_cosine": (
        {},
        {"num_periods": 0.5, "alpha": 0.0, "beta": 0.001, "decay_steps": None},
    ),
    "noisy_linear_cosine": (
        {},
        {
            "num_periods": 0.5,
            "alpha": 0.0,
            "beta": 0.001,
            "decay_steps": None,
            "initial_variance": 1.0,
            "variance_decay": 0.55,
        },
    ),
    "cosine_restarts": (
        {"first_period": 2.0},
        {"period_factor": 1.0, "min_factor": 0.0, "max_decay": 1.0, "min_decay": 1.0},
    ),
    "cyclic": (
        {"half_period": 2.0},
        {
            "min_factor": 0.1,
            "mode": "triangular",
            "gamma": 0.99,
            "max_decay": 1.0,
            "min_decay": 1.0,
            "momentum_cycle": False,
        },
    ),
    "one_cycle": (
        {},
        {
            "pct_start": 0.3,
            "div_factor": 25.0,
            "final_div_factor": 1e4,
            "anneal": "cos",
            "three_phase": False,
            "momentum_cycle": False,
        },
    ),
    "reduce_on_plateau": (
        {},
        {
            "metric": "val_loss",
            "factor": 0.5,
            "patience": 3,
            "threshold": 1e-4,
            "cooldown": 0,
            "min_factor": 0.0,
            "direction": None,
        },
    ),
    "inverse_sqrt": ({"reference": 4.0}, {}),
    "warmup_stable_decay": ({}, {"stable": 0.8, "decay": "linear"}),
    "lambda": ({"expression": "0.65 ** epoch"}, {}),
    "sequence": ({"parts": [{"schedule": {"kind": "cosine"}, "length": 2.0}]}, {}),
}
ADAPTER: TypeAdapter[Any] = TypeAdapter(OneOf[Schedule])


def read(document: Any) -> Any:
    return ADAPTER.validate_python(document)


def refusal(document: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(document)
    return str(explain(caught.value))


def study(**fields: Any) -> StudySpec:
    return parse_study(
        {"name": "s", "task": {"dataset": "digits"}, "optimizer": {"lr": 0.1}, **fields}
    )


def test_the_family_holds_the_contracts_kinds() -> None:
    assert set(SCHEDULES.members) == set(CONTRACT)
    assert SCHEDULES.default == "constant"


@pytest.mark.parametrize("kind", CONTRACT)
def test_each_kind_has_the_contracts_fields_and_defaults(kind: str) -> None:
    required, optional = CONTRACT[kind]
    schedule = read({"kind": kind, **required})
    shared = {"kind": kind, "unit": "epoch", "warmup": None}
    found = schedule.model_dump(mode="json")
    assert set(found) == {*shared, *required, *optional}
    assert {name: found[name] for name in (*shared, *optional)} == {**shared, **optional}
    assert {name for name in type(schedule).model_fields if name in required} == set(required)
    assert all(type(schedule).model_fields[name].is_required() for name in required)
    assert read(found) == schedule


@pytest.mark.parametrize("kind", CONTRACT)
def test_a_bare_string_stands_for_a_kind_without_required_fields(kind: str) -> None:
    required, _ = CONTRACT[kind]
    if not required:
        assert read(kind) == read({"kind": kind})
    else:
        missing = refusal(kind)
        assert all(f"{name}: is required; add it" in missing for name in required)


@pytest.mark.parametrize("kind", CONTRACT)
def test_warmup_and_unit_go_with_every_kind(kind: str) -> None:
    required, _ = CONTRACT[kind]
    schedule = read({"kind": kind, **required, "unit": "step", "warmup": {"steps": 5}})
    assert schedule.unit == "step"
    assert schedule.warmup.model_dump() == {
        "epochs": None,
        "steps": 5,
        "kind": "linear",
        "start_factor": 0.01,
    }


UNIFORM = {"uniform": [0.3, 0.4]}
WIDER = {"uniform": [1.5, 2.5]}
DISTRIBUTED: dict[str, dict[str, Any]] = {
    "constant": {},
    "piecewise_constant": {"boundaries": [UNIFORM, WIDER], "factors": [1, UNIFORM, UNIFORM]},
    "step": {"step_size": WIDER, "gamma": UNIFORM},
    "multi_step": {"milestones": [WIDER, {"choice": [1, 2]}], "gamma": UNIFORM},
    "exponential": {
        "decay_rate": {"log_uniform": [0.1, 1]},
        "decay_steps": WIDER,
        "staircase": {"choice": [True, False]},
    },
    "natural_exponential": {"decay_rate": UNIFORM, "decay_steps": WIDER},
    "inverse_time": {"decay_rate": UNIFORM, "staircase": {"choice": [True, False]}},
    "polynomial": {"power": WIDER, "end_factor": UNIFORM, "cycle": {"choice": [True, False]}},
    "linear": {"start_factor": UNIFORM, "end_factor": UNIFORM, "decay_steps": WIDER},
    "cosine": {"alpha": UNIFORM},
    "linear_cosine": {"num_periods": WIDER, "alpha": UNIFORM, "beta": UNIFORM},
    "noisy_linear_cosine": {"initial_variance": UNIFORM, "variance_decay": UNIFORM},
    "cosine_restarts": {
        "first_period": WIDER,
        "period_factor": WIDER,
        "min_factor": UNIFORM,
        "max_decay": UNIFORM,
        "min_decay": UNIFORM,
    },
    "cyclic": {
        "half_period": WIDER,
        "min_factor": UNIFORM,
        "mode": {"choice": ["triangular", "exp_range"]},
        "gamma": UNIFORM,
        "max_decay": UNIFORM,
        "min_decay": UNIFORM,
        "momentum_cycle": {"choice": [True, False]},
    },
    "one_cycle": {
        "pct_start": UNIFORM,
        "div_factor": WIDER,
        "final_div_factor": {"log_uniform": [1, 100]},
        "anneal": {"choice": ["cos", "linear"]},
        "three_phase": {"choice": [True, False]},
        "momentum_cycle": {"choice": [True, False]},
    },
    "reduce_on_plateau": {
        "metric": {"choice": ["val_loss", "val_accuracy"]},
        "factor": UNIFORM,
        "patience": {"int_uniform": [0, 5]},
        "threshold": UNIFORM,
        "cooldown": {"int_uniform": [0, 5]},
        "min_factor": UNIFORM,
    },
    "inverse_sqrt": {"reference": WIDER},
    "warmup_stable_decay": {"stable": UNIFORM, "decay": {"choice": ["linear", "1-sqrt"]}},
    "lambda": {"expression": {"choice": ["0.65 ** epoch", "1 / (1 + epoch)"]}},
    "sequence": {
        "parts": [
            {"schedule": {"choice": ["cosine", "linear"]}, "length": WIDER},
            {"schedule": {"kind": "cosine", "alpha": UNIFORM}, "length": 3},
        ]
    },
}


@pytest.mark.parametrize("kind", DISTRIBUTED)
def test_fields_may_be_searched_and_resolve_to_plain_values(kind: str) -> None:
    warmup = {
        "epochs": UNIFORM,
        "kind": {"choice": ["linear", "exponential"]},
        "start_factor": UNIFORM,
    }
    spec = study(
        schedule={
            "kind": kind,
            "unit": {"choice": ["step", "epoch"]},
            "warmup": warmup,
            **DISTRIBUTED[kind],
        }
    )
    space = search_space(spec)
    assert {"schedule.unit", "schedule.warmup.epochs"} <= space.names
    for unit in (0.0, 0.3, 0.999):
        params = space.draw(lambda parameter, u=unit: parameter.distribution.from_unit(u))
        resolved = resolve(spec, params)
        assert search_space(resolved).parameters == ()
        assert parse_study(resolved.model_dump(mode="json")) == resolved


def test_distributions_are_tried_for_every_kind() -> None:
    assert set(DISTRIBUTED) == set(CONTRACT)


def test_a_choice_of_schedules_opens_conditional_parameters() -> None:
    spec = study(
        schedule={
            "choice": [
                "constant",
                {
                    "kind": "sequence",
                    "parts": [{"schedule": {"kind": "cosine", "alpha": UNIFORM}, "length": 1}],
                },
            ]
        }
    )
    assert search_space(spec).names == {
        "schedule",
        "schedule[sequence].parts.0.schedule.alpha",
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("cosin", "kind: must be one of constant, piecewise_constant,"),
        ({"kind": "cosine", "alpa": 1}, "alpa: no such field; did you mean `alpha`?"),
        ({"kind": "cosine", "alpha": 2}, "alpha: must be <= 1, got 2"),
        ({"kind": "cosine", "decay_steps": 0}, "decay_steps: must be > 0, got 0"),
        ({"kind": "cosine", "unit": "batch"}, "unit: must be one of epoch or step; got"),
        ({"kind": "step", "step_size": {"uniform": [0, 1]}}, "step_size: uniform: low must be >"),
        (
            {"kind": "piecewise_constant", "boundaries": [1, 2], "factors": [1, 0.1]},
            "factors: must have one factor more than boundaries, got 2 for 2; give 3",
        ),
        (
            {
                "kind": "piecewise_constant",
                "boundaries": {"choice": [[1], [1, 2]]},
                "factors": [1, 0.1],
            },
            "factors: must have one factor more than boundaries, got 2 for 2; give 3",
        ),
        (
            {"kind": "piecewise_constant", "boundaries": [2, 2], "factors": [1, 0.1, 0.2]},
            "boundaries: must increase, got 2 before 2; sort them, and let ranges not overlap",
        ),
        (
            {
                "kind": "piecewise_constant",
                "boundaries": [{"uniform": [1, 3]}, {"choice": [2, 5]}],
                "factors": [1, 0.1, 0.2],
            },
            "boundaries: must increase, got 3 before 2; sort them, and let ranges not overlap",
        ),
        (
            {"kind": "one_cycle", "pct_start": 0.7, "three_phase": True},
            "pct_start: must be <= 0.5 with three_phase, got 0.7; lower it or leave three_phase",
        ),
        ({"kind": "one_cycle", "div_factor": 0.5}, "div_factor: must be >= 1, got 0.5"),
        (
            {"kind": "reduce_on_plateau", "metric": "test_loss"},
            "metric: must not be measured on the test split, got 'test_loss'; use one that begins",
        ),
        (
            {"kind": "reduce_on_plateau", "metric": "seconds"},
            "direction: must be minimize or maximize, as seconds is none of the metrics whose",
        ),
        ({"kind": "reduce_on_plateau", "factor": 1}, "factor: must be < 1, got 1"),
        ({"kind": "reduce_on_plateau", "patience": 1.5}, "patience: must be a whole number"),
        (
            {"kind": "lambda", "expression": "eval(step)"},
            "expression: may call exp, log, sqrt,",
        ),
        (
            {"kind": "lambda", "expression": {"choice": ["1", "1 / step"]}},
            "expression.choice.1: must be a finite number at every step, got inf at the first",
        ),
        ({"kind": "lambda", "expression": 3}, "expression: must be text, got 3"),
        ({"kind": "sequence", "parts": []}, "parts: must have at least one part, got none; add"),
        (
            {"kind": "sequence", "parts": [{"schedule": "cosine", "length": 0}]},
            "parts.0.length: must be > 0, got 0",
        ),
        (
            {"kind": "sequence", "parts": [{"schedule": {"kind": "sequence"}, "length": 1}]},
            "parts.0.schedule: must not be a sequence itself; list its parts in the outer one",
        ),
        (
            {
                "kind": "sequence",
                "parts": [
                    {"schedule": "reduce_on_plateau", "length": 1},
                    {
                        "schedule": {
                            "choice": [
                                "cosine",
                                {"kind": "reduce_on_plateau", "metric": "val_accuracy"},
                            ]
                        },
                        "length": 1,
                    },
                ],
            },
            "parts: must watch one metric in all its parts, got val_accuracy, val_loss; choose one",
        ),
        (
            {"kind": "cosine", "warmup": {"epochs": 1, "steps": 5}},
            "warmup: needs exactly one of epochs and steps; give one",
        ),
        ({"kind": "cosine", "warmup": {}}, "warmup: needs exactly one of epochs and steps"),
        (
            {"kind": "cosine", "warmup": {"epochs": 1, "start_factor": 2}},
            "warmup.start_factor: must be <= 1, got 2",
        ),
        (
            {
                "kind": "cosine",
                "warmup": {
                    "epochs": 1,
                    "kind": {"choice": ["linear", "exponential"]},
                    "start_factor": {"uniform": [0, 0.1]},
                },
            },
            "warmup: an exponential warmup must start above 0, got start_factor 0; use a positive",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_field(document: Any, message: str) -> None:
    assert message in refusal(document)


def test_a_study_names_the_field_by_its_whole_path() -> None:
    with pytest.raises(InvalidInput) as caught:
        study(schedule={"kind": "sequence", "parts": [{"schedule": "step", "length": 1}]})
    assert [error.path for error in caught.value.errors] == ["schedule.parts.0.schedule.step_size"]


def test_the_metrics_that_a_schedule_may_watch() -> None:
    plateau = {"kind": "reduce_on_plateau", "metric": {"choice": ["val_loss", "val_f1"]}}
    assert metrics_followed(read("cosine")) == frozenset()
    assert metrics_followed(read(plateau)) == {"val_loss", "val_f1"}
    assert metrics_followed(read({"choice": ["cosine", plateau]})) == {"val_loss", "val_f1"}


def test_a_study_with_every_schedule_publishes_its_schema() -> None:
    definitions = StudySpec.model_json_schema()["$defs"]
    titles = {definition.get("title") for definition in definitions.values()}
    assert {"NoisyLinearCosine", "Sequence", "Lambda"} <= titles


def test_specs_import_neither_numpy_nor_torch() -> None:
    command = (
        "import sys, hpsearch.spec.schedule; "
        "assert not {'numpy', 'torch'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", command], check=True)
