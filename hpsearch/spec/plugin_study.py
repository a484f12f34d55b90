"""What of a study follows from its task being a plug-in; the package itself is not seen here."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.dataset import full_batch_misfits
from hpsearch.spec.distributions import Choice
from hpsearch.spec.messages import shown
from hpsearch.spec.study import Objective, StudySpec

DEFAULT_OBJECTIVE = Objective(metric="val_loss", direction="minimize")
"""Every plug-in has a loss; its other metrics are known where it is installed."""

TRAINING_METRICS = ("train_loss", "train_objective")

FITTING = "match_rms_adamw"
"""Muon's only factor that takes a matrix and its transpose alike."""


def complete_plugin(spec: StudySpec) -> StudySpec:
    """The spec with its objective filled in.

    Raises:
        InvalidInput: when a part of it cannot go with a plug-in.
    """
    objective = spec.objective or DEFAULT_OBJECTIVE
    if errors := [*_misfits(spec, objective), *full_batch_misfits(spec)]:
        raise InvalidInput(errors)
    return spec.model_copy(update={"objective": objective})


def _misfits(spec: StudySpec, objective: Objective) -> Iterator[FieldError]:
    metric = objective.metric
    if not metric.startswith("val_") and metric not in TRAINING_METRICS:
        yield FieldError(
            "objective.metric",
            f"must be val_loss, val_ with the name of one of the plug-in's metrics, or one of "
            f"{', '.join(TRAINING_METRICS)}; got {shown(metric)}",
        )
    training = spec.training
    given = {
        "augment": (training.augment != (), "whose rows may be anything"),
        "label_smoothing": (training.label_smoothing != 0, "which has a loss of its own"),
        "max_norm": (training.max_norm is not None, "whose units are not known"),
    }
    for name, (is_given, reason) in given.items():
        if is_given:
            yield FieldError(
                f"training.{name}",
                f"cannot go with a plug-in, {reason}; leave it out, or put it into the plug-in",
            )
    optimizers = spec.optimizer.choice if isinstance(spec.optimizer, Choice) else (spec.optimizer,)
    if any(getattr(o, "adjust_lr", FITTING) != FITTING for o in optimizers):
        yield FieldError(
            "optimizer.adjust_lr",
            "must be match_rms_adamw for a plug-in, whose matrices may lie either way round",
        )
