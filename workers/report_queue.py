"""Epochs on their way to the server, sent together a few times a second.

What the server will not take of one job costs the others nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeAlias

from hpsearch.errors import HpsearchError, StaleLease, StorageFull
from hpsearch.spec.wire.jobs import Job, JobDecision, Report
from workers.failures import WORKER_ERRORS, FailureCause, cause_of
from workers.server_api import WorkerClient

Answer: TypeAlias = JobDecision | FailureCause | None
"""The server's decision on a job; why it takes no epoch of it; none where the lease is gone."""

FLUSH_SECONDS = 0.25
"""How long an epoch waits for others: a live curve is never later than this."""
MOST_REPORTS = 5000
"""They are sent when they come to this much: a server takes 10,000 at once, and an epoch of all the
trials that a worker holds may join them."""


class ReportQueue:
    """Collects reports; `flush` sends them and says which jobs may go on."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client
        self._waiting: dict[int, list[Report]] = {}
        self._sent_at = time.monotonic()
        self.predictions_wait = False
        """As the server said when it last answered."""

    def add(self, job: Job, epoch: int, metrics: Mapping[str, float]) -> None:
        """Takes one epoch on."""
        report = Report(job=job.id, attempt=job.attempt, epoch=epoch, metrics=dict(metrics))
        self._waiting.setdefault(job.id, []).append(report)

    @property
    def is_due(self) -> bool:
        """Whether it is time to send."""
        count = sum(len(reports) for reports in self._waiting.values())
        return count >= MOST_REPORTS or time.monotonic() - self._sent_at >= FLUSH_SECONDS

    def flush(self) -> dict[int, Answer]:
        """Sends what waits: an answer by job.

        Raises:
            StorageFull: when the server has no room; all waits on.
        """
        waiting = self._waiting
        self._sent_at = time.monotonic()
        if not waiting:
            return {}
        try:
            answers = self._send([report for reports in waiting.values() for report in reports])
        except (*WORKER_ERRORS, StorageFull):  # no job's own
            raise
        except HpsearchError:
            # The whole batch was refused for one of them; each is sent on its own.
            answers = {job: self._answer(job, reports) for job, reports in waiting.items()}
        self._waiting = {}
        return answers

    def _answer(self, job: int, reports: list[Report]) -> Answer:
        try:
            return self._send(reports)[job]
        except (*WORKER_ERRORS, StorageFull):
            raise
        except StaleLease:
            return None
        except HpsearchError as error:
            return cause_of(error)

    def _send(self, reports: list[Report]) -> dict[int, Answer]:
        told = self._client.report(reports)
        self.predictions_wait = told.predictions_wait
        return {item.job: item for item in told.decisions}
