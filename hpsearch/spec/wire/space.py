"""A search space as JSON has it: a list of parameters, each with name, distribution and branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpsearch.spec.language.distributions import (
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.space.space import Parameter, SearchSpace

KINDS: Mapping[str, type[Distribution]] = {
    kind.key: kind for kind in (Uniform, LogUniform, IntUniform, IntLogUniform, Choice)
}


def space_to_wire(space: SearchSpace) -> list[dict[str, Any]]:
    """The parameters, a branch's after the choice that opens it."""
    return [
        {
            "name": parameter.name,
            "distribution": parameter.distribution.model_dump(mode="json", exclude_none=True),
            "branch": list(parameter.branch) if parameter.branch else None,
        }
        for parameter in space.parameters
    ]


def space_from_wire(wire: Sequence[Mapping[str, Any]], whole: SearchSpace) -> SearchSpace:
    """A box of the whole space, read back; bounds are those of the whole."""
    bounds = {parameter.name: parameter.bounds for parameter in whole.parameters}
    return SearchSpace(
        tuple(
            Parameter(
                name=entry["name"],
                distribution=_distribution(entry["distribution"]),
                branch=tuple(entry["branch"]) if entry["branch"] else None,
                bounds=bounds.get(entry["name"], (None, None)),
            )
            for entry in wire
        )
    )


def _distribution(wire: Mapping[str, Any]) -> Distribution:
    kind = next(KINDS[key] for key in wire if key in KINDS)
    return kind.model_validate(wire)
