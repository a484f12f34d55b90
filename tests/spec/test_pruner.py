"""Pruners as a person writes them: what they share with Optuna, what is refused and where."""

from __future__ import annotations

import inspect
from typing import Any

import optuna
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.search.pruners import Pruner, pruner_for
from hpsearch.spec import pruner as spec
from hpsearch.spec.language.family import implementation
from hpsearch.spec.study import StudySpec, parse_study

BARE = {"name": "bare", "task": {"dataset": "wine"}, "optimizer": {"lr": 0.1}}


def parsed(pruner: Any) -> StudySpec:
    return parse_study({**BARE, "pruner": pruner})


def test_every_kind_of_the_spec_has_a_pruner() -> None:
    for kind, member in spec.PRUNERS.members.items():
        assert kind == "none" or issubclass(implementation(member), Pruner)
    assert pruner_for(parsed("none").pruner, 0) is None


@pytest.mark.parametrize(
    ("kind", "theirs", "names"),
    [
        (
            "median",
            optuna.pruners.MedianPruner,
            {"interval_epochs": "interval_steps", "min_trials": "n_min_trials"},
        ),
        (
            "asha",
            optuna.pruners.SuccessiveHalvingPruner,
            {
                "min_early_stopping_rate": "min_early_stopping_rate",
                "bootstrap_trials": "bootstrap_count",
            },
        ),
        (
            "hyperband",
            optuna.pruners.HyperbandPruner,
            {"max_epochs": "max_resource", "bootstrap_trials": "bootstrap_count"},
        ),
    ],
)
def test_defaults_are_optunas_but_for_when_and_how_many(
    kind: str, theirs: Any, names: dict[str, str]
) -> None:
    ours = parsed(kind).pruner
    signature = inspect.signature(theirs.__init__).parameters
    for name, their_name in names.items():
        default = signature[their_name].default
        assert getattr(ours, name) == (None if default == "auto" else default), name


@pytest.mark.parametrize(
    ("pruner", "sentence"),
    [
        ({"kind": "percentile", "percentile": -1.0}, "pruner.percentile: must be >= 0, got -1"),
        ({"kind": "percentile", "percentile": 101.0}, "pruner.percentile: must be <= 100, got 101"),
        ({"kind": "median", "interval_epochs": 0}, "pruner.interval_epochs: must be >= 1, got 0"),
        ({"kind": "median", "warmup": 1}, "did you mean `warmup_epochs`"),
        ({"kind": "asha", "reduction_factor": 1}, "pruner.reduction_factor: must be >= 2, got 1"),
        (
            {"kind": "asha", "bootstrap_trials": 3},
            "pruner.min_epochs: is required with bootstrap_trials, of which there are 3; add it",
        ),
        ({"kind": "hyperband", "bootstrap_trials": 1}, "pruner.max_epochs: is required"),
        (
            {"kind": "hyperband", "min_epochs": 5, "max_epochs": 2},
            "pruner: max_epochs must be >= min_epochs, got 2 < 5",
        ),
        ("patience", "pruner.patience: is required"),
        ({"kind": "patience", "patience": 1, "min_delta": -0.1}, "pruner.min_delta: must be >= 0"),
        ({"kind": "threshold"}, "needs `lower` or `upper`, got neither"),
        ({"kind": "threshold", "lower": 2.0, "upper": 1.0}, "lower must be <= upper, got 2.0 > 1"),
        ({"kind": "threshold", "upper": "NaN"}, "pruner.upper: must be a"),
    ],
)
def test_nonsense_is_refused(pruner: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(pruner)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("search", ["random", {"kind": "coarse_to_fine"}])
def test_a_pruner_goes_with_any_search_of_one_objective(search: Any) -> None:
    assert parse_study({**BARE, "search": search, "pruner": "asha"}).pruner.kind == "asha"
