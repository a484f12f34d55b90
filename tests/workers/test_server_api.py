"""What a worker waits for, and what it gives up."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hpsearch.errors import (
    HpsearchError,
    ServerFault,
    ServerRefused,
    ServerUnreachable,
    StorageFull,
)
from hpsearch.spec.language.states import FailureReason, JobKind, JobState
from hpsearch.spec.wire.jobs import Decisions, Failure, JobList, JobStatus, LeasedJob
from workers.retry import RetryPolicy
from workers.server_api import WorkerClient

JOB = LeasedJob(id=1, attempt=1, study_id=1)
FAILURE = Failure(attempt=1, reason=FailureReason.ERROR, message="it broke")
GIVEN_BACK = JobStatus(
    id=1, kind=JobKind.TRIAL, state=JobState.QUEUED, attempt=2, study_id=1, trial=0, result=None
)


class Server:
    """Answers with an error so often, then as asked."""

    def __init__(self, error: HpsearchError, times: int, ending: threading.Event) -> None:
        self.error, self.left, self.asked = error, times, 0
        self.ending = ending

    def post(self, path: str, kind: Any, *_: Any, **__: Any) -> Any:
        self.asked += 1
        if self.left == 0:
            return {
                "/jobs:lease": JobList(jobs=[]),
                "/jobs:report": Decisions(decisions=[]),
                "/jobs/1:fail": GIVEN_BACK,
            }[path]
        self.left -= 1
        if self.asked > 1000:
            self.ending.set()
        raise self.error


def linked(error: HpsearchError, times: int) -> tuple[WorkerClient, Server]:
    ending = threading.Event()
    server = Server(error, times, ending)
    linked = WorkerClient(server, ending, RetryPolicy(room_seconds=0))  # type: ignore[arg-type]
    linked.worker_id = 1
    return linked, server


def test_a_request_that_breaks_the_server_each_time_is_given_up() -> None:
    patient, server = linked(ServerFault("it broke"), 10_000)
    with pytest.raises(ServerRefused, match=r"must not fail at one request 100 times.*it broke"):
        patient.report([])
    assert server.asked == RetryPolicy().max_faults


@pytest.mark.parametrize("error", [ServerUnreachable("away"), ServerFault("it broke")])
def test_work_is_asked_for_however_long_the_server_is_away(error: HpsearchError) -> None:
    patient, server = linked(error, 500)
    assert patient.lease(1) == []
    assert server.asked == 501


def test_what_was_trained_is_kept_however_long_the_server_is_away() -> None:
    patient, _ = linked(ServerUnreachable("away"), 500)
    assert patient.report([]).decisions == []


def test_a_server_without_room_is_asked_again_for_work() -> None:
    patient, server = linked(StorageFull("no room"), 5)
    assert patient.lease(1) == []
    patient.fail(JOB, FAILURE)
    assert server.asked == 7


def test_work_is_given_back_to_a_server_once_it_has_room() -> None:
    patient, server = linked(StorageFull("no room"), 5)
    patient.fail(JOB, FAILURE)
    assert server.asked == 6


def test_told_to_end_a_worker_waits_for_no_room() -> None:
    patient, server = linked(StorageFull("no room"), 10_000)
    server.ending.set()
    with pytest.raises(StorageFull):
        patient.fail(JOB, FAILURE)
    assert server.asked == 1


def test_what_the_server_has_no_room_for_is_its_caller_s_to_give_back() -> None:
    patient, server = linked(StorageFull("no room"), 1)
    with pytest.raises(StorageFull):
        patient.report([])
    assert server.asked == 1
