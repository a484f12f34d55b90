"""Whether a spec and its data set go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hpsearch.errors import FieldError
from hpsearch.spec.augment import AUGMENTATIONS
from hpsearch.spec.checks.positive import positive_errors
from hpsearch.spec.checks.split import rare_classes, split_errors
from hpsearch.spec.language.distributions import options_of
from hpsearch.spec.language.family import Family
from hpsearch.spec.language.messages import alternatives, did_you_mean, format_value
from hpsearch.spec.losses import LOSSES, losses_for
from hpsearch.spec.metrics import (
    COMPARES_CLASSES,
    COSTS,
    METRICS,
    list_curves,
    metric_names,
    objective_curves,
)
from hpsearch.spec.model import MODELS
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.datasets import DatasetInfo


def dataset_errors(spec: StudySpec, info: DatasetInfo) -> Iterator[FieldError]:
    """What of a supervised study's spec its data has no use for, field by field."""
    loss = loss_of(spec, info)
    yield from _objective_errors(spec, info)
    yield from _loss_errors(loss, info)
    yield from _model_errors(spec, info)
    yield from split_errors(spec.supervised.split, info, spec.training.folds)
    yield from positive_errors(spec.supervised.positive, info)
    yield from _class_weight_errors(spec, info)
    yield from _training_errors(spec, loss, info)


def loss_of(spec: StudySpec, info: DatasetInfo) -> Any:
    """The study's loss, or a choice of losses; where none is named the default for its data."""
    return spec.supervised.loss or next(iter(losses_for(info.target)), None)


def _objective_errors(spec: StudySpec, info: DatasetInfo) -> Iterator[FieldError]:
    curves = objective_curves(info.target, info.class_names)
    if len(spec.objectives) > 1:
        curves = (*curves, *COSTS)
    undefined = _undefined_curves(spec, info)
    for path, objective in spec.named_objectives(Objective.default_for(info.target)):
        if objective.metric in undefined:
            yield FieldError(
                f"{path}.metric",
                f"cannot be {objective.metric}, as {undefined[objective.metric]}; use another, "
                f"such as {curves[1]}, or add rows",
            )
        if objective.metric not in curves:
            yield FieldError(
                f"{path}.metric",
                f"must be one of {list_curves(curves)} for {info.name}; "
                f"got {format_value(objective.metric)}{did_you_mean(objective.metric, curves)}",
            )


def _undefined_curves(spec: StudySpec, info: DatasetInfo) -> dict[str, str]:
    """Curves that validation rows will not define, with the reason."""
    rare = {name for name, _ in rare_classes(spec.supervised.split, info, spec.training.folds)}
    recalls = metric_names(METRICS["recall"], info.class_names)
    undefined = {
        f"val_{curve}": f"all rows of class {format_value(name)} are needed to train"
        for name, curve in zip(info.class_names, recalls, strict=False)
        if name in rare
    }
    if rare and info.classes - len(rare) < 2:
        why = "all rows that can validate are of one class"
        undefined |= {f"val_{name}": why for name in COMPARES_CLASSES}
    return undefined


def _loss_errors(loss: Any, info: DatasetInfo) -> Iterator[FieldError]:
    losses = losses_for(info.target)
    for option in options_of(loss):
        if option is not None and option not in losses:
            allowed = ", ".join(losses) or "its own (leave the field out)"
            yield FieldError(
                "task.loss", f"must be {allowed} for {info.name}; got {format_value(option)}"
            )


def _model_errors(spec: StudySpec, info: DatasetInfo) -> Iterator[FieldError]:
    for model in options_of(spec.supervised.model):
        if model.needs_images and not info.is_image:
            yield FieldError("task.model.kind", _needs_images(model.kind, info, MODELS))


def _needs_images(kind: str, info: DatasetInfo, family: Family[Any]) -> str:
    others = [name for name, member in family.members.items() if not member.needs_images]
    others.sort(key=lambda name: name != family.default)
    return (
        f"{kind} needs images, and {info.name} has rows of shape {list(info.features)}; "
        f"use {alternatives(others)}"
    )


def _training_errors(spec: StudySpec, loss: Any, info: DatasetInfo) -> Iterator[FieldError]:
    training = spec.training
    for augmentation in training.augment:
        if info.target == "none":
            yield FieldError("training.augment", f"{info.name} has no rows; leave it out")
        elif augmentation.needs_images and not info.is_image:
            yield FieldError(
                "training.augment", _needs_images(augmentation.kind, info, AUGMENTATIONS)
            )
    rigid = {name for name, known in LOSSES.items() if not known.can_smooth}
    if training.label_smoothing != 0 and (
        info.target != "classes" or rigid & set(options_of(loss))
    ):
        yield FieldError(
            "training.label_smoothing",
            f"needs classes and a loss other than {alternatives(rigid)}, which has no targets to "
            "smooth; leave it out",
        )
    if info.target == "none" and training.train_fraction != 1:
        yield FieldError("training.train_fraction", f"{info.name} has no rows; leave it out")


def _class_weight_errors(spec: StudySpec, info: DatasetInfo) -> Iterator[FieldError]:
    if spec.supervised.class_weights != "none" and info.target != "classes":
        yield FieldError("task.class_weights", f"needs classes, and {info.name} has none")
    for option in options_of(spec.supervised.class_weights):
        unknown = sorted(set(option) - set(info.class_names)) if isinstance(option, dict) else []
        if unknown and info.class_names:
            yield FieldError(
                "task.class_weights",
                f"must name classes of {info.name}, and none is called "
                f"{format_value(unknown[0])}; use some of {', '.join(info.class_names[:20])}",
            )
