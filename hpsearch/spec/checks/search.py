"""Whether a search can do a study's space, and whether each of its fields would have an effect."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.checks.hard_bounds import hard_bound_errors
from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.search import (
    SOBOL_DIMENSIONS,
    CmaesSearch,
    CoarseToFineSearch,
    GpSearch,
    GridSearch,
    Nsga2Search,
    SobolSearch,
)
from hpsearch.spec.space.grid import grid_size
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.study import StudySpec

SINGLE_OBJECTIVE = (CoarseToFineSearch, CmaesSearch)


def search_errors(spec: StudySpec) -> Iterator[FieldError]:
    """What of a search does not go with the study."""
    space = search_space(spec)
    yield from _enqueued(spec, space)
    yield from _objectives(spec)
    search = spec.search
    if isinstance(search, GridSearch):
        yield from _grid(search, space)
    if isinstance(search, SobolSearch) and len(space.parameters) > SOBOL_DIMENSIONS:
        yield FieldError(
            "search.kind",
            f"sobol takes at most {SOBOL_DIMENSIONS:,} parameters, got "
            f"{len(space.parameters):,}; use random",
        )
    if isinstance(search, CoarseToFineSearch):
        yield from _coarse_to_fine(spec, search, space)
    if isinstance(search, CmaesSearch):
        yield from _ranges_only(space)
    if isinstance(search, GpSearch | Nsga2Search):
        yield from _no_branches(search.kind, space)
    if isinstance(search, Nsga2Search) and (search.population or 0) >= search.trials:
        yield FieldError(
            "search.population",
            f"must be < trials ({search.trials}), as the first generation is random, got "
            f"{search.population}; lower it or raise trials",
        )


def _enqueued(spec: StudySpec, space: SearchSpace) -> Iterator[FieldError]:
    for place, params in enumerate(spec.search.enqueue):
        try:
            space.check(params)
        except InvalidInput as error:
            for problem in error.errors:
                yield FieldError(f"search.enqueue.{place}.{problem.path}", problem.message)


def _objectives(spec: StudySpec) -> Iterator[FieldError]:
    if len(spec.objectives) < 2:
        return
    if isinstance(spec.search, SINGLE_OBJECTIVE):
        yield FieldError(
            "search.kind",
            "must be random, grid, sobol, tpe, gp or nsga2 for several objectives, got "
            f"{spec.search.kind}; use nsga2, or name one objective",
        )
    if spec.pruner.kind != "none":
        yield FieldError(
            "pruner.kind",
            "must be none for several objectives, as one alone cannot tell whether a trial is "
            f"worth its time, got {spec.pruner.kind}; leave it out, or name one objective",
        )


def _grid(search: GridSearch, space: SearchSpace) -> Iterator[FieldError]:
    try:
        grid_size(space, search.points)
    except InvalidInput as error:
        yield from error.errors


def _coarse_to_fine(
    spec: StudySpec, search: CoarseToFineSearch, space: SearchSpace
) -> Iterator[FieldError]:
    for parameter in space.parameters:
        if parameter.name == "training.epochs":
            searched = parameter.distribution.model_dump(mode="json", exclude_none=True)
            yield FieldError(
                "training.epochs",
                "must be a number under coarse_to_fine, whose stages decide the length, got "
                f"{format_value(searched)}; leave it out, or use random",
            )
    if search.continue_ and search.promote == 0:
        yield FieldError(
            "search.continue",
            "needs a promote > 0, as only promoted trials can go on, got promote 0; "
            "raise promote or leave continue out",
        )
    if search.continue_ and spec.training.repeats > 1:
        yield FieldError(
            "search.continue",
            f"cannot go with training.repeats {spec.training.repeats}: a finalist is several runs, "
            "and what it would go on with is one; leave either out",
        )
    yield from hard_bound_errors(spec, search, space)


def _ranges_only(space: SearchSpace) -> Iterator[FieldError]:
    """CMA-ES moves in a box of numbers that every trial has."""
    ranges = 0
    for parameter in space.parameters:
        distribution = parameter.distribution
        if parameter.branch is not None:
            why = "exists only in a branch"
        elif isinstance(distribution, Choice) and len(distribution.choice) > 1:
            why = "is a choice"
        else:
            if isinstance(distribution, Interval):
                ranges += distribution.low < distribution.high
            continue
        yield FieldError(
            "search.kind",
            f"cmaes takes only ranges that every trial has, and {parameter.name} {why}; use tpe",
        )
    if not ranges:
        yield FieldError(
            "search.kind",
            "cmaes needs at least one range of more than one value, got none; use tpe or random",
        )


def _no_branches(kind: str, space: SearchSpace) -> Iterator[FieldError]:
    """Optuna's samplers would draw what lies inside a branch at random, whatever was learned."""
    for parameter in space.parameters:
        if parameter.branch is not None:
            yield FieldError(
                "search.kind",
                f"{kind} takes only parameters that every trial has, and {parameter.name} exists "
                "only in a branch; use tpe",
            )
