"""A worker's leases are renewed whatever befalls a beat."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from hpsearch.errors import ServerUnreachable, StaleLease
from hpsearch.spec.wire.jobs import LeasedJob, LeaseToken
from workers.heartbeat import Heartbeat

PATIENCE_SECONDS = 30.0
"""Nothing here takes so long unless it never comes."""


class Server:
    """Answers a first beat with an error, and says when a later one came."""

    def __init__(self, error: Exception, gone: int | None = None) -> None:
        self.error: Exception | None = error
        self.gone = gone
        self.beaten_again = threading.Event()

    def heartbeat(self, tokens: Sequence[LeaseToken]) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self.gone in [token.job for token in tokens]:
            raise StaleLease("gone")
        if tokens:
            self.beaten_again.set()


JOBS = [LeasedJob(id=1, attempt=1, study_id=1), LeasedJob(id=2, attempt=1, study_id=1)]


@pytest.mark.parametrize(
    "error", [ServerUnreachable("away"), MemoryError("full"), RuntimeError("a fault")]
)
def test_a_beat_that_fails_is_not_the_last(error: Exception) -> None:
    server = Server(error)
    heartbeat = Heartbeat(server, lease_seconds=0.03)  # type: ignore[arg-type]
    heartbeat.hold(JOBS)
    heartbeat.start()
    assert server.beaten_again.wait(PATIENCE_SECONDS)
    heartbeat.stop()
    assert not any(heartbeat.has_lost(job) for job in JOBS)


def test_one_lease_that_is_gone_costs_the_others_nothing() -> None:
    server = Server(StaleLease("one of them is gone"), gone=1)
    heartbeat = Heartbeat(server, lease_seconds=0.03)  # type: ignore[arg-type]
    heartbeat.hold(JOBS)
    heartbeat.start()
    assert server.beaten_again.wait(PATIENCE_SECONDS)
    heartbeat.stop()
    assert [heartbeat.has_lost(job) for job in JOBS] == [True, False]
