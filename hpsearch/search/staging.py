"""Stages: where a search stands, and how one stage leads to the next.

first_stage   the whole space, or what a warm start leaves of it; enqueued configurations come first
next_stage    after the barrier of a staged search: the space and the first configurations that its
              sampler names
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import Observation, Proposal, SearchProblem
from hpsearch.search.samplers.staged import RangeChange, StagedSampler
from hpsearch.spec.searches.base import PlannedStage, SearchBase
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.space.stages import stages_of
from hpsearch.spec.study import StudySpec


@dataclass(frozen=True)
class OpenStage:
    """A stage whose trials may be proposed."""

    index: int
    first: int
    """Number of its first trial."""
    plan: PlannedStage
    space: SearchSpace
    """Where its trials are drawn."""
    initial: tuple[Proposal, ...] = ()
    """What its first trials run with, before the sampler is asked."""
    changes: tuple[RangeChange, ...] = ()
    """How its space came from that of the stage before."""
    note: str | None = None
    """Why nothing came of the stage before, where that is so."""

    @property
    def end(self) -> int:
        """Number after its last trial's."""
        return self.first + self.plan.trials

    @property
    def first_sampled(self) -> int:
        """What its sampler calls the first configuration that it draws itself."""
        return self.first + len(self.initial)

    def problem(self, spec: StudySpec) -> SearchProblem[SearchBase]:
        """What its sampler searches."""
        return SearchProblem(
            space=self.space,
            seed=spec.seed,
            search=spec.search,
            objectives=max(1, len(spec.objectives)),
            stage=self.index,
            first=self.first,
            initial=tuple(proposal.params for proposal in self.initial),
        )


def first_stage(spec: StudySpec, known: Sequence[Observation] = ()) -> OpenStage:
    """The stage that a study begins with.

    Args:
        spec: the study.
        known: trials of an earlier study; a staged search begins in the space that they suggest.
    """
    space = search_space(spec)
    initial = tuple(Proposal(params) for params in spec.search.enqueue)
    stage = OpenStage(0, 0, stages_of(spec)[0], space, initial)
    if not known or not spec.search.is_staged:
        return stage
    start = _sampler(spec, stage).next_space(known, space)
    return replace(stage, space=start.space, changes=start.changes)


def next_stage(
    spec: StudySpec, stage: OpenStage, trials: Sequence[Observation], first: int
) -> OpenStage:
    """The stage after one of a staged search.

    Args:
        spec: the study.
        stage: the one that has ended.
        trials: those of that stage.
        first: the number that the new stage's first trial gets.

    Raises:
        TypeError: when the search has one stage.
    """
    sampler, plan = _sampler(spec, stage), stages_of(spec)[stage.index + 1]
    space = sampler.next_space(trials, search_space(spec))
    initial = tuple(sampler.promote(trials, plan.trials))
    return OpenStage(stage.index + 1, first, plan, space.space, initial, space.changes, space.note)


def _sampler(spec: StudySpec, stage: OpenStage) -> StagedSampler[Any]:
    sampler = sampler_for(stage.problem(spec))
    if not isinstance(sampler, StagedSampler):
        raise TypeError(f"{spec.search.kind} has a single stage, so none comes after it")
    return sampler
