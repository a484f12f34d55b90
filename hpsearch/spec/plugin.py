"""A task that an installed Python package brings: any torch model with its own data and loss."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpsearch.spec.language.family import Kind
from hpsearch.spec.language.free import FreeObject

ENTRY_POINT_GROUP = "hpsearch.tasks"
"""The entry-point group in which packages offer their tasks."""


class PluginTask(Kind):
    """A task offered by a package that is installed where the worker runs.

    Nothing is uploaded: the server knows the name alone, and what only the package knows (its
    parameters, its metrics) is checked where trials train.
    """

    example = {"entry_point": "my_task"}

    kind: Literal["plugin"]
    entry_point: Annotated[str, Field(min_length=1, max_length=200)]
    """Name in the entry-point group `hpsearch.tasks`."""
    params: FreeObject = {}
    """What the package's function is given; values may be distributions."""
