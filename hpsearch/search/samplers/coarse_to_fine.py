"""Coarse-to-fine search: draws in the present stage's box; the next lies around the best trials.

What a stage proposes depends on its box and the trial's number alone, and the box on the trials
of the stage before, so any number of workers tries the same configurations.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.search.coarse_to_fine_box import next_box
from hpsearch.search.ranking import rank_trials
from hpsearch.search.samplers.base import Observation, Proposal
from hpsearch.search.samplers.random import RandomSampler
from hpsearch.search.samplers.staged import NextSpace, StagedSampler
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.coarse_to_fine import CoarseToFineSearch
from hpsearch.spec.space.space import SearchSpace


class BoxStages(StagedSampler[CoarseToFineSearch]):
    """Leads from each stage to a box around the best of its trials."""

    def next_space(self, trials: Sequence[Observation], whole: SearchSpace) -> NextSpace:
        """The box around the best `keep` of the stage's trials."""
        keep = self.settings.stages[self.problem.stage].keep
        return next_box(self.space, trials, self.settings, keep, whole=whole)

    def promote(self, trials: Sequence[Observation], count: int) -> list[Proposal]:
        """The best configurations of complete trials, each once: the share `promote` of `count`."""
        best: list[Observation] = []
        for trial in rank_trials(trials):
            is_new = all(other.params != trial.params for other in best)
            if trial.state == TrialState.COMPLETE and is_new:
                best.append(trial)
        return [
            Proposal(trial.params, continues=trial.number if self.settings.continue_ else None)
            for trial in best[: round(self.settings.promote * count)]
        ]


class BoxSampler(BoxStages, RandomSampler[CoarseToFineSearch]):
    """Draws in the box at random."""
