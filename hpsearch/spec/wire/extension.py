"""The request that gives a study which is over more to do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.base import SpecModel

Count = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class ExtendRequest(SpecModel):
    """Exactly one of its fields."""

    trials: Count | None = None
    """Trials beside those that the study has."""
    epochs: Count | None = None
    """Epochs more for each complete trial of the last stage: a new trial goes on from its last
    checkpoint, or begins at epoch 0 where none is stored."""
    budget: Count | None = None
    """Epochs more for a search that has a `budget`."""
    stages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=20)] | None = None
    """Stages behind those of a search that has `stages`, written as there."""

    @property
    def what(self) -> str:
        """The name of the field that is given.

        Raises:
            InvalidInput: when none is, or several are.
        """
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidInput.at(
                "",
                "needs exactly one of trials, epochs, budget, stages, got "
                f"{', '.join(given) or 'none'}; ask for one after the other",
            )
        return given[0]
