"""Checkpoints and ends that the server will not take: one trial pays, and only so often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from group_training import ATTEMPTS, SMALL, fused, trained
from inside import Inside, Killed
from stored_states import check_predictions

from hpsearch.errors import ServerFault, ServerRefused, StorageFull
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.wire.multipart import unpack
from workers.retry import RetryPolicy

MOST_SENT = 100
"""No test here needs so many parcels: whoever sends more would send for ever."""


def intercepted(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
) -> list[int]:
    """Lets something happen to parcels on their way; how many contents each of them had."""
    sent: list[int] = []
    put = inside.transport.put

    def changed(path: str, kind: Any, content: bytes, sha256: str, **query: Any) -> Any:
        if not path.endswith(":checkpoints"):
            return put(path, kind, content, sha256, **query)
        sent.append(len(unpack(content)))
        if len(sent) > MOST_SENT:
            raise Killed
        return put(path, kind, change(content), sha256, **query)

    monkeypatch.setattr(inside.transport, "put", changed)
    return sent


def damaged(content: bytes) -> bytes:
    """The last byte is another one."""
    return content[:-1] + bytes([content[-1] ^ 1])


def holds(content: bytes, job: int) -> bool:
    return any(one.job == job for one, _ in unpack(content))


def test_what_is_damaged_on_the_way_is_sent_again(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter([damaged, damaged])
    intercepted(inside, monkeypatch, lambda content: next(turns, bytes)(content))
    passes = trained(monkeypatch)
    study = fused(inside, **SMALL)
    assert passes == [(0, 1, 2, 3, 4)] * 2, "no epoch is trained again"
    for number in range(5):
        assert study.trial(number).state is TrialState.COMPLETE
        for one in inside.checkpoints(study, number):
            check_predictions(inside, study, one)


def test_a_trial_whose_states_never_arrive_whole_fails_alone(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    intercepted(
        inside, monkeypatch, lambda content: damaged(content) if holds(content, 2) else content
    )
    study = fused(inside, **SMALL)
    for number in range(5):
        trial = study.trial(number)
        if number == 1:
            assert (trial.state, trial.attempt) == (TrialState.FAILED, ATTEMPTS)
            assert "content must have the sha256 it was sent with" in (trial.message or "")
        else:
            assert (trial.state, trial.attempt) == (TrialState.COMPLETE, 1)
            for one in inside.checkpoints(study, number):
                check_predictions(inside, study, one)


def test_a_server_that_finds_everything_corrupt_is_not_tried_for_ever(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    intercepted(inside, monkeypatch, damaged)
    passes = trained(monkeypatch)
    study = fused(inside, training={"epochs": 2})
    assert [trial.state for trial in study.trials()] == [TrialState.FAILED] * 2
    assert len(passes) <= ATTEMPTS * 2 * 2


@pytest.mark.parametrize(
    "error", [ServerFault("it broke"), ServerRefused(413, "large", "it broke")]
)
def test_a_trial_that_the_server_breaks_at_fails_alone(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def break_at(content: bytes) -> bytes:
        if holds(content, 1):
            raise error
        return content

    inside.retry = RetryPolicy(max_faults=5)
    intercepted(inside, monkeypatch, break_at)
    study = fused(inside, training={"epochs": 2}, search={"trials": 3})
    states = [study.trial(number).state for number in range(3)]
    assert states == [TrialState.FAILED, TrialState.COMPLETE, TrialState.COMPLETE]
    assert study.trial(0).attempt == ATTEMPTS
    assert "it broke" in (study.trial(0).message or "")
    assert inside.checkpoints(study, 2)


def test_a_full_server_pauses_the_study_and_costs_no_trial(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [False]

    def full(content: bytes) -> bytes:
        if not room[0]:
            raise StorageFull("the artifact store has no room; free space and resume the study")
        return content

    intercepted(inside, monkeypatch, full)
    study = fused(inside, **SMALL)
    assert study.state is StudyState.PAUSED
    assert {trial.state for trial in study.trials()} == {TrialState.QUEUED}
    room[0] = True
    study.resume()
    inside.work()
    for number in range(5):
        assert study.trial(number).state is TrialState.COMPLETE
        for one in inside.checkpoints(study, number):
            check_predictions(inside, study, one)
