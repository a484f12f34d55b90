"""The page of wrong specs and what is answered to each.

`python -m hpsearch.reference.mistakes > docs/mistakes.md` writes it. It is there to be read as a
stranger reads it: each answer must name the rule, the value and the remedy.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.language.messages import format_spec
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.datasets import BUILT_IN

SPEC: dict[str, Any] = {
    "name": "x",
    "task": {"dataset": "digits"},
    "optimizer": {"lr": {"log_uniform": [1e-4, 0.1]}},
}
"""What is right but for one field."""

LEAVE_OUT = object()
"""In the place of a value: the field is taken out."""

MISTAKES: tuple[tuple[str, Any], ...] = (
    ("name", LEAVE_OUT),
    ("name", ""),
    ("name", 5),
    ("task", LEAVE_OUT),
    ("task", "digits"),
    ("task.kind", "classification"),
    ("task.split", {"validation": 0.8, "test": 0.4}),
    ("task.split", {"train": 0.6}),
    ("task.model", "cnnn"),
    ("task.model.kind", "CNN"),
    ("task.model.hidden", 64),
    ("task.model.dropout", 1.0),
    ("task.model.activation", "rleu"),
    ("task.model.filters", 8),
    ("task.loss", "l2"),
    ("task.loss", "mse_loss"),
    ("task.standardize", "z-score"),
    ("task.positive", "cat"),
    ("data", "digits"),
    ("optimizer", LEAVE_OUT),
    ("optimiser", {"lr": 0.1}),
    ("optimizer.kind", "adamm"),
    ("optimizer.kind", "SGD"),
    ("optimizer.momentum", 0.9),
    ("optimizer.betas", [0.9, 0.99]),
    ("optimizer.beta1", 16.0),
    ("optimizer.lr", "fast"),
    ("optimizer.lr", "1e-3"),
    ("optimizer.lr", -1),
    ("optimizer.lr", None),
    ("optimizer.lr", [0.1, 0.2]),
    ("optimizer.lr", {"loguniform": [1e-4, 1]}),
    ("optimizer.lr", {"normal": [0, 1]}),
    ("optimizer.lr", {"log_uniform": [0, 1]}),
    ("optimizer.lr", {"log_uniform": [1, 0.1]}),
    ("optimizer.lr", {"log_uniform": [1e-4]}),
    ("optimizer.lr", {"log_uniform": "1e-4, 1"}),
    ("optimizer.lr", {"log_uniform": [-1.0, 1.0]}),
    ("optimizer.lr", {"choice": []}),
    ("schedule", "cosin"),
    ("schedule", {"kind": "step"}),
    ("schedule", {"kind": "step", "step_size": 0}),
    ("schedule", {"kind": "step", "milestones": [3]}),
    ("schedule", {"kind": "cosine", "alpha": 2}),
    ("schedule.warmup", 5),
    ("training.epochs", 0),
    ("training.epochs", 1.5),
    ("training.epochs", "ten"),
    ("training.epochs", {"uniform": [1, 10]}),
    ("training.epoch", 10),
    ("training.early_stopping", True),
    ("training.clip", 1.0),
    ("training.precision", "fp8"),
    ("training.folds", 1),
    ("training.augment", "flip"),
    ("search", "bayesian"),
    ("search.trials", 0),
    ("search.trials", "many"),
    ("search.trial", 5),
    ("search", {"kind": "random", "points": 3}),
    ("search", {"kind": "coarse_to_fine", "stages": []}),
    ("pruner", "ashaa"),
    ("pruner", {"kind": "median", "reduction_factor": 3}),
    ("objective", "accuracy"),
    ("objective", {"metric": "accuracy", "direction": "maximize"}),
    ("objective", {"metric": "val_rmse", "direction": "minimize"}),
    ("objective", {"metric": "val_accuracy", "direction": "max"}),
    ("ensemble", "gredy"),
    ("ensemble", {"kind": "greedy", "size": 0}),
    ("checkpoints", {"keep": "best"}),
    ("limits", {"seconds": -1}),
    ("limits", {"time": 10}),
    ("seed", -1),
    ("tags", "a, b"),
    ("priority", "high"),
)
"""A field and what is wrong in its place."""


def page() -> str:
    """The page in Markdown."""
    rows = "\n".join(f"| `{mistake}` | {answer} |" for mistake, answer in answers())
    return f"""# Wrong specs, and what is answered

Each row is a spec that is right but for the field shown; the right one is
`{format_spec(SPEC)}`. A command writes this page:
`python -m hpsearch.reference.mistakes > docs/mistakes.md`.

| wrong | answer |
|---|---|
{rows}
"""


def answers() -> Iterator[tuple[str, str]]:
    """Each mistake as people write it, and the answer to it.

    Raises:
        ValueError: when one of them is accepted.
    """
    for path, value in MISTAKES:
        document = _with(path, value)
        shown = f"without {path}" if value is LEAVE_OUT else f"{path}: {format_spec(value)}"
        try:
            spec = parse_study(document)
            complete(spec, BUILT_IN[spec.supervised.dataset])
        except InvalidInput as error:
            yield shown, str(error)
        else:
            raise ValueError(f"{shown} is accepted")


def _with(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(SPEC)
    *sections, field = path.split(".")
    place = document
    for section in sections:
        place = place.setdefault(section, {})
    if value is LEAVE_OUT:
        del place[field]
    else:
        place[field] = value
    if path == "optimiser":
        del document["optimizer"]
    return document


if __name__ == "__main__":
    sys.stdout.write(page())
