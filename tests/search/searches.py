"""What tests of samplers share: spaces, problems, and a study played to its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import History, Observation, Proposal, Sampler, SearchProblem
from hpsearch.spec.language.distributions import (
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.search import SEARCHES, Search
from hpsearch.spec.searches.adaptive import AdaptiveSearch
from hpsearch.spec.searches.base import SearchBase
from hpsearch.spec.space.space import Parameter, SearchSpace

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "grid": {"points": 3},
    "tpe": {"startup_trials": 4},
    "gp": {"startup_trials": 4},
    "cmaes": {"population": 4},
    "nsga2": {"population": 4},
}
"""Settings that let a short study pass the random start of a search; others need none."""


def _kinds(is_one: Callable[[type[SearchBase]], bool]) -> tuple[str, ...]:
    return tuple(kind for kind, member in SEARCHES.members.items() if is_one(member))


HISTORY_FREE = _kinds(lambda member: not issubclass(member, AdaptiveSearch))
ADAPTIVE = _kinds(lambda member: issubclass(member, AdaptiveSearch))
WITH_BRANCHES = _kinds(lambda member: member.supports_branches)
WITH_CHOICES = _kinds(lambda member: member.supports_choices)
SEVERAL_OBJECTIVES = _kinds(lambda member: member.supports_several_objectives)


def space_of(**distributions: Distribution) -> SearchSpace:
    """A space without branches."""
    return SearchSpace(tuple(Parameter(name, found) for name, found in distributions.items()))


RANGES = space_of(
    lr=LogUniform(log_uniform=(1e-5, 1.0)),
    decay=Uniform(uniform=(0.0, 0.3)),
    drop=Uniform(uniform=(0.0, 0.3), step=0.1),
    units=IntLogUniform(int_log_uniform=(1, 100), step=7),
    depth=IntUniform(int_uniform=(0, 10), step=3),
)
TWO = SearchSpace(RANGES.parameters[:2])
MIXED = SearchSpace(
    (*RANGES.parameters, Parameter("hidden", Choice(choice=([64, 64], [128], None, True))))
)
BRANCHED = SearchSpace(
    (
        *RANGES.parameters[:2],
        Parameter("optimizer", Choice(choice=("adam", "momentum"))),
        Parameter(
            "optimizer[adam].eps", LogUniform(log_uniform=(1e-9, 1e-3)), ("optimizer", "adam")
        ),
        Parameter(
            "optimizer[momentum].momentum",
            Choice(choice=(0.5, 0.9)),
            ("optimizer", "momentum"),
        ),
    )
)
POINTS = space_of(
    lr=LogUniform(log_uniform=(0.1, 0.1)),
    decay=Uniform(uniform=(0.0, 0.0)),
    drop=Uniform(uniform=(0.2, 0.2), step=0.1),
    depth=IntUniform(int_uniform=(3, 3)),
    units=IntLogUniform(int_log_uniform=(5, 5)),
    kind=Choice(choice=("only",)),
)
FEW = space_of(
    drop=Uniform(uniform=(0.0, 0.3), step=0.1),
    depth=IntUniform(int_uniform=(1, 5), step=2),
)
"""Twelve configurations."""


def ranges(kind: str) -> SearchSpace:
    """Ranges of every sort; two for the Gaussian process, which takes its time over steps."""
    return TWO if kind == "gp" else RANGES


def problem(kind: str, space: SearchSpace, **more: Any) -> SearchProblem[SearchBase]:
    """A search with its settings of above; `settings` changes them."""
    settings = {"kind": kind, **SETTINGS.get(kind, {}), **more.pop("settings", {})}
    search = TypeAdapter[Search](Search).validate_python(settings)
    return SearchProblem(space, more.pop("seed", 7), search, **more)


def sampler(kind: str, space: SearchSpace, **more: Any) -> Sampler[SearchBase]:
    """The sampler of such a problem."""
    return sampler_for(problem(kind, space, **more))


def bowl(params: Mapping[str, Any]) -> float:
    """Least at lr = 0.01, decay = 0.1, depth = 3."""
    return (
        abs(math.log10(params.get("lr", 0.01)) + 2)
        + abs(params.get("decay", 0.1) - 0.1)
        + abs(params.get("depth", 3) - 3) / 10
    )


def trial(
    number: int,
    params: Mapping[str, Any],
    *losses: float,
    state: TrialState = TrialState.COMPLETE,
) -> Observation:
    """A trial after two epochs."""
    return Observation(number, params, 0, state, losses or None, 2)


def running(numbers: Sequence[int], proposals: Sequence[Proposal]) -> list[Observation]:
    """Trials that were just proposed."""
    return [
        trial(number, proposal.params, state=TrialState.RUNNING)
        for number, proposal in zip(numbers, proposals, strict=True)
    ]


def play(
    sampler: Sampler[SearchBase],
    trials: int,
    end: Callable[[int, Mapping[str, Any]], Observation] | None = None,
    capacity: int = 4,
) -> list[Observation]:
    """A study from its first trial to its last, each round's trials ending in turn."""
    ended: list[Observation] = []
    while len(ended) < trials:
        history = History(ended)
        count = sampler.max_suggestions(history, min(capacity, trials - len(ended)))
        numbers = range(len(ended), len(ended) + count)
        for number, proposal in zip(numbers, sampler.suggest(numbers, history), strict=True):
            sampler.space.check(proposal.params)
            found = trial(number, proposal.params, bowl(proposal.params))
            ended.append(end(number, proposal.params) if end else found)
    return ended
