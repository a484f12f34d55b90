"""Stages: where a search stands, and how one stage leads to the next.

first_stage   the whole space; enqueued configurations come first
next_stage    after coarse-to-fine's barrier: a box around the best of the stage that ended, the
              best configurations first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hpsearch.search.coarse_to_fine_box import Change, narrowed, ranked
from hpsearch.search.samplers.base import Observation, Problem, Proposal
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.search import CoarseToFineSearch
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.space.stages import StagePlan, stages_of
from hpsearch.spec.study import StudySpec


@dataclass(frozen=True)
class Stage:
    """A stage that is open."""

    index: int
    first: int
    """Number of its first trial."""
    plan: StagePlan
    space: SearchSpace
    """Where its trials are drawn."""
    given: tuple[Proposal, ...] = ()
    """What its first trials run with."""
    changes: tuple[Change, ...] = ()
    """How its space came from that of the stage before."""
    note: str | None = None
    """Why nothing came of the stage before, where that is so."""

    @property
    def end(self) -> int:
        """Number after its last trial's."""
        return self.first + self.plan.trials

    @property
    def drawn_from(self) -> int:
        """What its sampler calls the first configuration that it draws itself."""
        return self.first + len(self.given)

    def problem(self, spec: StudySpec) -> Problem:
        """What its sampler searches."""
        return Problem(
            space=self.space,
            seed=spec.seed,
            search=spec.search,
            objectives=max(1, len(spec.objectives)),
            stage=self.index,
            first=self.first,
            given=tuple(proposal.params for proposal in self.given),
        )


def first_stage(spec: StudySpec, known: Sequence[Observation] = ()) -> Stage:
    """The stage that a study begins with.

    Args:
        spec: the study.
        known: trials of an earlier study, around the best of which coarse-to-fine begins.
    """
    search, space = spec.search, search_space(spec)
    given = tuple(Proposal(params) for params in search.enqueue)
    stage = Stage(0, 0, stages_of(spec)[0], space, given)
    if not known or not isinstance(search, CoarseToFineSearch):
        return stage
    found = narrowed(space, known, search, search.stages[0].keep, whole=space)
    return replace(stage, space=found.space, changes=found.changes)


def quorum(spec: StudySpec, stage: Stage) -> int:
    """How many of a stage's trials must have ended before the next one may start."""
    share = spec.search.quorum if isinstance(spec.search, CoarseToFineSearch) else 1.0
    return max(1, round(share * stage.plan.trials))


def next_stage(spec: StudySpec, stage: Stage, tried: Sequence[Observation], first: int) -> Stage:
    """The stage after one of coarse-to-fine.

    Args:
        spec: the study.
        stage: the one that has ended.
        tried: its trials.
        first: the number that the new stage's first trial gets.
    """
    search = spec.search
    if not isinstance(search, CoarseToFineSearch):
        raise TypeError(f"only coarse_to_fine has a next stage, not {search.kind}")
    index = stage.index + 1
    plan = stages_of(spec)[index]
    keep = search.stages[stage.index].keep
    found = narrowed(stage.space, tried, search, keep, whole=search_space(spec))
    best = _promoted(tried)[: round(search.promote * plan.trials)]
    given = tuple(
        Proposal(trial.params, continues=trial.number if search.continue_ else None)
        for trial in best
    )
    return Stage(index, first, plan, found.space, given, found.changes, found.note)


def _promoted(tried: Sequence[Observation]) -> list[Observation]:
    """The complete trials from the best on, each configuration once."""
    found: list[Observation] = []
    for trial in ranked(tried):
        if trial.state == TrialState.COMPLETE and all(t.params != trial.params for t in found):
            found.append(trial)
    return found
