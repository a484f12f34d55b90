"""What of a search does not go with its study is said at submission."""

from __future__ import annotations

from typing import Any

import pytest
from rig import spec

from hpsearch.spec.checks.search import search_errors
from hpsearch.spec.searches.adaptive import Nsga2Search
from hpsearch.spec.searches.independent import SOBOL_DIMENSIONS
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import parse_study

BRANCHES = {
    "choice": [
        {"kind": "adam", "lr": 0.1},
        {"kind": "momentum", "lr": 0.1, "momentum": {"uniform": [0.5, 0.9]}},
    ]
}
MOMENTUM = {"kind": "momentum", "lr": 0.1, "momentum": {"uniform": [0.5, 0.9]}}
TWO = [
    {"metric": "val_loss", "direction": "minimize"},
    {"metric": "val_accuracy", "direction": "maximize"},
]


def _found(**sections: Any) -> dict[str, str]:
    return {e.path: e.message for e in search_errors(parse_study(spec(**sections)))}


def _coarse(**fields: Any) -> dict[str, Any]:
    return {"search": {"kind": "coarse_to_fine", **fields}}


@pytest.mark.parametrize(
    ("sections", "path", "message"),
    [
        (
            {"search": {"enqueue": [{"optimizer.lr": 0.1}, {"optimizer.lr": 5.0}]}},
            "search.enqueue.1.optimizer.lr",
            "must be drawn from {'log_uniform': [1e-05, 1.0]}, got 5",
        ),
        ({"search": {"enqueue": [{}]}}, "search.enqueue.0.optimizer.lr", "is required"),
        (
            {"search": {"enqueue": [{"optimizer.lr": 0.1, "x": 1}]}},
            "search.enqueue.0.x",
            "is no parameter of this study's space; leave it out",
        ),
        ({"search": {"kind": "grid"}}, "search.points", "the continuous range of optimizer.lr"),
        (
            {"search": {"kind": "grid", "points": {"optimizer.lr": 3, "y": 2}}},
            "search.points.y",
            "is no range of this study",
        ),
        (
            {
                "search": {"kind": "grid"},
                "optimizer": {"kind": "sgd", "lr": 0.1},
                "task": {
                    "dataset": "wine",
                    "model": {"hidden": [{"int_uniform": [1, 2**20]}, {"int_uniform": [1, 2**20]}]},
                },
            },
            "search.points",
            "at most 1,000,000 combinations, got 1,099,511,627,776",
        ),
        ({"search": {"kind": "cmaes"}, "optimizer": BRANCHES}, "search.kind", "use tpe"),
        (
            {"search": {"kind": "cmaes"}, "optimizer": {**MOMENTUM, "lr": {"choice": [1, 2]}}},
            "search.kind",
            "optimizer.lr is a choice; use tpe",
        ),
        (
            {"search": {"kind": "cmaes"}, "optimizer": {"kind": "sgd", "lr": 0.1}},
            "search.kind",
            "cmaes needs at least one range of more than one value, got none",
        ),
        (
            {"search": {"kind": "gp"}, "optimizer": BRANCHES},
            "search.kind",
            "optimizer[momentum].momentum exists only in a branch; use tpe",
        ),
        ({"search": {"kind": "nsga2"}, "optimizer": BRANCHES}, "search.kind", "use tpe"),
        (
            {"search": {"kind": "nsga2", "trials": 30, "population": 30}},
            "search.population",
            "must be < trials (30), as the first generation is random, got 30",
        ),
        ({"search": {"kind": "cmaes"}, "objective": TWO}, "search.kind", "got cmaes; use nsga2"),
        ({**_coarse(), "objective": TWO}, "search.kind", "got coarse_to_fine; use nsga2"),
        (
            {**_coarse(), "training": {"epochs": {"int_uniform": [1, 9]}}},
            "training.epochs",
            "whose stages decide the length, got {'int_uniform': [1, 9]}",
        ),
        (
            _coarse(**{"continue": True, "promote": 0.0}),
            "search.continue",
            "got promote 0; raise promote or leave continue out",
        ),
        (
            {**_coarse(**{"continue": True}), "training": {"repeats": 3}},
            "search.continue",
            "cannot go with training.repeats 3",
        ),
        (
            _coarse(expand=False, hard_bounds={"optimizer.lr": [1e-6, 2]}),
            "search.hard_bounds",
            "needs expand: true",
        ),
        (_coarse(hard_bounds={"z": [0, 1]}), "search.hard_bounds.z", "is no parameter of this"),
        (
            {**_coarse(hard_bounds={"optimizer": [0, 1]}), "optimizer": BRANCHES},
            "search.hard_bounds.optimizer",
            "is no range of this study",
        ),
        (
            _coarse(hard_bounds={"optimizer.lr": [2, 1e-6]}),
            "search.hard_bounds.optimizer.lr",
            "low must be <= high, got [2, 1e-06]; swap them",
        ),
        (
            _coarse(hard_bounds={"optimizer.lr": [0, 1]}),
            "search.hard_bounds.optimizer.lr",
            "low must be > 0 on a logarithmic axis, got [0, 1]; raise it",
        ),
        (
            _coarse(hard_bounds={"optimizer.lr": [1e-4, 1]}),
            "search.hard_bounds.optimizer.lr",
            "must hold the range [1e-05, 1], got [0.0001, 1]",
        ),
        (
            {**_coarse(hard_bounds={"optimizer.momentum": [0.1, 2]}), "optimizer": MOMENTUM},
            "search.hard_bounds.optimizer.momentum",
            "must be < 1, got 2 as a bound; take one that the field allows",
        ),
        (
            {
                **_coarse(hard_bounds={"optimizer[momentum].momentum": [-0.5, 0.95]}),
                "optimizer": BRANCHES,
            },
            "search.hard_bounds.optimizer[momentum].momentum",
            "must be >= 0, got -0.5 as a bound",
        ),
        (
            {
                **_coarse(hard_bounds={"training.batch_size": [7.5, 64]}),
                "training": {"batch_size": {"int_uniform": [8, 64]}},
            },
            "search.hard_bounds.training.batch_size",
            "must be whole numbers for int_uniform, got [7.5, 64]",
        ),
    ],
)
def test_an_error_is_named_with_its_field(
    sections: dict[str, Any], path: str, message: str
) -> None:
    found = _found(**sections)
    assert message in found.get(path, ""), found


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"search": {"enqueue": [{"optimizer.lr": 0.1}]}},
        {"search": {"kind": "grid", "points": 5}},
        {"search": {"kind": "grid", "points": {"optimizer.lr": 5}}},
        {"search": {"kind": "sobol"}, "optimizer": BRANCHES, "objective": TWO},
        {"search": {"kind": "tpe"}, "optimizer": BRANCHES, "objective": TWO},
        {"search": {"kind": "gp"}, "objective": TWO},
        {"search": {"kind": "nsga2"}, "objective": TWO},
        {"search": {"kind": "cmaes"}},
        {"search": {"kind": "cmaes"}, "optimizer": {**MOMENTUM, "lr": {"choice": [0.1]}}},
        {**_coarse(), "optimizer": BRANCHES, "objective": TWO[:1]},
        _coarse(**{"continue": True}),
        _coarse(hard_bounds={"optimizer.lr": [1e-5, 10]}),
        {**_coarse(hard_bounds={"optimizer.momentum": [0, 0.999]}), "optimizer": MOMENTUM},
        {
            **_coarse(hard_bounds={"optimizer[momentum].momentum": [0.1, 0.95]}),
            "optimizer": BRANCHES,
        },
    ],
)
def test_what_fits_passes(sections: dict[str, Any]) -> None:
    assert not _found(**sections)


def test_more_dimensions_than_sobol_has_are_refused() -> None:
    values = {f"p{i}": {"uniform": [0, 1]} for i in range(SOBOL_DIMENSIONS + 1)}
    external = {"kind": "external", "params": values}
    found = _found(search={"kind": "sobol"}, task=external, optimizer={"kind": "adam"})
    assert found == {"search.kind": "sobol takes at most 21,201 parameters, got 21,202; use random"}


def test_enqueued_configurations_come_before_a_whole_grid() -> None:
    search = {"kind": "grid", "points": 5, "enqueue": [{"optimizer.lr": 0.5}]}
    assert stages_of(parse_study(spec(search=search)))[0].trials == 6


@pytest.mark.parametrize(("trials", "expected"), [(5, 4), (20, 4), (100, 20), (250, 50), (999, 50)])
def test_a_generation_leaves_room_for_others(trials: int, expected: int) -> None:
    assert Nsga2Search(kind="nsga2", trials=trials).generation == expected


@pytest.mark.parametrize(
    ("search", "epochs", "lengths"),
    [
        ("coarse_to_fine", None, (1, 3, 10)),
        ({"kind": "coarse_to_fine"}, 30, (3, 10, 30)),
        ({"kind": "coarse_to_fine"}, 1, (1, 1, 1)),
        ({"kind": "coarse_to_fine", "stages": [{"trials": 4, "epochs": 2}]}, 30, (2,)),
    ],
)
def test_without_stages_of_its_own_coarse_to_fine_ends_at_the_full_length(
    search: Any, epochs: int | None, lengths: tuple[int, ...]
) -> None:
    training = {} if epochs is None else {"training": {"epochs": epochs}}
    spec = parse_study(
        {
            "name": "lengths",
            "task": {"dataset": "digits"},
            "optimizer": {"lr": {"log_uniform": [1e-5, 1]}},
            "search": search,
            **training,
        }
    )
    assert tuple(stage.epochs for stage in stages_of(spec)) == lengths
    assert parse_study(spec.model_dump(mode="json")) == spec
