from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_schema import accepts
from rig import spec

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.language.document import read_document
from hpsearch.spec.language.messages import MAX_ERRORS
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.datasets import BUILT_IN

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORTEST = {
    "name": "short",
    "task": {"dataset": "digits"},
    "optimizer": {"lr": {"log_uniform": [1e-5, 1]}},
}
DESIGNED: dict[str, Any] = {
    "name": "digits-mlp",
    "seed": 0,
    "task": {
        "kind": "supervised",
        "dataset": "digits",
        "split": {"validation": 0.2, "test": 0.2},
        "model": {
            "kind": "mlp",
            "hidden": [64, 64],
            "activation": "relu",
            "init": "kaiming_normal",
            "dropout": {"uniform": [0.0, 0.5]},
        },
        "loss": "cross_entropy",
    },
    "optimizer": {
        "kind": "nesterov",
        "lr": {"log_uniform": [1.0e-5, 1.0]},
        "momentum": {"choice": [0.5, 0.9, 0.95, 0.99]},
        "weight_decay": {"log_uniform": [1.0e-6, 1.0e-1]},
    },
    "schedule": {"kind": "cosine", "warmup": {"epochs": 1}},
    "training": {"epochs": 20, "batch_size": 64},
    "objective": {"metric": "val_accuracy", "direction": "maximize"},
    "search": {"kind": "random", "trials": 64},
    "pruner": {"kind": "none"},
    "limits": {"seconds": 3600, "failed_trials": 10},
}
VALID = {
    "shortest": SHORTEST,
    "designed": DESIGNED,
    "rig": spec(),
    "bare kinds": spec(search="random", pruner="none", schedule="constant"),
    "conditional": spec(
        optimizer={
            "choice": [
                {"kind": "adam", "lr": {"log_uniform": [1e-4, 1e-1]}},
                {"kind": "sgd", "lr": 0.1},
                "adam",
            ]
        }
    ),
    "searched sizes": spec(
        task={
            "dataset": "wine",
            "model": {
                "kind": "mlp",
                "layers": {"int_uniform": [1, 3]},
                "units": {"int_log_uniform": [4, 64], "step": 4},
                "activation": {"choice": ["relu", "tanh"]},
            },
        }
    ),
    "images": spec(task={"dataset": "digits", "model": {"kind": "cnn", "filters": [8, 16]}}),
    "numbers": spec(training={"epochs": {"int_uniform": [1, 9]}}, limits={"seconds": 10}),
    "ensembles": spec(
        checkpoints={"keep": ["best", {"every": 2}], "snapshots": True},
        ensemble=["greedy", {"kind": "top_k", "size": 3}],
    ),
    "no ensemble": spec(ensemble="none", checkpoints="snapshots"),
    "all off": spec(preflight={"enabled": False}, range_test={}, ensemble=None, checkpoints={}),
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return StudySpec.model_json_schema()


@pytest.mark.parametrize("name", VALID)
def test_what_is_read_is_valid_under_the_published_schema(
    name: str, schema: dict[str, Any]
) -> None:
    parse_study(VALID[name])
    assert accepts(schema, VALID[name])


def test_examples_are_valid(schema: dict[str, Any]) -> None:
    files = sorted(EXAMPLES.glob("*.yaml"))
    assert files
    for file in files:
        document = read_document(file.read_bytes())
        parse_study(document)
        assert accepts(schema, document)


@pytest.mark.parametrize("name", VALID)
def test_a_stored_spec_is_read_back_the_same(name: str, schema: dict[str, Any]) -> None:
    read = parse_study(VALID[name])
    filled = complete(read, BUILT_IN[read.task.dataset])
    stored = json.loads(json.dumps(filled.model_dump(mode="json"), allow_nan=False))
    assert parse_study(stored) == filled
    assert accepts(schema, stored)


def test_defaults_are_those_of_the_contract() -> None:
    filled = complete(parse_study(SHORTEST), BUILT_IN["digits"]).model_dump(mode="json")
    assert filled["seed"] == 0
    task = filled["task"]
    assert (task["kind"], task["standardize"], task["loss"]) == (
        "supervised", "minmax", "cross_entropy",
    )  # fmt: skip
    assert (task["split"]["validation"], task["split"]["test"]) == (0.2, 0.2)
    assert filled["task"]["model"]["kind"] == "mlp"
    assert filled["task"]["model"]["hidden"] == [64, 64]
    assert filled["optimizer"]["kind"] == "adam"
    assert filled["schedule"]["kind"] == "constant"
    assert (filled["training"]["epochs"], filled["training"]["batch_size"]) == (10, 32)
    assert filled["objective"] == {"metric": "val_accuracy", "direction": "maximize"}
    assert filled["search"] == {"kind": "random", "trials": 20, "enqueue": []}
    assert filled["limits"]["failed_trials"] == 10
    assert filled["checkpoints"]["keep"] == ["best", "last"]


LR = {"kind": "sgd", "lr": 0.1}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"nam": "x"}, "nam", "no such field; did you mean `name`?"),
    ({"zzz": 1}, "zzz", "no such field; known here: name, seed, "),
    ({"name": ""}, "name", "must not be empty"),
    ({"name": " "}, "name", "must not be blank; give the study a name"),
    ({"name": "a\nb"}, "name", "must not hold control characters; remove them"),
    ({"name": 7}, "name", "must be text, got 7; put it in quotes"),
    ({"name": "x" * 201}, "name", "must have at most 200 characters, got 201; shorten it"),
    ({"seed": -1}, "seed", "must be >= 0, got -1"),
    ({"seed": 1.5}, "seed", "must be a whole number, got 1.5"),
    ({"seed": True}, "seed", "must be a whole number, got true"),
    ({"seed": 2**63}, "seed", "must be < 9223372036854775808"),
    ({"tags": "a"}, "tags", "must be a list, got 'a'"),
    ({"task": None}, "task", "must be an object with fields, got null"),
    ({"task": {}}, "task.dataset", "is required; add it"),
    (
        {"task": {"dataset": "wine", "split": {"validation": 0.6, "test": 0.5}}},
        "task.split",
        "validation + test must be < 1, got 1.1; leave rows to train on",
    ),
    (
        {"task": {"dataset": "wine", "model": {"kind": "mlp", "hiden": [3]}}},
        "task.model.hiden",
        "no such field; did you mean `hidden`?",
    ),
    (
        {"task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [0]}}},
        "task.model.hidden.0",
        "must be >= 1, got 0",
    ),
    (
        {"task": {"dataset": "wine", "model": {"kind": "tree"}}},
        "task.model.kind",
        "; got 'tree'",
    ),
    ({"optimizer": {"lr": 0.1, "kind": [1]}}, "optimizer.kind", "must be one of sgd, "),
    ({"optimizer": {"lr": 0.1, "kind": {"choice": ["sgd"]}}}, "optimizer.kind", "must be one of"),
    ({"optimizer": {"lr": 0.1, "kind": None}}, "optimizer.kind", "is required; use one of sgd,"),
    ({"optimizer": {"kind": "sgd"}}, "optimizer.lr", "is required; add it"),
    ({"optimizer": {"kind": "sgd", "lr": 0}}, "optimizer.lr", "must be > 0, got 0"),
    ({"optimizer": {"kind": "sgd", "lr": "0.1"}}, "optimizer.lr", "must be a number, got '0.1'"),
    ({"optimizer": {"kind": "sgd", "lr": float("nan")}}, "optimizer.lr", "finite number, got nan"),
    ({"optimizer": {"kind": "sgd", "lr": 1e999}}, "optimizer.lr", "a finite number, got inf"),
    (
        {"optimizer": {"kind": "sgd", "lr": {"log_unifrom": [1, 2]}}},
        "optimizer.lr",
        "must be a number, got {'log_unifrom': [1, 2]}; did you mean log_uniform?",
    ),
    (
        {"optimizer": {"kind": "sgd", "lr": {"log_uniform": [0, 1]}}},
        "optimizer.lr",
        "log_uniform: low must be > 0, got 0; use uniform or a positive low",
    ),
    (
        {"optimizer": {"kind": "sgd", "lr": {"log_uniform": [-1, 1]}}},
        "optimizer.lr",
        "log_uniform: low must be > 0, got -1; use uniform or a positive low",
    ),
    (
        {"optimizer": {"kind": "sgd", "lr": {"uniform": [1, 0.1]}}},
        "optimizer.lr",
        "uniform: low must be <= high, got [1, 0.1]; swap them",
    ),
    (
        {"optimizer": {"kind": "sgd", "lr": {"uniform": [-1, 1]}}},
        "optimizer.lr",
        "uniform: low must be > 0, got -1",
    ),
    (
        {"optimizer": {**LR, "weight_decay": {"uniform": [0, 1e999]}}},
        "optimizer.weight_decay.uniform.1",
        "must be a finite number, got inf",
    ),
    (
        {"optimizer": {**LR, "weight_decay": {"uniform": [0, 1], "step": 0}}},
        "optimizer.weight_decay.step",
        "must be > 0, got 0",
    ),
    (
        {"optimizer": {**LR, "weight_decay": {"uniform": [0]}}},
        "optimizer.weight_decay",
        "uniform: must be [low, high], got [0]",
    ),
    (
        {"optimizer": {**LR, "weight_decay": {"choice": []}}},
        "optimizer.weight_decay.choice",
        "must have at least 1 entry, got 0",
    ),
    (
        {"optimizer": {**LR, "weight_decay": {"choice": [0.1, -1]}}},
        "optimizer.weight_decay.choice.1",
        "must be >= 0, got -1",
    ),
    ({"training": {"epochs": 0}}, "training.epochs", "must be >= 1, got 0"),
    ({"training": {"epochs": 2**31}}, "training.epochs", "must be <= 2147483647, got 2147483648"),
    (
        {"training": {"epochs": {"int_uniform": [1, 10**12]}}},
        "training.epochs",
        "int_uniform: high must be <= 2147483647, got 1000000000000",
    ),
    (
        {"training": {"epochs": {"uniform": [1, 2]}}},
        "training.epochs",
        "uniform cannot stand here; give a plain value or one of choice, int_uniform, ",
    ),
    ({"objective": {"metric": "val_loss"}}, "objective.direction", "is required; add it"),
    (
        {"objective": {"metric": "val_loss", "direction": "up"}},
        "objective.direction",
        "must be one of maximize or minimize; got 'up'",
    ),
    ({"search": {"trials": 0}}, "search.trials", "must be >= 1, got 0"),
    ({"search": {"trials": 10**7}}, "search.trials", "must be <= 1000000, got 10000000"),
    (
        {"search": "genetic"},
        "search.kind",
        "sobol, coarse_to_fine, tpe, gp, cmaes, nsga2; got 'genetic'",
    ),
    (
        {"preflight": {"enabled": True}},
        "preflight.enabled",
        "true is not available in this version; leave it out",
    ),
    ({"ensemble": "greed"}, "ensemble.kind", "; got 'greed'"),
    ({"ensemble": {"kind": "top_k", "size": 0}}, "ensemble.size", "must be >= 1, got 0"),
    ({"checkpoints": {"every": 0}}, "checkpoints.every", "must be >= 1, got 0"),
    ({"limits": {"seconds": 1e999}}, "limits.seconds", "must be a finite number, got inf"),
    ({"limits": {"seconds": "5"}}, "limits.seconds", "must be a number, got '5'"),
    ({"limits": {"trials": 0}}, "limits.trials", "must be >= 1, got 0"),
    ({"priority": 1001}, "priority", "must be <= 1000, got 1001"),
    ({7: 1}, "7", "no such field; known here:"),
    ({None: 1}, "None", "no such field"),
    ({"a\x00b": 1}, "a\\x00b", "no such field"),
    ({"x" * 10_000: 1}, "x" * 100 + "…", "no such field"),
]


@pytest.mark.parametrize(
    ("fragment", "path", "sentence"), WRONG, ids=lambda value: repr(value)[:50]
)
def test_a_wrong_field_is_named_with_rule_value_and_remedy(
    fragment: dict[Any, Any], path: str, sentence: str
) -> None:
    document: dict[Any, Any] = {**spec(), **fragment}
    with pytest.raises(InvalidInput) as caught:
        parse_study(document)
    found = {error.path: error.message for error in caught.value.errors}
    assert path in found
    assert sentence in found[path]
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("missing", ["name", "task", "optimizer"])
def test_what_has_no_default_is_asked_for(missing: str) -> None:
    document = {k: v for k, v in spec().items() if k != missing}
    with pytest.raises(InvalidInput, match=f"^{missing}: is required; add it$"):
        parse_study(document)


NEEDED: dict[str, dict[str, Any]] = {
    "percentile": {"percentile": 25},
    "patience": {"patience": 3},
    "threshold": {"lower": 0.1},
}
"""What has no default."""

KINDS = [
    ("search", kind)
    for kind in ("random", "grid", "sobol", "coarse_to_fine", "tpe", "gp", "cmaes", "nsga2")
] + [
    ("pruner", kind)
    for kind in ("none", "median", "percentile", "asha", "hyperband", "patience", "threshold")
]


@pytest.mark.parametrize(("section", "kind"), KINDS)
def test_every_kind_of_the_contract_is_read(section: str, kind: str) -> None:
    read = parse_study(spec(**{section: {"kind": kind, **NEEDED.get(kind, {})}}))
    assert getattr(read, section).kind == kind
    if kind not in NEEDED:
        assert parse_study(spec(**{section: kind})) == read


def test_every_fault_is_explained_but_not_without_end() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_study(spec(tags=[1] * 5000, seed=-1))
    errors = caught.value.errors
    assert len(errors) == MAX_ERRORS + 1
    assert errors[0].path == "seed"
    assert errors[-1].message == f"and {5001 - MAX_ERRORS} more faults; mend these first"


@pytest.mark.parametrize(
    ("sections", "path", "sentence"),
    [
        (
            {"objective": {"metric": "val_rmse", "direction": "minimize"}},
            "objective.metric",
            "got 'val_rmse'",
        ),
        (
            {"objective": {"metric": "test_accuracy", "direction": "maximize"}},
            "objective.metric",
            "got 'test_accuracy'",
        ),
        (
            {"task": {"dataset": "wine", "model": "cnn"}},
            "task.model.kind",
            "cnn needs images, and wine has rows of shape [13]; use mlp or linear",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused(
    sections: dict[str, Any], path: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        complete(parse_study(spec(**sections)), BUILT_IN["wine"])
    (error,) = caught.value.errors
    assert error.path == path
    assert sentence in error.message


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "choice", "uniform", "log_uniform", "lr", "hidden", "step"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(StudySpec.model_fields)), JUNK, max_size=3))
def test_junk_in_any_field_is_a_sentence(fields: dict[str, Any]) -> None:
    try:
        read = parse_study({**spec(), **fields})
    except InvalidInput as error:
        refused = error
    else:
        assert parse_study(read.model_dump(mode="json")) == read
        return
    assert all(field.message for field in refused.errors)
