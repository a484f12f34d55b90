"""What a person may write under `task` and `training`, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import StudySpec, parse_study


def study(task: Any = None, **training: Any) -> StudySpec:
    return parse_study(
        {
            "name": "test",
            "task": {"dataset": "digits", **(task or {})},
            "optimizer": {"lr": 0.1},
            "training": training,
        }
    )


def test_defaults_are_those_of_the_contract():
    spec = study()
    assert spec.task.model.sizes == (64, 64)
    assert (spec.task.model.activation, spec.task.model.norm, spec.task.model.dropout) == (
        "relu",
        "none",
        0.0,
    )
    assert spec.task.model.init.kind == "kaiming_normal"
    assert (spec.task.split.validation, spec.task.split.test) == (0.2, 0.2)
    assert spec.task.class_weights == "none"
    assert spec.training.model_dump() == {
        "epochs": 10, "batch_size": 32, "train_fraction": 1.0, "accumulate": 1,
        "precision": "fp32", "l1": 0.0,
        "max_norm": None, "label_smoothing": 0.0, "clip": None, "ema": None, "swa": None,
        "early_stopping": None, "augment": (), "init_seed": "per_trial", "data_order": "shared",
        "folds": 0, "repeats": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ({"hidden": [3, 4]}, (3, 4)),
        ({"layers": 2, "units": 5}, (5, 5)),
        ({"layers": 0, "units": 5}, ()),
        ({"kind": "cnn"}, (16, 16)),
        ({"kind": "cnn", "filters": [4, 8, 16], "layers": 3}, (4, 8, 16)),
    ],
)
def test_sizes_of_layers(model, sizes):
    assert study({"model": model}).task.model.sizes == sizes


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"swa": {}}, {"swa": {"start": 0.75, "every": 1}}),
        ({"ema": {}}, {"ema": {"decay": 0.99}}),
        (
            {"early_stopping": {"patience": 3}},
            {"early_stopping": {"patience": 3, "min_delta": 0.0, "restore_best": True}},
        ),
        ({"augment": ["mixup"]}, {"augment": ({"kind": "mixup", "alpha": 0.2},)}),
        ({"clip": {"norm": 1.0}}, {"clip": {"norm": 1.0, "value": None}}),
    ],
)
def test_sections_fill_in_their_defaults(section, expected):
    dumped = study(**section).training.model_dump()
    assert {name: dumped[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("task", "training", "message"),
    [
        ({}, {"clip": {}}, "training.clip: needs exactly one of norm and value; give one"),
        ({}, {"clip": {"norm": 1, "value": 1}}, "training.clip: needs exactly one of norm and"),
        ({}, {"clip": {"norm": 0.0}}, "training.clip.norm: must be > 0, got 0"),
        ({}, {"l1": -1.0}, "training.l1: must be >= 0, got -1"),
        ({}, {"label_smoothing": 1.0}, "training.label_smoothing: must be < 1, got 1"),
        ({}, {"train_fraction": 0.0}, "training.train_fraction: must be > 0, got 0"),
        ({}, {"train_fraction": 1.5}, "training.train_fraction: must be <= 1, got 1.5"),
        ({}, {"accumulate": 0}, "training.accumulate: must be >= 1, got 0"),
        ({}, {"ema": {"decay": 1.0}}, "training.ema.decay: must be < 1, got 1"),
        ({}, {"early_stopping": {}}, "training.early_stopping.patience: is required; add it"),
        ({}, {"augment": ["blur"]}, "must be one of shift, flip, crop, cutout, noise, mixup"),
        ({}, {"augment": [{"kind": "flip", "axis": "x"}]}, "horizontal or vertical"),
        ({}, {"init_seed": "none"}, "training.init_seed: must be one of per_trial or shared"),
        ({"split": {"validation": 0.5, "test": 0.5}}, {}, "validation + test must be < 1, got 1"),
        ({"model": {"layers": 2}}, {}, "`layers` and `units` go together; give both"),
        ({"model": {"layers": 2, "units": 2, "hidden": [2]}}, {}, "give either `hidden` or"),
        ({"model": {"kind": "cnn", "filters": [4]}}, {}, "one number for each of 2 layers, got 1"),
        ({"model": {"kind": "cnn", "filters": 0}}, {}, "must be >= 1, got 0"),
        ({"model": {"kind": "resnet", "depth": 9}}, {}, "must be 6n + 2, got 9; use 8, 14, 20"),
        ({"model": {"kind": "resnet", "depth": {"int_uniform": [8, 20]}}}, {}, "must be 6n + 2"),
        ({"model": {"kind": "resnet", "depth": {"choice": [8, 10]}}}, {}, "must be 6n + 2"),
        ({"class_weights": "even"}, {}, "task.class_weights"),
    ],
)
def test_refusals_name_rule_value_and_remedy(task, training, message):
    with pytest.raises(InvalidInput) as caught:
        study(task, **training)
    assert message in str(caught.value)


def test_depths_of_a_resnet_may_be_searched():
    model = {"kind": "resnet", "depth": {"int_uniform": [8, 20], "step": 6}}
    spec = study({"model": model})
    (parameter,) = search_space(spec).parameters
    assert [resolve(spec, {parameter.name: v}).task.model.depth for v in (8, 14, 20)] == [8, 14, 20]
    with pytest.raises(InvalidInput, match=r"must be 6n \+ 2, got 12"):
        resolve(spec, {parameter.name: 12})
    assert study({"model": {"kind": "resnet", "depth": {"choice": [8, 14]}}})


def test_every_number_of_training_may_be_searched():
    spec = study(
        batch_size={"choice": [16, 32]},
        train_fraction={"uniform": [0.1, 1.0]},
        accumulate={"int_uniform": [1, 4]},
        l1={"log_uniform": [1e-6, 1e-2]},
        max_norm={"uniform": [1.0, 4.0]},
        label_smoothing={"uniform": [0.0, 0.2]},
        clip={"choice": [None, {"norm": {"log_uniform": [0.1, 10.0]}}]},
        ema={"decay": {"uniform": [0.9, 0.999]}},
        swa={"start": {"uniform": [0.5, 0.9]}, "every": {"int_uniform": [1, 3]}},
        early_stopping={"patience": {"int_uniform": [2, 5]}},
        augment=[{"kind": "noise", "std": {"uniform": [0.0, 0.3]}}, {"kind": "shift"}],
        init_seed={"choice": ["per_trial", "shared"]},
    )
    space = search_space(spec)
    assert "training.clip[1].norm" in space.names
    assert "training.augment.0.std" in space.names
    low, high = (space.draw(lambda p, u=u: p.distribution.from_unit(u)) for u in (0.01, 0.99))
    assert resolve(spec, low).training.clip is None
    trained = resolve(spec, high).training
    assert trained.clip.norm == pytest.approx(10, rel=0.1)
    assert trained.augment[0].std == pytest.approx(0.3, rel=0.1)
    assert trained.init_seed == "shared"


def test_class_weights_take_names_also_where_yaml_reads_numbers():
    assert study({"class_weights": {0: 2.0, "7": 1.5}}).task.class_weights == {"0": 2.0, "7": 1.5}
    with pytest.raises(InvalidInput):
        study({"class_weights": {"0": -1.0}})


def test_a_resolved_spec_survives_json():
    spec = study(
        {"model": {"kind": "cnn", "filters": [4, 8]}, "class_weights": {"1": 2.0}},
        clip={"value": 1.0},
        augment=["flip", "mixup"],
        early_stopping={"patience": 2},
    )
    assert parse_study(spec.model_dump(mode="json")) == spec
