"""What pruners have in common."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from hpsearch.spec.language.distributions import LARGEST_INTEGER
from hpsearch.spec.language.family import Kind

Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER, strict=True)]


Positive = Annotated[int, Field(ge=1, le=LARGEST_INTEGER, strict=True)]


Factor = Annotated[int, Field(ge=2, le=1000, strict=True)]


class PrunerBase(Kind):
    """What every pruner is."""

    stops_trials: ClassVar[bool] = True
    """Whether reports are judged at all; false needs no `implementation`."""
