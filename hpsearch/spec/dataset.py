"""What the built-in data sets look like, and what of a spec follows from that.

The server decides with this table alone; the arrays are loaded where trials train, and a test
there holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.base import Record
from hpsearch.spec.distributions import Choice
from hpsearch.spec.messages import shown
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.task import Cnn

Target = Literal["classes", "numbers", "none"]


class DatasetInfo(Record):
    """Shape and target of a data set; `classes` is 0 unless the target is one of classes."""

    name: str
    rows: int
    features: tuple[int, ...]
    """Shape of one row: [columns], or [channels, height, width] for images."""
    target: Target
    classes: int = 0


BUILT_IN: Mapping[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(name="digits", rows=1797, features=(1, 8, 8), target="classes", classes=10),
        DatasetInfo(name="breast_cancer", rows=569, features=(30,), target="classes", classes=2),
        DatasetInfo(name="wine", rows=178, features=(13,), target="classes", classes=3),
        DatasetInfo(name="spiral", rows=300, features=(2,), target="classes", classes=3),
        DatasetInfo(name="quadratic", rows=1, features=(1,), target="none"),
    )
}

METRICS: Mapping[Target, tuple[str, ...]] = {
    "classes": ("val_accuracy", "val_loss", "train_accuracy", "train_loss"),
    "numbers": ("val_loss", "train_loss"),
    "none": ("val_loss", "train_loss"),
}
"""What may be an objective."""

LOSSES: Mapping[Target, tuple[str, ...]] = {
    "classes": ("cross_entropy",),
    "numbers": ("mse",),
    "none": (),
}
"""What may be trained on; the first is the default."""


def complete(spec: StudySpec, info: DatasetInfo) -> StudySpec:
    """The spec with every default filled in that depends on the data.

    Raises:
        InvalidInput: when metric, loss or model do not fit the data.
    """
    objective = spec.objective or (
        Objective(metric="val_accuracy", direction="maximize")
        if info.target == "classes"
        else Objective(metric="val_loss", direction="minimize")
    )
    errors = []
    if objective.metric not in METRICS[info.target]:
        errors.append(
            FieldError(
                "objective.metric",
                f"must be one of {', '.join(METRICS[info.target])} for {info.name}; "
                f"got {shown(objective.metric)}",
            )
        )
    losses = LOSSES[info.target]
    loss = spec.task.loss or (losses[0] if losses else None)
    for option in loss.choice if isinstance(loss, Choice) else (loss,):
        if option is not None and option not in losses:
            allowed = ", ".join(losses) or "its own (leave the field out)"
            errors.append(
                FieldError("task.loss", f"must be {allowed} for {info.name}; got {shown(option)}")
            )
    models = spec.task.model.choice if isinstance(spec.task.model, Choice) else (spec.task.model,)
    if len(info.features) != 3 and any(isinstance(model, Cnn) for model in models):
        errors.append(
            FieldError(
                "task.model.kind",
                f"cnn needs images, and {info.name} has rows of shape {list(info.features)}; "
                "use mlp or linear",
            )
        )
    if errors:
        raise InvalidInput(errors)
    standardize = spec.task.standardize or ("minmax" if len(info.features) == 3 else "zscore")
    task = spec.task.model_copy(update={"loss": loss, "standardize": standardize})
    return spec.model_copy(update={"objective": objective, "task": task})
