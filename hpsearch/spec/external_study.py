"""What of a study follows from its task being external."""

from __future__ import annotations

from hpsearch.errors import InvalidInput
from hpsearch.spec.study import Objective, StudySpec

DEFAULT_OBJECTIVE = Objective(metric="value", direction="minimize")
"""The value that the loop tells."""


def complete_external(spec: StudySpec) -> StudySpec:
    """The spec with its objective filled in.

    Raises:
        InvalidInput: when the objective is a score on the test split.
    """
    objective = spec.objective or DEFAULT_OBJECTIVE
    if objective.metric.startswith("test_"):
        raise InvalidInput.at(
            "objective.metric",
            f"must not be a score on the test split, got {objective.metric}; use a validation one",
        )
    return spec.model_copy(update={"objective": objective})
