"""How configurations are proposed and when trials are stopped early."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from hpsearch.spec.base import Family, SpecModel


class RandomSearch(SpecModel):
    """Independent draws, each from (study seed, trial number)."""

    planned = ("enqueue",)

    kind: Literal["random"]
    trials: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 20


Search: TypeAlias = Annotated[
    RandomSearch,
    Family(
        default="random",
        planned=("grid", "sobol", "coarse_to_fine", "tpe", "gp", "cmaes", "nsga2"),
    ),
]


class NoPruner(SpecModel):
    """Every trial runs to its end; only divergence stops one."""

    kind: Literal["none"]


Pruner: TypeAlias = Annotated[
    NoPruner,
    Family(
        default="none",
        planned=("median", "percentile", "asha", "hyperband", "patience", "threshold"),
    ),
]
