"""Whether the way a study trains goes with its optimizer."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError
from hpsearch.spec.language.distributions import options_of
from hpsearch.spec.study import StudySpec


def full_batch_errors(spec: StudySpec) -> Iterator[FieldError]:
    """What cannot go with an optimizer that evaluates the loss of all rows several times."""
    optimizers = options_of(spec.optimizer)
    kind = next((optimizer.kind for optimizer in optimizers if optimizer.full_batch), None)
    if kind is None:
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
            f"cannot go with {kind}, which needs the same loss of all rows at every evaluation; "
            "leave it out or use another optimizer",
        )
