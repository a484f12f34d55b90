"""What of a study follows from its task being external."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.study import Objective, StudySpec

DEFAULT_OBJECTIVE = Objective(metric="value", direction="minimize")
"""The value that the loop tells."""


def complete_external(spec: StudySpec) -> StudySpec:
    """The spec with its objective filled in.

    Raises:
        InvalidInput: when the objective is a score on the test split, or a trial is to be several
            runs.
    """
    if errors := list(_errors(spec)):
        raise InvalidInput(errors)
    return spec.model_copy(update={"objective": spec.objective or DEFAULT_OBJECTIVE})


def _errors(spec: StudySpec) -> Iterator[FieldError]:
    for path, objective in spec.named_objectives(DEFAULT_OBJECTIVE):
        if objective.metric.startswith("test_"):
            yield FieldError(
                f"{path}.metric",
                f"must not be a score on the test split, got {objective.metric}; use a validation "
                "one",
            )
    for name, is_given in (
        ("folds", spec.training.folds != 0),
        ("repeats", spec.training.repeats != 1),
    ):
        if is_given:
            yield FieldError(
                f"training.{name}",
                "cannot go with an external task, whose loop decides what a trial trains; leave "
                "it out and tell the mean",
            )
