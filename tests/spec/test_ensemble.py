from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hpsearch.errors import InvalidInput
from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.checks.ensemble import ensemble_errors, request_errors, with_checkpoints
from hpsearch.spec.ensemble import ENSEMBLES, EnsembleSpec
from hpsearch.spec.ensembles.base import MOST_MEMBERS, EnsembleBase
from hpsearch.spec.language.fields import TargetKind
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.ensemble_scores import Scores
from hpsearch.spec.wire.ensembles import EnsembleResult, Member, Single

LR = {"log_uniform": [1e-5, 1]}
KINDS = (
    "greedy", "top_k", "reinit", "snapshots", "average", "ema", "swa", "soup_uniform",
    "soup_greedy",
)  # fmt: skip

REQUEST: TypeAdapter[EnsembleSpec] = TypeAdapter(EnsembleSpec)


def study(**sections: Any) -> StudySpec:
    document = {"name": "x", "task": {"dataset": "wine"}, "optimizer": {"lr": LR}, **sections}
    return parse_study(document)


def asked(**fields: Any) -> EnsembleSpec:
    return REQUEST.validate_python({"kind": "top_k", **fields})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_the_contract_is_read(kind: str) -> None:
    (read,) = study(ensemble={"kind": kind}).ensembles
    assert (read.kind, read.size, read.combine, read.metric) == (kind, 10, "mean", None)
    assert study(ensemble=kind).ensembles == (read,)
    assert study(ensemble=[kind, {"kind": kind, "size": 3}]).ensembles[1].size == 3


def test_no_kind_is_left_out() -> None:
    assert set(ENSEMBLES.members) == set(KINDS)
    assert all(issubclass(member, EnsembleBase) for member in ENSEMBLES.members.values())


@pytest.mark.parametrize("none", [None, "none", []])
def test_a_study_may_have_none(none: Any) -> None:
    assert study(ensemble=none).ensembles == ()


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"ensemble": "best"}, "ensemble.kind", "must be one of greedy, top_k, reinit, snapshots,"),
    ({"ensemble": {"size": 0}}, "ensemble.size", "must be >= 1, got 0"),
    ({"ensemble": {"size": MOST_MEMBERS + 1}}, "ensemble.size", "must be <= 200, got 201"),
    ({"ensemble": {"size": 2.5}}, "ensemble.size", "must be a whole number, got 2.5"),
    ({"ensemble": {"combine": "max"}}, "ensemble.combine", "median; got 'max'"),
    ({"ensemble": {"kind": "greedy", "bags": -1}}, "ensemble.bags", "must be >= 0, got -1"),
    ({"ensemble": {"kind": "top_k", "bags": 1}}, "ensemble.bags", "no such field"),
    ({"ensemble": {"kind": "ema", "trial": -1}}, "ensemble.trial", "must be >= 0, got -1"),
    ({"ensemble": [{"kind": "ema"}, {"sise": 1}]}, "ensemble.1.sise", "did you mean `size`?"),
    ({"ensemble": ["ema"] * 21}, "ensemble", "must have at most 20 entries, got 21"),
    ({"checkpoints": {"every": 0}}, "checkpoints.every", "must be >= 1, got 0"),
    ({"checkpoints": {"recent": 1001}}, "checkpoints.recent", "must be <= 1000, got 1001"),
    ({"checkpoints": {"top": 1.5}}, "checkpoints.top", "must be a whole number, got 1.5"),
    ({"checkpoints": {"snapshots": "x"}}, "checkpoints.snapshots", "got 'x'"),
    ({"checkpoints": {"keep": ["first"]}}, "checkpoints.keep.0", "got 'first'"),
    ({"checkpoints": {"ensemble_value": 0}}, "checkpoints.ensemble_value", "must be >= 1, got 0"),
]


@pytest.mark.parametrize(("sections", "path", "sentence"), WRONG)
def test_a_wrong_value_is_named(sections: dict[str, Any], path: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        study(**sections)
    found = {error.path: error.message for error in caught.value.errors}
    assert path in found
    assert sentence in found[path]


SHARED = {"training": {"init_seed": "shared"}}
ERRORS: list[tuple[dict[str, Any], TargetKind | None, dict[str, Any], str, str]] = [
    ({}, "classes", {"kind": "ema"}, "kind", "ema needs training.ema; add it, or use average"),
    ({}, "classes", {"kind": "swa"}, "kind", "swa needs training.swa; add it, or use average"),
    ({}, "classes", {"kind": "soup_greedy"}, "kind", "must start from one initialisation, got"),
    (SHARED, "classes", {"kind": "reinit"}, "kind", "set it to per_trial, or use top_k"),
    ({}, "classes", {"combine": "median"}, "combine", "median needs numbers, and the target is"),
    ({}, "numbers", {"combine": "vote"}, "combine", "vote needs classes, and the target is"),
    ({}, "classes", {"metric": "val_mae"}, "metric", "one of val_accuracy, val_loss, val_f1, "),
    ({}, "numbers", {"metric": "val_accuracy"}, "metric", "val_loss, val_rmse, val_mae, val_"),
    ({}, None, {"metric": "train_loss"}, "metric", "val_mcc, val_log_loss, val_rmse, val_mae, "),
    ({}, "classes", {"metric": "recall[a]"}, "metric", "must be one of val_accuracy, "),
    ({}, "numbers", {"metric": "val_recall[a]"}, "metric", "must be one of val_loss, "),
    ({}, "none", {}, "kind", "needs checkpoints that predict rows, and this study has none"),
    ({"task": {"kind": "external"}}, None, {}, "kind", "needs checkpoints that predict rows"),
    *(
        ({}, "classes", {"kind": kind, "combine": "vote"}, "combine", f"must be mean for {kind}")
        for kind in ("average",)
    ),
    (
        {
            **SHARED,
            "task": {"dataset": "wine", "model": {"choice": [{"kind": "linear"}, {"kind": "mlp"}]}},
        },
        "classes",
        {"kind": "soup_uniform"},
        "kind",
        "soup_uniform needs one model for all trials, got a choice; use top_k",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sections", "target", "request_", "path", "sentence"), ERRORS)
def test_what_a_study_cannot_have_is_named_at_its_field(
    sections: dict[str, Any],
    target: TargetKind | None,
    request_: dict[str, Any],
    path: str,
    sentence: str,
) -> None:
    request = asked(**request_)
    (error,) = request_errors(study(**sections), request, target)
    assert error.path == path
    assert sentence in error.message
    (error,) = ensemble_errors(study(**sections, ensemble=request_ or "top_k"), target)
    assert error.path == f"ensemble.{path}"
    both = study(**sections, ensemble=["top_k", request_ or "top_k"])
    assert f"ensemble.1.{path}" in [error.path for error in ensemble_errors(both, target)]


FITS: list[tuple[dict[str, Any], TargetKind | None, dict[str, Any]]] = [
    ({"training": {"ema": {"decay": 0.9}}}, "classes", {"kind": "ema"}),
    ({"training": {"swa": {}}}, "numbers", {"kind": "swa"}),
    (SHARED, "classes", {"kind": "soup_uniform"}),
    ({}, "classes", {"kind": "reinit", "combine": "vote", "metric": "val_accuracy"}),
    ({}, "numbers", {"kind": "greedy", "combine": "median", "metric": "val_rmse"}),
    ({}, None, {"combine": "vote"}),
    ({}, None, {"combine": "median"}),
]


@pytest.mark.parametrize(("sections", "target", "request_"), FITS)
def test_what_a_study_can_have_is_not_refused(
    sections: dict[str, Any], target: TargetKind | None, request_: dict[str, Any]
) -> None:
    assert list(request_errors(study(**sections), asked(**request_), target)) == []


@pytest.mark.parametrize("task", [{"kind": "external"}, {"dataset": "wine"}])
def test_what_predicts_nothing_has_no_value_for_an_ensemble(task: dict[str, Any]) -> None:
    target: TargetKind | None = None if "kind" in task else "none"
    spec = study(task=task, checkpoints={"ensemble_value": 3})
    (error,) = ensemble_errors(spec, target)
    assert error.path == "checkpoints.ensemble_value"


# What is kept


@pytest.mark.parametrize(
    ("items", "fields"),
    [
        (["best", {"every": 5}], {"keep": ["best"], "every": 5}),
        (["last", "snapshots", {"top": 2}], {"keep": ["last"], "snapshots": True, "top": 2}),
        ([{"recent": 3}, {"ensemble_value": 4}], {"keep": [], "recent": 3, "ensemble_value": 4}),
    ],
)
def test_a_policy_may_be_an_item_of_keep(items: list[Any], fields: dict[str, Any]) -> None:
    read = Checkpoints.model_validate({"keep": items})
    assert read == Checkpoints.model_validate(fields)
    assert Checkpoints.model_validate(read.model_dump(mode="json")) == read


@pytest.mark.parametrize(
    ("policy", "is_plain"),
    [
        ({}, True),
        ({"keep": ["last", "best"], "every": 2, "recent": 3, "snapshots": True}, True),
        ({"keep": ["best"]}, False),
        ({"keep": []}, False),
        ({"top": 3}, False),
        ({"ensemble_value": 3}, False),
    ],
)
def test_a_plain_policy_lets_nothing_go_when_a_trial_ends(
    policy: dict[str, Any], is_plain: bool
) -> None:
    assert Checkpoints.model_validate(policy).is_plain is is_plain


RESTARTS = {"kind": "cosine_restarts", "first_period": 5}


@pytest.mark.parametrize(
    ("sections", "kept"),
    [
        ({}, {}),
        ({"ensemble": "greedy"}, {}),
        ({"ensemble": {"kind": "average", "size": 4}}, {"recent": 4}),
        ({"ensemble": "average", "checkpoints": {"recent": 2}}, {"recent": 2}),
        ({"ensemble": "average", "checkpoints": {"every": 1}}, {"every": 1}),
        ({"ensemble": {"kind": "snapshots", "size": 4}, "schedule": RESTARTS}, {"snapshots": True}),
        ({"ensemble": {"kind": "snapshots", "size": 4}, "training": {"epochs": 20}}, {"every": 5}),
        ({"ensemble": {"kind": "snapshots", "size": 40}, "training": {"epochs": 9}}, {"every": 1}),
        ({"ensemble": "snapshots", "checkpoints": {"every": 3}}, {"every": 3}),
    ],
)
def test_a_study_keeps_what_its_ensembles_need(
    sections: dict[str, Any], kept: dict[str, Any]
) -> None:
    filled = with_checkpoints(study(**sections))
    assert filled.checkpoints == Checkpoints.model_validate(kept)
    assert with_checkpoints(filled) == filled
    assert parse_study(filled.model_dump(mode="json")) == filled


@pytest.mark.parametrize(("value", "size"), [(3, 3), (MOST_MEMBERS + 5, MOST_MEMBERS)])
def test_the_value_for_an_ensemble_needs_one(value: int, size: int) -> None:
    filled = with_checkpoints(study(checkpoints={"ensemble_value": value}))
    assert [(one.kind, one.size) for one in filled.ensembles] == [("greedy", size)]
    own = study(checkpoints={"ensemble_value": value}, ensemble="top_k")
    assert with_checkpoints(own) == own


def test_averages_are_those_that_make_one_model() -> None:
    names = {kind for kind, member in ENSEMBLES.members.items() if member.makes_one_model}
    assert names == {"average", "ema", "swa", "soup_uniform", "soup_greedy"}


@given(st.floats(), st.sampled_from(["raw", "ema", "swa"]))
def test_what_a_worker_finds_survives_its_way_as_json(number: float, copy: str) -> None:
    """NaN and infinities too."""
    scores = {"accuracy": number}
    result = EnsembleResult(
        members=[Member(trial=0, epoch=1, weight=1.0, copy=copy, validation=scores)],
        validation=scores,
        best_single=Single(trial=0, epoch=1, validation=scores),
        mean_member=Scores(validation=scores),
    )
    text = result.model_dump_json()
    assert EnsembleResult.model_validate_json(text).model_dump_json() == text
    stored = result.model_dump(mode="json")
    assert stored["members"][0]["copy"] == copy
    assert EnsembleResult.model_validate(stored).model_dump_json() == text
