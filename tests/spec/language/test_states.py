from __future__ import annotations

from enum import StrEnum
from itertools import product

import pytest

from hpsearch.errors import IllegalTransition
from hpsearch.spec.language.states import (
    TRANSITIONS,
    JobState,
    StudyState,
    TrialState,
    is_final,
    transition,
)

# Written out a second time, by hand, from the design: what may follow what.
LEGAL = {
    *product(["study queued"], ["running", "paused", "stopped", "failed"]),
    *product(["study running"], ["paused", "stopped", "complete", "failed"]),
    *product(["study paused"], ["queued", "running", "stopped", "complete", "failed"]),
    # A study that is over runs again where it is extended.
    *product(["study stopped", "study complete"], ["running"]),
    # A queued trial may have reported epochs before its lease was lost.
    *product(["trial queued"], ["running", "complete", "pruned", "failed"]),
    *product(["trial running"], ["queued", "complete", "pruned", "failed"]),
    *product(["job queued"], ["leased", "failed"]),
    *product(["job leased"], ["queued", "done", "failed"]),
}
NOUNS = {"study": StudyState, "trial": TrialState, "job": JobState}
PAIRS = [
    (noun, present, wanted)
    for noun, states in NOUNS.items()
    for present, wanted in product(states, states)
]


@pytest.mark.parametrize(("noun", "present", "wanted"), PAIRS)
def test_only_listed_transitions_pass(noun: str, present: StrEnum, wanted: StrEnum) -> None:
    if (f"{noun} {present}", str(wanted)) in LEGAL:
        assert transition(noun, present, wanted) is wanted
        return
    with pytest.raises(IllegalTransition) as caught:
        transition(f"{noun} 7", present, wanted)
    said = str(caught.value)
    if is_final(present):
        assert said.startswith(
            f"{noun} 7 must be under way to become {wanted}, and it is {present}; "
        )
    else:
        assert said.startswith(f"{noun} 7 is {present}, which only ")
        assert f"not {wanted}" in said


def test_every_state_is_in_the_table() -> None:
    for states, followers in TRANSITIONS.items():
        assert set(followers) == set(states)


@pytest.mark.parametrize(
    ("states", "final"),
    [
        (StudyState, {"stopped", "complete", "failed"}),
        (TrialState, {"complete", "pruned", "failed"}),
        (JobState, {"done", "failed"}),
    ],
)
def test_final_states(states: type[StrEnum], final: set[str]) -> None:
    assert {str(state) for state in states if is_final(state)} == final
