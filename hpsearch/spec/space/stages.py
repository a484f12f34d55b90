"""The stages of a study: how many trials, and of what length."""

from __future__ import annotations

from dataclasses import replace

from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.distributions import values_of
from hpsearch.spec.searches.base import PlannedStage
from hpsearch.spec.searches.independent import GridSearch
from hpsearch.spec.space.grid import grid_size, whole_grid
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec
from hpsearch.spec.training import Training


def stages_of(spec: StudySpec) -> tuple[PlannedStage, ...]:
    """The stages that a study plans; trials that people add on the way are not among them.

    In a space of finitely many configurations no stage has more trials than there are: each is
    tried once. A study without parameters trains its one configuration as often as it says.

    Raises:
        InvalidInput: where a grid cannot be counted, as `grid_size` says.
    """
    plans = stages_asked_for(spec)
    size = configurations(spec)
    if size is None:
        return plans
    return tuple(replace(plan, trials=min(plan.trials, size)) for plan in plans)


def stages_asked_for(spec: StudySpec) -> tuple[PlannedStage, ...]:
    """The stages as the search has them, whether or not there are so many configurations.

    Raises:
        InvalidInput: where a grid cannot be counted, as `grid_size` says.
    """
    return spec.search.plan_stages(lambda points: grid_size(search_space(spec), points))


def configurations(spec: StudySpec) -> int | None:
    """How many trials there can be before one repeats another; none where no number bounds them.

    What people enqueued more than once counts as often; a grid has its own count.
    """
    space = search_space(spec)
    grid = whole_grid(space) if space.parameters else None
    if grid is None or isinstance(spec.search, GridSearch):
        return None
    enqueued = [params for params in spec.search.enqueue if space.fits(params)]
    repeats = len(enqueued) - len({grid.index_of(params) for params in enqueued})
    return grid.size + repeats


def typical_epochs(spec: StudySpec, stage: int = 0) -> int:
    """A trial's planned length in a stage; the middle of the range where it is searched."""
    epochs = stages_of(spec)[stage].epochs
    if epochs is not None:
        return epochs
    for parameter in search_space(spec).parameters:
        if parameter.name == "training.epochs":
            return int(parameter.distribution.from_unit(0.5))
    return spec.training.epochs


def stated_epochs(spec: StudySpec) -> dict[int, int]:
    """The length of the longest trials of each stage, where the spec says it.

    A person's own loop trains as long as it likes: it has a length where `training.epochs` is other
    than the default.
    """
    if isinstance(spec.task, ExternalTask) and spec.training.epochs == Training().epochs:
        return {}
    return {index: longest_epochs(spec, stage) for index, stage in enumerate(stages_of(spec))}


def longest_epochs(spec: StudySpec, stage: PlannedStage) -> int:
    """The most epochs that a trial of a stage may have."""
    if stage.epochs is not None:
        return stage.epochs
    return max(int(epochs) for epochs in values_of(spec.training.epochs))
