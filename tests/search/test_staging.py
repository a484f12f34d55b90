"""From one stage of coarse-to-fine to the next."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hpsearch.search.samplers.base import Observation, Proposal
from hpsearch.search.staging import OpenStage, first_stage, next_stage
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.coarse_to_fine import CoarseToFineSearch
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import StudySpec, parse_study


def study(**search: Any) -> StudySpec:
    stages = [{"trials": 12, "epochs": 3}, {"trials": 8, "epochs": 10}]
    return parse_study(
        {
            "name": "staged",
            "task": {"kind": "external", "params": {"x": {"log_uniform": [1e-5, 1.0]}}},
            "search": {"kind": "coarse_to_fine", "stages": stages, **search},
        }
    )


def trial(number: int, x: float, loss: float | None, state: str = "complete") -> Observation:
    losses = None if loss is None else (loss,)
    return Observation(number, {"task.params.x": x}, 0, TrialState(state), losses, 3)


def twelve() -> list[Observation]:
    """Best at trial 6, where x is 1e-3."""
    return [trial(n, 10 ** (-n / 2), abs(n - 6.0)) for n in range(12)]


def following(spec: StudySpec, tried: list[Observation]) -> OpenStage:
    return next_stage(spec, first_stage(spec), tried, len(tried))


def test_the_first_stage_is_the_whole_space_and_begins_with_what_people_enqueued() -> None:
    spec = study(enqueue=[{"task.params.x": 0.1}])
    stage = first_stage(spec)
    assert stage.space == search_space(spec)
    assert stage.initial == (Proposal({"task.params.x": 0.1}),)
    assert (stage.index, stage.first, stage.end) == (0, 0, 12)


def test_the_next_stage_has_its_own_plan_and_a_box_around_the_best() -> None:
    stage = following(study(), twelve())
    assert (stage.index, stage.first, stage.plan.trials, stage.plan.epochs) == (1, 12, 8, 10)
    low, high = stage.space.parameters[0].distribution.ends  # type: ignore[attr-defined]
    assert 1e-5 < low < 1e-3 < high < 1.0
    assert [change.kind for change in stage.changes] == ["narrowed"]


@pytest.mark.parametrize(("promote", "numbers"), [(0.0, []), (0.25, [6, 5]), (0.5, [6, 5, 7, 4])])
def test_the_best_configurations_are_trained_again(promote: float, numbers: list[int]) -> None:
    stage = following(study(promote=promote), twelve())
    assert list(stage.initial) == [Proposal(twelve()[number].params) for number in numbers]


def test_with_continue_the_promoted_go_on_from_where_they_stood() -> None:
    stage = following(study(**{"continue": True}), twelve())
    assert [proposal.continues for proposal in stage.initial] == [6, 5]


@pytest.mark.parametrize("state", ["pruned", "failed", "running"])
def test_only_complete_trials_are_promoted(state: str) -> None:
    tried = [*twelve(), trial(12, 0.5, -1.0, state)]
    assert following(study(), tried).initial[0] == Proposal(twelve()[6].params)


def test_a_configuration_is_promoted_once() -> None:
    tried = [*twelve(), trial(12, twelve()[6].params["task.params.x"], 0.1)]
    given = [proposal.params for proposal in following(study(), tried).initial]
    assert given == [twelve()[6].params, twelve()[5].params]


def test_after_a_stage_without_a_value_the_next_draws_in_the_same_box_and_says_why() -> None:
    spec = study()
    stage = following(spec, [trial(n, 0.1, math.nan, "failed") for n in range(12)])
    assert stage.space == search_space(spec)
    assert stage.initial == ()
    assert stage.note == "no trial came to a value, so all ranges stay as they are"


@pytest.mark.parametrize(("share", "trials"), [(1.0, 12), (0.5, 6), (0.01, 1)])
def test_the_quorum_is_a_share_of_the_stage(share: float, trials: int) -> None:
    spec = study(quorum=share)
    assert spec.search.quorum_of(first_stage(spec).plan.trials) == trials


def test_a_bare_search_coarse_to_fine_has_stages_that_rise_in_length() -> None:
    stages = CoarseToFineSearch(kind="coarse_to_fine").stages
    epochs = [stage.epochs for stage in stages]
    assert epochs == sorted(epochs)
    assert [stage.trials for stage in stages] == sorted((s.trials for s in stages), reverse=True)
