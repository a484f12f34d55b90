"""The stages of a study: how many trials, and of what length."""

from __future__ import annotations

from hpsearch.spec.searches.base import PlannedStage
from hpsearch.spec.space.grid import grid_size
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec


def stages_of(spec: StudySpec) -> tuple[PlannedStage, ...]:
    """The stages that a study plans; trials that people add on the way are not among them.

    Raises:
        InvalidInput: where a grid cannot be counted, as `grid_size` says.
    """
    return spec.search.plan_stages(lambda points: grid_size(search_space(spec), points))


def typical_epochs(spec: StudySpec, stage: int = 0) -> int:
    """A trial's planned length in a stage; the middle of the range where it is searched."""
    epochs = stages_of(spec)[stage].epochs
    if epochs is not None:
        return epochs
    for parameter in search_space(spec).parameters:
        if parameter.name == "training.epochs":
            return int(parameter.distribution.from_unit(0.5))
    return spec.training.epochs
