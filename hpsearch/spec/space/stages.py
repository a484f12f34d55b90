"""The stages of a search: how many trials, and of what length.

Coarse-to-fine has several; every other search is one stage over the whole space.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpsearch.spec.search import CoarseToFineSearch, CountedSearch, GridSearch
from hpsearch.spec.space.grid import grid_size
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec


@dataclass(frozen=True)
class StagePlan:
    """What is planned of a stage."""

    trials: int
    epochs: int | None = None
    """Length of its trials; none leaves it to `training.epochs`."""


def stages_of(spec: StudySpec) -> tuple[StagePlan, ...]:
    """The stages that a study plans; trials that people add on the way are not among them."""
    search = spec.search
    if isinstance(search, CoarseToFineSearch):
        return tuple(StagePlan(stage.trials, stage.epochs) for stage in search.stages)
    if isinstance(search, GridSearch):
        return (StagePlan(grid_size(search_space(spec), search.points) + len(search.enqueue)),)
    if not isinstance(search, CountedSearch):
        raise TypeError(f"{search.kind} does not say how many trials it takes")
    return (StagePlan(search.trials),)


def typical_epochs(spec: StudySpec, stage: int = 0) -> int:
    """A trial's planned length in a stage; the middle of the range where it is searched."""
    epochs = stages_of(spec)[stage].epochs
    if epochs is not None:
        return epochs
    for parameter in search_space(spec).parameters:
        if parameter.name == "training.epochs":
            return int(parameter.distribution.from_unit(0.5))
    return spec.training.epochs


def repeats_of(spec: StudySpec, stage: int) -> int | None:
    """How often trials of a stage train; none leaves it to `training.repeats`.

    Coarse-to-fine repeats its finalists alone.
    """
    search = spec.search
    is_coarse = isinstance(search, CoarseToFineSearch) and stage + 1 < len(search.stages)
    return 1 if is_coarse else None
