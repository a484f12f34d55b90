"""The problems that searches are compared on.

document    a study's spec, with the ranges as somebody would submit them first
wide        the ranges of the table of real curves, which reach further: {parameter: [low, high]}
table       the file in `benchmarks/data` that holds the curves; none where they are formulas
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpsearch.spec.metrics import direction_of

DATA = Path(__file__).parent / "data"

EPOCHS = 30
"""Length of a full trial."""


@dataclass(frozen=True)
class Case:
    """One problem."""

    name: str
    document: Mapping[str, Any]
    wide: Mapping[str, Sequence[float]]
    table: str | None = None
    rows: int = 1024
    """Configurations in the table, a power of two."""
    formula: Mapping[str, Any] = field(default_factory=dict)
    """What `benchmarks.formulas` takes."""


def _case(name: str, dataset: str, optimizer: Any, wide: Any, **more: Any) -> Case:
    split = {"validation": more.pop("validation", 0.2)}
    task = {"dataset": dataset, "model": more.pop("model"), "split": split}
    metric = more.pop("metric", "val_loss")
    direction = direction_of(metric)
    document = {
        "name": name,
        "task": task,
        "optimizer": optimizer,
        "training": {"epochs": EPOCHS, "batch_size": more.pop("batch_size", 32)},
        "objective": {"metric": metric, "direction": direction},
    }
    return Case(name, document, wide, table=more.pop("table", name), **more)


def _formula(name: str, params: Mapping[str, Any], **formula: Any) -> Case:
    named = {f"task.params.{key}": value for key, value in formula.pop("wide").items()}
    document = {
        "name": name,
        "task": {"kind": "external", "params": params},
        "training": {"epochs": EPOCHS},
        "objective": {"metric": "value", "direction": "minimize"},
    }
    return Case(name, document, named, formula=formula)


def _log(low: float, high: float) -> dict[str, list[float]]:
    return {"log_uniform": [low, high]}


def _mlp(*hidden: int, dropout: Any = 0.0, **more: Any) -> dict[str, Any]:
    return {"kind": "mlp", "hidden": list(hidden), "dropout": dropout, **more}


_DROPOUT = {"uniform": [0.0, 0.5]}
_RATE, _DECAY = _log(1e-5, 1.0), _log(1e-6, 1e-1)
_WIDE = {"optimizer.lr": [1e-6, 10.0], "optimizer.weight_decay": [1e-7, 1.0]}
_WIDE_WINE = {**_WIDE, "optimizer.lr": [1e-6, 1.0]}
_DIGITS = {"batch_size": 64, "metric": "val_accuracy"}

REAL = (
    _case(
        "digits_mlp",
        "digits",
        {"kind": "adamw", "lr": _RATE, "weight_decay": _DECAY},
        _WIDE,
        model=_mlp(32, dropout=_DROPOUT),
        rows=2048,
        **_DIGITS,
    ),
    _case(
        "digits_cnn",
        "digits",
        {"kind": "momentum", "lr": _RATE, "momentum": {"choice": [0.5, 0.9, 0.99]}},
        {"optimizer.lr": [1e-6, 10.0]},
        model={"kind": "cnn", "layers": 1, "filters": 4, "pool": 2},
        rows=512,
        **_DIGITS,
    ),
    _case(
        "digits_optimizers",
        "digits",
        {
            "choice": [
                {"kind": "adamw", "lr": _RATE, "weight_decay": _DECAY},
                {"kind": "momentum", "lr": _RATE, "momentum": {"uniform": [0.0, 0.99]}},
            ]
        },
        {
            "optimizer[adamw].lr": [1e-6, 10.0],
            "optimizer[adamw].weight_decay": [1e-7, 1.0],
            "optimizer[momentum].lr": [1e-6, 10.0],
        },
        model=_mlp(24),
        rows=2048,
        **_DIGITS,
    ),
    _case(
        "breast_cancer",
        "breast_cancer",
        {"kind": "nesterov", "lr": _RATE, "weight_decay": _DECAY},
        _WIDE,
        model=_mlp(16),
    ),
    _case(
        "wine",
        "wine",
        {"kind": "adam", "lr": _log(1e-5, 1e-1), "weight_decay": _DECAY},
        _WIDE_WINE,
        model=_mlp(16, dropout=_DROPOUT),
        rows=2048,
        validation=0.4,
    ),
    _case(
        "upload",
        "friedman",
        {"kind": "adamw", "lr": _RATE, "weight_decay": _DECAY, "beta1": {"uniform": [0.0, 0.99]}},
        _WIDE,
        model=_mlp(24),
        rows=2048,
    ),
    _case(
        "spiral",
        "spiral",
        {"kind": "nesterov", "lr": _RATE, "momentum": {"uniform": [0.0, 0.99]}},
        {"optimizer.lr": [1e-6, 10.0]},
        model=_mlp(32),
    ),
    _case(
        "digits_from_below",
        "digits",
        {"kind": "adamw", "lr": _log(1e-6, 1e-4), "weight_decay": _DECAY},
        _WIDE,
        model=_mlp(32, dropout=_DROPOUT),
        table="digits_mlp",
        **_DIGITS,
    ),
    _case(
        "wine_from_above",
        "wine",
        {"kind": "adam", "lr": _log(5e-2, 1.0), "weight_decay": _DECAY},
        _WIDE_WINE,
        model=_mlp(16, dropout=_DROPOUT),
        table="wine",
    ),
)
"""Curves that were trained; the last two start where the best is not."""

FORMULAS = (
    _formula(
        "inside",
        {"lr": _RATE, "decay": _DECAY, **{f"idle{i}": {"uniform": [0, 1]} for i in range(3)}},
        wide={"lr": [1e-8, 1e3], "decay": [1e-8, 1e1]},
        best={"lr": 3e-3, "decay": 1e-4},
        weight={"lr": 1.0, "decay": 0.15},
    ),
    _formula(
        "at_the_border",
        {"lr": _RATE, "decay": _DECAY},
        wide={"lr": [1e-8, 1e3], "decay": [1e-8, 1e1]},
        best={"lr": 1.0, "decay": 1e-4},
        weight={"lr": 1.0, "decay": 0.15},
    ),
    _formula(
        "two_decades_outside",
        {"lr": _log(1e-6, 1e-4), "decay": _DECAY},
        wide={"lr": [1e-8, 1e3], "decay": [1e-8, 1e1]},
        best={"lr": 1e-2, "decay": 1e-4},
        weight={"lr": 1.0, "decay": 0.15},
    ),
)
"""Curves by formula, whose best place is known."""

CASES: Mapping[str, Case] = {case.name: case for case in (*REAL, *FORMULAS)}


def widened(case: Case) -> dict[str, Any]:
    """The case's document with the ranges of its table."""
    document = copy.deepcopy(dict(case.document))
    for name, ends in case.wide.items():
        _widen(document, name.split("."), ends)
    return document


def _widen(node: Any, path: Sequence[str], ends: Sequence[float]) -> None:
    step, *rest = path
    name, _, label = step.rstrip("]").partition("[")
    child = node[name]
    if label:
        child = next(option for option in child["choice"] if option["kind"] == label)
    if rest:
        _widen(child, rest, ends)
        return
    (key,) = child
    child[key] = list(ends)
