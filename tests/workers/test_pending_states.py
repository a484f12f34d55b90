"""Which states of a trial are kept: those that the policy names, whoever dies on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import Inside, document
from stored_states import stored_states

from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.jobs import AnyJob
from hpsearch.training.tasks.plan import Plan
from workers.pending_states import PendingState, PendingStates
from workers.server_api import WorkerClient

EPOCHS = 10
RESTARTS = {"kind": "cosine_restarts", "first_period": 3}
ENDS_OF_PERIODS = {2, 5, 8, EPOCHS - 1}
POLICIES: list[tuple[dict[str, Any], dict[Reason, set[int]]]] = [
    ({}, {}),
    ({"every": 4}, {"every": {3, 7}}),
    ({"recent": 3}, {"recent": {7, 8, 9}}),
    ({"snapshots": True}, {"snapshot": ENDS_OF_PERIODS}),
    (
        {"every": 4, "recent": 2, "snapshots": True},
        {"every": {3, 7}, "recent": {8, 9}, "snapshot": ENDS_OF_PERIODS},
    ),
]


@pytest.mark.parametrize(("policy", "reasons"), POLICIES, ids=[str(p) for p, _ in POLICIES])
def test_what_the_policy_names_is_kept_and_nothing_else(
    inside: Inside, policy: dict[str, Any], reasons: dict[Reason, set[int]]
) -> None:
    study = inside.trained(checkpoints=policy, schedule=RESTARTS)
    for number in (0, 1):
        (curve,) = study.curves(trials=[number]).curves
        values = list(curve.values)
        best = values.index(max(values))
        found = stored_states(inside, study, number)
        assert {e for e, (is_best, *_) in found.items() if is_best} == {best}
        assert {e for e, (_, is_last, *_) in found.items() if is_last} == {EPOCHS - 1}
        for reason in ("every", "recent", "snapshot"):
            epochs = {e for e, (_, _, why, *_) in found.items() if reason in why}
            assert epochs == reasons.get(reason, set()), reason
        assert set(found) == {best, EPOCHS - 1}.union(*reasons.values())
        assert all(predictions for *_, predictions in found.values())


@pytest.mark.parametrize(
    ("policy", "killed_after"),
    [
        ({"every": 4}, (5,)),
        ({"recent": 3}, (8,)),
        ({"snapshots": True}, (7,)),
        (POLICIES[-1][0], (2,)),
        (POLICIES[-1][0], (9,)),
        (POLICIES[-1][0], (4, 3)),
    ],
    ids=str,
)
def test_kills_change_nothing_in_what_is_kept(
    inside: Inside, policy: dict[str, Any], killed_after: tuple[int, ...]
) -> None:
    given = {"checkpoints": policy, "schedule": RESTARTS}
    expected = inside.trained(**given)
    study = inside.client.submit(document(**given))
    for epochs in killed_after:
        inside.work_until_killed(epochs)
    inside.work()
    for number in (0, 1):
        assert study.trial(number).attempt == 1 + len(killed_after)
        assert stored_states(inside, study, number) == stored_states(inside, expected, number)


def test_a_trial_that_keeps_its_best_alone_goes_on_from_its_last(inside: Inside) -> None:
    study = inside.client.submit(document(checkpoints={"keep": ["best"]}))
    inside.work_until_killed(8)
    leased: list[AnyJob] = []

    def listen(client: WorkerClient) -> None:
        lease = client.lease

        def noted(capacity: int) -> list[AnyJob]:
            jobs = lease(capacity)
            leased.extend(jobs)
            return jobs

        client.lease = noted  # type: ignore[method-assign]

    inside.work(inside.runner(change=listen))
    assert [job.resume and job.resume.epoch for job in leased] == [5, 5]  # type: ignore[union-attr]
    for number in (0, 1):
        assert study.trial(number).state is TrialState.COMPLETE
        (held,) = inside.checkpoints(study, number)
        assert held.best
        assert inside.predictions(held) is not None


def test_what_diverged_is_kept_by_no_reason(inside: Inside) -> None:
    study = inside.trained(
        checkpoints={"every": 1, "recent": 2},
        optimizer={"kind": "sgd", "lr": 0.01},
        schedule={"kind": "piecewise_constant", "boundaries": [4], "factors": [1, 1e38]},
        search={"trials": 1},
    )
    trial = study.trial(0)
    assert (trial.state, trial.reason) == (TrialState.PRUNED, "diverged")
    diverged = trial.epochs_done - 1
    assert diverged >= 4
    by_reason = {
        reason: {one.epoch for one in inside.checkpoints(study, 0) if reason in one.reasons}
        for reason in ("every", "recent")
    }
    assert by_reason == {"every": set(range(diverged)), "recent": {diverged - 2, diverged - 1}}


def plan_keeping(policy: dict[str, Any], epochs: int) -> Plan:
    spec = {**document(checkpoints=policy), "optimizer": {"kind": "adam", "lr": 0.01}}
    return Plan(0, parse_study(spec), epochs)


@given(
    every=st.none() | st.integers(1, 7),
    recent=st.none() | st.integers(1, 7),
    epochs=st.integers(1, 30),
    taken_after=st.sets(st.integers(0, 29)),
)
def test_whenever_states_are_taken_the_same_come_to_be_kept(
    every: int | None, recent: int | None, epochs: int, taken_after: set[int]
) -> None:
    pending = PendingStates(plan_keeping({"every": every, "recent": recent}, epochs), 4)
    sent: dict[int, PendingState] = {}
    for epoch in range(epochs):
        if reasons := pending.reasons(epoch):
            pending.add(epoch, bytes([epoch]), reasons)
        if epoch in taken_after or epoch == epochs - 1:
            sent |= {state.epoch: state for state in pending.take(None, None)}
    assert pending.size_bytes == 0
    expected = {e for e in range(epochs) if every and e % every == every - 1}
    expected |= set(range(epochs)[-(recent or 0) :]) if recent else set()
    assert expected <= set(sent)
    assert {e for e in sent if sent[e].reasons != ("recent",)} == {
        e for e in range(epochs) if every and e % every == every - 1
    }
    assert all(state.content == bytes([epoch]) for epoch, state in sent.items())


def test_an_epoch_is_sent_once_with_all_that_it_is() -> None:
    pending = PendingStates(plan_keeping({"every": 1}, 3), 4)
    for epoch in range(3):
        pending.add(epoch, b"%d" % epoch, ("every",))
    best, last = PendingState(1, b"1", best=True), PendingState(2, b"2", last=True)
    assert pending.take(best, last) == [
        PendingState(0, b"0", reasons=("every",)),
        PendingState(1, b"1", best=True, reasons=("every",)),
        PendingState(2, b"2", last=True, reasons=("every",)),
    ]
    assert pending.take(PendingState(2, b"2", best=True), last) == [
        PendingState(2, b"2", best=True, last=True)
    ]
    assert pending.take(None, None) == []
