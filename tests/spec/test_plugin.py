"""Plug-in tasks: free params with distributions anywhere, and what a study of them may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_schema import accepts

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.plugin import complete_plugin
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import StudySpec, parse_study

PARAMS = {
    "depth": {"int_uniform": [1, 5]},
    "body": {
        "choice": [
            {"kind": "gru", "units": {"int_log_uniform": [4, 64]}},
            {"kind": "cnn", "layers": [{"filters": {"choice": [8, 16]}}, {"filters": 4}]},
        ]
    },
    "optional": {"choice": [None, {"rate": {"uniform": [0, 1]}}]},
    "sizes": {"choice": [[8], [16, [8]]]},
    "nested": {"deep": {"rate": {"log_uniform": [1e-3, 1]}}, "name": "x", "on": True, "none": None},
}


def document(params: Any = None, **sections: Any) -> dict[str, Any]:
    task = {"kind": "plugin", "entry_point": "waves", "params": params or {}}
    return {"name": "test", "task": task, "optimizer": {"lr": 0.1}, **sections}


def study(params: Any = None, **sections: Any) -> StudySpec:
    return parse_study(document(params, **sections))


def test_parameters_are_named_by_their_path_in_the_params() -> None:
    found = [(p.name.removeprefix("task.params."), p.branch) for p in
             search_space(study(PARAMS)).parameters]  # fmt: skip
    body, optional = "task.params.body", "task.params.optional"
    assert found == [
        ("depth", None),
        ("body", None),
        ("body[gru].units", (body, "gru")),
        ("body[cnn].layers.0.filters", (body, "cnn")),
        ("optional", None),
        ("optional[1].rate", (optional, "1")),
        ("sizes", None),
        ("nested.deep.rate", None),
    ]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
def test_a_resolved_spec_holds_what_was_drawn(units: list[float]) -> None:
    spec, places = study(PARAMS), iter(units)
    params = search_space(spec).draw(lambda p: p.distribution.from_unit(next(places)))
    params = json.loads(json.dumps(params))
    search_space(spec).check(params)
    resolved = resolve(spec, params).task.params
    assert resolved["depth"] == params["task.params.depth"]
    assert resolved["nested"] == {
        "deep": {"rate": params["task.params.nested.deep.rate"]},
        "name": "x", "on": True, "none": None,
    }  # fmt: skip
    if params["task.params.body"] == "gru":
        assert resolved["body"] == {"kind": "gru", "units": params["task.params.body[gru].units"]}
    else:
        drawn = params["task.params.body[cnn].layers.0.filters"]
        assert resolved["body"]["layers"] == ({"filters": drawn}, {"filters": 4})
    assert resolved["optional"] is None or 0 <= resolved["optional"]["rate"] <= 1
    assert resolved["sizes"] in ((8,), (16, (8,)))
    assert not search_space(resolve(spec, params)).parameters


_NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True).filter(
    lambda n: n not in ("choice", "uniform")
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
SCHEMA = StudySpec.model_json_schema()


@given(st.dictionaries(_NAMES, _JSON, max_size=4))
def test_any_json_goes_through_unchanged_and_is_valid_under_the_schema(
    params: dict[str, Any],
) -> None:
    stored = study(params).model_dump(mode="json")
    assert stored["task"]["params"] == params
    assert json.dumps(stored["task"]["params"]) == json.dumps(params)
    assert accepts(SCHEMA, document(params))


def test_a_stored_spec_is_read_back_the_same() -> None:
    filled = complete_plugin(study(PARAMS))
    stored = json.loads(json.dumps(filled.model_dump(mode="json"), allow_nan=False))
    assert parse_study(stored) == filled
    assert accepts(SCHEMA, stored)
    assert accepts(SCHEMA, document(PARAMS))


WRONG = [
    ({"a.b": 1}, "task.params.a.b: a name must be 1 to 100 letters, digits, _ or -, got 'a.b'"),
    ({"a": {"": 1}}, "task.params.a: a name must be"),
    ({"a": {"b]": 1}}, "task.params.a.b]: a name must be"),
    ({"a": [1, float("inf")]}, "task.params.a.1: must be a finite number, got inf"),
    (
        {"a": {1, 2}},
        "task.params.a: must be a number, text, true, false, null, a list or an",
    ),
    ({"a": {"uniform": [2, 1]}}, "task.params.a: uniform: low must be <= high, got [2"),
    ({"a": {"log_uniform": [0, 1]}}, "log_uniform: low must be > 0, got 0"),
    ({"a": {"int_uniform": [0.5, 2]}}, "task.params.a.int_uniform.0: must be a whole number"),
    ({"a": {"uniform": [0, 1], "b": 2}}, "task.params.a.b: no such field; known here: uniform"),
    ({"a": {"choice": []}}, "task.params.a.choice: must have at least 1 entry"),
    ({"a": {"choice": [{"choice": [1, 2]}]}}, "task.params.a.choice.0: choice cannot stand here"),
    ({"a": {"choice": [[{"uniform": [0, 1]}]]}}, "task.params.a.choice.0.0: uniform cannot stand"),
    ({"choice": [{"a": 1}]}, "task.params: choice cannot stand here; give each field a"),
    ([1], "task.params: must be an object with fields, got [1]"),
]


@pytest.mark.parametrize(("params", "message"), WRONG)
def test_what_params_may_not_hold_is_refused_with_its_path(params: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        study(params)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"objective": {"metric": "test_accuracy", "direction": "maximize"}},
         "objective.metric: must be val_loss, val_ with the name of one of the plug-in's metrics"),
        ({"training": {"augment": ["mixup"]}}, "training.augment: cannot go with a plug-in"),
        ({"training": {"label_smoothing": 0.1}}, "training.label_smoothing: cannot go with a"),
        ({"training": {"folds": 3}}, "training.folds: cannot go with a plug-in, which divides its"),
        ({"optimizer": {"kind": "lbfgs"}, "training": {"clip": {"norm": 1.0}}},
         "training.clip: cannot go with lbfgs"),
    ],
)  # fmt: skip
def test_what_cannot_go_with_a_plug_in_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        complete_plugin(study(**sections))
    assert message in str(raised.value)


def test_what_any_model_can_take_goes_with_a_plug_in() -> None:
    optimizer = {"choice": ["adam", {"kind": "muon", "lr": 0.1, "adjust_lr": "original"}]}
    assert complete_plugin(study(optimizer=optimizer, training={"max_norm": 1.0, "repeats": 2}))


def test_the_objective_is_the_loss_or_any_metric_of_the_validation_rows() -> None:
    objective = complete_plugin(study()).objective
    assert objective is not None
    assert (objective.metric, objective.direction) == ("val_loss", "minimize")
    asked = {"metric": "val_recall", "direction": "maximize"}
    assert complete_plugin(study(objective=asked)).objective == study(objective=asked).objective


def test_an_entry_point_is_required() -> None:
    with pytest.raises(InvalidInput, match=r"task\.entry_point: is required; add it"):
        parse_study({"name": "x", "task": {"kind": "plugin"}, "optimizer": {"lr": 0.1}})
