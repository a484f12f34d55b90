"""What of a study follows from its task being a plug-in; the package itself is not seen here."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.checks.optimizer import full_batch_errors
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.metrics import training_curves
from hpsearch.spec.study import Objective, StudySpec

DEFAULT_OBJECTIVE = Objective.default_for("none")
"""Every plug-in has a loss; its other metrics are known where it is installed."""


def complete_plugin(spec: StudySpec) -> StudySpec:
    """The spec with its objective filled in.

    Raises:
        InvalidInput: when a part of it cannot go with a plug-in.
    """
    if errors := [*_errors(spec), *full_batch_errors(spec)]:
        raise InvalidInput(errors)
    return spec.model_copy(update={"objective": spec.objective or DEFAULT_OBJECTIVE})


def _errors(spec: StudySpec) -> Iterator[FieldError]:
    for path, objective in spec.named_objectives(DEFAULT_OBJECTIVE):
        metric = objective.metric
        if not metric.startswith("val_") and metric not in training_curves():
            yield FieldError(
                f"{path}.metric",
                f"must be val_loss, val_ with the name of one of the plug-in's metrics, or one of "
                f"{', '.join(training_curves())}; got {format_value(metric)}",
            )
    training = spec.training
    given = {
        "augment": (training.augment != (), "whose rows may be anything"),
        "label_smoothing": (training.label_smoothing != 0, "which has a loss of its own"),
    }
    for name, (is_given, reason) in given.items():
        if is_given:
            yield FieldError(
                f"training.{name}",
                f"cannot go with a plug-in, {reason}; leave it out, or put it into the plug-in",
            )
    if training.folds:
        yield FieldError(
            "training.folds",
            "cannot go with a plug-in, which divides its rows itself; leave it out and use "
            "repeats, or give the plug-in a parameter for the fold",
        )
