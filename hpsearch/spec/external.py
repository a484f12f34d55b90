"""A task that somebody's own loop trains: it asks for trials and tells what they came to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpsearch.spec.language.family import Kind
from hpsearch.spec.language.free import FreeObject


class ExternalTask(Kind):
    """Nothing is trained by workers; `params` may name any parameter the loop understands."""

    kind: Literal["external"]
    params: FreeObject = {}
    """Values may be distributions; they are named `task.params.<name>`."""
    timeout_seconds: Annotated[float, Field(gt=0, le=30 * 24 * 3600, allow_inf_nan=False)] = 3600.0
    """A trial not heard of for so long is given to the next who asks."""
