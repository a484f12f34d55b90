"""What the built-in data sets look like, and what of a spec follows from that.

The server decides with this table alone; the arrays are loaded where trials train, and a test
there holds them to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.augment import FOR_IMAGES
from hpsearch.spec.checks.schedule import schedule_errors
from hpsearch.spec.checks.split import split_errors, with_parts_of
from hpsearch.spec.language.base import Record
from hpsearch.spec.language.distributions import Choice
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.task import Cnn, Resnet
from hpsearch.spec.wire.upload import ColumnInfo, DatasetFile

Target = Literal["classes", "numbers", "none"]


class DatasetInfo(Record):
    """Shape and target of a data set; `classes` is 0 unless the target is one of classes."""

    name: str
    rows: int
    features: tuple[int, ...]
    """Shape of one row: [columns], or [channels, height, width] for images."""
    target: Target
    classes: int = 0
    class_names: tuple[str, ...] = ()
    """In the order of a model's outputs."""
    class_rows: tuple[int, ...] = ()
    """Rows of each of them."""
    columns: tuple[ColumnInfo, ...] = ()
    """Of an uploaded set: its features and what else a split may name."""

    @property
    def is_image(self) -> bool:
        """Whether rows are [channels, height, width]."""
        return len(self.features) == 3


class Dataset(DatasetInfo, DatasetFile):
    """An uploaded data set: what it looks like, its content's hash, and how to read it.

    `features` of a table counts its columns; categories become indicators where trials train.
    """

    created_at: datetime | None = None


class DatasetList(Record):
    """The data sets that a task may name."""

    datasets: list[Dataset | DatasetInfo]


def _classes(name: str, features: tuple[int, ...], members: Mapping[str, int]) -> DatasetInfo:
    """A built-in set of classes; `members` are the rows of each."""
    return DatasetInfo(
        name=name,
        rows=sum(members.values()),
        features=features,
        target="classes",
        classes=len(members),
        class_names=tuple(members),
        class_rows=tuple(members.values()),
    )


_DIGITS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)

BUILT_IN: Mapping[str, DatasetInfo] = {
    info.name: info
    for info in (
        _classes("digits", (1, 8, 8), dict(zip("0123456789", _DIGITS, strict=True))),
        _classes("breast_cancer", (30,), {"malignant": 212, "benign": 357}),
        _classes("wine", (13,), {"class_0": 59, "class_1": 71, "class_2": 48}),
        _classes("iris", (4,), {"setosa": 50, "versicolor": 50, "virginica": 50}),
        DatasetInfo(name="diabetes", rows=442, features=(10,), target="numbers"),
        _classes("spiral", (2,), {"0": 100, "1": 100, "2": 100}),
        DatasetInfo(name="quadratic", rows=1, features=(1,), target="none"),
    )
}

METRICS: Mapping[Target, tuple[str, ...]] = {
    "classes": ("val_accuracy", "val_loss", "val_f1", "val_auc", "train_accuracy", "train_loss"),
    "numbers": ("val_loss", "val_rmse", "val_mae", "val_r2", "train_loss"),
    "none": ("val_loss", "train_loss"),
}
"""What may be an objective."""

LOSSES: Mapping[Target, tuple[str, ...]] = {
    "classes": ("cross_entropy", "hinge", "bce", "mse", "l1", "huber", "half_squared"),
    "numbers": ("mse", "l1", "huber", "half_squared"),
    "none": (),
}
"""What may be trained on; the first is the default."""


COSTS = ("seconds",)
"""What may stand beside another objective: an epoch's training time."""


def default_objective(info: DatasetInfo) -> Objective:
    """What a study without an objective is judged by."""
    if info.target == "classes":
        return Objective(metric="val_accuracy", direction="maximize")
    return Objective(metric="val_loss", direction="minimize")


def complete(spec: StudySpec, info: DatasetInfo) -> StudySpec:
    """The spec with every default filled in that depends on the data.

    Raises:
        InvalidInput: when a part of the spec does not fit the data.
    """
    losses = LOSSES[info.target]
    loss = spec.supervised.loss or (losses[0] if losses else None)
    errors = [
        *_metric_and_loss_errors(spec, loss, info),
        *_model_errors(spec, info),
        *split_errors(spec.supervised.split, info, spec.training.folds),
        *_class_weight_errors(spec, info),
        *_training_errors(spec, loss, info),
        *full_batch_errors(spec),
        *schedule_errors(spec, METRICS[info.target]),
    ]
    if errors:
        raise InvalidInput(errors)
    standardize = spec.supervised.standardize or ("minmax" if info.is_image else "zscore")
    task = spec.supervised.model_copy(
        update={
            "loss": loss,
            "standardize": standardize,
            "split": with_parts_of(spec.supervised.split, info),
        }
    )
    return spec.model_copy(
        update={"objective": spec.objective or default_objective(info), "task": task}
    )


def _options(value: Any) -> tuple[Any, ...]:
    """What a field may become, one by one where it is a choice."""
    return value.choice if isinstance(value, Choice) else (value,)


def _metric_and_loss_errors(spec: StudySpec, loss: Any, info: DatasetInfo) -> Iterator[FieldError]:
    metrics, losses = METRICS[info.target], LOSSES[info.target]
    if len(spec.objectives) > 1:
        metrics = (*metrics, *COSTS)
    for path, objective in spec.named_objectives(default_objective(info)):
        if objective.metric not in metrics:
            yield FieldError(
                f"{path}.metric",
                f"must be one of {', '.join(metrics)} for {info.name}; "
                f"got {format_value(objective.metric)}",
            )
    for option in _options(loss):
        if option is not None and option not in losses:
            allowed = ", ".join(losses) or "its own (leave the field out)"
            yield FieldError(
                "task.loss", f"must be {allowed} for {info.name}; got {format_value(option)}"
            )


def _model_errors(spec: StudySpec, info: DatasetInfo) -> Iterator[FieldError]:
    for model in _options(spec.supervised.model):
        if isinstance(model, Cnn | Resnet) and not info.is_image:
            yield FieldError(
                "task.model.kind",
                f"{model.kind} needs images, and {info.name} has rows of shape "
                f"{list(info.features)}; use mlp or linear",
            )


def _training_errors(spec: StudySpec, loss: Any, info: DatasetInfo) -> Iterator[FieldError]:
    training = spec.training
    for augmentation in training.augment:
        if info.target == "none":
            yield FieldError("training.augment", f"{info.name} has no rows; leave it out")
        elif augmentation.kind in FOR_IMAGES and not info.is_image:
            yield FieldError(
                "training.augment",
                f"{augmentation.kind} needs images, and {info.name} has rows of shape "
                f"{list(info.features)}; use noise or mixup",
            )
    if training.label_smoothing != 0 and (info.target != "classes" or "hinge" in _options(loss)):
        yield FieldError(
            "training.label_smoothing",
            "needs classes and a loss other than hinge, which has no targets to smooth; "
            "leave it out",
        )
    if info.target == "none" and training.train_fraction != 1:
        yield FieldError("training.train_fraction", f"{info.name} has no rows; leave it out")


def _class_weight_errors(spec: StudySpec, info: DatasetInfo) -> Iterator[FieldError]:
    if spec.supervised.class_weights != "none" and info.target != "classes":
        yield FieldError("task.class_weights", f"needs classes, and {info.name} has none")
    for option in _options(spec.supervised.class_weights):
        unknown = sorted(set(option) - set(info.class_names)) if isinstance(option, dict) else []
        if unknown and info.class_names:
            yield FieldError(
                "task.class_weights",
                f"must name classes of {info.name}, and none is called {format_value(unknown[0])}; "
                f"use some of {', '.join(info.class_names[:20])}",
            )


def full_batch_errors(spec: StudySpec) -> Iterator[FieldError]:
    """What cannot go with lbfgs."""
    if all(optimizer.kind != "lbfgs" for optimizer in _options(spec.optimizer)):
        return
    training = spec.training
    given = {
        "accumulate": training.accumulate != 1,
        "clip": training.clip is not None,
        "augment": training.augment != (),
    }
    for name in (name for name, is_given in given.items() if is_given):
        yield FieldError(
            f"training.{name}",
            "cannot go with lbfgs, which needs the same loss of all rows at every evaluation; "
            "leave it out or use another optimizer",
        )
