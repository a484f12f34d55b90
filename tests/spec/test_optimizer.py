"""The optimizer section of a spec: defaults, bounds, and what is refused in which words."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import explain
from hpsearch.spec.optimizer import OPTIMIZERS, Optimizer
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import parse_study

SPEC: TypeAdapter[Any] = TypeAdapter(Optimizer)
MEMBERS = OPTIMIZERS.members


def refused(document: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        SPEC.validate_python(document)
    return str(explain(caught.value))


@pytest.mark.parametrize("kind", ["sgd", "momentum", "nesterov"])
def test_plain_descent_needs_a_rate(kind: str) -> None:
    assert "lr: is required" in refused({"kind": kind})


@pytest.mark.parametrize(
    ("kind", "of", "own"),
    [
        ("sgd", torch.optim.SGD, {"lr", "momentum"}),
        ("momentum", torch.optim.SGD, {"lr", "momentum"}),
        ("nesterov", torch.optim.SGD, {"lr", "momentum"}),
        ("adagrad", torch.optim.Adagrad, set()),
        ("adadelta", torch.optim.Adadelta, set()),
        ("rmsprop", torch.optim.RMSprop, set()),
        ("adam", torch.optim.Adam, set()),
        ("amsgrad", torch.optim.Adam, set()),
        ("adamw", torch.optim.AdamW, set()),
        ("nadam", torch.optim.NAdam, {"lr"}),
        ("radam", torch.optim.RAdam, set()),
        ("adamax", torch.optim.Adamax, {"lr"}),
        ("muon", torch.optim.Muon, {"eps"}),
        ("lbfgs", torch.optim.LBFGS, set()),
    ],
)
def test_defaults_are_torchs(kind: str, of: type, own: set[str]) -> None:
    """`own`: those that the contract sets itself, and Muon's eps, which is AdamW's here."""
    rename = {
        "initial_accumulator": "initial_accumulator_value",
        "iterations": "max_iter",
        "history": "history_size",
        "newton_schulz_steps": "ns_steps",
    }
    theirs = {n: p.default for n, p in inspect.signature(of).parameters.items()}
    if "betas" in theirs:
        theirs["beta1"], theirs["beta2"] = theirs["betas"]
    fields = MEMBERS[kind].model_fields
    shared = {name for name in fields if rename.get(name, name) in theirs} - own
    assert {"weight_decay", "lr"} - own - {"weight_decay"} <= shared
    for name in shared:
        expected = theirs[rename.get(name, name)]
        assert fields[name].default == expected, name


def test_decoupled_is_the_form_of_those_that_are_known_for_it() -> None:
    decoupled = {
        kind for kind, member in MEMBERS.items() if member.model_fields["decoupled"].default
    }
    assert decoupled == {"adamw", "lion", "muon"}


@pytest.mark.parametrize("kind", sorted(MEMBERS))
def test_every_kind_may_be_searched_and_resolved(kind: str) -> None:
    document = {
        "name": "s",
        "task": {"dataset": "digits"},
        "optimizer": {
            "kind": kind,
            "lr": {"log_uniform": [1e-5, 1]},
            "weight_decay": {"log_uniform": [1e-6, 0.1]},
            "no_decay": {"choice": [[], ["bias", "norm"]]},
            "param_groups": [{"match": "output.*", "weight_decay_scale": {"uniform": [0, 1]}}],
        },
    }
    spec = parse_study(document)
    params = search_space(spec).draw(lambda parameter: parameter.distribution.from_unit(0.9))
    assert set(params) == {
        "optimizer.lr",
        "optimizer.weight_decay",
        "optimizer.no_decay",
        "optimizer.param_groups.0.weight_decay_scale",
    }
    found = resolve(spec, params).optimizer
    assert found.no_decay == ("bias", "norm")
    assert found.param_groups[0].weight_decay_scale == pytest.approx(0.9)
    assert 0.1 < found.lr < 1


@pytest.mark.parametrize("kind", sorted(MEMBERS))
def test_every_number_of_every_kind_may_be_a_range(kind: str) -> None:
    member = MEMBERS[kind]
    base = {"kind": kind, "lr": 0.1}
    for name, field in member.model_fields.items():
        if isinstance(field.default, float) and not (kind == "lbfgs" and name == "layer_decay"):
            found = SPEC.validate_python(base | {name: {"uniform": [0.1, 0.5]}})
            assert getattr(found, name).low == 0.1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "adam", "lr": 0}, "lr: must be > 0, got 0"),
        ({"kind": "adam", "beta1": 1}, "beta1: must be < 1, got 1"),
        ({"kind": "adam", "momentum": 0.9}, "momentum: no such field"),
        ({"kind": "adam", "no_decay": ["biases"]}, "no_decay.0: must be one of"),
        ({"kind": "adam", "layer_decay": 0}, "layer_decay: must be > 0, got 0"),
        ({"kind": "adam", "param_groups": [{"lr_scale": 1}]}, "param_groups.0.match: is required"),
        (
            {"kind": "adam", "param_groups": [{"match": "*", "scale": 1}]},
            "param_groups.0.scale: no such field",
        ),
        (
            {"kind": "sgd", "lr": 1, "momentum_schedule": {"kind": "cosine"}},
            "momentum_schedule: needs an optimizer with momentum, got sgd; leave it out",
        ),
        ({"kind": "lbfgs", "decoupled": True}, "decoupled: must be false for lbfgs"),
        ({"kind": "lbfgs", "layer_decay": 0.5}, "layer_decay: must be 1 for lbfgs"),
        (
            {"kind": "lbfgs", "param_groups": [{"match": "*", "lr_scale": 0.5}]},
            "param_groups: lr_scale must be 1 for lbfgs",
        ),
        ({"kind": "adams"}, "kind: must be one of sgd, momentum"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(document: dict[str, Any], message: str) -> None:
    assert message in refused(document)


def test_momentum_may_have_any_schedule() -> None:
    found = SPEC.validate_python({"kind": "adam", "momentum_schedule": "cosine"})
    assert found.momentum_schedule.kind == "cosine"
    choice = {"choice": [{"kind": "cosine"}, {"kind": "constant"}]}
    found = SPEC.validate_python({"kind": "nesterov", "lr": 1, "momentum_schedule": choice})
    assert [option.kind for option in found.momentum_schedule.choice] == ["cosine", "constant"]
    assert SPEC.validate_python({"momentum_schedule": None}).momentum_schedule is None


def test_a_schedule_of_momentum_names_a_field_that_exists() -> None:
    for kind, member in MEMBERS.items():
        field = member.momentum_field
        assert field is None or field in member.model_fields, kind


def test_a_wrong_momentum_schedule_is_named_by_its_path() -> None:
    document = {
        "name": "s",
        "task": {"dataset": "digits"},
        "optimizer": {"kind": "adam", "momentum_schedule": {"kind": "cosine", "alpha": 2}},
    }
    with pytest.raises(InvalidInput, match=r"^optimizer\.momentum_schedule\.alpha: must be <= 1"):
        parse_study(document)
