"""Whether a search can do a study's space, and whether each of its fields would have an effect.

What a search can do it says itself, in the class variables of its kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.checks.hard_bounds import hard_bound_errors
from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.language.messages import format_value, pluralize
from hpsearch.spec.search import SEARCHES
from hpsearch.spec.searches.base import SearchBase
from hpsearch.spec.space.space import Parameter, SearchSpace, search_space
from hpsearch.spec.space.stages import stages_asked_for
from hpsearch.spec.study import StudySpec


def search_errors(spec: StudySpec) -> Iterator[FieldError]:
    """What of a search does not go with the study."""
    search, space = spec.search, search_space(spec)
    yield from _enqueued(search, space)
    yield from _repeated_options(space)
    yield from _objectives(spec)
    yield from _parameters(search, space)
    yield from _stages(spec, space)
    yield from search.field_errors()
    if search.continues and spec.training.repeats > 1:
        yield FieldError(
            "search.continue",
            f"cannot go with training.repeats {spec.training.repeats}: a finalist is several runs, "
            "and what it would go on with is one; leave either out",
        )
    yield from hard_bound_errors(spec, space)
    if search.needs_torch and find_spec("torch") is None:
        yield FieldError(
            "search.kind",
            f"{search.kind} needs PyTorch where the server runs, and it is not installed there; "
            "install it, or use tpe",
        )


def _enqueued(search: SearchBase, space: SearchSpace) -> Iterator[FieldError]:
    for index, params in enumerate(search.enqueue):
        try:
            space.check(params)
        except InvalidInput as error:
            for problem in error.errors:
                yield FieldError(f"search.enqueue.{index}.{problem.path}", problem.message)


def _repeated_options(space: SearchSpace) -> Iterator[FieldError]:
    for parameter in space.parameters:
        choice = parameter.distribution
        if not isinstance(choice, Choice):
            continue
        for index, option in enumerate(choice.choice):
            if choice.index(option) != index:
                yield FieldError(
                    f"{parameter.name}.choice.{index}",
                    f"must not be there twice, got {format_value(option)} again; leave one out",
                )


def _objectives(spec: StudySpec) -> Iterator[FieldError]:
    if len(spec.objectives) < 2:
        return
    if not spec.search.supports_several_objectives:
        *kinds, last = (k for k, s in SEARCHES.members.items() if s.supports_several_objectives)
        yield FieldError(
            "search.kind",
            f"must be {', '.join(kinds)} or {last} for several objectives, got "
            f"{spec.search.kind}; use nsga2, or name one objective",
        )
    if spec.is_pruned:
        yield FieldError(
            "pruner.kind",
            "must be none for several objectives, as one alone cannot tell whether a trial is "
            f"worth its time, got {spec.pruner.kind}; leave it out, or name one objective",
        )


def _parameters(search: SearchBase, space: SearchSpace) -> Iterator[FieldError]:
    """Parameters that the search cannot propose, too many of them, or none that it can."""
    most, dimensions = search.max_dimensions, len(space.parameters)
    if most is not None and dimensions > most:
        yield FieldError(
            "search.kind",
            f"{search.kind} takes at most {most:,} parameters, got {dimensions:,}; use random",
        )
    what = "parameters" if search.supports_choices else "ranges"
    if not search.supports_branches:
        what += " that every trial has"
    ranges = 0
    for parameter in space.parameters:
        why = _unsupported(search, parameter)
        if why is None:
            distribution = parameter.distribution
            ranges += isinstance(distribution, Interval) and distribution.low < distribution.high
            continue
        yield FieldError(
            "search.kind", f"{search.kind} takes only {what}, and {parameter.name} {why}; use tpe"
        )
    if search.needs_range and not ranges:
        yield FieldError(
            "search.kind",
            f"{search.kind} needs at least one range of more than one value, got none; use tpe or "
            "random",
        )


def _unsupported(search: SearchBase, parameter: Parameter) -> str | None:
    """Why a search cannot propose a parameter; none where it can."""
    if parameter.branch is not None and not search.supports_branches:
        return "exists only in a branch"
    distribution = parameter.distribution
    is_open_choice = isinstance(distribution, Choice) and len(distribution.choice) > 1
    return "is a choice" if is_open_choice and not search.supports_choices else None


def _stages(spec: StudySpec, space: SearchSpace) -> Iterator[FieldError]:
    """Stages that cannot be counted, hold too little, or whose length is searched as well."""
    try:
        first = stages_asked_for(spec)[0].trials
    except InvalidInput as error:
        yield from error.errors
    else:
        enqueued = len(spec.search.enqueue)
        if enqueued > first:
            yield FieldError(
                "search.enqueue",
                f"must hold at most as many configurations as there are trials, got {enqueued} for "
                f"{pluralize(first, 'trial')}"
                f"{' of the first stage' if spec.search.is_staged else ''}; "
                "allow more trials, or leave some out",
            )
    if not spec.search.is_staged:
        return
    for parameter in space.parameters:
        if parameter.name == "training.epochs":
            distribution = parameter.distribution.model_dump(mode="json", exclude_none=True)
            yield FieldError(
                "training.epochs",
                f"must be a number under {spec.search.kind}, whose stages decide the length, got "
                f"{format_value(distribution)}; leave it out, or use random",
            )
