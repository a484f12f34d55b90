"""A search with stages of its own is a class of the spec and a sampler: nothing else knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from hpsearch.search.samplers.base import Observation, Proposal
from hpsearch.search.samplers.random import RandomSampler
from hpsearch.search.samplers.staged import NextSpace, StagedSampler
from hpsearch.search.simulator import Trace, simulate
from hpsearch.spec.checks.search import search_errors
from hpsearch.spec.searches.base import CountCombinations, PlannedStage, SearchBase
from hpsearch.spec.space.space import SearchSpace
from hpsearch.spec.space.stages import stages_of, typical_epochs
from hpsearch.spec.study import StudySpec, parse_study


class TournamentSearch(SearchBase):
    """Half as many trials in each round, twice as long: those with the least loss go on."""

    implementation = f"{__name__}:TournamentSampler"
    is_staged = True
    supports_choices = False
    supports_several_objectives = False
    max_dimensions = 2

    kind: Literal["tournament"]
    trials: int = 8
    rounds: int = 3

    def plan_stages(self, count_combinations: CountCombinations) -> tuple[PlannedStage, ...]:
        """Trials and epochs of each round."""
        return tuple(PlannedStage(self.trials // 2**i, 2**i) for i in range(self.rounds))

    @property
    def continues(self) -> bool:
        """Winners go on from where they stood."""
        return True


class TournamentSampler(StagedSampler[TournamentSearch], RandomSampler[TournamentSearch]):
    """Draws the first round at random; the others consist of winners."""

    def next_space(self, trials: Sequence[Observation], whole: SearchSpace) -> NextSpace:
        """The whole space again."""
        return NextSpace(whole)

    def promote(self, trials: Sequence[Observation], count: int) -> list[Proposal]:
        """The winners."""
        winners = sorted(trials, key=lambda trial: (trial.loss, trial.number))[:count]
        return [Proposal(trial.params, continues=trial.number) for trial in winners]


def study(x: Any = None, y: Any = 1.0, **sections: Any) -> StudySpec:
    params = {"x": x or {"uniform": [0.0, 1.0]}, "y": y}
    task = {"kind": "external", "params": params}
    spec = parse_study({"name": "added", "task": task, **sections})
    return spec.model_copy(update={"search": TournamentSearch(kind="tournament")})


def curve(params: Any, epochs: int, seed: tuple[int, int]) -> Trace:
    return Trace([params["task.params.x"] + 1 / (epoch + 1) for epoch in range(epochs)])


@pytest.mark.parametrize("workers", [1, 5])
def test_it_goes_through_its_stages(workers: int) -> None:
    spec = study()
    assert [stage.trials for stage in stages_of(spec)] == [8, 4, 2]
    assert [typical_epochs(spec, stage) for stage in range(3)] == [1, 2, 4]
    outcome = simulate(spec, curve, workers=workers)
    assert [trial.stage for trial in outcome.trials] == [0] * 8 + [1] * 4 + [2] * 2
    best = min(outcome.trials[:8], key=lambda trial: trial.params["task.params.x"])
    assert outcome.chosen is not None
    assert outcome.chosen.origin == best.number
    assert len(outcome.best) == 8 * 1 + 4 * 1 + 2 * 2, "a winner trains only what is missing"


@pytest.mark.parametrize(
    ("sections", "path", "message"),
    [
        ({"x": {"choice": [0.1, 0.2]}}, "search.kind", "tournament takes only ranges, and task"),
        (
            {"y": {"uniform": [0, 1]}, "training": {"epochs": {"int_uniform": [1, 9]}}},
            "search.kind",
            "tournament takes at most 2 parameters, got 3; use random",
        ),
        (
            {"training": {"epochs": {"int_uniform": [1, 9]}}},
            "training.epochs",
            "must be a number under tournament, whose stages decide the length",
        ),
        ({"training": {"repeats": 2}}, "search.continue", "cannot go with training.repeats 2"),
        (
            {"objective": [{"metric": m, "direction": "minimize"} for m in ("a", "b")]},
            "search.kind",
            "must be random, grid, sobol, tpe, gp or nsga2 for several objectives, got tournament",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_by_what_it_says_of_itself(
    sections: dict[str, Any], path: str, message: str
) -> None:
    errors = {error.path: error.message for error in search_errors(study(**sections))}
    assert message in errors[path]


def test_what_it_can_do_passes() -> None:
    assert list(search_errors(study())) == []
