"""What a trial goes on from: where it is damaged, that trial alone begins again."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from inside import Inside, document
from sqlalchemy import update
from stored_states import stored_states

from hpsearch.client.client import Study
from hpsearch.errors import ServerRefused
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store.tables import CheckpointRow
from workers.server_api import WorkerClient


def replaced(inside: Inside, one: Checkpoint, content: bytes) -> None:
    """Stores another content in a checkpoint's place, whole by its hash."""
    root = inside.rig.tuner.context.artifacts.root
    (path,) = root.rglob(f"studies/{one.study_id}/**/*-{one.sha256[:16]}.safetensors")
    path.write_bytes(content)
    found = update(CheckpointRow).where(CheckpointRow.id == one.id)
    sha256 = hashlib.sha256(content).hexdigest()
    inside.rig.do(
        lambda session: session.execute(found.values(sha256=sha256, size_bytes=len(content)))
    )


def reported(first: dict[int, list[int]]) -> Any:
    """Notes the epochs that are reported of each job."""

    def listen(client: WorkerClient) -> None:
        report = client.report

        def noted(reports: Any) -> Any:
            for one in reports:
                first.setdefault(one.job, []).append(one.epoch)
            return report(reports)

        client.report = noted  # type: ignore[method-assign]

    return listen


def interrupted(inside: Inside) -> Study:
    """Two trials that were killed behind their checkpoint of epoch 5."""
    study = inside.client.submit(document())
    inside.work_until_killed(8)
    return study


@pytest.mark.parametrize("content", [b"no checkpoint", b""], ids=["another", "empty"])
def test_a_checkpoint_that_cannot_be_read_sends_its_own_trial_back_alone(
    inside: Inside, content: bytes
) -> None:
    study = interrupted(inside)
    for one in inside.checkpoints(study, 0):
        replaced(inside, one, content)
    epochs: dict[int, list[int]] = {}
    inside.work(inside.runner(change=reported(epochs)))
    assert {job: sorted(set(found)) for job, found in epochs.items()} == {
        1: list(range(10)),
        2: list(range(6, 10)),
    }
    untroubled = inside.trained()
    for number in (0, 1):
        assert study.trial(number).state is TrialState.COMPLETE
        assert stored_states(inside, study, number) == stored_states(inside, untroubled, number)


@pytest.mark.parametrize(
    ("error", "reason", "told"),
    [
        (ServerRefused(403, "not_hpsearch", "the server answered 403"), "error",
         "attempt 3: the server answered 403"),
        (MemoryError("full"), "out_of_memory", "memory ran out: full"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_cannot_be_fetched_costs_its_own_trial_alone(
    inside: Inside, error: Exception, reason: str, told: str
) -> None:
    study = interrupted(inside)

    def refuse(client: WorkerClient) -> None:
        fetch = client.fetch_checkpoint

        def refused(checkpoint_id: int) -> bytes:
            if checkpoint_id in [one.id for one in inside.checkpoints(study, 0)]:
                raise error
            return fetch(checkpoint_id)

        client.fetch_checkpoint = refused  # type: ignore[method-assign]

    inside.work(inside.runner(change=refuse))
    assert study.trial(1).state is TrialState.COMPLETE
    failed = study.trial(0)
    assert (failed.state, failed.reason) == (TrialState.FAILED, reason)
    assert failed.message == told
